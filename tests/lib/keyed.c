/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define STEP_MS 20    /* virtual time between two looks at the nodes */
#define TICK_MS 1000
#define ROUNDS_MAX 6

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "keyed: %s\n", what);
	abort();
}

static struct keyed_node *node_at(struct keyed *k, const struct ov_addr *addr)
{
	for (size_t i = 0; i < cluster_size(k->c); i++)
		if (!addr_cmp(&k->node[i].xfrm.vtep, addr))
			return &k->node[i];
	return NULL;
}

bool keyed_is_up(const struct keyed *k, size_t i)
{
	return k->node[i].engine;
}

/* Clocks of engines have nothing to do with each other. */
static uint64_t now_of(const struct keyed_node *n)
{
	return cluster_now(n->k->c) + 1000003 * n->index;
}

/* ---- judging ---- */

static void blame(struct keyed *k, const char *what)
{
	if (k->broken)
		return;
	k->broken = what;
	k->broken_at = cluster_now(k->c);
}

static bool was_lost(const struct keyed_node *n, uint32_t spi)
{
	for (size_t i = 0; i < n->lost_count; i++)
		if (n->lost[i] == spi)
			return true;
	return false;
}

/* What a sends with to b. */
static void judge_policy(struct keyed *k, struct keyed_node *a, const struct fact_policy *p)
{
	struct keyed_node *b = node_at(k, &p->dst);
	struct fake_sa *out, *in;

	must(b, "a policy towards nobody");
	if (was_lost(b, p->spi))
		return;
	out = fake_xfrm_find(&a->xfrm, &a->xfrm.vtep, &p->dst, p->spi);
	in = fake_xfrm_find(&b->xfrm, &a->xfrm.vtep, &p->dst, p->spi);
	if (!out)
		blame(k, "a policy names an SA that its own kernel has not");
	else if (!in)
		blame(k, "a node sends with an SA that the other has not");
	else if (memcmp(in->key, out->key, SA_KEY_LEN))
		blame(k, "the two ends have different keys");
}

static void judge_policies(struct keyed *k, struct keyed_node *a, const struct ov_addr *dst)
{
	for (size_t i = 0; i < a->xfrm.policy_count; i++)
		if (!dst || !addr_cmp(&a->xfrm.policy[i].dst, dst))
			judge_policy(k, a, &a->xfrm.policy[i]);
}

static void judge_all(struct keyed *k)
{
	for (size_t i = 0; i < cluster_size(k->c); i++)
		judge_policies(k, &k->node[i], NULL);
}

static void judge_key(struct keyed *k, const uint8_t key[SA_KEY_LEN])
{
	for (size_t i = 0; i < k->key_count; i++)
		if (!memcmp(k->key[i], key, SA_KEY_LEN))
			blame(k, "a key was installed for sending a second time");
	if (k->key_count == k->key_cap) {
		k->key_cap = 2 * k->key_cap + 64;
		k->key = realloc(k->key, k->key_cap * sizeof(*k->key));
		must(k->key, "out of memory");
	}
	memcpy(k->key[k->key_count++], key, SA_KEY_LEN);
}

static size_t sessions_with(const struct keyed_node *n, const struct ov_addr *peer, bool is_out)
{
	uint32_t spi[FAKE_SAS_MAX];
	size_t count = 0, at;

	for (size_t i = 0; i < n->xfrm.sa_count; i++) {
		const struct sa *sa = &n->xfrm.sa[i].fact.sa;

		if (addr_cmp(is_out ? &sa->dst : &sa->src, peer))
			continue;
		for (at = 0; at < count && spi[at] != (sa->spi & ~OV_SPI_LANE_MASK); at++)
			;
		if (at == count)
			spi[count++] = sa->spi & ~OV_SPI_LANE_MASK;
	}
	return count;
}

static void judge_count(struct keyed *k, struct keyed_node *n, const struct ov_addr *peer,
			bool is_out)
{
	size_t count = sessions_with(n, peer, is_out), *most = is_out ? &k->most_out : &k->most_in;

	*most = count > *most ? count : *most;
	if (count > IPSEC_SESSIONS_MAX)
		blame(k, "a node gathers SAs");
}

static void judge_new(struct keyed_node *n, const struct sa *sa)
{
	bool is_out = !addr_cmp(&sa->src, &n->xfrm.vtep);
	struct fake_sa *f = fake_xfrm_find(&n->xfrm, &sa->src, &sa->dst, sa->spi);

	if (is_out)
		judge_key(n->k, f->key);
	judge_count(n->k, n, is_out ? &sa->dst : &sa->src, is_out);
}

