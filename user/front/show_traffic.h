/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts of traffic, for listings and metrics. NULL: out of memory. */
#pragma once

#include "model/traffic.h"
#include "show.h"

/* Sets "Traffic" of a row, which is stolen and comes back; one that does not live here has none. */
json_t *show_endpoint_traffic(json_t *row, const struct traffic *t, const struct id *endpoint);
json_t *show_network_traffic(json_t *row, const struct scene *s, const struct traffic *t,
			     const struct view_network *n);
/* Everything that lives here, for `overlayctl top`; `only`: of one network, NULL: of all. */
json_t *show_traffic(const struct scene *s, const struct traffic *t, const struct lb_row *lb,
		     size_t lb_count, const struct view_network *only);

void traffic_add(struct traffic_endpoint *to, const struct traffic_endpoint *t);
/* Drops by reason, of a network or an endpoint or both; NULL: of any. */
void traffic_drops(const struct traffic *t, const struct view_network *n, const struct id *endpoint,
		   struct ov_counter ret_counter[OV_VERDICT_COUNT]);
/* Of its endpoints that live here. */
struct traffic_endpoint traffic_of_network(const struct scene *s, const struct traffic *t,
					   const struct view_network *n);
struct ov_counter traffic_drops_from_peers(const struct traffic *t, uint32_t vni);
const struct traffic_endpoint *traffic_of(const struct traffic *t, const struct id *endpoint);
/* Of each service of the view, of its backends that live here. To be freed. */
struct traffic_endpoint *traffic_of_services(const struct scene *s, const struct traffic *t);

/* The rows of a service, which stand together: how many, and the first of them. */
size_t traffic_flow_rows(const struct lb_row *rows, size_t count, const struct view_service *vs,
			 const struct lb_row **ret_first);

struct flow_sum { /* from this node to a service */
	uint64_t active, total, backends;
};
struct flow_sum traffic_flows(const struct lb_row *rows, size_t count, const struct view_service *vs);
