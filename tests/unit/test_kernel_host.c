/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What published ports need of a real host: hooks, settings, addresses; needs root. */
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "apply/facts.h"
#include "base/cleanup.h"
#include "sys/bpf.h"
#include "sys/ethtool.h"
#include "tests/lib/world.h"

TestSuite(kernel_host, .init = make_world);

Test(kernel_host, tells_what_a_device_can)
{
	cr_assert(ethtool_has("lo", "loopback"));
	cr_assert_not(ethtool_has("lo", "esp-hw-offload"));
	cr_assert_not(ethtool_has("lo", "no-such-feature"));
	cr_assert_not(ethtool_has("nosuchdevice", "loopback"));
}

/* ---- hooks ---- */

#define FRONTS 3

static void put_fronts(const struct driver *d, const struct plan_attach_key key[FRONTS])
{
	struct plan_attach row = { PROGRAM_FRONT, OV_XDP_OFF };

	for (int i = 0; i < FRONTS; i++)
		upsert(d, &key[i], &row, NULL);
}

/* All of them, as planned, and nothing else. */
static void expect_fronts(const struct driver *d, const struct plan_attach_key key[FRONTS])
{
	struct plan_attach row = { PROGRAM_FRONT, OV_XDP_OFF };
	struct plan_table t = look(d);

	cr_assert_eq(t.count, FRONTS);
	for (int i = 0; i < FRONTS; i++) {
		cr_assert_eq(memcmp(plan_row(&t, i), &key[i], sizeof(key[i])), 0);
		cr_assert_eq(memcmp(plan_row(&t, i) + sizeof(key[i]), &row, sizeof(row)), 0);
	}
	free(t.rows);
}

static void use_fronts(bool clsact)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);

	sh("ip link add br0 type bridge && ip addr add 203.0.113.1/24 dev br0 && ip link set br0 up");
	const struct plan_attach_key key[FRONTS] = {
		{ if_nametoindex("lo"), HOOK_TC_INGRESS },
		{ if_nametoindex("up1"), HOOK_TC_INGRESS },
		{ if_nametoindex("br0"), HOOK_TC_INGRESS },
	};

	if (clsact)
		bpf_use_clsact(kernel_bpf(k));
	put_fronts(&d[PLAN_ATTACH], key);
	cr_assert(sh_ok("ping -c1 -W2 127.0.0.1 >/dev/null"), "loopback goes on, without a row");
	cr_assert(sh_ok("ping -c1 -W2 203.0.113.1 >/dev/null"));
	kernel_close(k);
	k = open_kernel(d);
	if (clsact)
		bpf_use_clsact(kernel_bpf(k));
	expect_fronts(&d[PLAN_ATTACH], key);
	sh("ip link del br0"); /* its program goes with it */
	cr_assert_eq(rows(&d[PLAN_ATTACH]), FRONTS - 1);
	for (int i = 0; i < FRONTS; i++)
		remove_it(&d[PLAN_ATTACH], &key[i], &(struct plan_attach){ PROGRAM_FRONT, 0 });
	cr_assert_eq(rows(&d[PLAN_ATTACH]), 0);
	cr_assert_not(sh_ok("tc qdisc show | grep -q clsact"));
	cr_assert(sh_ok("test -z \"$(ls " PINS "/link)\""));
	kernel_close(k);
}

Test(kernel_host, has_the_front_on_loopback_and_a_bridge_by_the_best_hook)
{
	use_fronts(false);
}

Test(kernel_host, has_the_front_on_loopback_and_a_bridge_by_clsact)
{
	use_fronts(true);
}

/* ---- settings ---- */

Test(kernel_host, routing_serves_the_programs_and_is_put_right_again)
{
	static const char *const off[] = {
		"sysctl -qw net.ipv4.conf.ovtunnel.forwarding=0",
		"sysctl -qw net.ipv4.conf.lo.accept_local=0",
		"sysctl -qw net.ipv4.conf.lo.route_localnet=0",
		"sysctl -qw net.ipv4.ip_forward=1 && sysctl -qw net.ipv4.ip_forward=0",
	};
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_tunnel row = { .port = 4789 };
	unsigned int before;

	upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
	cr_assert(sh_ok("test $(cat /proc/sys/net/ipv4/conf/ovtunnel/forwarding) = 1"));
	cr_assert(sh_ok("test $(cat /proc/sys/net/ipv4/conf/up0/forwarding) = 0"), "not the host's");
	before = if_nametoindex(OV_TUNNEL_NAME);
	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		sh("%s", off[i]);
		kernel_close(k);
		k = open_kernel(d);
		cr_assert_not(holds(&d[PLAN_TUNNEL], &zero_key, &row), "unseen: %s", off[i]);
		upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
		cr_assert(holds(&d[PLAN_TUNNEL], &zero_key, &row), "not mended: %s", off[i]);
	}
	cr_assert_eq(if_nametoindex(OV_TUNNEL_NAME), before, "it was made anew");
	kernel_close(k);
}

#define LO "/proc/sys/net/ipv4/conf/lo/"

static void put_tunnel(void)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_tunnel row = { .port = 4789 };

	upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
	cr_assert(sh_ok("test $(cat " LO "accept_local)$(cat " LO "route_localnet) = 11"));
	kernel_close(k);
}

