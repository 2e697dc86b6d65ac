// SPDX-License-Identifier: GPL-2.0-or-later
/* Real traffic over real devices, on wires that behave differently. */
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

#define MEGABYTE (1u << 20)

TestSuite(wire, .timeout = 120);

/* ICMP, fragments, TCP and UDP with and without segmentation, both ways and on one host. */
static void check_all_traffic(struct wire *w)
{
	flow_ping(w->one, &blue_far, 56);
	flow_ping(w->far, &blue_one, 56);
	flow_ping(w->one, &blue_far, 1422); /* the MTU exactly */
	flow_ping(w->one, &blue_far, 4000); /* three fragments */
	flow_ping(w->one, &blue_two, 4000);

	flow_tcp(w->one, w->far, &blue_far, 20 * MEGABYTE);
	flow_tcp(w->far, w->one, &blue_one, 20 * MEGABYTE);
	flow_tcp(w->one, w->two, &blue_two, 20 * MEGABYTE);

	flow_udp(w->one, w->far, &blue_far, 100, 50, 1);
	flow_udp(w->one, w->far, &blue_far, 4000, 20, 1); /* fragments */
	flow_udp(w->one, w->far, &blue_far, 1200, 800, 40);
	flow_udp(w->far, w->one, &blue_one, 1200, 800, 40);
	flow_udp(w->one, w->two, &blue_two, 1200, 800, 40);
}

/* Everything that was dropped, on either host: nothing may be. */
static void check_no_drops(const struct wire *w)
{
	for (int v = OV_DROP_NOT_READY; v < OV_VERDICT_COUNT; v++) {
		cr_assert_eq(env_packets(&w->a.env, v), 0, "host a dropped by %d", v);
		cr_assert_eq(env_packets(&w->b.env, v), 0, "host b dropped by %d", v);
	}
}

static void check_wire(enum wire_kind kind)
{
	struct wire w = { 0 };

	wire_open(&w, kind);
	check_all_traffic(&w);
	check_no_drops(&w);
	cr_assert_gt(env_packets(&w.a.env, OV_FWD_ENCAP), 0);
	cr_assert_gt(env_packets(&w.a.env, OV_FWD_DECAP), 0);
	cr_assert_gt(env_packets(&w.a.env, OV_FWD_LOCAL), 0);
	cr_assert_eq(env_packets(&w.a.env, OV_FWD_TUNNEL), 20, "one for each UDP super-packet");
	wire_close(&w);
}

Test(wire, everything_crosses_as_super_packets)
{
	check_wire(WIRE_SUPER_PACKETS);
}

Test(wire, everything_crosses_a_wire_like_a_nic)
{
	check_wire(WIRE_LIKE_A_NIC);
}

Test(wire, everything_crosses_without_receive_offload)
{
	check_wire(WIRE_PLAIN);
}

Test(wire, everything_crosses_generic_xdp)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_LIKE_A_NIC);
	wire_attach_xdp(&w, XDP_FLAGS_SKB_MODE);
	check_all_traffic(&w);
	check_no_drops(&w);
	wire_close(&w);
}

Test(wire, everything_crosses_native_xdp)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_LIKE_A_NIC);
	wire_attach_xdp(&w, XDP_FLAGS_DRV_MODE);
	check_all_traffic(&w);
	check_no_drops(&w);
	wire_close(&w);
}

/* Endpoints that compute their checksums themselves, and uplinks that do. */
Test(wire, everything_crosses_without_checksum_offload)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_SUPER_PACKETS);
	ns_run(w.one, "ethtool -K eth0 tx off rx off >/dev/null");
	ns_run(w.b.ns, "ethtool -K eth0 tx off rx off >/dev/null");
	check_all_traffic(&w);
	check_no_drops(&w);
	wire_close(&w);
}

