/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The systematic check: what was seen of a host and of the ways to its peers goes in, a
 * list of findings comes out. Pure: who looks is apply/ (this host) and serve/ (probes).
 *
 * A step passes with one sentence, or is told of once for each thing that is wrong, with
 * what mends it. Steps stand in the order in which a person would look.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "model/model.h"

/* X(SYMBOL, "word", "what passing means") */
#define DOCTOR_STEPS(X)                                                                   \
	X(KERNEL, "kernel", "")                                                           \
	X(BPFFS, "bpffs", "every map and program is pinned, and nothing else is there")  \
	X(PROGRAMS, "programs", "every program is where it should be, and first")         \
	X(TABLES, "kernel-state", "devices, maps and SAs are as planned")                 \
	X(PRESSURE, "map-pressure", "no map is nearly full")                              \
	X(UPLINK, "uplink", "")                                                           \
	X(OBJECTS, "foreign", "no other tunnel and nothing left over")                    \
	X(PORTS, "ports", "no process has a port that is ours")                           \
	X(MEMBERS, "members", "every node of the cluster is alive")                       \
	X(UDP, "gossip-udp", "every peer answers")                                        \
	X(TCP, "gossip-tcp", "every peer answers, and calls this node")                   \
	X(VXLAN, "vxlan", "packets go to every peer and come back")                       \
	X(PATH, "path-mtu", "full-size packets come back from every peer that VXLAN reaches") \
	X(ESP, "esp", "nothing that was sent by ESP is known to be lost")                 \
	X(CLOCK, "clock", "no answering peer's clock differs by more than two seconds")   \
	X(VERSION, "version", "every node runs this version")                             \
	X(STATE, "convergence", "every answering peer knows what this node knows")        \
	X(DNS, "dns", "names are answered in every container")                            \
	X(SUMS, "checksums", "no packet with a bad checksum since the last look")

enum doctor_step {
#define X(symbol, ...) DOCTOR_##symbol,
	DOCTOR_STEPS(X)
#undef X
	DOCTOR_STEP_COUNT,
};

enum doctor_level { DOCTOR_PASS, DOCTOR_WARN, DOCTOR_FAIL };

struct finding {
	enum doctor_step step;
	enum doctor_level level;
	char seen[320], mend[400]; /* mend: empty when it passes */
};

struct findings {
	struct finding *list; /* sorted by step, the worst first */
	size_t count, cap;
	bool out_of_memory;
};

/* ---- what was seen ---- */

/* Something of this host that is not as it should be; `name` says which, `detail` more. */
enum doctor_fault {
	FAULT_MAP_UNPINNED, FAULT_PROGRAM_UNPINNED, FAULT_STALE_PIN,
	FAULT_NOT_ATTACHED, FAULT_WRONG_PROGRAM, FAULT_FOREIGN_FIRST, FAULT_FOREIGN_XDP,
	FAULT_MISSING, FAULT_DIFFERENT, FAULT_LEFT_OVER, FAULT_UNREADABLE,
	FAULT_FOREIGN_VXLAN, FAULT_VXLAN_SOCKET, FAULT_PORT_TAKEN, FAULT_ROW,
	FAULT_RULES_TOO_MANY, FAULT_NODE_LOST,
	FAULT_COUNT,
};
struct doctor_object {
	enum doctor_fault fault;
	char name[96], detail[160];
};

struct doctor_pressure {
	char name[32];
	uint64_t used, max;
};

struct doctor_peer {
	struct id id;
	char name[NAME_MAX_LEN + 1];
	struct ov_addr addr;
	char version[32];
	char status[16];           /* of gossip; "" when it does not know it */
	bool has_route;            /* by the uplink; else our programs cannot send there */
	bool skipped;              /* too many peers: it was not asked */
	bool udp_answered;         /* our ping, by UDP */
	bool tcp_answered, tcp_heard; /* our call; a call of its own came here since we asked */
	int tcp_error;
	bool has_answer;           /* what follows is its answer */
	uint64_t skew_ms;          /* how far its clock is from ours */
	bool skew_ahead;
	bool differs;              /* its state, twice in this run */
	int send_error;            /* this host refused to send to its VXLAN port */
	/* Largest packet (with IP header) that was sent, that it had, that came back; 0: none. */
	uint16_t sent_size, there_size, back_size;
	bool by_esp;               /* an encrypted network needs it */
	uint64_t esp_sent, esp_received, esp_peer_sent, esp_peer_received;
	uint64_t no_sa, cleartext;
};

