/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the gossip engine, shared by this folder's files and nobody
 * else. A file owns the part of struct gossip that its section below names.
 */
#pragma once

#include "base/cleanup.h"
#include "gossip.h"
#include "seal.h"
#include "wire.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Every table has a limit. */
#define MEMBERS_MAX 8192  /* all of their claims fit one stream message */
#define SEEDS_MAX 16
#define RELAYS_MAX 128    /* probes made for others, at one time */
#define CALLS_MAX 64      /* calls under way, at one time */
#define TICKETS_MAX 256
#define FETCHES_MAX 8     /* of CALLS_MAX: records too large for a datagram */
#define RECORD_UPDATES_MAX 2048 /* beyond: the most told is dropped, and travels by sync */
#define OUTPUTS_MAX 4096  /* datagrams waiting to be sent; beyond: as if lost */
#define UPDATE_LEVELS 32  /* most sendings of one update */
#define CONFIRM_MAX 6

#define DATAGRAM_PLAIN_MAX (GOSSIP_DATAGRAM_MAX - SEAL_OVERHEAD)
#define STREAM_PLAIN_MAX (GOSSIP_STREAM_MAX - SEAL_OVERHEAD)
#define HEALTH_MAX 8      /* Lifeguard's S, memberlist's AwarenessMaxMultiplier */

/* One thing to tell others about; sits in struct peer or struct record_update. */
struct update {
	struct update *prev, *next;
	uint8_t queue, level;     /* level: how often it was sent */
	bool queued;
	uint32_t burst;           /* the last one that it was sent in */
};
enum update_queue { UPDATE_MEMBERS, UPDATE_RECORDS, UPDATE_QUEUES };

struct peer {
	struct member m;          /* m.status: a change goes through peer_set_status */
	uint64_t heard_call;      /* when a call of it was last served; 0: never */
	uint32_t ping, pinged;    /* probe.c, gossip_ping: the last number, and the last acknowledged */
	struct update update;
	struct id accuser;        /* who found it suspect or dead, last */
	/* suspect.c, while m.status is MEMBER_SUSPECT */
	struct peer *prev, *next;
	uint64_t suspect_min, suspect_max;
	uint8_t confirm_need, confirm_count;
	struct id confirm[CONFIRM_MAX + 1];
};

struct record_update {
	struct update update;     /* first: cast back from it */
	struct record_key key;
	UT_hash_handle hh;
};

struct probe {
	bool active, asked;       /* asked: the direct probe failed, others were asked */
	struct id target;
	uint32_t number;
	uint64_t ask_at, end_at;
	uint8_t helpers, nacks;
};

struct relay {
	bool active;
	uint32_t number;          /* of our ping */
	uint32_t origin_number;
	struct sockname origin;
	uint64_t deadline;
};

struct ask {                      /* one gossip_call */
	struct buf request;
	void (*done)(void *arg, int error, struct cursor reply);
	void *arg;
};

struct call {
	uint64_t id;              /* 0: this slot is free */
	enum wire_call type;
	struct id peer;
	struct sockname to;
	uint8_t nonce[SEAL_NONCE_LEN];
	uint64_t deadline;
	int late;                 /* what it ends with at the deadline */
	uint32_t number;          /* WIRE_CALL_PING: of which probe */
	struct record_key fetch;  /* WIRE_CALL_EXCHANGE: of one record; length 0 in a sync */
	struct ask *ask;
};

struct ticket {
	struct id holder;
	uint64_t value;           /* 0: used up */
};

struct keys {
	struct record_key *key;   /* owned */
	size_t count, cap, at;    /* those before at are done */
};

struct sync {
	bool active, more, push_members, fetched;
	uint64_t call;
	struct id peer;
	struct sockname to;
	uint16_t bucket;          /* where the page asked for begins */
	struct record_key after;
	struct keys want, push;
};

struct output {
	struct output *next;
	struct gossip_output o;   /* o.data is bytes.data */
	struct buf bytes;
};

struct gossip {
	struct store *store;
	struct gossip_timing timing;
	int (*on_call)(void *ctx, const struct id *from, struct cursor request, struct buf *reply);
	void *ctx;
	struct rng rng;
	struct keyring ring_keys;
	struct gossip_counters count;
	uint64_t now, wall;       /* of the gossip_* call being served */
	bool left, synced;

	/* member.c */
	struct peer self;
	struct peer **peer;       /* sorted by id */
	struct peer **ring;       /* the same, in the order they are probed */
	size_t peer_count, peer_cap, ring_at;
	size_t live_count;        /* alive or suspect */
	struct member *flat;      /* gossip_members; rebuilt when flat_stale */
	bool flat_stale;
	/* suspect.c */
	struct peer *suspects;
	/* probe.c */
	struct probe probe;
	struct relay relay[RELAYS_MAX];
	uint32_t last_number;
	uint8_t health;           /* Lifeguard's local health: 0 is well */
	uint64_t next_probe, next_reconnect;
	struct sockname seed[SEEDS_MAX];
	size_t seed_count;
	/* update.c */
	struct update *queue[UPDATE_QUEUES][UPDATE_LEVELS];
	size_t queued;
	struct record_update *records;
	uint32_t burst;           /* datagrams to one member at one time: none repeats an update */
	uint64_t next_gossip;
	/* sync.c */
	struct sync sync;
	uint64_t next_sync;
	struct id sync_with;      /* whom to ask next; zero: anyone */
	/* call.c */
	struct call call[CALLS_MAX];
	uint64_t last_call;
	struct ticket ticket[TICKETS_MAX];
	size_t next_ticket;
	/* gossip.c */
	struct output *out, **out_tail, *out_current;
	size_t out_count;
	struct buf plain;         /* of what is being read */
};

