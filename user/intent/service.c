/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services are created, changed and removed. */
#include "room.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- names ---- */

/* What DNS takes in front of a service's name, for its backends. */
static const char *const prefixes[] = { "tasks.", "all." };

bool name_is_services(const char *service, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!strncasecmp(name, prefixes[i], len) && !strcasecmp(service, name + len))
			return true;
	}
	return !strcasecmp(service, name);
}

int check_no_service(const struct view *v, const struct view_network *vn, const char *what,
		     const char *name, struct err *e)
{
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];

		if (vs->net == vn && name_is_services(vs->svc->name, name))
			return err_set(e, -EEXIST,
				       "network %s has a service %s, and %s called %s could not be "
				       "told from it in DNS; choose another name",
				       vn->display, vs->display, what, name);
	}
	return 0;
}

/* No endpoint of the network answers to the name. */
static int check_no_endpoint(const struct view *v, const struct view_network *vn, const char *name,
			     struct err *e)
{
	char id[ID_TEXT_MAX], node[ID_TEXT_MAX];

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];
		struct endpoint_detail d;
		bool clash;

		if (ve->net != vn)
			continue;
		endpoint_detail_decode(ve->item, &d);
		clash = name_is_services(name, ve->ep->name);
		for (int j = 0; j < d.alias_count && !clash; j++)
			clash = name_is_services(name, d.alias[j]);
		if (clash)
			return err_set(e, -EEXIST,
				       "endpoint %s of network %s on node %s answers to the name %s "
				       "already; choose another name",
				       endpoint_text(ve->ep, id), vn->display,
				       node_text(v, &ve->ep->node, node), name);
	}
	return 0;
}

static int check_name_free(const struct view *v, const struct view_network *vn, const char *name,
			   struct err *e)
{
	char id[ID_TEXT_MAX];

	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];

		if (vs->net == vn && !strcasecmp(vs->svc->name, name))
			return err_set(e, -EEXIST,
				       "network %s has a service %s already (%.12s); choose another "
				       "name, or remove that one first",
				       vn->display, vs->svc->name, id_format(&vs->svc->id, id));
	}
	return check_no_endpoint(v, vn, name, e);
}

/* ---- create ---- */

struct creation {
	struct job job; /* first: what job.c frees */
	struct service_draft draft;
};

static struct creation *creation_of(struct job *j)
{
	return (struct creation *)j;
}

static int check(struct job *j, const struct view *v, const struct view_network *vn, struct err *e)
{
	struct service_draft *draft = &creation_of(j)->draft;
	int r = check_name_free(v, vn, draft->s.name, e);

	return r ? r : settle_publish(j->in, v, draft, e);
}

static int record(struct job *j, const struct view *v, struct err *e)
{
	struct service_draft *draft = &creation_of(j)->draft;

	(void)v;
	if (!j->no_addr)
		draft->s.vip = j->addr;
	draft->s.created_ms = j->in->wall;
	return write_service(j->in, &draft->s, &draft->d, j->in->wall, e);
}

static void take_back(struct job *j, struct err *e)
{
	bury_service(j->in, &j->id, j->in->wall, e);
}

static const struct job_kind creation_kind = {
	.size = sizeof(struct creation),
	.under_way = "the service was being created",
	.check = check,
	.record = record,
	.take_back = take_back,
};

static int start(struct creation *c, const struct service_ask *ask, struct err *e)
{
	const struct view_network *vn;
	int r = service_ask_take(ask, &c->draft, e);

	if (r == 0)
		r = find_network(store_view(c->job.in->store), ask->network ? ask->network : "", &vn,
				 e);
	if (r < 0)
		return r;
	c->draft.s.network = c->job.network = vn->net->id;
	c->job.no_addr = c->draft.s.mode == SERVICE_DNSRR;
	c->job.has_addr = ask->vip;
	c->job.addr = c->draft.s.vip;
	return 0;
}

void intent_service_create(struct intent *in, const struct service_ask *ask, uint64_t now,
			   uint64_t wall_ms,
			   void (*done)(void *arg, const struct id *id, const struct err *e),
			   void *arg)
{
	struct job *j = job_new(in, &creation_kind, now, wall_ms, done, arg);
	struct err e = { 0 };

	if (!j)
		return;
	if (start(creation_of(j), ask, &e) < 0) {
		job_finish(j, NULL, &e);
		return;
	}
	creation_of(j)->draft.s.id = j->id = draw_id(in);
	job_go(j);
}

/* ---- update, rm ---- */

int intent_find_service(const struct view *v, const char *ref,
			const struct view_service **ret_service, struct err *e)
{
	bool ambiguous;

	*ret_service = view_service_find(v, ref, &ambiguous);
	if (*ret_service)
		return 0;
	if (ambiguous)
		return err_set(e, -EINVAL,
			       "several networks have a service \"%.63s\"; say which one as "
			       "%.63s.NETWORK, or by its id from `overlayctl service ls`",
			       ref, ref);
	return err_set(e, -ENOENT,
		       "there is no service \"%.80s\"; `overlayctl service ls` shows the "
		       "services",
		       ref);
}

int intent_service_update(struct intent *in, const struct service_ask *ask, uint64_t wall_ms,
			  struct id *ret_id, struct err *e)
{
	const struct view_service *vs;
	struct service_draft draft = { 0 };
	int r = check_not_removed(in, e);

	if (r == 0)
		r = intent_find_service(store_view(in->store), ask->name ? ask->name : "", &vs, e);
	if (r < 0)
		return r;
	draft.s = *vs->svc;
	service_detail_decode(vs->item, &draft.d);
	r = service_ask_bend(ask, &draft, e);
	if (r == 0)
		r = settle_publish(in, store_view(in->store), &draft, e);
	if (r == 0)
		r = write_service(in, &draft.s, &draft.d, wall_ms, e);
	if (r == 0)
		r = store_commit(in->store, e);
	if (r == 0)
		*ret_id = draft.s.id;
	return r;
}

/* Its backends' records are their nodes' to write: the view sees them as nobody's at once. */
int intent_service_rm(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e)
{
	const struct view_service *vs;
	struct id id;
	int r = check_not_removed(in, e);

	if (r == 0)
		r = intent_find_service(store_view(in->store), ref, &vs, e);
	if (r < 0)
		return r;
	id = vs->svc->id; /* the view ends with the write */
	r = bury_service(in, &id, wall_ms, e);
	return r < 0 ? r : store_commit(in->store, e);
}
