/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "watch.h"

static const char *const kinds[OV_WATCH_KIND_COUNT] = {
	[OV_WATCH_NEW] = "new",
	[OV_WATCH_SEEN] = "seen",
	[OV_WATCH_CLOSED] = "closed",
	[OV_WATCH_IDLE] = "idle",
	[OV_WATCH_DROP] = "dropped",
	[OV_WATCH_REFUSED] = "refused",
	[OV_WATCH_PACKET] = "packet",
};

int watch_record_parse(const void *data, size_t size, struct watch_record *ret_record)
{
	struct ov_watch_record *h = &ret_record->head;

	if (size < sizeof(*h))
		return -EBADMSG;
	memcpy(h, data, sizeof(*h));
	if (h->version != OV_WATCH_VERSION || h->kind >= OV_WATCH_KIND_COUNT || !kinds[h->kind] ||
	    h->captured > OV_WATCH_SNAP_MAX || h->captured > h->length ||
	    size - sizeof(*h) < h->captured)
		return -EBADMSG;
	ret_record->packet = (const uint8_t *)data + sizeof(*h);
	return 0;
}

const char *watch_kind_to_str(enum ov_watch_kind kind)
{
	return (unsigned int)kind < OV_WATCH_KIND_COUNT && kinds[kind] ? kinds[kind] : "unknown";
}

bool watch_is_drop(const struct ov_watch_record *r)
{
	switch (r->verdict) {
	case OV_FWD_TOO_BIG:
	case OV_FWD_RESET:
	case OV_FWD_UNREACHABLE:
	case OV_FWD_CUT:
		return true;
	default:
		return ov_verdict_is_drop(r->verdict);
	}
}
