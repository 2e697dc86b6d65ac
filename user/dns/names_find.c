/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "names.h"

static const struct dns_network *network_by_id(const struct dns_names *n, const struct id *id)
{
	size_t low = 0, high = n->network_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = id_cmp(&n->network[mid].id, id);

		if (!diff)
			return &n->network[mid];
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* The first name entry not before (network, text, kind). */
static size_t name_bound(const struct dns_names *n, uint32_t network, const char *text, int kind)
{
	size_t low = 0, high = n->name_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct dns_name_entry *e = &n->name[mid];
		int diff = e->network < network ? -1 : e->network > network;

		if (!diff)
			diff = strcmp(names_text(n, e->text), text);
		if (!diff)
			diff = e->kind - kind;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The first entry of the kind that goes first; NULL when it is no name there. */
static const struct dns_name_entry *find_entry(const struct dns_names *n, uint32_t network,
					       const char *text)
{
	size_t i = name_bound(n, network, text, NAME_SERVICE);
	const struct dns_name_entry *e;

	if (i == n->name_count)
		return NULL;
	e = &n->name[i];
	return e->network == network && !strcmp(names_text(n, e->text), text) ? e : NULL;
}

static const struct dns_service *find_service(const struct dns_names *n, uint32_t network,
					      const char *text)
{
	const struct dns_name_entry *e = find_entry(n, network, text);

	return e && e->kind == NAME_SERVICE ? &n->service[e->ref] : NULL;
}

struct dns_found names_backends(const struct dns_names *n, const struct dns_service *s,
				size_t count)
{
	return (struct dns_found){ .kind = FOUND_BACKENDS, .count = count,
				   .backend = n->backend + s->backend };
}

static struct dns_found of_service(const struct dns_names *n, const struct dns_service *s)
{
	struct dns_found f = names_backends(n, s, s->serving);

	if (s->mode == SERVICE_VIP)
		f = (struct dns_found){ .kind = FOUND_VIP, .count = 1 };
	f.service = s;
	return f;
}

/* tasks.S: those that take new flows. all.S: every one, to be found by others before that. */
static struct dns_found of_tasks(const struct dns_names *n, uint32_t network, const char *text)
{
	bool tasks = !strncmp(text, "tasks.", 6), all = !strncmp(text, "all.", 4);
	const struct dns_service *s = NULL;

	if (tasks || all)
		s = find_service(n, network, text + (tasks ? 6 : 4));
	return s ? names_backends(n, s, tasks ? s->serving : s->total) : (struct dns_found){ 0 };
}

static struct dns_found of_endpoints(const struct dns_names *n, const struct dns_name_entry *e)
{
	size_t end = name_bound(n, e->network, names_text(n, e->text), e->kind + 1);

	return (struct dns_found){ .kind = FOUND_ENDPOINTS, .entry = e,
				   .count = end - (size_t)(e - n->name) };
}

static struct dns_found of_short_id(const struct dns_names *n, uint32_t network, const char *text)
{
	uint8_t id[ID_SHORT / 2];
	size_t low = 0, high = n->endpoint_count;

	if (strlen(text) != ID_SHORT || hex_parse(text, id, sizeof(id)))
		return (struct dns_found){ 0 };
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(n->endpoint[mid].short_id, id, sizeof(id)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n->endpoint_count; low++) {
		if (memcmp(n->endpoint[low].short_id, id, sizeof(id)))
			break;
		if (n->endpoint[low].network == network)
			return (struct dns_found){ .kind = FOUND_ENDPOINTS, .count = 1,
						   .one = (uint32_t)low };
	}
	return (struct dns_found){ 0 };
}

/* A service goes before what is named after one, that before endpoints, names before aliases. */
static struct dns_found find_in(const struct dns_names *n, uint32_t network, const char *text)
{
	const struct dns_name_entry *e = find_entry(n, network, text);
	struct dns_found f;

	if (e && e->kind == NAME_SERVICE)
		return of_service(n, &n->service[e->ref]);
	f = of_tasks(n, network, text);
	if (f.kind == FOUND_NOTHING && e)
		return of_endpoints(n, e);
	return f.kind == FOUND_NOTHING ? of_short_id(n, network, text) : f;
}

/* Cuts ".NETWORK" off a copy of the name. False when it does not end so. */
static bool cut_network(const char *name, const char *network, char out[DNS_NAME_TEXT_MAX])
{
	size_t len = strlen(name), tail = strlen(network);

	if (!tail || len < tail + 2 || name[len - tail - 1] != '.' ||
	    strcmp(name + len - tail, network))
		return false;
	memcpy(out, name, len - tail - 1);
	out[len - tail - 1] = '\0';
	return true;
}

struct dns_found names_find(const struct dns_names *n, const struct dns_asker *asker,
			    const char *name)
{
	struct dns_found f = { 0 };
	char inner[DNS_NAME_TEXT_MAX];

	for (size_t i = 0; *name && i < asker->network_count; i++) {
		const struct dns_network *net = network_by_id(n, &asker->network[i]);

		if (!net)
			continue;
		f = find_in(n, (uint32_t)(net - n->network), name);
		if (f.kind == FOUND_NOTHING && cut_network(name, names_text(n, net->text), inner))
			f = find_in(n, (uint32_t)(net - n->network), inner);
		if (f.kind != FOUND_NOTHING)
			break;
	}
	return f;
}

const struct dns_endpoint *names_endpoint(const struct dns_names *n, const struct dns_found *f,
					  size_t i)
{
	uint32_t ref = f->backend ? f->backend[i] : f->entry ? f->entry[i].ref : f->one;

	return &n->endpoint[ref];
}

bool names_port(const struct dns_names *n, const struct dns_service *s, uint16_t port,
		uint8_t protocol, uint16_t *ret_target)
{
	const struct service_port *declared = (const struct service_port *)n->port.data;

	*ret_target = port;
	for (uint32_t i = s->port; i < s->port + s->port_count; i++)
		if (declared[i].port == port && declared[i].protocol == protocol) {
			*ret_target = declared[i].target;
			return true;
		}
	return !s->port_count;
}

static bool find_holder(const struct dns_names *n, uint32_t network, const struct ov_addr *addr,
			uint32_t *ret_holder)
{
	size_t low = 0, high = n->holder_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = names_holder_cmp(n, n->holder[mid], network, addr);

		if (!diff) {
			*ret_holder = n->holder[mid];
			return true;
		}
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

struct dns_holder names_find_addr(const struct dns_names *n, const struct dns_asker *asker,
				  const struct ov_addr *addr)
{
	struct dns_holder h = { 0 };
	uint32_t holder;

	for (size_t i = 0; i < asker->network_count; i++) {
		const struct dns_network *net = network_by_id(n, &asker->network[i]);

		if (!net)
			continue;
		h.inside |= prefix_contains(&net->subnet, addr);
		if (!find_holder(n, (uint32_t)(net - n->network), addr, &holder))
			continue;
		h.inside = true;
		if (holder < n->endpoint_count)
			h.endpoint = &n->endpoint[holder];
		else
			h.service = &n->service[holder - n->endpoint_count];
		break;
	}
	return h;
}
