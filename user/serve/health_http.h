/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The little of HTTP/1.1 (RFC 9112) that a health check speaks: bytes only. */
#pragma once

#include "gossip/gossip.h"
#include "model/model.h"

/* Of an answer no more is looked at: the status line, after interim answers (1xx). */
#define HEALTH_RESPONSE_MAX 512
/* Every byte of the path may need three. */
#define HEALTH_REQUEST_MAX (3 * HEALTH_PATH_MAX_LEN + ADDR_TEXT_MAX + 128)

/* GET of a path. Returns its length. What no request line may hold is percent-encoded. */
size_t health_request(const struct sockname *to, const char *path, char out[HEALTH_REQUEST_MAX]);

/*
 * The final status of an answer as far as it has come: 200..999; 0: more bytes
 * are needed; -EBADMSG: this is no HTTP/1.x, or HEALTH_RESPONSE_MAX bytes do
 * not tell. How the bytes were split makes no difference.
 */
int health_response(const void *data, size_t len);
static inline bool health_status_is_healthy(int status)
{
	return status >= 200 && status <= 399;
}
