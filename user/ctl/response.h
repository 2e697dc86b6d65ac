/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One HTTP/1.1 response (RFC 9112), as far as a client of our own daemon needs it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Largest answer taken: far beyond any listing, and an end to a runaway one. */
#define RESPONSE_MAX (256u << 20)

struct response {
	int status;      /* 100..599 */
	struct buf body;
};

/*
 * Reads the response from all bytes received so far; eof: there will be no more.
 * 1 when it is complete (*ret_response is filled, to be released by buf_fini of
 * its body), 0 when more bytes are needed, -EBADMSG when it is none.
 */
int response_parse(const char *data, size_t len, bool eof, struct response *ret_response);
