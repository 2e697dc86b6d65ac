/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A merge of two sorted lists, what is planned and what is there, as apply.c does it, but to tell. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "look.h"

#define TOLD_MAX 8 /* of one table by name; what is more is summed up */

struct differ {
	struct doctor_seen *s;
	enum plan_table_id table;
	unsigned int told[FAULT_COUNT];
};

static void name_device(uint32_t ifindex, const char *what, char out[96])
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		snprintf(out, 96, "%s (%s)", name, what);
	else
		snprintf(out, 96, "device #%u (%s)", ifindex, what);
}

static void name_row(enum plan_table_id table, const uint8_t *row, char out[96])
{
	struct plan_attach_key attach;
	struct plan_device_key device;
	char name[16];

	switch (table) {
	case PLAN_ATTACH:
		memcpy(&attach, row, sizeof(attach));
		name_device(attach.ifindex, attach.hook == HOOK_XDP ? "XDP" : "tc ingress", out);
		break;
	case PLAN_DEVICES:
		memcpy(&device, row, sizeof(device));
		plan_device_name(&device.endpoint, name);
		snprintf(out, 96, "the endpoint's device %s", name);
		break;
	case PLAN_TUNNEL:
		snprintf(out, 96, "the tunnel device %s", OV_TUNNEL_NAME);
		break;
	default:
		snprintf(out, 96, "a row of %s", plan_table_to_str(table));
	}
}

static enum doctor_fault fault_of(enum plan_table_id table, enum doctor_fault fault)
{
	if (table != PLAN_ATTACH)
		return fault;
	return fault == FAULT_MISSING ? FAULT_NOT_ATTACHED :
	       fault == FAULT_DIFFERENT ? FAULT_WRONG_PROGRAM : fault;
}

static void on_difference(struct differ *d, enum doctor_fault fault, const uint8_t *row)
{
	char name[96];

	if (d->told[fault]++ >= TOLD_MAX)
		return;
	name_row(d->table, row, name);
	doctor_object_add(d->s, fault_of(d->table, fault), name);
}

static void sum_up(struct differ *d)
{
	static const enum doctor_fault each[] = { FAULT_MISSING, FAULT_DIFFERENT, FAULT_LEFT_OVER };
	char name[96];

	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		if (d->told[each[i]] <= TOLD_MAX)
			continue;
		snprintf(name, sizeof(name), "%u more of %s", d->told[each[i]] - TOLD_MAX,
			 plan_table_to_str(d->table));
		doctor_object_add(d->s, each[i], name);
	}
}

static void compare(struct differ *d, const struct plan_table *want, const struct plan_table *has)
{
	size_t i = 0, j = 0;

	while (i < want->count || j < has->count) {
		const uint8_t *w = i < want->count ? plan_row(want, i) : NULL;
		const uint8_t *h = j < has->count ? plan_row(has, j) : NULL;
		int cmp = !w ? 1 : !h ? -1 : memcmp(w, h, want->key_size);

		if (cmp < 0)
			on_difference(d, FAULT_MISSING, w);
		else if (cmp > 0)
			on_difference(d, FAULT_LEFT_OVER, h);
		else if (memcmp(w, h, want->key_size + want->value_size))
			on_difference(d, FAULT_DIFFERENT, w);
		i += cmp <= 0;
		j += cmp >= 0;
	}
	sum_up(d);
}

static void look_table(const struct look_at *at, enum plan_table_id id, struct doctor_seen *s)
{
	const struct plan_table *want = &at->plan->table[id];
	struct differ d = { .s = s, .table = id };
	struct plan_table has = { 0 };
	struct doctor_object *o;
	struct err e = { 0 };
	int r = at->driver[id].observe(at->driver[id].ctx, &has, &e);

	if (!r && has.key_size == want->key_size && has.value_size == want->value_size) {
		compare(&d, want, &has);
	} else {
		o = doctor_object_add(s, FAULT_UNREADABLE, plan_table_to_str(id));
		if (o)
			snprintf(o->detail, sizeof(o->detail), "%.159s", e.text);
	}
	free(has.rows);
}

/*
 * SAs and policies are left out: they come and go with each rotation, and rows of them may wait
 * for the next plan. Whether they carry anything their counters say.
 */
static bool is_looked_at(int id)
{
	return id != PLAN_SAS && id != PLAN_POLICIES;
}

void look_rows(const struct look_at *at, struct doctor_seen *s)
{
	for (int id = 0; id < PLAN_TABLE_COUNT; id++)
		if (is_looked_at(id))
			look_table(at, (enum plan_table_id)id, s);
}
