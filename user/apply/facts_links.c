/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "facts_links.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "drivers.h"
#include "sys/address.h"
#include "sys/nl.h"

void host_links_fini(struct host_links *h)
{
	free(h->address);
	free(h->link);
	free(h->reach);
	*h = (struct host_links){ 0 };
}

/* ---- devices ---- */

static int by_index(const void *key, const void *item)
{
	uint32_t ifindex = *(const uint32_t *)key;
	const struct link_info *l = item;

	return ifindex < l->ifindex ? -1 : ifindex > l->ifindex;
}

/* The device if it is up and the host's own; a device that is down has no address to call. */
static const struct link_info *find_host_link(const struct link_info *list, size_t count,
					      uint32_t ifindex)
{
	const struct link_info *l =
		count ? bsearch(&ifindex, list, count, sizeof(*list), by_index) : NULL;

	return l && l->flags & IFF_UP && !is_tunnel(l) && !is_endpoint(l) && !is_half_made(l) ?
	       l : NULL;
}

/* Our programs read frames. What has none (WireGuard, tun, ppp) is the host's alone. */
static bool has_frames(const struct link_info *l)
{
	return l->type == ARPHRD_ETHER || l->type == ARPHRD_LOOPBACK;
}

static struct fact_link link_of(const struct link_info *l, const struct ov_addr *addr)
{
	return (struct fact_link){
		.ifindex = l->ifindex,
		.addr = *addr,
		.is_loopback = l->flags & IFF_LOOPBACK || !strcmp(l->kind, "dummy"),
	};
}

/* ---- both ---- */

static bool is_localnet(const struct ov_addr *a)
{
	return addr_v4(a) >> 24 == 127;
}

/* The subnet that the address is in: its neighbours there. */
static struct reach reach_of(const struct link_info *l, const struct address_info *a)
{
	struct reach r = { .to.len = a->prefix_len };

	for (int bit = 0; bit < a->prefix_len; bit++)
		r.to.addr.b[bit / 8] |= a->addr.b[bit / 8] & 0x80 >> bit % 8;
	snprintf(r.device, sizeof(r.device), "%s", l->name);
	return r;
}

static void add(struct host_links *h, const struct link_info *l, const struct address_info *a)
{
	/* The kernel lists a device's addresses together, the first one first. */
	bool is_first = !h->link_count || h->link[h->link_count - 1].ifindex != l->ifindex;

	if (has_frames(l) && is_first)
		h->link[h->link_count++] = link_of(l, &a->addr);
	if (is_localnet(&a->addr))
		return;
	h->address[h->address_count++] = (struct fact_address){ a->addr, l->ifindex };
	h->reach[h->reach_count++] = reach_of(l, a);
}

static int address_order(const void *a, const void *b)
{
	const struct fact_address *x = a, *y = b;
	int diff = addr_cmp(&x->addr, &y->addr);

	return diff ? diff : x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static int link_order(const void *a, const void *b)
{
	const struct fact_link *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

int host_links_read(struct nl *nl, const struct link_info *list, size_t count,
		    struct host_links *ret_links, struct err *e)
{
	_cleanup_(freep) struct address_info *address = NULL;
	struct host_links h = { 0 };
	size_t n = 0;
	int r = address_list(nl, 0, LINK_NSID_NONE, &address, &n);

	if (r)
		return err_set(e, r, "the addresses of this host could not be read: %s", nl_why(nl));
	h.address = calloc(n + 1, sizeof(*h.address));
	h.link = calloc(n + 1, sizeof(*h.link));
	h.reach = calloc(n + 1, sizeof(*h.reach));
	if (!h.address || !h.link || !h.reach) {
		host_links_fini(&h);
		return err_set(e, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		const struct link_info *l = find_host_link(list, count, address[i].ifindex);

		if (l)
			add(&h, l, &address[i]);
	}
	qsort(h.address, h.address_count, sizeof(*h.address), address_order);
	qsort(h.link, h.link_count, sizeof(*h.link), link_order);
	*ret_links = h;
	return 0;
}
