// SPDX-License-Identifier: GPL-2.0-or-later
/* What is told to those who watch, of each way that a packet can go. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "masq.h"

static struct env env;
static struct ring_buffer *ring;

#define TOLD_MAX 512
static struct told {
	struct ov_watch_record r;
	uint8_t packet[OV_WATCH_SNAP_MAX];
} told[TOLD_MAX];
static size_t told_count;

static int on_record(void *ctx, void *data, size_t size)
{
	struct told *t = &told[told_count];

	(void)ctx;
	cr_assert_lt(told_count, TOLD_MAX);
	cr_assert_geq(size, sizeof(t->r));
	memcpy(&t->r, data, sizeof(t->r));
	cr_assert_eq(t->r.version, OV_WATCH_VERSION);
	cr_assert_eq(size, sizeof(t->r) + t->r.captured);
	memcpy(t->packet, (uint8_t *)data + sizeof(t->r), t->r.captured);
	told_count++;
	return 0;
}

/* How many records came since the last time. */
static size_t listen_now(void)
{
	told_count = 0;
	cr_assert_geq(ring_buffer__consume(ring), 0);
	return told_count;
}

static void put(enum env_map map, int fd)
{
	cr_assert_eq(bpf_map_update_elem(env.map[map], &(uint32_t){ 0 }, &fd, BPF_ANY), 0);
}

static void put_slots(uint32_t ring_bytes)
{
	LIBBPF_OPTS(bpf_map_create_opts, none);
	_cleanup_(closep) int flows = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "flows",
						     sizeof(struct ov_watch_flow_key),
						     sizeof(struct ov_watch_flow), OV_WATCH_FLOWS, &none);
	_cleanup_(closep) int r = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, ring_bytes, &none);

	cr_assert(flows >= 0 && r >= 0);
	put(MAP_watch_flows, flows);
	put(MAP_watch_ring, r);
	ring_buffer__free(ring);
	ring = ring_buffer__new(r, on_record, NULL, NULL);
	cr_assert(ring);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void watch_as(struct ov_watch w)
{
	if (!w.until)
		w.until = now_ns() + 600ull * 1000000000u;
	if (!w.snap)
		w.snap = OV_WATCH_SNAP_MAX;
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_watch], &(uint32_t){ 0 }, &w, BPF_ANY), 0);
	env_put_config(&env, VTEP(NODE_A), OV_CONFIG_READY | OV_CONFIG_WATCHED);
}

static void watch_for(uint32_t flags)
{
	watch_as((struct ov_watch){ .flags = flags });
}

static void setup(void)
{
	mesh_open(&env);
	put_slots(OV_WATCH_RING_BYTES);
}
static void teardown(void)
{
	ring_buffer__free(ring);
	env_close(&env);
}
TestSuite(watch, .init = setup, .fini = teardown);

static const struct balance only_two = { .count = 1, .backend = { &blue_two } };
static const struct balance nobody = { .count = 0 };

#define expect_ends_of(t, from, sp, to, dp)                                                \
	do {                                                                               \
		struct ov_addr s_ = addr_from_v4(from), d_ = addr_from_v4(to);             \
		cr_assert_arr_eq(&(t)->r.src, &s_, 16);                                    \
		cr_assert_arr_eq(&(t)->r.dst, &d_, 16);                                    \
		cr_assert_eq(ntohs((t)->r.sport), sp);                                     \
		cr_assert_eq(ntohs((t)->r.dport), dp);                                     \
	} while (0)

static struct segment between(const struct actor *from, const struct actor *to, uint8_t flags)
{
	return (struct segment){ .src_mac = from->mac, .dst_mac = to->mac, .src = from->ip,
				 .dst = to->ip, .sport = 4000, .dport = 80,
				 .protocol = IPPROTO_TCP, .flags = flags, .payload = 10 };
}

static struct segment back(const struct actor *from, const struct actor *to, uint8_t flags)
{
	struct segment s = between(from, to, flags);

	s.sport = 80;
	s.dport = 4000;
	return s;
}

/* ---- off ---- */

Test(watch, without_the_bit_in_the_configuration_nobody_looks_for_the_row)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	watch_for(OV_WATCH_EVENTS | OV_WATCH_CAPTURE);
	env_put_config(&env, VTEP(NODE_A), OV_CONFIG_READY);
	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 0);
}

