// SPDX-License-Identifier: GPL-2.0
/*
 * TC ingress of the collect-metadata tunnel device: what ov_uplink left to the
 * kernel's VXLAN socket (outer fragments, UDP super-packets) comes out here with
 * the header gone. The same checks apply; nothing gets past to the host.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/decap.h"
#include "lib/parse.h"
#include "lib/verdict.h"

#define INNER_LINEAR (sizeof(struct ethhdr) + sizeof(struct iphdr))

static __always_inline int decide(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {};

	if (!config_ready())
		return -OV_DROP_NOT_READY;
	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return -OV_DROP_UNKNOWN_PEER; /* nobody sent it: somebody used the device itself */
	if (skb->vlan_present)
		return -OV_DROP_NOT_IP;

	skb_make_linear(skb, INNER_LINEAR);

	struct cursor c = cursor_skb(skb);
	struct arrival a = {};
	int verdict = decap_accept(&c, bpf_htonl(key.remote_ipv4), key.tunnel_id, &a);

	if (verdict < 0)
		return verdict;
	if (verdict > 0)
		return decap_jump(skb, verdict, &a, key.tunnel_id, bpf_htonl(key.remote_ipv4),
				  skb->len);
	verdict = decap_restore_vip(skb, &a, key.tunnel_id);
	if (verdict < 0)
		return verdict;

	bpf_skb_change_type(skb, PACKET_HOST); /* as ov_endpoint does, and why */
	return decap_deliver(skb, a.dst);
}

SEC("tc")
int ov_tunnel(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;

	return verdict_exit_tc(decide(skb), bytes);
}

char LICENSE[] SEC("license") = "GPL";
