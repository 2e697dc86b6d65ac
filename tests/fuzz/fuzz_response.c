/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What overlayctl reads from the socket. Whether bytes come at once or one by one changes nothing. */
#include <stdlib.h>
#include <string.h>

/* Not in the core library: overlayctl alone reads responses. */
#include "ctl/response.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct response whole = { 0 }, part = { 0 };
	int r = response_parse((const char *)data, size, false, &whole), partly = 0;

	for (size_t len = 0; len <= size && size < 512 && !partly; len++)
		partly = response_parse((const char *)data, len, false, &part);
	if (size < 512 && r >= 0 && partly >= 0 && r != partly)
		abort();
	if (r == 1 && partly == 1 &&
	    (whole.status != part.status || whole.body.len != part.body.len ||
	     (whole.body.len && memcmp(whole.body.data, part.body.data, whole.body.len))))
		abort();
	buf_fini(&whole.body);
	buf_fini(&part.body);
	return 0;
}
