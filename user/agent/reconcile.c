/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/*
 * A plan may ask for devices whose ifindex the next one needs, or for SAs that have to be seen
 * before packets are sent with them, and others gone after; more rounds than that never settle.
 */
#define ROUNDS_MAX 8
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
#define AUDIT_MS 60000          /* the kernel is read back this often, whatever was heard */
#define PURGE_MS (3600 * 1000)
#define TICK_MS 1000            /* housekeeping: claims, address space asked for ahead */

/* ---- errors of rows ---- */

static struct id endpoint_of_ifindex(const struct agent *a, uint32_t ifindex)
{
	for (size_t i = 0; i < a->facts.device_count; i++)
		if (a->facts.device[i].ifindex == ifindex)
			return a->facts.device[i].endpoint;
	return (struct id){ 0 };
}

/* A network's rules are waited for by its id. */
static struct id network_of_vni(const struct agent *a, const uint8_t *at)
{
	const struct view *v = store_view(a->store);
	uint32_t vni;

	memcpy(&vni, at, sizeof(vni));
	for (size_t i = 0; i < v->network_count; i++)
		if (!v->network[i].vni_lost && v->network[i].net->vni == vni)
			return v->network[i].net->id;
	return (struct id){ 0 };
}

/* Whose row it is, for those who wait for that endpoint. */
static struct id endpoint_of_row(const struct agent *a, enum plan_table_id table, const uint8_t *key)
{
	struct plan_device_key device;
	uint32_t ifindex;

	if (!key) /* the whole table could not be read */
		return (struct id){ 0 };
	switch (table) {
	case PLAN_DEVICES:
		memcpy(&device, key, sizeof(device));
		return device.endpoint;
	case PLAN_MAP_DEVICES:
	case PLAN_ATTACH:
		memcpy(&ifindex, key, sizeof(ifindex)); /* first field of both keys */
		return endpoint_of_ifindex(a, ifindex);
	case PLAN_POLICY_RULES:
		return network_of_vni(a, key + offsetof(struct ov_rule_key, vni));
	case PLAN_POLICY_SUBJECTS:
		return network_of_vni(a, key + offsetof(struct ov_subject_key, vni));
	case PLAN_POLICY_SETS:
		return network_of_vni(a, key);
	default:
		return (struct id){ 0 };
	}
}

static bool known_error(const struct row_error *old, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(old[i].err.text, text))
			return true;
	return false;
}

static void on_row_error(void *arg, enum plan_table_id table, const uint8_t *key,
			 const struct err *e)
{
	struct agent *a = arg;

	a->status.rows_failed++;
	if (a->error_count == AGENT_ERRORS_MAX)
		return;
	a->error[a->error_count++] = (struct row_error){
		.table = table,
		.endpoint = endpoint_of_row(a, table, key),
		.err = *e,
		.is_asked = agent_repair_asked(a, table, key),
	};
}

/* ---- one run ---- */

/* Peers know us by the address we joined with; another one takes a restart. */
static void check_address(struct agent *a, const struct ov_addr *now)
{
	char was[ADDR_TEXT_MAX], is[ADDR_TEXT_MAX];

	if (!addr_is_zero(&a->options->advertise) || !addr_cmp(now, &a->self.addr))
		return;
	err_set(&a->uplink_error, -EADDRNOTAVAIL,
		"the address of %s changed from %s to %s: restart overlayd to announce it",
		a->options->attach, addr_format(&a->self.addr, was), addr_format(now, is));
}

static bool has_device(const struct agent *a, const struct id *endpoint)
{
	for (size_t i = 0; i < a->facts.device_count; i++)
		if (id_equal(&a->facts.device[i].endpoint, endpoint))
			return true;
	return false;
}

/* The other nodes' addresses, sorted as facts_read wants to report routes. */
static struct ov_addr *peer_addrs(const struct agent *a, const struct view *v, size_t *ret_count)
{
	struct ov_addr *addr = calloc(v->node_count + 1, sizeof(*addr));
	size_t count = 0;

	for (size_t i = 0; addr && i < v->node_count; i++)
		if (!id_equal(&v->node[i].node->id, store_self(a->store)))
			addr[count++] = v->node[i].node->addr;
	*ret_count = count;
	return addr;
}

