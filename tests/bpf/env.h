/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world for the programs: three nodes, two networks with the same subnet, and
 * the maps of whichever node we are at the moment. A packet's life is followed
 * by running a program as one node and its output as the next.
 *
 *	network blue (VNI 100) and red (VNI 200), both 10.10.0.0/24, gateway .1
 *
 *	node a 192.0.2.1     node b 192.0.2.2      node c 192.0.2.3
 *	  blue_one  .2         blue_far  .4          blue_third .5
 *	  blue_two  .3         red_far   .4
 *	  red_one   .2
 *	192.0.2.9 is no node of ours, yet blue_lost .9 is said to live there.
 */
#pragma once

#include <criterion/criterion.h>

#include "maps/schema.h"
#include "tests/lib/pkt.h"

#define VXLAN_PORT 4789
#define NETWORK_MTU 1450
#define OUTER_BYTES 50 /* IPv4, UDP, VXLAN, inner Ethernet */
#define BLUE 100u
#define RED 200u
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define GATEWAY_IP IP(10, 10, 0, 1)
extern const uint8_t gateway_mac[6];
extern const uint8_t uplink_mac[6]; /* of every node: we never look at outer MACs */
extern const uint8_t wire_mac[6];   /* whoever is on the other end of the wire */
extern const uint8_t broadcast_mac[6];

struct actor {
	const char *name; /* also of its device */
	uint32_t vni;
	uint32_t ip;
	uint8_t mac[6];
	uint32_t vtep;
};
extern const struct actor blue_one, blue_two, blue_far, blue_third, blue_lost, red_one, red_far;

enum node { NODE_A = 1, NODE_B, NODE_C, NODE_STRANGER = 9 };
#define VTEP(node) IP(192, 0, 2, node)

enum program { ENDPOINT, UPLINK, TUNNEL, UPLINK_XDP, FRONT, EGRESS, ARRIVE, RETURN, PROGRAM_COUNT };

enum env_map {
#define X(name, ...) MAP_##name,
	OV_MAPS(X)
#undef X
	MAP_COUNT,
};

struct env {
	void *object[PROGRAM_COUNT]; /* skeletons */
	int program[PROGRAM_COUNT];
	int map[MAP_COUNT];
	uint32_t uplink_ifindex, tunnel_ifindex;
};

/* Loads the programs with one set of maps, which is empty. */
void env_load(struct env *env);
/* env_load in a namespace of its own, with a device for each actor, as node a. */
void env_open(struct env *env);
void env_close(struct env *env);

/* Fills the maps with that node's view of the world; counters stay. */
void env_become(struct env *env, enum node node);
uint32_t env_ifindex(const struct actor *a);
/* Writes one actor's entry; ifindex 0: it lives elsewhere. */
void env_put_endpoint(struct env *env, const struct actor *a, uint32_t ifindex);
void env_put_device(struct env *env, const struct actor *a, uint32_t ifindex);
void env_put_network(struct env *env, uint32_t vni);
void env_put_peer(struct env *env, uint32_t vtep, uint32_t next_hop);
void env_put_config(struct env *env, uint32_t vtep, uint32_t flags);
/* Network blue is an encrypted one, as far as it is known by now; the peers have no SAs. */
void env_encrypt(struct env *env);
/* SAs with that peer are there. */
void env_put_sas(struct env *env, uint32_t vtep);
void env_empty(struct env *env, enum env_map map);
uint64_t env_packets(const struct env *env, enum ov_verdict verdict);

#define NO_VERDICT (-1)
#define TEST_RUN_MIN 34 /* newer kernels want the IPv4 header to be whole */

struct outcome {
	int action;  /* what the program returned */
	int verdict; /* the one counter that moved, or NO_VERDICT */
	uint32_t mark; /* the skb's */
	struct pkt out;
};

/* Runs a program on a frame; asserts that at most one counter moved, and right. */
struct outcome env_run_bytes(struct env *env, enum program program, uint32_t ifindex,
			     const void *frame, size_t len, uint32_t gso_size);
struct outcome env_send_bytes(struct env *env, const struct actor *from, const void *frame,
			      size_t len, uint32_t gso_size);
struct outcome env_send(struct env *env, const struct actor *from, const struct pkt *p);
struct outcome env_arrive(struct env *env, const struct pkt *p); /* at the uplink, TC */

/* The verdict, and the action that goes with it in that program. */
#define expect_verdict(o, v) expect_verdict_at(__LINE__, &(o), v)
void expect_verdict_at(int line, const struct outcome *o, int verdict);

/* Usual packets: UDP with 100 bytes between two actors, and the same in VXLAN. */
struct pkt udp_between(const struct actor *from, const struct actor *to);
struct pkt vxlan_between(uint32_t outer_src, uint32_t outer_dst, const struct actor *from,
			 const struct actor *to);
/* Appends the outer headers; compose the inner frame behind it. */
void pkt_outer(struct pkt *p, uint32_t src, uint32_t dst, uint32_t vni);
