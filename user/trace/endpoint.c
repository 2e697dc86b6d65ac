// SPDX-License-Identifier: GPL-2.0-or-later
/* What an endpoint sends: bpf/endpoint_tc.bpf.c and lib/vip_call.h. */
#include <arpa/inet.h>
#include <string.h>

#include "inside.h"

/* The gateway is nobody: it answers pings, and is all that is left. */
static enum ov_verdict nobody(const struct at *at, const struct ov_network *net,
			      const struct trace_packet *p)
{
	char dst[ADDR_TEXT_MAX];

	addr_format(&p->dst, dst);
	if (net && !addr_cmp(&net->gateway, &p->dst) && p->protocol == IPPROTO_ICMP) {
		say(at, "%s is the gateway, which answers pings", dst);
		return decide(at, OV_FWD_ECHO_REPLY);
	}
	if (net && !addr_cmp(&net->gateway, &p->dst))
		say(at, "%s is the gateway, which answers pings and nothing else", dst);
	else
		say(at, "no endpoint and no service of the network has %s; nobody answers when the "
		    "container asks for its MAC (DROP_ARP_UNKNOWN)", dst);
	return decide(at, OV_DROP_UNKNOWN_DST);
}

/* Loopback and "this network" are never sent out of a network. */
static bool may_leave(const struct ov_network *net, const struct ov_addr *dst)
{
	uint32_t first = addr_v4(dst) >> 24;

	return !row_has_address(net, dst) && first != 127 && first != 0;
}

static enum ov_verdict leave_network(const struct at *at, const struct ov_device *dev,
				     const struct trace_packet *p, struct trace_hop *hop)
{
	const struct ov_network *net = row_network(at, dev->vni);
	char dst[ADDR_TEXT_MAX];

	if (!net || !may_leave(net, &p->dst))
		return nobody(at, net, p);
	say(at, "%s is not of the network: out of the overlay", addr_format(&p->dst, dst));
	return trace_egress(at->t, at->n, dev, p, hop);
}

/* To whom it is for now: behind the translation of a call to a VIP. */
static enum ov_verdict send_allowed(const struct at *at, const struct ov_device *dev,
				    const struct ov_endpoint *dst, struct trace_hop *hop)
{
	if ((dev->flags & OV_ENDPOINT_POLICY) && policy_stops(at, &hop->packet))
		return at->t->verdict;
	return send_on(at, dst, hop);
}

/* The row for that port, or NULL; and its target. */
static const struct ov_service *service_of(const struct at *at, const struct ov_endpoint *vip,
					   const struct trace_packet *p, uint16_t *ret_target)
{
	bool has_ports = vip->flags & OV_ENDPOINT_PORTS;
	const struct ov_service *s = row_service(at, p->vni, &p->dst, has_ports ? p->protocol : 0,
						 has_ports ? p->dport : 0);

	*ret_target = s && s->target_port ? ntohs(s->target_port) : p->dport;
	return s;
}

/* A backend that is given itself is called by the VIP: no stack takes its own address from a wire. */
static enum ov_verdict hairpin(const struct at *at, struct trace_hop *hop)
{
	char name[WHO_MAX];

	at->t->to = hop->packet.dst;
	at->t->to_port = hop->packet.dport;
	say(at, "it is the caller itself, which is given its own call as one by the VIP (%s)",
	    who(at->t, hop->packet.vni, &hop->packet.src, name));
	return decide(at, OV_FWD_LOCAL);
}

static enum ov_verdict call_vip(const struct at *at, const struct ov_device *dev,
				const struct ov_endpoint *vip, struct trace_hop *hop)
{
	struct trace_packet *p = &hop->packet;
	struct wish w = { .p = p, .vip = &p->dst, .vni = p->vni, .rows = p->vni };
	const struct ov_endpoint *ep;
	struct ov_addr backend, called = p->dst;
	char port[PORT_TEXT_MAX];

	w.service = service_of(at, vip, p, &w.target);
	port_text(p->protocol, p->dport, port);
	if (!w.service && (vip->flags & OV_ENDPOINT_PORTS)) {
		say(at, "the service does not declare %s", port);
		return refuse(at, p, OV_DROP_NO_PORT);
	}
	say(at, "%s of the service: %s", port,
	    vip->flags & OV_ENDPOINT_PORTS ? "it is declared" : "it takes every port");
	ep = w.service ? service_choose(at, &w, &backend) : NULL;
	if (!ep)
		return refuse(at, p, OV_DROP_NO_BACKEND);
	p->dst = backend;
	p->dport = w.target;
	if (!addr_cmp(&backend, &dev->addr) && ep->ifindex) {
		p->src = called;
		return hairpin(at, hop);
	}
	return send_allowed(at, dev, ep, hop);
}

static enum ov_verdict to_vip(const struct at *at, const struct ov_device *dev,
			      const struct ov_endpoint *vip, struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	char name[WHO_MAX], port[PORT_TEXT_MAX];

	say(at, "%s is a service's address (VIP)", who(at->t, p->vni, &p->dst, name));
	if (is_carried(p->protocol))
		return call_vip(at, dev, vip, hop);
	if (p->protocol == IPPROTO_ICMP) {
		say(at, "pings to a VIP are answered here");
		return decide(at, OV_FWD_ECHO_REPLY);
	}
	say(at, "services do not carry %s", port_text(p->protocol, p->dport, port));
	return decide(at, OV_DROP_VIP_PROTOCOL);
}

static enum ov_verdict to_address(const struct at *at, const struct ov_device *dev,
				  struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	const struct ov_endpoint *dst;
	char name[WHO_MAX];

	if (is_group(&p->dst)) {
		say(at, "%s is no unicast address", who(at->t, p->vni, &p->dst, name));
		return decide(at, OV_DROP_MULTICAST);
	}
	dst = row_endpoint(at, p->vni, &p->dst);
	if (!dst)
		return leave_network(at, dev, p, hop);
	if (is_too_large(at, p, dev->mtu))
		return at->t->verdict;
	return dst->flags & OV_ENDPOINT_VIP ? to_vip(at, dev, dst, hop) :
					      send_allowed(at, dev, dst, hop);
}

enum ov_verdict trace_endpoint(struct trace *t, const struct trace_node *n,
			       const struct trace_packet *p, struct trace_hop *ret_hop)
{
	const struct at at = { t, n, "ov_endpoint" };
	const struct ov_device *dev;
	char name[WHO_MAX];

	*ret_hop = (struct trace_hop){ .packet = *p };
	if (!row_config(&at)) {
		say(&at, "the node's configuration is not complete yet");
		return decide(&at, OV_DROP_NOT_READY);
	}
	dev = row_device(&at, p->vni, &p->src);
	who(t, p->vni, &p->src, name);
	if (!dev) {
		say(&at, "%s has no device on this node", name);
		return decide(&at, OV_DROP_UNKNOWN_DEVICE);
	}
	memcpy(ret_hop->src_mac, dev->mac, sizeof(dev->mac));
	say(&at, "sent by %s, with its own address and MAC", name);
	return to_address(&at, dev, ret_hop);
}
