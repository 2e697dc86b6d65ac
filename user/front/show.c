/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "intent/intent.h"
#include "json.h"

static bool is_self(const struct scene *s, const struct id *node)
{
	return id_equal(node, s->self);
}

static json_t *display_name(const struct view_network *n)
{
	return json_text(n->display);
}

/* ---- nodes ---- */

const char *show_node_status(const struct scene *s, const struct id *node)
{
	const struct member *m;

	if (is_self(s, node))
		return member_status_to_str(MEMBER_ALIVE);
	m = s->gossip ? gossip_member(s->gossip, node) : NULL;
	return m ? member_status_to_str(m->status) : "unknown";
}

static size_t *count_by_node(const struct scene *s)
{
	const struct view *v = s->view;
	size_t *counts = calloc(v->node_count + 1, sizeof(*counts));

	for (size_t i = 0; counts && i < v->endpoint_count; i++) {
		const struct view_node *n = view_node_by_id(v, &v->endpoint[i].ep->node);

		if (n)
			counts[n - v->node]++;
	}
	return counts;
}

static json_t *node_row(const struct scene *s, const struct view_node *n, size_t endpoints)
{
	return json_pack("{s:o, s:o, s:o, s:s, s:b, s:i, s:o, s:o, s:o}",
			 "ID", json_id(&n->node->id), "Name", json_text(n->node->name),
			 "Address", json_addr(&n->node->addr),
			 "Status", show_node_status(s, &n->node->id),
			 "Self", is_self(s, &n->node->id), "MTU", (int)n->node->uplink_mtu,
			 "Version", json_text(n->node->version), "Endpoints", json_count(endpoints),
			 "Joined", json_time(n->node->joined_ms));
}

static int by_node_name(const void *a, const void *b)
{
	const struct view_node *x = *(const struct view_node *const *)a;
	const struct view_node *y = *(const struct view_node *const *)b;
	int order = strcmp(x->node->name, y->node->name);

	return order ? order : id_cmp(&x->node->id, &y->node->id);
}

json_t *show_nodes(const struct scene *s)
{
	const struct view *v = s->view;
	_cleanup_(freep) size_t *counts = count_by_node(s);
	_cleanup_(freep) const struct view_node **order = calloc(v->node_count + 1, sizeof(*order));
	json_t *rows = json_array();

	if (!counts || !order)
		json_push(&rows, NULL);
	for (size_t i = 0; order && i < v->node_count; i++)
		order[i] = &v->node[i];
	if (order)
		qsort(order, v->node_count, sizeof(*order), by_node_name);
	for (size_t i = 0; rows && i < v->node_count; i++)
		json_push(&rows, node_row(s, order[i], counts[order[i] - v->node]));
	return rows;
}

json_t *show_node(const struct scene *s, const struct view_node *n)
{
	const struct member *m = s->gossip ? gossip_member(s->gossip, &n->node->id) : NULL;
	_cleanup_(freep) size_t *counts = count_by_node(s);
	uint64_t since = m && s->now > m->since ? s->wall - (s->now - m->since) : s->wall;
	json_t *row, *more;

	if (!counts)
		return NULL;
	row = node_row(s, n, counts[n - s->view->node]);
	more = json_pack("{s:i, s:i, s:b, s:o, s:o}", "GossipPort", (int)n->node->gossip_port,
			 "VXLANPort", (int)n->node->vxlan_port, "NameLost", n->name_lost,
			 "Incarnation", json_count(m ? m->incarnation : 0),
			 "StatusSince", is_self(s, &n->node->id) || !m ? json_null() : json_time(since));
	if (!row || !more || json_object_update(row, more)) {
		json_decref(row);
		row = NULL;
	}
	json_decref(more);
	return row;
}

/* ---- networks ---- */

static size_t *count_by_network(const struct scene *s)
{
	const struct view *v = s->view;
	size_t *counts = calloc(v->network_count + 1, sizeof(*counts));

	for (size_t i = 0; counts && i < v->endpoint_count; i++)
		counts[v->endpoint[i].net - v->network]++;
	return counts;
}

static json_t *network_row(const struct scene *s, const struct view_network *n, size_t endpoints)
{
	const struct network *net = n->net;

	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:i, s:i, s:b, s:b, s:o, s:b, s:o}",
			 "Id", json_id(&net->id), "Name", display_name(n), "Driver", "overlayd",
			 "Scope", "swarm", "Subnet", json_prefix(&net->subnet),
			 "Gateway", json_addr(&net->gateway), "VNI", (int)net->vni,
			 "MTU", (int)view_network_mtu(s->view, net), "Internal", net->internal,
			 "Encrypted", net->encrypted, "Endpoints", json_count(endpoints),
			 "VNILost", n->vni_lost, "Created", json_time(net->created_ms));
}

