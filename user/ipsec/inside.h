/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine is made of, one section a file. Private to ipsec/ and its tests. */
#pragma once

#include "ipsec/ipsec.h"

#define MASTER_LEN 32                    /* crypto_kdf_KEYBYTES */
#define ALL_LANES ((1u << OV_SA_LANES) - 1)
#define USED_MAX 65536                   /* sessions of one key; then a fresh one is made */

static inline uint32_t spi_base(uint32_t spi)
{
	return spi & ~OV_SPI_LANE_MASK;
}

/* Inbound SAs that B can no longer turn to, and since when. */
struct drain {
	uint32_t spi;
	uint64_t since_ms;
};

struct peer {
	struct id id;
	struct ov_addr addr;
	uint64_t session;             /* the newest; 0: its key is not known */
	uint8_t master[MASTER_LEN];   /* of that session; wiped once all its keys were had */
	uint32_t spi_in, spi_out;     /* of its SAs; 0: not chosen, not heard of */
	uint8_t had_in, had_out;      /* a bit a lane: the key was handed out */
	size_t drain_count;
	struct drain drain[IPSEC_SESSIONS_MAX];
};

struct ipsec {
	struct id self;
	uint64_t generation;
	struct rng *rng;
	struct ov_addr vtep;
	bool has_key;
	struct node_key key;
	uint8_t private_key[PUBLIC_KEY_LEN];
	uint64_t made_at;             /* the key, by the clock of ipsec_step */
	bool wants_fresh;             /* something was lost, or would be installed twice */
	size_t count;
	struct peer *peer;            /* sorted by id */
	size_t used_count, used_cap;
	uint64_t *used;               /* all sessions that there were with this key */
};

/* ---- derive.c ---- */
/* What of the cluster's secret goes into sessions. */
struct session_secrets {
	uint8_t tag[MASTER_LEN], master[MASTER_LEN];
};
void session_secrets_init(struct session_secrets *s, const uint8_t token_secret[TOKEN_SECRET_LEN]);
void session_secrets_fini(struct session_secrets *s);
/* The same whichever of the two comes first; never 0. */
uint64_t session_tag(const struct session_secrets *s, const struct node_key *a,
		     const struct node_key *b);
/* 0, or -EINVAL when the peer's key is none of a well-behaved node. */
int session_master(const struct session_secrets *s, const uint8_t private_key[PUBLIC_KEY_LEN],
		   const struct node_key *own, const struct node_key *peer,
		   uint8_t ret_master[MASTER_LEN]);
void sa_key(const uint8_t master[MASTER_LEN], const struct id *from, const struct id *to,
	    unsigned int lane, uint8_t ret_key[SA_KEY_LEN]);

/* ---- key.c ---- */
void key_make(struct ipsec *s, uint64_t epoch, uint64_t now_ms);
void key_wipe(struct ipsec *s);
void session_wipe(struct peer *p);

/* ---- peers.c ---- */
/* Room for all that the view can bring; nothing else of the engine allocates. 0 or -ENOMEM. */
int peers_update(struct ipsec *s, const struct view *v);
/* The newest session of each. */
void peers_adopt(struct ipsec *s, const struct view *v);
void peers_wipe(struct ipsec *s);

/* ---- seen.c ---- */
/* The SAs of one SPI but for the lane: of one session and direction. */
struct group {
	struct ov_addr peer;
	bool is_out;
	uint32_t spi;                 /* lane 0's */
	uint8_t lanes;                /* a bit each that is there */
	uint64_t packets, most;       /* of all lanes; of the one with the most */
	uint64_t replayed, failed;
	bool by_nic;                  /* all lanes are */
};

/* The facts by peer. */
struct seen {
	size_t count;
	struct group *group;          /* sorted by peer, is_out, spi */
};
int seen_init(struct seen *seen, const struct ipsec_facts *f);
void seen_fini(struct seen *seen);
const struct group *seen_of(const struct seen *seen, const struct ov_addr *peer, bool is_out,
			    size_t *ret_count);
/* NULL when there is none. */
const struct group *seen_find(const struct seen *seen, const struct ov_addr *peer, bool is_out,
			      uint32_t spi);
/* Whether all lanes are there; of SPI 0 none are. */
bool seen_all(const struct seen *seen, const struct ov_addr *peer, bool is_out, uint32_t spi);
bool seen_spi_in(const struct seen *seen, uint32_t spi); /* whichever peer's */

/* What each lane's policy sends with. */
struct sending {
	uint32_t lane[OV_SA_LANES];   /* lane 0's SPI of it; 0: there is none */
	bool is_mixed;                /* lanes differ; else lane[0] tells all */
};
void sending_read(struct sending *s, const struct ipsec_facts *f, const struct ov_addr *peer);
bool sending_with(const struct sending *s, uint32_t spi);

/* ---- rules.c ---- */
/* What the rules look at, and what they say. */
struct turn {
	struct ipsec *s;
	const struct view *v;
	const struct ipsec_facts *f;
	const struct seen *seen;
	uint64_t now;
	struct ipsec_want *w;
};
void rules_apply(struct turn *t, struct peer *p);

/* ---- pairs.c ---- */
/* Own PAIRS records that are to be written. w->pairs has room for all chunks. */
void pairs_tell(struct turn *t);
