/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: HTTP/1.1 on a unix socket (libmicrohttpd), handed to front/control. */
#pragma once

#include "base/err.h"
#include "front/control.h"
#include "loop/loop.h"

struct http;

/*
 * Listens on path, mode 0600; a stale socket of a dead daemon is replaced, a
 * living one is an error with a sentence. A request's body is bounded by
 * CONTROL_BODY_MAX (413), connections by HTTP_CONNECTIONS_MAX.
 */
#define HTTP_CONNECTIONS_MAX 64
int http_new(struct loop *loop, struct control *control, const char *path, struct http **ret_http,
	     struct err *e);
void http_free(struct http *h);