/* A container's own tunnel: an skb knows one level, so the tunnel device cuts it up first. */
static void check_nested_tunnel(enum wire_kind kind)
{
	static const struct actor one = { .name = "one", .ip = IP(10, 10, 1, 2) },
				  far = { .name = "far", .ip = IP(10, 10, 1, 4) };
	static const char add[] = "ip link add vx0 type vxlan id 7 dstport 4790 dev eth0 "
				  "remote %s && ip addr add %s/24 dev vx0 && ip link set vx0 up";
	struct wire w = { 0 };

	wire_open(&w, kind);
	ns_run(w.one, add, "10.10.0.4", "10.10.1.2");
	ns_run(w.far, add, "10.10.0.2", "10.10.1.4");
	flow_tcp(w.one, w.far, &far, 8 * MEGABYTE);
	flow_tcp(w.far, w.one, &one, 8 * MEGABYTE);
	flow_udp(w.one, w.far, &far, 1000, 200, 1);
	flow_udp(w.one, w.far, &far, 1000, 200, 20);
	check_no_drops(&w);
	wire_close(&w);
}

Test(wire, tunnel_of_a_container_crosses_as_super_packets)
{
	check_nested_tunnel(WIRE_SUPER_PACKETS);
}

Test(wire, tunnel_of_a_container_crosses_a_wire_like_a_nic)
{
	check_nested_tunnel(WIRE_LIKE_A_NIC);
}

Test(wire, gateway_answers_pings)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_SUPER_PACKETS);
	ns_run(w.one, "ping -q -c 3 -i 0.2 -W 2 10.10.0.1 >/dev/null");
	expect_packets(&w.a, OV_FWD_ECHO_REPLY, 3);
	wire_close(&w);
}

/* A container that raised its own MTU learns the path's, and TCP goes on. */
Test(wire, oversize_senders_learn_the_mtu)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_SUPER_PACKETS);
	ns_run(w.a.ns, "ip link set blue_one mtu 9000");
	ns_run(w.one, "ip link set eth0 mtu 9000");
	ns_run(w.b.ns, "ip link set blue_far mtu 9000");
	ns_run(w.far, "ip link set eth0 mtu 9000");
	flow_tcp(w.one, w.far, &blue_far, 4 * MEGABYTE);
	cr_assert_gt(env_packets(&w.a.env, OV_FWD_TOO_BIG), 0);
	ns_run(w.one, "ip route get 10.10.0.4 | grep -q 'mtu 1450'");
	wire_close(&w);
}

/* What is too short for a test run: from a raw socket, cut anywhere. */
Test(wire, every_truncated_frame_gets_one_verdict)
{
	struct wire w = { 0 };
	struct pkt p = udp_between(&blue_one, &blue_far);
	uint64_t sent = 0;

	wire_open(&w, WIRE_SUPER_PACKETS);
	for (size_t len = 15; len < p.len; len++, sent++)
		flow_raw(w.one, p.data, len);
	expect_packets(&w.a, OV_DROP_MALFORMED, sent);
	flow_raw(w.one, p.data, p.len);
	expect_packets(&w.a, OV_FWD_ENCAP, 1);
	expect_packets(&w.b, OV_FWD_DECAP, 1);
	expect_packets(&w.a, OV_DROP_MALFORMED, sent);
	wire_close(&w);
}

/* Headers that are not in linear memory are fetched before they are judged. */
Test(wire, paged_frames_are_judged_like_others)
{
	struct wire w = { 0 };
	struct pkt inner = udp_between(&blue_one, &blue_far), p = pkt_new();

	wire_open(&w, WIRE_SUPER_PACKETS);
	flow_raw_paged(w.one, inner.data, inner.len);
	expect_packets(&w.a, OV_FWD_ENCAP, 1);
	expect_packets(&w.b, OV_FWD_DECAP, 1);

	/* Straight onto the wire, and without the tunnel device to make up for a miss. */
	ns_run(w.b.ns, "ip link set tunnel down");
	ns_run(w.b.ns, "ip link set eth0 address 02:00:00:00:00:01");
	pkt_outer(&p, VTEP(NODE_A), VTEP(NODE_B), BLUE);
	pkt_bytes(&p, inner.data, inner.len);
	pkt_finish(&p);
	flow_raw_paged(w.a.ns, p.data, p.len);
	expect_packets(&w.b, OV_FWD_DECAP, 2);
	memcpy(p.data + 56, blue_two.mac, 6);
	flow_raw_paged(w.a.ns, p.data, p.len);
	expect_packets(&w.b, OV_DROP_SPOOFED_MAC, 1);
	wire_close(&w);
}

