/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of encrypted networks: which security associations this node should have with
 * each other node, derived from public keys that records carry, and when to move from
 * one to the next. Sans-I/O: no clock, no sockets, no system randomness (an rng is
 * handed in; the agent seeds it from the system's).
 *
 * No secret is ever replicated. A node publishes one X25519 public key (RFC 7748), its
 * newest, in its own KEY record, which it signs (model/identity.h), and makes a fresh one
 *   - when the cluster's epoch (EPOCH record) is another than that of its key,
 *   - at each start: private keys live in memory only,
 *   - when an SA sent too much,
 *   - when an SA whose key was handed out is not in the kernel (a flush by hand, a failure): an
 *     SA is never installed twice, since its counter would begin anew under the same key,
 *   - when a session of this key would come back, for the same reason.
 * The former private key is wiped at that moment. SAs made with it go on in the kernel.
 *
 * A *session* of two nodes A, B is one key of each. Its tag, the same at both ends, is
 * a keyed hash of both nodes' ids, public keys, generations and epochs under the cluster's
 * secret; its keys are derived from X25519(a, B) = X25519(b, A) and the same things, one a
 * direction and lane. A node knows two sessions of a pair by name: the newest, of the
 * newest keys that it has heard of, and those older ones whose SAs the kernel still has.
 *
 * What each end says of a pair, in its PAIRS records (owner-written):
 *   session   the newest it knows. Having said that, it never begins to send with an older one
 *   spi_in    the inbound SAs of that session are in its kernel: facts, not plans
 *   spi_out   with that SPI (lane 0's) it sends now; 0: it does not send
 * These three are of one instant. While lanes differ in what they send with (a change failed
 * halfway), what was said last stays.
 *
 * The rules, for A towards B:
 *   1. Inbound SAs of the newest session are installed as soon as B's key is known and both keys
 *      are of one epoch, if those of fewer than IPSEC_SESSIONS_MAX sessions with B are in the
 *      kernel. A chooses their SPI, random and unused. (A key of another epoch is replaced once
 *      its node hears of the epoch, so its sessions would only take room from lasting ones.)
 *   2. A says at once which session is its newest, and once its SAs are seen in the kernel,
 *      their SPI.
 *   3. A begins to send with its newest session when B says that it is B's newest too, and what
 *      SPI its inbound SAs have. Until then A goes on with what it sends with; with nothing, if
 *      nothing: packets are dropped (fail closed).
 *      Order: outbound SAs; once they are seen, the policies' SPI; once that is seen, the old
 *      outbound SAs go.
 *   4. A removes inbound SAs that are not the newest session's when B says that
 *      A's newest is B's newest too (so B will never begin with an older one) and B.spi_out is
 *      not theirs, and that has been so for IPSEC_DRAIN_MS (what is under way has arrived).
 *   5. A node that is gone (its record is a tombstone) loses everything at once.
 * So at every instant what A sends with is installed at B, whatever is lost, delayed or
 * restarted: sessions only ever get newer at both ends, A begins with N only while N is its
 * newest, and B removes X only once A has said that something newer than X is its newest and
 * something else than X is what it sends with. tests/sim/test_keys.c tries that.
 *
 * Without the bound in rule 1 a node that rotates while another is away would gather SAs for
 * ever; and because of it the newest session is told before its SAs are there: two nodes that
 * both reached the bound let go of the old ones first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "ipsec/sa.h"
#include "model/key_row.h"
#include "model/view.h"

#define IPSEC_SESSIONS_MAX 3                 /* with inbound SAs of one peer */
#define IPSEC_DRAIN_MS 10000
#define IPSEC_EPOCH_MS (12u * 3600 * 1000)   /* as Docker rotates */
#define IPSEC_EPOCH_TURN_MS (5u * 60 * 1000) /* how long each node leaves the next epoch to the one before it */
#define IPSEC_PACKETS_MAX (1ull << 32)       /* of one SA; then the node makes a fresh key */
#define IPSEC_RETRY_MS 10000                 /* between fresh keys for SAs that were lost */

struct ipsec_want {
	size_t sa_count, policy_count;
	struct sa *sa;                   /* sorted by dst, spi; of both directions */
	struct ipsec_policy *policy;     /* sorted by dst */
	/* Own records that should be written, because what they say is not so any more. */
	bool write_key;
	struct node_key key;             /* made_ms is the writer's to fill */
	size_t pairs_count;
	struct pairs_whole *pairs;       /* only those that changed */
	uint64_t next_ms;                /* when to ask again though nothing happens; UINT64_MAX: never */
};

struct ipsec;

/* generation: greater with each start of this node (the store's). 0 or -ENOMEM. */
int ipsec_new(const struct id *self, uint64_t generation, struct rng *rng, struct ipsec **ret_ipsec);
void ipsec_free(struct ipsec *s); /* wipes; NULL is fine */

/*
 * What should be, now, by facts that were read after all that was wanted before had been tried.
 * While no network is encrypted nothing is wanted, and all that is there is removed (rule 4
 * does not matter then). 0 or -ENOMEM, and then nothing changes.
 */
int ipsec_step(struct ipsec *s, const struct view *v, const struct ipsec_facts *f, uint64_t now_ms,
	       struct ipsec_want *ret_want);
void ipsec_want_fini(struct ipsec_want *w);

/*
 * The key of an SA that ipsec_step wants and that was never handed out. -ENOENT: there is
 * none, or it was had already. The caller wipes it.
 */
int ipsec_take_key(struct ipsec *s, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN]);

/*
 * When this node is to begin the next epoch, by the clock of ipsec_step: once its key has had
 * its time. The living node with the lowest id is the first; each other one leaves it some
 * minutes more, so that one does it. UINT64_MAX: never, there is no key.
 */
uint64_t ipsec_epoch_due_ms(const struct ipsec *s, const struct view *v, const struct id_set *away);

/* For people, of each peer, sorted by id. The caller frees *ret_rows. 0 or -ENOMEM. */
int ipsec_report(const struct ipsec *s, const struct view *v, const struct ipsec_facts *f,
		 struct key_row **ret_rows, size_t *ret_count);
