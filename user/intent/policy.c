/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of policy are made and removed; a network's own verdict is changed. */
#include "room.h"

#include <errno.h>
#include <string.h>

#include "policy/policy.h"

/* ---- against the rules that there are ---- */

static bool same_selector(const struct selector *a, const struct label *al, const struct selector *b,
			  const struct label *bl)
{
	return a->kind == b->kind && id_equal(&a->id, &b->id) && a->cidr.len == b->cidr.len &&
	       !addr_cmp(&a->cidr.addr, &b->cidr.addr) && !strcmp(al->text, bl->text);
}

static bool same_ports(const struct policy_port *a, const struct policy_port *b, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++)
		if (a[i].protocol != b[i].protocol || a[i].first != b[i].first ||
		    a[i].last != b[i].last)
			return false;
	return true;
}

static bool says_the_same(const struct policy_draft *a, const struct view_policy *vp)
{
	const struct policy *b = vp->policy;
	struct policy_detail d;

	if (a->p.port_count != b->port_count || a->p.from.kind != b->from.kind ||
	    a->p.to.kind != b->to.kind)
		return false; /* most, without decoding them */
	policy_detail_decode(vp->item, &d);
	return same_selector(&a->p.from, &a->d.from_label, &b->from, &d.from_label) &&
	       same_selector(&a->p.to, &a->d.to_label, &b->to, &d.to_label) &&
	       same_ports(a->d.port, d.port, b->port_count);
}

static int refuse(const struct policy_draft *draft, const struct policy *old, struct err *e)
{
	char id[ID_TEXT_MAX];

	id_format(&old->id, id);
	id[ID_SHORT] = '\0';
	if (draft->p.deny == old->deny)
		return err_set(e, -EEXIST, "rule %s of network %s says exactly this already", id,
			       draft->net->display);
	if (draft->p.deny)
		return err_set(e, -EEXIST,
			       "rule %s of network %s allows exactly what this one denies, and denying "
			       "always wins; remove it first with `overlayctl policy rm %s`",
			       id, draft->net->display, id);
	return err_set(e, -EEXIST,
		       "rule %s of network %s denies exactly this, and denying always wins, so that "
		       "allowing it would change nothing; remove it first with `overlayctl policy rm %s`",
		       id, draft->net->display, id);
}

static int check_others(const struct view *v, const struct policy_draft *draft, struct err *e)
{
	size_t count;
	const struct view_policy *of = view_policies_of(v, draft->net, &count);

	for (size_t i = 0; i < count; i++)
		if (says_the_same(draft, &of[i]))
			return refuse(draft, of[i].policy, e);
	if (count < POLICY_RULES_MAX)
		return 0;
	return err_set(e, -ENOSPC,
		       "network %s has %zu rules, and a network may have %d; remove some, or say more "
		       "with one rule by labels, prefixes and ranges of ports",
		       draft->net->display, count, POLICY_RULES_MAX);
}

/* ---- whether the kernel's maps would hold it ---- */

static size_t broken_of(const struct policy_book *b)
{
	size_t count = 0;

	for (size_t i = 0; i < b->head_count; i++)
		count += (b->head[i].value.flags & OV_POLICY_BROKEN) != 0;
	return count;
}

static int refuse_size(const struct view *v, const struct policy_draft *draft, struct err *e)
{
	_cleanup_(policy_book_fini) struct policy_book now = { 0 };

	if (policy_compile(v, NULL, &now) < 0)
		return err_set(e, -ENOMEM, "out of memory while compiling the rules");
	return err_set(e, -ENOSPC,
		       "with this rule the rules of network %s would not fit the kernel's maps: all "
		       "networks take %zu rows of rules and %zu of addresses now, and may take %d of "
		       "each; select by fewer labels, or remove rules",
		       draft->net->display, now.rule_count, now.subject_count, POLICY_ROWS_MAX);
}

/* A network that is broken already is no reason to refuse rules of others. */
static int check_size(const struct view *v, const struct policy_draft *draft, struct err *e)
{
	_cleanup_(policy_book_fini) struct policy_book with = { 0 }, without = { 0 };

	if (policy_compile(v, draft, &with) < 0)
		return err_set(e, -ENOMEM, "out of memory while compiling the rules");
	if (!broken_of(&with))
		return 0;
	if (policy_compile(v, NULL, &without) < 0)
		return err_set(e, -ENOMEM, "out of memory while compiling the rules");
	for (size_t i = 0; i < with.head_count; i++)
		if (with.head[i].net == draft->net && with.head[i].value.flags & OV_POLICY_BROKEN)
			return refuse_size(v, draft, e);
	return broken_of(&with) > broken_of(&without) ? refuse_size(v, draft, e) : 0;
}

