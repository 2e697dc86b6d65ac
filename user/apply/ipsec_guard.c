/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard of encrypted networks: were all policies gone, because somebody flushed them or a
 * setting makes the kernel pass them by (disable_xfrm), VXLAN packets with our mark would
 * leave as they are. So a rule leads those to a table whose only route is back into the
 * tunnel device that sends them. A policy takes a packet from there, and the ESP packet, which is
 * routed anew and without the mark, finds its way. What no policy takes meets a circular
 * route, and the tunnel device drops it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers.h"
#include "sys/address.h"
#include "sys/nl.h"
#include "sys/route.h"

#define GUARD_TABLE 0x6f760000u
#define GUARD_PRIORITY 0x6f /* after the table "local", before whatever else is chosen by */

static const struct rule_info guard_rule = {
	.priority = GUARD_PRIORITY, .table = GUARD_TABLE,
	.mark = OV_IPSEC_MARK, .mask = OV_IPSEC_BLOCK_MASK, .protocol = ROUTE_PROTOCOL_OURS,
};

static struct route_info guard_route(uint32_t ifindex)
{
	return (struct route_info){
		.table = GUARD_TABLE, .ifindex = ifindex, .to = addr_from_v4(0),
		.prefix_len = ADDR_V4_BITS, .protocol = ROUTE_PROTOCOL_OURS,
	};
}

/* By what it does: rules of others may stand before it. The address is nobody's (RFC 1112). */
bool guard_works(struct nl *nl)
{
	struct ov_addr to = addr_from_v4(0xf0000001), next_hop;
	struct link_info l = { 0 };
	uint32_t ifindex;

	return !link_get(nl, OV_TUNNEL_NAME, &l) &&
	       !route_get_marked(nl, &to, OV_IPSEC_MARK, &ifindex, &next_hop) && ifindex == l.ifindex;
}

int guard_put(struct nl *nl, struct err *e)
{
	struct link_info l = { 0 };
	int r = link_get(nl, OV_TUNNEL_NAME, &l);

	if (!r) {
		struct route_info route = guard_route(l.ifindex);

		r = route_add(nl, &route);
	}
	if (!r || r == -EEXIST)
		r = rule_add(nl, &guard_rule);
	if (r && r != -EEXIST)
		return err_set(e, r, "the rule that keeps packets of encrypted networks from leaving in the "
			       "clear could not be made: %s", nl_why(nl));
	return guard_works(nl) ? 0 : err_set(e, -EEXIST, "a rule of somebody else leads packets of "
		"encrypted networks past the one that keeps them from leaving in the clear: give it a "
		"priority above %u (`ip rule` shows it)", GUARD_PRIORITY);
}

int guard_remove(struct nl *nl, struct err *e)
{
	struct link_info l = { 0 };
	int r = rule_delete(nl, &guard_rule);

	if (!r && !link_get(nl, OV_TUNNEL_NAME, &l)) { /* with the device the route goes, too */
		struct route_info route = guard_route(l.ifindex);

		r = route_delete(nl, &route);
	}
	return r ? err_set(e, r, "the rule for packets of encrypted networks could not be removed: %s",
			   nl_why(nl)) : 0;
}
