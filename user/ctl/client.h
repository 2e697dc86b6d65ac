/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the daemon over its unix socket. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

struct client {
	const char *run_dir;
	FILE *progress; /* where "waiting" is shown when it takes long; NULL: nowhere */
};

/*
 * Sends the request and waits for the answer, whatever its status. body may be
 * NULL. 0 and a JSON value (to be released), or a negative errno with the
 * sentence: not running, no permission, not an answer.
 */
int client_call(void *client, const char *method, const char *path, const json_t *body,
		int *ret_status, json_t **ret_value, struct err *e);
