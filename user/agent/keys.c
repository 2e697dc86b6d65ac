/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

#define PROBE_MS 60000 /* a module may be loaded, a setting changed */

static int take_key(void *arg, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN])
{
	struct agent *a = arg;

	return ipsec_take_key(a->keys.engine, sa, ret_key);
}

/* The engine's randomness is a stream of its own: what others drew tells nothing of keys. */
int agent_keys_init(struct agent *a, struct err *e)
{
	struct keys_state *k = &a->keys;
	int r;

	rng_init_system(&k->rng);
	k->next_at = UINT64_MAX;
	r = ipsec_new(store_self(a->store), store_generation(a->store), &k->rng, &k->engine);
	if (r < 0)
		return err_set(e, r, "cannot start: %s", strerror(-r));
	kernel_take_keys(a->kernel, take_key, a);
	return 0;
}

void agent_keys_fini(struct agent *a)
{
	struct keys_state *k = &a->keys;

	ipsec_free(k->engine);
	ipsec_want_fini(&k->want);
	free(k->sa);
	free(k->policy);
	sodium_memzero(k, sizeof(*k));
}

/* Says so once when it changes. */
static void probe(struct agent *a)
{
	struct keys_state *k = &a->keys;
	struct err why = { 0 };
	uint64_t now = loop_now_ms(a->loop);

	if (now < k->probe_at)
		return;
	k->probe_at = now + PROBE_MS;
	k->is_able = agent_can_encrypt(a, &why) >= 0;
	if (!k->is_able && strcmp(why.text, k->why.text))
		log_error("encrypted networks carry nothing on this node: %s", why.text);
	if (k->is_able && k->why.code)
		log_info("encrypted networks can be had on this node now");
	k->why = why;
}

static void take_facts(struct keys_state *k, struct fact_sa *sa, size_t sa_count,
		       struct fact_policy *policy, size_t policy_count)
{
	free(k->sa);
	free(k->policy);
	k->sa = sa;
	k->policy = policy;
	k->facts.sa = sa;
	k->facts.sa_count = sa_count;
	k->facts.policy = policy;
	k->facts.policy_count = policy_count;
}

static int read_kernel(struct agent *a, struct err *e)
{
	_cleanup_(freep) struct fact_sa *sa = NULL;
	_cleanup_(freep) struct fact_policy *policy = NULL;
	size_t sa_count, policy_count;
	int r = kernel_read_sas(a->kernel, &sa, &sa_count, e);

	if (r >= 0)
		r = kernel_read_policies(a->kernel, &a->facts.vtep, &policy, &policy_count, e);
	if (r < 0)
		return r;
	take_facts(&a->keys, TAKE_PTR(sa), sa_count, TAKE_PTR(policy), policy_count);
	return 0;
}

/* While no network is encrypted the kernel is not asked. */
static int read_facts(struct agent *a, const struct view *v, struct err *e)
{
	struct keys_state *k = &a->keys;

	k->facts.vtep = a->facts.vtep;
	kernel_ipsec_by(a->kernel, a->options->attach, &a->facts.vtep);
	if (view_has_encrypted(v)) {
		probe(a);
		k->facts.is_able = k->is_able;
		return k->is_able ? read_kernel(a, e) : 0;
	}
	k->facts.is_able = false;
	k->why = (struct err){ 0 };
	k->probe_at = 0;
	take_facts(k, NULL, 0, NULL, 0);
	return 0;
}

static int ask_engine(struct agent *a, const struct view *v, struct err *e)
{
	struct keys_state *k = &a->keys;
	struct ipsec_want want;
	int r = ipsec_step(k->engine, v, &k->facts, loop_now_ms(a->loop), &want);

	if (r < 0)
		return err_set(e, r, "out of memory for the keys of encrypted networks");
	ipsec_want_fini(&k->want);
	k->want = want;
	k->has_want = true;
	k->next_at = want.next_ms;
	return 0;
}

/*
 * When the kernel cannot be read the plan stays as it was; at the first time there is none, and one
 * without SAs would remove them all.
 */
