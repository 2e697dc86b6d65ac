// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a change costs the control plane of a large cluster: every change
 * rebuilds the whole view and the whole plan and compares it with what the
 * kernel was last seen to hold. This says whether that is still cheap enough,
 * or whether some table must become incremental; and what so many records weigh in
 * memory, in a real store.
 *
 *   plan_100k [ENDPOINTS [NODES [ROUNDS [SERVICES [BPFFS]]]]]     default 100000 200 5 10000
 *
 * Every endpoint is a backend of a service with a Maglev table. The kernel is a
 * count here. With BPFFS, a directory where a bpffs is or can be mounted, all rows of
 * maps are also written to the kernel's, from nothing, by the daemon's own drivers
 * (devices and programs remain a count), and read back as a restarted daemon does.
 */
#include <inttypes.h>
#include <malloc.h>
#include <unistd.h>
#include <sys/resource.h>

#include "apply/kernel.h"
#include "base/rng.h"
#include "plan/plan.h"
#include "store/store.h"
#include "tool.h"

#define NETWORKS 10
#define SEED 100000

struct cluster_state {
	size_t node_count, service_count, endpoint_count, item_count;
	struct store *store;
	const struct item **item; /* nodes, networks, services, endpoints, in this order */
	size_t body_bytes, store_bytes;
	const char *bpffs;     /* NULL: the kernel's maps are left alone */
	uint64_t map_bytes[2]; /* empty, filled */
	struct facts facts;
	struct fact_device *device;
	struct fact_route *route;
	struct id self;
};

static void *must_alloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		tool_die("out of memory for %zu objects of %zu bytes", count, size);
	return p;
}

static struct id random_id(struct rng *rng)
{
	struct id id;

	rng_bytes(rng, id.b, sizeof(id.b));
	return id;
}

/* As if a node had sent it: the store is a bystander's, so none of the records are its own. */
static const struct item *put(struct cluster_state *c, struct record_key key,
			      const struct id *writer, uint64_t version, struct buf *body)
{
	struct record r = { .key = key, .stamp = { version, 0 }, .writer = *writer,
			    .body = body->data, .body_len = (uint16_t)body->len };

	if (body->failed || store_merge(c->store, &r, 1) != MERGE_NEW)
		tool_die("the store took no record of kind %d", key.kind);
	c->body_bytes += body->len;
	buf_fini(body);
	return store_item(c->store, &key);
}

static const struct item *make_node(struct cluster_state *c, struct rng *rng, size_t i)
{
	struct node n = { .id = random_id(rng), .gossip_port = 7946, .vxlan_port = 4789,
			  .uplink_mtu = 1500, .joined_ms = 1000 + i };
	struct buf body = { 0 };

	n.addr = addr_from_v4(0x0a630001u + (uint32_t)i);
	snprintf(n.name, sizeof(n.name), "node-%zu", i);
	node_encode(&body, &n);
	return put(c, key_of_id(RECORD_NODE, &n.id), &n.id, 1, &body);
}

static const struct item *make_network(struct cluster_state *c, struct rng *rng, size_t i)
{
	struct network n = { .id = random_id(rng), .vni = VNI_AUTO_MIN + (uint32_t)i,
			     .created_ms = 1000 + i };
	struct buf body = { 0 };

	n.subnet.addr = addr_from_v4(((uint32_t)(16 + i)) << 24);
	n.subnet.len = ADDR_V4_BITS + 8;
	n.ip_range = n.subnet;
	n.gateway = addr_add(&n.subnet.addr, 1);
	snprintf(n.name, sizeof(n.name), "network-%zu", i);
	network_encode(&body, &n);
	return put(c, key_of_id(RECORD_NETWORK, &n.id), &c->self, 1, &body);
}

static const struct item *make_service(struct cluster_state *c, struct rng *rng, size_t i)
{
	const struct item *network = c->item[c->node_count + i % NETWORKS];
	struct service s = { .id = random_id(rng), .network = network->network.id,
			     .mode = SERVICE_VIP, .created_ms = 1700000000000u + i };
	struct service_detail detail = { .port_count = 1, .port = { { 80, 8080, 6 } } };
	struct buf body = { 0 };

	s.vip = addr_add(&network->network.subnet.addr, (1u << 20) + i / NETWORKS);
	snprintf(s.name, sizeof(s.name), "service-%zu", i);
	service_encode(&body, &s, &detail);
	return put(c, key_of_id(RECORD_SERVICE, &s.id), &c->self, 1, &body);
}

