// SPDX-License-Identifier: GPL-2.0
/*
 * What a container sends to 127.0.0.11:53 goes to the daemon's sockets, which are bound
 * to another port: so the container may have port 53 of all its addresses for itself.
 * Asked by the kernel before it looks for a listening or unconnected socket.
 *
 * A lookup is not told its namespace, so each one has a program and sockets of its own.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/compat.h"
#include "maps/dns.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, OV_DNS_SOCKET_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} dns_sockets SEC(".maps");

static __always_inline int is_ours(const struct bpf_sk_lookup *ctx)
{
	return ctx->family == AF_INET && ctx->local_port == OV_DNS_PORT &&
	       ctx->local_ip4 == bpf_htonl(OV_DNS_ADDR);
}

/* Never drops: without our socket, the namespace is as it would be without us. */
SEC("sk_lookup")
int ov_dns(struct bpf_sk_lookup *ctx)
{
	__u32 key = ctx->protocol == IPPROTO_TCP ? OV_DNS_TCP : OV_DNS_UDP;
	struct bpf_sock *sk;

	if (!is_ours(ctx))
		return SK_PASS;
	sk = bpf_map_lookup_elem(&dns_sockets, &key);
	if (!sk)
		return SK_PASS;
	/* A program before us may have chosen: the later one has its way. */
	bpf_sk_assign(ctx, sk, BPF_SK_LOOKUP_F_REPLACE);
	bpf_sk_release(sk);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
