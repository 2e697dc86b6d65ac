// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters that add up: nothing that enters our programs is lost between them. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "env.h"

#define FRAMES 4000
#define SENDERS 3
#define DROP_ROWS 1024

static struct env env;
static struct rng rng;

static void setup(void)
{
	env_open(&env);
	rng_init_u64(&rng, 6);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(counters, .init = setup, .fini = teardown);

/* ---- what the maps say ---- */

static void add(struct ov_counter *to, const struct ov_counter *c)
{
	to->packets += c->packets;
	to->bytes += c->bytes;
}

#define expect_equal(a, b, what) do {                                                            \
	cr_assert_eq((a).packets, (b).packets, "%s: %llu and %llu packets", what,                 \
		     (unsigned long long)(a).packets, (unsigned long long)(b).packets);           \
	cr_assert_eq((a).bytes, (b).bytes, "%s: %llu and %llu bytes", what,                       \
		     (unsigned long long)(a).bytes, (unsigned long long)(b).bytes);               \
} while (0)

static void add_entry(struct ov_counter *to, enum env_map map, uint32_t key)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_counter *each = calloc(cpus, sizeof(*each));

	cr_assert_eq(bpf_map_lookup_elem(env.map[map], &key, each), 0);
	for (size_t i = 0; i < cpus; i++)
		add(to, &each[i]);
}

static struct ov_counter sum_of(enum env_map map, uint32_t first, uint32_t end)
{
	struct ov_counter sum = { 0 };

	for (uint32_t i = first; i < end; i++)
		add_entry(&sum, map, i);
	return sum;
}

static void add_stats(struct ov_endpoint_stats *to, const struct ov_endpoint_stats *s, uint32_t ifindex)
{
	if (s->ifindex != ifindex)
		return;
	add(&to->sent, &s->sent);
	add(&to->received, &s->received);
	add(&to->dropped, &s->dropped);
}

/* At its slot, and beside it, on every CPU. */
static struct ov_endpoint_stats endpoint_of(const struct actor *a)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_endpoint_stats *each = calloc(cpus * 2, sizeof(*each));
	struct ov_endpoint_stats sum = { 0 };
	uint32_t ifindex = env_ifindex(a), at = ifindex % OV_ENDPOINT_SLOTS;

	cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_endpoint_slots], &at, each), 0);
	bpf_map_lookup_elem(env.map[MAP_endpoint_stats], &ifindex, each + cpus);
	for (size_t i = cpus; i < cpus * 2; i++)
		each[i].ifindex = ifindex; /* only the CPU that made the entry has said so */
	for (size_t i = 0; i < cpus * 2; i++)
		add_stats(&sum, &each[i], ifindex);
	return sum;
}

struct drop_row {
	struct ov_drop_stats_key key;
	struct ov_counter count;
};

static size_t read_drops(struct drop_row *rows)
{
	struct ov_drop_stats_key *at = NULL;
	size_t n = 0;

	while (bpf_map_get_next_key(env.map[MAP_drop_stats], at, &rows[n].key) == 0) {
		at = &rows[n].key;
		cr_assert_eq(bpf_map_lookup_elem(env.map[MAP_drop_stats], at, &rows[n].count), 0);
		n++;
		cr_assert_lt(n, DROP_ROWS);
	}
	return n;
}

/* ---- random traffic ---- */

static const struct actor *const senders[SENDERS] = { &blue_one, &blue_two, &red_one };
static const struct actor *const others[] = { &blue_one, &blue_two, &blue_far, &blue_third,
					      &blue_lost, &red_one, &red_far };

static const struct actor *anyone(void)
{
	return others[rng_below(&rng, ARRAY_SIZE(others))];
}

/* One packet in four has a byte wrong, anywhere. */
static void spoil(struct pkt *p)
{
	if (rng_below(&rng, 4) == 0)
		p->data[rng_below(&rng, (uint32_t)p->len)] ^= (uint8_t)(1 + rng_below(&rng, 255));
}

static struct pkt arp_from(const struct actor *a)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, a->mac, broadcast_mac, 0x0806);
	pkt_arp(&p, 1, a->mac, a->ip, IP(10, 10, 0, 1 + rng_below(&rng, 12)));
	pkt_finish(&p);
	return p;
}

