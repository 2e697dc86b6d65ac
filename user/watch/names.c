/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorted by (vni, addr), so that a name costs a search in a list and not a walk of the view. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "watch.h"

struct watch_names {
	size_t count;
	struct watch_name *name;
	size_t network_count;
	struct watch_name *network; /* sorted by vni; addr is zero */
};

static int compare(const void *a, const void *b)
{
	const struct watch_name *x = a, *y = b;

	if (x->vni != y->vni)
		return x->vni < y->vni ? -1 : 1;
	return addr_cmp(&x->addr, &y->addr);
}

static void add(struct watch_name *list, size_t *count, uint32_t vni, const struct ov_addr *addr,
		const char *name)
{
	struct watch_name *n = &list[*count];

	if (!*name)
		return;
	n->vni = vni;
	n->addr = *addr;
	snprintf(n->name, sizeof(n->name), "%s", name);
	(*count)++;
}

/* Room is there for all. */
static void fill(const struct view *v, struct watch_names *n)
{
	const struct ov_addr none = { 0 };

	for (size_t i = 0; i < v->network_count; i++)
		if (!v->network[i].vni_lost)
			add(n->network, &n->network_count, v->network[i].net->vni, &none,
			    v->network[i].display);
	for (size_t i = 0; i < v->node_count; i++)
		add(n->name, &n->count, 0, &v->node[i].node->addr, v->node[i].node->name);
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (!v->endpoint[i].addr_lost)
			add(n->name, &n->count, v->endpoint[i].net->net->vni, &v->endpoint[i].ep->addr,
			    v->endpoint[i].ep->name);
	for (size_t i = 0; i < v->service_count; i++)
		if (!v->service[i].vip_lost && !addr_is_zero(&v->service[i].svc->vip))
			add(n->name, &n->count, v->service[i].net->net->vni, &v->service[i].svc->vip,
			    v->service[i].display);
}

int watch_names_build(const struct view *v, struct watch_names **ret_names)
{
	struct watch_names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->name = calloc(v->node_count + v->endpoint_count + v->service_count + 1, sizeof(*n->name));
	n->network = calloc(v->network_count + 1, sizeof(*n->network));
	if (!n->name || !n->network) {
		watch_names_free(n);
		return -ENOMEM;
	}
	fill(v, n);
	qsort(n->name, n->count, sizeof(*n->name), compare);
	qsort(n->network, n->network_count, sizeof(*n->network), compare);
	*ret_names = n;
	return 0;
}

void watch_names_free(struct watch_names *n)
{
	if (!n)
		return;
	free(n->name);
	free(n->network);
	free(n);
}

static const char *find(const struct watch_name *list, size_t count, uint32_t vni,
			const struct ov_addr *addr)
{
	struct watch_name key = { .vni = vni, .addr = *addr };
	const struct watch_name *found = bsearch(&key, list, count, sizeof(key), compare);

	return found ? found->name : "";
}

const char *watch_names_find(const struct watch_names *n, uint32_t vni, const struct ov_addr *addr)
{
	return find(n->name, n->count, vni, addr);
}

const char *watch_names_network(const struct watch_names *n, uint32_t vni)
{
	return find(n->network, n->network_count, vni, &(struct ov_addr){ 0 });
}
