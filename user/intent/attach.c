/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An endpoint is attached: checked, given an address, recorded.
 *
 *   check ask -> [ check state -> pick ] -> record, commit -> done
 *                     ^           | others own what is free
 *                     +-- wait for a grant
 *
 * Whoever waits is checked again when it goes on: the state has moved. Recording
 * follows picking at once, so that no two attaches pick the same address.
 */
#include "room.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

struct job {
	struct intent *in;
	struct endpoint ep; /* as it will be written */
	struct endpoint_detail detail;
	bool has_addr, has_mac; /* asked for by the user */
	bool insist; /* the last answer taught us nothing: a repetition will not do */
	uint64_t deadline;
	struct id *skip; /* nodes asked in vain, or away */
	size_t skip_count, skip_cap;
	const struct ask *ask; /* what it waits for */
	struct job *next;
	void (*done)(void *arg, const struct id *id, const struct err *e);
	void *arg;
};

/* ---- what can be judged by the ask alone ---- */

/* What the kernel takes as a name (dev_valid_name), less templates and the loopback. */
static int check_ifname(const char *name, struct err *e)
{
	bool ok = *name && strlen(name) <= IFNAME_MAX_LEN && strcmp(name, ".") &&
		  strcmp(name, "..");

	for (const char *c = name; ok && *c; c++)
		ok = *c > ' ' && *c < 0x7f && !strchr("/:%", *c);
	if (!ok)
		return err_set(e, -EINVAL,
			       "\"%.40s\" cannot name an interface; use 1 to %d visible "
			       "characters other than '/', ':' and '%%', eth0 say",
			       name, IFNAME_MAX_LEN);
	if (!strcmp(name, "lo"))
		return err_set(e, -EINVAL,
			       "interface lo is the loopback of every namespace; choose "
			       "another name with --ifname");
	return 0;
}

static int take_mac(const char *text, struct job *j, struct err *e)
{
	static const uint8_t zero[6];

	if (!text)
		return 0;
	if (mac_parse(text, j->ep.mac) < 0)
		return err_set(e, -EINVAL, "MAC \"%.40s\" is not six bytes like 02:42:0a:0a:00:05",
			       text);
	if (!memcmp(j->ep.mac, zero, sizeof(zero)) || j->ep.mac[0] & 1)
		return err_set(e, -EINVAL,
			       "MAC %s is %s; choose one whose first byte is even, "
			       "02:42:... say",
			       text, j->ep.mac[0] & 1 ? "a group address" : "zero");
	j->has_mac = true;
	return 0;
}

static int take_ip(const char *text, struct job *j, struct err *e)
{
	if (!text)
		return 0;
	if (addr_parse(text, &j->ep.addr) < 0)
		return err_set(e, -EINVAL,
			       "\"%.60s\" is not an address; write it like 10.10.0.5, "
			       "without a prefix length",
			       text);
	if (!addr_is_v4(&j->ep.addr) || addr_is_zero(&j->ep.addr))
		return err_set(e, -EINVAL,
			       "address %s is IPv6, and this version has IPv4 networks "
			       "only; give an IPv4 address",
			       text);
	j->has_addr = true;
	return 0;
}

static int take_aliases(const struct attach_ask *ask, struct endpoint_detail *d, struct err *e)
{
	if (ask->alias_count > ALIAS_MAX)
		return err_set(e, -EINVAL,
			       "%zu aliases are given and an endpoint may have %d; drop "
			       "some",
			       ask->alias_count, ALIAS_MAX);
	for (size_t i = 0; i < ask->alias_count; i++) {
		int r = name_check("alias", ask->alias[i], e);

		if (r < 0)
			return r;
		strcpy(d->alias[d->alias_count++], ask->alias[i]);
	}
	return 0;
}

