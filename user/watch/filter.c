/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "base/addr.h"
#include "watch.h"

static bool is_end(const struct ov_addr *wanted, const struct ov_addr *one, const struct ov_addr *other)
{
	return addr_is_zero(wanted) || !addr_cmp(wanted, one) || !addr_cmp(wanted, other);
}

static bool has_ends(const struct watch_filter *f, const struct ov_watch_record *r)
{
	if (is_end(&f->from, &r->src, &r->src) && is_end(&f->to, &r->dst, &r->called))
		return true;
	return f->capture && is_end(&f->from, &r->dst, &r->dst) && is_end(&f->to, &r->src, &r->src);
}

bool watch_filter_takes(const struct watch_filter *f, const struct ov_watch_record *r)
{
	uint16_t port = htons(f->port);

	if (f->capture != (r->kind == OV_WATCH_PACKET) || (f->drops && !watch_is_drop(r)))
		return false;
	if ((f->vni && f->vni != r->vni) || (f->protocol && f->protocol != r->protocol))
		return false;
	if (port && port != r->sport && port != r->dport && port != r->called_port)
		return false;
	return has_ends(f, r);
}

static uint32_t snap_of(const struct watch_filter *f)
{
	return f->snap && f->snap < OV_WATCH_SNAP_MAX ? f->snap : OV_WATCH_SNAP_MAX;
}

static struct ov_watch wanted_by(const struct watch_filter *f)
{
	return (struct ov_watch){
		.from = f->from,
		.to = f->to,
		.flags = (f->capture ? OV_WATCH_CAPTURE : OV_WATCH_EVENTS) |
			 (f->drops ? OV_WATCH_DROPS : 0),
		.vni = f->vni,
		.snap = f->capture ? snap_of(f) : 0,
		.port = htons(f->port),
		.protocol = f->protocol,
	};
}

/* Where they do not agree, everybody's is wanted. */
static void widen(struct ov_watch *w, const struct ov_watch *by)
{
	const struct ov_addr any = { 0 };

	if (memcmp(&w->from, &by->from, sizeof(any)))
		w->from = any;
	if (memcmp(&w->to, &by->to, sizeof(any)))
		w->to = any;
	if (w->vni != by->vni)
		w->vni = 0;
	if (w->port != by->port)
		w->port = 0;
	if (w->protocol != by->protocol)
		w->protocol = 0;
	if (by->snap > w->snap)
		w->snap = by->snap;
	w->flags = ((w->flags | by->flags) & ~OV_WATCH_DROPS) | (w->flags & by->flags & OV_WATCH_DROPS);
}

struct ov_watch watch_filter_union(const struct watch_filter *const *filter, size_t count)
{
	struct ov_watch w = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct ov_watch one = wanted_by(filter[i]);

		if (i)
			widen(&w, &one);
		else
			w = one;
	}
	return w;
}
