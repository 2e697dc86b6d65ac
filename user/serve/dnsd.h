/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS at 127.0.0.11, UDP and TCP port 53, inside the network namespace of each
 * endpoint of this node, served by this process: sockets are opened there, and
 * read here. Upstreams are asked from the host's namespace.
 */
#pragma once

#include "base/err.h"
#include "base/rng.h"
#include "dns/dns.h"
#include "loop/loop.h"
#include "maps/dns.h"

struct dnsd;

#define DNSD_ADDR OV_DNS_ADDR
#define DNSD_PORT OV_DNS_PORT

struct dnsd_place {
	const char *netns;           /* path */
	uint64_t netns_dev, netns_ino;
	size_t network_count;
	const struct id *network;
};

/* resolv_conf: the host's, re-read when it changes. */
int dnsd_new(struct loop *loop, const char *resolv_conf, const struct rng *rng,
	     struct dnsd **ret_dnsd, struct err *e);
void dnsd_free(struct dnsd *d);
/* Takes over the names (freed by dnsd). */
void dnsd_set_names(struct dnsd *d, struct dns_names *names);
/*
 * Serves just these namespaces from now on: opens what is new, closes what is
 * gone, keeps the rest. A place that cannot be served (port taken, namespace
 * gone) is tried again at the next call; the first sentence is in *e.
 */
int dnsd_set_places(struct dnsd *d, const struct dnsd_place *place, size_t count, struct err *e);

/*
 * Lets go of namespaces to which their path does not lead any more: our sockets would
 * keep them, and the devices inside, alive for ever. To be called every second or so.
 */
void dnsd_sweep(struct dnsd *d);

/*
 * Lets go of namespaces in which DNS is not to be had any more, because somebody detached the link
 * that steers to it or destroyed our sockets, where `drop` agrees. dnsd_set_places makes them anew.
 */
void dnsd_drop_broken(struct dnsd *d, bool (*drop)(void *arg, const char *netns), void *arg);

struct dnsd_counters {
	uint64_t places, queries_udp, queries_tcp, answered, forwarded, malformed, over_limit;
};
void dnsd_counters(const struct dnsd *d, struct dnsd_counters *ret_counters);
