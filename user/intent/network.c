/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks are created and removed. */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SUBNET_LEN_MIN 8
#define SUBNET_LEN_MAX 29
/* Docker's default pool of overlay networks: /24s of 10.0.0.0/8. */
#define POOL_BASE 0x0a000000u
#define POOL_SLOTS 65536u

/* ---- subnet, gateway, range ---- */

static uint32_t v4_mask(int len)
{
	return len ? ~0u << (32 - len) : 0;
}

/* "10.0.0.7/24" has host bits: says which prefix was probably meant. */
static int refuse_host_bits(const char *what, const char *text, struct err *e)
{
	char addr[PREFIX_TEXT_MAX], base[ADDR_TEXT_MAX];
	const char *slash = strchr(text, '/');
	struct ov_addr a;
	uint64_t len;

	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	if (addr_parse(addr, &a) < 0 || !addr_is_v4(&a) || parse_number(slash + 1, 32, &len) < 0)
		return err_set(e, -EINVAL,
			       "%s \"%.60s\" has bits set behind its prefix; write the "
			       "first address of the prefix",
			       what, text);
	a = addr_from_v4(addr_v4(&a) & v4_mask((int)len));
	return err_set(e, -EINVAL,
		       "%s \"%.60s\" has bits set behind its prefix; did you mean %s/%u?", what,
		       text, addr_format(&a, base), (unsigned int)len);
}

int parse_prefix(const char *what, const char *text, struct prefix *ret_prefix, struct err *e)
{
	struct prefix p;
	int r = prefix_parse(text, &p);

	if (r == -EDOM)
		return refuse_host_bits(what, text, e);
	if (r < 0)
		return err_set(e, -EINVAL,
			       "%s \"%.60s\" is not an address and a prefix length; "
			       "write it like 10.10.0.0/24",
			       what, text);
	if (!addr_is_v4(&p.addr))
		return err_set(e, -EINVAL,
			       "%s \"%.60s\" is IPv6, and this version has IPv4 "
			       "networks only; give an IPv4 prefix",
			       what, text);
	*ret_prefix = p;
	return 0;
}

/* RFC 6890: addresses that no host answers on, whatever the user's plans. */
static bool is_unusable(const struct prefix *p)
{
	static const char *const blocks[] = { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4" };

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		struct prefix block;

		if (!prefix_parse(blocks[i], &block) && prefix_overlaps(&block, p))
			return true;
	}
	return false;
}

/* Who is in both would be looked for in the overlay by containers, and beside it by this host. */
static int check_reach(const struct reach_list *reach, const struct prefix *subnet, struct err *e)
{
	const struct reach *r = reach_overlap(reach, subnet);
	char text[PREFIX_TEXT_MAX], to[PREFIX_TEXT_MAX];

	if (!r)
		return 0;
	return err_set(e, -EADDRINUSE,
		       "subnet %s overlaps %s, in which this host is by its interface %s, so neither "
		       "would reach all of the other; choose another one",
		       prefix_format(subnet, text), prefix_format(&r->to, to), r->device);
}

static int parse_subnet(const char *text, const struct reach_list *reach, struct prefix *ret_subnet,
			struct err *e)
{
	struct prefix p;
	int r = parse_prefix("subnet", text, &p, e);

	if (r < 0)
		return r;
	if (prefix_text_len(&p) < SUBNET_LEN_MIN || prefix_text_len(&p) > SUBNET_LEN_MAX)
		return err_set(e, -EINVAL, "subnet %s is too %s; give a prefix between /%d and /%d",
			       text, prefix_text_len(&p) < SUBNET_LEN_MIN ? "large" : "small",
			       SUBNET_LEN_MIN, SUBNET_LEN_MAX);
	if (is_unusable(&p))
		return err_set(e, -EINVAL,
			       "subnet %s holds addresses of the local host, of "
			       "multicast or of no network; choose another one, 10.10.0.0/24 say",
			       text);
	*ret_subnet = p;
	return check_reach(reach, &p, e);
}

static void mark_slots(uint8_t *taken, const struct prefix *p)
{
	struct ov_addr last_addr = prefix_last(p);
	uint32_t first = addr_v4(&p->addr), last = addr_v4(&last_addr);
	uint32_t pool_last = POOL_BASE + (POOL_SLOTS << 8) - 1;

	if (!addr_is_v4(&p->addr) || last < POOL_BASE || first > pool_last)
		return;
	first = first < POOL_BASE ? 0 : (first - POOL_BASE) >> 8;
	last = last > pool_last ? POOL_SLOTS - 1 : (last - POOL_BASE) >> 8;
	for (uint32_t i = first; i <= last; i++)
		taken[i / 8] |= (uint8_t)(1 << i % 8);
}