Test(watch, nobody_watches_and_nothing_is_told)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 0);
}

Test(watch, it_ends_by_itself_when_the_time_is_over)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	watch_as((struct ov_watch){ .flags = OV_WATCH_EVENTS | OV_WATCH_CAPTURE, .until = now_ns() - 1 });
	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 0);
}

/* ---- flows ---- */

Test(watch, a_tcp_flow_is_told_as_it_begins_and_when_both_have_closed)
{
	struct segment s = between(&blue_one, &blue_two, TCP_SYN), a;

	watch_for(OV_WATCH_EVENTS);
	balance_send(&env, &blue_one, &s);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.kind, OV_WATCH_NEW);
	cr_assert_eq(told[0].r.verdict, OV_FWD_LOCAL);
	cr_assert_eq(told[0].r.vni, BLUE);
	cr_assert_eq(told[0].r.ifindex, env_ifindex(&blue_one));
	expect_ends_of(&told[0], blue_one.ip, 4000, blue_two.ip, 80);
	a = back(&blue_two, &blue_one, TCP_SYN | TCP_ACK);
	balance_send(&env, &blue_two, &a);
	s.flags = TCP_ACK | TCP_FIN;
	balance_send(&env, &blue_one, &s);
	cr_assert_eq(listen_now(), 0);
	a.flags = TCP_ACK | TCP_FIN;
	balance_send(&env, &blue_two, &a);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.kind, OV_WATCH_CLOSED);
	expect_ends_of(&told[0], blue_one.ip, 4000, blue_two.ip, 80);
	cr_assert_eq(told[0].r.packets[0], 2);
	cr_assert_eq(told[0].r.packets[1], 2);
	cr_assert_eq(told[0].r.bytes[0], 2 * 50, "IP packets of 20, 20 and 10 bytes");
	cr_assert_eq(told[0].r.bytes[1], 2 * 50);
	cr_assert_gt(told[0].r.rtt, 0);
	cr_assert_eq(told[0].r.flags, 0);
	s.flags = TCP_ACK;
	balance_send(&env, &blue_one, &s);
	cr_assert_eq(listen_now(), 0, "last words begin nothing");
}

Test(watch, a_reset_closes_a_flow_at_once)
{
	struct segment s = between(&blue_one, &blue_two, TCP_SYN);
	struct segment a = back(&blue_two, &blue_one, TCP_RST);

	watch_for(OV_WATCH_EVENTS);
	balance_send(&env, &blue_one, &s);
	balance_send(&env, &blue_two, &a);
	cr_assert_eq(listen_now(), 2);
	cr_assert_eq(told[1].r.kind, OV_WATCH_CLOSED);
	cr_assert_eq(told[1].r.flags, OV_WATCH_RST);
}

Test(watch, a_flow_that_had_begun_is_told_as_seen)
{
	struct segment s = between(&blue_one, &blue_two, TCP_ACK);

	watch_for(OV_WATCH_EVENTS);
	balance_send(&env, &blue_one, &s);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.kind, OV_WATCH_SEEN);
}

Test(watch, the_two_halves_of_a_flow_to_another_node_are_one)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct pkt answer = pkt_new();

	watch_for(OV_WATCH_EVENTS);
	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.verdict, OV_FWD_ENCAP);
	cr_assert_eq(told[0].r.vni, BLUE);
	expect_ends_of(&told[0], blue_one.ip, 1000, blue_far.ip, 2000);
	cr_assert_arr_eq(&told[0].r.peer, &(struct ov_addr[]){ addr_from_v4(VTEP(NODE_B)) }, 16);
	pkt_outer(&answer, VTEP(NODE_B), VTEP(NODE_A), BLUE);
	pkt_eth(&answer, blue_far.mac, blue_one.mac, ETH_P_IP);
	pkt_ipv4(&answer, blue_far.ip, blue_one.ip, IPPROTO_UDP);
	pkt_udp(&answer, 2000, 1000);
	pkt_finish(&answer);
	cr_assert_eq(env_arrive(&env, &answer).verdict, OV_FWD_DECAP);
	cr_assert_eq(listen_now(), 0, "it is the same flow");
}