static int check_label(const char *label, struct err *e)
{
	const char *equals = strchr(label, '=');

	if (strlen(label) > LABEL_MAX_LEN)
		return err_set(e, -EINVAL, "label \"%.20s...\" is longer than %d bytes; shorten it",
			       label, LABEL_MAX_LEN);
	if (!equals || equals == label)
		return err_set(e, -EINVAL, "label \"%s\" is not KEY=VALUE", label);
	for (const char *c = label; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(e, -EINVAL,
				       "label %.*s=... holds a control character; leave "
				       "it out",
				       (int)strcspn(label, "=\t\n\r\v\f\033"), label);
	return 0;
}

static int take_labels(const struct attach_ask *ask, struct endpoint_detail *d, struct err *e)
{
	if (ask->label_count > LABEL_MAX)
		return err_set(e, -EINVAL,
			       "%zu labels are given and an endpoint may have %d; drop "
			       "some",
			       ask->label_count, LABEL_MAX);
	for (size_t i = 0; i < ask->label_count; i++) {
		int r = check_label(ask->label[i], e);

		if (r < 0)
			return r;
		strcpy(d->label[d->label_count++].text, ask->label[i]);
	}
	return 0;
}

static int take_netns(const struct attach_ask *ask, struct job *j, struct err *e)
{
	if (ask->netns.path[0] != '/' || !ask->netns.ino)
		return err_set(e, -EINVAL,
			       "network namespace \"%.80s\" is not resolved; name one "
			       "below /run/netns, a path or a process id",
			       ask->netns.path);
	strcpy(j->detail.netns, ask->netns.path);
	j->ep.netns_dev = ask->netns.dev;
	j->ep.netns_ino = ask->netns.ino;
	return 0;
}

/* Fills the draft from the ask, except what the state decides. */
static int take_ask(struct job *j, const struct attach_ask *ask, struct err *e)
{
	const char *ifname = ask->ifname ? ask->ifname : "eth0";
	int r = check_ifname(ifname, e);

	if (r == 0)
		r = take_netns(ask, j, e);
	if (r == 0 && ask->name)
		r = name_check("endpoint name", ask->name, e);
	if (r == 0)
		r = take_mac(ask->mac, j, e);
	if (r == 0)
		r = take_ip(ask->ip, j, e);
	if (r == 0)
		r = take_aliases(ask, &j->detail, e);
	if (r == 0)
		r = take_labels(ask, &j->detail, e);
	if (r == 0 && ask->service)
		r = err_set(e, -ENOENT, "there is no service \"%.63s\"; attach without --service",
			    ask->service);
	if (r < 0)
		return r;
	strcpy(j->ep.ifname, ifname);
	strcpy(j->ep.name, ask->name ? ask->name : "");
	return 0;
}

/* ---- what the state decides ---- */

static int check_against(const struct job *j, const struct view *v, const struct view_endpoint *ve,
			 struct err *e)
{
	const struct endpoint *ep = &j->ep, *other = ve->ep;
	bool same_network = id_equal(&other->network, &ep->network);
	bool same_netns = id_equal(&other->node, &ep->node) && other->netns_ino == ep->netns_ino &&
			  other->netns_dev == ep->netns_dev;
	char id[ID_TEXT_MAX], node[ID_TEXT_MAX], mac[MAC_TEXT_MAX];

	if (same_netns && same_network)
		return err_set(e, -EEXIST,
			       "namespace %.100s is attached to network %s already, as "
			       "endpoint %s",
			       j->detail.netns, ve->net->display, endpoint_text(other, id));
	if (same_netns && !strcmp(other->ifname, ep->ifname))
		return err_set(e, -EEXIST,
			       "interface %s of namespace %.100s belongs to endpoint %s on "
			       "network %s already; choose another one with --ifname",
			       ep->ifname, j->detail.netns, endpoint_text(other, id),
			       ve->net->display);
	if (same_network && ep->name[0] && !strcmp(other->name, ep->name))
		return err_set(e, -EEXIST,
			       "network %s has an endpoint %s already, on node %s; choose "
			       "another name",
			       ve->net->display, ep->name, node_text(v, &other->node, node));
	if (same_network && j->has_mac && !memcmp(other->mac, ep->mac, sizeof(ep->mac)))
		return err_set(e, -EEXIST,
			       "MAC %s is used by endpoint %s of network %s on node %s; "
			       "choose another one",
			       mac_format(ep->mac, mac), endpoint_text(other, id), ve->net->display,
			       node_text(v, &other->node, node));
	return 0;
}

static int check_state(const struct job *j, const struct view *v, const struct view_network *vn,
		       struct err *e)
{
	int r = check_not_removed(j->in, e);

	if (r == 0 && vn->vni_lost)
		r = err_set(e, -EAGAIN,
			    "network %s is being given a new VNI, because an older network "
			    "has %u; try again in a few seconds",
			    vn->display, vn->net->vni);
	for (size_t i = 0; i < v->endpoint_count && r == 0; i++)
		r = check_against(j, v, &v->endpoint[i], e);
	return r;
}

static bool mac_is_taken(const struct view *v, const struct endpoint *ep)
{
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (id_equal(&v->endpoint[i].ep->network, &ep->network) &&
		    !memcmp(v->endpoint[i].ep->mac, ep->mac, sizeof(ep->mac)))
			return true;
	return false;
}

/* From the address; when somebody asked for just that MAC, a random one of the same kind. */
static void choose_mac(const struct job *j, const struct view *v, struct endpoint *ep)
{
	if (j->has_mac)
		return;
	mac_from_addr(&ep->addr, ep->mac);
	while (mac_is_taken(v, ep))
		rng_bytes(j->in->rng, ep->mac + 2, 4);
}

/* ---- the way of a job ---- */

static void job_free(struct job *j)
{
	free(j->skip);
	free(j);
}

static void job_finish(struct job *j, const struct id *id, const struct err *e)
{
	j->done(j->arg, id, e);
	job_free(j);
}

static int job_skip(struct job *j, const struct id *node)
{
	if (j->skip_count == j->skip_cap) {
		size_t cap = j->skip_cap ? 2 * j->skip_cap : 16;
		struct id *skip = reallocarray(j->skip, cap, sizeof(*skip));

		if (!skip)
			return -ENOMEM;
		j->skip = skip;
		j->skip_cap = cap;
	}
	j->skip[j->skip_count++] = *node;
	return 0;
}

/* Written and committed before anybody hears of it; when that fails, taken back. */
static int job_record(struct job *j, const struct view *v, const struct ov_addr *addr,
		      struct err *e)
{
	struct intent *in = j->in;
	int r;

	j->ep.addr = *addr;
	j->ep.created_ms = in->wall;
	choose_mac(j, v, &j->ep);
	r = write_endpoint(in, &j->ep, &j->detail, in->wall, e);
	if (r < 0)
		return r;
	r = store_commit(in->store, e);
	if (r < 0)
		bury_endpoint(in, &j->ep.id, in->wall, e);
	return r;
}

static int refuse_late(const struct job *j, const struct view *v, const struct id *node,
		       struct err *e)
{
	const struct view_network *vn = view_network_by_id(v, &j->ep.network);
	char text[ID_TEXT_MAX];

	return err_set(e, -ETIMEDOUT,
		       "node %s did not give addresses of network %s within %d s; try "
		       "again, and look at that node if it goes on",
		       node_text(v, node, text), vn ? vn->display : "(removed)",
		       INTENT_DEADLINE_MS / 1000);
}

/* 1 when it waits; 0 when the node cannot be asked and is left out from now on. */
static int job_wait(struct job *j, const struct view *v, const struct network *n,
		    const struct id *node, struct err *e)
{
	struct intent *in = j->in;
	char text[ID_TEXT_MAX];
	struct ask *ask;
	int r;

	if (in->now >= j->deadline)
		return refuse_late(j, v, node, e);
	if (in->job_count >= INTENT_WAITING_MAX)
		return err_set(e, -EAGAIN,
			       "%d attaches wait for addresses of other nodes already; "
			       "try again in a few seconds",
			       INTENT_WAITING_MAX);
	r = ask_node(in, n, node, j->has_addr ? &j->ep.addr : NULL, j->insist, &ask);
	if (r == -EHOSTUNREACH)
		return job_skip(j, node);
	if (r < 0)
		return err_set(e, r,
			       "node %s cannot be asked for addresses of network %s now: too "
			       "many questions are open; try again in a few seconds",
			       node_text(v, node, text), n->name);
	j->ask = ask;
	job_list_append(in, j);
	return 1;
}

/* One try. 1: waits, or is done; 0: try again without one more node; or a negative errno. */
static int job_try(struct job *j, struct err *e)
{
	struct intent *in = j->in;
	const struct view *v = store_view(in->store);
	const struct view_network *vn = view_network_by_id(v, &j->ep.network);
	struct ov_addr addr;
	struct id node;
	int r;

	if (!vn)
		return err_set(e, -ENOENT,
			       "the network was removed while the endpoint was being "
			       "attached");
	r = check_state(j, v, vn, e);
	if (r < 0)
		return r;
	switch (ipam_pick(v, vn->net, self_id(in), j->has_addr ? &j->ep.addr : NULL, in->wall,
			  j->skip, j->skip_count, &addr, &node, e)) {
	case IPAM_OK:
		r = job_record(j, v, &addr, e);
		if (r < 0)
			return r;
		job_finish(j, &j->ep.id, NULL);
		return 1;
	case IPAM_ASK:
		return job_wait(j, v, vn->net, &node, e);
	default:
		return e->code;
	}
}

static void job_go(struct job *j)
{
	struct err e = { 0 };
	int r;

	do {
		r = job_try(j, &e);
	} while (r == 0);
	if (r > 0)
		return;
	err_set(&e, r, "out of memory while attaching an endpoint");
	job_finish(j, NULL, &e);
}

void job_resume(struct job *j, const struct id *refused, bool news)
{
	struct err e = { 0 };

	j->ask = NULL;
	j->insist = !news;
	if (refused && job_skip(j, refused) < 0) {
		err_set(&e, -ENOMEM, "out of memory while attaching an endpoint");
		job_finish(j, NULL, &e);
		return;
	}
	job_go(j);
}

/* ---- those who wait ---- */

void job_list_append(struct intent *in, struct job *j)
{
	j->next = NULL;
	*in->jobs_end = j;
	in->jobs_end = &j->next;
	in->job_count++;
}

struct job *job_next(const struct job *j)
{
	return j->next;
}

/* Moves those that match to a list of their own; both keep their order. */
static struct job *take_jobs(struct intent *in, bool (*match)(const struct job *j, const void *arg),
			     const void *arg)
{
	struct job *taken = NULL, **end = &taken, **at = &in->jobs, *j;

	while ((j = *at)) {
		if (!match(j, arg)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		j->next = NULL;
		*end = j;
		end = &j->next;
		in->job_count--;
	}
	in->jobs_end = at;
	return taken;
}

static bool waits_for(const struct job *j, const void *ask)
{
	return j->ask == ask;
}

struct job *jobs_take_waiting(struct intent *in, const struct ask *a)
{
	return take_jobs(in, waits_for, a);
}

static bool is_late(const struct job *j, const void *unused)
{
	(void)unused;
	return j->in->now >= j->deadline;
}

void jobs_expire(struct intent *in)
{
	struct job *late = take_jobs(in, is_late, NULL), *j;

	while ((j = late)) {
		struct err e = { 0 };

		late = j->next;
		refuse_late(j, store_view(in->store), ask_whom(j->ask), &e);
		job_finish(j, NULL, &e);
	}
}

void job_cancel(struct job *j)
{
	struct err e = { 0 };

	err_set(&e, -ECANCELED, "overlayd is stopping; attach again when it is back");
	job_finish(j, NULL, &e);
}

static bool always(const struct job *j, const void *unused)
{
	(void)j;
	(void)unused;
	return true;
}

void jobs_cancel(struct intent *in)
{
	struct job *all = take_jobs(in, always, NULL), *j;

	while ((j = all)) {
		all = j->next;
		job_cancel(j);
	}
}

/* ---- the entrance ---- */

static int job_start(struct job *j, const struct attach_ask *ask, struct err *e)
{
	struct intent *in = j->in;
	const struct view_network *vn;
	int r = take_ask(j, ask, e);

	if (r < 0)
		return r;
	vn = view_network_find(store_view(in->store), ask->network ? ask->network : "");
	if (!vn)
		return err_set(e, -ENOENT,
			       "there is no network \"%.80s\"; create it with `overlayctl "
			       "network create`, `overlayctl network ls` shows what there is",
			       ask->network ? ask->network : "");
	j->ep.network = vn->net->id;
	j->ep.node = *self_id(in);
	return 0;
}

void intent_attach(struct intent *in, const struct attach_ask *ask, uint64_t now, uint64_t wall_ms,
		   void (*done)(void *arg, const struct id *id, const struct err *e), void *arg)
{
	struct job *j = calloc(1, sizeof(*j));
	struct err e = { 0 };

	in->now = now;
	in->wall = wall_ms;
	if (!j) {
		err_set(&e, -ENOMEM, "out of memory while attaching an endpoint");
		done(arg, NULL, &e);
		return;
	}
	j->in = in;
	j->done = done;
	j->arg = arg;
	j->deadline = now + INTENT_DEADLINE_MS;
	if (job_start(j, ask, &e) < 0) {
		job_finish(j, NULL, &e);
		return;
	}
	j->ep.id = draw_id(in);
	job_go(j);
}
