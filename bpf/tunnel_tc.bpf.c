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

struct tunnel {
	__be32 node;
	__u32 vni;
};

/* Apart, because the kernel's struct would lie on the stack of all that follows. */
static __noinline int tunnel_get(struct __sk_buff *skb, struct tunnel *ret)
{
	struct bpf_tunnel_key key = {};

	/* It has none: nobody sent it, somebody used the device itself. */
	if (!ret || bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return -OV_DROP_UNKNOWN_PEER;
	ret->node = bpf_htonl(key.remote_ipv4);
	ret->vni = key.tunnel_id;
	return 0;
}

static __always_inline int decide(struct __sk_buff *skb)
{
	struct tunnel from = {};

	if (!config_ready())
		return -OV_DROP_NOT_READY;
	if (tunnel_get(skb, &from) < 0)
		return -OV_DROP_UNKNOWN_PEER;
	if (skb->vlan_present)
		return -OV_DROP_NOT_IP;

	skb_make_linear(skb, INNER_LINEAR);

	struct cursor c = cursor_skb(skb);
	struct arrival a = {};
	int verdict = decap_accept(&c, from.node, from.vni, &a);

	if (verdict < 0)
		return verdict;
	if (a.is_encrypted) /* what was decrypted is ov_uplink's: it never comes to the socket */
		return peer_drop(skb, from.node, -OV_DROP_CLEARTEXT);
	if (verdict > 0)
		return decap_jump(skb, verdict, &a, from.vni, from.node, skb->len);
	verdict = decap_restore_vip(skb, &a, from.vni);
	if (verdict < 0)
		return verdict;

	bpf_skb_change_type(skb, PACKET_HOST); /* as ov_endpoint does, and why */
	return deliver_arrived(skb, a.dst);
}

SEC("tc")
int ov_tunnel(struct __sk_buff *skb)
{
	__u32 bytes = skb->len;

	watch_enter_tc(skb, WATCH_TUNNEL);
	return verdict_exit_tc(skb, decide(skb), bytes);
}

char LICENSE[] SEC("license") = "GPL";
