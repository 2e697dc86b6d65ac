// SPDX-License-Identifier: GPL-2.0
/*
 * TC ingress of the collect-metadata tunnel device: what ov_uplink left to the
 * kernel's VXLAN socket (outer fragments, UDP super-packets) comes out here with
 * the header gone. The same checks apply; nothing gets past to the host.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/decap.h"
#include "lib/decap_policy.h"
#include "lib/parse.h"
#include "lib/verdict.h"

#define INNER_LINEAR (sizeof(struct ethhdr) + sizeof(struct iphdr))

/*
 * The sending node and the VNI, in skb->cb, where programs that are jumped to look, too. Apart,
 * because the kernel's struct would lie on the stack of all that follows.
 */
static __noinline int tunnel_get(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = {};

	/* It has none: nobody sent it, somebody used the device itself. */
	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return -OV_DROP_UNKNOWN_PEER;
	skb->cb[CB_NODE] = bpf_htonl(key.remote_ipv4);
	skb->cb[CB_VNI] = key.tunnel_id;
	return 0;
}

static __always_inline int decide(struct __sk_buff *skb, const struct ov_config *cfg)
{
	if (!config_is_ready(cfg))
		return -OV_DROP_NOT_READY;
	if (tunnel_get(skb) < 0)
		return -OV_DROP_UNKNOWN_PEER;
	if (skb->vlan_present)
		return -OV_DROP_NOT_IP;

	skb_make_linear(skb, INNER_LINEAR);

	struct cursor c = cursor_skb(skb);
	struct arrival a = {};
	int verdict = decap_accept(&c, skb->cb[CB_NODE], skb->cb[CB_VNI], &a);

	if (verdict < 0)
		return verdict == DECAP_PROBE ? -OV_DROP_UNKNOWN_VNI : verdict;
	if (a.is_encrypted) /* what was decrypted is ov_uplink's: it never comes to the socket */
		return peer_drop(skb, skb->cb[CB_NODE], -OV_DROP_CLEARTEXT);
	if (verdict > 0)
		return decap_jump(skb, verdict, &a, skb->cb[CB_VNI], skb->cb[CB_NODE], skb->len);
	verdict = decap_policy(skb, &a, skb->cb[CB_VNI]);
	if (verdict == 0)
		verdict = decap_restore_vip(skb, &a, skb->cb[CB_VNI]);
	if (verdict < 0)
		return verdict;

	bpf_skb_change_type(skb, PACKET_HOST); /* as ov_endpoint does, and why */
	return deliver_arrived(skb, a.dst);
}

SEC("tc")
int ov_tunnel(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->len;
	int verdict;

	watch_enter_tc(skb, cfg, WATCH_TUNNEL);
	skb->cb[CB_VNI] = 0; /* of none yet */
	stats_pass(OV_ENTER_TUNNEL, bytes);
	verdict = decide(skb, cfg);
	if (verdict < 0)
		drop_tally(skb->cb[CB_VNI], 0, OV_DROP_AT_TUNNEL, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