static bool on_change(void *arg, enum fake_change what, const struct sa *sa)
{
	struct keyed_node *n = arg;
	bool is_out = !addr_cmp(&sa->src, &n->xfrm.vtep);

	if (what == FAKE_SA_NEW)
		judge_new(n, sa);
	else if (is_out)
		judge_policies(n->k, n, &sa->dst);
	else if (node_at(n->k, &sa->src))
		judge_policies(n->k, node_at(n->k, &sa->src), &sa->dst);
	return n->budget < 0 || n->budget-- > 0;
}

/* ---- a node's turn, as the agent does it ---- */

static void write_record(struct keyed_node *n, const struct record_key *key, const struct buf *body)
{
	struct sim_node *sn = cluster_node(n->k->c, n->index);
	struct err e = { 0 };

	must(!store_write(sn->store, key, body, false, cluster_wall(n->k->c, n->index), &e), e.text);
}

static void write_own(struct keyed_node *n, const struct ipsec_want *w)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_KEY, &w->key.node);

	if (w->write_key) {
		node_key_encode(&body, &w->key);
		write_record(n, &key, &body);
	}
	for (size_t i = 0; i < w->pairs_count; i++) {
		buf_reset(&body);
		key = key_of_pairs(&w->pairs[i].p.node, w->pairs[i].p.chunk);
		pairs_encode(&body, &w->pairs[i].p, &w->pairs[i].d);
		write_record(n, &key, &body);
	}
}

/* Changes made, or -EINTR. */
static int one_round(struct keyed_node *n, struct ipsec_want *w)
{
	const struct view *v = store_view(cluster_node(n->k->c, n->index)->store);
	struct ipsec_facts f = fake_xfrm_facts(&n->xfrm);

	must(!ipsec_step(n->engine, v, &f, now_of(n), w), "out of memory");
	return fake_xfrm_apply(&n->xfrm, n->engine, w, on_change, n);
}

static void take_turn(struct keyed_node *n)
{
	struct ipsec_want w = { 0 };
	int changes = 1;

	for (int round = 0; round < ROUNDS_MAX && changes > 0; round++) {
		ipsec_want_fini(&w);
		changes = one_round(n, &w);
	}
	if (changes < 0) {
		n->budget = -1;
		keyed_kill(n->k, n->index);
	} else {
		write_own(n, &w);
		n->next = w.next_ms < now_of(n) + TICK_MS ? w.next_ms : now_of(n) + TICK_MS;
		cluster_settle(n->k->c, n->index);
		n->seen_serial = store_serial(cluster_node(n->k->c, n->index)->store);
	}
	ipsec_want_fini(&w);
}

static void look_at(struct keyed_node *n)
{
	if (n->engine && (now_of(n) >= n->next ||
			  store_serial(cluster_node(n->k->c, n->index)->store) != n->seen_serial))
		take_turn(n);
}

void keyed_run(struct keyed *k, uint64_t ms)
{
	uint64_t end = cluster_now(k->c) + ms;

	while (cluster_now(k->c) < end) {
		cluster_run(k->c, STEP_MS);
		for (size_t i = 0; i < cluster_size(k->c); i++)
			look_at(&k->node[i]);
		if (cluster_now(k->c) % TICK_MS < STEP_MS)
			judge_all(k);
	}
}

bool keyed_wait(struct keyed *k, bool (*holds)(struct keyed *k), uint64_t ms)
{
	uint64_t end = cluster_now(k->c) + ms;

	while (!holds(k)) {
		if (cluster_now(k->c) >= end)
			return false;
		keyed_run(k, 200);
	}
	return true;
}

/* ---- verbs ---- */

static void start_engine(struct keyed_node *n)
{
	struct sim_node *sn = cluster_node(n->k->c, n->index);

	must(!ipsec_new(&sn->id, ++n->generation, &sn->rng, &n->engine), "out of memory");
	n->next = 0;
}

void keyed_kill(struct keyed *k, size_t i)
{
	ipsec_free(k->node[i].engine);
	k->node[i].engine = NULL;
	cluster_crash(k->c, i);
}

void keyed_start(struct keyed *k, size_t i)
{
	cluster_restart(k->c, i, true);
	start_engine(&k->node[i]);
}

void keyed_reboot(struct keyed *k, size_t i)
{
	if (k->node[i].engine)
		keyed_kill(k, i);
	keyed_flush(k, i);
	keyed_start(k, i);
}

void keyed_flush(struct keyed *k, size_t i)
{
	struct keyed_node *n = &k->node[i];

	for (size_t at = 0; at < n->xfrm.sa_count; at++) {
		if (addr_cmp(&n->xfrm.sa[at].fact.sa.dst, &n->xfrm.vtep))
			continue;
		must(n->lost_count < KEYED_LOST_MAX, "too many reboots for one test");
		n->lost[n->lost_count++] = n->xfrm.sa[at].fact.sa.spi;
	}
	fake_xfrm_flush(&n->xfrm);
}