Test(watch, a_call_to_a_vip_names_who_answers_and_what_was_called)
{
	struct ov_addr vip = addr_from_v4(VIP_IP);

	balance_put(&env, &only_two);
	watch_for(OV_WATCH_EVENTS);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	balance_answer(&env, &blue_two, &blue_one, IPPROTO_TCP, 80, 4000, TCP_RST);
	cr_assert_eq(listen_now(), 2);
	for (int i = 0; i < 2; i++) {
		expect_ends_of(&told[i], blue_one.ip, 4000, blue_two.ip, 80);
		cr_assert_arr_eq(&told[i].r.called, &vip, 16);
		cr_assert_eq(ntohs(told[i].r.called_port), 80);
	}
	cr_assert_eq(told[1].r.kind, OV_WATCH_CLOSED);
}

Test(watch, what_leaves_the_overlay_and_its_answer_are_one_flow)
{
	const struct mesh none = { .balance = { .count = 0 } };
	struct segment s;
	uint16_t port;

	mesh_become(&env, NODE_A, &none);
	s = masq_out_of(&blue_one, IPPROTO_TCP, 4000);

	watch_for(OV_WATCH_EVENTS);
	port = masq_leave(&env, &blue_one, &s);
	expect_masq_answer(&env, IPPROTO_TCP, port, TCP_RST, &blue_one, 4000);
	cr_assert_eq(listen_now(), 2);
	for (int i = 0; i < 2; i++) {
		expect_ends_of(&told[i], blue_one.ip, 4000, REMOTE_IP, REMOTE_PORT);
		cr_assert_eq(told[i].r.vni, BLUE);
	}
	cr_assert_eq(told[0].r.verdict, OV_FWD_OUTSIDE);
	cr_assert_eq(told[1].r.packets[1], 1);
}

/* ---- drops ---- */

Test(watch, a_drop_is_told_with_its_reason)
{
	struct pkt p = udp_between(&blue_one, &blue_two);
	struct pkt forged = vxlan_between(VTEP(NODE_STRANGER), VTEP(NODE_A), &blue_far, &blue_one);

	watch_for(OV_WATCH_EVENTS);
	((struct ethhdr *)p.data)->h_source[5] ^= 1;
	env_send(&env, &blue_one, &p);
	env_arrive(&env, &forged);
	env_run_bytes(&env, UPLINK_XDP, 0, forged.data, forged.len, 0);
	cr_assert_eq(listen_now(), 3);
	cr_assert_eq(told[0].r.kind, OV_WATCH_DROP);
	cr_assert_eq(told[0].r.verdict, OV_DROP_SPOOFED_MAC);
	expect_ends_of(&told[0], blue_one.ip, 1000, blue_two.ip, 2000);
	cr_assert_eq(told[0].r.bytes[0], 128);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(told[i].r.verdict, OV_DROP_UNKNOWN_PEER);
		expect_ends_of(&told[i], blue_far.ip, 1000, blue_one.ip, 2000);
		cr_assert_arr_eq(&told[i].r.peer, &(struct ov_addr[]){ addr_from_v4(VTEP(NODE_STRANGER)) },
				 16);
		cr_assert_eq(told[i].r.vni, BLUE);
	}
	cr_assert_eq(told[2].r.flags, OV_WATCH_XDP);
}

Test(watch, what_a_service_refuses_is_told)
{
	balance_put(&env, &nobody);
	watch_for(OV_WATCH_EVENTS);
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.kind, OV_WATCH_REFUSED);
	cr_assert_eq(told[0].r.verdict, OV_FWD_RESET);
	expect_ends_of(&told[0], blue_one.ip, 4000, VIP_IP, 80);
}

static uint64_t sum_left_out(uint32_t verdict)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_watch_rate *each = calloc(cpus, sizeof(*each));
	uint64_t sum = 0;

	cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_watch_rates], &verdict, each), 0);
	for (size_t i = 0; i < cpus; i++)
		sum += each[i].left_out;
	return sum;
}

