// SPDX-License-Identifier: GPL-2.0-or-later
/* What a node takes from another one: bpf/uplink_tc.bpf.c, lib/decap.h, mesh_tc.bpf.c. */
#include <arpa/inet.h>
#include <string.h>

#include "inside.h"

/* Only a refusal looks for its reason: bpf/lib/decap.h. */
static enum ov_verdict reject(const struct at *at, const struct trace_hop *hop, enum ov_verdict why)
{
	char node[WHO_MAX];

	if (!row_peer(at, &hop->from)) {
		say(at, "%s is no node that this one knows as a peer",
		    which_node(at->t, &hop->from, node));
		return decide(at, OV_DROP_UNKNOWN_PEER);
	}
	if (!row_network(at, hop->packet.vni)) {
		say(at, "no network has VNI %u here", hop->packet.vni);
		return decide(at, OV_DROP_UNKNOWN_VNI);
	}
	return decide(at, why);
}

static enum ov_verdict check_dst(const struct at *at, const struct trace_hop *hop,
				 const struct ov_endpoint *dst)
{
	const struct trace_packet *p = &hop->packet;
	enum ov_verdict why = !dst ? OV_DROP_UNKNOWN_DST : !dst->ifindex ? OV_DROP_NOT_LOCAL :
			      memcmp(hop->dst_mac, dst->mac, 6) ? OV_DROP_WRONG_DST_MAC : 0;
	char name[WHO_MAX];

	who(at->t, p->vni, &p->dst, name);
	if (why == OV_DROP_UNKNOWN_DST)
		say(at, "this node knows nobody with %s", name);
	else if (why == OV_DROP_NOT_LOCAL)
		say(at, "%s does not live here, as this node knows it", name);
	else if (why)
		say(at, "%s has another MAC here than where it was sent", name);
	return why;
}

static enum ov_verdict check_src(const struct at *at, const struct trace_hop *hop,
				 const struct ov_endpoint *src)
{
	const struct trace_packet *p = &hop->packet;
	char name[WHO_MAX], node[WHO_MAX];

	who(at->t, p->vni, &p->src, name);
	which_node(at->t, &hop->from, node);
	if (!src || src->ifindex || addr_cmp(&src->vtep, &hop->from)) {
		say(at, "%s does not live on %s, as this node knows it", name, node);
		return OV_DROP_WRONG_PEER;
	}
	if (memcmp(hop->src_mac, src->mac, 6)) {
		say(at, "%s has another MAC here than where it was sent", name);
		return OV_DROP_SPOOFED_MAC;
	}
	say(at, "%s lives on %s: accepted", name, node);
	return 0;
}

static enum ov_verdict deliver(const struct at *at, const struct trace_packet *arrived,
			       uint16_t port, const struct ov_endpoint *dst)
{
	struct trace_packet unpacked = *arrived, *p = &unpacked;
	char name[WHO_MAX], text[PORT_TEXT_MAX];

	p->dport = port;
	if ((dst->flags & OV_ENDPOINT_POLICY) && policy_stops(at, p))
		return at->t->verdict;
	at->t->to = p->dst;
	at->t->to_port = port;
	say(at, "%s is on this host: unpacked and delivered to its %s",
	    who(at->t, p->vni, &p->dst, name), port_text(p->protocol, port, text));
	return decide(at, OV_FWD_DECAP);
}

/* The sender encrypts when its row of the destination says so, and this node asks by its own. */
static bool is_cleartext(const struct at *at, const struct trace_hop *hop,
			 const struct ov_endpoint *by)
{
	if (!(by->flags & OV_ENDPOINT_ENCRYPTED) || hop->is_encrypted)
		return false;
	say(at, "the network is encrypted, as this node knows it, and the packet is not");
	decide(at, OV_DROP_CLEARTEXT);
	return true;
}

/* ---- between endpoints ---- */

static enum ov_verdict arrive_inside(const struct at *at, const struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	const struct ov_endpoint *src = row_endpoint(at, p->vni, &p->src), *dst;
	enum ov_verdict why = check_src(at, hop, src);

	if (why)
		return reject(at, hop, why);
	dst = row_endpoint(at, p->vni, &p->dst);
	if (!dst && (src->flags & OV_ENDPOINT_PUBLISHED)) {
		if (is_cleartext(at, hop, src))
			return at->t->verdict;
		say(at, "taken for an answer to a client outside, of no flow of this node");
		return decide(at, OV_DROP_NOT_FROM_HERE);
	}
	why = check_dst(at, hop, dst);
	if (why)
		return reject(at, hop, why);
	if (is_cleartext(at, hop, src))
		return at->t->verdict;
	return deliver(at, p, p->dport, dst);
}

/* ---- from a client outside, that entered at another node ---- */

static enum ov_verdict check_mesh(const struct at *at, const struct trace_hop *hop,
				  const struct ov_endpoint *dst)
{
	enum ov_verdict why;
	char name[WHO_MAX];

	if (!row_peer(at, &hop->from))
		return OV_DROP_UNKNOWN_PEER;
	why = check_dst(at, hop, dst);
	if (why || (dst->flags & OV_ENDPOINT_PUBLISHED))
		return why;
	say(at, "%s is of no service that publishes a port, as this node knows it",
	    who(at->t, hop->packet.vni, &hop->packet.dst, name));
	return OV_DROP_NOT_PUBLISHED;
}

/* With direct return the port is still the published one. False: it is not published here. */
static bool find_target(const struct at *at, const struct trace_hop *hop, uint16_t *ret_port)
{
	const struct trace_packet *p = &hop->packet;
	const struct ov_published *row;
	struct ov_published_key key;

	*ret_port = p->dport;
	if (hop->mark != TRACE_DIRECT)
		return true;
	row = row_published(at, &hop->called, p->protocol, p->dport, &key);
	if (row)
		*ret_port = ntohs(row->service.target_port);
	return row;
}

static enum ov_verdict arrive_marked(const struct at *at, const struct trace_hop *hop)
{
	const struct trace_packet *p = &hop->packet;
	const struct at mesh = { at->t, at->n, "ov_arrive" };
	const struct ov_endpoint *dst = row_endpoint(at, p->vni, &p->dst);
	enum ov_verdict why = check_mesh(at, hop, dst);
	char node[WHO_MAX];
	uint16_t port;

	if (why)
		return reject(at, hop, why);
	if (is_cleartext(at, hop, dst))
		return at->t->verdict;
	say(at, "from a client outside, that entered at %s: accepted",
	    which_node(at->t, &hop->from, node));
	if (!row_network(&mesh, p->vni))
		return decide(&mesh, OV_DROP_MALFORMED);
	if (!find_target(&mesh, hop, &port)) {
		say(&mesh, "the published port is not open here, so its target is not known");
		return decide(&mesh, OV_DROP_NOT_PUBLISHED);
	}
	return deliver(&mesh, p, port, dst);
}

enum ov_verdict trace_uplink(struct trace *t, const struct trace_node *n,
			     const struct trace_hop *hop)
{
	const struct at at = { t, n, "ov_uplink" };
	const struct trace_packet *p = &hop->packet;

	if (!row_config(&at)) {
		say(&at, "the node's configuration is not complete yet: the packet is left to the host, "
		    "which has no use for it");
		return decide(&at, OV_DROP_NOT_READY);
	}
	if (hop->mark != TRACE_INSIDE && !row_endpoint(&at, p->vni, &p->src))
		return arrive_marked(&at, hop);
	return arrive_inside(&at, hop);
}
