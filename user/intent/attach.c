/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An endpoint is attached: checked, given an address (job.c), recorded. */
#include "room.h"

#include <errno.h>
#include <string.h>

struct attach {
	struct job job; /* first: what job.c frees */
	struct endpoint ep; /* as it will be written */
	struct endpoint_detail detail;
	bool has_mac; /* asked for by the user */
};

static struct attach *attach_of(struct job *j)
{
	return (struct attach *)j;
}

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

static int take_mac(const char *text, struct attach *j, struct err *e)
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

static int take_ip(const char *text, struct attach *j, struct err *e)
{
	if (!text)
		return 0;
	j->job.has_addr = true;
	return parse_addr(text, &j->job.addr, e);
}

/* Without a service there is nothing to be weighed in. */
static int take_weight(const struct attach_ask *ask, struct attach *j, struct err *e)
{
	j->ep.weight = ask->service ? 1 : 0;
	if (!ask->weight)
		return 0;
	if (!ask->service)
		return err_set(e, -EINVAL,
			       "weight %.20s is a backend's share of its service; say which one "
			       "with --service, or leave it out",
			       ask->weight);
	return parse_weight(ask->weight, &j->ep.weight, e);
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

int check_label(const char *label, struct err *e)
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

static int take_netns(const struct attach_ask *ask, struct attach *j, struct err *e)
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
static int take_ask(struct attach *j, const struct attach_ask *ask, struct err *e)
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
	if (r == 0)
		r = take_weight(ask, j, e);
	if (r < 0)
		return r;
	strcpy(j->ep.ifname, ifname);
	strcpy(j->ep.name, ask->name ? ask->name : "");
	return 0;
}

/* ---- what the state decides ---- */

static int check_against(const struct attach *j, const struct view *v, const struct view_endpoint *ve,
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

/* The service asked for is there still, and no name of the endpoint's is a service's. */
static int check_services(const struct attach *j, const struct view *v,
			  const struct view_network *vn, struct err *e)
{
	int r = 0;

	if (!id_is_zero(&j->ep.service) && !view_service_by_id(v, &j->ep.service))
		return err_set(e, -ENOENT,
			       "the service was removed while the endpoint was being attached");
	if (j->ep.name[0])
		r = check_no_service(v, vn, "an endpoint", j->ep.name, e);
	for (int i = 0; i < j->detail.alias_count && r == 0; i++)
		r = check_no_service(v, vn, "an alias", j->detail.alias[i], e);
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
static void choose_mac(const struct attach *j, const struct view *v, struct endpoint *ep)
{
	if (j->has_mac)
		return;
	mac_from_addr(&ep->addr, ep->mac);
	while (mac_is_taken(v, ep))
		rng_bytes(j->job.in->rng, ep->mac + 2, 4);
}

/* ---- the job ---- */

static int check(struct job *job, const struct view *v, const struct view_network *vn,
		 struct err *e)
{
	struct attach *j = attach_of(job);
	int r = 0;

	for (size_t i = 0; i < v->endpoint_count && r == 0; i++)
		r = check_against(j, v, &v->endpoint[i], e);
	return r == 0 ? check_services(j, v, vn, e) : r;
}

static int record(struct job *job, const struct view *v, struct err *e)
{
	struct attach *j = attach_of(job);

	j->ep.addr = job->addr;
	j->ep.created_ms = job->in->wall;
	choose_mac(j, v, &j->ep);
	return write_endpoint(job->in, &j->ep, &j->detail, job->in->wall, e);
}

static void take_back(struct job *job, struct err *e)
{
	bury_endpoint(job->in, &job->id, job->in->wall, e);
}

static const struct job_kind attach_kind = {
	.size = sizeof(struct attach),
	.under_way = "the endpoint was being attached",
	.check = check,
	.record = record,
	.take_back = take_back,
};

/* ---- the entrance ---- */

static int start(struct attach *j, const struct attach_ask *ask, struct err *e)
{
	const struct view *v = store_view(j->job.in->store);
	const struct view_service *vs;
	const struct view_network *vn;
	int r = take_ask(j, ask, e);

	if (r < 0)
		return r;
	r = find_network(v, ask->network ? ask->network : "", &vn, e);
	if (r == 0)
		r = check_encryption(j->job.in, vn, e);
	if (r == 0 && ask->service) {
		r = find_service_of(v, vn, ask->service, &vs, e);
		if (r == 0)
			j->ep.service = vs->svc->id;
	}
	if (r < 0)
		return r;
	j->ep.network = j->job.network = vn->net->id;
	j->ep.node = *self_id(j->job.in);
	return 0;
}

void intent_attach(struct intent *in, const struct attach_ask *ask, uint64_t now, uint64_t wall_ms,
		   void (*done)(void *arg, const struct id *id, const struct err *e), void *arg)
{
	struct job *job = job_new(in, &attach_kind, now, wall_ms, done, arg);
	struct err e = { 0 };

	if (!job)
		return;
	if (start(attach_of(job), ask, &e) < 0) {
		job_finish(job, NULL, &e);
		return;
	}
	attach_of(job)->ep.id = job->id = draw_id(in);
	job_go(job);
}
