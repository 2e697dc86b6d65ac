/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Picks an address for an endpoint or a VIP, or says whom to ask. */
#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* What a pick is about; the arguments of ipam_pick in one place. */
struct pick {
	const struct view *v;
	const struct network *n;
	const struct id *self;
	const struct id *skip;
	size_t skip_count;
	uint64_t now_ms;
	struct err *e;
};

static const char *node_text(const struct view *v, const struct id *id, char out[ID_TEXT_MAX])
{
	const struct view_node *node = view_node_by_id(v, id);

	return node ? node->node->name : id_format(id, out);
}

static bool is_skipped(const struct pick *p, const struct id *id)
{
	for (size_t i = 0; i < p->skip_count; i++)
		if (id_equal(&p->skip[i], id))
			return true;
	return false;
}

/* The network is here and its blocks are still on their way: who wrote the one sent the other. */
static enum ipam_answer ask_writer(const struct pick *p, struct id *ret_node)
{
	const struct view_network *vn = view_network_by_id(p->v, &p->n->id);

	if (vn && !id_is_zero(&vn->item->writer) && !id_equal(&vn->item->writer, p->self) &&
	    !is_skipped(p, &vn->item->writer)) {
		*ret_node = vn->item->writer;
		return IPAM_ASK;
	}
	err_set(p->e, -EAGAIN,
		"it is not known yet which node may give out addresses of network %s here; "
		"try again in a few seconds",
		p->n->name);
	return IPAM_FAILED;
}

static enum ipam_answer refuse_in_use(const struct pick *p, const struct ov_addr *a,
				      const struct user *user)
{
	char addr[ADDR_TEXT_MAX], node[ID_TEXT_MAX], id[ID_TEXT_MAX];
	const struct endpoint *ep;

	addr_format(a, addr);
	if (user->service) {
		err_set(p->e, -EADDRINUSE,
			"address %s of network %s is the VIP of service %s; choose another one",
			addr, p->n->name, user->service->display);
		return IPAM_FAILED;
	}
	ep = user->endpoint->ep;
	id_format(&ep->id, id);
	id[ID_SHORT] = '\0';
	err_set(p->e, -EADDRINUSE,
		"address %s of network %s is in use by endpoint %s on node %s; choose another one",
		addr, p->n->name, ep->name[0] ? ep->name : id, node_text(p->v, &ep->node, node));
	return IPAM_FAILED;
}

static int check_wanted(const struct pick *p, const struct ov_addr *a)
{
	char addr[ADDR_TEXT_MAX], subnet[PREFIX_TEXT_MAX];

	addr_format(a, addr);
	prefix_format(&p->n->subnet, subnet);
	if (!prefix_contains(&p->n->subnet, a))
		return err_set(p->e, -EINVAL,
			       "address %s is outside the subnet %s of network %s; choose one "
			       "inside",
			       addr, subnet, p->n->name);
	if (!addr_cmp(a, &p->n->gateway))
		return err_set(p->e, -EINVAL,
			       "address %s is the gateway of network %s; choose another one", addr,
			       p->n->name);
	if (ipam_is_reserved(p->n, a))
		return err_set(p->e, -EINVAL,
			       "address %s is the network or broadcast address of subnet %s of "
			       "network %s; choose another one",
			       addr, subnet, p->n->name);
	return 0;
}

static enum ipam_answer pick_wanted(const struct pick *p, const struct ov_addr *a,
				    struct ov_addr *ret_addr, struct id *ret_node)
{
	char addr[ADDR_TEXT_MAX], node[ID_TEXT_MAX];
	const struct id *owner;
	struct user user;

	if (check_wanted(p, a) < 0)
		return IPAM_FAILED;
	if (ring_user(p->v, p->n, a, &user))
		return refuse_in_use(p, a, &user);
	owner = ipam_owner(p->v, p->n, a);
	if (!owner)
		return ask_writer(p, ret_node);
	if (id_equal(owner, p->self)) {
		*ret_addr = *a;
		return IPAM_OK;
	}
	if (!is_skipped(p, owner)) {
		*ret_node = *owner;
		return IPAM_ASK;
	}
	err_set(p->e, -EHOSTUNREACH,
		"address %s of network %s belongs to node %s, which cannot be asked for it now; "
		"start "
		"that node, or attach without asking for this address",
		addr_format(a, addr), p->n->name, node_text(p->v, owner, node));
	return IPAM_FAILED;
}

/* The newer of two addresses this node gave, by creation; ties by address, so that all agree. */
struct given {
	bool any;
	uint64_t created_ms, offset;
};

/* A service has no node: who owns its VIP's block is who gave it, or as good as that. */
static bool is_ours(const struct pick *p, const struct item *it, const struct ov_addr *claim)
{
	const struct id *giver = it->key.kind == RECORD_SERVICE ? ipam_owner(p->v, p->n, claim) :
								  &it->endpoint.node;

	return giver && id_equal(giver, p->self);
}

static void note_given(const struct pick *p, const struct item *it, struct given *g)
{
	const struct ov_addr *claim = ring_claim(it, p->n);
	uint64_t offset, created_ms;

	if (!claim || !is_ours(p, it, claim))
		return;
	offset = ring_offset(p->n, claim);
	created_ms = it->key.kind == RECORD_SERVICE ? it->service.created_ms :
						      it->endpoint.created_ms;
	if (g->any && (created_ms < g->created_ms ||
		       (created_ms == g->created_ms && offset < g->offset)))
		return;
	*g = (struct given){ true, created_ms, offset };
}

