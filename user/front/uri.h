/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two escapings of a request line (RFC 3986): percent-encoding and k=v&k=v. */
#pragma once

#include <stddef.h>

/* Decodes len bytes into a string of at most size - 1. -EINVAL: bad escape, NUL, too long. */
int uri_decode(const char *text, size_t len, char *out, size_t size);
/* The decoded value of a key of the query; keys are plain. 0, -ENOENT or -EINVAL. */
int uri_query(const char *query, const char *key, char *out, size_t size);
/* Length of the first key of the query that is not `known`, at *ret_key; 0 when there is none. */
size_t uri_query_unknown(const char *query, const char *known, const char **ret_key);
