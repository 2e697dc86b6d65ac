/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world outside for the programs: a client that is no endpoint, a port that every
 * node publishes, and a route. Each node has flow tables of its own here, which
 * balance.h has not: a mesh flow has an entry on two nodes, by one key.
 */
#pragma once

#include "balance.h"

#define CLIENT_IP IP(198, 51, 100, 7)
#define CLIENT_PORT 40000
#define PUBLISHED_PORT 80
#define TARGET_PORT 8080 /* at the backends; env.h's nodes do not publish it */
#define OTHER_IP(node) IP(203, 0, 113, node) /* a second address of that node */
#define UNREACHABLE_IP IP(198, 18, 0, 1)     /* no route leads there */
#define BYPATH_IP IP(198, 19, 0, 1)          /* by a device that is none of ours */
#define LOCALHOST_IP IP(127, 0, 0, 1)
#define LOOPBACK 1 /* its ifindex */

struct mesh {
	struct balance balance; /* backends and how they are chosen */
	uint32_t flags;         /* OV_PUBLISHED_* */
	uint16_t target;        /* 0: TARGET_PORT */
};

/* env_open, a route to the world by the uplink, and empty flow tables for every node. */
void mesh_open(struct env *env);
/* As that node, with its own flows, and with the port published for TCP, UDP and SCTP. */
void mesh_become(struct env *env, enum node node, const struct mesh *m);
/* The service's rows anew; no backend is forgotten that mesh_become knew. */
void mesh_put(struct env *env, const struct mesh *m);

/* A row of `published` for that address (0: every) and PUBLISHED_PORT, of TCP. */
void mesh_publish(struct env *env, const struct mesh *m, uint32_t addr, uint32_t flags);
void mesh_unpublish(struct env *env);
/* Clients of that prefix may call the row for the address. */
void mesh_allow(struct env *env, uint32_t addr, uint32_t client, uint32_t prefix);
/* Backends of this node alone, for OV_PUBLISHED_LOCAL; NULL: there is none. */
void mesh_put_local(struct env *env, const struct actor *backend);

/* The flow of the client's port, by its key on every node; asserts that it is there. */
struct ov_flow mesh_flow(struct env *env, enum env_map map, uint8_t protocol);
bool mesh_has_flow(struct env *env, enum env_map map, uint8_t protocol);

/* A kind of flow: the flags of the packets that open and answer it (SCTP: INIT, INIT ACK). */
struct flow_kind {
	uint8_t protocol, opens, answers;
};
#define FLOW_KINDS 3
extern const struct flow_kind flow_kinds[FLOW_KINDS];
#define EACH_FLOW_KIND(k) const struct flow_kind *k = flow_kinds; k < flow_kinds + FLOW_KINDS; k++

/* From the client to the published port of a node, and from a backend to the client. */
struct segment outside_call(enum node entry, uint8_t protocol, uint8_t flags);
struct segment backend_answer(const struct actor *backend, uint8_t protocol, uint8_t flags);

/* At the uplink of who we are. */
struct outcome mesh_enter(struct env *env, const struct segment *s);
/* What was encapsulated, at the uplink of the next node. */
struct outcome mesh_cross(struct env *env, const struct mesh *m, enum node to, struct outcome *o);

/* Of what came out: the Ethernet addresses of frame number `ipv4` from the outside. */
void expect_macs(struct outcome *o, int ipv4, const uint8_t src[6], const uint8_t dst[6]);
/* The outer header is from one node to the other, on network blue. */
void expect_tunnel(struct outcome *o, enum node from, enum node to);
/* The mark of lib/mesh.h for an entry by that address; kind is its second byte. */
void mark_mac(uint8_t mac[6], uint8_t kind, uint32_t called);
#define MARK_BACK 0x4d
#define MARK_DIRECT 0x44