/* Next-fit: our first free address behind the one given last, else our first. */
static const struct run *next_run(const struct pick *p, const struct space *s, uint64_t *ret_offset)
{
	struct given g = { 0 };
	const struct run *first = NULL;

	for (size_t i = 0; i < p->v->endpoint_count; i++)
		note_given(p, p->v->endpoint[i].item, &g);
	for (size_t i = 0; i < p->v->service_count; i++)
		note_given(p, p->v->service[i].item, &g);
	for (size_t i = 0; i < p->v->released_count; i++)
		note_given(p, p->v->released[i], &g);
	for (size_t i = 0; i < s->run_count; i++) {
		const struct run *r = &s->run[i];

		if (!id_equal(&r->segment->block->owner, p->self))
			continue;
		if (!first)
			first = r;
		if (g.any && r->last > g.offset) {
			*ret_offset = r->first > g.offset ? r->first : g.offset + 1;
			return r;
		}
	}
	if (first)
		*ret_offset = first->first;
	return first;
}

struct owner_space {
	const struct id *owner;
	uint64_t free;
};

static int cmp_owner(const void *a, const void *b)
{
	return id_cmp(((const struct owner_space *)a)->owner,
		      ((const struct owner_space *)b)->owner);
}

/* Most space first; of equals the smaller id. */
static int cmp_free(const void *a, const void *b)
{
	const struct owner_space *x = a, *y = b;

	return x->free != y->free ? (x->free < y->free ? 1 : -1) : cmp_owner(a, b);
}

/* What others have free, summed by owner; returns how many, in the order they should be asked. */
static size_t other_owners(const struct pick *p, const struct space *s, struct owner_space *out)
{
	size_t count = 0, sums = 0;

	for (size_t i = 0; i < s->run_count; i++) {
		const struct id *owner = &s->run[i].segment->block->owner;

		if (!id_equal(owner, p->self))
			out[count++] = (struct owner_space){ owner, run_len(&s->run[i]) };
	}
	qsort(out, count, sizeof(*out), cmp_owner);
	for (size_t i = 0; i < count; i++) {
		if (sums && id_equal(out[sums - 1].owner, out[i].owner))
			out[sums - 1].free += out[i].free;
		else
			out[sums++] = out[i];
	}
	qsort(out, sums, sizeof(*out), cmp_free);
	return sums;
}

static enum ipam_answer refuse_exhausted(const struct pick *p, const struct space *s)
{
	char subnet[PREFIX_TEXT_MAX], held[64] = "";
	bool whole = !addr_cmp(&p->n->subnet.addr, &p->n->ip_range.addr) &&
		     p->n->subnet.len == p->n->ip_range.len;

	if (s->busy.held)
		snprintf(held, sizeof(held), ", %zu released and resting for up to %d s",
			 s->busy.held, IPAM_HOLD_MS / 1000);
	err_set(p->e, -ENOSPC,
		"network %s has no free address left in %s%s (%zu in use%s); detach endpoints, or "
		"create a network with a larger subnet",
		p->n->name, whole ? "" : "ip-range ",
		prefix_format(whole ? &p->n->subnet : &p->n->ip_range, subnet), s->busy.in_use,
		held);
	return IPAM_FAILED;
}

/* Everything free belongs to nodes that were asked in vain; the largest three are named. */
static enum ipam_answer refuse_unreachable(const struct pick *p, const struct owner_space *owner,
					   size_t count)
{
	char names[3 * (NAME_MAX_LEN + 3)] = "", node[ID_TEXT_MAX];
	size_t len = 0;

	for (size_t i = 0; i < count && i < 3; i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
					node_text(p->v, owner[i].owner, node));
	err_set(p->e, -EHOSTUNREACH,
		"this node has no free address of network %s left, and %s%s, which %s some, cannot "
		"be "
		"asked now; start %s, or remove it for good with `overlayctl node rm`",
		p->n->name, names, count > 3 ? " and others" : "", count == 1 ? "has" : "have",
		count == 1 ? "it" : "one");
	return IPAM_FAILED;
}

static enum ipam_answer pick_next(const struct pick *p, const struct space *s,
				  struct ov_addr *ret_addr, struct id *ret_node)
{
	_cleanup_(freep) struct owner_space *owner = NULL;
	uint64_t offset;
	size_t count;

	if (next_run(p, s, &offset)) {
		*ret_addr = addr_add(&p->n->subnet.addr, offset);
		return IPAM_OK;
	}
	owner = calloc(s->run_count + 1, sizeof(*owner));
	if (!owner) {
		err_set(p->e, -ENOMEM, "out of memory while picking an address");
		return IPAM_FAILED;
	}
	count = other_owners(p, s, owner);
	for (size_t i = 0; i < count; i++) {
		if (!is_skipped(p, owner[i].owner)) {
			*ret_node = *owner[i].owner;
			return IPAM_ASK;
		}
	}
	return count ? refuse_unreachable(p, owner, count) : refuse_exhausted(p, s);
}

enum ipam_answer ipam_pick(const struct view *v, const struct network *n, const struct id *self,
			   const struct ov_addr *wanted, uint64_t now_ms, const struct id *skip,
			   size_t skip_count, struct ov_addr *ret_addr, struct id *ret_node,
			   struct err *e)
{
	struct pick p = { .v = v,
			  .n = n,
			  .self = self,
			  .skip = skip,
			  .skip_count = skip_count,
			  .now_ms = now_ms,
			  .e = e };
	_cleanup_(space_fini) struct space s = { 0 };

	if (wanted)
		return pick_wanted(&p, wanted, ret_addr, ret_node);
	if (space_build(v, n, now_ms, &s) < 0) {
		err_set(e, -ENOMEM, "out of memory while picking an address");
		return IPAM_FAILED;
	}
	return s.ring.count ? pick_next(&p, &s, ret_addr, ret_node) : ask_writer(&p, ret_node);
}
