/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By what address a service's rows go, and whose backends endpoints are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

/* Another service's rows go by that address in the network, among the first `count`. */
static bool is_used(const struct build *b, size_t count, const struct network *net,
		    const struct ov_addr *vip)
{
	for (size_t i = 0; i < count; i++)
		if (b->v->service[i].net->net->vni == net->vni && !addr_cmp(&b->vip[i], vip))
			return true;
	return false;
}

/*
 * For want of a VIP (maps/publish.h). Only rows of this node know it. Two ids with the same 28
 * bits in one network: the second service's ports stay closed, rather than lead to the first.
 */
static struct ov_addr stand_in(const struct build *b, size_t index)
{
	const struct view_service *vs = &b->v->service[index];
	uint32_t bits = service_incarnation(&vs->svc->id) & 0x0fffffff;
	struct ov_addr vip = addr_from_v4(OV_STAND_IN | bits), none = { 0 };

	return publish_has_any(vs) && !is_used(b, index, vs->net->net, &vip) ? vip : none;
}

int services_init(struct build *b)
{
	const struct view *v = b->v;

	b->vip = calloc(v->service_count + 1, sizeof(*b->vip));
	if (!b->vip)
		return -ENOMEM;
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];

		if (vs->net->vni_lost)
			continue;
		if (vs->svc->mode == SERVICE_DNSRR)
			b->vip[i] = stand_in(b, i);
		else if (!vs->vip_lost)
			b->vip[i] = vs->svc->vip;
	}
	return 0;
}

static const struct ov_addr *vip_of(const struct build *b, const struct view_service *vs)
{
	return &b->vip[vs - b->v->service];
}

bool service_balances(const struct build *b, const struct view_endpoint *ve)
{
	const struct view_service *vs = ve->service;

	return vs && !addr_is_zero(vip_of(b, vs)) &&
	       (vs->svc->mode == SERVICE_VIP || build_is_local(b, ve));
}

uint32_t service_incarnation(const struct id *id)
{
	uint32_t incarnation;

	memcpy(&incarnation, id->b, sizeof(incarnation));
	return incarnation;
}

uint16_t service_flags(const struct build *b, const struct view_endpoint *ve,
		       struct ov_addr *ret_vip)
{
	uint16_t flags = (ve->net->net->encrypted ? OV_ENDPOINT_ENCRYPTED : 0) |
			 policy_flag(b, ve->net);

	if (!service_balances(b, ve)) {
		*ret_vip = (struct ov_addr){ 0 };
		return flags;
	}
	flags |= OV_ENDPOINT_BACKEND;
	if (!view_endpoint_serves(ve, &b->f->away))
		flags |= OV_ENDPOINT_CLOSED;
	if (id_set_has(&b->f->away, &ve->ep->node))
		flags |= OV_ENDPOINT_AWAY;
	if (publish_has_any(ve->service))
		flags |= OV_ENDPOINT_PUBLISHED;
	*ret_vip = *vip_of(b, ve->service);
	return flags;
}