static const struct item *put_endpoint(struct cluster_state *c, const struct endpoint *e,
				       uint64_t version, size_t i)
{
	struct endpoint_detail detail = { 0 };
	struct buf body = { 0 };

	snprintf(detail.netns, sizeof(detail.netns), "/run/netns/container-%zu", i);
	endpoint_encode(&body, e, &detail);
	return put(c, key_of_id(RECORD_ENDPOINT, &e->id), &e->node, version, &body);
}

static const struct item *make_endpoint(struct cluster_state *c, struct rng *rng, size_t i)
{
	const struct item *network = c->item[c->node_count + i % NETWORKS];
	const struct item *node = c->item[rng_below(rng, (uint32_t)c->node_count)];
	struct endpoint e = { .id = random_id(rng), .node = node->node.id,
			      .network = network->network.id, .netns_dev = 4,
			      .netns_ino = 4026532000u + i, .created_ms = 1700000000000u + i };

	e.addr = addr_add(&network->network.subnet.addr, 2 + i / NETWORKS);
	mac_from_addr(&e.addr, e.mac);
	snprintf(e.name, sizeof(e.name), "endpoint-%zu", i);
	snprintf(e.ifname, sizeof(e.ifname), "eth0");
	if (c->service_count)
		e.service = c->item[c->node_count + NETWORKS + i % c->service_count]->service.id;
	return put_endpoint(c, &e, 1, i);
}

static int device_cmp(const void *a, const void *b)
{
	const struct fact_device *x = a, *y = b;

	return id_cmp(&x->endpoint, &y->endpoint);
}

static int route_cmp(const void *a, const void *b)
{
	const struct fact_route *x = a, *y = b;

	return addr_cmp(&x->to, &y->to);
}

static const struct item *const *first_endpoint(const struct cluster_state *c)
{
	return &c->item[c->node_count + NETWORKS + c->service_count];
}

/* The host as it is when all is settled: a device for each local endpoint, a route to each peer. */
static void make_facts(struct cluster_state *c)
{
	const struct item *const *endpoint = first_endpoint(c);
	struct facts *f = &c->facts;

	*f = (struct facts){ .uplink_ifindex = 2, .uplink_mtu = 1500, .vxlan_port = 4789,
			     .vtep = c->item[0]->node.addr, .tunnel_ifindex = 3 };
	for (size_t i = 0; i < c->endpoint_count; i++)
		if (id_equal(&endpoint[i]->endpoint.node, &c->self))
			c->device[f->device_count++] = (struct fact_device){
				endpoint[i]->endpoint.id, 100 + (uint32_t)i };
	for (size_t i = 1; i < c->node_count; i++)
		c->route[f->route_count++] = (struct fact_route){ c->item[i]->node.addr,
								  c->item[i]->node.addr };
	qsort(c->device, f->device_count, sizeof(*c->device), device_cmp);
	qsort(c->route, f->route_count, sizeof(*c->route), route_cmp);
	f->device = c->device;
	f->route = c->route;
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void fill_store(struct cluster_state *c, struct rng *rng)
{
	size_t before = heap_bytes(), i = 0;

	if (store_open(NULL, rng, &c->store, NULL))
		tool_die("no store");
	while (i < c->node_count) {
		c->item[i] = make_node(c, rng, i);
		i++;
	}
	c->self = c->item[0]->node.id;
	for (; i < c->node_count + NETWORKS; i++)
		c->item[i] = make_network(c, rng, i - c->node_count);
	for (; i < c->item_count - c->endpoint_count; i++)
		c->item[i] = make_service(c, rng, i - c->node_count - NETWORKS);
	for (; i < c->item_count; i++)
		c->item[i] = make_endpoint(c, rng, i - c->node_count - NETWORKS - c->service_count);
	if (store_commit(c->store, NULL) || !store_view(c->store))
		tool_die("no view");
	c->store_bytes = heap_bytes() - before;
}

static void cluster_make(struct cluster_state *c, size_t endpoints, size_t nodes, size_t services)
{
	struct rng rng;

	c->node_count = nodes;
	c->endpoint_count = endpoints;
	c->service_count = services - services % NETWORKS; /* so that backends share their network */
	c->item_count = nodes + NETWORKS + c->service_count + endpoints;
	c->item = must_alloc(c->item_count, sizeof(*c->item));
	c->device = must_alloc(endpoints, sizeof(*c->device));
	c->route = must_alloc(nodes, sizeof(*c->route));
	rng_init_u64(&rng, SEED);
	fill_store(c, &rng);
	make_facts(c);
}

static void cluster_free(struct cluster_state *c)
{
	store_close(c->store);
	free(c->item);
	free(c->device);
	free(c->route);
}

/* ---- a kernel that counts ---- */

struct sizes {
	size_t key, value;
};

static int count_observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	const struct sizes *s = ctx;

	(void)e;
	*ret_actual = (struct plan_table){ .key_size = s->key, .value_size = s->value };
	return 0;
}