/* The first /24 of the pool that no network has, and that no node is in or is reached in. */
static int find_subnet(const struct view *v, const struct reach_list *reach,
		       struct prefix *ret_subnet, struct err *e)
{
	uint8_t taken[POOL_SLOTS / 8] = { 0 };

	for (size_t i = 0; i < v->network_count; i++)
		mark_slots(taken, &v->network[i].net->subnet);
	for (size_t i = 0; i < v->node_count; i++)
		mark_slots(taken, &(struct prefix){ .addr = v->node[i].node->addr, .len = 128 });
	for (size_t i = 0; i < reach->count; i++)
		mark_slots(taken, &reach->item[i].to);
	for (uint32_t i = 0; i < POOL_SLOTS; i++) {
		if (taken[i / 8] & 1 << i % 8)
			continue;
		*ret_subnet = (struct prefix){ .addr = addr_from_v4(POOL_BASE + (i << 8)),
					       .len = ADDR_V4_BITS + 24 };
		return 0;
	}
	return err_set(e, -ENOSPC,
		       "every /24 of 10.0.0.0/8 is used by some network; choose one "
		       "with --subnet");
}

static int parse_gateway(const char *text, struct network *n, struct err *e)
{
	struct ov_addr a, broadcast = prefix_last(&n->subnet);
	char subnet[PREFIX_TEXT_MAX];

	prefix_format(&n->subnet, subnet);
	if (!text) {
		n->gateway = addr_add(&n->subnet.addr, 1); /* as Docker */
		return 0;
	}
	if (addr_parse(text, &a) < 0 || !addr_is_v4(&a))
		return err_set(e, -EINVAL, "gateway \"%.60s\" is not an IPv4 address", text);
	if (!prefix_contains(&n->subnet, &a))
		return err_set(e, -EINVAL,
			       "gateway %s is outside the subnet %s; choose an address "
			       "inside",
			       text, subnet);
	if (!addr_cmp(&a, &n->subnet.addr) || !addr_cmp(&a, &broadcast))
		return err_set(e, -EINVAL,
			       "gateway %s is the network or broadcast address of subnet "
			       "%s; choose another one",
			       text, subnet);
	n->gateway = a;
	return 0;
}

static int parse_range(const char *text, struct network *n, struct err *e)
{
	static const struct view nothing;
	char subnet[PREFIX_TEXT_MAX];
	uint64_t used, available;
	int r;

	n->ip_range = n->subnet;
	if (!text)
		return 0;
	r = parse_prefix("ip-range", text, &n->ip_range, e);
	if (r < 0)
		return r;
	if (n->ip_range.len < n->subnet.len || !prefix_contains(&n->subnet, &n->ip_range.addr))
		return err_set(e, -EINVAL, "ip-range %s is not inside the subnet %s", text,
			       prefix_format(&n->subnet, subnet));
	ipam_usage(&nothing, n, &used, &available);
	if (!available)
		return err_set(e, -EINVAL,
			       "ip-range %s has no address to give: the gateway, the "
			       "network and the broadcast address are never given; widen it",
			       text);
	return 0;
}

static int parse_addresses(const struct intent *in, const struct network_ask *ask,
			   const struct view *v, struct network *n, struct err *e)
{
	int r = ask->subnet ? parse_subnet(ask->subnet, in->reach, &n->subnet, e)
			    : find_subnet(v, in->reach, &n->subnet, e);

	if (r == 0)
		r = parse_gateway(ask->gateway, n, e);
	if (r == 0)
		r = parse_range(ask->ip_range, n, e);
	return r;
}

/* ---- create ---- */

static int check_name_free(const struct view *v, const char *name, struct err *e)
{
	char id[ID_TEXT_MAX];

	for (size_t i = 0; i < v->network_count; i++) {
		const struct view_network *vn = &v->network[i];

		if (!strcmp(vn->net->name, name) || !strcmp(vn->display, name))
			return err_set(e, -EEXIST,
				       "network %s exists already (%.12s); choose "
				       "another name, or remove that one first",
				       name, id_format(&vn->net->id, id));
	}
	return 0;
}

/* This node and those that are up: a later split leaves each with addresses of its own. */
static struct id *living_nodes(const struct intent *in, const struct view *v, size_t *ret_count)
{
	struct id *nodes = calloc(v->node_count + 1, sizeof(*nodes));
	size_t count = 0;

	if (!nodes)
		return NULL;
	nodes[count++] = *self_id(in);
	for (size_t i = 0; i < v->node_count; i++)
		if (!id_equal(&v->node[i].node->id, self_id(in)) &&
		    node_is_up(in, &v->node[i].node->id))
			nodes[count++] = v->node[i].node->id;
	*ret_count = count;
	return nodes;
}

