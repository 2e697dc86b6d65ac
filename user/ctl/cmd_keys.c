/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the keys of encrypted networks. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "ctl.h"

static const struct column key_columns[] = {
	{ "PEER", "Peer", COLUMN_TEXT },
	{ "EPOCH", "Epoch", COLUMN_NUMBER },
	{ "PEER EPOCH", "PeerEpoch", COLUMN_NUMBER },
	{ "AGE", "Age", COLUMN_TEXT },
	{ "SENT", "Sent", COLUMN_NUMBER },
	{ "RECEIVED", "Received", COLUMN_NUMBER },
	{ "READY", "Ready", COLUMN_TEXT },
	{ "REPLAYED", "Replayed", COLUMN_NUMBER },
	{ "FAILED", "Failed", COLUMN_NUMBER },
	{ "NO SA", "NoSA", COLUMN_NUMBER },
	{ "CLEARTEXT", "Cleartext", COLUMN_NUMBER },
};

int cmd_key_ls(struct ctl *c, const struct ctl_input *in)
{
	(void)in;
	return ctl_list(c, "/v1/keys", key_columns, ARRAY_SIZE(key_columns));
}

int cmd_key_rotate(struct ctl *c, const struct ctl_input *in)
{
	json_t *value;

	if (ctl_ask(c, "POST", "/v1/keys/rotate", in->fields, &value))
		return EXIT_FAILURE;
	if (c->json)
		ctl_print_json(c, value);
	else
		fprintf(c->out, "epoch %" JSON_INTEGER_FORMAT "\n", ctl_number(value, "Epoch"));
	json_decref(value);
	return EXIT_SUCCESS;
}