void keyed_rotate(struct keyed *k, size_t i)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct store *s = cluster_node(k->c, i)->store;
	struct record_key key = key_of_id(RECORD_EPOCH, &(struct id){ 0 });
	struct epoch e = { store_view(s)->epoch.number + 1, cluster_wall(k->c, i) };

	epoch_encode(&body, &e);
	write_record(&k->node[i], &key, &body);
	cluster_settle(k->c, i);
}

void keyed_new_token(struct keyed *k, size_t i)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_CLUSTER, &(struct id){ 0 });
	struct cluster c = { .id = { { 1 } } };

	rng_bytes(&k->rng, c.token_secret, sizeof(c.token_secret));
	cluster_encode(&body, &c);
	write_record(&k->node[i], &key, &body);
	cluster_settle(k->c, i);
}

void keyed_set_encrypted(struct keyed *k, size_t i, bool encrypted)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct network net = { .id = { { 0xee } }, .name = "secret", .vni = VNI_AUTO_MIN,
			       .encrypted = encrypted };
	struct record_key key = key_of_id(RECORD_NETWORK, &net.id);

	network_encode(&body, &net);
	write_record(&k->node[i], &key, &body);
	cluster_settle(k->c, i);
}

struct keyed *keyed_new(size_t n, uint64_t seed)
{
	struct keyed *k = calloc(1, sizeof(*k));

	must(k && n <= KEYED_MAX, "too many nodes");
	rng_init_u64(&k->rng, seed);
	k->c = cluster_new(n, seed);
	for (size_t i = 0; i < n; i++) {
		k->node[i] = (struct keyed_node){ .k = k, .index = i, .budget = -1 };
		rng_init_u64(&k->node[i].xfrm.rng, rng_u64(&k->rng));
		k->node[i].xfrm.vtep = cluster_node(k->c, i)->addr.addr;
		start_engine(&k->node[i]);
	}
	keyed_new_token(k, 0);
	keyed_set_encrypted(k, 0, true);
	return k;
}

void keyed_free(struct keyed *k)
{
	for (size_t i = 0; i < cluster_size(k->c); i++)
		ipsec_free(k->node[i].engine);
	cluster_free(k->c);
	free(k->key);
	free(k);
}

/* ---- predicates ---- */

/* Towards those that are up, or else whatever is there. */
static bool row_is_settled(struct keyed_node *n, const struct key_row *r)
{
	for (size_t i = 0; i < cluster_size(n->k->c); i++) {
		struct keyed_node *peer = &n->k->node[i];

		if (!id_equal(&cluster_node(n->k->c, i)->id, &r->peer) || !peer->engine)
			continue;
		return r->in_ready && r->out_ready && r->sessions == 1 &&
		       sessions_with(n, &peer->xfrm.vtep, true) == 1 &&
		       r->peer_epoch == r->epoch;
	}
	return true;
}

static bool node_is_settled(struct keyed_node *n)
{
	const struct view *v = store_view(cluster_node(n->k->c, n->index)->store);
	struct ipsec_facts f = fake_xfrm_facts(&n->xfrm);
	_cleanup_(freep) struct key_row *row = NULL;
	size_t count;

	must(!ipsec_report(n->engine, v, &f, &row, &count), "out of memory");
	for (size_t i = 0; i < count; i++)
		if (!row_is_settled(n, &row[i]))
			return false;
	return count + 1 == cluster_size(n->k->c);
}

bool keyed_is_settled(struct keyed *k)
{
	for (size_t i = 0; i < cluster_size(k->c); i++)
		if (k->node[i].engine && !node_is_settled(&k->node[i]))
			return false;
	return true;
}

bool keyed_is_rotated(struct keyed *k)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < cluster_size(k->c); i++) {
		uint64_t number = store_view(cluster_node(k->c, i)->store)->epoch.number;

		newest = number > newest ? number : newest;
	}
	for (size_t i = 0; i < cluster_size(k->c); i++) {
		const struct sim_node *sn = cluster_node(k->c, i);
		const struct node_key *key = view_key_of(store_view(sn->store), &sn->id);

		if (k->node[i].engine && (!key || key->epoch != newest))
			return false;
	}
	return keyed_is_settled(k);
}

bool keyed_is_bare(struct keyed *k)
{
	for (size_t i = 0; i < cluster_size(k->c); i++)
		if (k->node[i].xfrm.sa_count || k->node[i].xfrm.policy_count)
			return false;
	return true;
}
