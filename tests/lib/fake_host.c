/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_host.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

#define FAKE_DEVICES_MAX 16

static uint64_t host_now(void *ctx)
{
	return ((struct fake_host *)ctx)->now;
}

static uint64_t host_wall(void *ctx)
{
	return ((struct fake_host *)ctx)->wall;
}

/* Every name is a namespace, except "gone"; the inode is a hash of the name. */
static int host_resolve_netns(void *ctx, const char *text, struct netns_ref *ret_ref, struct err *e)
{
	(void)ctx;
	if (!strcmp(text, "gone"))
		return err_set(e, -ENOENT, "there is no network namespace \"%s\"", text);
	snprintf(ret_ref->path, sizeof(ret_ref->path), "/run/netns/%s", text);
	ret_ref->dev = 4;
	ret_ref->ino = 5381;
	for (const char *p = text; *p; p++)
		ret_ref->ino = ret_ref->ino * 33 + (unsigned char)*p;
	return 0;
}

static int host_read_counters(void *ctx, struct ov_counter ret_counter[OV_VERDICT_COUNT],
			      struct err *e)
{
	struct fake_host *f = ctx;

	if (f->apply_error.code)
		return err_set(e, f->apply_error.code, "%s", f->apply_error.text);
	memcpy(ret_counter, f->counter, sizeof(f->counter));
	return 0;
}

static int host_read_lb(void *ctx, struct lb_row **ret_rows, size_t *ret_count, struct err *e)
{
	struct fake_host *f = ctx;
	struct lb_row *rows = calloc(f->lb_count + 1, sizeof(*rows));

	cr_assert_not_null(rows);
	if (f->apply_error.code) {
		free(rows);
		return err_set(e, f->apply_error.code, "%s", f->apply_error.text);
	}
	memcpy(rows, f->lb, f->lb_count * sizeof(*rows));
	*ret_rows = rows;
	*ret_count = f->lb_count;
	return 0;
}

static void host_examine(void *ctx,
			 void (*done)(void *arg, const struct findings *f, const struct err *e),
			 void *arg)
{
	struct finding one = { DOCTOR_UPLINK, DOCTOR_FAIL, "eth0 is down", "set it up" };
	struct findings all = { .list = &one, .count = 1 };
	struct fake_host *f = ctx;

	if (f->apply_error.code)
		done(arg, NULL, &f->apply_error);
	else
		done(arg, &all, NULL);
}

static int host_read_keys(void *ctx, struct key_row **ret_rows, size_t *ret_count, struct err *e)
{
	struct fake_host *f = ctx;
	struct key_row *rows = calloc(f->key_count + 1, sizeof(*rows));

	cr_assert_not_null(rows);
	if (f->apply_error.code) {
		free(rows);
		return err_set(e, f->apply_error.code, "%s", f->apply_error.text);
	}
	memcpy(rows, f->key, f->key_count * sizeof(*rows));
	*ret_rows = rows;
	*ret_count = f->key_count;
	return 0;
}

static int host_read_policy(void *ctx, struct policy_row **ret_rows, size_t *ret_count,
			    struct err *e)
{
	struct fake_host *f = ctx;
	struct policy_row *rows = calloc(f->policy_count + 1, sizeof(*rows));

	cr_assert_not_null(rows);
	if (f->apply_error.code) {
		free(rows);
		return err_set(e, f->apply_error.code, "%s", f->apply_error.text);
	}
	memcpy(rows, f->policy, f->policy_count * sizeof(*rows));
	*ret_rows = rows;
	*ret_count = f->policy_count;
	return 0;
}

static int host_read_traffic(void *ctx, struct traffic *ret_traffic, struct err *e)
{
	struct fake_host *f = ctx;
	struct traffic t = { .endpoint_count = f->traffic_count, .drop_count = f->drop_count,
			     .passage[OV_ENTER_ENDPOINT] = { 100, 10000 } };

	if (f->apply_error.code)
		return err_set(e, f->apply_error.code, "%s", f->apply_error.text);
	t.endpoint = calloc(f->traffic_count + 1, sizeof(*t.endpoint));
	t.drop = calloc(f->drop_count + 1, sizeof(*t.drop));
	cr_assert(t.endpoint && t.drop);
	memcpy(t.endpoint, f->traffic, f->traffic_count * sizeof(*t.endpoint));
	memcpy(t.drop, f->drop, f->drop_count * sizeof(*t.drop));
	*ret_traffic = t;
	return 0;
}