static int read_facts(struct agent *a, const struct view *v, struct err *e)
{
	_cleanup_(freep) struct ov_addr *peers = NULL;
	uint32_t ifindex;
	size_t count;
	uint16_t mtu;
	struct ov_addr addr;
	int r;

	/* An uplink that is down keeps its last facts: containers of one host go on. */
	a->uplink_error = (struct err){ 0 };
	if (facts_uplink(a->facts_source, &addr, &mtu, &ifindex, a->driver_name,
			 &a->uplink_error) >= 0) {
		a->facts.uplink_ifindex = ifindex;
		a->facts.uplink_mtu = mtu;
		check_address(a, &addr);
	}
	peers = peer_addrs(a, v, &count);
	if (!peers)
		return err_set(e, -ENOMEM, "out of memory");
	r = facts_read(a->facts_source, peers, count, &a->facts, e);
	a->status.reach = facts_reach(a->facts_source); /* also when another part could not be read */
	return r;
}

/*
 * The driver's memory of a device is stale once somebody else deletes it. Reading
 * back every namespace after each notice would be costly, so only the loss of one
 * we had is looked for.
 */
static bool lost_device(const struct agent *a, const struct id *had, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!has_device(a, &had[i]) && view_endpoint_by_id(store_view(a->store), &had[i]))
			return true;
	return false;
}

static struct id *device_ids(const struct agent *a)
{
	struct id *ids = calloc(a->facts.device_count + 1, sizeof(*ids));

	for (size_t i = 0; ids && i < a->facts.device_count; i++)
		ids[i] = a->facts.device[i].endpoint;
	return ids;
}

/* Reads the facts and forgets what they prove wrong. */
static int refresh_facts(struct agent *a, const struct view *v, struct err *e)
{
	size_t count = a->facts.device_count;
	_cleanup_(freep) struct id *had = device_ids(a);
	uint32_t tunnel = a->facts.tunnel_ifindex;
	int r;

	if (!had)
		return err_set(e, -ENOMEM, "out of memory");
	r = read_facts(a, v, e);
	if (r >= 0 && (lost_device(a, had, count) || tunnel != a->facts.tunnel_ifindex ||
		       facts_lost_ipsec(a->facts_source)))
		apply_forget(a->apply);
	return r;
}

/* How full the maps are by that plan, for metrics. */
static void note_maps(struct agent *a, const struct plan *plan)
{
	struct control_facts *s = &a->status;

	s->map_count = 0;
	for (int t = 0; t < PLAN_TABLE_COUNT && s->map_count < ARRAY_SIZE(s->map); t++) {
		struct control_map *map = &s->map[s->map_count];

		map->name = kernel_table_map((enum plan_table_id)t, &map->max);
		map->used = plan->table[t].count;
		s->map_count += map->name != NULL;
	}
}

/* Plans once and applies. Returns the number of rows changed, or a negative errno. */
static int run_once(struct agent *a, struct err *e)
{
	const struct view *v = store_view(a->store);
	struct apply_stats stats = { 0 };
	struct plan plan = { 0 };
	int r;

	r = refresh_facts(a, v, e);
	if (r >= 0)
		r = agent_keys_step(a, v, e);
	if (r < 0)
		return r;
	r = plan_build(v, &a->facts, store_self(a->store), &plan);
	if (r < 0)
		return err_set(e, r, "out of memory while planning");
	a->applied_serial = store_serial(a->store);
	a->error_count = 0;
	apply_run(a->apply, &plan, true, on_row_error, a, &stats);
	a->left_out = plan.left_out;
	a->broken = plan.broken;
	memcpy(a->broken_name, plan.broken_name, sizeof(a->broken_name));
	note_maps(a, &plan);
	plan_fini(&plan);
	a->status.plans_applied++;
	if (stats.gone[PLAN_ENDPOINTS])
		agent_flows_changed(a);
	if (stats.added || stats.updated || stats.removed)
		log_debug("applied: %u added, %u updated, %u removed, %u same, %u failed", stats.added,
			  stats.updated, stats.removed, stats.same, stats.failed);
	return (int)(stats.added + stats.updated + stats.removed);
}

