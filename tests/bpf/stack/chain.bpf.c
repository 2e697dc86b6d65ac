/* SPDX-License-Identifier: GPL-2.0 */
/* Chains of calls whose stack is known: what tools/check-stack tries bpf-stack with. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define USE(bytes)        \
	char frame[bytes]; \
	asm volatile("" : : "r"(frame) : "memory")

static __noinline int leaf(void)
{
	USE(200);
	return 1;
}

/* Kernels that round to 16 bytes let it pass where 6.1 does not. */
static __noinline int wide_leaf(void)
{
	USE(232);
	return 2;
}

static __noinline int through(void)
{
	return leaf() + 1;
}

static __noinline int through_wide(void)
{
	return wide_leaf() + 1;
}

SEC("tc")
int at_limit(struct __sk_buff *skb)
{
	USE(256);
	return leaf() + through();
}

SEC("tc")
int over_limit(struct __sk_buff *skb)
{
	USE(256);
	return leaf() + through_wide();
}