static void host_when_applied(void *ctx, const struct id *endpoint,
			      void (*done)(void *arg, const struct err *e), void *arg)
{
	struct fake_host *f = ctx;

	(void)endpoint;
	cr_assert_lt(f->waiting_count, FAKE_WAITING_MAX);
	f->waiting[f->waiting_count].done = done;
	f->waiting[f->waiting_count++].arg = arg;
	if (!f->hold)
		fake_host_apply(f);
}

static void host_repair(void *ctx, const struct repair_scope *scope,
			void (*done)(void *arg, const struct repair_report *report,
				     const struct err *e), void *arg)
{
	struct fake_host *f = ctx;

	f->scope = *scope;
	done(arg, &f->report, f->apply_error.code ? &f->apply_error : NULL);
}

static void host_shut_down(void *ctx)
{
	((struct fake_host *)ctx)->shut_down = true;
}

/* The real thing, on a host that has a device for each endpoint. */
static int host_trace(void *ctx, const struct trace_ask *ask, struct trace *ret_trace,
		      struct trace_packet *ret_packet, struct err *e)
{
	struct fake_host *f = ctx;
	const struct view *v = store_view(f->store);
	const struct id *self = store_self(f->store);
	struct fact_device device[FAKE_DEVICES_MAX];
	struct facts facts = { .uplink_ifindex = 2, .tunnel_ifindex = 3, .uplink_mtu = 1500,
			       .vxlan_port = 4789, .device = device };
	struct plan plan = { 0 };
	int r;

	cr_assert(!addr_parse("10.99.0.1", &facts.vtep));
	for (size_t i = 0; i < v->endpoint_count && i < FAKE_DEVICES_MAX; i++)
		device[facts.device_count++] =
			(struct fact_device){ v->endpoint[i].ep->id, 100 + (uint32_t)i };
	ret_trace->view = v;
	r = trace_ask_read(v, &facts, self, ask, ret_trace, ret_packet, e);
	if (r)
		return r;
	cr_assert(!plan_build(v, &facts, self, &plan));
	r = trace_run(v, &facts, self, &plan, ret_packet, ret_trace);
	plan_fini(&plan);
	return r;
}

static size_t read_told(void *ctx, char *buf, size_t max)
{
	struct fake_host *f = ctx;
	size_t len = f->told ? strlen(f->told) : 0;

	if (len > max)
		len = max;
	if (len)
		memcpy(buf, f->told, len);
	f->told = len && f->told[len] ? f->told + len : NULL;
	return len;
}

static void wake_by(void *ctx, void (*more)(void *arg), void *arg)
{
	struct fake_host *f = ctx;

	f->more = more;
	f->more_arg = arg;
}

static void close_stream(void *ctx)
{
	struct fake_host *f = ctx;

	f->watchers--;
	f->more = NULL;
}

static int host_watch(void *ctx, const struct watch_filter *filter, struct control_stream *ret_stream,
		      struct err *e)
{
	struct fake_host *f = ctx;

	if (f->watch_error.code)
		return err_set(e, f->watch_error.code, "%s", f->watch_error.text);
	f->watched = *filter;
	f->watchers++;
	*ret_stream = (struct control_stream){ f, read_told, wake_by, close_stream };
	return 0;
}

static bool host_watch_is_on(void *ctx)
{
	return !((struct fake_host *)ctx)->watch_off;
}

void fake_host_apply(struct fake_host *f)
{
	while (f->waiting_count) {
		size_t last = --f->waiting_count;

		f->waiting[last].done(f->waiting[last].arg, f->apply_error.code ? &f->apply_error : NULL);
	}
}

