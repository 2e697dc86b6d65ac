/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulator's future: events in a heap, by time and then in order of arrival. */
#pragma once

#include "gossip/gossip.h"

struct sim_event {
	enum { SIM_DATAGRAM, SIM_REQUEST, SIM_REPLY, SIM_TICK } type;
	uint64_t at, order;
	size_t node;              /* whose turn it is */
	struct sockname from;
	size_t peer;              /* SIM_REQUEST: the caller */
	uint32_t life;            /* of the caller */
	uint64_t call;
	int error;
	size_t len;
	uint8_t data[];
};

struct sim_queue {
	struct sim_event **heap;
	size_t count, cap;
	uint64_t order;
};

/* Never NULL: a test has no use for going on without memory. */
struct sim_event *sim_event_new(int type, size_t node, const void *data, size_t len);
void sim_event_free(struct sim_event *e);
void sim_queue_add(struct sim_queue *q, struct sim_event *e, uint64_t at);
struct sim_event *sim_queue_take(struct sim_queue *q); /* count > 0 */
void sim_queue_fini(struct sim_queue *q);
