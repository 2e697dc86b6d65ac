/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about policy. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"

static const struct column policy_columns[] = {
	{ "ID", "ID", COLUMN_ID },
	{ "NETWORK", "Network", COLUMN_TEXT },
	{ "ACTION", "Action", COLUMN_TEXT },
	{ "FROM", "From", COLUMN_TEXT },
	{ "TO", "To", COLUMN_TEXT },
	{ "PORTS", "Ports", COLUMN_TEXT },
	{ "HITS", "Hits", COLUMN_NUMBER },
};

int cmd_policy_ls(struct ctl *c, const struct ctl_input *in)
{
	return ctl_list_filtered(c, "/v1/policies", in, "network", policy_columns,
				 ARRAY_SIZE(policy_columns));
}

/* "policy allow", "policy deny" */
int cmd_policy_add(struct ctl *c, const struct ctl_input *in)
{
	const char *action = strchr(in->command->name, ' ') + 1;

	if (json_object_set_new(in->fields, "Action", json_string(action)))
		return ctl_error(c, "out of memory");
	return ctl_create(c, "/v1/policies", in->fields, "ID");
}

int cmd_policy_default(struct ctl *c, const struct ctl_input *in)
{
	json_t *value;

	if (in->argc && json_object_set_new(in->fields, "Action", json_string(in->argv[0])))
		return ctl_error(c, "the verdict is not UTF-8");
	if (ctl_ask(c, "POST", "/v1/policies/default", in->fields, &value))
		return EXIT_FAILURE;
	if (c->json)
		ctl_print_json(c, value);
	else
		fprintf(c->out, "%s%s\n", ctl_text(value, "Default"),
			json_is_true(json_object_get(value, "Audit")) ? ", audit" : "");
	json_decref(value);
	return EXIT_SUCCESS;
}
