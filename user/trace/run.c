// SPDX-License-Identifier: GPL-2.0-or-later
/* From node to node, until nobody has the packet any more. */
#include <string.h>

#include "base/cleanup.h"
#include "node.h"

#define FAR_MAX 3 /* a sender's, where it enters, a backend's: no packet comes by more */

struct walk {
	const struct view *v;
	const struct facts *f;
	const struct id *self;
	struct trace *t;
	struct trace_node here;
	struct far_node far[FAR_MAX];
	size_t far_count;
};

static void walk_fini(struct walk *w)
{
	while (w->far_count)
		far_node_fini(&w->far[--w->far_count]);
}

static const struct view_node *node_at(const struct walk *w, const struct ov_addr *addr)
{
	for (size_t i = 0; i < w->v->node_count; i++)
		if (!w->v->node[i].name_lost && !addr_cmp(&w->v->node[i].node->addr, addr))
			return &w->v->node[i];
	return NULL;
}

/* The tables of a node: ours, or made now. 0 or -ENOMEM; *ret is NULL for no node. */
static int tables_of(struct walk *w, const struct view_node *vn, const struct trace_node **ret)
{
	int r;

	*ret = NULL;
	if (!vn)
		return 0;
	*ret = &w->here;
	if (id_equal(&vn->node->id, w->self))
		return 0;
	for (size_t i = 0; i < w->far_count; i++) {
		*ret = &w->far[i].node;
		if (id_equal(&w->far[i].node.id, &vn->node->id))
			return 0;
	}
	*ret = NULL;
	if (w->far_count == FAR_MAX)
		return 0;
	r = far_node_make(w->v, w->f, vn, &w->far[w->far_count]);
	if (!r)
		*ret = &w->far[w->far_count++].node;
	return r;
}

static const struct view_endpoint *sender_of(const struct walk *w, const struct trace_packet *p)
{
	for (size_t i = 0; i < w->v->endpoint_count; i++) {
		const struct view_endpoint *ve = &w->v->endpoint[i];

		if (ve->net->net->vni == p->vni && !addr_cmp(&ve->ep->addr, &p->src) &&
		    !ve->addr_lost && !ve->net->vni_lost)
			return ve;
	}
	return NULL;
}

/* The node that has that address: this one may have several, of the others one is known. */
static const struct view_node *owner_of(const struct walk *w, const struct ov_addr *addr)
{
	const struct trace_node *n = &w->here;
	struct trace unused = { 0 };
	const struct at at = { &unused, &(struct trace_node){ .plan = n->plan }, "" };

	return row_address(&at, addr) ? view_node_by_id(w->v, w->self) : node_at(w, addr);
}

static int begin(struct walk *w, const struct trace_packet *p, const struct trace_node **ret,
		 struct trace_hop *hop)
{
	const struct view_endpoint *ve = p->vni ? sender_of(w, p) : NULL;
	const struct view_node *vn = ve ? view_node_by_id(w->v, &ve->ep->node) :
				     p->vni ? view_node_by_id(w->v, w->self) : owner_of(w, &p->dst);
	int r = tables_of(w, vn, ret);

	if (r || !*ret)
		return r;
	if (p->vni)
		trace_endpoint(w->t, *ret, p, hop);
	else
		trace_front(w->t, *ret, p, false, hop);
	return 0;
}

/* ---- between two nodes ---- */

static void say_wire(const struct walk *w, const struct trace_node *n, const struct trace_hop *hop)
{
	const struct at at = { w->t, n, "" };
	const struct view_node *vn = node_at(w, &hop->to);
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	addr_format(&hop->from, from);
	addr_format(&hop->to, to);
	if (vn && id_set_has(&w->f->away, &vn->node->id))
		say(&at, "this node thinks that %s is away; it is sent there all the same",
		    vn->node->name);
	say(&at, "on the wire: %s to %s, %s", from, to,
	    hop->is_encrypted ? "ESP (IP protocol 50)" : "VXLAN (UDP)");
}

static int cross(struct walk *w, const struct trace_node **n, const struct trace_hop *hop)
{
	const struct at at = { w->t, *n, "" };
	const struct trace_node *next;
	int r;

	say_wire(w, *n, hop);
	r = tables_of(w, node_at(w, &hop->to), &next);
	if (r)
		return r;
	if (!next) {
		say(&at, "no node of the cluster has that address: nobody takes it from there");
		decide(&at, OV_DROP_UNKNOWN_PEER);
		return 0;
	}
	*n = next;
	trace_uplink(w->t, next, hop);
	return 0;
}

/* What left the overlay comes back into it at the address of another node. */
static int come_back(struct walk *w, const struct trace_node **n, struct trace_hop *hop)
{
	const struct trace_packet p = hop->packet;
	const struct trace_node *next;
	int r = tables_of(w, owner_of(w, &p.dst), &next);

	hop->way = TRACE_NOWHERE;
	if (r || !next || next == *n)
		return r;
	*n = next;
	trace_front(w->t, next, &p, false, hop);
	return 0;
}

static int walk(struct walk *w, const struct trace_node *n, struct trace_hop *hop)
{
	struct trace_packet p;
	int r = 0;

	while (!r && hop->way != TRACE_NOWHERE)
		switch (hop->way) {
		case TRACE_LOOPBACK:
			p = hop->packet;
			trace_front(w->t, n, &p, true, hop);
			break;
		case TRACE_OUTSIDE:
			r = come_back(w, &n, hop);
			break;
		default:
			r = cross(w, &n, hop);
			hop->way = TRACE_NOWHERE;
		}
	return r;
}

int trace_run(const struct view *v, const struct facts *f, const struct id *self,
	      const struct plan *plan, const struct trace_packet *p, struct trace *t)
{
	_cleanup_(walk_fini) struct walk w = {
		.v = v, .f = f, .self = self, .t = t,
		.here = { .id = *self, .vtep = f->vtep, .plan = plan, .is_self = true },
	};
	struct trace_hop hop = { 0 };
	const struct trace_node *n;
	int r;

	t->view = v;
	t->away = &f->away;
	r = begin(&w, p, &n, &hop);
	return r || !n ? r : walk(&w, n, &hop);
}