Test(watch, a_flood_of_one_reason_is_bounded_and_counted_and_hides_no_other)
{
	struct pkt p = udp_between(&blue_one, &blue_two), q = p;
	size_t floods = 0, others = 0;

	watch_for(OV_WATCH_EVENTS);
	((struct ethhdr *)p.data)->h_source[5] ^= 1;
	((struct ethhdr *)q.data)->h_proto = htons(0x1234);
	for (int i = 0; i < 400; i++)
		env_send(&env, &blue_one, &p);
	env_send(&env, &blue_one, &q);
	listen_now();
	for (size_t i = 0; i < told_count; i++) {
		floods += told[i].r.verdict == OV_DROP_SPOOFED_MAC;
		others += told[i].r.verdict == OV_DROP_NOT_IP;
	}
	cr_assert_eq(floods + sum_left_out(OV_DROP_SPOOFED_MAC), 400, "told or counted");
	cr_assert_geq(floods, OV_WATCH_TOLD_A_SECOND);
	cr_assert_eq(others, 1);
}

Test(watch, a_full_ring_loses_records_and_counts_them)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus(), in_ring;
	_cleanup_(freep) uint64_t *each = calloc(cpus, sizeof(*each));
	struct pkt p = udp_between(&blue_one, &blue_two);
	uint32_t kind = OV_WATCH_PACKET;
	uint64_t lost = 0;

	put_slots(4096);
	watch_for(OV_WATCH_CAPTURE);
	for (int i = 0; i < 50; i++)
		cr_assert_eq(env_send(&env, &blue_one, &p).verdict, OV_FWD_LOCAL);
	in_ring = listen_now();
	cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_watch_lost], &kind, each), 0);
	for (size_t i = 0; i < cpus; i++)
		lost += each[i];
	cr_assert_gt(in_ring, 0);
	cr_assert_eq(in_ring + lost, 100, "each packet as it came and as it left");
}

/* ---- the filter ---- */

static size_t told_of(struct ov_watch w, const struct pkt *p)
{
	w.flags |= OV_WATCH_CAPTURE;
	watch_as(w);
	env_send(&env, &blue_one, p);
	return listen_now();
}

Test(watch, only_what_fits_the_filter_is_told)
{
	struct pkt p = udp_between(&blue_one, &blue_two);
	const struct ov_addr one = addr_from_v4(blue_one.ip), two = addr_from_v4(blue_two.ip),
			     far = addr_from_v4(blue_far.ip);

	cr_assert_eq(told_of((struct ov_watch){ .vni = BLUE }, &p), 2);
	cr_assert_eq(told_of((struct ov_watch){ .vni = RED }, &p), 0);
	cr_assert_eq(told_of((struct ov_watch){ .from = one }, &p), 2);
	cr_assert_eq(told_of((struct ov_watch){ .from = one, .to = two }, &p), 2);
	cr_assert_eq(told_of((struct ov_watch){ .from = two, .to = one }, &p), 2, "the other way round, too");
	cr_assert_eq(told_of((struct ov_watch){ .from = one, .to = far }, &p), 0);
	cr_assert_eq(told_of((struct ov_watch){ .to = far }, &p), 0);
	cr_assert_eq(told_of((struct ov_watch){ .protocol = IPPROTO_UDP, .port = htons(2000) }, &p), 2);
	cr_assert_eq(told_of((struct ov_watch){ .port = htons(2001) }, &p), 0);
	cr_assert_eq(told_of((struct ov_watch){ .protocol = IPPROTO_TCP }, &p), 0);
	cr_assert_eq(told_of((struct ov_watch){ .flags = OV_WATCH_DROPS }, &p), 0);
	((struct ethhdr *)p.data)->h_source[5] ^= 1;
	cr_assert_eq(told_of((struct ov_watch){ .flags = OV_WATCH_DROPS }, &p), 1);
}

Test(watch, a_filter_finds_a_backend_behind_its_vip)
{
	const struct ov_addr two = addr_from_v4(blue_two.ip), vip = addr_from_v4(VIP_IP);

	balance_put(&env, &only_two);
	watch_as((struct ov_watch){ .flags = OV_WATCH_EVENTS, .to = two });
	balance_call(&env, &blue_one, IPPROTO_TCP, 4000, 80, TCP_SYN);
	cr_assert_eq(listen_now(), 1);
	watch_as((struct ov_watch){ .flags = OV_WATCH_EVENTS, .to = vip });
	balance_call(&env, &blue_one, IPPROTO_TCP, 4001, 80, TCP_SYN);
	cr_assert_eq(listen_now(), 1);
}