static struct pkt ping_gateway(const struct actor *a)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, a->mac, gateway_mac, 0x0800);
	pkt_ipv4(&p, a->ip, GATEWAY_IP, 1);
	pkt_icmp(&p, 8, 0, 1, 1);
	pkt_payload(&p, 40);
	pkt_finish(&p);
	return p;
}

static struct pkt outside_from(const struct actor *a)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, a->mac, gateway_mac, 0x0800);
	pkt_ipv4(&p, a->ip, IP(198, 51, 100, 7), 17);
	pkt_udp(&p, 1000, 53);
	pkt_payload(&p, rng_below(&rng, 1800));
	pkt_finish(&p);
	return p;
}

static struct pkt random_frame(const struct actor *a)
{
	struct pkt p;

	switch (rng_below(&rng, 6)) {
	case 0:
		p = arp_from(a);
		break;
	case 1:
		p = ping_gateway(a);
		break;
	case 2:
		p = outside_from(a);
		break;
	default:
		p = udp_between(a, anyone());
	}
	spoil(&p);
	return p;
}

static struct pkt random_outer(void)
{
	enum node from = (enum node)(1 + rng_below(&rng, 4));
	struct pkt p = vxlan_between(VTEP(from), VTEP(NODE_A), anyone(), anyone());

	spoil(&p);
	return p;
}

struct tally { /* what this test sent from an endpoint */
	struct ov_counter sent, dropped;
};

static void send_one(size_t who, struct tally *t)
{
	struct pkt p = random_frame(senders[who]);
	struct outcome o = env_send(&env, senders[who], &p);
	struct ov_counter one = { 1, p.len };

	add(&t->sent, &one);
	if (ov_verdict_is_drop(o.verdict))
		add(&t->dropped, &one);
}

static void make_traffic(struct tally tally[SENDERS])
{
	for (int i = 0; i < FRAMES; i++) {
		size_t who = rng_below(&rng, SENDERS);
		struct pkt p;

		switch (rng_below(&rng, 5)) {
		case 0:
			p = random_outer();
			env_arrive(&env, &p);
			break;
		case 1:
			p = random_outer();
			env_run_bytes(&env, UPLINK_XDP, 0, p.data, p.len, 0);
			break;
		case 2:
			p = random_frame(senders[who]);
			env_run_bytes(&env, FRONT, env_ifindex(senders[who]), p.data, p.len, 0);
			break;
		case 3:
			p = random_frame(senders[who]);
			env_run_bytes(&env, TUNNEL, env.tunnel_ifindex, p.data, p.len, 0);
			break;
		default:
			send_one(who, &tally[who]);
		}
	}
}

/* ---- that they add up ---- */

static void check_node(void)
{
	struct ov_counter in = sum_of(MAP_passages, 0, OV_ENTER_COUNT);
	struct ov_counter out = sum_of(MAP_passages, OV_ENTER_COUNT, OV_PASSAGE_COUNT);
	struct ov_counter verdicts = sum_of(MAP_counters, 0, OV_VERDICT_COUNT);

	cr_assert_eq(in.packets, FRAMES);
	cr_assert_gt(out.packets, 0);
	add(&out, &verdicts);
	expect_equal(in, out, "entered, and handed on or judged");
}

static void check_endpoints(const struct tally tally[SENDERS])
{
	struct ov_counter received = { 0 }, sent = { 0 }, entered = sum_of(MAP_passages, 0, 1);
	struct ov_counter given = sum_of(MAP_counters, OV_FWD_LOCAL, OV_FWD_LOCAL + 1);
	struct ov_counter popped = sum_of(MAP_counters, OV_FWD_DECAP, OV_FWD_DECAP + 1);

	for (size_t i = 0; i < SENDERS; i++) {
		struct ov_endpoint_stats s = endpoint_of(senders[i]);

		expect_equal(s.sent, tally[i].sent, senders[i]->name);
		expect_equal(s.dropped, tally[i].dropped, senders[i]->name);
		cr_assert_gt(s.dropped.packets, 0);
		add(&received, &s.received);
		add(&sent, &s.sent);
	}
	expect_equal(sent, entered, "sent by endpoints");
	cr_assert_gt(given.packets, 0);
	cr_assert_eq(received.packets, given.packets + popped.packets, "what endpoints were given");
}