int agent_keys_step(struct agent *a, const struct view *v, struct err *e)
{
	struct keys_state *k = &a->keys;
	struct err unread = { 0 };
	int r = read_facts(a, v, &unread);

	if (r >= 0)
		r = ask_engine(a, v, &unread);
	if (r < 0 && !k->has_want)
		return err_set(e, r, "%s", unread.text);
	if (r < 0)
		log_error("%s; the keys of encrypted networks stay as they were; will retry", unread.text);
	a->facts.is_ipsec_able = k->facts.is_able;
	a->facts.sa = k->want.sa;
	a->facts.sa_count = k->want.sa_count;
	a->facts.policy = k->want.policy;
	a->facts.policy_count = k->want.policy_count;
	return 0;
}

void agent_keys_tell(struct agent *a)
{
	const struct ipsec_want *w = &a->keys.want;
	struct err e = { 0 };

	if (a->leave_at || (!w->write_key && !w->pairs_count))
		return;
	if (w->write_key)
		log_info("made a fresh key for encrypted networks, of epoch %llu",
			 (unsigned long long)w->key.epoch);
	if (intent_keys_write(a->intent, w->write_key ? &w->key : NULL, w->pairs, w->pairs_count,
			      loop_wall_ms(a->loop), &e) < 0)
		log_error("%s; will retry", e.text);
}

static void say_forged(const struct agent *a, const struct id *node, char *out, size_t size)
{
	const struct view_node *vn = view_node_by_id(store_view(a->store), node);
	char id[ID_TEXT_MAX];

	snprintf(out, size, "somebody with the cluster's secret forged a key record of node %s (%.*s), "
		 "which was refused: find the node that was taken over and remove it with "
		 "`overlayctl node rm`", vn ? vn->node->name : "that is not known", ID_SHORT,
		 id_format(node, id));
}

/* Once for each node. */
static void warn_of_forged(struct agent *a)
{
	const struct id *node;
	size_t count = store_forged(a->store, &node);
	char text[320];

	for (; a->keys.forged_said < count; a->keys.forged_said++) {
		say_forged(a, &node[a->keys.forged_said], text, sizeof(text));
		log_warn("%s", text);
	}
}

void agent_keys_tick(struct agent *a)
{
	uint64_t due = ipsec_epoch_due_ms(a->keys.engine, store_view(a->store), &a->facts.away);
	struct err e = { 0 };

	warn_of_forged(a);
	if (loop_now_ms(a->loop) < due)
		return;
	if (intent_epoch_begin(a->intent, loop_wall_ms(a->loop), &e) < 0)
		log_error("%s; will retry", e.text);
}

static void add_drops(struct agent *a, const struct view *v, struct key_row *r)
{
	const struct view_node *vn = view_node_by_id(v, &r->peer);
	struct ov_peer_drops d;

	if (!vn || !kernel_peer_drops(a->kernel, &vn->node->addr, &d))
		return;
	r->no_sa = d.no_sa;
	r->cleartext = d.cleartext;
}

int agent_keys_report(struct agent *a, struct key_row **ret_rows, size_t *ret_count, struct err *e)
{
	const struct view *v = store_view(a->store);
	int r = read_facts(a, v, e);

	if (r < 0)
		return r;
	r = ipsec_report(a->keys.engine, v, &a->keys.facts, ret_rows, ret_count);
	if (r < 0)
		return err_set(e, r, "out of memory");
	for (size_t i = 0; i < *ret_count; i++)
		add_drops(a, v, &(*ret_rows)[i]);
	return 0;
}

bool agent_keys_warning(const struct agent *a, char *out, size_t size)
{
	if (!a->keys.why.code)
		return false;
	snprintf(out, size, "encrypted networks carry nothing on this node: %.200s",
		 a->keys.why.text);
	return true;
}

/* Of the last node; the log has them all. */
bool agent_forged_warning(const struct agent *a, char *out, size_t size)
{
	const struct id *node;
	size_t count = store_forged(a->store, &node);

	if (count)
		say_forged(a, &node[count - 1], out, size);
	return count;
}
