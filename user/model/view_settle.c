/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "view_settle.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * Who claims what. Sorted by (what, since, id) the first of each run of equal
 * claims is the one that keeps it, so one sort settles any number of claims.
 */
struct claim {
	uint8_t what[16 + NAME_MAX_LEN + 1]; /* zero-padded bytes of the claimed thing */
	uint64_t since;
	struct id id;
	size_t index; /* of the claimant in its array of the view */
};

static int claim_cmp(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int diff = memcmp(x->what, y->what, sizeof(x->what));

	if (diff)
		return diff;
	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return id_cmp(&x->id, &y->id);
}

static struct claim claim_of(const void *what, size_t len, uint64_t since, const struct id *id,
			     size_t index)
{
	struct claim c = { .since = since, .id = *id, .index = index };

	memcpy(c.what, what, len);
	return c;
}

static struct claim *claims_new(size_t count)
{
	return calloc(count ? count : 1, sizeof(struct claim));
}

static void settle(struct view *v, struct claim *claims, size_t count,
		   void (*on_loser)(struct view *v, size_t index))
{
	qsort(claims, count, sizeof(*claims), claim_cmp);
	for (size_t i = 1; i < count; i++)
		if (!memcmp(claims[i].what, claims[i - 1].what, sizeof(claims[i].what)))
			on_loser(v, claims[i].index);
}

static void lose_node(struct view *v, size_t index)
{
	v->node[index].name_lost = true;
}

static void lose_network_name(struct view *v, size_t index)
{
	struct view_network *n = &v->network[index];
	char hex[7];

	snprintf(n->display, sizeof(n->display), "%s~%s", n->net->name,
		 hex_format(n->net->id.b, 3, hex));
}

static void lose_vni(struct view *v, size_t index)
{
	v->network[index].vni_lost = true;
}

/* Services stand behind the endpoints: both claim addresses. */
static void lose_addr(struct view *v, size_t index)
{
	if (index < v->endpoint_count)
		v->endpoint[index].addr_lost = true;
	else
		v->service[index - v->endpoint_count].vip_lost = true;
}

static void lose_service_name(struct view *v, size_t index)
{
	struct view_service *s = &v->service[index];
	char hex[7];

	snprintf(s->display, sizeof(s->display), "%s~%s", s->svc->name,
		 hex_format(s->svc->id.b, 3, hex));
}

int view_settle_nodes(struct view *v)
{
	_cleanup_(freep) struct claim *claims = claims_new(v->node_count);
	size_t names = 0, addrs = 0;

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (n->name[0])
			claims[names++] = claim_of(n->name, strlen(n->name), n->joined_ms, &n->id, i);
	}
	settle(v, claims, names, lose_node);
	for (size_t i = 0; i < v->node_count; i++) {
		const struct node *n = v->node[i].node;

		if (!addr_is_zero(&n->addr))
			claims[addrs++] = claim_of(n->addr.b, 16, n->joined_ms, &n->id, i);
	}
	settle(v, claims, addrs, lose_node);
	return 0;
}

int view_settle_networks(struct view *v)
{
	_cleanup_(freep) struct claim *claims = claims_new(v->network_count);
	size_t names = 0, vnis = 0;

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < v->network_count; i++) {
		struct view_network *n = &v->network[i];

		strcpy(n->display, n->net->name);
		if (n->net->name[0])
			claims[names++] = claim_of(n->net->name, strlen(n->net->name),
						   n->net->created_ms, &n->net->id, i);
	}
	settle(v, claims, names, lose_network_name);
	for (size_t i = 0; i < v->network_count; i++) {
		const struct network *n = v->network[i].net;

		if (n->vni >= VNI_MIN)
			claims[vnis++] = claim_of(&n->vni, sizeof(n->vni), n->created_ms, &n->id, i);
		else
			lose_vni(v, i); /* never had one */
	}
	settle(v, claims, vnis, lose_vni);
	return 0;
}

int view_settle_services(struct view *v)
{
	_cleanup_(freep) struct claim *claims = claims_new(v->service_count);
	size_t count = 0;

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < v->service_count; i++) {
		struct view_service *vs = &v->service[i];
		uint8_t what[16 + NAME_MAX_LEN + 1] = { 0 };

		strcpy(vs->display, vs->svc->name);
		if (!vs->svc->name[0])
			continue;
		memcpy(what, vs->svc->network.b, 16);
		for (size_t j = 0; vs->svc->name[j]; j++) /* names in DNS have no case */
			what[16 + j] = (uint8_t)tolower((unsigned char)vs->svc->name[j]);
		claims[count++] = claim_of(what, sizeof(what), vs->svc->created_ms, &vs->svc->id, i);
	}
	settle(v, claims, count, lose_service_name);
	return 0;
}

static void claim_addr(struct claim *claims, size_t *count, const struct id *network,
		       const struct ov_addr *addr, uint64_t since, const struct id *id, size_t index)
{
	uint8_t what[32];

	if (addr_is_zero(addr))
		return;
	memcpy(what, network->b, 16);
	memcpy(what + 16, addr->b, 16);
	claims[(*count)++] = claim_of(what, sizeof(what), since, id, index);
}

int view_settle_addrs(struct view *v)
{
	_cleanup_(freep) struct claim *claims = claims_new(v->endpoint_count + v->service_count);
	size_t count = 0;

	if (!claims)
		return -ENOMEM;
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct endpoint *ep = v->endpoint[i].ep;

		claim_addr(claims, &count, &ep->network, &ep->addr, ep->created_ms, &ep->id, i);
	}
	for (size_t i = 0; i < v->service_count; i++) {
		const struct service *s = v->service[i].svc;

		claim_addr(claims, &count, &s->network, &s->vip, s->created_ms, &s->id,
			   v->endpoint_count + i);
	}
	settle(v, claims, count, lose_addr);
	return 0;
}
