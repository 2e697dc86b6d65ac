// SPDX-License-Identifier: GPL-2.0
/*
 * XDP on the uplink: forged VXLAN is refused before the kernel spends an skb on
 * it. Everything else passes uncounted, ov_uplink judges it.
 */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/decap.h"
#include "lib/parse.h"
#include "lib/verdict.h"

/* What only a forger or a stranger sends. Other drops keep their place in TC. */
static __always_inline int is_refusal(int verdict)
{
	return verdict == -OV_DROP_UNKNOWN_PEER || verdict == -OV_DROP_UNKNOWN_VNI ||
	       verdict == -OV_DROP_WRONG_PEER || verdict == -OV_DROP_BAD_VXLAN;
}

static __always_inline int decide(struct xdp_md *xdp, __u32 bytes)
{
	const struct ov_config *cfg = config_ready();

	if (!cfg)
		return VERDICT_LEAVE;

	struct cursor c = {
		.pos = (void *)(long)xdp->data,
		.end = (void *)(long)xdp->data_end,
		.left = bytes,
	};
	struct outer outer = {};
	struct arrival a = {};
	__u32 vni;

	if (outer_parse(&c, cfg, &outer) != 0)
		return VERDICT_LEAVE;

	int verdict = vxlan_parse(&c, &vni);

	if (verdict == 0)
		verdict = decap_accept(&c, outer.src, vni, &a);
	return is_refusal(verdict) ? verdict : VERDICT_LEAVE;
}

SEC("xdp.frags")
int ov_uplink_xdp(struct xdp_md *xdp)
{
	__u32 bytes = bpf_xdp_get_buff_len(xdp);

	return verdict_exit_xdp(decide(xdp, bytes), bytes);
}

char LICENSE[] SEC("license") = "GPL";
