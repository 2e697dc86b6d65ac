/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet, the decisions that it met, and what became of it: what a trace is made of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/id.h"
#include "maps/verdict.h"

struct view;

#define TRACE_TEXT_MAX 320
#define TRACE_STEPS_MAX 48
#define TRACE_ROWS_MAX 64
#define TRACE_KEY_MAX 40

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
	int table;              /* enum plan_table_id */
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
	bool has_backend;        /* a service chose somebody */
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

/* Whether somebody got it: a verdict of this kind is what a sender hopes for. */
bool trace_is_delivered(const struct trace *t);
