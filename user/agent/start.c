/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* How long an unreachable cluster is tried before giving up; a refusal ends it at once. */
#define JOIN_PATIENCE_MS 30000
#define JOIN_PAUSE_MS 1000

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	char partial[512];

	if (snprintf(partial, sizeof(partial), "%s", path) >= (int)sizeof(partial))
		return err_set(e, -ENAMETOOLONG, "the directory \"%s\" has too long a name", path);
	for (char *p = partial + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			break;
		*p = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make the directory %s: %s", path, strerror(errno));
	return 0;
}

static int open_state(struct agent *a, struct err *e)
{
	char path[512];
	int r = make_dir(a->options->state_dir, 0700, e);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/state.db", a->options->state_dir);
	return store_open(path, &a->rng, &a->store, e);
}

/* What this node will say of itself, from the options and the uplink. */
static int describe_self(struct agent *a, struct err *e)
{
	const struct options *o = a->options;
	struct ov_addr first;
	uint32_t ifindex;
	uint16_t mtu;
	int r;

	r = facts_open(o->attach, &a->facts_source, e);
	if (r >= 0)
		r = facts_uplink(a->facts_source, &first, &mtu, &ifindex, a->driver_name, e);
	if (r < 0)
		return r;
	a->self.id = *store_self(a->store);
	a->self.addr = addr_is_zero(&o->advertise) ? first : o->advertise;
	a->self.gossip_port = o->gossip_port;
	a->self.vxlan_port = o->vxlan_port;
	a->self.uplink_mtu = mtu;
	a->self.joined_ms = loop_wall_ms(a->loop);
	snprintf(a->self.name, sizeof(a->self.name), "%s", o->node);
	snprintf(a->self.version, sizeof(a->self.version), "%s", OV_VERSION);
	a->facts.uplink_ifindex = ifindex;
	a->facts.uplink_mtu = mtu;
	a->facts.vtep = a->self.addr;
	a->facts.vxlan_port = o->vxlan_port;
	a->facts.masq_first = o->masquerade.first;
	a->facts.masq_last = o->masquerade.last;
	return 0;
}

static void choose_xdp(struct agent *a)
{
	static const char *const names[] = { [OV_XDP_OFF] = "off",
					     [OV_XDP_GENERIC] = "generic",
					     [OV_XDP_NATIVE] = "native" };

	snprintf(a->xdp_why, sizeof(a->xdp_why), "asked for");
	switch (a->options->xdp) {
	case OPTION_XDP_AUTO:
		a->facts.xdp_mode = facts_xdp_auto(a->driver_name, a->xdp_why);
		break;
	case OPTION_XDP_NATIVE:
		a->facts.xdp_mode = OV_XDP_NATIVE;
		break;
	case OPTION_XDP_GENERIC:
		a->facts.xdp_mode = OV_XDP_GENERIC;
		break;
	case OPTION_XDP_OFF:
		a->facts.xdp_mode = OV_XDP_OFF;
		break;
	}
	a->facts.xdp_sums = facts_xdp_sums(a->driver_name, a->facts.xdp_mode);
	a->status.xdp_mode = names[a->facts.xdp_mode];
	a->status.xdp_why = a->xdp_why;
	a->status.xdp_entry = a->facts.xdp_sums;
	log_info("XDP on %s (driver %s): %s, because %s", a->options->attach, a->driver_name,
		 a->status.xdp_mode, a->xdp_why);
}

/* ---- membership ---- */

static void on_joined(void *arg, const struct err *e)
{
	struct agent *a = arg;

	a->join_error = e ? *e : (struct err){ 0 };
	loop_stop(a->loop, 0);
}