static int count_upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists,
			struct err *e)
{
	(void)ctx, (void)key, (void)value, (void)exists, (void)e;
	return 0;
}

static int count_remove(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	(void)ctx, (void)key, (void)value, (void)e;
	return 0;
}

static void on_error(void *arg, enum plan_table_id table, const uint8_t *key, const struct err *e)
{
	(void)arg, (void)key;
	tool_die("a row of %s failed: %s", plan_table_to_str(table), e->text);
}

/* ---- figures ---- */

enum step { STEP_VIEW, STEP_PLAN, STEP_FIRST, STEP_SAME, STEP_ONE, STEP_DRAIN, STEP_MAPS,
	    STEP_ALL, STEP_ADOPT, STEP_LOOK, STEP_LOOK_MAX, STEP_COUNT };

static const char *const step_text[STEP_COUNT] = {
	[STEP_VIEW] = "view_build", [STEP_PLAN] = "plan_build",
	[STEP_FIRST] = "first apply (all rows added)", [STEP_SAME] = "apply, nothing changed",
	[STEP_ONE] = "one endpoint moves: view, plan and apply",
	[STEP_DRAIN] = "one backend is drained: the same",
	[STEP_MAPS] = "all rows into the kernel's maps",
	[STEP_ALL] = "from records to full maps: view, plan, rows",
	[STEP_ADOPT] = "a restarted daemon reads them: nothing to do",
	[STEP_LOOK] = "a look at all tables, as once a minute",
	[STEP_LOOK_MAX] = "the longest of them, which the loop waits for",
};

static void must(const char *what, int r)
{
	if (r < 0)
		tool_die("%s failed: %s", what, strerror(-r));
}

static void plan_make(const struct cluster_state *c, struct view *v, struct plan *p, uint64_t *at)
{
	at[0] = now_ns();
	must("view_build", view_build(c->item, c->item_count, v));
	at[1] = now_ns();
	must("plan_build", plan_build(v, &c->facts, &c->self, p));
	at[2] = now_ns();
}

static struct apply_stats apply_timed(struct apply *a, const struct plan *p, uint64_t *ret_ns)
{
	struct apply_stats stats = { 0 };
	uint64_t start = now_ns();

	must("apply_run", apply_run(a, p, true, on_error, NULL, &stats));
	*ret_ns = now_ns() - start;
	return stats;
}

static size_t plan_rows(const struct plan *p)
{
	size_t rows = 0;

	for (int i = 0; i < PLAN_TABLE_COUNT; i++)
		rows += p->table[i].count;
	return rows;
}

/* One endpoint changes its owner from one remote node to another: the smallest real change. */
static uint64_t move_one(struct cluster_state *c, struct apply *a)
{
	const struct item *const *first = first_endpoint(c), *const *it = first;
	uint64_t at[3], took;
	struct endpoint moved;
	struct view v;
	struct plan p;

	while (id_equal(&(*it)->endpoint.node, &c->self))
		it++;

	const struct id *other = &c->item[1]->node.id;

	moved = (*it)->endpoint;
	moved.node = id_equal(&moved.node, other) ? c->item[2]->node.id : *other;
	put_endpoint(c, &moved, (*it)->stamp.hi + 1, (size_t)(it - first));
	plan_make(c, &v, &p, at);

	struct apply_stats s = apply_timed(a, &p, &took);

	if (s.updated != 1 || s.added || s.removed)
		tool_die("one endpoint moved and the plan updated %u, added %u and removed %u rows",
			 s.updated, s.added, s.removed);
	plan_fini(&p);
	view_fini(&v);
	return at[2] - at[0] + took;
}

