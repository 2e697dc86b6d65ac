/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Probes of the VXLAN port (maps/probe.h), from a node of the cluster: a request goes
 * back as large as it came, an answer ends here, so nothing ever grows or goes in circles.
 */
#pragma once

#include "lib/encap.h"
#include "lib/icmp.h"
#include "lib/parse.h"
#include "maps/defs.bpf.h"

struct probe_frame {
	struct ethhdr eth;
	struct vxlan_headers outer;
	struct ethhdr inner;
	struct ov_probe probe;
} __attribute__((packed));

static __always_inline void probe_note(struct __sk_buff *skb, __u64 nonce, __be32 kind)
{
	struct ov_probe_key key = { .nonce = nonce, .kind = bpf_ntohl(kind) };
	struct ov_probe_seen seen = { .at_ns = bpf_ktime_get_ns(), .bytes = skb->len };

	bpf_map_update_elem(&probes, &key, &seen, BPF_ANY);
}

/* Addresses change places, so the header's sum stays; without a sum of UDP's own, as VXLAN has it. */
static __always_inline void probe_turn_round(struct probe_frame *f)
{
	__be32 asker = f->outer.ip.saddr;

	eth_turn_round(&f->eth);
	f->outer.ip.saddr = f->outer.ip.daddr;
	f->outer.ip.daddr = asker;
	f->outer.udp.check = 0;
	f->probe.kind = bpf_htonl(OV_PROBE_ANSWER);
}

/* The outer headers were checked, and are without options. */
static __noinline int probe_receive(struct __sk_buff *skb)
{
	struct probe_frame *f = (void *)(long)skb->data;

	if ((void *)(f + 1) > (void *)(long)skb->data_end)
		return -OV_DROP_MALFORMED;
	if (f->inner.h_proto != bpf_htons(OV_PROBE_ETHERTYPE) ||
	    f->probe.magic != bpf_htonl(OV_PROBE_MAGIC))
		return -OV_DROP_UNKNOWN_VNI;
	if (f->probe.kind != bpf_htonl(OV_PROBE_REQUEST) &&
	    f->probe.kind != bpf_htonl(OV_PROBE_ANSWER))
		return -OV_DROP_UNKNOWN_VNI;
	probe_note(skb, f->probe.nonce, f->probe.kind);
	if (f->probe.kind == bpf_htonl(OV_PROBE_ANSWER))
		return -OV_FWD_PROBE; /* counted as what it is, and no further */
	probe_turn_round(f);
	bpf_redirect(skb->ifindex, 0);
	return OV_FWD_PROBE;
}
