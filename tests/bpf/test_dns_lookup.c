/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which lookups in a container's namespace are steered to the daemon's DNS sockets. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "maps/dns.h"

#include "dns_lookup.skel.h"

struct fixture {
	struct dns_lookup_bpf *skel;
	int socket[OV_DNS_SOCKET_COUNT];
	uint64_t cookie[OV_DNS_SOCKET_COUNT];
};

static int new_socket(int type)
{
	const struct sockaddr_in any = { .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	if (type == SOCK_STREAM)
		cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

static void add_socket(struct fixture *f, uint32_t key, int type)
{
	socklen_t len = sizeof(f->cookie[key]);
	uint64_t value;

	f->socket[key] = new_socket(type);
	value = (uint64_t)f->socket[key];
	cr_assert_eq(getsockopt(f->socket[key], SOL_SOCKET, SO_COOKIE, &f->cookie[key], &len), 0);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(f->skel->maps.dns_sockets), &key, &value, BPF_ANY),
		     0, "%s", strerror(errno));
}

static void set_up(struct fixture *f)
{
	f->skel = dns_lookup_bpf__open_and_load();
	cr_assert_not_null(f->skel, "%s", strerror(errno));
	add_socket(f, OV_DNS_UDP, SOCK_DGRAM);
	add_socket(f, OV_DNS_TCP, SOCK_STREAM);
}

static void tear_down(struct fixture *f)
{
	dns_lookup_bpf__destroy(f->skel);
	for (size_t i = 0; i < ARRAY_SIZE(f->socket); i++)
		closep(&f->socket[i]);
}

/* The cookie of the socket that was chosen, 0: none was. */
static uint64_t look_up(const struct fixture *f, uint32_t protocol, uint32_t addr, uint32_t port)
{
	struct bpf_sk_lookup ctx = {
		.family = AF_INET, .protocol = protocol,
		.remote_ip4 = htonl(INADDR_LOOPBACK), .remote_port = htons(40000),
		.local_ip4 = htonl(addr), .local_port = port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(f->skel->progs.ov_dns), &opts), 0, "%s",
		     strerror(errno));
	cr_assert_eq(opts.retval, SK_PASS, "a lookup is refused");
	return ctx.cookie;
}

Test(dns_lookup, what_is_asked_of_127_0_0_11_port_53_is_steered_by_protocol)
{
	struct fixture f;

	set_up(&f);
	cr_assert_eq(look_up(&f, IPPROTO_UDP, OV_DNS_ADDR, 53), f.cookie[OV_DNS_UDP]);
	cr_assert_eq(look_up(&f, IPPROTO_TCP, OV_DNS_ADDR, 53), f.cookie[OV_DNS_TCP]);
	tear_down(&f);
}

Test(dns_lookup, other_addresses_and_ports_are_left_alone)
{
	static const uint32_t protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct fixture f;

	set_up(&f);
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		cr_assert_eq(look_up(&f, protocols[i], OV_DNS_ADDR, 54), 0);
		cr_assert_eq(look_up(&f, protocols[i], OV_DNS_ADDR, 53 << 8), 0);
		cr_assert_eq(look_up(&f, protocols[i], INADDR_LOOPBACK, 53), 0);
		cr_assert_eq(look_up(&f, protocols[i], 0x0a0a0002, 53), 0);
	}
	tear_down(&f);
}

Test(dns_lookup, ipv6_is_left_alone_whatever_its_last_bytes_are)
{
	struct fixture f;
	struct bpf_sk_lookup ctx = { .family = AF_INET6, .protocol = IPPROTO_UDP, .local_port = 53,
				     .local_ip6 = { 0, 0, htonl(0xffff), htonl(OV_DNS_ADDR) } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	set_up(&f);
	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(f.skel->progs.ov_dns), &opts), 0);
	cr_assert_eq(opts.retval, SK_PASS);
	cr_assert_eq(ctx.cookie, 0);
	tear_down(&f);
}

Test(dns_lookup, without_our_socket_all_is_as_it_would_be_without_us)
{
	struct fixture f;

	set_up(&f);
	closep(&f.socket[OV_DNS_UDP]);
	f.socket[OV_DNS_UDP] = -1;
	cr_assert_eq(look_up(&f, IPPROTO_UDP, OV_DNS_ADDR, 53), 0);
	cr_assert_eq(look_up(&f, IPPROTO_TCP, OV_DNS_ADDR, 53), f.cookie[OV_DNS_TCP]);
	tear_down(&f);
}
