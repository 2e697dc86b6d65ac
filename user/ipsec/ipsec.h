/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of encrypted networks: which security associations this node should have with
 * each other node, derived from public keys that records carry, and when to move from
 * one to the next. Sans-I/O: no clock, no sockets, no system randomness (an rng is
 * handed in; the agent seeds it from the system's).
 *
 * No secret is ever replicated. A node publishes one X25519 public key (RFC 7748), its
 * newest, in its own KEY record, and makes a fresh one
 *   - when the cluster's epoch (struct cluster) is greater than that of its key,
 *   - at each start: private keys live in memory only,
 *   - when the kernel lost an SA that was installed (a flush by hand): an SA is never
 *     installed twice, since its counter would begin anew under the same key.
 * The former private key is wiped at that moment. SAs made with it go on in the kernel.
 *
 * A *session* of two nodes A, B is one key of each. Its tag, the same at both ends, is
 * a keyed hash of both nodes' ids, public keys, generations and epochs under the cluster's
 * secret; its keys are derived from X25519(a, B), X25519(b, A) and the same things, one a
 * direction and lane. A node knows two sessions of a pair by name: the newest, of the
 * newest keys that it has heard of, and those older ones whose SAs the kernel still has.
 *
 * What each end says of a pair, in its PAIRS records (owner-written):
 *   session_in, spi_in   inbound SAs of that session are in the kernel: facts, not plans
 *   spi_out              with that SPI (lane 0's) it sends now; 0: it does not send
 *
 * The rules, for A towards B:
 *   1. Inbound SAs of the newest session are installed as soon as B's key is known.
 *      A chooses their SPI, random and unused.
 *   2. Once they are seen in the kernel, A says so (session_in, spi_in).
 *   3. A sends with a session only when B says that it has its inbound SAs (B.session_in
 *      is A's newest session) and B.spi_in names them. Until then A goes on with what it
 *      sends with; with nothing, if nothing: packets are dropped (fail closed).
 *      Order: outbound SAs, then the policies' SPI, then the old outbound SAs go.
 *   4. A removes inbound SAs that are not the newest session's when B says
 *      B.session_in == the newest session (so B knows A's newest key, and will never turn
 *      to an older one) and B.spi_out is not theirs, and that has been so for
 *      IPSEC_DRAIN_MS (what is under way has arrived).
 *   5. A node that is gone (its record is a tombstone) loses everything at once.
 * So at every instant what A sends with is installed at B, whatever is lost, delayed or
 * restarted; tests/sim/test_keys.c tries that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "ipsec/sa.h"
#include "model/view.h"

#define IPSEC_DRAIN_MS 10000
#define IPSEC_EPOCH_MS (12u * 3600 * 1000)   /* as Docker rotates */
#define IPSEC_PACKETS_MAX (1ull << 32)       /* of one SA; then the node makes a fresh key */

struct ipsec_want {
	size_t sa_count, policy_count;
	struct sa *sa;                   /* sorted by dst, spi; of both directions */
	struct ipsec_policy *policy;     /* sorted by dst */
	/* Own records that should be written, because what they say is not so any more. */
	bool write_key;
	struct node_key key;
	size_t pairs_count;
	struct pairs *pairs;             /* only those that changed */
	uint64_t next_ms;                /* when to ask again though nothing happens; UINT64_MAX: never */
};

struct ipsec;

/* generation: greater with each start of this node (the store's). 0 or -ENOMEM. */
int ipsec_new(const struct id *self, uint64_t generation, struct rng *rng, struct ipsec **ret_ipsec);
void ipsec_free(struct ipsec *s); /* wipes */

/*
 * What should be, now. While no network is encrypted nothing is wanted, and all that is
 * there is removed (rule 4 does not matter then). 0 or -ENOMEM, and then nothing changes.
 */
int ipsec_step(struct ipsec *s, const struct view *v, const struct ipsec_facts *f, uint64_t now_ms,
	       struct ipsec_want *ret_want);
void ipsec_want_fini(struct ipsec_want *w);

/*
 * The key of an SA that ipsec_step wants and that was never handed out. -ENOENT: there is
 * none, or it was had already. The caller wipes it.
 */
int ipsec_take_key(struct ipsec *s, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN]);
