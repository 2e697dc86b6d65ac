/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service for the programs, and the packets of its clients. */
#pragma once

#include "env.h"

#define VIP_IP IP(10, 10, 0, 100)
extern const uint8_t vip_mac[6]; /* 02:42 and the address */

#define BALANCE_MAX 40

struct balance {
	enum ov_lb algorithm;
	uint32_t affinity_s;
	uint16_t port, target; /* a declared TCP and UDP port; 0: every port */
	int count;
	const struct actor *backend[BALANCE_MAX];
};

/* After env_become: the maps as they are with that service on network blue. */
void balance_put(struct env *env, const struct balance *b);
/* Flags of a backend's endpoint row (and device row, if it is here) besides BACKEND. */
void balance_flag(struct env *env, const struct actor *a, uint32_t flags);
/* Somebody else has its address now, as a backend of the same service. */
void balance_rebirth(struct env *env, const struct actor *a, uint32_t incarnation);
/* The same for the device it has here. */
void balance_device_rebirth(struct env *env, const struct actor *a, uint32_t incarnation);

/* The flow of blue's client to the VIP; false when there is none. */
bool balance_flow(struct env *env, enum env_map map, const struct actor *client, uint8_t protocol,
		  uint16_t client_port, uint16_t backend_port, struct ov_flow *ret_flow);
/* Makes it look idle for that many seconds. */
void balance_age(struct env *env, enum env_map map, const struct actor *client, uint8_t protocol,
		 uint16_t client_port, uint16_t backend_port, uint32_t seconds);
struct ov_backend_stats balance_stats(struct env *env, const struct actor *backend);
uint64_t balance_counter(struct env *env, enum ov_flow_counter which);

struct segment { /* TCP, UDP or SCTP between two addresses */
	const uint8_t *src_mac, *dst_mac;
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t protocol, flags; /* TCP flags; SCTP: the first chunk's type */
	uint32_t seq, ack;
	size_t payload, options; /* bytes; of IP options a multiple of 4 */
};
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct pkt segment_pkt(const struct segment *s);
/* From a client to the VIP, and from a backend to the client. */
struct segment call_of(const struct actor *client, uint8_t protocol, uint16_t sport,
		       uint16_t dport);
struct segment answer_of(const struct actor *backend, const struct actor *client, uint8_t protocol,
			 uint16_t sport, uint16_t dport);
struct pkt segment_fragment(const struct segment *s, uint16_t id, uint16_t frag_off);

struct outcome balance_send(struct env *env, const struct actor *from, const struct segment *s);
/* The same of call_of and answer_of, with those flags. */
struct outcome balance_call(struct env *env, const struct actor *client, uint8_t protocol,
			    uint16_t sport, uint16_t dport, uint8_t flags);
struct outcome balance_answer(struct env *env, const struct actor *backend,
			      const struct actor *client, uint8_t protocol, uint16_t sport,
			      uint16_t dport, uint8_t flags);
/* A TCP connection from blue_one's port to blue_two behind the VIP's port 80. */
void balance_establish(struct env *env, uint16_t port);

/* What came out, read back. Asserts right checksums. */
struct segment segment_read(struct pkt *p, int ipv4);

/* Of what came out, the IPv4 header number `ipv4` from the outside: addresses and ports. */
void expect_ends(struct outcome *o, int ipv4, uint32_t src, uint16_t sport, uint32_t dst,
		 uint16_t dport);
/* A TCP reset from the VIP to blue_one, and nothing but. */
void expect_reset(struct outcome *o, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
		  uint8_t flags);
/* ICMP "port unreachable" from the VIP to blue_one. */
void expect_unreachable(struct outcome *o);
/* Who a call of blue_one's port to port 80 of the VIP goes to. */
uint32_t balance_backend(struct env *env, uint8_t protocol, uint16_t sport);
