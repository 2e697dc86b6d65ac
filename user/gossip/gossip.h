/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Membership and replication: SWIM (Das, Gupta, Motivala 2002) with suspicion
 * and incarnations, Lifeguard's local health multiplier (Dadgar, Phillips,
 * Currey 2017), piggy-backed records, and anti-entropy by digest.
 *
 * Sans-I/O: bytes and time go in, bytes and deadlines come out. The daemon and
 * the simulator run this very code. Times are milliseconds of a monotonic clock;
 * wall time is passed where a record is judged by it.
 *
 * Two ways out:
 *  - datagrams (UDP): probes and whatever records fit beside them;
 *  - calls (TCP): one sealed request, one sealed reply. Anti-entropy, probes
 *    that UDP does not carry, and other rooms' requests (gossip_call) use them.
 *
 * Everything is sealed with the key ring (seal.h, rotate.h); what does not open is counted
 * and dropped, and nothing is ever sent in the clear.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "model/model.h"
#include "store/store.h"

struct gossip;

struct sockname {
	struct ov_addr addr;
	uint16_t port; /* host order */
};

/* Milliseconds; GOSSIP_LAN is memberlist's LAN profile, the source of each figure. */
struct gossip_timing {
	uint32_t probe_interval;   /* 1000: one member a round, shuffled ring */
	uint32_t probe_timeout;    /* 500: then ask indirect_probes others and TCP */
	uint32_t indirect_probes;  /* 3 */
	uint32_t suspicion_mult;   /* 4: x max(1, log10 n) x probe_interval */
	uint32_t gossip_interval;  /* 200 */
	uint32_t gossip_fanout;    /* 3 */
	uint32_t retransmit_mult;  /* 4: x ceil(log10(n + 1)) sendings of each update */
	uint32_t sync_interval;    /* 10000: digest exchange with one random member */
	uint32_t reconnect_interval; /* 5000: one dead member is tried, so that splits heal */
	uint32_t call_timeout;     /* 5000 */
};
extern const struct gossip_timing GOSSIP_LAN;

/* Largest datagram, so that it fits an IPv6 minimum-MTU path with headers to spare (RFC 8200). */
#define GOSSIP_DATAGRAM_MAX 1200
/* Largest sealed stream message. Larger syncs go in several calls. */
#define GOSSIP_STREAM_MAX (1u << 20)

enum member_status { MEMBER_ALIVE, MEMBER_SUSPECT, MEMBER_DEAD, MEMBER_LEFT };

struct member {
	struct id id;
	struct sockname addr;
	enum member_status status;
	uint64_t incarnation;
	uint64_t since; /* monotonic ms of the last status change */
};

/*
 * Convergence lag: from the writing of a shared record (network, service, rule, ...) to its arrival
 * here, by both nodes' clocks. Counted by classes with these upper bounds, and one without; what
 * a node catches up with before it is in sync is left out.
 */
#define GOSSIP_LAG_BOUNDS_MS { 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000 }
#define GOSSIP_LAG_BOUNDS 10

struct gossip_counters {
	uint64_t datagrams_in, datagrams_out, calls_in, calls_out;
	uint64_t refused_seal;      /* did not open under any key: foreign or wrong key */
	uint64_t refused_version;   /* another wire version */
	uint64_t refused_malformed; /* opened, but is no message */
	uint64_t refused_record;    /* a record its writer may not write */
	uint64_t refused_removed;   /* from a node whose NODE record is a tombstone */
	uint64_t over_limit;        /* a table or queue of ours was full: something was dropped */
	uint64_t probes_failed, suspicions, refutations, syncs, records_in, records_out;
	uint64_t lag[GOSSIP_LAG_BOUNDS + 1], lag_ms; /* records by class; the sum of all lags */
};

struct gossip_config {
	struct gossip_timing timing;
	struct sockname self;
	uint8_t key_count;
	uint8_t key[RING_KEYS_MAX][GOSSIP_KEY_LEN]; /* key[0] seals */
	/*
	 * Answers another node's gossip_call; writes the reply. 0, or a negative
	 * errno that the caller receives instead. May write to the store.
	 */
	int (*on_call)(void *ctx, const struct id *from, struct cursor request, struct buf *reply);
	void *ctx;
};

