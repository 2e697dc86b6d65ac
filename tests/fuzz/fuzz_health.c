/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a backend answers to a health check. Bytes that come one by one say the
 * same as all at once, and nothing takes back what was said. The input is then
 * used as a path: no request may hold a byte of it that ends a line.
 */
#include <stdlib.h>
#include <string.h>

/* serve/ does I/O and is not linked into fuzz targets; this file of it does none. */
#include "serve/health_http.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const uint8_t *data, size_t size)
{
	const struct sockname to = { .port = 65535 };
	char path[HEALTH_PATH_MAX_LEN + 1] = "", out[HEALTH_REQUEST_MAX];
	size_t lines = 0, len;

	memcpy(path, data, size < HEALTH_PATH_MAX_LEN ? size : HEALTH_PATH_MAX_LEN);
	len = health_request(&to, path, out);
	if (len >= sizeof(out) || memcmp(out + len - 4, "\r\n\r\n", 4))
		abort();
	for (size_t i = 0; i < len; i++)
		lines += out[i] == '\n' || out[i] == '\r';
	if (lines != 10)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int whole = health_response(data, size), said = 0;

	if (whole && whole != -EBADMSG && (whole < 200 || whole > 999))
		abort();
	if (!whole && size >= HEALTH_RESPONSE_MAX)
		abort();
	for (size_t len = 0; len <= size; len++) {
		/* A copy of its exact size: ASan sees a read behind its end. */
		uint8_t *part = malloc(len ? len : 1);
		int now;

		memcpy(part, data, len);
		now = health_response(part, len);
		free(part);
		if (said && now != said)
			abort();
		said = now;
	}
	if (said != whole)
		abort();
	check_request(data, size);
	return 0;
}
