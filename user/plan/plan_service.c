/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services in the kernel. For each one that balances (mode vip, and the VIP is
 * its own; of dnsrr only what ports of host mode need: plan_vip.c):
 *
 *   services   a row a declared port, or one for all
 *   choices    the sequence by which new flows are dealt, 256 places a row
 *   backends   who takes new flows and can be reached from here, by index
 *   endpoints  the VIP itself; and each backend's row says whose it is
 *
 * Backends are sorted by endpoint id, so every node that reaches the same ones
 * numbers them alike and computes the same Maglev table.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "build.h"
#include "maglev.h"
#include "table.h"

/* ---- who is whose backend ---- */

static bool is_reachable(const struct build *b, const struct view_endpoint *ve)
{
	return build_is_local(b, ve) ? build_device(b, &ve->ep->id) : build_peer(b, ve) != NULL;
}

static bool is_backend(const struct build *b, const struct view_endpoint *ve)
{
	return service_balances(b, ve) && build_has_claims(ve) &&
	       view_endpoint_serves(ve, &b->f->away) && is_reachable(b, ve);
}

/* With prefer_local, those elsewhere only stand in when there is none here. */
static void prefer_local(const struct build *b, struct balance *to)
{
	const struct view_endpoint **backend = b->backend + to->first;
	size_t local = 0;

	if (!to->vs->svc->prefer_local)
		return;
	for (size_t i = 0; i < to->count; i++)
		if (build_is_local(b, backend[i]))
			backend[local++] = backend[i];
	to->count = local ? local : to->count;
}

/* Collects backends by service; both are in order of their ids, so each one's stay so. */
static int group(struct build *b)
{
	const struct view *v = b->v;
	_cleanup_(freep) size_t *index = calloc(v->endpoint_count + 1, sizeof(*index));
	size_t total = 0;

	b->balance = calloc(v->service_count + 1, sizeof(*b->balance));
	if (!index || !b->balance)
		return -ENOMEM;
	b->balance_count = v->service_count;
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		index[i] = is_backend(b, ve) ? (size_t)(ve->service - v->service) : SIZE_MAX;
		if (index[i] == SIZE_MAX)
			continue;
		b->balance[index[i]].count++;
		total++;
	}
	b->backend = calloc(total + WEIGHTED_MAX, sizeof(*b->backend));
	if (!b->backend)
		return -ENOMEM;
	b->local_first = total;
	total = 0;
	for (size_t i = 0; i < v->service_count; i++) {
		b->balance[i].vs = &v->service[i];
		b->balance[i].vip = b->vip[i];
		b->balance[i].vni = v->service[i].net->net->vni;
		b->balance[i].first = total;
		total += b->balance[i].count;
		b->balance[i].count = 0;
	}
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (index[i] != SIZE_MAX) {
			struct balance *to = &b->balance[index[i]];

			b->backend[to->first + to->count++] = &v->endpoint[i];
		}
	return 0;
}

/* By VIP and VNI, as the tables are: rows come out in order and need no sorting. */
static int balance_cmp(const void *a, const void *b)
{
	const struct balance *x = a, *y = b;
	int diff = addr_cmp(&x->vip, &y->vip);

	return diff ? diff : memcmp(&x->vni, &y->vni, sizeof(x->vni));
}

/* Beyond the limit of one sequence the rest takes no new flows: maglev.h. */
static void limit(struct build *b)
{
	for (size_t i = 0; i < b->balance_count; i++) {
		struct balance *to = &b->balance[i];

		prefer_local(b, to);
		to->known = to->count;
		if (to->count > WEIGHTED_MAX) {
			b->plan.left_out += to->count - WEIGHTED_MAX;
			to->count = WEIGHTED_MAX;
		}
	}
}

/* ---- rows ---- */

/* One service's sequence while its rows are made; the arrays serve all of them in turn. */
struct sequence {
	struct weighted *weighted;
	uint16_t *place;
	uint32_t size;
};

static void sequence_fini(struct sequence *s)
{
	free(s->weighted);
	free(s->place);
}

static uint16_t weight_of(const struct view_endpoint *ve)
{
	return ve->ep->weight ? ve->ep->weight : 1;
}

static int fill_sequence(struct build *b, const struct balance *of, struct sequence *s)
{
	uint8_t algorithm = of->vs->svc->algorithm;

	s->size = 0;
	if (!of->count || algorithm == OV_LB_LEAST_CONN)
		return 0;
	for (size_t i = 0; i < of->count; i++) {
		const struct view_endpoint *ve = b->backend[of->first + i];

		s->weighted[i] = (struct weighted){ ve->ep->id, weight_of(ve) };
	}
	if (algorithm == OV_LB_MAGLEV) {
		s->size = maglev_size(s->weighted, of->count);
		return maglev_fill(s->weighted, of->count, s->place, s->size);
	}
	s->size = turns_size(s->weighted, of->count);
	return turns_fill(s->weighted, of->count, s->place, s->size);
}

static int add_choices(struct build *b, const struct balance *of, const struct sequence *s)
{
	struct plan_table *t = build_table(b, PLAN_CHOICES);
	struct ov_choices_key key = { .vip = of->vip, .vni = of->vni };
	uint32_t chunks = (s->size + OV_CHOICES_PER_CHUNK - 1) / OV_CHOICES_PER_CHUNK;
	int err = table_grow(t, chunks);

	for (; !err && key.chunk < chunks; key.chunk++) {
		uint32_t from = key.chunk * OV_CHOICES_PER_CHUNK, n = s->size - from;
		struct ov_choices value = { 0 };

		if (n > OV_CHOICES_PER_CHUNK)
			n = OV_CHOICES_PER_CHUNK;
		memcpy(value.backend, s->place + from, n * sizeof(value.backend[0]));
		table_add(t, &key, &value);
	}
	return err;
}

