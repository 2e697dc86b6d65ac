// SPDX-License-Identifier: GPL-2.0
/*
 * XDP on the uplink: forged VXLAN is refused, and calls to published ports whose backend
 * is elsewhere are sent on, before the kernel spends an skb on them. Everything else
 * passes uncounted, ov_uplink judges it.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/decap.h"
#include "lib/entry_xdp.h"
#include "lib/parse.h"
#include "lib/verdict.h"

/* What only a forger or a stranger sends. Other drops keep their place in TC. */
static __always_inline int is_refusal(int verdict)
{
	return verdict == -OV_DROP_UNKNOWN_PEER || verdict == -OV_DROP_UNKNOWN_VNI ||
	       verdict == -OV_DROP_WRONG_PEER || verdict == -OV_DROP_BAD_VXLAN;
}

static __always_inline int decide(struct xdp_md *xdp, const struct ov_config *cfg, __u32 *ret_vni,
				  __u32 *ret_place)
{
	if (!config_is_ready(cfg))
		return VERDICT_LEAVE;

	struct cursor c = cursor_xdp(xdp);
	struct outer outer = {};
	struct arrival a = {};

	int verdict = outer_parse(&c, cfg, &outer);

	if (verdict == OUTER_FOREIGN && (cfg->flags & OV_CONFIG_XDP_ENTRY)) {
		*ret_place = OV_DROP_AT_OUTSIDE;
		return entry_xdp(xdp, cfg);
	}
	if (verdict != 0)
		return VERDICT_LEAVE;
	verdict = vxlan_parse(&c, ret_vni);
	if (verdict == 0)
		verdict = decap_accept(&c, outer.src, *ret_vni, &a);
	return is_refusal(verdict) ? verdict : VERDICT_LEAVE;
}

static __always_inline int uplink_xdp(struct xdp_md *xdp)
{
	const struct ov_config *cfg = config_row();
	__u32 bytes = bpf_xdp_get_buff_len(xdp), vni = 0, place = OV_DROP_AT_TUNNEL;
	int verdict;

	watch_enter_xdp(xdp, cfg);
	stats_pass(OV_ENTER_XDP, bytes);
	verdict = decide(xdp, cfg, &vni, &place);
	if (verdict < 0)
		drop_tally(vni, 0, place, verdict, bytes);
	return verdict_exit_xdp(xdp, cfg, verdict, bytes);
}

SEC("xdp.frags")
int ov_uplink_xdp(struct xdp_md *xdp)
{
	return uplink_xdp(xdp);
}

/*
 * In generic mode. For a program that takes fragments Linux 6.9 and later (e6d5dbdd20aa) copies
 * what has no room in front into a new skb, and forgets skb->mac_len in it: TC then meets the
 * packet without its Ethernet header, and ov_uplink takes it for somebody else's.
 */
SEC("xdp")
int ov_uplink_generic(struct xdp_md *xdp)
{
	return uplink_xdp(xdp);
}

char LICENSE[] SEC("license") = "GPL";
