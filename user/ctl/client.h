/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the daemon over its unix socket. */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct client {
	const char *run_dir;
	FILE *progress; /* where "waiting" is shown when it takes long; NULL: nowhere */
	const volatile sig_atomic_t *stop; /* once set client_call waits no more: -EINTR; may be NULL */
};

/*
 * Sends the request and waits for the answer, whatever its status. body may be
 * NULL. 0 and a JSON value (to be released), or a negative errno with the
 * sentence: not running, no permission, not an answer.
 */
int client_call(void *client, const char *method, const char *path, const json_t *body,
		int *ret_status, json_t **ret_value, struct err *e);
/* Who hears an answer of many lines. Either ends it by returning false. */
struct client_listener {
	bool (*begun)(void *arg); /* the status is 200; the first line may be long in coming */
	bool (*line)(void *arg, const char *text, size_t len);
	void *arg;
};

/*
 * The same for an answer that is a line after another, for as long as it lasts, or until *stop is
 * set. Another status than 200 comes as from client_call. 0, or a negative errno with a sentence;
 * -ECONNRESET: overlayd hung up.
 */
#define CLIENT_LINE_MAX (1u << 20)
int client_stream(void *client, const char *path, const json_t *body, const volatile sig_atomic_t *stop,
		  const struct client_listener *listener, int *ret_status, json_t **ret_value,
		  struct err *e);
