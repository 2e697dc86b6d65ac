/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "plan/tell_inside.h"

/* Appends ", part" or "part". */
static void add_part(char *list, size_t size, const char *part)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len ? ", " : "", part);
}

static bool is_other_way(const struct plan_device *a, const struct plan_device *b)
{
	return addr_cmp(&a->gateway, &b->gateway) || a->internal != b->internal;
}

static void list_device_parts(const struct plan_device *is, const struct plan_device *want, char *out,
			      size_t size)
{
	if (strcmp(is->name, want->name))
		add_part(out, size, "its name on this host");
	if (strcmp(is->netns, want->netns) || is->netns_dev != want->netns_dev ||
	    is->netns_ino != want->netns_ino)
		add_part(out, size, "the namespace of its other side");
	if (strcmp(is->ifname, want->ifname))
		add_part(out, size, "its name in the container");
	if (addr_cmp(&is->addr, &want->addr) || is->prefix_len != want->prefix_len)
		add_part(out, size, "its address");
	if (memcmp(is->mac, want->mac, sizeof(is->mac)))
		add_part(out, size, "its MAC address");
	if (is->mtu != want->mtu)
		add_part(out, size, "its MTU");
	if (is_other_way(is, want))
		add_part(out, size, "its routes or its rule in the container");
	if (is->pad & PLAN_DEVICE_OUTSIDE)
		add_part(out, size, "settings of its side on this host");
	if (is->pad & PLAN_DEVICE_INSIDE)
		add_part(out, size, "the state of it or of loopback in the container");
}

static void tell_device(const uint8_t *found, const uint8_t *wanted, struct repair_line *l)
{
	char parts[REPAIR_WHAT_MAX - 64] = "";
	struct plan_device is = { 0 }, want = { 0 }, same;

	if (found)
		memcpy(&is, found + sizeof(struct plan_device_key), sizeof(is));
	if (wanted)
		memcpy(&want, wanted + sizeof(struct plan_device_key), sizeof(want));
	if (!found || !wanted) {
		snprintf(l->what, sizeof(l->what), "the device %s %s", found ? is.name : want.name,
			 found ? "should not be there" : "was missing");
		return;
	}
	same = is;
	same.gateway = want.gateway;
	same.internal = want.internal;
	if (!memcmp(&same, &want, sizeof(same)))
		l->kind = REPAIR_ROUTE;
	list_device_parts(&is, &want, parts, sizeof(parts));
	snprintf(l->what, sizeof(l->what), "%s was changed: %s", want.ifname, parts);
}

static void tell_tunnel(const uint8_t *found, const uint8_t *wanted, struct repair_line *l)
{
	struct plan_tunnel is = { 0 };

	snprintf(l->name, sizeof(l->name), "the tunnel device " OV_TUNNEL_NAME);
	if (found)
		memcpy(&is, found + sizeof(uint32_t), sizeof(is));
	if (!found || !wanted)
		snprintf(l->what, sizeof(l->what), "it %s", found ? "should not be there" : "was missing");
	else if (is.pad == PLAN_TUNNEL_ROUTING)
		snprintf(l->what, sizeof(l->what), "somebody changed net.ipv4.conf." OV_TUNNEL_NAME
			 ".forwarding, lo.accept_local or lo.route_localnet");
	else
		snprintf(l->what, sizeof(l->what), "somebody changed its port, its MTU or its state");
}

static void tell_attach(const uint8_t *key, const uint8_t *found, const uint8_t *wanted,
			struct repair_line *l)
{
	char device[16] = "it";
	struct plan_attach_key k;

	memcpy(&k, key, sizeof(k));
	if (!id_is_zero(&l->endpoint))
		plan_device_name(&l->endpoint, device);
	if (!found)
		snprintf(l->what, sizeof(l->what), !id_is_zero(&l->endpoint) ?
			 "its device %s was down, or its program was not on it" :
			 "our program was not on %s (%s)", device, k.hook == HOOK_XDP ? "XDP" : "tc");
	else if (wanted)
		snprintf(l->what, sizeof(l->what), "another program was on %s", device);
	else
		snprintf(l->what, sizeof(l->what), "a program of ours was on %s that should not be", device);
}

