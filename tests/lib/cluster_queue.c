// SPDX-License-Identifier: GPL-2.0-or-later
#include "cluster_queue.h"

#include <stdlib.h>

struct sim_event *sim_event_new(int type, size_t node, const void *data, size_t len)
{
	struct sim_event *e = calloc(1, sizeof(*e) + len);

	if (!e)
		abort();
	e->type = type;
	e->node = node;
	e->len = len;
	if (len)
		memcpy(e->data, data, len);
	return e;
}

void sim_event_free(struct sim_event *e)
{
	free(e);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_queue *q, size_t i, size_t j)
{
	struct sim_event *e = q->heap[i];

	q->heap[i] = q->heap[j];
	q->heap[j] = e;
}

void sim_queue_add(struct sim_queue *q, struct sim_event *e, uint64_t at)
{
	size_t i = q->count;

	if (q->count == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 256;
		q->heap = realloc(q->heap, q->cap * sizeof(struct sim_event *));
		if (!q->heap)
			abort();
	}
	e->at = at;
	e->order = q->order++;
	q->heap[q->count++] = e;
	for (; i && is_before(q->heap[i], q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(q, i, (i - 1) / 2);
}

struct sim_event *sim_queue_take(struct sim_queue *q)
{
	struct sim_event *first = q->heap[0];
	size_t i = 0, least = 0;

	q->heap[0] = q->heap[--q->count];
	for (;;) {
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < q->count; child++)
			if (is_before(q->heap[child], q->heap[least]))
				least = child;
		if (least == i)
			return first;
		swap(q, i, least);
		i = least;
	}
}

void sim_queue_fini(struct sim_queue *q)
{
	for (size_t i = 0; i < q->count; i++)
		sim_event_free(q->heap[i]);
	free(q->heap);
	*q = (struct sim_queue){ 0 };
}
