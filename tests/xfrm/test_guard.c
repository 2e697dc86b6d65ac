/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What leaves by the tunnel device for another host, as ESP or not at all; needs root and a
 * kernel with ESP. Packets get into the device by a route with an encapsulation and their mark
 * from a filter there, as from the programs; the wire is up1, the other end of the uplink.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apply/drivers.h"
#include "base/cleanup.h"
#include "sys/nl.h"
#include "tests/lib/world.h"

#define SPI 0x51ab0000u
#define TEXT "attack at dawn, attack at dawn"

static struct driver d[PLAN_TABLE_COUNT];
static struct ipsec_ctx ctx;
static int wire;
static const struct plan_policy_key block_key = { .lane = PLAN_LANE_BLOCK };

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static int take_key(void *arg, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN])
{
	(void)arg;
	memset(ret_key, (int)(sa->spi >> 24), SA_KEY_LEN);
	return 0;
}

static void put_lane(uint8_t lane)
{
	struct plan_sa_key sa_key = { .dst = addr("192.0.2.2"), .spi = SPI | lane };
	struct plan_sa sa = { .src = addr("192.0.2.1") };
	struct plan_policy_key key = { .dst = addr("192.0.2.2"), .src = addr("192.0.2.1"),
				       .port = 4789, .lane = lane };
	struct plan_policy row = { .spi = SPI | lane };

	upsert(&d[PLAN_SAS], &sa_key, &sa, NULL);
	upsert(&d[PLAN_POLICIES], &key, &row, NULL);
}

static void init(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800) };

	make_world();
	ctx.take_key = take_key;
	must(nl_open(&ctx.nl), "netlink");
	sa_driver(&ctx, &d[PLAN_SAS]);
	policy_driver(&ctx, &d[PLAN_POLICIES]);
	sh("ip link add ovtunnel up mtu 65485 type vxlan external dstport 4789 noudpcsum");
	sh("echo 1 >/proc/sys/net/ipv4/conf/ovtunnel/forwarding");
	upsert(&d[PLAN_POLICIES], &block_key, &(struct plan_policy){ 0 }, NULL);
	for (uint8_t lane = 0; lane < OV_SA_LANES; lane++)
		put_lane(lane);
	sh("ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:99 dev ovtunnel");
	sh("ip neigh add 192.0.2.2 lladdr $(ip -br link show up1 | awk '{print $3}') dev up0");
	sh("ip addr add 10.9.9.1/32 dev lo");
	sh("ip route add 10.9.9.9/32 encap ip id 7 src 192.0.2.1 dst 192.0.2.2 dev ovtunnel src 10.9.9.1");
	sh("tc qdisc add dev ovtunnel clsact");
	wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x0800));
	must(wire, "packet socket");
	ll.sll_ifindex = (int)if_nametoindex("up1");
	must(bind(wire, (struct sockaddr *)&ll, sizeof(ll)), "bind");
}

TestSuite(guard, .init = init);

struct heard {
	unsigned int esp, vxlan;
};

static struct heard send_and_hear(uint32_t mark)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct pollfd p = { .fd = wire, .events = POLLIN };
	struct heard h = { 0 };
	uint8_t frame[4096];

	inet_pton(AF_INET, "10.9.9.9", &sin.sin_addr);
	sh("tc filter del dev ovtunnel egress; "
	   "tc filter add dev ovtunnel egress pref 1 matchall action skbedit mark %u", mark);
	sendto(fd, TEXT, strlen(TEXT), 0, (struct sockaddr *)&sin, sizeof(sin));
	while (poll(&p, 1, 300) > 0) {
		ssize_t n = recv(wire, frame, sizeof(frame), 0);

		h.esp += n > 34 && frame[23] == IPPROTO_ESP;
		h.vxlan += n > 38 && frame[23] == IPPROTO_UDP && memmem(frame, (size_t)n, TEXT, strlen(TEXT));
	}
	return h;
}

static void expect(uint32_t mark, unsigned int esp, unsigned int vxlan)
{
	struct heard h = send_and_hear(mark);

	cr_assert_eq(h.esp, esp, "%u ESP and %u VXLAN", h.esp, h.vxlan);
	cr_assert_eq(h.vxlan, vxlan, "%u ESP and %u VXLAN", h.esp, h.vxlan);
}

Test(guard, what_has_a_lanes_mark_leaves_as_esp_and_what_has_none_as_vxlan)
{
	for (uint32_t lane = 0; lane < OV_SA_LANES; lane++)
		expect(OV_IPSEC_MARK | lane, 1, 0);
	expect(0, 0, 1);
	expect(OV_IPSEC_MARK | OV_SA_LANES, 0, 0);
}

Test(guard, nothing_leaves_in_the_clear_without_sas)
{
	sh("ip xfrm state flush");
	expect(OV_IPSEC_MARK, 0, 0);
}

Test(guard, nothing_leaves_in_the_clear_without_policies)
{
	sh("ip xfrm policy flush");
	expect(OV_IPSEC_MARK, 0, 0);
	expect(0, 0, 1);
}

Test(guard, nothing_leaves_in_the_clear_where_a_setting_passes_ipsec_by)
{
	sh("sysctl -qw net.ipv4.conf.all.disable_xfrm=1 && ip route flush cache");
	expect(OV_IPSEC_MARK, 0, 0);
}

/* The uplink's own setting is not asked: the packet is taken before it is routed there. */
Test(guard, what_has_our_mark_is_esp_whatever_the_uplink_is_set_to)
{
	sh("sysctl -qw net.ipv4.conf.up0.disable_xfrm=1 && ip route flush cache");
	expect(OV_IPSEC_MARK, 1, 0);
}

Test(guard, nothing_leaves_in_the_clear_by_a_policy_of_somebody_else)
{
	struct plan_policy_key key = { .dst = addr("192.0.2.2"), .src = addr("192.0.2.1"), .port = 4789 };

	sh("ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.2/32 priority 2 action allow");
	expect(OV_IPSEC_MARK, 1, 0);
	remove_it(&d[PLAN_POLICIES], &key, &(struct plan_policy){ 0 });
	expect(OV_IPSEC_MARK, 0, 0);
}