static int by_display(const void *a, const void *b)
{
	const struct view_network *x = *(const struct view_network *const *)a;
	const struct view_network *y = *(const struct view_network *const *)b;
	int order = strcmp(x->display, y->display);

	return order ? order : id_cmp(&x->net->id, &y->net->id);
}

json_t *show_networks(const struct scene *s)
{
	const struct view *v = s->view;
	_cleanup_(freep) size_t *counts = count_by_network(s);
	_cleanup_(freep) const struct view_network **order =
		calloc(v->network_count + 1, sizeof(*order));
	json_t *rows = json_array();

	if (!counts || !order)
		json_push(&rows, NULL);
	for (size_t i = 0; order && i < v->network_count; i++)
		order[i] = &v->network[i];
	if (order)
		qsort(order, v->network_count, sizeof(*order), by_display);
	for (size_t i = 0; rows && i < v->network_count; i++)
		json_push(&rows, network_row(s, order[i], counts[order[i] - v->network]));
	return rows;
}

/* "10.0.0.5/24": an address with its network's length, as Docker writes it. */
static json_t *addr_in_subnet(const struct ov_addr *a, const struct prefix *subnet, bool v4)
{
	struct prefix p = { .addr = *a, .len = subnet->len };

	return addr_is_v4(a) == v4 ? json_prefix(&p) : json_string("");
}

static json_t *mac_text(const uint8_t mac[6])
{
	char text[MAC_TEXT_MAX];

	return json_string(mac_format(mac, text));
}

