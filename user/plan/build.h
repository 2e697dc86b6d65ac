/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one plan_build reads and writes. Private to plan/. */
#pragma once

#include <stdbool.h>

#include "plan.h"
#include "policy/policy.h"

/* A service that balances in the kernel, and its backends in b->backend. */
struct balance {
	const struct view_service *vs;
	struct ov_addr vip; /* in its rows: its VIP or what stands in for one */
	uint32_t vni;      /* of its rows in choices and backends */
	size_t first, count;
	size_t known;      /* count, before it was cut to what one sequence takes */
};

struct build {
	const struct view *v;
	const struct facts *f;
	const struct id *self;
	bool *is_peer; /* by index in v->node: has a row in PLAN_PEERS */
	struct ov_addr *vip; /* by index in v->service; zero: it does not balance here */
	size_t balance_count;
	struct balance *balance;
	const struct view_endpoint **backend; /* of one service together, sorted by id */
	size_t local_first; /* behind them in `backend`: room for those of one service here */
	struct policy_book policy;
	bool *has_policy; /* by index in v->network: its endpoints ask for `policy` */
	uint8_t taken[65536 / 8]; /* bit by port: some process listens there */
	struct plan plan;
};

static inline struct plan_table *build_table(struct build *b, enum plan_table_id id)
{
	return &b->plan.table[id];
}

bool build_is_local(const struct build *b, const struct view_endpoint *ve);
/* Host side ifindex of an endpoint's device; 0 while it does not exist. */
uint32_t build_device(const struct build *b, const struct id *endpoint);
/* The node of a remote endpoint if it is a peer; else NULL. */
const struct view_node *build_peer(const struct build *b, const struct view_endpoint *ve);
/* An endpoint or network that lost its claim carries no traffic (view.h). */
bool build_has_claims(const struct view_endpoint *ve);

/* ---- plan_vip.c ---- */

/* Says which services balance in the kernel, before anything else is asked. 0 or -ENOMEM. */
int services_init(struct build *b);
/*
 * The endpoint is a backend of one that does. Without a VIP only backends of this node are,
 * for ports of host mode.
 */
bool service_balances(const struct build *b, const struct view_endpoint *ve);
/* OV_ENDPOINT_* of an endpoint, and the VIP (or its stand-in) whose backend it is, or zero. */
uint16_t service_flags(const struct build *b, const struct view_endpoint *ve,
		       struct ov_addr *ret_vip);
uint32_t service_incarnation(const struct id *id);

/* ---- plan_service.c ---- */

/* Rows of services, choices and backends, and the VIPs' own. Peers must be there. 0 or -ENOMEM. */
int services_add(struct build *b);

/* ---- plan_publish.c ---- */

/* Notes the ports that processes of this host have. */
void publish_init(struct build *b);
/* Some published port of it is its own, here or on other nodes. */
bool publish_has_any(const struct view_service *vs);
/* One of those is of host mode and open here: rows of this node's backends are wanted. */
bool publish_wants_local(const struct build *b, const struct view_service *vs,
			 const struct service_detail *d);
/*
 * Rows of the published ports that are open here. `all` and `local` are the service as the
 * VIP's own row has it, and with this node's backends alone. 0 or -ENOMEM.
 */
int publish_add(struct build *b, const struct balance *of, const struct service_detail *d,
		const struct ov_service *all, const struct ov_service *local);
/* This node's addresses and devices. There must be room. */
void publish_add_host(struct build *b);

/* ---- plan_ipsec.c ---- */

/* Some network is encrypted, and this host is able. */
bool ipsec_is_wanted(const struct build *b);
/* Outbound SAs and policies towards that peer are wanted. */
bool ipsec_has_policy(const struct build *b, const struct ov_addr *peer);
/* Rows of SAs and policies. There must be room. */
void ipsec_add(struct build *b);

/* ---- plan_policy.c ---- */

/* Compiles the rules of all networks, before any endpoint's row is made. 0 or -ENOMEM. */
int policies_init(struct build *b);
/* OV_ENDPOINT_POLICY on a network with rules, or one that denies; else 0. */
uint16_t policy_flag(const struct build *b, const struct view_network *vn);
/* Rows of rules, subjects and sets. There must be room. */
void policies_add(struct build *b);
