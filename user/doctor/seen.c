// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor.h"

/* Room for one more, zeroed. NULL, and the list as it was, when there is no memory. */
static void *grow(struct doctor_seen *s, void *list, size_t *count, size_t size)
{
	void **at = list;
	void *grown = reallocarray(*at, *count + 1, size);

	if (!grown) {
		s->out_of_memory = true;
		return NULL;
	}
	*at = grown;
	memset((uint8_t *)grown + *count * size, 0, size);
	return (uint8_t *)grown + (*count)++ * size;
}

struct doctor_object *doctor_object_add(struct doctor_seen *s, enum doctor_fault fault,
					const char *name)
{
	struct doctor_object *o = grow(s, &s->object, &s->object_count, sizeof(*o));

	if (!o)
		return NULL;
	o->fault = fault;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return o;
}

struct doctor_pressure *doctor_pressure_add(struct doctor_seen *s, const char *name, uint64_t used,
					    uint64_t max)
{
	struct doctor_pressure *p = grow(s, &s->pressure, &s->pressure_count, sizeof(*p));

	if (!p)
		return NULL;
	p->used = used;
	p->max = max;
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

struct doctor_peer *doctor_peer_add(struct doctor_seen *s, const struct node *node)
{
	struct doctor_peer *p = grow(s, &s->peer, &s->peer_count, sizeof(*p));

	if (!p)
		return NULL;
	p->id = node->id;
	p->addr = node->addr;
	snprintf(p->name, sizeof(p->name), "%s", node->name);
	snprintf(p->version, sizeof(p->version), "%s", node->version);
	return p;
}

void doctor_peers_choose(struct doctor_seen *s, const struct id *self, size_t most)
{
	size_t first = 0;

	while (first < s->peer_count && id_cmp(&s->peer[first].id, self) < 0)
		first++;
	for (size_t i = 0; i < s->peer_count; i++)
		s->peer[(first + i) % s->peer_count].skipped = i >= most;
}

struct doctor_inside *doctor_inside_add(struct doctor_seen *s, const char *name, const char *netns)
{
	struct doctor_inside *i = grow(s, &s->inside, &s->inside_count, sizeof(*i));

	if (!i)
		return NULL;
	snprintf(i->name, sizeof(i->name), "%s", name);
	snprintf(i->netns, sizeof(i->netns), "%s", netns);
	return i;
}

void doctor_seen_fini(struct doctor_seen *s)
{
	free(s->object);
	free(s->pressure);
	free(s->peer);
	free(s->inside);
	*s = (struct doctor_seen){ 0 };
}