/* With --xdp auto a device that refuses the program is no failure, only slower at refusing. */
static bool give_up_auto_xdp(struct agent *a)
{
	if (a->options->xdp != OPTION_XDP_AUTO || a->facts.xdp_mode == OV_XDP_OFF)
		return false;
	for (size_t i = 0; i < a->error_count; i++) {
		if (a->error[i].table != PLAN_ATTACH || !strstr(a->error[i].err.text, "XDP"))
			continue;
		a->facts.xdp_mode = OV_XDP_OFF;
		a->facts.xdp_sums = a->status.xdp_entry = false;
		a->status.xdp_mode = "off";
		snprintf(a->xdp_why, sizeof(a->xdp_why), "%.*s", (int)sizeof(a->xdp_why) - 1,
			 a->error[i].err.text);
		log_warn("XDP stays off: %s", a->xdp_why);
		return true;
	}
	return false;
}

static const struct err *error_for(const struct agent *a, const struct waiter *w, const struct err *run)
{
	if (run->code)
		return run;
	for (size_t i = 0; i < a->error_count; i++)
		if (id_is_zero(&w->endpoint) || id_equal(&w->endpoint, &a->error[i].endpoint))
			return &a->error[i].err;
	return NULL;
}

static void answer_waiters(struct agent *a, const struct err *run)
{
	struct waiter *w = TAKE_PTR(a->waiters), *next;

	for (; w; w = next) {
		const struct err *e = error_for(a, w, run);
		struct err copy = e ? *e : (struct err){ 0 };

		next = w->next;
		w->done(w->arg, e ? &copy : NULL);
		free(w);
	}
}

/* All holds, so nothing runs any more of what another format left. */
static void forget_older(struct agent *a)
{
	struct err e = { 0 };

	if (a->older_forgotten)
		return;
	a->older_forgotten = true; /* what cannot be removed now will not be later; --detach tries again */
	if (kernel_forget_older(a->kernel, &e) < 0)
		log_warn("%s", e.text);
}

/* Speaks of what failed, once for each sentence, and sets the time of the next try. */
static void after_run(struct agent *a, const struct row_error *old, size_t old_count,
		      const struct err *run)
{
	for (size_t i = 0; i < a->error_count; i++)
		if (!known_error(old, old_count, a->error[i].err.text))
			log_error("%s; will retry", a->error[i].err.text);
	if (!a->error_count && !run->code) {
		a->retry_at = UINT64_MAX;
		a->retry_delay = RETRY_MIN_MS;
		forget_older(a);
		return;
	}
	a->retry_at = loop_now_ms(a->loop) + a->retry_delay;
	a->retry_delay = a->retry_delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : a->retry_delay * 2;
	loop_timer_set(a->tick, a->retry_at);
}

static void reconcile(struct agent *a)
{
	struct row_error old[AGENT_ERRORS_MAX];
	size_t old_count = a->error_count;
	uint64_t begun = agent_monotonic_ns();
	struct err run = { 0 };
	int changed = 1;

	memcpy(old, a->error, old_count * sizeof(old[0]));
	a->dirty = false;
	agent_ports_update(a); /* the plan leaves out what processes have */
	for (int round = 0; round < ROUNDS_MAX && changed > 0; round++) {
		changed = run_once(a, &run);
		if (give_up_auto_xdp(a))
			changed = 1;
	}
	if (changed < 0)
		log_error("%s; will retry", run.text);
	else
		agent_keys_tell(a);
	agent_repair_said(a);
	a->status.last_reconcile_ns = agent_monotonic_ns() - begun;
	a->status.reconcile_ns += a->status.last_reconcile_ns;
	agent_watch_applied(a);
	after_run(a, old, old_count, &run);
	answer_waiters(a, &run);
}

/* ---- what makes it dirty ---- */

