/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints of this node as backends: whose they are, whether they take new flows. */
#include "room.h"

#include <errno.h>
#include <string.h>

int parse_weight(const char *text, uint16_t *ret_weight, struct err *e)
{
	uint64_t weight;

	if (parse_number(text, WEIGHT_MAX, &weight) < 0 || !weight)
		return err_set(e, -EINVAL, "weight \"%.40s\" is not a number between 1 and %d", text,
			       WEIGHT_MAX);
	*ret_weight = (uint16_t)weight;
	return 0;
}

int find_service_of(const struct view *v, const struct view_network *vn, const char *ref,
		    const struct view_service **ret_service, struct err *e)
{
	const struct view_service *vs = view_service_on(v, vn, ref);
	bool ambiguous;

	if (!vs)
		vs = view_service_find(v, ref, &ambiguous);
	if (vs && vs->net == vn) {
		*ret_service = vs;
		return 0;
	}
	if (vs)
		return err_set(e, -EINVAL,
			       "service %s is of network %s, and a backend must be on the same "
			       "network; the endpoint is on %s",
			       vs->display, vs->net->display, vn->display);
	return err_set(e, -ENOENT,
		       "there is no service \"%.63s\" on network %s; `overlayctl service ls` "
		       "shows the services",
		       ref, vn->display);
}

/* One endpoint's next version in the making; the view it was read from ends with the write. */
struct change {
	struct endpoint ep;
	struct endpoint_detail detail;
};

static void change_begin(const struct view_endpoint *ve, struct change *c)
{
	c->ep = *ve->ep;
	endpoint_detail_decode(ve->item, &c->detail);
}

static int change_commit(struct intent *in, const struct change *c, uint64_t wall_ms,
			 struct id *ret_id, struct err *e)
{
	int r = write_endpoint(in, &c->ep, &c->detail, wall_ms, e);

	if (r == 0)
		r = store_commit(in->store, e);
	if (r == 0 && ret_id)
		*ret_id = c->ep.id;
	return r;
}

/* As a backend it begins anew: not drained, and nobody has tried its health. */
static void become(struct endpoint *ep, const struct id *service)
{
	ep->service = *service;
	ep->weight = id_is_zero(service) ? 0 : 1;
	ep->health = ENDPOINT_UNTRIED;
	ep->draining = false;
}

static int leave(const struct view_endpoint *ve, struct endpoint *ep, struct err *e)
{
	char id[ID_TEXT_MAX];

	if (!ve->service)
		return err_set(e, -ENOENT, "endpoint %s is in no service", endpoint_text(ep, id));
	become(ep, &(struct id){ 0 });
	return 0;
}

static int join(const struct view *v, const struct view_endpoint *ve, const char *service,
		const char *weight, struct endpoint *ep, struct err *e)
{
	const struct view_service *vs;
	char id[ID_TEXT_MAX];
	int r = find_service_of(v, ve->net, service, &vs, e);

	if (r < 0)
		return r;
	if (ve->service && ve->service != vs)
		return err_set(e, -EEXIST,
			       "endpoint %s is in service %s already; run `overlayctl service "
			       "leave` first",
			       endpoint_text(ve->ep, id), ve->service->display);
	if (!ve->service)
		become(ep, &vs->svc->id);
	return weight ? parse_weight(weight, &ep->weight, e) : 0;
}

int intent_endpoint_join(struct intent *in, const char *endpoint, const char *service,
			 const char *weight, uint64_t wall_ms, struct id *ret_id, struct err *e)
{
	const struct view *v = store_view(in->store);
	const struct view_endpoint *ve;
	struct change c;
	int r = find_own_endpoint(in, endpoint, service ? "service join" : "service leave", &ve, e);

	if (r < 0)
		return r;
	change_begin(ve, &c);
	if (!service && weight)
		return err_set(e, -EINVAL,
			       "a weight of \"%.20s\" without a service means nothing; leave it out",
			       weight);
	r = service ? join(v, ve, service, weight, &c.ep, e) : leave(ve, &c.ep, e);
	return r < 0 ? r : change_commit(in, &c, wall_ms, ret_id, e);
}

int intent_endpoint_drain(struct intent *in, const char *ref, bool drain, uint64_t wall_ms,
			  struct id *ret_id, struct err *e)
{
	const struct view_endpoint *ve;
	char id[ID_TEXT_MAX];
	struct change c;
	int r = find_own_endpoint(in, ref, drain ? "service drain" : "service undrain", &ve, e);

	if (r < 0)
		return r;
	if (drain && !ve->service)
		return err_set(e, -ENOENT,
			       "endpoint %s is in no service, so there is nothing to be drained of; "
			       "`overlayctl service join` puts it into one",
			       endpoint_text(ve->ep, id));
	if (ve->ep->draining == drain) {
		*ret_id = ve->ep->id;
		return 0;
	}
	change_begin(ve, &c);
	c.ep.draining = drain;
	return change_commit(in, &c, wall_ms, ret_id, e);
}

int intent_endpoint_health(struct intent *in, const struct id *id, enum endpoint_health health,
			   uint64_t wall_ms, struct err *e)
{
	const struct view_endpoint *ve = view_endpoint_by_id(store_view(in->store), id);
	char text[ID_TEXT_MAX];
	struct change c;

	if (!ve || !is_own_endpoint(in, ve))
		return err_set(e, -ENOENT, "endpoint %.12s is none of this node's",
			       id_format(id, text));
	if (ve->ep->health == health)
		return 0;
	change_begin(ve, &c);
	c.ep.health = (uint8_t)health;
	return change_commit(in, &c, wall_ms, NULL, e);
}