/* Borrows store, which must outlive it. 0 or -ENOMEM. */
int gossip_new(const struct gossip_config *config, struct store *store, const struct rng *rng,
	       uint64_t now, struct gossip **ret_gossip);
void gossip_free(struct gossip *g); /* wipes the keys */

/* Takes over a changed ring (a RING record); key[0] seals from now on. */
void gossip_set_keys(struct gossip *g, uint8_t count, uint8_t key[][GOSSIP_KEY_LEN]);

/* Tells it of nodes to try, besides those it knows from NODE records in the store. */
void gossip_seed(struct gossip *g, const struct sockname *addr, uint64_t now);
/* Says goodbye (LEFT) to a few members; drain the output, then stop. */
void gossip_leave(struct gossip *g, uint64_t now);
/* The store has changed: NODE records are re-read as members, new ones announced. */
void gossip_store_changed(struct gossip *g, uint64_t now);

/* ---- in ---- */
void gossip_datagram(struct gossip *g, const struct sockname *from, const void *data, size_t len,
		     uint64_t now, uint64_t wall_ms);
/* A whole request from a stream; the sealed reply is appended to *reply. 0, or -EBADMSG: hang up. */
int gossip_serve(struct gossip *g, const struct sockname *from, const void *data, size_t len,
		 uint64_t now, uint64_t wall_ms, struct buf *reply);
/* The end of a call that gossip_output asked for: 0 and the reply's bytes, or a negative errno. */
void gossip_call_done(struct gossip *g, uint64_t call, int error, const void *data, size_t len,
		      uint64_t now, uint64_t wall_ms);
/* To be called at gossip_deadline, and harmless at any time. */
void gossip_tick(struct gossip *g, uint64_t now, uint64_t wall_ms);
uint64_t gossip_deadline(const struct gossip *g); /* monotonic ms of the next tick wanted */

/* ---- out ---- */
struct gossip_output {
	enum { GOSSIP_SEND, GOSSIP_CALL } type;
	struct sockname to;
	uint64_t call;          /* GOSSIP_CALL: hand back to gossip_call_done */
	const uint8_t *data;    /* sealed; valid until the next gossip_* call */
	size_t len;
};
/* Drain after every call above. */
bool gossip_next_output(struct gossip *g, struct gossip_output *ret_output);

/*
 * Asks another node something (IPAM grants). After 0, `done` is called exactly
 * once, never from within: by gossip_call_done or gossip_tick with 0 and the
 * reply, -EHOSTUNREACH (no such living member), -ETIMEDOUT, the socket's error or
 * the answer's own; by gossip_free with -ECANCELED. It may call gossip_call, but
 * not gossip_free. Otherwise -ENOMEM, -EMSGSIZE or -EAGAIN (too many under way),
 * and `done` is not called.
 */
int gossip_call(struct gossip *g, const struct id *to, const struct buf *request, uint64_t now,
		void (*done)(void *arg, int error, struct cursor reply), void *arg);

/* ---- to look at ---- */
/* Members, self excluded, sorted by id; borrowed until the next gossip_* call. */
size_t gossip_members(const struct gossip *g, const struct member **ret_members);
const struct member *gossip_member(const struct gossip *g, const struct id *id);
const struct gossip_counters *gossip_counters(const struct gossip *g);

/*
 * For who examines the ways to a member. gossip_ping sends it a PING by UDP, whatever it is thought
 * to be, and returns its number, or 0: no such member; gossip_pinged tells whether the ACK of
 * that number, the last one, has come. gossip_knock sends a PING by UDP and one by TCP, and
 * whether they are answered is nobody's concern: the member sees them come.
 */
uint32_t gossip_ping(struct gossip *g, const struct id *to, uint64_t now);
bool gossip_pinged(const struct gossip *g, const struct id *to, uint32_t number);
void gossip_knock(struct gossip *g, const struct id *to, uint64_t now);
/* When a call (TCP) of that member was last served here; monotonic ms, 0: never. */
uint64_t gossip_heard_call(const struct gossip *g, const struct id *from);
const char *member_status_to_str(enum member_status status);
/* True once a digest exchange with some member found nothing to fetch, or there is no other member. */
bool gossip_in_sync(const struct gossip *g);