struct doctor_inside { /* one endpoint of this node */
	char name[NAME_MAX_LEN + 1], netns[NETNS_MAX_LEN + 1];
	bool dns_asked, dns_answered;
	uint8_t dns_code;          /* of the answer; 0: found */
	uint64_t bad_sums;         /* since the last look */
	int error;                 /* the namespace could not be entered */
};

struct doctor_seen {
	char release[64], attach_mode[16], xdp_mode[16], xdp_why[160];
	bool has_encrypted, can_encrypt;
	char encrypt_why[200];
	char uplink[16], uplink_error[320];
	bool uplink_up;
	uint16_t uplink_mtu, vxlan_port, gossip_port;
	char version[32];
	size_t object_count, pressure_count, peer_count, inside_count;
	struct doctor_object *object;
	struct doctor_pressure *pressure;
	struct doctor_peer *peer;
	struct doctor_inside *inside;
	bool out_of_memory;        /* something could not be kept */
};

void doctor_seen_fini(struct doctor_seen *s);
/* Adds one, zeroed but for what is given. NULL: out of memory, and said so in *s. */
struct doctor_object *doctor_object_add(struct doctor_seen *s, enum doctor_fault fault,
					const char *name);
struct doctor_pressure *doctor_pressure_add(struct doctor_seen *s, const char *name, uint64_t used,
					    uint64_t max);
struct doctor_peer *doctor_peer_add(struct doctor_seen *s, const struct node *node);
/*
 * Marks peers beyond `most` as skipped. s->peer is sorted by id; who follows `self` comes first, and
 * behind the greatest the smallest: so where everybody asks, a pair is probed from one side at least
 * as long as there are no more than 2 * most + 1 nodes.
 */
void doctor_peers_choose(struct doctor_seen *s, const struct id *self, size_t most);
struct doctor_inside *doctor_inside_add(struct doctor_seen *s, const char *name, const char *netns);

/* ---- what it means ---- */
void doctor_check(const struct doctor_seen *s, struct findings *out);
void findings_fini(struct findings *f);
bool findings_failed(const struct findings *f);
const char *doctor_step_to_str(enum doctor_step step);
const char *doctor_level_to_str(enum doctor_level level);

/* ---- what one node asks another, by gossip_call (ask.c) ---- */

#define DOCTOR_CALL 'D'      /* the first byte, which tells it from other rooms' calls */
#define DOCTOR_NONCES_MAX 64

struct doctor_ask {
	bool knock;          /* call and ping me, so that I see whether you can */
	uint8_t count;
	uint64_t nonce[DOCTOR_NONCES_MAX]; /* of VXLAN probes: which have arrived? */
};
struct doctor_answer {
	uint64_t wall_ms, state; /* its clock; a hash of all that lives (store_living_hash) */
	uint64_t seen;           /* bit i: nonce[i] */
	uint64_t esp_sent, esp_received; /* its SAs with who asks */
};
bool doctor_is_ask(struct cursor request);
void doctor_ask_encode(struct buf *out, const struct doctor_ask *a);
int doctor_ask_decode(struct cursor c, struct doctor_ask *ret_ask);         /* 0 or -EBADMSG */
void doctor_answer_encode(struct buf *out, const struct doctor_answer *a);
int doctor_answer_decode(struct cursor c, struct doctor_answer *ret_answer); /* 0 or -EBADMSG */

/* ---- a name asked in a container (question.c): plain DNS, RFC 1035 ---- */
#define DOCTOR_QUESTION_MAX 300
/* Returns its length, 0 when the name is none. */
size_t doctor_question(uint16_t number, const char *name, uint8_t out[DOCTOR_QUESTION_MAX]);
/* The response code, or -EBADMSG when that answers another question or none. */
int doctor_question_answer(const void *data, size_t len, uint16_t number);
