// SPDX-License-Identifier: GPL-2.0-or-later
/* bpf/lib/send.h, encap.h and size.h. */
#include <netinet/in.h>
#include <string.h>

#include "inside.h"

#define QUOTE_BYTES 128 /* ICMP_QUOTE_BYTES of bpf/lib/icmp.h: shorter packets get no answer */

bool is_too_large(const struct at *at, const struct trace_packet *p, uint16_t mtu)
{
	bool can_tell;

	if (p->size <= mtu)
		return false;
	/* The gateway speaks for the network, if there is one; outside, the address called does. */
	can_tell = !p->may_fragment && p->size >= QUOTE_BYTES &&
		   (!p->vni || row_network(at, p->vni));
	if (!can_tell) {
		say(at, "%u bytes are more than the network's MTU of %u, and nobody can be told",
		    p->size, mtu);
		decide(at, OV_DROP_TOO_BIG);
		return true;
	}
	say(at, "%u bytes are more than the network's MTU of %u: the sender is told "
	    "\"fragmentation needed\"", p->size, mtu);
	decide(at, OV_FWD_TOO_BIG);
	return true;
}

static enum ov_verdict deliver(const struct at *at, const struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	char name[WHO_MAX], port[PORT_TEXT_MAX];

	at->t->to = p->dst;
	at->t->to_port = p->dport;
	say(at, "%s is on this host: delivered to its %s", who(at->t, p->vni, &p->dst, name),
	    port_text(p->protocol, p->dport, port));
	return decide(at, OV_FWD_LOCAL);
}

static bool is_without_keys(const struct ov_endpoint *dst, const struct ov_peer *peer)
{
	return (dst->flags & OV_ENDPOINT_ENCRYPTED) && !(peer->flags & OV_PEER_ENCRYPTED);
}

enum ov_verdict send_on(const struct at *at, const struct ov_endpoint *dst, struct trace_hop *hop)
{
	struct trace_packet *p = &hop->packet;
	char name[WHO_MAX], node[WHO_MAX];
	const struct ov_peer *peer;

	if (dst->ifindex)
		return deliver(at, hop);
	who(at->t, p->vni, &p->dst, name);
	which_node(at->t, &dst->vtep, node);
	peer = row_peer(at, &dst->vtep);
	if (!peer) {
		say(at, "%s lives on %s, which is no peer of this one: there is no route to it",
		    name, node);
		return decide(at, OV_DROP_NO_PEER);
	}
	if (is_without_keys(dst, peer)) {
		say(at, "%s lives on %s; the network is encrypted, and no keys are agreed with that "
		    "node yet", name, node);
		return decide(at, OV_DROP_NO_SA);
	}
	hop->way = TRACE_TUNNEL;
	hop->from = at->n->vtep;
	hop->to = dst->vtep;
	memcpy(hop->dst_mac, dst->mac, sizeof(hop->dst_mac));
	hop->is_encrypted = dst->flags & OV_ENDPOINT_ENCRYPTED;
	say(at, "%s lives on %s: sent there in VXLAN, VNI %u%s", name, node, p->vni,
	    hop->is_encrypted ? ", in ESP" : "");
	return decide(at, hop->is_encrypted ? OV_FWD_ENCRYPT : OV_FWD_ENCAP);
}
