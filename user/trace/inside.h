/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of trace/ share. Private to it. */
#pragma once

#include "trace.h"

/* One program at work. */
struct at {
	struct trace *t;
	const struct trace_node *n;
	const char *program;
};

/* ---- say.c ---- */
void say(const struct at *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "web-1 (10.10.0.9)", or the address alone. Returns out. */
#define WHO_MAX (NAME_MAX_LEN + ADDR_TEXT_MAX + 16)
const char *who(const struct trace *t, uint32_t vni, const struct ov_addr *a, char out[WHO_MAX]);
/* "node b (192.0.2.2)" of an outer address. */
const char *which_node(const struct trace *t, const struct ov_addr *vtep, char out[WHO_MAX]);
/* "tcp/80", "icmp". */
#define PORT_TEXT_MAX 24
const char *port_text(uint8_t protocol, uint16_t port, char out[PORT_TEXT_MAX]);
/* Sets the trace's verdict and returns it. */
enum ov_verdict decide(const struct at *at, enum ov_verdict verdict);
/* The sender is told: a reset of TCP, else an ICMP error (bpf/lib/reset.h). */
enum ov_verdict refuse(const struct at *at, const struct trace_packet *p, enum ov_verdict why);

/* ---- rows.c: one row, or NULL ---- */
const struct ov_config *row_config(const struct at *at); /* NULL: not ready */
const struct ov_network *row_network(const struct at *at, uint32_t vni);
/* Whether an address lies in the network's subnet. */
bool row_has_address(const struct ov_network *net, const struct ov_addr *addr);
const struct ov_peer *row_peer(const struct at *at, const struct ov_addr *vtep);
const struct ov_endpoint *row_endpoint(const struct at *at, uint32_t vni, const struct ov_addr *a);
/* By who is behind it. */
const struct ov_device *row_device(const struct at *at, uint32_t vni, const struct ov_addr *a);
const struct ov_service *row_service(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint8_t protocol, uint16_t port);
const struct ov_backend *row_backend(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint32_t index);
const struct ov_choices *row_choices(const struct at *at, uint32_t vni, const struct ov_addr *vip,
				     uint32_t chunk);
const struct ov_address *row_address(const struct at *at, const struct ov_addr *a);
/* The row for a call to that address of the node, and its key. */
const struct ov_published *row_published(const struct at *at, const struct ov_addr *dst,
					 uint8_t protocol, uint16_t port,
					 struct ov_published_key *ret_key);
/* Some prefix of those that may call takes the client in. */
bool row_allows(const struct at *at, const struct ov_published_key *key,
		const struct ov_addr *client);

const struct ov_policy *row_policy(const struct at *at, uint32_t vni);
/* Which selectors of the set the address matches. */
uint32_t row_class(const struct at *at, uint32_t vni, uint32_t set, const struct ov_addr *a);
/* The most special row; key->prefix_len is not read. */
const struct ov_rule *row_rule(const struct at *at, const struct ov_rule_key *key);

/* ---- policy.c ---- */
/* A new flow of a network with rules (OV_ENDPOINT_POLICY), as it is now, may not go on: decided. */
bool policy_stops(const struct at *at, const struct trace_packet *p);

/* ---- service.c ---- */
struct wish { /* for whom a backend is wanted */
	const struct trace_packet *p;
	const struct ov_addr *vip;
	uint32_t vni, rows;    /* rows: VNI of the rows chosen from (OV_VNI_LOCAL) */
	const struct ov_service *service;
	uint16_t target;       /* the backend's port, host order */
};
/* The backend of a new flow and its endpoint row; NULL: there is none, and it says why. */
const struct ov_endpoint *service_choose(const struct at *at, const struct wish *w,
					 struct ov_addr *ret_backend);

/* ---- send.c ---- */
/* To a container here, or into the tunnel. */
enum ov_verdict send_on(const struct at *at, const struct ov_endpoint *dst, struct trace_hop *hop);
/* The packet is larger than `mtu`: decided. */
bool is_too_large(const struct at *at, const struct trace_packet *p, uint16_t mtu);

/* ---- egress.c ---- */
enum ov_verdict trace_egress(struct trace *t, const struct trace_node *n,
			     const struct ov_device *dev, const struct trace_packet *p,
			     struct trace_hop *hop);

bool is_carried(uint8_t protocol); /* by services */
bool is_group(const struct ov_addr *a);