/* Endpoints of ours whose device and namespace are both gone are let go of. */
static void sweep_vanished(struct agent *a)
{
	const struct view *v = store_view(a->store);
	struct err unread = { 0 };
	struct id gone[64];
	size_t count = 0;

	if (refresh_facts(a, v, &unread) < 0)
		return; /* reconcile meets the same error and speaks of it */
	for (size_t i = 0; i < v->endpoint_count && count < ARRAY_SIZE(gone); i++) {
		const struct endpoint *ep = v->endpoint[i].ep;
		struct endpoint_detail detail;

		if (!id_equal(&ep->node, store_self(a->store)))
			continue;
		endpoint_detail_decode(v->endpoint[i].item, &detail);
		if (!facts_netns_alive(detail.netns, ep->netns_dev, ep->netns_ino) &&
		    !has_device(a, &ep->id))
			gone[count++] = ep->id;
	}
	for (size_t i = 0; i < count; i++) {
		char text[ID_TEXT_MAX];
		struct err e = { 0 };

		log_info("endpoint %.12s: its namespace is gone, releasing its address",
			 id_format(&gone[i], text));
		if (intent_endpoint_vanished(a->intent, &gone[i], loop_wall_ms(a->loop), &e) < 0)
			log_error("%s; will retry", e.text);
	}
	a->facts_dirty = count == ARRAY_SIZE(gone);
}

static void on_facts(void *arg, unsigned int events)
{
	struct agent *a = arg;

	(void)events;
	if (facts_drain(a->facts_source))
		a->dirty = a->facts_dirty = true;
}

/* The uplink's MTU is part of what this node says of itself. */
static void announce_self(struct agent *a)
{
	struct err e = { 0 };

	a->self.uplink_mtu = a->facts.uplink_mtu;
	a->status.uplink_mtu = a->facts.uplink_mtu;
	if (intent_node_announce(a->intent, &a->self, loop_wall_ms(a->loop), &e) < 0)
		log_error("%s; will retry", e.text);
}

static void commit(struct agent *a)
{
	struct err e = { 0 };
	int r = store_commit(a->store, &e);

	if (r < 0 && !a->commit_failing)
		log_error("%s; will retry", e.text);
	if (r >= 0 && a->commit_failing)
		log_info("the state is on disk again");
	a->commit_failing = r < 0;
}

static void update_status(struct agent *a)
{
	const struct gossipd_counters *joins = gossipd_counters(a->gossipd);
	struct control_facts *s = &a->status;

	s->joins_answered = joins->joins_answered;
	s->joins_refused = joins->joins_refused;

	s->warning_count = 0;
	if (a->commit_failing)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]),
			 "the state cannot be written to %s: changes are held in memory",
			 a->options->state_dir);
	if (a->uplink_error.code)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]), "%.*s",
			 (int)sizeof(s->warning[0]) - 1, a->uplink_error.text);
	if (a->names_error.code)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]), "%.*s",
			 (int)sizeof(s->warning[0]) - 1, a->names_error.text);
	if (a->left_out)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]),
			 "%zu backends get no new connections, because their service has too many: "
			 "spread them over several services", a->left_out);
	if (a->broken)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]),
			 "the rules of %zu networks (%s%s) do not fit the kernel's maps, and nothing "
			 "passes there: remove rules, `overlayctl policy ls` shows them", a->broken,
			 a->broken_name, a->broken > 1 ? "..." : "");
	if (agent_flows_warning(a, s->warning[s->warning_count], sizeof(s->warning[0])))
		s->warning_count++;
	if (agent_ports_warning(a, s->warning[s->warning_count], sizeof(s->warning[0])))
		s->warning_count++;
	if (agent_keys_warning(a, s->warning[s->warning_count], sizeof(s->warning[0])))
		s->warning_count++;
	if (agent_forged_warning(a, s->warning[s->warning_count], sizeof(s->warning[0])))
		s->warning_count++;
	if (agent_ring_warning(a, s->warning[s->warning_count], sizeof(s->warning[0])))
		s->warning_count++;
	for (size_t i = 0; i < a->error_count && s->warning_count < ARRAY_SIZE(s->warning); i++)
		snprintf(s->warning[s->warning_count++], sizeof(s->warning[0]), "%.*s",
			 (int)sizeof(s->warning[0]) - 1, a->error[i].err.text);
}

/* Removed by somebody (`node rm`): the addresses may be another's by now, so the data plane goes. */
static bool was_removed(struct agent *a)
{
	struct record_key key = key_of_id(RECORD_NODE, store_self(a->store));
	const struct item *self = store_item(a->store, &key);

	return self && self->tombstone && !a->leave_at;
}