static const char *how(const uint8_t *found, const uint8_t *wanted)
{
	if (!found)
		return "was missing";
	return wanted ? "was changed" : "should not be there";
}

static void tell_sa(const struct facts *f, const uint8_t *key, const uint8_t *found,
		    const uint8_t *wanted, struct repair_line *l)
{
	COPY(struct plan_sa_key, k, key);
	bool is_to_us = !addr_cmp(&k.dst, &f->vtep);

	snprintf(l->what, sizeof(l->what), "an SA %s, SPI %08x, %s%s", is_to_us ? "from it" : "to it",
		 k.spi, how(found, wanted), found || wanted ? "" : "; another one replaces it");
}

static void tell_policy(const uint8_t *key, const uint8_t *found, const uint8_t *wanted,
			struct repair_line *l)
{
	COPY(struct plan_policy_key, k, key);

	if (k.lane == PLAN_LANE_BLOCK)
		snprintf(l->what, sizeof(l->what), "the policy, or the rule, that keeps their packets from "
			 "leaving in the clear %s", how(found, wanted));
	else
		snprintf(l->what, sizeof(l->what), "the policy of IPsec to it, lane %u, %s", k.lane,
			 how(found, wanted));
}

static void tell_map(enum plan_table_id table, const uint8_t *found, const uint8_t *wanted,
		     struct repair_line *l)
{
	static const char *const maps[PLAN_TABLE_COUNT] = {
		[PLAN_CONFIG] = "config",       [PLAN_NETWORKS] = "networks",
		[PLAN_PEERS] = "peers",         [PLAN_MAP_DEVICES] = "devices",
		[PLAN_ENDPOINTS] = "endpoints", [PLAN_BACKENDS] = "backends",
		[PLAN_CHOICES] = "choices",     [PLAN_SERVICES] = "services",
		[PLAN_ADDRESSES] = "addresses", [PLAN_LINKS] = "links",
		[PLAN_ALLOWED] = "allowed",     [PLAN_PUBLISHED] = "published",
	};

	snprintf(l->what, sizeof(l->what), "a row of the map %s %s",
		 maps[table] ? maps[table] : plan_table_to_str(table), how(found, wanted));
}

static enum repair_kind kind_of(enum plan_table_id table)
{
	switch (table) {
	case PLAN_TUNNEL:
		return REPAIR_TUNNEL;
	case PLAN_DEVICES:
		return REPAIR_DEVICE;
	case PLAN_SAS:
		return REPAIR_SA;
	case PLAN_POLICIES:
		return REPAIR_POLICY;
	case PLAN_ATTACH:
		return REPAIR_PROGRAM;
	default:
		return REPAIR_MAP;
	}
}

void plan_tell(const struct view *v, const struct facts *f, enum plan_table_id table,
	       const uint8_t *key, const uint8_t *found, const uint8_t *wanted,
	       struct repair_line *ret_line)
{
	*ret_line = (struct repair_line){ .kind = kind_of(table) };
	tell_name(v, f, table, key, wanted ? wanted : found, ret_line);
	if (table == PLAN_TUNNEL)
		tell_tunnel(found, wanted, ret_line);
	else if (table == PLAN_DEVICES)
		tell_device(found, wanted, ret_line);
	else if (table == PLAN_SAS)
		tell_sa(f, key, found, wanted, ret_line);
	else if (table == PLAN_POLICIES)
		tell_policy(key, found, wanted, ret_line);
	else if (table == PLAN_ATTACH)
		tell_attach(key, found, wanted, ret_line);
	else
		tell_map(table, found, wanted, ret_line);
}
