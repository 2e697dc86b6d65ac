// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls to a node's own addresses: bpf/front_tc.bpf.c and lib/entry.h. */
#include <arpa/inet.h>
#include <string.h>

#include "inside.h"

static enum ov_verdict leave_to_host(const struct at *at, const char *why)
{
	say(at, "%s: left to the host, as if there was no overlay", why);
	return decide(at, OV_PASS_FOREIGN);
}

/* From the gateway, if the backend lives here; else marked as from outside, to its node. */
static enum ov_verdict pass_on(const struct at *at, const struct ov_published *row,
			       const struct ov_endpoint *ep, bool is_loop, struct trace_hop *hop)
{
	uint16_t published = hop->packet.dport;
	bool is_direct = (row->flags & OV_PUBLISHED_DSR) && !is_loop;

	hop->mark = is_direct ? TRACE_DIRECT : TRACE_BACK;
	hop->packet.dport = ntohs(row->service.target_port);
	if (is_direct && !ep->ifindex) {
		hop->packet.dport = published;
		say(at, "direct return: the backend's node sees to the port, and answers by itself");
	}
	if (ep->ifindex && (ep->flags & OV_ENDPOINT_POLICY) && policy_stops(at, &hop->packet))
		return at->t->verdict;
	return send_on(at, ep, hop);
}

static enum ov_verdict enter(const struct at *at, const struct ov_published *row, bool is_loop,
			     struct trace_hop *hop)
{
	struct trace_packet *p = &hop->packet;
	struct wish w = { .p = p, .vip = &row->vip, .vni = row->vni, .service = &row->service,
			  .target = ntohs(row->service.target_port) };
	const struct ov_endpoint *ep;
	struct ov_addr backend;
	char name[WHO_MAX];

	w.rows = row->flags & OV_PUBLISHED_LOCAL ? row->vni | OV_VNI_LOCAL : row->vni;
	say(at, "published by service %s%s", who(at->t, row->vni, &row->vip, name),
	    row->flags & OV_PUBLISHED_LOCAL ? ", with backends of this node alone" : "");
	ep = service_choose(at, &w, &backend);
	if (!ep)
		return refuse(at, p, OV_DROP_NO_BACKEND);
	hop->called = p->dst;
	p->vni = row->vni;
	p->dst = backend;
	return pass_on(at, row, ep, is_loop, hop);
}

/* Where a client may ask for fragments, the outer packets are. */
static bool is_too_large_to_enter(const struct at *at, const struct trace_packet *p, uint16_t mtu)
{
	if (p->size > mtu && p->may_fragment) {
		say(at, "%u bytes are more than the network's MTU of %u: the outer packet is sent in "
		    "fragments", p->size, mtu);
		return false;
	}
	return is_too_large(at, p, mtu);
}

/* From an address of this host, but not from this host: the kernel will drop it. */
static bool is_spoofed(const struct at *at, const struct trace_packet *p)
{
	return addr_v4(&p->src) >> 24 == 127 || row_address(at, &p->src);
}

static bool is_allowed(const struct at *at, const struct trace_packet *p,
		       const struct ov_published *row, const struct ov_published_key *key)
{
	char src[ADDR_TEXT_MAX];

	if (!(row->flags & OV_PUBLISHED_ALLOW) || row_allows(at, key, &p->src))
		return true;
	say(at, "%s is not among those that may call the port", addr_format(&p->src, src));
	decide(at, OV_DROP_NOT_ALLOWED);
	return false;
}

static enum ov_verdict enter_if_fit(const struct at *at, const struct ov_published *row,
				    const struct ov_published_key *key, uint16_t mtu, bool is_loop,
				    struct trace_hop *hop)
{
	bool is_large = hop->packet.size > mtu;

	if (is_too_large_to_enter(at, &hop->packet, mtu) || !is_allowed(at, &hop->packet, row, key))
		return at->t->verdict;
	enter(at, row, is_loop, hop);
	if (is_large && at->t->verdict == OV_FWD_ENCAP)
		decide(at, OV_FWD_TUNNEL);
	return at->t->verdict;
}

static enum ov_verdict call(const struct at *at, const struct ov_config *c, bool is_loop,
			    struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	struct ov_published_key key;
	const struct ov_published *row = row_published(at, &p->dst, p->protocol, p->dport, &key);
	const struct ov_network *net = row ? row_network(at, row->vni) : NULL;

	if (!row)
		return leave_to_host(at, "no service publishes that port here");
	if (!is_loop && is_spoofed(at, p))
		return leave_to_host(at, "from outside, with an address of this host");
	if (net && row_has_address(net, &p->src)) {
		say(at, "from outside, with an address of the network's subnet: policy would take it for "
		    "an endpoint");
		return decide(at, OV_DROP_SPOOFED_IP);
	}
	if (p->protocol == IPPROTO_UDP && htons(p->sport) == c->vxlan_port) {
		say(at, "from the VXLAN port: its answer would pass for a node's");
		return decide(at, OV_DROP_NOT_ALLOWED);
	}
	if (!net)
		return leave_to_host(at, "the service's network is not here");
	return enter_if_fit(at, row, &key, net->mtu, is_loop, hop);
}

static bool is_vxlan(const struct ov_config *c, const struct trace_packet *p)
{
	return p->protocol == IPPROTO_UDP && htons(p->dport) == c->vxlan_port &&
	       !addr_cmp(&p->dst, &c->vtep);
}

enum ov_verdict trace_front(struct trace *t, const struct trace_node *n,
			    const struct trace_packet *p, bool is_loop, struct trace_hop *ret_hop)
{
	const struct at at = { t, n, "ov_front" };
	const struct ov_config *c = row_config(&at);
	char dst[ADDR_TEXT_MAX], port[PORT_TEXT_MAX];

	*ret_hop = (struct trace_hop){ .packet = *p };
	if (!c)
		return leave_to_host(&at, "the node's configuration is not complete yet");
	if (!row_address(&at, &p->dst))
		return leave_to_host(&at, "not an address of this node");
	say(&at, "%s of this node's %s", port_text(p->protocol, p->dport, port),
	    addr_format(&p->dst, dst));
	if (!is_loop && is_vxlan(c, p)) {
		say(&at, "taken for VXLAN by ov_uplink, which it is not");
		return decide(&at, OV_DROP_BAD_VXLAN);
	}
	if (!is_carried(p->protocol))
		return leave_to_host(&at, "no answer to a container, and no port");
	return call(&at, c, is_loop, ret_hop);
}