/* ---- packets ---- */

Test(watch, a_packet_is_captured_as_it_came_and_as_it_leaves)
{
	struct segment s = call_of(&blue_one, IPPROTO_TCP, 4000, 80);
	struct pkt p;
	struct outcome o;

	balance_put(&env, &only_two);
	watch_for(OV_WATCH_CAPTURE);
	s.flags = TCP_SYN;
	p = segment_pkt(&s);
	o = env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 2);
	cr_assert_eq(told[0].r.kind, OV_WATCH_PACKET);
	cr_assert_eq(told[0].r.flags, 0);
	cr_assert_eq(told[0].r.captured, p.len);
	cr_assert_arr_eq(told[0].packet, p.data, p.len);
	cr_assert_eq(told[0].r.verdict, OV_FWD_LOCAL);
	cr_assert_eq(told[1].r.flags, OV_WATCH_OUT);
	cr_assert_eq(told[1].r.captured, o.out.len);
	cr_assert_arr_eq(told[1].packet, o.out.data, o.out.len);
	expect_ends_of(&told[1], blue_one.ip, 4000, blue_two.ip, 80);
}

Test(watch, a_packet_for_another_node_is_captured_with_its_outer_header)
{
	struct pkt p = udp_between(&blue_one, &blue_far);
	struct outcome o;

	watch_for(OV_WATCH_CAPTURE);
	o = env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 2);
	cr_assert_eq(told[1].r.captured, p.len + OUTER_BYTES);
	cr_assert_arr_eq(told[1].packet, o.out.data, o.out.len);
	expect_ends_of(&told[1], blue_one.ip, 1000, blue_far.ip, 2000);
}

Test(watch, a_packet_is_cut_at_the_snap_length_and_its_length_kept)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	watch_as((struct ov_watch){ .flags = OV_WATCH_CAPTURE, .snap = 60 });
	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 2);
	cr_assert_eq(told[0].r.captured, 60);
	cr_assert_eq(told[0].r.length, p.len);
}

Test(watch, xdp_is_captured_when_it_decides_and_not_when_it_leaves_it_to_tc)
{
	struct pkt p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &blue_far, &blue_one);
	struct pkt forged = vxlan_between(VTEP(NODE_STRANGER), VTEP(NODE_A), &blue_far, &blue_one);

	watch_for(OV_WATCH_CAPTURE);
	env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
	cr_assert_eq(listen_now(), 0);
	env_run_bytes(&env, UPLINK_XDP, 0, forged.data, forged.len, 0);
	cr_assert_eq(listen_now(), 1);
	cr_assert_eq(told[0].r.flags, OV_WATCH_XDP);
	cr_assert_eq(told[0].r.captured, forged.len);
	cr_assert_arr_eq(told[0].packet, forged.data, forged.len);
}

Test(watch, what_is_not_the_overlays_is_nobodys_business)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, wire_mac, uplink_mac, ETH_P_IP);
	pkt_ipv4(&p, IP(192, 0, 2, 77), VTEP(NODE_A), IPPROTO_TCP);
	pkt_tcp(&p, 1234, 22);
	pkt_finish(&p);
	watch_for(OV_WATCH_EVENTS | OV_WATCH_CAPTURE);
	cr_assert_eq(env_arrive(&env, &p).verdict, OV_PASS_FOREIGN);
	cr_assert_eq(listen_now(), 0);
}

Test(watch, events_and_packets_of_one_packet_come_together)
{
	struct pkt p = udp_between(&blue_one, &blue_two);

	watch_for(OV_WATCH_EVENTS | OV_WATCH_CAPTURE);
	env_send(&env, &blue_one, &p);
	cr_assert_eq(listen_now(), 3);
	cr_assert_eq(told[0].r.kind, OV_WATCH_NEW);
	cr_assert_eq(told[0].r.captured, 0);
	cr_assert_eq(told[1].r.captured, p.len);
	cr_assert_eq(told[2].r.captured, p.len);
}
