// SPDX-License-Identifier: GPL-2.0
/*
 * TC ingress of the uplink: VXLAN to our address is checked, popped and handed
 * to the endpoint. Everything else is ov_front's, which leaves most of it to the host.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/decap.h"
#include "lib/decap_policy.h"
#include "lib/fragment.h"
#include "lib/parse.h"
#include "lib/probe.h"
#include "lib/verdict.h"

/* The outer header is parsed: make the rest linear and stand behind it again. */
static __always_inline void cursor_pull_inner(struct __sk_buff *skb, struct cursor *c)
{
	skb_make_linear(skb, DECAP_LINEAR);
	c->pos = (void *)(long)skb->data + OUTER_LEN;
	c->end = (void *)(long)skb->data_end;
}

/*
 * Whether XFRM has decrypted it, with an SA of ours that the outer source has: the state
 * stays with the packet, and nothing that is sent can bring one along.
 */
static __noinline int was_encrypted(struct __sk_buff *skb, __be32 outer_src)
{
	struct bpf_xfrm_state x = {};

	return bpf_skb_get_xfrm_state(skb, 0, &x, sizeof(x), 0) == 0 &&
	       x.reqid == OV_IPSEC_REQID && x.family == AF_INET && x.remote_ipv4 == outer_src;
}

static __always_inline int receive(struct __sk_buff *skb, struct cursor *c,
				   const struct outer *outer, __u32 bytes, __u32 *ret_vni)
{
	__u32 vni;
	struct arrival a = {};
	int accepted;

	cursor_pull_inner(skb, c);

	int verdict = vxlan_parse(c, &vni);

	if (verdict < 0)
		return verdict;
	*ret_vni = vni;
	accepted = decap_accept(c, outer->src, vni, &a);
	if (accepted < 0)
		return accepted == DECAP_PROBE ? probe_receive(skb) : accepted;
	if (a.is_encrypted && !was_encrypted(skb, outer->src))
		return peer_drop(skb, outer->src, -OV_DROP_CLEARTEXT);
	if (!a.is_encrypted && encap_needs_tunnel(skb, a.ip->protocol))
		return VERDICT_LEAVE;
	verdict = ecn_decapsulate(a.ip, outer->tos);
	if (verdict < 0)
		return verdict;
	verdict = decap_pop(skb, &a);
	if (verdict < 0)
		return verdict;
	if (accepted > 0)
		return decap_jump(skb, accepted, &a, vni, outer->src, bytes);
	verdict = decap_policy(skb, &a, vni);
	if (verdict == 0)
		verdict = decap_restore_vip(skb, &a, vni);
	if (verdict < 0)
		return verdict;
	return deliver_arrived(skb, a.dst);
}

/*
 * A later fragment has no ports: it may be VXLAN's, which the kernel puts together, or
 * follow one that was ov_front's.
 */
static __always_inline int fragment_is_fronts(struct __sk_buff *skb)
{
	struct cursor c = cursor_skb(skb);
	struct iphdr *ip;

	return cursor_take(&c, struct ethhdr) && parse_ipv4(&c, &ip) == 0 && fragment_is_later(ip) &&
	       fragment_find(0, ip);
}

static __always_inline int decide(struct __sk_buff *skb, const struct ov_config *cfg, __u32 bytes,
				  __u32 *ret_vni)
{
	/* Without configuration nothing is known to be ours; the host's traffic goes on. */
	if (!config_is_ready(cfg) || skb->pkt_type != PACKET_HOST || skb_is_vlan_tagged(skb))
		return OV_PASS_FOREIGN;

	skb_make_linear(skb, OUTER_LEN);

	struct cursor c = cursor_skb(skb);
	struct outer outer = {};
	int result = outer_parse(&c, cfg, &outer);

	if (result < 0)
		return result;
	if (result == OUTER_FOREIGN || (result == OUTER_KERNEL && fragment_is_fronts(skb))) {
		bpf_tail_call(skb, &calls, OV_CALL_FRONT);
		return OV_PASS_FOREIGN;
	}
	if (result == OUTER_KERNEL)
		return VERDICT_LEAVE;
	return receive(skb, &c, &outer, bytes, ret_vni);
}

SEC("tc")
int ov_uplink(struct __sk_buff *skb)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = skb->len, vni = 0; /* before anything is popped */
	int verdict;

	watch_enter_tc(skb, cfg, WATCH_UPLINK);
	stats_pass(OV_ENTER_UPLINK, bytes);
	verdict = decide(skb, cfg, bytes, &vni);
	if (verdict < 0)
		drop_tally(vni, 0, OV_DROP_AT_TUNNEL, verdict, bytes);
	return verdict_exit_tc(skb, cfg, verdict, bytes);
}

char LICENSE[] SEC("license") = "GPL";