Test(kernel_host, settings_are_as_before_when_all_is_taken_down)
{
	sh("echo 1 >" LO "accept_local && echo 0 >" LO "route_localnet");
	put_tunnel();
	sh("echo 0 >" LO "route_localnet"); /* somebody else's doing, mended by a later daemon */
	put_tunnel();
	must(kernel_detach(&place, &(struct err){ 0 }), "detach");
	cr_assert(sh_ok("test $(cat " LO "accept_local)$(cat " LO "route_localnet) = 10"));
	cr_assert(sh_ok("test ! -e " PIN_ROOT), "something of ours is left");
	put_tunnel();
	must(kernel_detach(&place, &(struct err){ 0 }), "detach");
	cr_assert(sh_ok("test $(cat " LO "accept_local)$(cat " LO "route_localnet) = 10"));
}

/* ---- facts ---- */

static void expect_address(const struct facts *f, size_t i, const char *addr, const char *device)
{
	char text[ADDR_TEXT_MAX];

	cr_assert_str_eq(addr_format(&f->address[i].addr, text), addr);
	cr_assert_eq(f->address[i].ifindex, if_nametoindex(device));
}

static void expect_link(const struct facts *f, size_t i, const char *device, const char *addr,
			bool is_loopback)
{
	char text[ADDR_TEXT_MAX];

	cr_assert_eq(f->link[i].ifindex, if_nametoindex(device));
	cr_assert_str_eq(addr_format(&f->link[i].addr, text), addr);
	cr_assert_eq(f->link[i].is_loopback, is_loopback);
}

static void expect_reach(const struct facts_source *s, const char *to, const char *device)
{
	struct reach_list l = facts_reach(s);
	struct prefix p;

	cr_assert_eq(prefix_parse(to, &p), 0);
	cr_assert(reach_overlap(&l, &p), "%s", to);
	cr_assert_eq(memcmp(&reach_overlap(&l, &p)->to, &p, sizeof(p)), 0, "%s", to);
	cr_assert_str_eq(reach_overlap(&l, &p)->device, device);
}

static void reread(struct facts_source *s, struct facts *f)
{
	struct err e = { 0 };

	cr_assert(facts_drain(s), "the change is noticed");
	cr_assert_eq(facts_read(s, NULL, 0, f, &e), 0, "%s", e.text);
}

/* An endpoint and the tunnel are there as well, with addresses that somebody gave them. */
static struct kernel *make_our_devices(void)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct plan_tunnel tunnel = { .port = 4789 };

	upsert(&d[PLAN_TUNNEL], &zero_key, &tunnel, NULL);
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	sh("ip link set %s up && ip addr add 10.9.9.1/32 dev %s && ip addr add 10.9.9.2/32 dev "
	   OV_TUNNEL_NAME, row.name, row.name);
	return k;
}

Test(kernel_host, reads_addresses_and_links_that_are_the_hosts_own)
{
	struct facts f = { .vxlan_port = 4789 };
	struct kernel *k = make_our_devices();
	struct facts_source *s;
	struct err e = { 0 };

	sh("ip addr add 10.1.1.1/32 dev lo && ip addr add 192.0.2.7/24 dev up0 && "
	   "ip link add br0 type bridge && ip addr add 10.2.2.2/32 dev br0 && ip link set br0 up && "
	   "ip link add off0 type bridge && ip addr add 10.3.3.3/32 dev off0 && "
	   "ip tuntap add tun0 mode tun && ip addr add 10.4.4.4/32 dev tun0 && ip link set tun0 up");
	cr_assert_eq(facts_open("up0", &s, &e), 0);
	cr_assert_eq(facts_read(s, NULL, 0, &f, &e), 0, "%s", e.text);
	cr_assert_eq(f.address_count, 5);
	expect_address(&f, 0, "10.1.1.1", "lo");
	expect_address(&f, 1, "10.2.2.2", "br0");
	expect_address(&f, 2, "10.4.4.4", "tun0");
	expect_address(&f, 3, "192.0.2.1", "up0");
	expect_address(&f, 4, "192.0.2.7", "up0");
	cr_assert_eq(f.link_count, 3, "tun0 has no frames, off0 is down");
	cr_assert_eq(facts_reach(s).count, 5);
	expect_reach(s, "10.1.1.1/32", "lo");
	expect_reach(s, "192.0.2.0/24", "up0");
	expect_reach(s, "10.4.4.4/32", "tun0");
	expect_link(&f, 0, "lo", "127.0.0.1", true);
	expect_link(&f, 1, "up0", "192.0.2.1", false);
	expect_link(&f, 2, "br0", "10.2.2.2", false);
	facts_close(s);
	kernel_close(k);
}

Test(kernel_host, follows_addresses_and_links_that_come_and_go)
{
	struct facts f = { .vxlan_port = 4789 };
	struct facts_source *s;
	struct err e = { 0 };

	cr_assert_eq(facts_open("up0", &s, &e), 0);
	cr_assert_eq(facts_read(s, NULL, 0, &f, &e), 0, "%s", e.text);
	cr_assert_eq(f.address_count, 1);
	cr_assert_eq(f.link_count, 2, "lo and up0");
	sh("ip addr add 203.0.113.1/24 dev up1");
	reread(s, &f);
	expect_address(&f, 1, "203.0.113.1", "up1");
	cr_assert_eq(f.link_count, 3);
	sh("ip link set up1 down");
	reread(s, &f);
	cr_assert_eq(f.address_count, 1);
	cr_assert_eq(f.link_count, 2);
	sh("ip link set up1 up");
	reread(s, &f);
	cr_assert_eq(f.link_count, 3);
	sh("ip addr del 203.0.113.1/24 dev up1");
	reread(s, &f);
	cr_assert_eq(f.address_count, 1);
	cr_assert_eq(f.link_count, 2);
	facts_close(s);
}