/* The network and its first blocks; all or, when that fails, a tombstone. */
static int record_network(struct intent *in, const struct network *n, uint64_t wall_ms,
			  struct err *e)
{
	_cleanup_(freep) struct id *nodes = NULL;
	_cleanup_(freep) struct block *blocks = NULL;
	size_t count;
	int r;

	nodes = living_nodes(in, store_view(in->store), &count);
	blocks = nodes ? calloc(count + IPAM_FIRST_EXTRA, sizeof(*blocks)) : NULL;
	if (!blocks)
		return err_set(e, -ENOMEM, "out of memory while creating network %s", n->name);
	count = ipam_first_blocks(n, nodes, count, blocks, count + IPAM_FIRST_EXTRA);
	r = write_network(in, n, false, wall_ms, e);
	if (r == 0)
		r = write_blocks(in, blocks, count, wall_ms, e);
	if (r == 0)
		r = store_commit(in->store, e);
	if (r < 0)
		write_network(in, n, true, wall_ms, e);
	return r;
}

int intent_network_create(struct intent *in, const struct network_ask *ask, uint64_t wall_ms,
			  struct id *ret_id, struct err *e)
{
	const struct view *v = store_view(in->store);
	struct network n = { .internal = ask->internal, .created_ms = wall_ms };
	int r = check_not_removed(in, e);

	if (r == 0)
		r = name_check("network name", ask->name ? ask->name : "", e);
	if (r == 0)
		r = check_name_free(v, ask->name, e);
	if (r < 0)
		return r;
	strcpy(n.name, ask->name);
	r = parse_addresses(in, ask, v, &n, e);
	if (r == 0)
		r = take_options(in, ask, v, &n, e);
	if (r < 0)
		return r;
	n.id = draw_id(in);
	network_id_mark(&n.id, n.encrypted);
	r = record_network(in, &n, wall_ms, e);
	if (r == 0)
		*ret_id = n.id;
	return r;
}

/* ---- rm ---- */

#define USERS_NAMED 3

static int check_no_services(const struct view *v, const struct view_network *vn, struct err *e)
{
	char names[USERS_NAMED * (NAME_MAX_LEN + 11)] = "";
	size_t count = 0, len = 0;

	for (size_t i = 0; i < v->service_count; i++) {
		if (v->service[i].net != vn)
			continue;
		if (count < USERS_NAMED)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.48s",
						count ? ", " : "", v->service[i].display);
		count++;
	}
	if (!count)
		return 0;
	return err_set(e, -EBUSY, "network %s has %zu service%s (%s%s); remove %s first",
		       vn->display, count, count == 1 ? "" : "s", names,
		       count > USERS_NAMED ? ", ..." : "", count == 1 ? "it" : "them");
}

static int check_unused(const struct view *v, const struct view_network *vn, struct err *e)
{
	char users[USERS_NAMED * (2 * NAME_MAX_LEN + 8)] = "", id[ID_TEXT_MAX], node[ID_TEXT_MAX];
	size_t count = 0, len = 0;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct endpoint *ep = v->endpoint[i].ep;

		if (v->endpoint[i].net != vn)
			continue;
		if (count < USERS_NAMED)
			len += (size_t)snprintf(users + len, sizeof(users) - len,
						"%s%.24s on %.24s", count ? ", " : "",
						endpoint_text(ep, id),
						node_text(v, &ep->node, node));
		count++;
	}
	if (!count)
		return check_no_services(v, vn, e);
	return err_set(e, -EBUSY, "network %s is in use by %zu endpoint%s (%s%s); detach %s first",
		       vn->display, count, count == 1 ? "" : "s", users,
		       count > USERS_NAMED ? ", ..." : "", count == 1 ? "it" : "them");
}

int intent_find_network(const struct view *v, const char *ref,
			const struct view_network **ret_network, struct err *e)
{
	*ret_network = view_network_find(v, ref);
	if (*ret_network)
		return 0;
	return err_set(e, -ENOENT, "there is no network \"%.80s\": `overlayctl network ls` lists them",
		       ref);
}

/* Its blocks need no tombstones: the view leaves them out, and store_purge forgets them with it. */
int intent_network_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e)
{
	const struct view *v = store_view(in->store);
	const struct view_network *vn;
	struct network n;
	int r = check_not_removed(in, e);

	if (!r)
		r = intent_find_network(v, ref, &vn, e);
	if (r < 0)
		return r;
	r = check_unused(v, vn, e);
	if (r < 0)
		return r;
	n = *vn->net;
	r = write_network(in, &n, true, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}
