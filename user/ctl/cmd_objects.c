/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about nodes, networks and endpoints. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"

static const struct column node_columns[] = {
	{ "NODE ID", "ID", COLUMN_ID },
	{ "NAME", "Name", COLUMN_NODE },
	{ "ADDRESS", "Address", COLUMN_TEXT },
	{ "STATUS", "Status", COLUMN_STATUS },
	{ "MTU", "MTU", COLUMN_NUMBER },
	{ "ENDPOINTS", "Endpoints", COLUMN_NUMBER },
	{ "VERSION", "Version", COLUMN_TEXT },
};

static const struct column network_columns[] = {
	{ "NETWORK ID", "Id", COLUMN_ID },
	{ "NAME", "Name", COLUMN_TEXT },
	{ "DRIVER", "Driver", COLUMN_TEXT },
	{ "SCOPE", "Scope", COLUMN_TEXT },
	{ "SUBNET", "Subnet", COLUMN_TEXT },
	{ "VNI", "VNI", COLUMN_NUMBER },
	{ "MTU", "MTU", COLUMN_NUMBER },
	{ "ENCRYPTED", "Encrypted", COLUMN_YES },
	{ "ENDPOINTS", "Endpoints", COLUMN_NUMBER },
};

static const struct column endpoint_columns[] = {
	{ "ENDPOINT ID", "ID", COLUMN_ID },
	{ "NAME", "Name", COLUMN_TEXT },
	{ "NETWORK", "Network", COLUMN_TEXT },
	{ "NODE", "Node", COLUMN_TEXT },
	{ "IP", "IP", COLUMN_TEXT },
	{ "MAC", "MAC", COLUMN_TEXT },
	{ "INTERFACE", "IfName", COLUMN_TEXT },
};

int ctl_list(struct ctl *c, const char *path, const struct column *columns, size_t count)
{
	json_t *rows;
	int status = ctl_ask(c, "GET", path, NULL, &rows);

	if (status)
		return status;
	status = ctl_print_rows(c, rows, columns, count);
	json_decref(rows);
	return status;
}

int cmd_node_ls(struct ctl *c, const struct ctl_input *in)
{
	(void)in;
	return ctl_list(c, "/v1/nodes", node_columns, ARRAY_SIZE(node_columns));
}

int cmd_network_ls(struct ctl *c, const struct ctl_input *in)
{
	(void)in;
	return ctl_list(c, "/v1/networks", network_columns, ARRAY_SIZE(network_columns));
}

int ctl_list_filtered(struct ctl *c, const char *path, const struct ctl_input *in, const char *filter,
		      const struct column *columns, size_t count)
{
	const char *value = ctl_text(in->fields, filter);
	_cleanup_(freep) char *escaped = ctl_escape(value), *whole = NULL;
	int r;

	if (!escaped)
		return ctl_error(c, "out of memory");
	r = *value ? asprintf(&whole, "%s?%s=%s", path, filter, escaped) : asprintf(&whole, "%s", path);
	if (r < 0)
		return ctl_error(c, "out of memory");
	return ctl_list(c, whole, columns, count);
}

int cmd_endpoint_ls(struct ctl *c, const struct ctl_input *in)
{
	return ctl_list_filtered(c, "/v1/endpoints", in, "network", endpoint_columns,
				 ARRAY_SIZE(endpoint_columns));
}

int ctl_create(struct ctl *c, const char *path, const json_t *body, const char *id_member)
{
	json_t *made;
	int status = ctl_ask(c, "POST", path, body, &made);

	if (status)
		return status;
	if (c->json)
		ctl_print_json(c, made);
	else
		fprintf(c->out, "%s\n", ctl_text(made, id_member));
	json_decref(made);
	return EXIT_SUCCESS;
}

int cmd_network_create(struct ctl *c, const struct ctl_input *in)
{
	if (json_object_set_new(in->fields, "Name", json_string(in->argv[0])))
		return ctl_error(c, "the network's name is not UTF-8");
	return ctl_create(c, "/v1/networks", in->fields, "Id");
}

int cmd_endpoint_attach(struct ctl *c, const struct ctl_input *in)
{
	return ctl_create(c, "/v1/endpoints", in->fields, "ID");
}

/* "network inspect" -> "networks", "policy rm" -> "policies" */
static void collection_of(const struct ctl_command *cmd, char out[32])
{
	int len = (int)strcspn(cmd->name, " ");
	bool is_y = cmd->name[len - 1] == 'y';

	snprintf(out, 32, "%.*s%s", len - is_y, cmd->name, is_y ? "ies" : "s");
}

/* What exists is shown, what does not is said; as Docker does. */
int cmd_inspect(struct ctl *c, const struct ctl_input *in)
{
	json_t *all = json_array();
	int status = EXIT_SUCCESS;
	char collection[32];

	collection_of(in->command, collection);
	for (int i = 0; i < in->argc; i++) {
		json_t *one = NULL;

		if (ctl_ask_one(c, "GET", collection, in->argv[i], &one))
			status = EXIT_FAILURE;
		else if (json_array_append_new(all, one))
			status = ctl_error(c, "out of memory");
	}
	ctl_print_json(c, all);
	json_decref(all);
	return status;
}

/* Names what is gone; with --json, the daemon's answers. */
int cmd_remove(struct ctl *c, const struct ctl_input *in)
{
	json_t *all = json_array();
	int status = EXIT_SUCCESS;
	char collection[32];

	collection_of(in->command, collection);
	for (int i = 0; i < in->argc; i++) {
		json_t *gone = NULL;

		if (ctl_ask_one(c, "DELETE", collection, in->argv[i], &gone))
			status = EXIT_FAILURE;
		else if (json_array_append_new(all, gone))
			status = ctl_error(c, "out of memory");
		else if (!c->json)
			fprintf(c->out, "%s\n", in->argv[i]);
	}
	if (c->json)
		ctl_print_json(c, all);
	json_decref(all);
	return status;
}
