// SPDX-License-Identifier: GPL-2.0-or-later
/* Out of the overlay: bpf/egress_tc.bpf.c. */
#include <arpa/inet.h>

#include "inside.h"

static bool is_vxlan(const struct ov_config *c, const struct trace_packet *p)
{
	return p->protocol == IPPROTO_UDP && htons(p->dport) == c->vxlan_port;
}

/* To this host a container may speak only where a port is published. */
static enum ov_verdict to_host(const struct at *at, const struct ov_config *c, struct trace_hop *hop)
{
	struct trace_packet *p = &hop->packet;
	uint16_t dport = p->protocol == IPPROTO_ICMP ? 0 : p->dport;
	struct ov_published_key key;
	char port[PORT_TEXT_MAX];

	port_text(p->protocol, p->dport, port);
	if (!row_published(at, &p->dst, p->protocol, dport, &key)) {
		say(at, "it is this host, where no service publishes %s", port);
		return decide(at, OV_DROP_HOST);
	}
	hop->way = TRACE_LOOPBACK;
	p->src = c->vtep;
	p->sport = 0;
	p->vni = 0;
	say(at, "it is this host, where %s is published: sent to it in this node's name", port);
	return decide(at, OV_FWD_HOST);
}

/* Which way a host routes is no fact of a plan, but for other nodes. */
static enum ov_verdict to_outside(const struct at *at, const struct ov_config *c,
				  struct trace_hop *hop)
{
	struct trace_packet *p = &hop->packet;
	bool is_node = row_peer(at, &p->dst);
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	addr_format(&c->vtep, from);
	addr_format(&p->dst, to);
	say(at, "in this node's name: from %s on the uplink, port %u to %u", from, c->masq_first,
	    c->masq_last);
	if (!is_node) {
		say(at, "by the host's own routes, at which this does not look: see `ip route get %s` "
		    "there (none: DROP_NO_ROUTE)", to);
		at->t->is_open = true;
	}
	hop->way = TRACE_OUTSIDE;
	p->src = c->vtep;
	p->sport = 0;
	p->vni = 0;
	at->t->to = p->dst;
	at->t->to_port = p->dport;
	return decide(at, OV_FWD_OUTSIDE);
}

static enum ov_verdict go_out(const struct at *at, const struct ov_config *c, struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	bool is_known = p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP ||
			p->protocol == IPPROTO_ICMP;
	char port[PORT_TEXT_MAX];

	if (!is_known || is_vxlan(c, p)) {
		say(at, "%s does not leave the overlay%s", port_text(p->protocol, p->dport, port),
		    is_known ? ", since it is that of VXLAN" : "");
		return decide(at, OV_DROP_MASQ_PROTOCOL);
	}
	return row_address(at, &p->dst) ? to_host(at, c, hop) : to_outside(at, c, hop);
}

enum ov_verdict trace_egress(struct trace *t, const struct trace_node *n,
			     const struct ov_device *dev, const struct trace_packet *p,
			     struct trace_hop *hop)
{
	const struct at at = { t, n, "ov_egress" };
	const struct ov_network *net = row_network(&at, dev->vni);
	const struct ov_config *c = row_config(&at);

	if (!net || !c)
		return decide(&at, OV_DROP_NOT_READY);
	if (is_too_large(&at, p, dev->mtu))
		return t->verdict;
	if ((dev->flags & OV_ENDPOINT_POLICY) && policy_stops(&at, p))
		return t->verdict;
	if (net->flags & OV_NETWORK_INTERNAL) {
		say(&at, "the network is internal: nothing leaves it");
		return decide(&at, OV_DROP_INTERNAL);
	}
	return go_out(&at, c, hop);
}
