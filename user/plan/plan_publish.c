/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Published ports in the kernel of each node, and what the node is to the outside.
 *
 *   published  a row a port that is open here; for ports that are bound to single
 *              addresses, a row without an address, too, that leads to them
 *   allowed    who may call, where not everybody may
 *   addresses  this node's own
 *   links      its devices
 *
 * A port stays closed here when a process of this host listens on it: that process may be
 * the only way into the machine. One of host mode does when no backend is here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "build.h"
#include "table.h"

/* ---- which ports are open here ---- */

void publish_init(struct build *b)
{
	for (size_t i = 0; i < b->f->taken_count; i++) {
		uint16_t port = b->f->taken[i].port;

		b->taken[port / 8] |= (uint8_t)(1u << port % 8);
	}
}

/* The bit spares all other ports the walk through the list. */
static bool is_taken(const struct build *b, const struct publish *p)
{
	if (!(b->taken[p->published / 8] & 1u << p->published % 8))
		return false;
	for (size_t i = 0; i < b->f->taken_count; i++) {
		const struct fact_port *t = &b->f->taken[i];

		if (t->port == p->published && t->protocol == p->protocol &&
		    (addr_is_zero(&t->addr) || addr_is_zero(&p->addr) ||
		     !addr_cmp(&t->addr, &p->addr)))
			return true;
	}
	return false;
}

static bool is_won(const struct view_service *vs, unsigned int i)
{
	return !(vs->publish_lost & 1u << i);
}

bool publish_has_any(const struct view_service *vs)
{
	for (unsigned int i = 0; i < vs->svc->publish_count; i++)
		if (is_won(vs, i))
			return true;
	return false;
}

bool publish_wants_local(const struct build *b, const struct view_service *vs,
			 const struct service_detail *d)
{
	for (unsigned int i = 0; i < vs->svc->publish_count; i++)
		if (d->publish[i].mode == PUBLISH_HOST && is_won(vs, i) &&
		    !is_taken(b, &d->publish[i]))
			return true;
	return false;
}

/* ---- rows of ports ---- */

static void add_allowed(struct build *b, const struct publish *p)
{
	static const uint32_t yes = 1;
	struct ov_allowed_key key;

	memset(&key, 0, sizeof(key));
	key.addr = p->addr;
	key.port = htons(p->published);
	key.protocol = p->protocol;
	for (uint8_t i = 0; i < p->allow_count; i++) {
		key.prefix_len = OV_ALLOWED_PREFIX + p->allow[i].len;
		key.client = p->allow[i].addr;
		table_add(build_table(b, PLAN_ALLOWED), &key, &yes);
	}
}

/*
 * What leads from a port to its rows of single addresses. Nobody has the port on every address:
 * that would clash (publish_clashes). Several such rows are alike, and one stays.
 */
static void add_nowhere(struct build *b, struct ov_published_key key)
{
	static const struct ov_published value = { .flags = OV_PUBLISHED_BY_ADDRESS |
							    OV_PUBLISHED_NOWHERE };

	key.addr = (struct ov_addr){ 0 };
	table_add(build_table(b, PLAN_PUBLISHED), &key, &value);
}

static void add_port(struct build *b, const struct balance *of, const struct publish *p,
		     const struct ov_service *as)
{
	struct ov_published_key key = { .addr = p->addr, .port = htons(p->published),
					.protocol = p->protocol };
	struct ov_published value = { .vip = of->vip, .vni = of->vni, .service = *as };

	value.service.target_port = htons(p->target);
	value.flags = (p->mode == PUBLISH_HOST ? OV_PUBLISHED_LOCAL : 0) |
		      (p->allow_count ? OV_PUBLISHED_ALLOW : 0) |
		      (of->vs->svc->dsr ? OV_PUBLISHED_DSR : 0);
	table_add(build_table(b, PLAN_PUBLISHED), &key, &value);
	if (!addr_is_zero(&p->addr))
		add_nowhere(b, key);
	add_allowed(b, p);
}

int publish_add(struct build *b, const struct balance *of, const struct service_detail *d,
		const struct ov_service *all, const struct ov_service *local)
{
	const struct view_service *vs = of->vs;

	for (unsigned int i = 0; i < vs->svc->publish_count; i++) {
		const struct publish *p = &d->publish[i];
		const struct ov_service *as = p->mode == PUBLISH_HOST ? local : all;

		if (!is_won(vs, i) || is_taken(b, p) || (as == local && !as->backends))
			continue;
		if (table_grow(build_table(b, PLAN_PUBLISHED), 2) ||
		    table_grow(build_table(b, PLAN_ALLOWED), p->allow_count))
			return -ENOMEM;
		add_port(b, of, p, as);
	}
	return 0;
}

/* ---- this node ---- */

static const struct fact_link *find_link(const struct facts *f, uint32_t ifindex)
{
	size_t low = 0, high = f->link_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->link[mid].ifindex == ifindex)
			return &f->link[mid];
		if (f->link[mid].ifindex < ifindex)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* What comes from an address of a loopback or dummy device leaves by the uplink. */
static void add_address(struct build *b, const struct fact_address *a)
{
	const struct fact_link *l = find_link(b->f, a->ifindex);
	struct ov_address_key key = { .addr = a->addr };
	struct ov_address value = {
		.ifindex = l && !l->is_loopback ? a->ifindex : b->f->uplink_ifindex,
	};

	table_add(build_table(b, PLAN_ADDRESSES), &key, &value);
}

void publish_add_host(struct build *b)
{
	for (size_t i = 0; i < b->f->address_count; i++)
		add_address(b, &b->f->address[i]);
	for (size_t i = 0; i < b->f->link_count; i++) {
		struct ov_link_key key = { .ifindex = b->f->link[i].ifindex };
		struct ov_link value = { .addr = b->f->link[i].addr };

		table_add(build_table(b, PLAN_LINKS), &key, &value);
	}
}