/* ---- create, rm ---- */

/* By the first four bytes rules are counted, and none may be 0: that is the default. */
static bool is_id_free(const struct view *v, const struct id *id)
{
	static const uint8_t none[4];

	if (!memcmp(id->b, none, sizeof(none)))
		return false;
	for (size_t i = 0; i < v->policy_count; i++)
		if (!memcmp(v->policy[i].policy->id.b, id->b, sizeof(none)))
			return false;
	return true;
}

static int take_policy(struct intent *in, const struct policy_ask *ask, struct policy_draft *draft,
		       struct err *e)
{
	const struct view *v = store_view(in->store);
	int r = find_network(v, ask->network, &draft->net, e);

	if (r < 0)
		return r;
	draft->p.network = draft->net->net->id;
	draft->p.deny = ask->deny;
	r = take_selector(v, draft->net, "from", ask->from, &draft->p.from, &draft->d.from_label, e);
	if (r == 0)
		r = take_selector(v, draft->net, "to", ask->to, &draft->p.to, &draft->d.to_label, e);
	if (r == 0)
		r = take_policy_ports(ask, &draft->p, &draft->d, e);
	if (r == 0)
		r = check_others(v, draft, e);
	return r;
}

int intent_policy_add(struct intent *in, const struct policy_ask *ask, uint64_t wall_ms,
		      struct id *ret_id, struct err *e)
{
	struct policy_draft draft = { .p.created_ms = wall_ms };
	int r = check_not_removed(in, e);

	if (r == 0)
		r = take_policy(in, ask, &draft, e);
	if (r < 0)
		return r;
	do
		draft.p.id = draw_id(in);
	while (!is_id_free(store_view(in->store), &draft.p.id));
	r = check_size(store_view(in->store), &draft, e);
	if (r == 0)
		r = write_policy(in, &draft.p, &draft.d, wall_ms, e);
	if (r == 0)
		r = store_commit(in->store, e);
	if (r == 0)
		*ret_id = draft.p.id;
	return r;
}

int intent_policy_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct id *ret_id,
		     struct err *e)
{
	const struct view_policy *vp = view_policy_find(store_view(in->store), ref);
	int r = check_not_removed(in, e);

	if (r < 0)
		return r;
	if (!vp)
		return err_set(e, -ENOENT,
			       "there is no rule \"%.40s\", or several begin so; `overlayctl policy "
			       "ls` shows the rules and their ids",
			       ref);
	*ret_id = vp->policy->id; /* the view ends with the write */
	r = bury_policy(in, ret_id, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}

/* ---- the default ---- */

int take_verdict(const char *text, bool *ret_deny, struct err *e)
{
	*ret_deny = !strcmp(text, "deny");
	if (*ret_deny || !strcmp(text, "allow"))
		return 0;
	return err_set(e, -EINVAL, "policy=\"%.40s\" is neither allow nor deny", text);
}

static int take_audit(const char *text, bool *ret_audit, struct err *e)
{
	*ret_audit = !strcmp(text, "on");
	if (*ret_audit || !strcmp(text, "off"))
		return 0;
	return err_set(e, -EINVAL, "audit \"%.40s\" is neither on nor off", text);
}

int intent_policy_default(struct intent *in, const struct policy_default_ask *ask,
			  uint64_t wall_ms, struct id *ret_network, struct err *e)
{
	const struct view_network *vn;
	struct network n;
	int r = check_not_removed(in, e);

	if (r == 0)
		r = find_network(store_view(in->store), ask->network, &vn, e);
	if (r < 0)
		return r;
	if (!ask->verdict && !ask->audit)
		return err_set(e, -EINVAL, "say what is to change of network %s: allow or deny, or "
			       "--audit on or off", vn->display);
	n = *vn->net;
	if (ask->verdict)
		r = take_verdict(ask->verdict, &n.policy_deny, e);
	if (r == 0 && ask->audit)
		r = take_audit(ask->audit, &n.policy_audit, e);
	if (r == 0)
		r = write_network(in, &n, false, wall_ms, e);
	if (r == 0)
		r = store_commit(in->store, e);
	if (r == 0)
		*ret_network = n.id;
	return r;
}