/* ---- gossip.c: out ---- */
/* A datagram begins with the claim of self; datagram_send adds updates, seals and queues it. */
void datagram_begin(struct gossip *g, struct buf *b);
void datagram_send(struct gossip *g, const struct sockname *to, struct buf *b);
/* The same without beginning a new burst. True: there were more updates than fitted. */
bool datagram_send_more(struct gossip *g, const struct sockname *to, struct buf *b);
void output_call(struct gossip *g, const struct sockname *to, uint64_t call, struct buf *sealed);
/* Reads the envelope and counts a refusal. 0 or a negative errno. */
int engine_open(struct gossip *g, enum seal_channel channel, const uint8_t *bind, const void *data,
		size_t len, uint8_t *ret_nonce);
/* The sender's claim of itself. 0, or -EBADMSG: this sender is not listened to (counted). */
int engine_hear_sender(struct gossip *g, struct cursor *c, struct claim *ret_sender);

/* ---- member.c, members.c ---- */
struct claim peer_claim(const struct peer *p);
struct peer *peer_find(const struct gossip *g, const struct id *id);
void peer_set_status(struct gossip *g, struct peer *p, enum member_status status);
void peer_tell(struct gossip *g, struct peer *p); /* queues its state as an update */
void member_hear(struct gossip *g, const struct claim *c); /* second-hand, or of self */
void member_hear_sender(struct gossip *g, const struct claim *c); /* first-hand */
bool member_is_removed(const struct gossip *g, const struct id *id);
/* A NODE record is new here: its node becomes, follows or ceases to be a member. */
void member_follow_record(struct gossip *g, const struct record_key *key);
void member_forget(struct gossip *g, struct peer *p); /* out of every table, and freed */
int members_load(struct gossip *g); /* from the store's NODE records */
void members_free(struct gossip *g);
uint64_t members_hash(const struct gossip *g); /* equal tables have equal hashes */
void members_put(const struct gossip *g, struct buf *b); /* u32 count, claims; self included */
void members_get(struct gossip *g, struct cursor *c);    /* and hears them all */
static inline bool member_is_live(enum member_status s)
{
	return s == MEMBER_ALIVE || s == MEMBER_SUSPECT;
}
/* Up to max different random members for which fits() holds. Returns how many. */
size_t members_random(struct gossip *g, bool (*fits)(const struct gossip *, const struct peer *),
		      const struct peer *except, struct peer **ret_peers, size_t max);
bool peer_is_live(const struct gossip *g, const struct peer *p); /* a fits() */

/* ---- suspect.c ---- */
void suspect_begin(struct gossip *g, struct peer *p);
void suspect_end(struct gossip *g, struct peer *p);
void suspect_confirm(struct gossip *g, struct peer *p, const struct id *accuser);
void suspect_tick(struct gossip *g);
uint64_t suspect_deadline(const struct gossip *g);
unsigned int log10_milli(size_t n); /* 1000 * log10(n), rounded down */

/* ---- probe.c ---- */
void probe_tick(struct gossip *g);
uint64_t probe_deadline(const struct gossip *g);
void probe_on_ping(struct gossip *g, const struct claim *sender, const struct sockname *from,
		   uint32_t number, const struct id *target);
void probe_on_ping_req(struct gossip *g, const struct sockname *from,
		       const struct wire_message *m);
void probe_on_ack(struct gossip *g, const struct id *from, uint32_t number);
void probe_on_nack(struct gossip *g, uint32_t number);
void probe_seed(struct gossip *g, const struct sockname *to);
void probe_health(struct gossip *g, int change);
void probe_forget(struct gossip *g, const struct id *id); /* it is no member any more */

/* ---- update.c ---- */
void update_queue(struct gossip *g, struct update *u, enum update_queue queue);
void update_cancel(struct gossip *g, struct update *u);
void update_queue_record(struct gossip *g, const struct record_key *key);
void update_drop_record(struct gossip *g, const struct record_key *key);
void update_take_announced(struct gossip *g); /* what the store has committed since */
/* Up to DATAGRAM_PLAIN_MAX, what this burst did not carry yet. True: there was more. */
bool update_fill(struct gossip *g, struct buf *b);
/* Tells one member as much as so many datagrams hold; one at least. */
void update_burst(struct gossip *g, const struct peer *to, int datagrams);
void update_tick(struct gossip *g);
uint64_t update_deadline(const struct gossip *g);
void update_free(struct gossip *g);

/* ---- record.c ---- */
void record_hear(struct gossip *g, const struct record *r);
void record_hear_version(struct gossip *g, const struct claim *sender, const struct version *v);
/* Records until the end; false at what is none (counted). */
bool records_hear(struct gossip *g, struct cursor *c);
struct version version_of(const struct record *r);

/* ---- sync.c, digest.c ---- */
void sync_tick(struct gossip *g);
uint64_t sync_deadline(const struct gossip *g);
void sync_soon(struct gossip *g, const struct id *with);
void sync_on_reply(struct gossip *g, const struct call *call, int error, struct cursor reply);
void sync_answer_digest(struct gossip *g, struct cursor *request, struct buf *reply);
void sync_answer_exchange(struct gossip *g, struct cursor *request, struct buf *reply);
void sync_free(struct gossip *g);

/* ---- call.c ---- */
/* A free slot with a new id and the usual deadline, or NULL when all are taken. */
struct call *call_begin(struct gossip *g, enum wire_call type, const struct id *peer,
			const struct sockname *to);
/* Seals and sends it; body may be NULL. A call that cannot be sealed ends at its deadline. */
void call_send(struct gossip *g, struct call *c, const struct buf *body);
void call_tick(struct gossip *g);
uint64_t call_deadline(const struct gossip *g);
void call_free(struct gossip *g);

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
