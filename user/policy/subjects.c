/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which selectors match which addresses. */
#include <errno.h>
#include <stdlib.h>

#include "inside.h"

static size_t push(const struct compile *c, const struct pick *like, uint32_t *list, size_t count)
{
	uint32_t number = picks_find(c, like);

	if (number)
		list[count++] = number;
	return count;
}

static size_t push_labels(const struct compile *c, const struct view_endpoint *ve, uint32_t *list,
			  size_t count)
{
	struct endpoint_detail d;

	endpoint_detail_decode(ve->item, &d);
	for (int i = 0; i < d.label_count; i++)
		count = push(c, &(struct pick){ .kind = SELECTOR_LABEL, .label = d.label[i].text },
			     list, count);
	return count;
}

/* Its own selectors: those that nobody else of its CIDRs has with it. A label given twice counts once. */
static size_t own_picks(const struct compile *c, const struct view_endpoint *ve, bool labels,
			uint32_t *list)
{
	size_t count = push(c, &(struct pick){ .kind = SELECTOR_ENDPOINT, .id = ve->ep->id,
					       .label = "" }, list, 0);

	if (ve->service)
		count = push(c, &(struct pick){ .kind = SELECTOR_SERVICE,
						.id = ve->service->svc->id, .label = "" },
			     list, count);
	return labels ? push_labels(c, ve, list, count) : count;
}

static size_t push_cidrs(const struct compile *c, uint32_t at, uint32_t *list, size_t count)
{
	for (; at; at = c->pick[at - 1].parent)
		list[count++] = at;
	return count;
}

static int add(struct compile *c, const struct prefix *at, uint32_t *list, size_t count)
{
	uint32_t class;
	int r = class_of(&c->classes, list, count, &class);

	if (r)
		return r;
	if (c->subject_count == c->subject_room) {
		size_t room = c->subject_room ? 2 * c->subject_room : 64;
		struct subject *more = reallocarray(c->subject, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->subject = more;
		c->subject_room = room;
	}
	c->subject[c->subject_count++] = (struct subject){ *at, class };
	return c->subject_count > POLICY_ROWS_MAX ? -E2BIG : 0;
}

/* One with no selector of its own is of its CIDR's class, by that one's row. */
static int add_endpoint(struct compile *c, const struct view_endpoint *ve, bool labels)
{
	struct prefix at = { ve->ep->addr, 128 };
	uint32_t list[PICKS_MAX], around;
	size_t count;

	if (ve->net != c->net || ve->addr_lost || addr_is_zero(&at.addr))
		return 0;
	count = own_picks(c, ve, labels, list);
	if (!count)
		return 0;
	around = picks_around(c, &at.addr);
	if (around && c->pick[around - 1].cidr.len == 128)
		c->pick[around - 1].is_covered = true;
	return add(c, &at, list, push_cidrs(c, around, list, count));
}

static bool has_labels(const struct compile *c)
{
	for (size_t i = 0; i < c->pick_count; i++)
		if (c->pick[i].kind == SELECTOR_LABEL)
			return true;
	return false;
}

int subjects_make(struct compile *c)
{
	bool labels = has_labels(c);
	int r = 0;

	for (size_t i = 0; i < c->v->endpoint_count && c->pick_count && !r; i++)
		r = add_endpoint(c, &c->v->endpoint[i], labels);
	for (size_t i = c->first_cidr; i < c->cidr_end && !r; i++) {
		uint32_t list[PICKS_MAX];

		if (!c->pick[i].is_covered)
			r = add(c, &c->pick[i].cidr, list, push_cidrs(c, (uint32_t)i + 1, list, 0));
	}
	return r;
}
