/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "names.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* A view's name as DNS can carry it. Returns where it stands. */
static uint32_t add_text(struct dns_names *n, const char *name)
{
	size_t at = n->text.len;
	char dot = '.'; /* the last byte written: there is none before the first label */

	for (; *name; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + ('a' - 'A')) : *name;

		if (c == '.' && (dot == '.' || !name[1 + strspn(name + 1, ".")]))
			continue;
		buf_u8(&n->text, (uint8_t)c);
		dot = c;
	}
	buf_u8(&n->text, '\0');
	return (uint32_t)at;
}

static void add_name(struct buf *names, enum dns_name_kind kind, uint32_t network, uint32_t text,
		     size_t ref)
{
	struct dns_name_entry e = { 0 };

	e.network = network;
	e.text = text;
	e.ref = (uint32_t)ref;
	e.kind = (uint8_t)kind;
	buf_put(names, &e, sizeof(e));
}

static void add_networks(struct dns_names *n, const struct view *v)
{
	for (size_t i = 0; i < v->network_count; i++)
		n->network[n->network_count++] = (struct dns_network){
			.id = v->network[i].net->id,
			.subnet = v->network[i].net->subnet,
			.text = add_text(n, v->network[i].display),
		};
}

static void add_ports(struct dns_names *n, const struct item *it, struct dns_service *s)
{
	struct service_detail detail;

	service_detail_decode(it, &detail);
	s->port = (uint32_t)(n->port.len / sizeof(detail.port[0]));
	s->port_count = detail.port_count;
	buf_put(&n->port, detail.port, detail.port_count * sizeof(detail.port[0]));
}

/* One that lost its name or its VIP is nothing of ours; its backends are what they are. */
static void add_services(struct dns_names *n, const struct view *v, struct buf *names)
{
	for (size_t i = 0; i < v->service_count; i++) {
		const struct view_service *vs = &v->service[i];
		struct dns_service *s = &n->service[n->service_count++];

		s->id = vs->svc->id;
		s->created_ms = vs->svc->created_ms;
		s->vip = vs->svc->vip;
		s->mode = vs->svc->mode;
		s->network = (uint32_t)(vs->net - v->network);
		s->known = vs->svc->name[0] && !strcmp(vs->display, vs->svc->name);
		if (s->mode == SERVICE_VIP && (vs->vip_lost || !addr_is_v4(&s->vip)))
			s->known = false;
		if (!s->known)
			continue;
		s->text = add_text(n, vs->display);
		add_ports(n, vs->item, s);
		add_name(names, NAME_SERVICE, s->network, s->text, i);
	}
}

static void add_aliases(struct dns_names *n, const struct item *it, uint32_t network, size_t ref,
			struct buf *names)
{
	struct endpoint_detail detail;

	endpoint_detail_decode(it, &detail);
	for (int i = 0; i < detail.alias_count; i++)
		add_name(names, NAME_ALIAS, network, add_text(n, detail.alias[i]), ref);
}

/* One without its address has no name either: where it would lead is somebody else. */
static void add_endpoints(struct dns_names *n, const struct view *v, const struct id_set *away,
			  struct buf *names)
{
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];
		size_t ref = n->endpoint_count;
		struct dns_endpoint *e = &n->endpoint[ref];

		if (ve->addr_lost || !addr_is_v4(&ve->ep->addr))
			continue;
		n->endpoint_count++;
		memcpy(e->short_id, ve->ep->id.b, sizeof(e->short_id));
		e->weight = ve->ep->weight ? ve->ep->weight : 1;
		e->addr = ve->ep->addr;
		e->network = (uint32_t)(ve->net - v->network);
		e->service = ve->service ? (uint32_t)(ve->service - v->service) : NO_SERVICE;
		e->serves = view_endpoint_serves(ve, away);
		if (ve->ep->name[0]) {
			e->text = add_text(n, ve->ep->name);
			add_name(names, NAME_ENDPOINT, e->network, e->text, ref);
		}
		add_aliases(n, ve->item, e->network, ref, names);
	}
}

/* Lays the backends of each service side by side, those that serve first. */
static void group_backends(struct dns_names *n)
{
	uint32_t at = 0;

	for (size_t i = 0; i < n->endpoint_count; i++)
		if (n->endpoint[i].service != NO_SERVICE)
			n->service[n->endpoint[i].service].total++;
	for (size_t i = 0; i < n->service_count; i++) {
		n->service[i].backend = at;
		at += n->service[i].total;
		n->service[i].total = 0;
	}
	for (int serves = 1; serves >= 0; serves--)
		for (size_t i = 0; i < n->endpoint_count; i++) {
			const struct dns_endpoint *e = &n->endpoint[i];
			struct dns_service *s;

			if (e->service == NO_SERVICE || e->serves != serves)
				continue;
			s = &n->service[e->service];
			n->backend[s->backend + s->total++] = (uint32_t)i;
			s->serving += serves;
		}
}

