// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What trace says, and what the programs do: random packets in random clusters go through both,
 * node by node, with the bytes that came out of one node going into the next.
 */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "mesh.h"
#include "trace_world.h"

#define WORLDS 45
#define WORLDS_SLOW 9 /* under emulation (env.c) */
#define PACKETS 70 /* a world */
#define LOOPBACK 1
#define OTHER_PROTOCOL 47

static struct env env;
static struct rng rng;

static void setup(void)
{
	mesh_open(&env);
}
static void teardown(void)
{
	env_close(&env);
}
TestSuite(trace, .init = setup, .fini = teardown, .timeout = 0);

struct trial {
	struct tw *tw;
	uint64_t seed;
	int world, number;
	int node; /* where the packet is */
	struct trace_packet packet; /* as it began */
	struct trace trace;
	struct trace_hop hop;
	struct outcome o;
};

static size_t delivered, dropped, answered, crossed, followed, denied;

static bool once_in(uint32_t n)
{
	return rng_below(&rng, n) == 0;
}

/* ---- packets ---- */

static struct pkt packet(const struct trace_packet *p, const uint8_t src_mac[6],
			 const uint8_t dst_mac[6])
{
	uint32_t src = addr_v4(&p->src), dst = addr_v4(&p->dst);
	size_t header = 20 + (p->protocol == IPPROTO_TCP ? 20 : p->protocol == IPPROTO_SCTP ? 16 :
			      p->protocol == OTHER_PROTOCOL ? 0 : 8);
	struct segment s = { .src_mac = src_mac, .dst_mac = dst_mac, .src = src, .dst = dst,
			     .sport = p->sport, .dport = p->dport, .protocol = p->protocol,
			     .flags = p->protocol == IPPROTO_SCTP ? 1 : TCP_SYN,
			     .payload = p->size - header };
	struct pkt out;

	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_SCTP) {
		out = segment_pkt(&s);
	} else {
		out = pkt_new();
		pkt_eth(&out, src_mac, dst_mac, ETH_P_IP);
		pkt_ipv4(&out, src, dst, p->protocol);
		if (p->protocol == IPPROTO_ICMP)
			pkt_icmp(&out, 8, 0, p->sport, 1);
		pkt_payload(&out, p->size - header);
		pkt_finish(&out);
	}

	struct pkt_ipv4 *ip = pkt_find(&out, PKT_IPV4, 0);

	ip->frag_off = htons(p->may_fragment ? 0 : 0x4000);
	pkt_ipv4_checksum(ip);
	cr_assert_eq(out.len, p->size + 14u);
	return out;
}

static uint32_t any_destination(void)
{
	static const uint32_t odd[] = { IP(10, 10, 0, 1), IP(10, 10, 0, 200), IP(224, 0, 0, 5),
					IP(127, 0, 0, 1), IP(0, 0, 0, 5), IP(255, 255, 255, 255),
					IP(10, 10, 0, 0), IP(198, 51, 100, 7) };

	switch (rng_below(&rng, 8)) {
	case 0:
		return odd[rng_below(&rng, sizeof(odd) / sizeof(odd[0]))];
	case 1:
		return VTEP(1 + rng_below(&rng, TW_NODES));
	case 2:
	case 3:
	case 4:
		return IP(10, 10, 0, 100) + rng_below(&rng, TW_SERVICES);
	default:
		return IP(10, 10, 0, 2) + rng_below(&rng, TW_ENDPOINTS);
	}
}

static uint16_t any_size(void)
{
	static const uint16_t edge[] = { 576, 577, 1384, 1385, 1400, 1450, 1451, 2900 };

	return once_in(4) ? edge[rng_below(&rng, 8)] : 60 + (uint16_t)rng_below(&rng, 80);
}

