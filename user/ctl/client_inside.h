/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What client.c and client_stream.c share. */
#pragma once

#include "client.h"

/* A connection to the daemon. 0, or a negative errno with a sentence. */
int client_connect(const struct client *c, int *ret_fd, struct err *e);
/* version: of HTTP. 0, also when the server hung up early; or a negative errno with a sentence. */
int client_send(int fd, const char *version, const char *method, const char *path,
		const json_t *body, struct err *e);
