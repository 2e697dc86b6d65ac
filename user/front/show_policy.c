/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of policy with what the kernel counted of them, and with names in place of ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"
#include "show.h"

#define SELECTOR_TEXT_MAX (LABEL_MAX_LEN + 32)

static const char *service_name(const struct view *v, const struct id *id, char out[ID_TEXT_MAX])
{
	const struct view_service *vs = view_service_by_id(v, id);

	return vs ? vs->display : id_format(id, out);
}

static const char *endpoint_name(const struct view *v, const struct id *id, char out[ID_TEXT_MAX])
{
	const struct view_endpoint *ve = view_endpoint_by_id(v, id);

	return ve && ve->ep->name[0] ? ve->ep->name : id_format(id, out);
}

/* As it is typed; whoever is gone goes by the id that the rule still has. */
static const char *selector_text(const struct view *v, const struct selector *s,
				 const struct label *label, char out[SELECTOR_TEXT_MAX])
{
	const char *word = selector_kind_to_str(s->kind), *what = label->text;
	char id[ID_TEXT_MAX], cidr[PREFIX_TEXT_MAX];

	if (s->kind == SELECTOR_SERVICE)
		what = service_name(v, &s->id, id);
	else if (s->kind == SELECTOR_ENDPOINT)
		what = endpoint_name(v, &s->id, id);
	else if (s->kind == SELECTOR_CIDR)
		what = prefix_format(&s->cidr, cidr);
	snprintf(out, SELECTOR_TEXT_MAX, "%s%s%s", word, *what ? "=" : "", what);
	return out;
}

/* It names something that is no more, and so is about nobody. */
static bool is_gone(const struct view *v, const struct selector *s)
{
	return (s->kind == SELECTOR_SERVICE && !view_service_by_id(v, &s->id)) ||
	       (s->kind == SELECTOR_ENDPOINT && !view_endpoint_by_id(v, &s->id));
}

static const char *ports_text(const struct policy *p, const struct policy_detail *d,
			      char out[POLICY_PORT_MAX * (POLICY_PORT_TEXT_MAX + 2)])
{
	char one[POLICY_PORT_TEXT_MAX];
	size_t len = 0;

	strcpy(out, p->port_count ? "" : "any");
	for (int i = 0; i < p->port_count; i++)
		len += (size_t)sprintf(out + len, "%s%s", i ? ", " : "",
				       policy_port_format(&d->port[i], one));
	return out;
}

/* What the kernel counted, on this node. */
struct hits {
	const struct policy_row *row;
	size_t count;
};

static const struct policy_row *find_row(const struct hits *h, const struct view_network *vn,
					 uint32_t rule)
{
	static const struct policy_row none;

	for (size_t i = 0; i < h->count; i++)
		if (h->row[i].vni == vn->net->vni && h->row[i].rule == rule)
			return &h->row[i];
	return &none;
}

static json_t *rule_row(const struct scene *s, const struct view_policy *vp, const struct hits *h)
{
	const struct policy *p = vp->policy;
	const struct policy_row *hits;
	uint32_t rule;
	char from[SELECTOR_TEXT_MAX], to[SELECTOR_TEXT_MAX];
	char ports[POLICY_PORT_MAX * (POLICY_PORT_TEXT_MAX + 2)];
	struct policy_detail d;

	memcpy(&rule, p->id.b, sizeof(rule));
	hits = find_row(h, vp->net, rule);
	policy_detail_decode(vp->item, &d);
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o}",
			 "ID", json_id(&p->id), "Network", json_text(vp->net->display),
			 "Action", p->deny ? "deny" : "allow",
			 "From", json_text(selector_text(s->view, &p->from, &d.from_label, from)),
			 "To", json_text(selector_text(s->view, &p->to, &d.to_label, to)),
			 "Ports", ports_text(p, &d, ports),
			 "Orphaned", is_gone(s->view, &p->from) || is_gone(s->view, &p->to),
			 "Hits", json_count(hits->allowed + hits->denied),
			 "Allowed", json_count(hits->allowed), "Denied", json_count(hits->denied),
			 "Created", json_time(p->created_ms));
}

static int policy_cmp(const void *a, const void *b)
{
	const struct view_policy *x = *(const struct view_policy *const *)a;
	const struct view_policy *y = *(const struct view_policy *const *)b;
	int order = strcmp(x->net->display, y->net->display);

	if (!order && x->policy->created_ms != y->policy->created_ms)
		return x->policy->created_ms < y->policy->created_ms ? -1 : 1;
	return order ? order : id_cmp(&x->policy->id, &y->policy->id);
}

static bool is_wanted(const struct view_network *vn, const struct view_network *only)
{
	return !only || vn == only;
}

static void push_rules(const struct scene *s, const struct hits *h, const struct view_network *only,
		       json_t **all)
{
	const struct view *v = s->view;
	_cleanup_(freep) const struct view_policy **order =
		calloc(v->policy_count + 1, sizeof(*order));
	size_t shown = 0;

	if (!order) {
		json_push(all, NULL);
		return;
	}
	for (size_t i = 0; i < v->policy_count; i++)
		if (is_wanted(v->policy[i].net, only))
			order[shown++] = &v->policy[i];
	qsort(order, shown, sizeof(*order), policy_cmp);
	for (size_t i = 0; *all && i < shown; i++)
		json_push(all, rule_row(s, order[i], h));
}

/* What no rule named: a last row for each network where that is asked. */
static json_t *default_row(const struct view_network *vn, const struct policy_row *hits)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o}",
			 "ID", "default", "Network", json_text(vn->display),
			 "Action", vn->net->policy_deny ? "deny" : "allow",
			 "From", "any", "To", "any", "Ports", "any", "Orphaned", 0,
			 "Hits", json_count(hits->allowed + hits->denied),
			 "Allowed", json_count(hits->allowed), "Denied", json_count(hits->denied),
			 "Created", json_time(vn->net->created_ms));
}

json_t *show_policies(const struct scene *s, const struct policy_row *rows, size_t count,
		      const struct view_network *only)
{
	const struct hits h = { rows, count };
	const struct view *v = s->view;
	json_t *all = json_array();

	push_rules(s, &h, only, &all);
	for (size_t i = 0; all && i < v->network_count; i++) {
		const struct view_network *vn = &v->network[i];
		size_t rules;

		view_policies_of(v, vn, &rules);
		if (is_wanted(vn, only) && (rules || vn->net->policy_deny))
			json_push(&all, default_row(vn, find_row(&h, vn, 0)));
	}
	return all;
}

/* For `network inspect`. */
json_t *show_network_policy(const struct view *v, const struct view_network *vn)
{
	size_t count;

	view_policies_of(v, vn, &count);
	return json_pack("{s:s, s:b, s:o}", "Default", vn->net->policy_deny ? "deny" : "allow",
			 "Audit", vn->net->policy_audit, "Rules", json_count(count));
}
