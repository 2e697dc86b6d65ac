// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Suspicion (SWIM, section 4.2) with Lifeguard's timeout (Dadgar et al. 2017,
 * section IV-B): a suspicion that nobody shares lasts long, and each independent
 * accuser shortens it, since one slow accuser is likelier than several.
 *
 *    timeout = max - (max - min) * log(c + 1) / log(k + 1)
 *
 * c accusers besides the first, of k wished for; min = mult * max(1, log10 n) *
 * probe interval; max = 6 * min; k = mult - 2. All as memberlist has them.
 */
#include "engine.h"

#include <utlist.h>

#define SUSPICION_MAX_MULT 6 /* memberlist's SuspicionMaxTimeoutMult */

unsigned int log10_milli(size_t n)
{
	static const unsigned int milli[] = { 0, 0, 301, 477, 602, 698, 778, 845, 903, 954 };
	unsigned int log = 0;

	for (; n >= 10; n /= 10)
		log += 1000;
	return log + milli[n];
}

/* 1000 * log(c + 1) / log(k + 1) */
static uint32_t confirmed_milli(unsigned int c, unsigned int k)
{
	if (!k || c >= k)
		return 1000;
	return 1000 * log10_milli(c + 1) / log10_milli(k + 1);
}

static uint64_t suspect_until(const struct peer *p)
{
	uint64_t span = p->suspect_max - p->suspect_min;

	return p->m.since + p->suspect_max -
	       span * confirmed_milli(p->confirm_count, p->confirm_need) / 1000;
}

static bool note_accuser(struct peer *p, const struct id *accuser)
{
	size_t known = p->confirm_count + 1u;

	for (size_t i = 0; i < known; i++)
		if (id_equal(&p->confirm[i], accuser))
			return false;
	if (p->confirm_count >= p->confirm_need)
		return false;
	p->confirm[++p->confirm_count] = *accuser;
	return true;
}

void suspect_begin(struct gossip *g, struct peer *p)
{
	unsigned int scale = log10_milli(g->peer_count + 1);
	uint32_t mult = g->timing.suspicion_mult, need = mult > 2 ? mult - 2 : 0;

	if (scale < 1000)
		scale = 1000;
	/* With too few others to confirm it there is no point in waiting for them. */
	if (g->peer_count < need + 1)
		need = 0;
	p->suspect_min = (uint64_t)mult * g->timing.probe_interval * scale / 1000;
	p->suspect_max = SUSPICION_MAX_MULT * p->suspect_min;
	p->confirm_need = (uint8_t)(need < CONFIRM_MAX ? need : CONFIRM_MAX);
	p->confirm_count = 0;
	p->confirm[0] = p->accuser;
	g->count.suspicions++;
	DL_APPEND(g->suspects, p);
}

void suspect_end(struct gossip *g, struct peer *p)
{
	DL_DELETE(g->suspects, p);
	p->prev = p->next = NULL;
}

void suspect_confirm(struct gossip *g, struct peer *p, const struct id *accuser)
{
	if (!note_accuser(p, accuser))
		return;
	p->accuser = *accuser;
	peer_tell(g, p); /* others should count this accuser too */
}

void suspect_tick(struct gossip *g)
{
	struct peer *p, *next;

	DL_FOREACH_SAFE(g->suspects, p, next) {
		if (suspect_until(p) > g->now)
			continue;
		p->accuser = g->self.m.id;
		peer_set_status(g, p, MEMBER_DEAD);
		peer_tell(g, p);
	}
}

uint64_t suspect_deadline(const struct gossip *g)
{
	uint64_t first = UINT64_MAX;
	const struct peer *p;

	DL_FOREACH(g->suspects, p)
		first = min_u64(first, suspect_until(p));
	return first;
}