static void found_cluster(struct fake_host *f)
{
	struct node self = { .name = "node-a", .gossip_port = 7946, .vxlan_port = 4789,
			     .uplink_mtu = 1500, .version = "0.1.0", .joined_ms = 1000 };
	struct err e = { 0 };

	self.id = *store_self(f->store);
	cr_assert(!addr_parse("10.99.0.1", &self.addr));
	cr_assert(!intent_cluster_create(f->intent, f->wall, &e), "%s", e.text);
	cr_assert(!intent_node_announce(f->intent, &self, f->wall, &e), "%s", e.text);
}

void fake_host_init(struct fake_host *f)
{
	struct control_host host = {
		.ctx = f,
		.now = host_now,
		.wall = host_wall,
		.resolve_netns = host_resolve_netns,
		.read_counters = host_read_counters,
		.read_lb = host_read_lb,
		.read_keys = host_read_keys,
		.read_policy = host_read_policy,
		.trace = host_trace,
		.when_applied = host_when_applied,
		.watch = host_watch,
		.watch_is_on = host_watch_is_on,
		.repair = host_repair,
		.examine = host_examine,
		.read_traffic = host_read_traffic,
		.shut_down = host_shut_down,
		.facts = &f->facts,
	};
	struct err e = { 0 };

	*f = (struct fake_host){ .now = 60000, .wall = 1700000000123 };
	f->facts = (struct control_facts){ .version = "0.1.0", .uplink = "eth0", .pin_dir = "overlayd",
					   .attach_mode = "tcx", .xdp_mode = "off", .xdp_why = "veth",
					   .uplink_mtu = 1500, .vxlan_port = 4789, .gossip_port = 7946,
					   .masquerade_first = 61000, .masquerade_last = 65535,
					   .started_ms = 1700000000000 };
	rng_init_u64(&f->rng, 7);
	cr_assert(!store_open(NULL, &f->rng, &f->store, &e), "%s", e.text);
	cr_assert(!intent_new(f->store, NULL, &f->rng, &f->intent));
	found_cluster(f);
	cr_assert(!control_new(f->store, NULL, f->intent, &host, &f->control));
}

void fake_host_fini(struct fake_host *f)
{
	fake_host_apply(f);
	control_free(f->control);
	intent_free(f->intent);
	store_close(f->store);
	json_decref(f->answer);
}

static void on_reply(void *arg, int status, const char *text)
{
	struct fake_host *f = arg;

	f->answers++;
	f->status = status;
	json_decref(f->answer);
	f->answer = json_loads(text, JSON_DECODE_ANY, NULL);
	cr_assert_not_null(f->answer, "the answer is not JSON: %s", text);
}

static void on_stream(void *arg, const struct control_stream *s)
{
	struct fake_host *f = arg;

	f->answers++;
	f->status = 200;
	f->stream = *s;
}

void fake_host_send(struct fake_host *f, const char *method, const char *path, const char *body,
		    size_t len)
{
	char *copy = strdup(path), *query = strchr(copy, '?');
	struct control_request req = { method, copy, query ? query + 1 : NULL, body, len,
				       on_stream };

	if (query)
		*query = '\0';
	control_handle(f->control, &req, on_reply, f);
	free(copy);
}

int fake_host_ask(struct fake_host *f, const char *method, const char *path, const char *body)
{
	int before = f->answers;

	fake_host_send(f, method, path, body, body ? strlen(body) : 0);
	return f->answers == before ? 0 : f->status;
}

json_t *fake_host_value(const struct fake_host *f, const char *where)
{
	json_t *v = f->answer;

	while (v && *where) {
		size_t len = strcspn(where, ".");
		char member[64];

		snprintf(member, sizeof(member), "%.*s", (int)len, where);
		v = json_is_array(v) ? json_array_get(v, strtoul(member, NULL, 10)) :
				       json_object_get(v, member);
		where += len + (where[len] == '.');
	}
	return v;
}

const char *fake_host_text(const struct fake_host *f, const char *where)
{
	const char *text = json_string_value(fake_host_value(f, where));

	return text ? text : "";
}
