/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index inside: flat arrays that refer to each other by number, so that 100,000
 * endpoints take some ten megabytes and going through them follows no pointers.
 * Private to dns/.
 *
 * All text is in one run of bytes, lower case, with runs of dots made one: DNS has
 * no empty label, so the endpoint "a..b" is found, and told of, as "a.b".
 */
#pragma once

#include "dns.h"

#define NO_SERVICE UINT32_MAX

struct dns_network {
	struct id id;
	struct prefix subnet;
	uint32_t text;
};

struct dns_endpoint {
	uint8_t short_id[ID_SHORT / 2];
	uint16_t weight;
	struct ov_addr addr;
	uint32_t network, text;
	uint32_t service; /* whose backend it is; NO_SERVICE: none's */
	bool serves;
};

struct dns_service {
	struct id id;
	uint64_t created_ms;
	struct ov_addr vip;
	uint32_t network, text;
	uint32_t backend, serving, total; /* of `backend`: from, the first so many serve, all */
	uint32_t port;
	uint8_t port_count, mode;
	bool known; /* keeps its name and its VIP */
};

/* In the order in which one goes before the other. */
enum dns_name_kind { NAME_SERVICE, NAME_ENDPOINT, NAME_ALIAS };

struct dns_name_entry {
	uint32_t network, text;
	uint32_t ref; /* a service's or an endpoint's number */
	uint8_t kind; /* enum dns_name_kind */
};

struct dns_names {
	size_t network_count, endpoint_count, service_count, name_count, holder_count;
	struct dns_network *network;   /* sorted by id */
	struct dns_endpoint *endpoint; /* sorted by id */
	struct dns_service *service;   /* sorted by id */
	struct dns_name_entry *name;   /* sorted by (network, text, kind, ref) */
	uint32_t *holder;              /* of an address; sorted by (network, address) */
	uint32_t *backend;             /* endpoints, by service */
	struct buf port;               /* struct service_port[] */
	struct buf text;
};

static inline const char *names_text(const struct dns_names *n, uint32_t at)
{
	return (const char *)n->text.data + at;
}
/* A holder is an endpoint's number or, from endpoint_count on, a service's. */
static inline int names_holder_cmp(const struct dns_names *n, uint32_t holder, uint32_t network,
				   const struct ov_addr *addr)
{
	bool service = holder >= n->endpoint_count;
	const struct dns_service *s = service ? &n->service[holder - n->endpoint_count] : NULL;
	uint32_t of = service ? s->network : n->endpoint[holder].network;

	if (of != network)
		return of < network ? -1 : 1;
	return addr_cmp(service ? &s->vip : &n->endpoint[holder].addr, addr);
}

/* What a name means to an asker. */
enum dns_found_kind {
	FOUND_NOTHING, /* none of ours */
	FOUND_VIP,
	FOUND_BACKENDS, /* of `service`, the first `count` */
	FOUND_ENDPOINTS, /* of `entry`, the first `count` */
};
struct dns_found {
	enum dns_found_kind kind;
	const struct dns_service *service; /* of a service's own name */
	size_t count;
	const uint32_t *backend;
	const struct dns_name_entry *entry;
	uint32_t one; /* a single endpoint, when neither list is there */
};
struct dns_found names_find(const struct dns_names *n, const struct dns_asker *asker,
			    const char *name);
/* The first so many of a service's. */
struct dns_found names_backends(const struct dns_names *n, const struct dns_service *s,
				size_t count);
/* The port of a service that answers to a number. False when it declares others. */
bool names_port(const struct dns_names *n, const struct dns_service *s, uint16_t port,
		uint8_t protocol, uint16_t *ret_target);
const struct dns_endpoint *names_endpoint(const struct dns_names *n, const struct dns_found *f,
					  size_t i);

/* Whose an address is. Neither endpoint nor service: nobody's. */
struct dns_holder {
	const struct dns_endpoint *endpoint;
	const struct dns_service *service;
	bool inside; /* some network's of the asker, whether or not anybody has it */
};
struct dns_holder names_find_addr(const struct dns_names *n, const struct dns_asker *asker,
				  const struct ov_addr *addr);
