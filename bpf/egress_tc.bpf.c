// SPDX-License-Identifier: GPL-2.0
/* What an endpoint sends to an address that is no endpoint's. */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/verdict.h"

SEC("tc")
int ov_egress(struct __sk_buff *skb)
{
	return verdict_exit_tc(-OV_DROP_NOT_READY, skb->len);
}

char LICENSE[] SEC("license") = "GPL";