static void stop_removed(struct agent *a)
{
	struct err e = { 0 };

	log_error("this node was removed from the cluster by `node rm`: taking its data plane down");
	if (agent_tear_down(a, &e) < 0)
		log_error("%s", e.text);
	loop_stop(a->loop, 1);
}

/* What is on disk may be told. */
static void spread(struct agent *a)
{
	commit(a);
	if (store_serial(a->store) == a->seen_serial)
		return;
	a->seen_serial = store_serial(a->store);
	gossip_store_changed(a->gossip, loop_now_ms(a->loop));
	gossipd_kick(a->gossipd);
}

void agent_before_wait(void *arg)
{
	struct agent *a = arg;

	if (store_take_dirty(a->store)) {
		if (was_removed(a)) {
			stop_removed(a);
			return;
		}
		a->dirty = true;
		agent_ring_take(a);
	}
	if (agent_away_update(a))
		a->dirty = true;
	if (!a->leave_at && agent_watch_update(a))
		a->dirty = true;
	if (a->facts_dirty)
		sweep_vanished(a);
	spread(a);
	if (a->dirty && !a->leave_at) {
		reconcile(a);
		if (a->flows.again)
			agent_flows_work(a);
		announce_self(a);
		agent_health_update(a);
		spread(a); /* what the run made this node say */
	}
	if (!a->leave_at)
		agent_names_update(a);
	update_status(a);
}

static void leave_now(struct agent *a)
{
	struct err e = { 0 };

	gossip_leave(a->gossip, loop_now_ms(a->loop));
	gossipd_kick(a->gossipd);
	if (agent_tear_down(a, &e) < 0)
		log_error("%s", e.text);
	loop_stop(a->loop, 0);
}

static void on_tick(void *arg)
{
	struct agent *a = arg;
	uint64_t now = loop_now_ms(a->loop), wall = loop_wall_ms(a->loop);
	struct err e = { 0 };

	if (a->leave_at && now >= a->leave_at) {
		leave_now(a);
		return;
	}
	if (now >= a->retry_at || now >= a->keys.next_at)
		a->dirty = true;
	agent_flows_work(a);
	agent_flows_look(a);
	agent_watch_tick(a);
	if (now >= a->audit_at) {
		agent_repair_audit(a);
		agent_ports_look(a);
		kernel_reap_traffic(a->kernel); /* what fails is tried again in a minute */
		a->dirty = a->facts_dirty = true;
		a->audit_at = now + AUDIT_MS;
	}
	if (now >= a->purge_at) {
		store_purge(a->store, wall, STORE_TOMBSTONE_MS);
		a->purge_at = now + PURGE_MS;
	}
	if (!a->leave_at) {
		if (intent_heal_claims(a->intent, wall, &e) < 0)
			log_warn("%s; will retry", e.text);
		intent_ask_ahead(a->intent, now, wall);
		agent_keys_tick(a);
		agent_ring_tick(a);
		gossipd_kick(a->gossipd);
	}
	loop_timer_set(a->tick, a->retry_at < now + TICK_MS ? a->retry_at : now + TICK_MS);
}

int agent_reconcile_init(struct agent *a, struct err *e)
{
	uint64_t now = loop_now_ms(a->loop);
	int r;

	kernel_drivers(a->kernel, a->driver);
	if ((r = agent_flows_init(a, e)) < 0)
		return r;
	r = apply_new(a->driver, &a->apply);
	if (r >= 0 && (r = agent_repair_init(a, e)) < 0)
		return r;
	if (r >= 0)
		r = loop_io_new(a->loop, facts_fd(a->facts_source), LOOP_IN, on_facts, a, &a->facts_io);
	if (r >= 0)
		r = loop_timer_new(a->loop, now + TICK_MS, on_tick, a, &a->tick);
	if (r < 0)
		return err_set(e, r, "cannot start: %s", strerror(-r));
	a->retry_at = UINT64_MAX;
	a->retry_delay = RETRY_MIN_MS;
	a->audit_at = now + AUDIT_MS;
	a->purge_at = now + PURGE_MS;
	a->dirty = a->facts_dirty = true;
	return 0;
}

int agent_tear_down(struct agent *a, struct err *e)
{
	a->forget_state = true;
	return kernel_detach(&a->place, e);
}
