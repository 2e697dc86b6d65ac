/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A made-up cluster for tests of pure code: items as the store would hold them,
 * and the view over them. The functions return the item, to be bent further.
 */
#pragma once

#include "base/rng.h"
#include "model/view.h"

struct world {
	size_t count, cap;
	struct item **items;
};

void world_fini(struct world *w);
struct id world_id(unsigned int number); /* deterministic; grows with number */
struct ov_addr world_addr(const char *text);
/* Addresses and prefixes as text; joined and created at `number` ms. */
struct item *world_node(struct world *w, unsigned int number, const char *name, const char *addr);
struct item *world_network(struct world *w, unsigned int number, const char *name,
			   const char *subnet, uint32_t vni);
struct item *world_endpoint(struct world *w, unsigned int number, unsigned int node,
			    unsigned int network, const char *addr);
/* vip NULL: dnsrr. */
struct item *world_service(struct world *w, unsigned int number, unsigned int network,
			   const char *name, const char *vip);
/* Writes the item's body anew, with these details. */
void world_service_detail(struct item *it, const struct service_detail *d);
/*
 * A rule of a network: from and to are "any", "service=NUMBER", "endpoint=NUMBER", "label=K=V" or
 * "cidr=PREFIX". It is of every port until world_policy_port.
 */
struct item *world_policy(struct world *w, unsigned int number, unsigned int network, bool deny,
			  const char *from, const char *to);
void world_policy_port(struct item *it, uint8_t protocol, uint16_t first, uint16_t last);
/* Writes an endpoint's body anew, with this label too. */
void world_label(struct item *it, const char *label);
struct item *world_block(struct world *w, unsigned int network, const char *start,
			 unsigned int owner);
/* Its public key is 32 times `byte`. */
struct item *world_key(struct world *w, unsigned int node, uint64_t epoch, uint8_t byte);
/* Of peers whose ids are in one chunk, as those of world_id are; sorted by peer. */
struct item *world_pairs(struct world *w, unsigned int node, const struct pair *pair,
			 uint8_t count);
struct item *world_epoch(struct world *w, uint64_t number, uint64_t began_ms);
/* Stamped so, by node 1; keys are 32 times epoch + 1 and, when there are two, the one before or after. */
struct item *world_ring(struct world *w, uint64_t epoch, enum ring_phase phase, uint64_t stamp);
/* Node `node` uses the ring of that stamp. */
struct item *world_ring_ack(struct world *w, unsigned int node, uint64_t stamp);
void world_shuffle(struct world *w, struct rng *rng);
struct view world_view(const struct world *w); /* aborts the test when it fails */