/* As Docker: only those on this node. */
static json_t *containers(const struct scene *s, const struct view_network *n)
{
	json_t *all = json_object();

	for (size_t i = 0; all && i < s->view->endpoint_count; i++) {
		const struct view_endpoint *ve = &s->view->endpoint[i];
		char id[ID_TEXT_MAX];
		json_t *one;

		if (ve->net != n || !is_self(s, &ve->ep->node))
			continue;
		one = json_pack("{s:o, s:o, s:o, s:o, s:o}", "Name", json_text(ve->ep->name),
				"EndpointID", json_id(&ve->ep->id), "MacAddress", mac_text(ve->ep->mac),
				"IPv4Address", addr_in_subnet(&ve->ep->addr, &n->net->subnet, true),
				"IPv6Address", addr_in_subnet(&ve->ep->addr, &n->net->subnet, false));
		if (json_object_set_new(all, id_format(&ve->ep->id, id), one)) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static bool can_hear(const struct scene *s, const struct id *node)
{
	const char *status = show_node_status(s, node);

	return !strcmp(status, member_status_to_str(MEMBER_ALIVE)) ||
	       !strcmp(status, member_status_to_str(MEMBER_SUSPECT));
}

/* Nodes that carry the network: this one, and living ones with an endpoint on it. */
static json_t *peers(const struct scene *s, const struct view_network *n)
{
	const struct view *v = s->view;
	_cleanup_(freep) bool *on = calloc(v->node_count + 1, sizeof(*on));
	json_t *all = json_array();

	if (!on)
		json_push(&all, NULL);
	for (size_t i = 0; on && i < v->endpoint_count; i++) {
		const struct view_node *vn = view_node_by_id(v, &v->endpoint[i].ep->node);

		if (vn && v->endpoint[i].net == n)
			on[vn - v->node] = true;
	}
	for (size_t i = 0; all && i < v->node_count; i++) {
		const struct node *node = v->node[i].node;

		if (is_self(s, &node->id) || (on[i] && can_hear(s, &node->id)))
			json_push(&all, json_pack("{s:o, s:o}", "Name", json_text(node->name), "IP",
						  json_addr(&node->addr)));
	}
	return all;
}

static json_t *network_options(const struct scene *s, const struct network *net)
{
	char vni[16], mtu[16];

	snprintf(vni, sizeof(vni), "%u", net->vni);
	snprintf(mtu, sizeof(mtu), "%u", view_network_mtu(s->view, net));
	/* "s*": a member whose value is NULL is left out */
	return json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "vni", vni, "mtu", mtu,
			 "encrypted", net->encrypted ? "" : NULL,
			 "policy", net->policy_deny ? "deny" : NULL,
			 "policy-audit", net->policy_audit ? "" : NULL);
}

static json_t *network_ipam(const struct network *net)
{
	bool narrowed = net->ip_range.len != net->subnet.len;

	return json_pack("{s:s, s:{}, s:[{s:o, s:o, s:o}]}", "Driver", "overlayd", "Options", "Config",
			 "Subnet", json_prefix(&net->subnet),
			 "IPRange", narrowed ? json_prefix(&net->ip_range) : json_string(""),
			 "Gateway", json_addr(&net->gateway));
}

static json_t *network_usage(const struct scene *s, const struct network *net)
{
	char subnet[PREFIX_TEXT_MAX];
	uint64_t used = 0, available = 0;

	ipam_usage(s->view, net, &used, &available);
	return json_pack("{s:{s:{s:{s:o, s:o}}}}", "IPAM", "Subnets",
			 prefix_format(&net->subnet, subnet), "IPsInUse", json_count(used),
			 "DynamicIPsAvailable", json_count(available));
}

json_t *show_network(const struct scene *s, const struct view_network *n)
{
	const struct network *net = n->net;
	bool v4 = addr_is_v4(&net->subnet.addr);

	return json_pack("{s:o, s:o, s:o, s:s, s:s, s:b, s:b, s:o, s:b, s:b, s:b, s:{s:s}, s:b, s:o, "
			 "s:o, s:{}, s:o, s:o, s:o}",
			 "Name", display_name(n), "Id", json_id(&net->id),
			 "Created", json_time(net->created_ms), "Scope", "swarm", "Driver", "overlayd",
			 "EnableIPv4", v4, "EnableIPv6", !v4, "IPAM", network_ipam(net),
			 "Internal", net->internal, "Attachable", 1, "Ingress", 0,
			 "ConfigFrom", "Network", "", "ConfigOnly", 0,
			 "Containers", containers(s, n), "Options", network_options(s, net),
			 "Labels", "Peers", peers(s, n), "Policy", show_network_policy(s->view, n),
			 "Status", network_usage(s, net));
}

/* ---- endpoints ---- */

static json_t *aliases(const struct endpoint_detail *d)
{
	json_t *all = json_array();

	for (int i = 0; i < d->alias_count; i++)
		json_push(&all, json_text(d->alias[i]));
	return all;
}

/* Of which service it is a backend, and how it is: nothing when it is none. */
static json_t *backend_of(const struct view_endpoint *ve)
{
	const struct view_service *vs = ve->service;
	bool checked = vs && vs->svc->health != HEALTH_NONE;

	return json_pack("{s:o, s:i, s:b, s:s}", "Service", json_text(vs ? vs->display : ""),
			 "Weight", vs ? (int)show_weight(ve->ep) : 0, "Draining", ve->ep->draining,
			 "Health", checked ? endpoint_health_to_str(ve->ep->health) : "none");
}

static json_t *labels(const struct endpoint_detail *d)
{
	json_t *all = json_object();

	for (int i = 0; all && i < d->label_count; i++) {
		_cleanup_(freep) char *copy = json_clean(d->label[i].text);
		char *value = copy ? strchr(copy, '=') : NULL;

		if (value)
			*value++ = '\0';
		if (!copy || json_object_set_new_nocheck(all, copy, json_text(value ? value : ""))) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

json_t *show_endpoint(const struct scene *s, const struct view_endpoint *ve)
{
	const struct endpoint *ep = ve->ep;
	const struct view_node *vn = view_node_by_id(s->view, &ep->node);
	bool local = is_self(s, &ep->node);
	struct endpoint_detail detail;
	json_t *row, *more = backend_of(ve);

	endpoint_detail_decode(ve->item, &detail);
	row = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}",
			"ID", json_id(&ep->id), "Name", json_text(ep->name),
			"Network", display_name(ve->net), "NetworkID", json_id(&ep->network),
			"Node", json_text(vn ? vn->node->name : ""), "NodeID", json_id(&ep->node),
			"IP", json_addr(&ep->addr), "MAC", mac_text(ep->mac),
			"IfName", json_text(ep->ifname), "Netns", json_text(detail.netns),
			"Aliases", aliases(&detail), "Labels", labels(&detail), "Local", local,
			"AddressLost", ve->addr_lost, "Created", json_time(ep->created_ms));
	if (row && (!more || json_object_update(row, more) ||
		    (local && json_object_set_new(row, "MTU", json_count(view_network_mtu(
							       s->view, ve->net->net)))))) {
		json_decref(row);
		row = NULL;
	}
	json_decref(more);
	return row;
}

static int by_network_and_addr(const void *a, const void *b)
{
	const struct view_endpoint *x = *(const struct view_endpoint *const *)a;
	const struct view_endpoint *y = *(const struct view_endpoint *const *)b;
	int order = strcmp(x->net->display, y->net->display);

	if (!order)
		order = addr_cmp(&x->ep->addr, &y->ep->addr);
	return order ? order : id_cmp(&x->ep->id, &y->ep->id);
}

json_t *show_endpoints(const struct scene *s, const struct view_network *only)
{
	const struct view *v = s->view;
	_cleanup_(freep) const struct view_endpoint **order =
		calloc(v->endpoint_count + 1, sizeof(*order));
	json_t *rows = json_array();
	size_t count = 0;

	if (!order)
		json_push(&rows, NULL);
	for (size_t i = 0; order && i < v->endpoint_count; i++)
		if (!only || v->endpoint[i].net == only)
			order[count++] = &v->endpoint[i];
	if (order)
		qsort(order, count, sizeof(*order), by_network_and_addr);
	for (size_t i = 0; rows && i < count; i++)
		json_push(&rows, show_endpoint(s, order[i]));
	return rows;
}
