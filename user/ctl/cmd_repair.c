/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "ctl.h"

static void print_mended(struct ctl *c, const json_t *value)
{
	const json_t *mended = json_object_get(value, "Mended"), *row;
	json_int_t more = ctl_number(value, "Count") - (json_int_t)json_array_size(mended);
	size_t i;

	json_array_foreach(mended, i, row)
		fprintf(c->out, "mended %s: %s: %s\n", ctl_text(row, "Kind"), ctl_text(row, "Name"),
			ctl_text(row, "What"));
	if (more > 0)
		fprintf(c->out, "mended %" JSON_INTEGER_FORMAT " more\n", more);
}

static void print_failed(struct ctl *c, const json_t *failed)
{
	const json_t *text;
	size_t i;

	json_array_foreach(failed, i, text)
		ctl_error(c, json_string_value(text) ? json_string_value(text) : "");
}

int cmd_repair(struct ctl *c, const struct ctl_input *in)
{
	const json_t *failed;
	json_t *value;
	int status;

	if (ctl_ask(c, "POST", "/v1/repair", in->fields, &value))
		return EXIT_FAILURE;
	failed = json_object_get(value, "Failed");
	status = json_array_size(failed) ? EXIT_FAILURE : EXIT_SUCCESS;
	if (c->json) {
		ctl_print_json(c, value);
	} else {
		print_mended(c, value);
		print_failed(c, failed);
		if (!status && !ctl_number(value, "Count"))
			fprintf(c->out, "nothing was wrong\n");
	}
	json_decref(value);
	return status;
}