/* One try through one member. Runs the loop for it; nothing else is in the loop yet. */
static int join_through(struct agent *a, const struct sockname *to, struct err *e)
{
	struct join_request request = {
		.id = a->self.id,
		.addr = { a->self.addr, a->self.gossip_port },
	};
	int r;

	snprintf(request.name, sizeof(request.name), "%s", a->self.name);
	snprintf(request.version, sizeof(request.version), "%s", OV_VERSION);
	r = gossipd_join(a->loop, a->store, to, a->options->token, &request, on_joined, a);
	if (r < 0)
		return err_set(e, r, "cannot start joining: %s", strerror(-r));
	r = loop_run(a->loop);
	if (r < 0)
		return err_set(e, r, "the event loop failed: %s", strerror(-r));
	if (a->join_error.code)
		return err_set(e, a->join_error.code, "%s", a->join_error.text);
	return store_commit(a->store, e);
}

static bool is_worth_retrying(int code)
{
	return code == -ECONNREFUSED || code == -EHOSTUNREACH || code == -ENETUNREACH ||
	       code == -ETIMEDOUT || code == -ECONNRESET || code == -EAGAIN;
}

static int join(struct agent *a, struct err *e)
{
	uint64_t give_up = loop_now_ms(a->loop) + JOIN_PATIENCE_MS;

	for (;;) {
		struct err last = { 0 };
		int r = -EINVAL;

		for (size_t i = 0; i < a->options->join_count; i++) {
			last = (struct err){ 0 };
			r = join_through(a, &a->options->join[i], &last);
			if (r >= 0)
				return 0;
			if (!is_worth_retrying(r))
				return err_set(e, r, "%s", last.text);
		}
		if (loop_now_ms(a->loop) >= give_up)
			return err_set(e, r, "%s", last.text);
		log_warn("%s; will retry", last.text);
		usleep(JOIN_PAUSE_MS * 1000);
	}
}

static int found_or_join(struct agent *a, struct err *e)
{
	a->fresh = true;
	if (!a->options->join_count) {
		log_info("no state and no --join: founding a new cluster");
		return intent_cluster_create(a->intent, loop_wall_ms(a->loop), e);
	}
	if (!a->options->has_token)
		return err_set(e, -EINVAL,
			       "joining needs a token: give --token or --token-file with what "
			       "`overlayctl cluster token` prints on a member");
	return join(a, e);
}

/*
 * A join that was cut short before this node announced itself is made again: no other node waits
 * for one that it never heard of, so the key that it got may be none any more.
 */
static bool is_member(const struct agent *a, const struct item *self)
{
	if (!store_view(a->store)->cluster)
		return false;
	return self || !a->options->join_count || !a->options->has_token;
}

/* A node with state resumes; one without joins or founds. */
static int become_member(struct agent *a, struct err *e)
{
	struct record_key key = key_of_id(RECORD_NODE, &a->self.id);
	const struct item *self = store_item(a->store, &key);
	int r = 0;

	if (self && self->tombstone)
		return err_set(e, -EPERM,
			       "this node was removed from its cluster: delete %s to join afresh",
			       a->options->state_dir);
	if (self)
		a->self.joined_ms = self->node.joined_ms;
	if (!is_member(a, self))
		r = found_or_join(a, e);
	else if (a->options->join_count)
		log_info("already a member of a cluster by %s: --join is ignored; to join "
			 "another one, run `overlayctl cluster leave` first",
			 a->options->state_dir);
	return r < 0 ? r : intent_ring_adopt(a->intent, loop_wall_ms(a->loop), e);
}

/* ---- rooms ---- */

static int on_call(void *ctx, const struct id *from, struct cursor request, struct buf *reply)
{
	struct agent *a = ctx;

	if (doctor_is_ask(request))
		return a->kernel ? agent_doctor_on_call(a, from, request, reply) : -EAGAIN;
	return intent_on_call(a->intent, from, request, loop_wall_ms(a->loop), reply);
}

