/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the control API over a fresh one-node cluster. The input is a run
 * of requests, separated by 0x1e:
 *
 *   METHOD PATH[?QUERY] newline BODY        a leading '!' holds the kernel back
 *
 * Each is answered exactly once, with JSON, and a refusal has a sentence.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "front/control.h"
#include "watch/watch.h"

#define WAITING_MAX 64

struct world {
	struct store *store;
	struct intent *intent;
	struct control *control;
	struct control_facts facts;
	bool hold;
	size_t asked, answered, waiting_count;
	int watchers; /* whose stream is not closed */
	struct {
		void (*done)(void *arg, const struct err *e);
		void *arg;
	} waiting[WAITING_MAX];
};

static uint64_t fixed_time(void *ctx)
{
	(void)ctx;
	return 1700000000000;
}

static int resolve(void *ctx, const char *text, struct netns_ref *ret_ref, struct err *e)
{
	(void)ctx;
	if (!*text || strlen(text) > 100)
		return err_set(e, -22, "no namespace \"%.20s\"", text);
	strcpy(ret_ref->path, "/run/netns/");
	strcat(ret_ref->path, text);
	ret_ref->dev = 1;
	ret_ref->ino = (unsigned char)*text + 1u;
	return 0;
}

static int counters(void *ctx, struct ov_counter ret_counter[OV_VERDICT_COUNT], struct err *e)
{
	(void)ctx;
	(void)ret_counter;
	(void)e;
	return 0;
}

/* A row for every service and one for nobody's address. */
static int read_lb(void *ctx, struct lb_row **ret_rows, size_t *ret_count, struct err *e)
{
	const struct view *v = store_view(((struct world *)ctx)->store);
	struct lb_row *rows = calloc(v->service_count + 1, sizeof(*rows));

	(void)e;
	if (!rows)
		abort();
	for (size_t i = 0; i < v->service_count; i++)
		rows[i] = (struct lb_row){ .vni = v->service[i].net->net->vni,
					   .vip = v->service[i].svc->vip,
					   .backend = v->service[i].svc->vip,
					   .is_empty = i % 2 };
	*ret_rows = rows;
	*ret_count = v->service_count + 1;
	return 0;
}

/* A row of a node that is known and one of nobody. */
static int read_keys(void *ctx, struct key_row **ret_rows, size_t *ret_count, struct err *e)
{
	struct key_row *rows = calloc(2, sizeof(*rows));

	(void)e;
	if (!rows)
		abort();
	rows[0].peer = *store_self(((struct world *)ctx)->store);
	rows[1].made_ms = UINT64_MAX;
	*ret_rows = rows;
	*ret_count = 2;
	return 0;
}

/* A row of no rule that there is. */
static int read_policy(void *ctx, struct policy_row **ret_rows, size_t *ret_count, struct err *e)
{
	(void)ctx;
	(void)e;
	*ret_rows = calloc(1, sizeof(**ret_rows));
	if (!*ret_rows)
		abort();
	*ret_count = 1;
	return 0;
}

static void apply(struct world *w)
{
	while (w->waiting_count) {
		size_t last = --w->waiting_count;

		w->waiting[last].done(w->waiting[last].arg, NULL);
	}
}

static void when_applied(void *ctx, const struct id *endpoint,
			 void (*done)(void *arg, const struct err *e), void *arg)
{
	struct world *w = ctx;

	(void)endpoint;
	if (w->waiting_count == WAITING_MAX)
		apply(w);
	w->waiting[w->waiting_count].done = done;
	w->waiting[w->waiting_count++].arg = arg;
	if (!w->hold)
		apply(w);
}

/* Something was mended, with bytes in its name that are no UTF-8, and something was not. */
static void repair(void *ctx, const struct repair_scope *scope,
		   void (*done)(void *arg, const struct repair_report *report, const struct err *e),
		   void *arg)
{
	static const struct repair_line line = { .kind = REPAIR_DNS, .name = "\xff", .what = "gone" };
	static const struct err failed = { -EIO, "it stays so" };
	const struct repair_report report = { 2, 1, 1, &line, &failed };

	(void)ctx;
	(void)scope;
	done(arg, &report, NULL);
}

static void close_stream(void *ctx)
{
	((struct world *)ctx)->watchers--;
}

static int watch(void *ctx, const struct watch_filter *filter, struct control_stream *ret_stream,
		 struct err *e)
{
	struct world *w = ctx;

	(void)e;
	if (filter->snap > OV_WATCH_SNAP_MAX)
		abort();
	w->watchers++;
	*ret_stream = (struct control_stream){ .ctx = w, .close = close_stream };
	return 0;
}

/* Now and then it is not. */
static bool watch_is_on(void *ctx)
{
	return ((struct world *)ctx)->asked % 3;
}

static void on_stream(void *arg, const struct control_stream *s)
{
	struct world *w = arg;

	w->answered++;
	s->close(s->ctx);
}

static void shut_down(void *ctx)
{
	(void)ctx;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void on_reply(void *arg, int status, const char *text)
{
	struct world *w = arg;
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	w->answered++;
	must(value && status >= 200 && status < 600 && status != 500);
	if (status >= 400)
		must(json_string_length(json_object_get(value, "Error")) > 5);
	json_decref(value);
}

static void world_init(struct world *w, struct rng *rng)
{
	struct control_host host = {
		.ctx = w,
		.now = fixed_time,
		.wall = fixed_time,
		.resolve_netns = resolve,
		.read_counters = counters,
		.read_lb = read_lb,
		.read_keys = read_keys,
		.read_policy = read_policy,
		.when_applied = when_applied,
		.watch = watch,
		.watch_is_on = watch_is_on,
		.repair = repair,
		.shut_down = shut_down,
		.facts = &w->facts,
	};
	struct node self = { .name = "node-a", .uplink_mtu = 1500 };

	rng_init_u64(rng, 1);
	must(!store_open(NULL, rng, &w->store, NULL) && !intent_new(w->store, NULL, rng, &w->intent));
	self.id = *store_self(w->store);
	addr_parse("10.99.0.1", &self.addr);
	must(!intent_cluster_create(w->intent, 1700000000000, NULL) &&
	     !intent_node_announce(w->intent, &self, 1700000000000, NULL) &&
	     !control_new(w->store, NULL, w->intent, &host, &w->control));
}

static void request(struct world *w, char *text, size_t len)
{
	char *newline = memchr(text, '\n', len), *space, *query;
	struct control_request req = { .method = text, .stream = on_stream };

	w->hold = *text == '!';
	req.method += w->hold;
	if (newline) {
		*newline = '\0';
		req.body = newline + 1;
		req.body_len = len - (size_t)(newline + 1 - text);
	}
	space = strchr(text, ' ');
	req.path = space ? space + 1 : "";
	if (space)
		*space = '\0';
	query = strchr(req.path, '?');
	if (query) {
		*query = '\0';
		req.query = query + 1;
	}
	w->asked++;
	control_handle(w->control, &req, on_reply, w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct world w = { 0 };
	struct rng rng;

	memcpy(text, data, size);
	text[size] = '\0';
	world_init(&w, &rng);
	for (char *at = text, *end; at < text + size; at = end + 1) {
		end = memchr(at, 0x1e, (size_t)(text + size - at));
		end = end ? end : text + size;
		*end = '\0';
		request(&w, at, (size_t)(end - at));
	}
	control_free(w.control);
	must(w.asked == w.answered);
	apply(&w);
	must(!w.watchers);
	intent_free(w.intent);
	store_close(w.store);
	free(text);
	return 0;
}
