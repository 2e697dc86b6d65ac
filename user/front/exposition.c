/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"

static void put(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void exposition_family(struct buf *b, const char *name, const char *type, const char *help)
{
	put(b, "# HELP ");
	put(b, name);
	put(b, " ");
	put(b, help);
	put(b, "\n# TYPE ");
	put(b, name);
	put(b, " ");
	put(b, type);
	put(b, "\n");
}

/* Nearly all are: no escape, no copy. */
static bool is_plain(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value >= 0x80 || *value == '\\' || *value == '"' || *value == '\n')
			return false;
	return true;
}

/* Backslash, quote and newline have a meaning in label values. */
static void put_value(struct buf *b, const char *value)
{
	_cleanup_(freep) char *clean = NULL;

	if (is_plain(value)) {
		put(b, value);
		return;
	}
	clean = json_clean(value);
	if (!clean)
		b->failed = true;
	for (const char *p = clean; p && *p; p++) {
		if (*p == '\n') {
			put(b, "\\n");
			continue;
		}
		if (*p == '\\' || *p == '"')
			put(b, "\\");
		buf_put(b, p, 1);
	}
}

static void put_labels(struct buf *b, const struct metric_label labels[LABELS_MAX])
{
	const char *before = "{";

	for (int i = 0; i < LABELS_MAX && labels[i].name; i++) {
		put(b, before);
		put(b, labels[i].name);
		put(b, "=\"");
		put_value(b, labels[i].value);
		put(b, "\"");
		before = ",";
	}
	if (labels[0].name)
		put(b, "}");
}

void exposition_sample(struct buf *b, const char *name, const struct metric_label labels[LABELS_MAX], uint64_t value)
{
	char text[24], *at = text + sizeof(text);

	put(b, name);
	put_labels(b, labels);
	*--at = '\n';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	*--at = ' ';
	buf_put(b, at, (size_t)(text + sizeof(text) - at));
}

void exposition_seconds(struct buf *b, const char *name, uint64_t nanoseconds)
{
	char text[64];

	snprintf(text, sizeof(text), " %" PRIu64 ".%09" PRIu64 "\n", nanoseconds / 1000000000u,
		 nanoseconds % 1000000000u);
	put(b, name);
	put(b, text);
}
