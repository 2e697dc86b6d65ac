// SPDX-License-Identifier: GPL-2.0
/* Flows from outside between the node they entered by and the backend's. */
#include "lib/compat.h"
#include "lib/config.h"
#include "lib/verdict.h"

SEC("tc")
int ov_arrive(struct __sk_buff *skb)
{
	return verdict_exit_tc(-OV_DROP_NOT_READY, skb->len);
}

SEC("tc")
int ov_return(struct __sk_buff *skb)
{
	return verdict_exit_tc(-OV_DROP_NOT_READY, skb->len);
}

char LICENSE[] SEC("license") = "GPL";
