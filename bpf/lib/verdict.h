/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The single exit. Everything else returns one int:
 *
 *   negative             -OV_DROP_*: stop, this is why
 *   0 .. OV_VERDICT_COUNT  OV_FWD_* or OV_PASS_FOREIGN: decided, redirect prepared
 *   VERDICT_LOOPBACK, _HOST, REFUSE  see there
 *   VERDICT_LEAVE        the kernel goes on with it and another program of ours
 *                        gives the verdict; not counted here
 *
 * Nothing but verdict_exit_* counts, and each program calls it once.
 */
#pragma once

#include <linux/pkt_cls.h>

#include "lib/compat.h"
#include "lib/peer_drop.h"
#include "lib/stats.h"
#include "maps/defs.bpf.h"

#define VERDICT_LEAVE OV_VERDICT_COUNT
/* Redirected to the loopback device; ov_front meets it there, and counts it. */
#define VERDICT_LOOPBACK (OV_VERDICT_COUNT + 1)
/* Counted as OV_FWD_HOST; it is rewritten, and the stack goes on with it. */
#define VERDICT_HOST (OV_VERDICT_COUNT + 2)
/* The sender is to be told that nobody takes its packet, and why (lib/reset.h). */
#define REFUSE(why) (0x1000 + (why))
#define REFUSE_WHY(result) ((result) - 0x1000)

#include "lib/watch.h"

static __always_inline void verdict_count(__u32 verdict, __u32 bytes)
{
	struct ov_counter *c = bpf_map_lookup_elem(&counters, &verdict);

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
}

static __always_inline int verdict_exit_tc(struct __sk_buff *skb, const struct ov_config *cfg,
					   int verdict, __u32 bytes)
{
	watch_exit_tc(skb, cfg, verdict);
	if (verdict == VERDICT_LEAVE) {
		stats_pass(OV_LEAVE_KERNEL, bytes);
		return TC_ACT_UNSPEC;
	}
	if (verdict == VERDICT_LOOPBACK) {
		stats_pass(OV_LEAVE_LOOPBACK, bytes);
		return TC_ACT_REDIRECT;
	}
	if (verdict == VERDICT_HOST) {
		verdict_count(OV_FWD_HOST, bytes);
		return TC_ACT_UNSPEC;
	}

	verdict_count(verdict < 0 ? -verdict : verdict, bytes);
	if (verdict == -OV_DROP_NO_SA || verdict == -OV_DROP_CLEARTEXT)
		peer_drop_count(skb->cb[CB_PEER], verdict);
	if (verdict < 0)
		return TC_ACT_SHOT;
	/* UNSPEC and not OK: filters and programs of others behind us still run. */
	return verdict == OV_PASS_FOREIGN ? TC_ACT_UNSPEC : TC_ACT_REDIRECT;
}

static __always_inline int verdict_exit_xdp(struct xdp_md *xdp, const struct ov_config *cfg,
					    int verdict, __u32 bytes)
{
	watch_exit_xdp(xdp, cfg, verdict);
	if (verdict == VERDICT_LEAVE) {
		stats_pass(OV_LEAVE_XDP, bytes);
		return XDP_PASS;
	}

	verdict_count(verdict < 0 ? -verdict : verdict, bytes);
	return verdict < 0 ? XDP_DROP : XDP_TX;
}
