/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which decisions a packet would meet, on every node it comes by, without sending one: the
 * data path's rules (bpf/) once more, over the rows of plans instead of maps. The packet is
 * the first of a new flow; what the kernel remembers of older flows is not asked.
 *
 * Pure: a view, this host's facts and a packet in, steps and a verdict out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "maps/verdict.h"
#include "plan/plan.h"

#define TRACE_TEXT_MAX 320
#define TRACE_STEPS_MAX 48
#define TRACE_ROWS_MAX 64
#define TRACE_KEY_MAX 40
_Static_assert(TRACE_KEY_MAX >= sizeof(struct ov_allowed_key), "holds any key of the data path");

/* The first packet of a flow: TCP's SYN, SCTP's INIT, a ping, or a datagram. */
struct trace_packet {
	uint32_t vni;           /* the sender's network; 0: it comes from outside */
	struct ov_addr src, dst;
	uint8_t protocol;       /* IPPROTO_* */
	uint16_t sport, dport;  /* host order; a sport of 0: any */
	uint16_t size;          /* of the IP packet, in bytes */
	bool may_fragment;      /* without DF */
	struct ov_addr follow;  /* the backend to follow where several may get it; zero: any */
};

struct trace_step {
	struct id node;
	const char *program;    /* "ov_endpoint"; "" for what no program decides */
	char text[TRACE_TEXT_MAX];
};

/* A row of this node's plan that a decision rests on, or the lack of one. */
struct trace_row {
	enum plan_table_id table;
	uint8_t key[TRACE_KEY_MAX];
	const uint8_t *value;   /* of the plan; NULL: it has none */
};

struct trace {
	const struct view *view; /* for names; NULL: addresses alone */
	const struct id_set *away; /* nodes thought dead; with a view */
	size_t step_count, row_count;
	struct trace_step step[TRACE_STEPS_MAX];
	struct trace_row row[TRACE_ROWS_MAX];
	enum ov_verdict verdict; /* of the program that had it last */
	enum ov_verdict why;     /* behind an answer (OV_FWD_RESET): the reason; else the same */
	bool is_open;            /* another packet like it may go elsewhere */
	struct ov_addr to;       /* whom it reaches */
	uint16_t to_port;        /* host order */
	bool has_backend;        /* a service chose `to` */
};

/* One node's tables. */
struct trace_node {
	struct id id;
	struct ov_addr vtep;
	const struct plan *plan;
	bool is_self;           /* its rows are remembered in trace.row */
};

/* What leaves a node. */
enum trace_way {
	TRACE_NOWHERE,
	TRACE_TUNNEL,           /* VXLAN, to the node at `to` */
	TRACE_OUTSIDE,          /* as it is, by the host's routes */
	TRACE_LOOPBACK,         /* to this host itself */
};

enum trace_mark { TRACE_INSIDE, TRACE_BACK, TRACE_DIRECT }; /* bpf/lib/mesh.h */

struct trace_hop {
	enum trace_way way;
	struct trace_packet packet; /* rewritten */
	struct ov_addr from, to;    /* outer addresses */
	uint8_t src_mac[6], dst_mac[6];
	uint8_t mark;               /* enum trace_mark */
	struct ov_addr called;      /* with a mark: the node's address that the client called */
	bool is_encrypted;
};

/* The programs, one by one; each adds its steps and sets verdict and why. */
enum ov_verdict trace_endpoint(struct trace *t, const struct trace_node *n,
			       const struct trace_packet *p, struct trace_hop *ret_hop);
enum ov_verdict trace_uplink(struct trace *t, const struct trace_node *n,
			     const struct trace_hop *hop);
enum ov_verdict trace_front(struct trace *t, const struct trace_node *n,
			    const struct trace_packet *p, bool is_loop, struct trace_hop *ret_hop);

/*
 * The whole way, beginning with this node's plan (made of the same view and facts), which has to
 * live as long as trace.row is read. Of other nodes plans are made with facts made up as far as a
 * record does not tell them. 0 or -ENOMEM.
 */
int trace_run(const struct view *v, const struct facts *f, const struct id *self,
	      const struct plan *plan, const struct trace_packet *p, struct trace *t);

/* Whether somebody got it: a verdict of this kind is what a sender hopes for. */
bool trace_is_delivered(const struct trace *t);