static int add_backends(struct build *b, const struct balance *of)
{
	struct ov_backend_key key = { .vip = of->vip, .vni = of->vni };
	int err = table_grow(build_table(b, PLAN_BACKENDS), of->count);

	for (; !err && key.index < of->count; key.index++) {
		const struct view_endpoint *ve = b->backend[of->first + key.index];
		struct ov_backend value = {
			.addr = ve->ep->addr,
			.incarnation = service_incarnation(&ve->ep->id),
			.weight = weight_of(ve),
		};

		table_add(build_table(b, PLAN_BACKENDS), &key, &value);
	}
	return err;
}

/* Who takes new flows, and the service as its row will have it, without a port. 0 or -ENOMEM. */
static int add_dealing(struct build *b, const struct balance *of, struct sequence *s,
		       struct ov_service *ret_service)
{
	const struct service *svc = of->vs->svc;
	int err = fill_sequence(b, of, s);

	if (!err)
		err = add_choices(b, of, s);
	if (!err)
		err = add_backends(b, of);
	*ret_service = (struct ov_service){
		.choices = s->size,
		.backends = (uint32_t)of->count,
		.affinity_s = svc->affinity_s,
		.algorithm = svc->algorithm,
	};
	return err;
}

/* The backends that live here, out of all that the service has. */
static struct balance local_balance(struct build *b, const struct balance *of)
{
	struct balance local = { .vs = of->vs, .vip = of->vip, .vni = of->vni | OV_VNI_LOCAL,
				 .first = b->local_first };

	for (size_t i = 0; i < of->known && local.count < WEIGHTED_MAX; i++)
		if (build_is_local(b, b->backend[of->first + i]))
			b->backend[local.first + local.count++] = b->backend[of->first + i];
	return local;
}

static int add_published(struct build *b, const struct balance *of, struct sequence *s,
			 const struct service_detail *d, const struct ov_service *all)
{
	struct ov_service here = { 0 };
	struct balance local;
	int err = 0;

	if (publish_wants_local(b, of->vs, d)) {
		local = local_balance(b, of);
		err = add_dealing(b, &local, s, &here);
	}
	return err ? err : publish_add(b, of, d, all, &here);
}

static void add_service(struct build *b, const struct balance *of, const struct ov_service *as,
			const struct service_port *port)
{
	struct ov_service_key key = { .vip = of->vip, .vni = of->vni };
	struct ov_service value = *as;

	if (port) {
		key.port = htons(port->port);
		key.protocol = port->protocol;
		if (port->target && port->target != port->port)
			value.target_port = htons(port->target);
	}
	table_add(build_table(b, PLAN_SERVICES), &key, &value);
}

static void add_vip(struct build *b, const struct view_service *vs, bool has_ports)
{
	struct ov_endpoint_key key = { .addr = vs->svc->vip, .vni = vs->net->net->vni };
	struct ov_endpoint value;

	memset(&value, 0, sizeof(value));
	value.incarnation = service_incarnation(&vs->svc->id);
	mac_from_addr(&vs->svc->vip, value.mac);
	value.flags = OV_ENDPOINT_VIP | (has_ports ? OV_ENDPOINT_PORTS : 0) |
		      (vs->net->net->encrypted ? OV_ENDPOINT_ENCRYPTED : 0) |
		      policy_flag(b, vs->net);
	table_add(build_table(b, PLAN_ENDPOINTS), &key, &value);
}

static int add_behind_vip(struct build *b, const struct balance *of, struct sequence *s,
			  const struct service_detail *d, struct ov_service *ret_as)
{
	int err = add_dealing(b, of, s, ret_as);

	if (err)
		return err;
	if (!d->port_count)
		add_service(b, of, ret_as, NULL);
	for (uint8_t i = 0; i < d->port_count; i++)
		add_service(b, of, ret_as, &d->port[i]);
	add_vip(b, of->vs, d->port_count > 0);
	return 0;
}

static int add_balance(struct build *b, const struct balance *of, struct sequence *s)
{
	struct ov_service as = { 0 };
	struct service_detail detail;
	int err = 0;

	service_detail_decode(of->vs->item, &detail);
	if (of->vs->svc->mode == SERVICE_VIP)
		err = add_behind_vip(b, of, s, &detail, &as);
	if (err || !of->vs->svc->publish_count)
		return err;
	return add_published(b, of, s, &detail, &as);
}

static int reserve(struct build *b, struct sequence *ret_room)
{
	size_t backends = 0;
	int err;

	for (size_t i = 0; i < b->balance_count; i++)
		backends += b->balance[i].count;
	err = table_grow(build_table(b, PLAN_BACKENDS), backends);
	if (!err)
		err = table_grow(build_table(b, PLAN_SERVICES), b->balance_count * SERVICE_PORT_MAX);
	ret_room->weighted = calloc(WEIGHTED_MAX, sizeof(*ret_room->weighted));
	ret_room->place = calloc(MAGLEV_MAX, sizeof(*ret_room->place));
	return err || !ret_room->weighted || !ret_room->place ? -ENOMEM : 0;
}
_Static_assert(TURNS_MAX <= MAGLEV_MAX, "one array takes either sequence");

int services_add(struct build *b)
{
	_cleanup_(sequence_fini) struct sequence s = { 0 };
	int err = group(b);

	if (!err) {
		limit(b);
		qsort(b->balance, b->balance_count, sizeof(*b->balance), balance_cmp);
		err = reserve(b, &s);
	}
	for (size_t i = 0; !err && i < b->balance_count; i++)
		if (!addr_is_zero(&b->balance[i].vip))
			err = add_balance(b, &b->balance[i], &s);
	return err;
}
