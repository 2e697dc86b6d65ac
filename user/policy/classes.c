/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classes: sets of selectors. In the maps a class is 32 bits of a hash of its selectors, so
 * that an endpoint with new selectors adds a class and renames none. Should two of them be
 * the same, other salt is taken, which makes another set, too: never two meanings within one.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

#define SALTS 128 /* with as many classes as there can be, one in eight does */

static int number_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static size_t unify(uint32_t *list, size_t count)
{
	size_t kept = 0;

	qsort(list, count, sizeof(*list), number_cmp);
	for (size_t i = 0; i < count; i++)
		if (!kept || list[kept - 1] != list[i])
			list[kept++] = list[i];
	return kept;
}

/* FNV-1a: no more than a place to begin to look. */
static size_t slot_of(const struct classes *cs, const uint32_t *list, size_t count)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < count; i++)
		h = (h ^ list[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 32) & (cs->slot_count - 1);
}

static bool is_it(const struct classes *cs, uint32_t class, const uint32_t *list, size_t count)
{
	const struct class *at = &cs->at[class - 1];

	return at->count == count && !memcmp(cs->list + at->first, list, count * sizeof(*list));
}

static size_t find_slot(const struct classes *cs, const uint32_t *list, size_t count)
{
	size_t i = slot_of(cs, list, count);

	while (cs->slot[i] && !is_it(cs, cs->slot[i], list, count))
		i = (i + 1) & (cs->slot_count - 1);
	return i;
}

/* At most half full. */
static int grow_slots(struct classes *cs)
{
	size_t room = cs->slot_count ? 2 * cs->slot_count : 128;
	uint32_t *slot;

	if (2 * (cs->count + 1) <= cs->slot_count)
		return 0;
	slot = calloc(room, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	free(cs->slot);
	cs->slot = slot;
	cs->slot_count = room;
	for (uint32_t n = 1; n <= cs->count; n++) {
		const struct class *at = &cs->at[n - 1];

		cs->slot[find_slot(cs, cs->list + at->first, at->count)] = n;
	}
	return 0;
}

static int grow(struct classes *cs, size_t more)
{
	if (cs->count == cs->room) {
		size_t room = cs->room ? 2 * cs->room : 64;
		struct class *at = reallocarray(cs->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		cs->at = at;
		cs->room = room;
	}
	if (cs->list_count + more > cs->list_room) {
		size_t room = 2 * (cs->list_count + more);
		uint32_t *list = reallocarray(cs->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		cs->list = list;
		cs->list_room = room;
	}
	return grow_slots(cs);
}

int class_of(struct classes *cs, uint32_t *list, size_t count, uint32_t *ret_class)
{
	size_t slot;

	count = unify(list, count);
	if (grow(cs, count))
		return -ENOMEM;
	slot = find_slot(cs, list, count);
	if (!cs->slot[slot]) {
		cs->at[cs->count++] = (struct class){ cs->list_count, (uint32_t)count, 0 };
		memcpy(cs->list + cs->list_count, list, count * sizeof(*list));
		cs->list_count += count;
		cs->slot[slot] = (uint32_t)cs->count;
	}
	*ret_class = cs->slot[slot];
	return 0;
}

void classes_fini(struct classes *cs)
{
	free(cs->at);
	free(cs->list);
	free(cs->slot);
}

uint32_t class_id(const struct compile *c, uint32_t class)
{
	return class ? c->classes.at[class - 1].id : OV_CLASS_ANY;
}

/* ---- names ---- */

/* The finaliser of splitmix64 (Steele et al. 2014). */
static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
	h = (h ^ h >> 27) * 0x94d049bb133111eb;
	return h ^ h >> 31;
}

/* Selectors stand in the order of their content, whatever their numbers are. */
static uint32_t name_class(const struct compile *c, const struct class *at)
{
	uint64_t h = mix(c->salt + 1);

	for (uint32_t i = 0; i < at->count; i++) {
		uint64_t part;

		memcpy(&part, c->pick[c->classes.list[at->first + i] - 1].digest, sizeof(part));
		h = mix(h ^ part);
	}
	return (uint32_t)h;
}

static void hash_rule(crypto_generichash_state *h, const struct compile *c, const struct rule *r)
{
	static const uint8_t any[sizeof(c->pick->digest)];
	const uint8_t says[2] = { r->p.deny, r->p.port_count };

	crypto_generichash_update(h, r->p.id.b, sizeof(r->p.id.b));
	crypto_generichash_update(h, says, sizeof(says));
	crypto_generichash_update(h, r->from ? c->pick[r->from - 1].digest : any, sizeof(any));
	crypto_generichash_update(h, r->to ? c->pick[r->to - 1].digest : any, sizeof(any));
	for (uint8_t i = 0; i < r->p.port_count; i++) {
		const struct policy_port *p = &r->d.port[i];
		const uint16_t port[3] = { p->protocol, p->first, p->last };

		crypto_generichash_update(h, (const uint8_t *)port, sizeof(port));
	}
}

/* Of its rules and the default: flows judged by another of either are to be judged again. */
static uint32_t name_set(const struct compile *c)
{
	const uint32_t head[2] = { c->salt, c->net->net->policy_deny };
	crypto_generichash_state h;
	uint8_t out[16]; /* the least that BLAKE2b is asked for */
	uint32_t name;

	crypto_generichash_init(&h, NULL, 0, sizeof(out));
	crypto_generichash_update(&h, (const uint8_t *)head, sizeof(head));
	for (size_t i = 0; i < c->rule_count; i++)
		hash_rule(&h, c, &c->rule[i]);
	crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&name, out, sizeof(name));
	return name;
}

static int name_all(struct compile *c, uint32_t *sorted)
{
	size_t count = c->classes.count;

	for (size_t i = 0; i < count; i++)
		sorted[i] = c->classes.at[i].id = name_class(c, &c->classes.at[i]);
	qsort(sorted, count, sizeof(*sorted), number_cmp);
	for (size_t i = 0; i < count; i++)
		if (sorted[i] == OV_CLASS_ANY || (i && sorted[i] == sorted[i - 1]))
			return -EAGAIN;
	c->set = name_set(c);
	return 0;
}

int classes_name(struct compile *c)
{
	uint32_t *sorted = calloc(c->classes.count + 1, sizeof(*sorted));
	int r = sorted ? -EAGAIN : -ENOMEM;

	for (c->salt = 0; r == -EAGAIN && c->salt < SALTS; c->salt++)
		r = name_all(c, sorted);
	free(sorted);
	return r == -EAGAIN ? -E2BIG : r;
}
