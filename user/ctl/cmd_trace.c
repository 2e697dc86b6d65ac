/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `overlayctl trace`: a packet's way, node by node, and what becomes of it. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"

/* PATH?key=value&..., of the options that were given. NULL: out of memory. */
static char *path_of(const json_t *fields)
{
	char *path = strdup("/v1/trace");
	const char *key, *mark = "?";
	json_t *value;

	json_object_foreach((json_t *)fields, key, value) {
		_cleanup_(freep) char *escaped = ctl_escape(json_string_value(value));
		_cleanup_(freep) char *before = TAKE_PTR(path);

		if (!before || !escaped || asprintf(&path, "%s%s%s=%s", before, mark, key, escaped) < 0)
			return NULL;
		mark = "&";
	}
	return path;
}

/* Names in a sentence come from elsewhere: nothing in them may steer a terminal. */
static void print_text(struct ctl *c, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, c->out);
	fputc('\n', c->out);
}

static void print_steps(struct ctl *c, const json_t *steps)
{
	const char *node = "";
	const json_t *s;
	size_t i;

	json_array_foreach(steps, i, s) {
		if (!i || strcmp(node, ctl_text(s, "Node"))) {
			node = ctl_text(s, "Node");
			fputs("node ", c->out);
			print_text(c, node);
		}
		fprintf(c->out, "  %-12s ", ctl_text(s, "Program"));
		print_text(c, ctl_text(s, "Text"));
	}
}

static void print_verdict(struct ctl *c, const json_t *trace)
{
	bool delivered = json_is_true(json_object_get(trace, "Delivered"));
	const char *colour = !c->colour ? "" : delivered ? "\033[32m" : "\033[31m";

	fprintf(c->out, "%s%s%s: %s\n", colour, ctl_text(trace, "Verdict"), c->colour ? "\033[0m" : "",
		ctl_text(trace, "Meaning"));
	if (*ctl_text(trace, "Reason"))
		fprintf(c->out, "  because of %s: %s\n", ctl_text(trace, "Reason"),
			ctl_text(trace, "ReasonMeaning"));
	if (json_is_false(json_object_get(trace, "Certain")))
		fputs("  another packet like it may go another way, where it says so above\n", c->out);
	if (!delivered && *ctl_text(trace, "Mend"))
		fprintf(c->out, "  to mend it: %s\n", ctl_text(trace, "Mend"));
}

/* Whether it would be delivered is the exit status, as `ping` has it. */
int cmd_trace(struct ctl *c, const struct ctl_input *in)
{
	_cleanup_(freep) char *path = path_of(in->fields);
	json_t *value;
	int status;

	if (!path)
		return ctl_error(c, "out of memory");
	if (ctl_ask(c, "GET", path, NULL, &value))
		return EXIT_FAILURE;
	status = json_is_true(json_object_get(value, "Delivered")) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (c->json) {
		ctl_print_json(c, value);
	} else {
		print_steps(c, json_object_get(value, "Steps"));
		print_verdict(c, value);
	}
	json_decref(value);
	return status;
}