static int open_gossip(struct agent *a, struct err *e)
{
	struct gossip_config config = {
		.timing = GOSSIP_LAN,
		.self = { a->self.addr, a->self.gossip_port },
		.on_call = on_call,
		.ctx = a,
	};
	const struct sockname self = config.self;
	int r;

	a->ring = *store_view(a->store)->ring;
	config.key_count = a->ring.key_count;
	memcpy(config.key, a->ring.key, sizeof(config.key));
	r = gossip_new(&config, a->store, &a->rng, loop_now_ms(a->loop), &a->gossip);
	sodium_memzero(&config, sizeof(config));
	if (r < 0)
		return err_set(e, r, "cannot start gossip: %s", strerror(-r));
	rng_init_system(&a->rng); /* gossip drew its seed from it: go on with another stream */
	for (size_t i = 0; i < a->options->join_count; i++)
		gossip_seed(a->gossip, &a->options->join[i], loop_now_ms(a->loop));
	return gossipd_new(a->loop, a->gossip, a->store, &self, &a->gossipd, e);
}

static int open_control(struct agent *a, struct err *e)
{
	struct control_host host;
	char path[512];
	int r = make_dir(a->options->run_dir, 0755, e);

	if (r < 0)
		return r;
	agent_host(a, &host);
	r = control_new(a->store, a->gossip, a->intent, &host, &a->control);
	if (r < 0)
		return err_set(e, r, "cannot start the control API: %s", strerror(-r));
	snprintf(path, sizeof(path), "%s/overlayd.sock", a->options->run_dir);
	r = http_new(a->loop, a->control, path, &a->http, e);
	if (r >= 0 && a->options->metrics.port)
		r = metricsd_new(a->loop, a->control, &a->options->metrics, &a->metricsd, e);
	return r;
}

static void describe_status(struct agent *a)
{
	a->status.version = OV_VERSION;
	a->status.uplink = a->options->attach;
	a->status.pin_dir = a->options->pin_dir;
	a->status.attach_mode = bpf_attach_mode(kernel_bpf(a->kernel));
	a->status.uplink_mtu = a->facts.uplink_mtu;
	a->status.vxlan_port = a->options->vxlan_port;
	a->status.gossip_port = a->options->gossip_port;
	a->status.masquerade_first = a->options->masquerade.first;
	a->status.masquerade_last = a->options->masquerade.last;
	a->status.started_ms = loop_wall_ms(a->loop);
}

static void on_stop_signal(void *arg, int signo)
{
	struct agent *a = arg;

	log_info("stopping on signal %d: programs, maps and devices stay, traffic flows on", signo);
	loop_notify("STOPPING=1");
	loop_stop(a->loop, 0);
}

static void on_hangup(void *arg, int signo)
{
	struct agent *a = arg;
	struct options *again = calloc(1, sizeof(*again));
	struct err e = { 0 };

	(void)signo;
	loop_notify("RELOADING=1");
	if (!again || options_load(a->argc, a->argv, again, &e) < 0) {
		log_error("%s; keeping the running configuration", again ? e.text : "out of memory");
	} else {
		log_init(again->log_level);
		log_info("configuration read again; only the log level changes without a restart");
	}
	free(again);
	loop_notify("READY=1");
}

/* Everything but the kernel: what is refused here has changed nothing on the host. */
static int open_rooms(struct agent *a, struct err *e)
{
	int r;

	if ((r = open_state(a, e)) < 0 || (r = describe_self(a, e)) < 0)
		return r;
	choose_xdp(a);
	r = intent_new(a->store, NULL, &a->rng, &a->intent);
	if (r < 0)
		return err_set(e, r, "cannot start: %s", strerror(-r));
	if ((r = become_member(a, e)) < 0)
		return r;
	if ((r = open_gossip(a, e)) < 0 || (r = agent_names_init(a, e)) < 0)
		return r;
	intent_free(TAKE_PTR(a->intent));
	r = intent_new(a->store, a->gossip, &a->rng, &a->intent);
	if (r < 0)
		return err_set(e, r, "cannot start: %s", strerror(-r));
	intent_know_reach(a->intent, &a->status.reach);
	if ((r = agent_watch_init(a, e)) < 0)
		return r;
	return open_control(a, e);
}