static int holder_cmp(const void *a, const void *b, void *names)
{
	const struct dns_names *n = names;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct dns_service *s;

	if (y < n->endpoint_count)
		return names_holder_cmp(n, x, n->endpoint[y].network, &n->endpoint[y].addr);
	s = &n->service[y - n->endpoint_count];
	return names_holder_cmp(n, x, s->network, &s->vip);
}

static void index_holders(struct dns_names *n)
{
	for (size_t i = 0; i < n->endpoint_count; i++)
		n->holder[n->holder_count++] = (uint32_t)i;
	for (size_t i = 0; i < n->service_count; i++)
		if (n->service[i].known && n->service[i].mode == SERVICE_VIP)
			n->holder[n->holder_count++] = (uint32_t)(n->endpoint_count + i);
	qsort_r(n->holder, n->holder_count, sizeof(*n->holder), holder_cmp, n);
}

/* Of two services whose names differ in case only, the older goes first, as in the view. */
static int ref_cmp(const struct dns_names *n, const struct dns_name_entry *x,
		   const struct dns_name_entry *y)
{
	const struct dns_service *s = n->service;

	if (x->kind == NAME_SERVICE && s[x->ref].created_ms != s[y->ref].created_ms)
		return s[x->ref].created_ms < s[y->ref].created_ms ? -1 : 1;
	return x->ref == y->ref ? 0 : x->ref < y->ref ? -1 : 1;
}

static int name_cmp(const void *a, const void *b, void *names)
{
	const struct dns_name_entry *x = a, *y = b;
	int diff;

	if (x->network != y->network)
		return x->network < y->network ? -1 : 1;
	diff = strcmp(names_text(names, x->text), names_text(names, y->text));
	if (diff)
		return diff;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return ref_cmp(names, x, y);
}

/* Sorts, and drops what one endpoint says twice. */
static void index_names(struct dns_names *n)
{
	size_t kept = 0;

	if (n->name_count)
		qsort_r(n->name, n->name_count, sizeof(*n->name), name_cmp, n);
	for (size_t i = 0; i < n->name_count; i++)
		if (!kept || name_cmp(&n->name[kept - 1], &n->name[i], n))
			n->name[kept++] = n->name[i];
	n->name_count = kept;
}

static int allocate(struct dns_names *n, const struct view *v)
{
	n->network = calloc(v->network_count + 1, sizeof(*n->network));
	n->endpoint = calloc(v->endpoint_count + 1, sizeof(*n->endpoint));
	n->service = calloc(v->service_count + 1, sizeof(*n->service));
	n->backend = calloc(v->endpoint_count + 1, sizeof(*n->backend));
	n->holder = calloc(v->endpoint_count + v->service_count + 1, sizeof(*n->holder));
	return n->network && n->endpoint && n->service && n->backend && n->holder ? 0 : -ENOMEM;
}

static void names_freep(struct dns_names **n)
{
	dns_names_free(*n);
}

int dns_names_build(const struct view *v, const struct id_set *away, struct dns_names **ret_names)
{
	_cleanup_(names_freep) struct dns_names *n = calloc(1, sizeof(*n));
	_cleanup_(buf_fini) struct buf names = { 0 };

	if (!n || allocate(n, v))
		return -ENOMEM;
	add_text(n, ""); /* what has no name has number 0 */
	add_networks(n, v);
	add_services(n, v, &names);
	add_endpoints(n, v, away, &names);
	if (n->text.failed || n->port.failed || names.failed)
		return -ENOMEM;
	n->name_count = names.len / sizeof(*n->name);
	n->name = (struct dns_name_entry *)TAKE_PTR(names.data);
	group_backends(n);
	index_holders(n);
	index_names(n);
	*ret_names = TAKE_PTR(n);
	return 0;
}

void dns_names_free(struct dns_names *n)
{
	if (!n)
		return;
	free(n->network);
	free(n->endpoint);
	free(n->service);
	free(n->name);
	free(n->holder);
	free(n->backend);
	buf_fini(&n->port);
	buf_fini(&n->text);
	free(n);
}