static void any_rest(struct trial *t, struct trace_packet *p)
{
	static const uint16_t port[] = { 80, 53, 8080, 30080, 30081, 30082, 30083, 4789 };
	static const uint8_t protocol[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP,
					    IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, OTHER_PROTOCOL };

	p->protocol = protocol[rng_below(&rng, 8)];
	p->sport = (uint16_t)(10000 + t->world * PACKETS + t->number);
	p->dport = port[rng_below(&rng, 8)];
	p->size = any_size();
	p->may_fragment = once_in(3);
}

/* ---- both, side by side ---- */

#define check(t, condition, fmt, ...)                                                           \
	cr_assert(condition, "OV_TRACE_SEED=%llu: world %d, packet %d: " fmt "\n%s",            \
		  (unsigned long long)(t)->seed, (t)->world, (t)->number, __VA_ARGS__, told(t))

static const char *told(const struct trial *t)
{
	static char text[8192];
	const struct trace_packet *p = &t->packet;
	size_t len = (size_t)sprintf(text, "  VNI %u, %08x:%u to %08x:%u, protocol %u, %u bytes%s\n",
				     p->vni, addr_v4(&p->src), p->sport, addr_v4(&p->dst), p->dport,
				     p->protocol, p->size, p->may_fragment ? "" : ", DF");

	for (size_t i = 0; i < t->trace.step_count && len < sizeof(text) - 400; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "  %s: %s\n",
					t->trace.step[i].program, t->trace.step[i].text);
	return text;
}

/* Where in what came out the packet stands as its receiver will get it. */
static int innermost(const struct trial *t)
{
	return t->o.verdict == OV_FWD_ENCAP ? 1 : 0;
}

static bool went_on(int verdict)
{
	return verdict == OV_FWD_LOCAL || verdict == OV_FWD_ENCAP || verdict == OV_FWD_DECAP ||
	       verdict == OV_FWD_TUNNEL || verdict == OV_FWD_ENCRYPT;
}

static struct ov_addr receiver(struct trial *t)
{
	const struct pkt_ipv4 *ip = pkt_find(&t->o.out, PKT_IPV4, innermost(t));

	return ip ? addr_from_v4(ntohl(ip->daddr)) : (struct ov_addr){ 0 };
}

/* What the programs count where trace has other words for it. */
static int counted(const struct trial *t, bool is_uplink)
{
	if (t->hop.way == TRACE_LOOPBACK)
		return NO_VERDICT; /* ov_front counts it */
	if (is_uplink && t->trace.verdict == OV_DROP_NOT_READY)
		return OV_PASS_FOREIGN; /* to the kernel's socket, and ov_tunnel */
	return t->trace.verdict;
}

static void compare(struct trial *t, bool is_uplink)
{
	int want = counted(t, is_uplink);
	const struct pkt_ipv4 *ip;

	check(t, t->o.verdict == want, "verdict %d of the programs, %d of trace", t->o.verdict, want);
	if (!went_on(want))
		return;
	ip = pkt_find(&t->o.out, PKT_IPV4, innermost(t));
	check(t, ip && ntohl(ip->daddr) == addr_v4(is_uplink ? &t->trace.to : &t->hop.packet.dst),
	      "sent to %08x", ip ? ntohl(ip->daddr) : 0);
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		const uint16_t *l4 = (const void *)((const uint8_t *)ip + ip->ihl * 4);
		uint16_t port = is_uplink ? t->trace.to_port : t->hop.packet.dport;

		check(t, ntohs(l4[1]) == port, "port %u, not %u", ntohs(l4[1]), port);
	}
	if (want != OV_FWD_ENCAP)
		return;
	ip = pkt_find(&t->o.out, PKT_IPV4, 0);
	check(t, ntohl(ip->daddr) == addr_v4(&t->hop.to) && ntohl(ip->saddr) == addr_v4(&t->hop.from),
	      "outer %08x to %08x", ntohl(ip->saddr), ntohl(ip->daddr));
}

/* Some are traced by who does not know the port that the sender will have. */
static void forget_port(struct trace_packet *p)
{
	if (p->sport != VXLAN_PORT && once_in(4))
		p->sport = 0;
}

enum start { AT_ENDPOINT, AT_FRONT, AT_LOOP };

