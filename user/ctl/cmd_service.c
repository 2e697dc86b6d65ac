/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about services, their backends and what balances. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"

static const struct column service_columns[] = {
	{ "ID", "ID", COLUMN_ID },
	{ "NAME", "Name", COLUMN_TEXT },
	{ "NETWORK", "Network", COLUMN_TEXT },
	{ "MODE", "Mode", COLUMN_TEXT },
	{ "REPLICAS", "Replicas", COLUMN_TEXT },
	{ "VIP", "VIP", COLUMN_TEXT },
	{ "PORTS", "Ports", COLUMN_TEXT },
};

static const struct column lb_columns[] = {
	{ "VIP", "VIP", COLUMN_TEXT },
	{ "SERVICE", "Service", COLUMN_TEXT },
	{ "NETWORK", "Network", COLUMN_TEXT },
	{ "ALGORITHM", "Algorithm", COLUMN_TEXT },
	{ "BACKEND", "Backend", COLUMN_TEXT },
	{ "NAME", "Name", COLUMN_TEXT },
	{ "WEIGHT", "Weight", COLUMN_NUMBER },
	{ "ACTIVE", "Active", COLUMN_NUMBER },
	{ "TOTAL", "Total", COLUMN_NUMBER },
};

int cmd_service_ls(struct ctl *c, const struct ctl_input *in)
{
	(void)in;
	return ctl_list(c, "/v1/services", service_columns, ARRAY_SIZE(service_columns));
}

int cmd_lb_ls(struct ctl *c, const struct ctl_input *in)
{
	return ctl_list_filtered(c, "/v1/lb", in, "service", lb_columns, ARRAY_SIZE(lb_columns));
}

int cmd_service_create(struct ctl *c, const struct ctl_input *in)
{
	return ctl_create(c, "/v1/services", in->fields, "ID");
}

/* PATCHes; prints what was changed as it was typed, or the answer. */
static int change(struct ctl *c, const char *collection, const char *ref, const json_t *body)
{
	_cleanup_(freep) char *escaped = ctl_escape(ref), *path = NULL;
	json_t *value;
	int status;

	if (!body || !escaped || asprintf(&path, "/v1/%s/%s", collection, escaped) < 0)
		return ctl_error(c, "out of memory");
	status = ctl_ask(c, "PATCH", path, body, &value);
	if (status)
		return status;
	if (c->json)
		ctl_print_json(c, value);
	else
		fprintf(c->out, "%s\n", ref);
	json_decref(value);
	return EXIT_SUCCESS;
}

int cmd_service_update(struct ctl *c, const struct ctl_input *in)
{
	if (!json_object_size(in->fields)) {
		ctl_error(c, "service update needs an option that says what to change");
		return EXIT_WRONG_USAGE;
	}
	return change(c, "services", in->argv[0], in->fields);
}

static int change_endpoint(struct ctl *c, const char *ref, json_t *body)
{
	int status = change(c, "endpoints", ref, body);

	json_decref(body);
	return status;
}

int cmd_service_drain(struct ctl *c, const struct ctl_input *in)
{
	bool drain = !strcmp(in->command->name, "service drain");

	return change_endpoint(c, in->argv[0], json_pack("{s:b}", "Drain", drain));
}

int cmd_service_join(struct ctl *c, const struct ctl_input *in)
{
	if (json_object_set_new(in->fields, "Service", json_string(in->argv[0])))
		return ctl_error(c, "the service's name is not UTF-8");
	return change(c, "endpoints", in->argv[1], in->fields);
}

int cmd_service_leave(struct ctl *c, const struct ctl_input *in)
{
	return change_endpoint(c, in->argv[0], json_pack("{s:s}", "Service", ""));
}
