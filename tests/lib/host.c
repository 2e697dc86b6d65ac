/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host.h"

void host_fini(struct host *h)
{
	intent_free(h->intent);
	store_close(h->store);
}

void host_announce(struct host *h, const char *name, uint8_t last_byte)
{
	struct node n = { .uplink_mtu = 1500,
			  .addr = addr_from_v4(0xc0000200u + last_byte),
			  .gossip_port = 7946,
			  .vxlan_port = 4789 };

	strcpy(n.name, name);
	cr_assert_eq(intent_node_announce(h->intent, &n, h->wall, &h->e), 0, "%s", h->e.text);
}

struct host host_new(uint64_t seed)
{
	struct host h = { .wall = WALL };
	struct err e = { 0 };

	rng_init_u64(&h.rng, seed);
	cr_assert_eq(store_open(NULL, &h.rng, &h.store, &e), 0);
	return h;
}

void host_start(struct host *h, const char *name, uint8_t last_byte)
{
	cr_assert_eq(intent_new(h->store, NULL, &h->rng, &h->intent), 0);
	host_announce(h, name, last_byte);
}

static int copy(void *ctx, const struct record *r)
{
	store_merge(((struct host *)ctx)->store, r, ((struct host *)ctx)->wall);
	return 0;
}

void host_tell(struct host *from, struct host *to)
{
	for (unsigned int b = 0; b < STORE_BUCKETS; b++)
		store_each(from->store, b, copy, to);
	cr_assert_eq(store_commit(to->store, NULL), 0);
}

struct id host_create(struct host *h, const char *name, const char *subnet)
{
	struct network_ask ask = { .name = name, .subnet = subnet };
	struct id id = { 0 };
	struct err e = { 0 };

	cr_assert_eq(intent_network_create(h->intent, &ask, h->wall, &id, &e), 0, "%s", e.text);
	return id;
}

const struct network *host_network(struct host *h, const char *ref)
{
	const struct view_network *vn = view_network_find(store_view(h->store), ref);

	cr_assert_not_null(vn, "no network %s", ref);
	return vn->net;
}

const char *host_refused_create(struct host *h, const struct network_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct id id;
	int r;

	h->e = (struct err){ 0 };
	r = intent_network_create(h->intent, ask, h->wall, &id, &h->e);
	cr_assert_eq(r, code, "%d: %s", r, h->e.text);
	cr_assert_eq(h->e.code, code);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

static void note(void *arg, const struct id *id, const struct err *e)
{
	struct outcome *o = arg;

	o->times++;
	if (id)
		o->id = *id;
	else
		o->e = *e;
}

struct attach_ask host_ask(const char *net)
{
	static uint64_t ino = 4026530000ull;
	struct attach_ask ask = { .network = net, .netns = { .dev = 4, .ino = ++ino } };

	snprintf(ask.netns.path, sizeof(ask.netns.path), "/run/netns/c%u",
		 (unsigned int)(ino % 1000));
	return ask;
}

struct outcome host_attach(struct host *h, const struct attach_ask *ask)
{
	struct outcome o = { 0 };

	intent_attach(h->intent, ask, 0, h->wall, note, &o);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.e.code != 0, id_is_zero(&o.id));
	return o;
}

const struct endpoint *host_attached(struct host *h, const struct attach_ask *ask)
{
	struct outcome o = host_attach(h, ask);
	const struct view_endpoint *ve;
	struct record_key key = key_of_id(RECORD_ENDPOINT, &o.id);
	struct record r;

	cr_assert_eq(o.e.code, 0, "%s", o.e.text);
	cr_assert_eq(store_get(h->store, &key, &r), 0, "done was called before the commit");
	ve = view_endpoint_by_id(store_view(h->store), &o.id);
	cr_assert_not_null(ve);
	return ve->ep;
}

struct endpoint_detail host_detail(const struct host *h, const struct id *endpoint)
{
	struct record_key key = key_of_id(RECORD_ENDPOINT, endpoint);
	const struct item *it = store_item(h->store, &key);
	struct endpoint_detail d;

	cr_assert_not_null(it);
	endpoint_detail_decode(it, &d);
	return d;
}

const char *host_refused_attach(struct host *h, const struct attach_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct outcome o = host_attach(h, ask);

	h->e = o.e;
	cr_assert_eq(h->e.code, code, "%d: %s", h->e.code, h->e.text);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

static struct outcome serve(struct host *h, const struct service_ask *ask)
{
	struct outcome o = { 0 };

	intent_service_create(h->intent, ask, 0, h->wall, note, &o);
	cr_assert_eq(o.times, 1);
	cr_assert_eq(o.e.code != 0, id_is_zero(&o.id));
	return o;
}

struct id host_served(struct host *h, const struct service_ask *ask)
{
	struct outcome o = serve(h, ask);
	struct record_key key = key_of_id(RECORD_SERVICE, &o.id);
	struct record r;

	cr_assert_eq(o.e.code, 0, "%s", o.e.text);
	cr_assert_eq(store_get(h->store, &key, &r), 0, "done was called before the commit");
	return o.id;
}

const char *host_refused_service(struct host *h, const struct service_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct outcome o = serve(h, ask);

	h->e = o.e;
	cr_assert_eq(h->e.code, code, "%d: %s", h->e.code, h->e.text);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}

const struct view_service *host_service(struct host *h, const char *name)
{
	bool ambiguous;
	const struct view_service *vs = view_service_find(store_view(h->store), name, &ambiguous);

	cr_assert_not_null(vs, "no service %s", name);
	return vs;
}

void host_updated_service(struct host *h, const struct service_ask *ask)
{
	struct err e = { 0 };
	struct id id;

	cr_assert_eq(intent_service_update(h->intent, ask, h->wall, &id, &e), 0, "%s", e.text);
	cr_assert(id_equal(&id, &host_service(h, ask->name)->svc->id));
}

const char *host_refused_update(struct host *h, const struct service_ask *ask, int code)
{
	uint64_t before = store_serial(h->store);
	struct id id;

	h->e = (struct err){ 0 };
	cr_assert_eq(intent_service_update(h->intent, ask, h->wall, &id, &h->e), code, "%s",
		     h->e.text);
	cr_assert_eq(store_serial(h->store), before, "a refusal wrote something");
	return h->e.text;
}