/* A tag leaves the frame before TC sees it, and must not make it look like IPv4. */
Test(wire, tagged_frames_are_refused)
{
	struct wire w = { 0 };
	struct pkt p = udp_between(&blue_one, &blue_far);
	uint8_t tagged[PKT_MAX];

	memcpy(tagged, p.data, 12);
	memcpy(tagged + 12, (uint8_t[]){ 0x81, 0, 0, 5 }, 4);
	memcpy(tagged + 16, p.data + 12, p.len - 12);

	wire_open(&w, WIRE_SUPER_PACKETS);
	flow_raw(w.one, tagged, p.len + 4);
	expect_packets(&w.a, OV_DROP_NOT_IP, 1);
	tagged[15] = 0; /* a priority tag */
	flow_raw(w.one, tagged, p.len + 4);
	expect_packets(&w.a, OV_DROP_NOT_IP, 2);
	wire_close(&w);
}

/* VXLAN larger than the wire's MTU arrives in pieces: the kernel joins them for ov_tunnel. */
static void send_fragmented(int ns, uint32_t vni, const struct actor *from, const struct actor *to)
{
	struct pkt p = pkt_new();
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(VXLAN_PORT),
				    .sin_addr.s_addr = htonl(VTEP(NODE_A)) };

	pkt_vxlan(&p, vni);
	pkt_eth(&p, from->mac, to->mac, ETH_P_IP);
	pkt_ipv4(&p, from->ip, to->ip, IPPROTO_UDP);
	pkt_udp(&p, 1000, 2000);
	pkt_payload(&p, 2000);
	pkt_finish(&p);

	ns_enter(ns);

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(sendto(fd, p.data, p.len, 0, (void *)&addr, sizeof(addr)), (ssize_t)p.len);
	close(fd);
}

Test(wire, tunnel_device_accepts_what_the_uplink_would)
{
	struct wire w = { 0 };
	struct actor mac = blue_far;

	wire_open(&w, WIRE_SUPER_PACKETS);
	send_fragmented(w.b.ns, BLUE, &blue_far, &blue_one);
	expect_packets(&w.a, OV_FWD_DECAP, 1);
	send_fragmented(w.b.ns, BLUE, &blue_third, &blue_one);
	expect_packets(&w.a, OV_DROP_WRONG_PEER, 1);
	send_fragmented(w.b.ns, BLUE, &blue_two, &blue_one);
	expect_packets(&w.a, OV_DROP_WRONG_PEER, 2);
	send_fragmented(w.b.ns, 101, &blue_far, &blue_one);
	expect_packets(&w.a, OV_DROP_UNKNOWN_VNI, 1);
	send_fragmented(w.b.ns, BLUE, &blue_far, &blue_third);
	expect_packets(&w.a, OV_DROP_NOT_LOCAL, 1);
	mac.mac[5]++;
	send_fragmented(w.b.ns, BLUE, &mac, &blue_one);
	expect_packets(&w.a, OV_DROP_SPOOFED_MAC, 1);

	env_empty(&w.a.env, MAP_peers);
	send_fragmented(w.b.ns, BLUE, &blue_third, &blue_one);
	expect_packets(&w.a, OV_DROP_UNKNOWN_PEER, 1);
	expect_packets(&w.a, OV_FWD_DECAP, 1);
	wire_close(&w);
}

/* No packet of a container reaches the host's stack, whatever it is addressed to. */
Test(wire, host_is_out_of_reach)
{
	struct wire w = { 0 };

	wire_open(&w, WIRE_SUPER_PACKETS);
	ns_run(w.a.ns, "ip addr add 10.10.0.200/32 dev blue_one");
	ns_run(w.one, "ip route add default via 10.10.0.1");
	ns_run(w.one, "! ping -q -c 1 -W 1 10.10.0.200 >/dev/null");
	cr_assert_gt(env_packets(&w.a.env, OV_DROP_ARP_UNKNOWN), 0);
	ns_run(w.one, "! ping -q -c 1 -W 1 192.0.2.1 >/dev/null");
	expect_packets(&w.a, OV_DROP_NO_ROUTE, 1);
	wire_close(&w);
}
