/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/log.h"

#define NAMES_SWEEP_MS 1000 /* how long our sockets keep a namespace that was deleted */
#define NAMES_RETRY_MS 2000 /* a place whose port was taken, or whose loopback was down */

/* Four descriptors a namespace and one a question under way: more than the usual 1024. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit of open files: %s, keeping the old one", strerror(errno));
}

int agent_names_init(struct agent *a, struct err *e)
{
	struct rng rng;

	raise_descriptor_limit();
	rng_bytes(&a->rng, rng.key, sizeof(rng.key));
	a->names_serial = UINT64_MAX;
	a->names_retry_at = UINT64_MAX;
	return dnsd_new(a->loop, a->options->resolv_conf, &rng, &a->dnsd, e);
}

void agent_names_fini(struct agent *a)
{
	dnsd_free(a->dnsd);
	free(a->names_away);
}

/* ---- places ---- */

/* An endpoint of this node, to be sorted by namespace, and there by time of attaching. */
struct local {
	const struct view_endpoint *ve;
};

static int compare_local(const void *a, const void *b)
{
	const struct endpoint *x = ((const struct local *)a)->ve->ep;
	const struct endpoint *y = ((const struct local *)b)->ve->ep;

	if (x->netns_dev != y->netns_dev)
		return x->netns_dev < y->netns_dev ? -1 : 1;
	if (x->netns_ino != y->netns_ino)
		return x->netns_ino < y->netns_ino ? -1 : 1;
	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? -1 : 1;
	return id_cmp(&x->id, &y->id);
}

static struct local *sorted_locals(const struct agent *a, size_t *ret_count)
{
	const struct view *v = store_view(a->store);
	struct local *local;
	size_t count = 0;

	for (size_t i = 0; i < v->endpoint_count; i++)
		count += id_equal(&v->endpoint[i].ep->node, store_self(a->store));
	local = calloc(count + 1, sizeof(*local));
	if (!local)
		return NULL;
	count = 0;
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->node, store_self(a->store)))
			local[count++].ve = &v->endpoint[i];
	qsort(local, count, sizeof(*local), compare_local);
	*ret_count = count;
	return local;
}

struct places {
	size_t count, network_count;
	struct dnsd_place *place; /* networks of a place: a run of `network` */
	struct id *network;
	struct endpoint_detail *detail; /* holds the path */
};

static void places_fini(struct places *p)
{
	free(p->place);
	free(p->network);
	free(p->detail);
}

static bool has_network(const struct dnsd_place *p, const struct id *network)
{
	for (size_t i = 0; i < p->network_count; i++)
		if (id_equal(&p->network[i], network))
			return true;
	return false;
}

static void add_local(struct places *all, const struct local *l)
{
	const struct endpoint *ep = l->ve->ep;
	struct dnsd_place *p = all->count ? &all->place[all->count - 1] : NULL;

	if (!p || p->netns_dev != ep->netns_dev || p->netns_ino != ep->netns_ino) {
		struct endpoint_detail *detail = &all->detail[all->count];

		endpoint_detail_decode(l->ve->item, detail);
		if (!facts_netns_alive(detail->netns, ep->netns_dev, ep->netns_ino))
			return; /* on its way out: no complaint */
		p = &all->place[all->count++];
		*p = (struct dnsd_place){ .netns = detail->netns, .netns_dev = ep->netns_dev,
					  .netns_ino = ep->netns_ino,
					  .network = &all->network[all->network_count] };
	}
	if (has_network(p, &ep->network))
		return;
	all->network[all->network_count++] = ep->network;
	p->network_count++;
}

static int collect_places(const struct agent *a, struct places *ret_places)
{
	size_t count;
	_cleanup_(freep) struct local *local = sorted_locals(a, &count);

	if (!local)
		return -ENOMEM;
	ret_places->place = calloc(count + 1, sizeof(*ret_places->place));
	ret_places->network = calloc(count + 1, sizeof(*ret_places->network));
	ret_places->detail = calloc(count + 1, sizeof(*ret_places->detail));
	if (!ret_places->place || !ret_places->network || !ret_places->detail)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		add_local(ret_places, &local[i]);
	return 0;
}

/* Spoken of once, however often it is tried again. */
static void take_error(struct agent *a, const struct err *e)
{
	if (e->code && strcmp(e->text, a->names_error.text))
		log_error("%s; will retry", e->text);
	if (!e->code && a->names_error.code)
		log_info("DNS is served in every namespace again");
	a->names_error = *e;
	a->names_retry_at = e->code ? loop_now_ms(a->loop) + NAMES_RETRY_MS : UINT64_MAX;
}

static void set_places(struct agent *a)
{
	_cleanup_(places_fini) struct places places = { 0 };
	struct err e = { 0 };

	if (collect_places(a, &places) < 0)
		err_set(&e, -ENOMEM, "out of memory while telling DNS of namespaces");
	else
		dnsd_set_places(a->dnsd, places.place, places.count, &e);
	take_error(a, &e);
}

/* ---- names ---- */

static bool is_away_as_known(const struct agent *a)
{
	const struct id_set *away = &a->facts.away;

	return away->count == a->names_away_count &&
	       (!away->count || !memcmp(away->id, a->names_away, away->count * sizeof(struct id)));
}

static int remember_away(struct agent *a)
{
	size_t count = a->facts.away.count;
	struct id *copy = calloc(count + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (count)
		memcpy(copy, a->facts.away.id, count * sizeof(*copy));
	free(a->names_away);
	a->names_away = copy;
	a->names_away_count = count;
	return 0;
}

static int set_names(struct agent *a)
{
	struct dns_names *names;
	int r = dns_names_build(store_view(a->store), &a->facts.away, &names);

	if (r >= 0)
		dnsd_set_names(a->dnsd, names);
	return r < 0 ? r : remember_away(a);
}

void agent_names_update(struct agent *a)
{
	uint64_t now = loop_now_ms(a->loop);
	struct err e = { 0 };
	bool told = store_serial(a->store) == a->names_serial && is_away_as_known(a);

	if (now >= a->names_sweep_at) {
		dnsd_sweep(a->dnsd);
		a->names_sweep_at = now + NAMES_SWEEP_MS;
	}
	if (told && now < a->names_retry_at)
		return;
	if (!told && set_names(a) < 0) {
		err_set(&e, -ENOMEM, "out of memory while telling DNS of names");
		take_error(a, &e);
		return;
	}
	a->names_serial = store_serial(a->store);
	set_places(a);
}