/* One backend takes no new flows, and then does again: its service's table is made anew. */
static uint64_t drain_one(struct cluster_state *c, struct apply *a)
{
	const struct item *const *it = first_endpoint(c) + 1;
	struct endpoint drained = (*it)->endpoint;
	uint64_t at[3], took;
	struct view v;
	struct plan p;

	drained.draining = !drained.draining;
	put_endpoint(c, &drained, (*it)->stamp.hi + 1, (size_t)(it - first_endpoint(c)));
	plan_make(c, &v, &p, at);

	struct apply_stats s = apply_timed(a, &p, &took);

	if (c->service_count && !s.updated)
		tool_die("a backend was drained and no row changed");
	plan_fini(&p);
	view_fini(&v);
	return at[2] - at[0] + took;
}

/* ---- the kernel's maps ---- */

static uint64_t map_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);

	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

static uint64_t maps_bytes(struct kernel *k)
{
	uint64_t sum = 0;

	for (int id = 0; id < BPF_MAP_COUNT; id++)
		sum += map_bytes(bpf_map_fd(kernel_bpf(k), (enum bpf_map_id)id));
	return sum;
}

/* Drivers of the real maps; what is no map stays a count. */
static struct apply *open_maps(struct kernel *k, const struct driver counting[PLAN_TABLE_COUNT])
{
	struct driver driver[PLAN_TABLE_COUNT];
	struct apply *a;

	kernel_drivers(k, driver);
	for (int id = 0; id < PLAN_TABLE_COUNT; id++)
		if (id < PLAN_CONFIG || id > PLAN_PUBLISHED)
			driver[id] = counting[id];
	must("apply_new", apply_new(driver, &a));
	return a;
}

static void expect_same(const struct plan *p, const struct apply_stats *s)
{
	size_t rows = 0;

	for (int id = PLAN_CONFIG; id <= PLAN_PUBLISHED; id++)
		rows += p->table[id].count;
	if (s->same != rows || s->updated || s->removed)
		tool_die("of %zu map rows %u were read back; %u were to be updated, %u to be removed",
			 rows, s->same, s->updated, s->removed);
}

static void look_at_all(struct apply *a, struct samples step[STEP_COUNT])
{
	uint64_t all = 0, longest = 0;

	for (int id = PLAN_CONFIG; id <= PLAN_PUBLISHED; id++) {
		uint64_t start = now_ns(), took;
		struct err e = { 0 };
		size_t wrong;

		must("apply_look", apply_look(a, id, NULL, &wrong, &e));
		if (wrong)
			tool_die("%zu rows of %s are said to be wrong", wrong, plan_table_to_str(id));
		took = now_ns() - start;
		all += took;
		longest = took > longest ? took : longest;
	}
	samples_add(&step[STEP_LOOK], all);
	samples_add(&step[STEP_LOOK_MAX], longest);
}

/* *ret_bytes: what the maps take, before and after. */
static void fill_maps(struct cluster_state *c, const struct driver counting[PLAN_TABLE_COUNT],
		      struct samples step[STEP_COUNT], uint64_t ret_bytes[2])
{
	struct bpf_place place = { .bpffs = c->bpffs, .pin_dir = "bench-plan" };
	uint64_t at[3], took;
	struct err e = { 0 };
	struct kernel *k;
	struct view v;
	struct plan p;

	if (kernel_open(&place, &k, &e))
		tool_die("%s", e.text);
	ret_bytes[0] = maps_bytes(k);

	struct apply *a = open_maps(k, counting);

	plan_make(c, &v, &p, at);
	apply_timed(a, &p, &took);
	samples_add(&step[STEP_MAPS], took);
	samples_add(&step[STEP_ALL], at[2] - at[0] + took);
	ret_bytes[1] = maps_bytes(k);
	apply_free(a);
	a = open_maps(k, counting);

	struct apply_stats s = apply_timed(a, &p, &took);

	expect_same(&p, &s);
	samples_add(&step[STEP_ADOPT], took);
	look_at_all(a, step);
	apply_free(a);
	plan_fini(&p);
	view_fini(&v);
	kernel_close(k);
	if (bpf_detach_all(&place, &e) < 0)
		tool_die("%s", e.text);
}

