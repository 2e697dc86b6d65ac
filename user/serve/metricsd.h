/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' page by plain HTTP: GET /metrics, and nothing else (front/metrics.h makes it). */
#pragma once

#include "base/err.h"
#include "gossip/gossip.h"
#include "front/control.h"
#include "loop/loop.h"

struct metricsd;

/* Further connections wait in the kernel's backlog. */
#define METRICSD_CONNECTIONS_MAX 16
#define METRICSD_CONNECTION_MEMORY 16384 /* bytes of a request and its headers; more is refused */
#define METRICSD_IDLE_S 10               /* without a byte from or to a scraper */
#define METRICSD_FRESH_MS 1000           /* the page is made anew no more often, */
#define METRICSD_REST 20                 /* nor before so many times as long as making it took */

int metricsd_new(struct loop *loop, struct control *control, const struct sockname *at,
		 struct metricsd **ret_metricsd, struct err *e);
void metricsd_free(struct metricsd *m);
