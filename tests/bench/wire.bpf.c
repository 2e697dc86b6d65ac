// SPDX-License-Identifier: GPL-2.0
/*
 * For the part "ipsec", on both ends of a wire. A veth hands an skb on with the hash of
 * the flow inside it, so that the receiver would spread over CPUs what no network card
 * could: a card sees the outer headers only. And: which CPU gets how much ESP to decrypt.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} esp_frames SEC(".maps");

SEC("tc")
int forget_hash(struct __sk_buff *skb)
{
	bpf_set_hash_invalid(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int count_esp(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&esp_frames, &zero);
	__u8 protocol;

	if (n && skb->protocol == bpf_htons(ETH_P_IP) &&
	    !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &protocol, 1) &&
	    protocol == IPPROTO_ESP)
		*n += 1;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
