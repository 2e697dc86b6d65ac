// SPDX-License-Identifier: GPL-2.0
/* TC ingress of devices by which the world outside reaches this host, and what ov_uplink passes on: published ports, and answers to containers. */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/verdict.h"

SEC("tc")
int ov_front(struct __sk_buff *skb)
{
	return verdict_exit_tc(-OV_DROP_NOT_READY, skb->len);
}

char LICENSE[] SEC("license") = "GPL";
