/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* ---- the state -> ports that are to be kept ---- */

/* By index in v->service: a backend of it is on this node. */
static bool *local_services(const struct agent *a, const struct view *v)
{
	bool *local = calloc(v->service_count + 1, sizeof(*local));

	for (size_t i = 0; local && i < v->endpoint_count; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (ve->service && !ve->addr_lost && id_equal(&ve->ep->node, store_self(a->store)))
			local[ve->service - v->service] = true;
	}
	return local;
}

static size_t add_ports(const struct view_service *vs, bool is_local, struct portd_port *out)
{
	struct service_detail detail;
	size_t n = 0;

	service_detail_decode(vs->item, &detail);
	for (unsigned int i = 0; i < vs->svc->publish_count; i++) {
		const struct publish *p = &detail.publish[i];

		if (vs->publish_lost & 1u << i || (p->mode == PUBLISH_HOST && !is_local))
			continue;
		out[n++] = (struct portd_port){ p->addr, p->published, p->protocol };
	}
	return n;
}

static bool is_open(const struct view_service *vs)
{
	return vs->svc->publish_count && !vs->vip_lost;
}

static int keep_ports(struct agent *a, const struct view *v)
{
	_cleanup_(freep) struct portd_port *port = NULL;
	_cleanup_(freep) bool *local = local_services(a, v);
	size_t most = 0, n = 0;

	for (size_t i = 0; i < v->service_count; i++)
		most += is_open(&v->service[i]) ? v->service[i].svc->publish_count : 0;
	port = calloc(most + 1, sizeof(*port));
	if (!port || !local)
		return -ENOMEM;
	for (size_t i = 0; i < v->service_count; i++)
		if (is_open(&v->service[i]))
			n += add_ports(&v->service[i], local[i], port + n);
	return portd_set(a->portd, port, n);
}

/* ---- ports that processes have -> facts of the plan, warnings ---- */

static int take_facts(struct agent *a)
{
	size_t count;
	const struct portd_port *taken = portd_taken(a->portd, &count);
	struct fact_port *fact = calloc(count + 1, sizeof(*fact));
	struct control_port *shown = calloc(count + 1, sizeof(*shown));

	if (!fact || !shown) {
		free(fact);
		free(shown);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		fact[i] = (struct fact_port){ taken[i].addr, taken[i].port, taken[i].protocol };
		shown[i] = (struct control_port){ taken[i].addr, taken[i].port, taken[i].protocol };
	}
	free(a->taken);
	free(a->taken_shown);
	a->facts.taken = a->taken = fact;
	a->status.taken = a->taken_shown = shown;
	a->facts.taken_count = a->status.taken_count = count;
	return 0;
}

void agent_ports_update(struct agent *a)
{
	uint64_t serial = store_serial(a->store);

	if (serial == a->ports_serial)
		return;
	if (keep_ports(a, store_view(a->store)) < 0 || take_facts(a) < 0) {
		log_error("out of memory: published ports stay as they were; will retry");
		return;
	}
	a->ports_serial = serial;
}

/* A process came to an end, or an address to this node. */
static void on_change(void *arg)
{
	struct agent *a = arg;

	a->ports_serial = UINT64_MAX;
	a->dirty = true;
}

void agent_ports_look(struct agent *a)
{
	const struct port_range *m = &a->options->masquerade;

	if (!facts_local_ports(m->first, m->last, &a->local_ports.first, &a->local_ports.last))
		a->local_ports = (struct port_range){ 0 };
}

/* One port for two: an answer to one of them may be taken for the other's. */
bool agent_ports_warning(const struct agent *a, char *out, size_t size)
{
	const struct port_range *m = &a->options->masquerade, *l = &a->local_ports;

	if (!l->last)
		return false;
	snprintf(out, size, "of the ports %u-%u of containers that call the outside, this host calls from "
		 "%u-%u itself: put them into net.ipv4.ip_local_reserved_ports, narrow "
		 "net.ipv4.ip_local_port_range, or give other --masquerade-ports",
		 m->first, m->last, l->first, l->last);
	return true;
}

/* Of a person's wish to publish: who would be in the way? */
static bool port_taken(void *arg, uint8_t protocol, const struct ov_addr *addr, uint16_t port)
{
	struct agent *a = arg;

	return portd_probe(a->portd, protocol, addr, port);
}

int agent_ports_init(struct agent *a, struct err *e)
{
	int r = portd_new(a->loop, PORTD_RETRY_MS, on_change, a, &a->portd);

	if (r < 0)
		return err_set(e, r, "cannot keep published ports: %s", strerror(-r));
	a->ports_serial = UINT64_MAX; /* nothing was looked at yet */
	intent_ask_ports(a->intent, port_taken, a);
	agent_ports_look(a);
	return 0;
}

void agent_ports_fini(struct agent *a)
{
	portd_free(a->portd);
	free(a->taken);
	free(a->taken_shown);
}
