/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of dnsd, for one another:
 *
 *   dnsd.c           what a message becomes: an answer, a question to others, nothing
 *   dnsd_place.c     the sockets of one namespace
 *   dnsd_datagram.c  questions and answers by UDP
 *   dnsd_stream.c    TCP connections of containers
 *   dnsd_upstream.c  exchanges with the host's resolvers, resolv.conf
 *
 * An answer that comes later finds its asker by a cookie. Delivering it never
 * closes anything: only a socket's own callback, the timer and places going do.
 */
#pragma once

#include <netinet/in.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "dns/forward.h"
#include "dnsd.h"
#include "frame.h"
#include "model/model.h"

/*
 * Where our sockets really are, unless somebody is there already. Assigned to no service;
 * a port of the kernel's choice could be the one that a program inside wants later.
 */
#define DNSD_PORT_ASIDE 60

#define DNSD_BATCH 16              /* datagrams a recvmmsg */
#define DNSD_DATAGRAMS_PER_WAKE 64 /* of one namespace, so that a flood leaves time for the others */
#define DNSD_DATAGRAM_ROOM 2048    /* no question is as long */
#define DNSD_STREAMS_MAX 256
#define DNSD_STREAMS_PER_PLACE 32
#define DNSD_STREAM_IDLE_MS 10000  /* since the last whole question or answer */
#define DNSD_STREAM_QUERY_MAX 4096
#define DNSD_STREAM_OUT_HIGH 65536 /* unsent bytes from which on no more questions are read */
#define DNSD_STREAM_OUT_MAX (1u << 20) /* unsent bytes at which an asker that does not read is cut off */
#define DNSD_RESUME_MS 1000
#define DNSD_RESOLV_CHECK_MS 1000

struct place_key {
	uint64_t dev, ino;
};

/* One namespace that is served. */
struct place {
	UT_hash_handle hh;
	struct place_key key;
	struct dnsd *d;
	uint64_t id;             /* who asks, towards dns_forward */
	char *path;
	struct id *network;
	size_t network_count;
	int udp, tcp;            /* with another port than 53, if they are steered to */
	int raw, link;           /* -1 if not: what answers by UDP are sent by; what steers */
	struct loop_io *udp_io, *tcp_io;
	unsigned int stream_count;
	bool wanted;
};

/* Where an answer goes that is not there yet. */
struct pending {
	UT_hash_handle hh;
	uint64_t cookie;
	struct place *place;
	uint64_t stream;         /* 0: a datagram to `to` */
	struct sockaddr_in to;
};

struct dnsd {
	struct loop *loop;
	struct rng rng;
	struct dns_names *names;
	struct dns_forward *forward;
	struct place *places;
	struct pending *pendings;
	struct stream *streams, *stream_by_id; /* in a list, the one silent longest first */
	struct upstream *upstreams;
	struct loop_timer *timer;
	uint64_t armed_at;
	uint64_t resume_at;      /* when accepting goes on, after want of descriptors */
	bool has_told_unsteered;
	uint64_t last_id;        /* of places, pendings and streams */
	struct resolv_watch {
		char *path;
		uint64_t check_at;
		uint64_t dev, ino, size, mtime_ns;
	} resolv;
	struct dnsd_counters counters;
	struct buf tx[DNSD_BATCH];
	uint8_t room[DNS_TCP_MAX];
};

/* dnsd.c */
enum dnsd_outcome {
	DNSD_REPLY,   /* *out is the answer */
	DNSD_LATER,   /* it will be delivered to the asker; at once perhaps */
	DNSD_NOTHING, /* no question, or no memory */
};
enum dnsd_outcome dnsd_take(struct dnsd *d, const struct pending *asker, const void *data, size_t len,
			    struct buf *out);
/* Carries out what forwarding wants, and sets the timer. */
void dnsd_drain(struct dnsd *d);
void dnsd_arm(struct dnsd *d);

/* dnsd_place.c */
int place_open(struct dnsd *d, const struct dnsd_place *at, struct place **ret_place, struct err *e);
void place_close(struct place *p);
bool place_is_there(const struct place *p); /* its path still leads to it */
/* False when somebody took its link or sockets away. */
bool place_works(const struct place *p);

/* dnsd_datagram.c */
void datagrams_take(struct place *p);
void place_send(struct place *p, const struct sockaddr_in *to, const void *data, size_t len);

/* dnsd_stream.c */
void stream_accept(struct place *p);
void stream_resume(struct dnsd *d, uint64_t now);
void stream_deliver(struct dnsd *d, uint64_t id, const void *data, size_t len);
uint64_t stream_deadline(const struct dnsd *d); /* UINT64_MAX: none */
void stream_close_idle(struct dnsd *d, uint64_t now);
void stream_close_of(struct place *p);

/* dnsd_upstream.c */
void upstream_open(struct dnsd *d, const struct dns_forward_output *o);
void upstream_close(struct dnsd *d, uint64_t exchange);
void upstream_close_all(struct dnsd *d);
/* Reads resolv.conf again when it changed, and looks at most once a second. */
void resolv_check(struct dnsd *d);
