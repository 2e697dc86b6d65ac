/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "addresses.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/cleanup.h"

size_t count_attached(const struct fleet *f)
{
	size_t count = 0;

	for (size_t i = 0; i < f->count; i++)
		count += !id_is_zero(&f->attempt[i].id);
	return count;
}

void check_all_answered(const struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++)
		cr_assert_eq(f->attempt[i].times, 1, "attach %zu was answered %d times", i,
			     f->attempt[i].times);
}

const struct endpoint *endpoint(struct fleet *f, const struct attempt *a)
{
	const struct view_endpoint *ve = view_endpoint_by_id(fleet_view(f, a->node), &a->id);

	cr_assert_eq(a->times, 1);
	cr_assert_not_null(ve, "%s", a->e.text);
	return ve->ep;
}

/* A service is told of by whoever made it, while that one knows it as living. */
static void count_vips(struct fleet *f, const char *name, uint8_t *given)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct attempt *a = &f->attempt[i];
		const struct view *v = fleet_view(f, a->node);
		const struct view_network *vn = view_network_find(v, name);
		const struct view_service *vs = view_service_by_id(v, &a->id);

		if (vs && vs->net == vn)
			given[addr_distance(&vn->net->subnet.addr, &vs->svc->vip)]++;
	}
}

void check_nothing_twice(struct fleet *f, const char *name, size_t size)
{
	_cleanup_(freep) uint8_t *given = calloc(size, 1), *owned = calloc(size, 1);

	for (size_t i = 0; i < cluster_size(f->c); i++) {
		const struct view *v = fleet_view(f, i);
		const struct view_network *vn = view_network_find(v, name);
		const struct id *me = &cluster_node(f->c, i)->id;

		for (size_t k = 0; vn && k < v->endpoint_count; k++)
			if (v->endpoint[k].net == vn && id_equal(&v->endpoint[k].ep->node, me))
				given[addr_distance(&vn->net->subnet.addr,
						    &v->endpoint[k].ep->addr)]++;
		for (size_t k = 0; vn && k < size; k++) {
			struct ov_addr a = addr_add(&vn->net->subnet.addr, k);
			const struct id *owner = ipam_owner(v, vn->net, &a);

			owned[k] += owner && id_equal(owner, me);
		}
	}
	count_vips(f, name, given);
	for (size_t k = 0; k < size; k++) {
		cr_assert_leq(given[k], 1, ".%zu was given %d times", k, given[k]);
		cr_assert_leq(owned[k], 1, ".%zu has %d owners", k, owned[k]);
	}
}

void check_complete(struct fleet *f, const char *name, size_t size)
{
	check_nothing_twice(f, name, size);
	for (size_t i = 0; i < cluster_size(f->c); i++) {
		uint64_t sum = 0;

		if (!cluster_node(f->c, i)->up)
			continue;
		for (size_t k = 0; k < fleet_view(f, i)->node_count; k++)
			sum += ipam_owned(fleet_view(f, i), fleet_network(f, i, name),
					  &fleet_view(f, i)->node[k].node->id);
		cr_assert_eq(sum, size, "node %zu sees %lu of %zu addresses owned", i,
			     (unsigned long)sum, size);
		for (size_t k = 0; k < fleet_view(f, i)->endpoint_count; k++)
			cr_assert_not(fleet_view(f, i)->endpoint[k].addr_lost);
		for (size_t k = 0; k < fleet_view(f, i)->service_count; k++)
			cr_assert_not(fleet_view(f, i)->service[k].vip_lost);
	}
}

uint64_t owned(struct fleet *f, size_t i, const char *name)
{
	return ipam_owned(fleet_view(f, i), fleet_network(f, i, name), &cluster_node(f->c, i)->id);
}

const char *last_owned(struct fleet *f, size_t i, const char *name)
{
	static char text[ADDR_TEXT_MAX];
	const struct network *n = fleet_network(f, i, name);

	for (uint64_t k = 254; k > 0; k--) {
		struct ov_addr a = addr_add(&n->subnet.addr, k);
		const struct id *owner = ipam_owner(fleet_view(f, i), n, &a);

		if (owner && id_equal(owner, &cluster_node(f->c, i)->id))
			return addr_format(&a, text);
	}
	cr_assert_fail("node %zu owns nothing", i);
	return NULL;
}
