/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State as people and programs see it: views turned into JSON. NULL: out of memory. */
#pragma once

#include <jansson.h>

#include "doctor/doctor.h"
#include "gossip/gossip.h"
#include "maps/schema.h"
#include "model/key_row.h"
#include "model/lb.h"
#include "model/policy_row.h"
#include "model/view.h"
#include "store/store.h"

struct control_facts;
struct repair_report;
struct repair_tally;

/* Everything a representation may draw on; borrowed for one call. */
struct scene {
	const struct view *view;
	const struct store *store;
	const struct gossip *gossip; /* NULL: alone */
	const struct id *self;
	uint64_t now, wall;          /* monotonic ms; ms since 1970 */
};

/* Listings are arrays, sorted by name (endpoints: network, then address). */
json_t *show_nodes(const struct scene *s);
json_t *show_node(const struct scene *s, const struct view_node *n);
json_t *show_networks(const struct scene *s);
json_t *show_network(const struct scene *s, const struct view_network *n); /* `docker network inspect` */
json_t *show_endpoints(const struct scene *s, const struct view_network *only);
json_t *show_endpoint(const struct scene *s, const struct view_endpoint *ep);
json_t *show_services(const struct scene *s);
json_t *show_service(const struct scene *s, const struct view_service *vs); /* `docker service inspect` */
/* `only`: rows of one service; NULL: all. */
json_t *show_lb(const struct scene *s, const struct lb_row *rows, size_t count,
		const struct view_service *only);
/* `only`: rules of one network; NULL: all. Their defaults come last, as rows of the ID "default". */
json_t *show_policies(const struct scene *s, const struct policy_row *rows, size_t count,
		      const struct view_network *only);
json_t *show_network_policy(const struct view *v, const struct view_network *vn);
json_t *show_keys(const struct scene *s, const struct key_row *rows, size_t count);
/* Published ports in the shape of Docker's Endpoint.Ports, with what is ours beside. */
json_t *show_published(const struct view_service *vs, const struct service_detail *d);
/* Published ports as Docker writes them, then declared ones: "*:80->8080/tcp, 53/udp". */
#define SHOW_PORTS_MAX (SERVICE_PUBLISH_MAX * (PUBLISH_TEXT_MAX + 10) + SERVICE_PORT_MAX * 20)
const char *show_ports_text(const struct service *s, const struct service_detail *d,
			    char out[SHOW_PORTS_MAX]);
/* How far the key ring of gossip is. */
json_t *show_ring(const struct scene *s);
/* A warning for each published port that another service has. */
void show_lost_ports(const struct view *v, json_t **all);
json_t *show_status(const struct scene *s, const struct control_facts *f);
/* Appends a sentence for each published port that is not open here. */
void show_taken_ports(const struct scene *s, const struct control_facts *f, json_t **all);
json_t *show_repair(const struct repair_report *report);
/* What was found wrong in the kernel since the daemon started, by kind. */
json_t *show_repairs(const struct repair_tally *t);
json_t *show_doctor(const struct findings *f);
/* only_drops: of a part, where nothing but drops is told apart. */
json_t *show_drops(const struct ov_counter counter[OV_VERDICT_COUNT], bool only_drops);

struct verdict_text {
	int number;
	const char *name, *meaning, *mend;
};
const struct verdict_text *show_verdict(int number);
struct trace;
struct trace_packet;
json_t *show_trace(const struct scene *s, const struct trace *t, const struct trace_packet *p);

/* Nodes whose backends do not serve: those that gossip thinks dead or gone. *ret_ids is to be freed. */
int show_away(const struct scene *s, struct id **ret_ids, struct id_set *ret_away);
/* "serving", or why not: "lost", "away", "draining", "untried" or "unhealthy". */
const char *show_backend_state(const struct view_endpoint *ve, const struct id_set *away);
uint16_t show_weight(const struct endpoint *ep);

/* "alive", "suspect", "dead", "left"; "unknown" for a node gossip has not met yet. */
const char *show_node_status(const struct scene *s, const struct id *node);
