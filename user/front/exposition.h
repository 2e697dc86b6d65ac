/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text exposition format, version 0.0.4: families and samples, escaped. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

struct metric_label {
	const char *name, *value;
};
#define LABELS_MAX 4

/* "# HELP" and "# TYPE"; its samples follow before the next one begins. type: "counter", "gauge" or "histogram". */
void exposition_family(struct buf *b, const char *name, const char *type, const char *help);
/* Labels end with the first that has no name. What is not UTF-8 becomes '?'. */
void exposition_sample(struct buf *b, const char *name, const struct metric_label labels[LABELS_MAX], uint64_t value);
void exposition_seconds(struct buf *b, const char *name, uint64_t nanoseconds);

#define SAMPLE(b, name, value, ...) \
	exposition_sample(b, name, (const struct metric_label[LABELS_MAX]){ __VA_ARGS__ }, value)