static int watch_signals(struct agent *a, struct err *e)
{
	int r;

	if ((r = loop_signal(a->loop, SIGTERM, on_stop_signal, a)) < 0 ||
	    (r = loop_signal(a->loop, SIGINT, on_stop_signal, a)) < 0 ||
	    (r = loop_signal(a->loop, SIGHUP, on_hangup, a)) < 0 ||
	    (r = loop_before_wait(a->loop, agent_before_wait, a)) < 0)
		return err_set(e, r, "cannot start: %s", strerror(-r));
	return 0;
}

/* The tunnel device and the uplink's programs are what a node cannot do without. */
static int check_first_run(struct agent *a, struct err *e)
{
	for (size_t i = 0; i < a->error_count; i++) {
		const struct row_error *row = &a->error[i];

		if (row->table == PLAN_TUNNEL || (row->table == PLAN_ATTACH && id_is_zero(&row->endpoint)))
			return err_set(e, row->err.code, "%s", row->err.text);
	}
	return 0;
}

static bool has_endpoints(struct agent *a)
{
	const struct view *v = store_view(a->store);

	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->node, store_self(a->store)))
			return true;
	return false;
}

/* Programs in, first plan applied; a failure where nothing is attached leaves nothing. */
static int open_kernel(struct agent *a, struct err *e)
{
	struct err undo = { 0 };
	int r = kernel_open(&a->place, &a->kernel, e);

	if (r >= 0) {
		a->pins_lock = bpf_lock_pins(&a->place, false);
		describe_status(a);
		intent_ask_encryption(a->intent, agent_can_encrypt, a);
		r = agent_keys_init(a, e);
	}
	if (r >= 0)
		r = agent_reconcile_init(a, e);
	if (r >= 0)
		r = agent_health_init(a, e);
	if (r >= 0)
		r = agent_ports_init(a, e);
	if (r >= 0)
		r = intent_node_announce(a->intent, &a->self, loop_wall_ms(a->loop), e);
	if (r >= 0) {
		agent_before_wait(a);
		r = check_first_run(a, e);
	}
	if (r < 0 && !has_endpoints(a) && kernel_detach(&a->place, &undo) < 0)
		log_warn("%s", undo.text);
	return r;
}

int agent_start(struct agent *a, int argc, char **argv, const struct options *options,
		struct err *e)
{
	int r;

	a->options = options;
	a->argc = argc;
	a->argv = argv;
	a->place = (struct bpf_place){ options->bpffs, options->pin_dir };
	a->pins_lock = -1;
	rng_init_system(&a->rng);
	if ((r = bpf_check_capabilities(e)) < 0)
		return r;
	r = loop_new(&a->loop);
	if (r < 0)
		return err_set(e, r, "cannot make an event loop: %s", strerror(-r));
	if ((r = open_rooms(a, e)) < 0 || (r = open_kernel(a, e)) < 0 || (r = watch_signals(a, e)) < 0) {
		a->forget_state = a->fresh;
		return r;
	}
	loop_notify("READY=1");
	log_info("node %s ready on %s", a->self.name, options->attach);
	return 0;
}

static void remove_state(const struct agent *a)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s/state.db%s", a->options->state_dir, suffixes[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			log_error("cannot remove %s: %s", path, strerror(errno));
	}
}

void agent_stop(struct agent *a)
{
	http_free(a->http);
	metricsd_free(a->metricsd);
	healthd_free(a->healthd);
	agent_ports_fini(a);
	control_free(a->control);
	agent_doctor_fini(a);
	agent_watch_fini(a);
	agent_names_fini(a);
	gossipd_free(a->gossipd);
	gossip_free(a->gossip);
	intent_free(a->intent);
	agent_repair_fini(a);
	apply_free(a->apply);
	agent_keys_fini(a);
	agent_flows_fini(a);
	kernel_close(a->kernel);
	closep(&a->pins_lock);
	loop_timer_free(a->tick);
	loop_io_free(a->facts_io);
	facts_close(a->facts_source);
	free(a->away);
	store_close(a->store);
	if (a->forget_state)
		remove_state(a);
	loop_free(a->loop);
	sodium_memzero(a, sizeof(*a));
}