static void trace_from(struct trial *t, enum start start, const struct trace_packet *p)
{
	t->trace = (struct trace){ 0 };
	if (start == AT_ENDPOINT)
		tw_trace_endpoint(t->tw, t->node, &t->trace, p, &t->hop);
	else
		tw_trace_front(t->tw, t->node, &t->trace, p, start == AT_LOOP, &t->hop);
}

/* What went on says where; of what did not, some backend must explain it. */
static void follow(struct trial *t, enum start start, struct trace_packet *p)
{
	followed++;
	if (went_on(t->o.verdict)) {
		p->follow = receiver(t);
		trace_from(t, start, p);
		return;
	}
	for (uint32_t i = 0; i < TW_ENDPOINTS && (int)t->trace.verdict != t->o.verdict; i++) {
		p->follow = addr_from_v4(IP(10, 10, 0, 2) + i);
		trace_from(t, start, p);
	}
}

static void run(struct trial *t, enum start start, struct trace_packet *p, uint32_t ifindex,
		const struct pkt *bytes)
{
	tw_become(t->tw, t->node);
	env_empty(&env, MAP_affinity); /* a client that is new */
	t->o = env_run_bytes(&env, start == AT_ENDPOINT ? ENDPOINT : start == AT_LOOP ? FRONT : UPLINK,
			     ifindex, bytes->data, bytes->len, 0);
	forget_port(p);
	trace_from(t, start, p);
	/* Where several backends may get it, the one that did is followed. */
	if (t->trace.is_open && t->trace.has_backend)
		follow(t, start, p);
	compare(t, false);
}

/* ---- from node to node ---- */

static struct pkt cross_wire(const struct trial *t)
{
	struct pkt p = t->o.out;
	struct ethhdr *eth = (void *)p.data;

	memcpy(eth->h_source, wire_mac, 6); /* the neighbour output writes it; no test run does */
	memcpy(eth->h_dest, uplink_mac, 6);
	return p;
}

static void arrive(struct trial *t)
{
	struct pkt bytes = cross_wire(t);

	t->node = tw_at(&t->hop.to);
	check(t, t->node >= 0, "sent to no node: %08x", addr_v4(&t->hop.to));
	tw_become(t->tw, t->node);
	env_empty(&env, MAP_brief); /* each node has its own memory of the flow */
	t->o = env_arrive(&env, &bytes);
	tw_trace_uplink(t->tw, t->node, &t->trace, &t->hop);
	compare(t, true);
	crossed++;
}

/* The port that stands for the container is known once it has left. */
static void take_source(struct trial *t, struct trace_packet *p)
{
	const struct pkt_ipv4 *ip = pkt_find(&t->o.out, PKT_IPV4, 0);
	const uint16_t *l4 = (const void *)((const uint8_t *)ip + 20);

	*p = t->hop.packet;
	check(t, ntohl(ip->saddr) == addr_v4(&p->src), "masqueraded as %08x", ntohl(ip->saddr));
	if (p->protocol != IPPROTO_ICMP)
		p->sport = ntohs(l4[0]);
}

static void go_on_outside(struct trial *t)
{
	int next = tw_at(&t->hop.packet.dst);
	struct trace_packet p;
	struct pkt bytes;

	if (next < 0 || next == t->node)
		return;
	take_source(t, &p);
	bytes = cross_wire(t);
	t->node = next;
	run(t, AT_FRONT, &p, env.uplink_ifindex, &bytes);
}

static void go_on(struct trial *t)
{
	struct trace_packet p;
	struct pkt bytes;

	if (t->hop.way == TRACE_LOOPBACK) {
		take_source(t, &p);
		bytes = t->o.out;
		run(t, AT_LOOP, &p, LOOPBACK, &bytes);
	} else if (t->hop.way == TRACE_OUTSIDE) {
		go_on_outside(t);
	}
	if (t->hop.way == TRACE_TUNNEL && t->o.verdict == OV_FWD_ENCAP)
		arrive(t);
	denied += t->trace.verdict == OV_DROP_POLICY;
	if (trace_is_delivered(&t->trace))
		delivered++;
	else if (ov_verdict_is_drop(t->trace.verdict))
		dropped++;
	else
		answered++;
}