static void check_reasons(const struct drop_row *rows, size_t count)
{
	for (uint32_t v = OV_DROP_NOT_READY; v < OV_VERDICT_COUNT; v++) {
		struct ov_counter total = sum_of(MAP_counters, v, v + 1), sum = { 0 };

		for (size_t i = 0; i < count; i++)
			if (rows[i].key.reason == v)
				add(&sum, &rows[i].count);
		expect_equal(total, sum, "drops of a reason by network and place");
	}
}

static void check_drops_of(const struct actor *a, const struct drop_row *rows, size_t count)
{
	struct ov_endpoint_stats s = endpoint_of(a);
	struct ov_counter sum = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (rows[i].key.ifindex != env_ifindex(a))
			continue;
		cr_assert_eq(rows[i].key.vni, a->vni);
		cr_assert_eq(rows[i].key.place, OV_DROP_AT_ENDPOINT);
		add(&sum, &rows[i].count);
	}
	expect_equal(s.dropped, sum, a->name);
}

Test(counters, add_up_by_node_endpoint_network_and_reason_under_random_traffic, .timeout = 300)
{
	_cleanup_(freep) struct drop_row *rows = calloc(DROP_ROWS + 1, sizeof(*rows));
	struct tally tally[SENDERS] = { 0 };
	size_t count;

	make_traffic(tally);
	count = read_drops(rows);
	check_node();
	check_endpoints(tally);
	check_reasons(rows, count);
	for (size_t i = 0; i < SENDERS; i++)
		check_drops_of(senders[i], rows, count);
}

Test(counters, vnis_that_are_no_networks_share_one_row)
{
	struct drop_row rows[4];

	for (uint32_t i = 0; i < 20; i++) {
		struct actor a = blue_one, b = blue_far;
		struct pkt p;

		a.vni = b.vni = 70000 + i;
		p = vxlan_between(VTEP(NODE_B), VTEP(NODE_A), &b, &a);
		env_arrive(&env, &p);
	}
	cr_assert_eq(read_drops(rows), 1);
	cr_assert_eq(rows[0].key.vni, 0);
	cr_assert_eq(rows[0].key.reason, OV_DROP_UNKNOWN_VNI);
	cr_assert_eq(rows[0].count.packets, 20);
}

Test(counters, a_packet_by_the_uplink_to_the_front_enters_once)
{
	struct pkt p = pkt_new();

	pkt_eth(&p, wire_mac, uplink_mac, 0x0800);
	pkt_ipv4(&p, IP(192, 0, 2, 77), VTEP(NODE_A), 17);
	pkt_udp(&p, 1000, 53);
	pkt_finish(&p);
	cr_assert_eq(env_arrive(&env, &p).verdict, OV_PASS_FOREIGN);
	cr_assert_eq(sum_of(MAP_passages, 0, OV_ENTER_COUNT).packets, 1);
	cr_assert_eq(sum_of(MAP_passages, OV_ENTER_UPLINK, OV_ENTER_UPLINK + 1).packets, 1);
}

/* The slots of two of the senders are another's, on every CPU. */
static void take_slot(const struct actor *a)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) struct ov_endpoint_stats *each = calloc(cpus, sizeof(*each));
	uint32_t at = env_ifindex(a) % OV_ENDPOINT_SLOTS;

	for (size_t i = 0; i < cpus; i++)
		each[i].ifindex = env_ifindex(a) + OV_ENDPOINT_SLOTS;
	cr_assert_eq(bpf_map_update_elem(env.map[MAP_endpoint_slots], &at, each, BPF_ANY), 0);
}

Test(counters, add_up_for_endpoints_whose_slot_is_taken, .timeout = 300)
{
	struct tally tally[SENDERS] = { 0 };

	take_slot(&blue_one);
	take_slot(&red_one);
	make_traffic(tally);
	check_node();
	check_endpoints(tally);
}