static size_t round_run(struct cluster_state *c, struct samples step[STEP_COUNT])
{
	struct driver driver[PLAN_TABLE_COUNT];
	struct sizes sizes[PLAN_TABLE_COUNT];
	uint64_t at[3], took;
	struct apply *a;
	struct view v;
	struct plan p;

	plan_make(c, &v, &p, at);
	samples_add(&step[STEP_VIEW], at[1] - at[0]);
	samples_add(&step[STEP_PLAN], at[2] - at[1]);
	for (int i = 0; i < PLAN_TABLE_COUNT; i++) {
		sizes[i] = (struct sizes){ p.table[i].key_size, p.table[i].value_size };
		driver[i] = (struct driver){ .name = plan_table_to_str(i), .observe = count_observe,
					     .upsert = count_upsert, .remove = count_remove,
					     .ctx = &sizes[i] };
	}
	must("apply_new", apply_new(driver, &a));

	size_t rows = plan_rows(&p);
	struct apply_stats first = apply_timed(a, &p, &took);

	samples_add(&step[STEP_FIRST], took);

	struct apply_stats again = apply_timed(a, &p, &took);

	samples_add(&step[STEP_SAME], took);
	if (first.added != rows || again.same != rows || again.added || again.updated || again.removed)
		tool_die("%zu rows: %u added at first; then %u same, %u added, %u updated, %u removed",
			 rows, first.added, again.same, again.added, again.updated, again.removed);
	samples_add(&step[STEP_ONE], move_one(c, a));
	samples_add(&step[STEP_DRAIN], drain_one(c, a));
	apply_free(a);
	plan_fini(&p);
	view_fini(&v);
	if (c->bpffs)
		fill_maps(c, driver, step, c->map_bytes);
	return rows;
}

static size_t arg_number(int argc, char **argv, int i, size_t otherwise, size_t min)
{
	char *end;

	if (i >= argc)
		return otherwise;

	unsigned long n = strtoul(argv[i], &end, 10);

	if (*end || n < min || n > 10000000)
		tool_die("\"%s\" is no count; give %zu to 10000000", argv[i], min);
	return n;
}

int main(int argc, char **argv)
{
	struct samples step[STEP_COUNT];
	struct cluster_state c = { 0 };
	size_t rounds = arg_number(argc, argv, 3, 5, 1), rows = 0;
	struct rusage usage;

	cluster_make(&c, arg_number(argc, argv, 1, 100000, 1), arg_number(argc, argv, 2, 200, 3),
		     arg_number(argc, argv, 4, 10000, 0));
	c.bpffs = argc > 5 ? argv[5] : NULL;
	for (int i = 0; i < STEP_COUNT; i++)
		samples_init(&step[i], rounds);
	for (size_t i = 0; i < rounds; i++)
		rows = round_run(&c, step);
	getrusage(RUSAGE_SELF, &usage);
	printf("%zu endpoints, %zu services, %zu nodes, %d networks: %zu rows planned, %zu of them "
	       "devices here\n", c.endpoint_count, c.service_count, c.node_count, NETWORKS, rows,
	       c.facts.device_count);
	for (int i = 0; i < STEP_COUNT; i++) {
		samples_sort(&step[i]);
		if (!step[i].count)
			continue;
		printf("  %-42s %9.2f ms  [%.2f..%.2f] n=%zu\n", step_text[i],
		       samples_at(&step[i], 500) / 1e6, samples_at(&step[i], 0) / 1e6,
		       samples_at(&step[i], 1000) / 1e6, step[i].count);
		free(step[i].ns);
	}
	printf("  %-42s %9zu MB (%zu bytes a record, %zu of them its body)\n",
	       "the store with its view", c.store_bytes >> 20, c.store_bytes / c.item_count,
	       c.body_bytes / c.item_count);
	printf("  %-42s %9ld MB\n", "peak memory, plan and all", usage.ru_maxrss / 1024);
	if (c.map_bytes[1])
		printf("  %-42s %9" PRIu64 " MB, %" PRIu64 " MB of them while empty\n",
		       "the kernel's maps", c.map_bytes[1] >> 20, c.map_bytes[0] >> 20);
	cluster_free(&c);
	return 0;
}
