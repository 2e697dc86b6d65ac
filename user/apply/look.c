/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "look.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/nl.h"

/* ---- pins ---- */

static void on_pin(void *arg, enum bpf_pin_fault fault, const char *name)
{
	static const enum doctor_fault as[] = {
		[BPF_PIN_NO_MAP] = FAULT_MAP_UNPINNED,
		[BPF_PIN_NO_PROGRAM] = FAULT_PROGRAM_UNPINNED,
		[BPF_PIN_FOREIGN] = FAULT_STALE_PIN,
	};
	size_t len = strlen(name), most = sizeof(((struct doctor_object *)0)->name) - 1;

	doctor_object_add(arg, as[fault], len > most ? name + len - most : name);
}

/* ---- how full ---- */

/* Of those of policy half is for the rows of a new set, which stand beside the old one's. */
static uint64_t room_of(enum plan_table_id id, uint64_t max)
{
	return id == PLAN_POLICY_RULES || id == PLAN_POLICY_SUBJECTS ? max / 2 : max;
}

/* They are nowhere, and the map is not full of them: a row count does not show it. */
static void look_rules(const struct plan *p, struct doctor_seen *s)
{
	char name[128];

	snprintf(name, sizeof(name), "%zu networks (%s%s)", p->broken, p->broken_name,
		 p->broken > 1 ? "..." : "");
	if (p->broken)
		doctor_object_add(s, FAULT_RULES_TOO_MANY, name);
}

static void look_pressure(struct kernel *k, const struct plan *p, struct doctor_seen *s)
{
	struct flow_usage flows;

	for (int id = PLAN_NETWORKS; id < PLAN_ATTACH; id++) {
		struct bpf_map_info info = { 0 };
		uint32_t len = sizeof(info);
		enum bpf_map_id map;

		if (kernel_map_of_table(k, (enum plan_table_id)id, &map) ||
		    bpf_obj_get_info_by_fd(bpf_map_fd(kernel_bpf(k), map), &info, &len))
			continue;
		doctor_pressure_add(s, bpf_map_name(map), p->table[id].count,
				    room_of((enum plan_table_id)id, info.max_entries));
	}
	if (!kernel_flow_usage(k, &flows))
		doctor_pressure_add(s, "flows", flows.used, flows.max);
}

/* ---- others' objects ---- */

static bool has_our_xdp(const struct plan *p, uint32_t ifindex)
{
	const struct plan_table *t = &p->table[PLAN_ATTACH];
	struct plan_attach_key key;

	for (size_t i = 0; i < t->count; i++) {
		memcpy(&key, plan_row(t, i), sizeof(key));
		if (key.ifindex == ifindex && key.hook == HOOK_XDP)
			return true;
	}
	return false;
}

static void look_uplink(struct kernel *k, const struct look_at *at, const struct link_info *l,
			struct doctor_seen *s)
{
	s->uplink_up = l->flags & IFF_UP && l->flags & IFF_LOWER_UP;
	if (bpf_look_first(kernel_bpf(k), l->ifindex))
		doctor_object_add(s, FAULT_FOREIGN_FIRST, l->name);
	if (l->xdp_attached != XDP_ATTACHED_NONE && !has_our_xdp(at->plan, l->ifindex))
		doctor_object_add(s, FAULT_FOREIGN_XDP, l->name);
}

static bool is_foreign_vxlan(const struct link_info *l, uint16_t port)
{
	return !strcmp(l->kind, "vxlan") && l->vxlan_port == port && !is_tunnel(l);
}

static void look_links(struct kernel *k, const struct look_at *at, struct doctor_seen *s)
{
	_cleanup_(freep) struct link_info *list = NULL;
	_cleanup_(nl_closep) struct nl *nl = NULL;
	size_t count = 0;

	if (nl_open(&nl) || link_list(nl, &list, &count)) {
		doctor_object_add(s, FAULT_UNREADABLE, "the list of devices");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].ifindex == at->facts->uplink_ifindex)
			look_uplink(k, at, &list[i], s);
		if (is_foreign_vxlan(&list[i], at->facts->vxlan_port))
			doctor_object_add(s, FAULT_FOREIGN_VXLAN, list[i].name);
	}
}

void kernel_look(struct kernel *k, const struct look_at *at, struct doctor_seen *s)
{
	bpf_look_pins(kernel_bpf(k), on_pin, s); /* first: reading attachments removes dead pins */
	look_rows(at, s);
	look_rules(at->plan, s);
	look_pressure(k, at->plan, s);
	look_links(k, at, s);
}

bool kernel_probe_seen(struct kernel *k, uint64_t nonce, enum ov_probe_kind kind,
		       struct ov_probe_seen *ret_seen)
{
	struct ov_probe_key key = { .nonce = nonce, .kind = kind };

	return !bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_probes), &key, ret_seen);
}