/* ---- trials ---- */

static void send_from_container(struct trial *t)
{
	struct tw_sender from;
	uint8_t dst_mac[6];

	t->node = (int)rng_below(&rng, TW_NODES);
	if (!tw_sender(t->tw, t->node, &from))
		return;

	struct trace_packet p = { .vni = from.vni, .src = from.addr,
				  .dst = addr_from_v4(any_destination()) };
	struct pkt bytes;

	any_rest(t, &p);
	if (p.protocol == OTHER_PROTOCOL) /* without ports, the next one is of the same flow */
		env_empty(&env, MAP_brief);
	if (addr_v4(&p.dst) >> 8 != GATEWAY_IP >> 8)
		memcpy(dst_mac, gateway_mac, 6);
	else
		tw_mac(t->tw, t->node, p.vni, &p.dst, dst_mac);
	t->packet = p;
	bytes = packet(&p, from.mac, dst_mac);
	run(t, AT_ENDPOINT, &p, from.ifindex, &bytes);
	go_on(t);
}

static void send_from_outside(struct trial *t)
{
	uint32_t src = once_in(8) ? any_destination() :
					      IP(198, 51, 100, rng_below(&rng, 256));
	struct trace_packet p = { .src = addr_from_v4(src),
				  .dst = addr_from_v4(VTEP(1 + rng_below(&rng, TW_NODES))) };
	struct pkt bytes;

	any_rest(t, &p);
	if (p.dport == VXLAN_PORT) /* that would be VXLAN, or nonsense */
		p.dport = 30080;
	if (p.protocol == IPPROTO_UDP && once_in(30))
		p.sport = VXLAN_PORT;
	t->node = tw_at(&p.dst);
	t->packet = p;
	bytes = packet(&p, wire_mac, uplink_mac);
	run(t, AT_FRONT, &p, env.uplink_ifindex, &bytes);
	go_on(t);
}

static uint64_t seed_of_run(void)
{
	const char *text = getenv("OV_TRACE_SEED");

	return text ? strtoull(text, NULL, 10) : 20240611;
}

static struct tw_host find_host(void)
{
	static const char *const device[TW_DEVICES] = { "blue_one", "blue_two", "blue_far",
							"blue_third", "blue_lost", "red_one",
							"red_far" };
	struct tw_host host = { .map = env.map, .uplink_ifindex = env.uplink_ifindex,
				.tunnel_ifindex = env.tunnel_ifindex };

	for (int i = 0; i < TW_DEVICES; i++)
		host.device[i] = if_nametoindex(device[i]);
	return host;
}

static bool is_some(size_t count, int in_all, int worlds)
{
	return count * WORLDS >= (size_t)(in_all * worlds);
}

Test(trace, says_what_the_programs_do)
{
	struct trial t = { .seed = seed_of_run() };
	struct tw_host host = find_host();
	int worlds = getenv("OV_TEST_PINS") ? WORLDS_SLOW : WORLDS;

	rng_init_u64(&rng, t.seed);
	for (t.world = 0; t.world < worlds; t.world++) {
		env_empty(&env, MAP_brief);
		t.tw = tw_make(&host, &rng);
		for (t.number = 0; t.number < PACKETS; t.number++) {
			if (once_in(4))
				send_from_outside(&t);
			else
				send_from_container(&t);
		}
		tw_free(t.tw);
	}
	/* The cases are not all of one kind. */
	cr_assert(is_some(delivered, 450, worlds) && is_some(dropped, 450, worlds) &&
		  is_some(answered, 90, worlds) && is_some(crossed, 90, worlds) &&
		  is_some(followed, 45, worlds) && is_some(denied, 20, worlds),
		  "%zu delivered, %zu dropped, %zu answered, %zu crossed, %zu followed, %zu denied",
		  delivered, dropped, answered, crossed, followed, denied);
}
