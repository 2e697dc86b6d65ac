/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page that Prometheus reads, as text; the server is serve/metricsd.h. */
#pragma once

#include "base/bytes.h"
#include "front/control.h"

/* Samples of a family; more are left out and counted. */
#define METRICS_ROWS_MAX 10000

/* Appends the page. 0, or a negative errno with a sentence. */
int metrics_text(struct control *c, struct buf *out, struct err *e);
