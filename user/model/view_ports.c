/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a published port. Of all claims of one number and protocol the oldest is
 * had in any case. When it is for every address, nothing is left for others;
 * otherwise nobody has every address, and of each single one its oldest claim is
 * had. So a claim that is lost takes nothing from those younger than itself.
 */
#include "view_settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct port_claim {
	struct ov_addr addr;
	uint16_t port;
	uint8_t protocol;
	uint64_t since;      /* of the service, and its id: as for a VIP */
	struct id id;
	struct view_service *by;
	unsigned int index; /* in its service's list: of one's own claims the first is older */
};

_Static_assert(SERVICE_PUBLISH_MAX <= 32, "publish_lost has a bit for each");

static int age_cmp(const struct port_claim *x, const struct port_claim *y)
{
	int diff = id_cmp(&x->id, &y->id);

	if (x->since != y->since)
		return x->since < y->since ? -1 : 1;
	return diff ? diff : (int)x->index - (int)y->index;
}

static int port_cmp(const struct port_claim *x, const struct port_claim *y)
{
	return x->port != y->port ? (int)x->port - (int)y->port :
				    (int)x->protocol - (int)y->protocol;
}

static int claim_cmp(const void *a, const void *b)
{
	const struct port_claim *x = a, *y = b;
	int diff = port_cmp(x, y);

	if (!diff)
		diff = addr_cmp(&x->addr, &y->addr);
	return diff ? diff : age_cmp(x, y);
}

/* Of one number and protocol; claims of one address are side by side, the oldest first. */
static void settle_port(const struct port_claim *claims, size_t count)
{
	const struct port_claim *oldest = claims;

	for (size_t i = 1; i < count; i++)
		if (age_cmp(&claims[i], oldest) < 0)
			oldest = &claims[i];
	for (size_t i = 0; i < count; i++) {
		const struct port_claim *c = &claims[i];
		bool is_first = !i || addr_cmp(&c->addr, &claims[i - 1].addr);

		if (c != oldest &&
		    (!is_first || addr_is_zero(&c->addr) || addr_is_zero(&oldest->addr)))
			c->by->publish_lost |= 1u << c->index;
	}
}

static void claim_ports(struct port_claim *claims, size_t *count, struct view_service *vs)
{
	struct service_detail d;

	if (!vs->svc->publish_count) /* most: what is long is left undecoded */
		return;
	service_detail_decode(vs->item, &d);
	for (unsigned int i = 0; i < vs->svc->publish_count; i++)
		claims[(*count)++] = (struct port_claim){
			.addr = d.publish[i].addr, .port = d.publish[i].published,
			.protocol = d.publish[i].protocol, .since = vs->svc->created_ms,
			.id = vs->svc->id, .by = vs, .index = i };
}

int view_settle_ports(struct view *v)
{
	_cleanup_(freep) struct port_claim *claims = NULL;
	size_t count = 0, end;

	for (size_t i = 0; i < v->service_count; i++)
		count += v->service[i].svc->publish_count;
	claims = calloc(count + 1, sizeof(*claims));
	if (!claims)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < v->service_count; i++)
		claim_ports(claims, &count, &v->service[i]);
	qsort(claims, count, sizeof(*claims), claim_cmp);
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count && !port_cmp(&claims[i], &claims[end]);)
			end++;
		settle_port(claims + i, end - i);
	}
	return 0;
}
