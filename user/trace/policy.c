// SPDX-License-Identifier: GPL-2.0-or-later
/* What a network's rules say of a new flow: bpf/lib/policy_rules.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"

struct ruling {
	const struct ov_rule *rule; /* NULL: no rule says anything */
	uint8_t verdict;
};

/* What one pair of classes says, if it counts. True: it denies, which nothing beats. */
static bool ask(const struct at *at, struct ov_rule_key *key, uint32_t from, uint32_t to,
		struct ruling *r)
{
	const struct ov_rule *row;

	key->from = from;
	key->to = to;
	row = row_rule(at, key);
	if (!row || (r->rule && row->verdict == OV_POLICY_ALLOW))
		return false;
	*r = (struct ruling){ row, row->verdict };
	return row->verdict != OV_POLICY_ALLOW;
}

static struct ruling judge(const struct at *at, const struct ov_policy *by,
			   const struct trace_packet *p)
{
	struct ov_rule_key key = { .vni = p->vni, .set = by->set, .protocol = p->protocol,
				   .port = is_carried(p->protocol) ? htons(p->dport) : 0 };
	uint32_t from = row_class(at, p->vni, by->set, &p->src);
	uint32_t to = row_class(at, p->vni, by->set, &p->dst);
	struct ruling r = { NULL, by->verdict };

	if (ask(at, &key, from, to, &r) ||
	    (to != OV_CLASS_ANY && ask(at, &key, from, OV_CLASS_ANY, &r)) ||
	    from == OV_CLASS_ANY || ask(at, &key, OV_CLASS_ANY, to, &r))
		return r;
	if (to != OV_CLASS_ANY)
		ask(at, &key, OV_CLASS_ANY, OV_CLASS_ANY, &r);
	return r;
}

/* "rule 1a2b3c4d5e6f", as `policy ls` has it; rows know the first bytes of its id alone. */
static void name_rule(const struct trace *t, const struct ruling *r, char out[64])
{
	char id[ID_TEXT_MAX] = "";

	if (!r->rule) {
		strcpy(out, "no rule names it, and the network's default");
		return;
	}
	hex_format(&r->rule->id, sizeof(r->rule->id), id);
	for (size_t i = 0; t->view && i < t->view->policy_count; i++)
		if (!memcmp(&t->view->policy[i].policy->id, &r->rule->id, sizeof(r->rule->id)))
			id_format(&t->view->policy[i].policy->id, id);
	snprintf(out, 64, "rule %.*s", ID_SHORT, id);
}

bool policy_stops(const struct at *at, const struct trace_packet *p)
{
	const struct ov_policy *by = row_policy(at, p->vni);
	struct ruling r;
	char rule[64];

	if (!by || (by->flags & OV_POLICY_BROKEN)) {
		say(at, "the network has a policy that cannot be read here: nothing passes");
		decide(at, OV_DROP_POLICY_UNREADABLE);
		return true;
	}
	r = judge(at, by, p);
	name_rule(at->t, &r, rule);
	if (r.verdict == OV_POLICY_ALLOW) {
		say(at, "policy: %s allows it", rule);
		return false;
	}
	if (by->flags & OV_POLICY_AUDIT) {
		say(at, "policy: %s denies it, but the network is in audit and lets it pass", rule);
		return false;
	}
	say(at, "policy: %s denies it", rule);
	decide(at, OV_DROP_POLICY);
	return true;
}
