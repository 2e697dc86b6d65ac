/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record of the ring: refused, or shown as JSON with what it says, whatever that is. The
 * first bytes are a filter.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "front/show_watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch_filter filter = { 0 };
	struct view nothing = { 0 };
	struct watch_place place = { .device = "eth0" };
	struct watch_names *names;
	struct watch_record r;
	json_t *value;

	if (size < 4 || watch_names_build(&nothing, &names))
		return 0;
	filter.capture = data[0] & 1;
	filter.drops = data[0] & 2;
	filter.protocol = data[1];
	filter.port = data[2];
	place.names = names;
	if (!watch_record_parse(data + 4, size - 4, &r)) {
		if (r.packet + r.head.captured > data + size)
			abort();
		watch_filter_takes(&filter, &r.head);
		value = show_watch(&r, &place, data[3]);
		if (!value || !json_string_length(json_object_get(value, "Event")) ||
		    !json_string_length(json_object_get(value, "Verdict")))
			abort();
		json_decref(value);
	}
	watch_names_free(names);
	return 0;
}
