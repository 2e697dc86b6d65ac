/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of network blue for the programs, and the flows that they judge. */
#pragma once

#include "balance.h"

/* Classes of the tests: what blue_one and so on match; who has no row is OV_CLASS_ANY. */
enum { CLASS_ONE = 1, CLASS_TWO, CLASS_FAR, CLASS_OUTSIDE };

struct rule {
	uint32_t id;
	uint32_t from, to;
	uint8_t protocol;  /* 0: every */
	uint16_t port;
	uint8_t port_bits; /* of a prefix of ports; 0: every port */
	uint8_t verdict;
};

/* Set `set` is in force, and network blue has a policy: rows that are written later have not. */
void rules_put(struct env *env, uint32_t set, uint8_t verdict, uint8_t flags);
/* The rows of network blue have OV_ENDPOINT_POLICY. */
void rules_mark(struct env *env);
void rules_subject(struct env *env, uint32_t set, uint32_t addr, uint8_t bits, uint32_t class);
void rules_add(struct env *env, uint32_t set, const struct rule *r);
/* blue_one, blue_two and blue_far, by their /32. */
void rules_subjects(struct env *env, uint32_t set);
/* Set 1 with its subjects and that one rule; no rule (NULL): everything falls to the default. */
void rules_only(struct env *env, uint8_t verdict, const struct rule *r);
/* Set 1 as before, but for its subjects, which the test has changed. */
void rules_recount(struct env *env, uint8_t verdict);
struct ov_policy_hits rules_hits(struct env *env, uint32_t rule);

/* The entry of a flow between two addresses, whichever began it; false when there is none. */
bool rules_flow(struct env *env, enum env_map map, uint8_t protocol, uint32_t a, uint16_t a_port,
		uint32_t b, uint16_t b_port, struct ov_flow *ret_flow);
/* Makes it look idle for that many seconds. */
void rules_age(struct env *env, enum env_map map, uint8_t protocol, uint32_t a, uint16_t a_port,
	       uint32_t b, uint16_t b_port, uint32_t seconds);

/* A segment between two endpoints of blue: at the sender's device, and at the receiver's uplink. */
#define rules_send balance_answer
struct outcome rules_arrive(struct env *env, const struct actor *from, const struct actor *to,
			    uint8_t protocol, uint16_t sport, uint16_t dport, uint8_t flags);
/* The same of any packet. */
struct outcome rules_arrive_pkt(struct env *env, const struct actor *from, const struct actor *to,
				const struct pkt *inner);
struct pkt rules_icmp(const struct actor *from, const struct actor *to, uint8_t type, uint16_t id);
/* "Port unreachable" from one to the other, about that packet. */
struct pkt rules_error(const struct actor *from, const struct actor *to, const struct pkt *about);
/* TCP between two endpoints of this node, established. */
void rules_establish(struct env *env, const struct actor *client, const struct actor *server,
		     uint16_t sport, uint16_t dport);
/* A TCP reset that cuts a flow: from one end to the other, with that sequence number. */
void expect_cut(struct outcome *o, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
		uint32_t seq);
