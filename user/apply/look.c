/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "look.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/netns.h"
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

/* ---- rows: a merge of two sorted lists, as apply.c does, but to tell ---- */

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

/* ---- how full ---- */

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
		doctor_pressure_add(s, bpf_map_name(map), p->table[id].count, info.max_entries);
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
	for (int id = 0; id < PLAN_TABLE_COUNT; id++)
		if (is_looked_at(id))
			look_table(at, (enum plan_table_id)id, s);
	look_pressure(k, at->plan, s);
	look_links(k, at, s);
}

bool kernel_probe_seen(struct kernel *k, uint64_t nonce, enum ov_probe_kind kind,
		       struct ov_probe_seen *ret_seen)
{
	struct ov_probe_key key = { .nonce = nonce, .kind = kind };

	return !bpf_map_lookup_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_probes), &key, ret_seen);
}

/* ---- /proc ---- */

static void closefilep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* One column of /proc/net/snmp: a line of names, then one of values, both behind "Tcp:". */
static uint64_t snmp_value(const char *names, const char *values, const char *name)
{
	char one[64], number[32];
	int n = 0, m = 0;

	while (sscanf(names, "%63s%n", one, &n) == 1 && sscanf(values, "%31s%n", number, &m) == 1) {
		if (!strcmp(one, name))
			return strtoull(number, NULL, 10);
		names += n;
		values += m;
	}
	return 0;
}

static int read_bad_sums(void *arg)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	char names[1024], values[1024];
	uint64_t *sum = arg;

	if (!f)
		return -errno;
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f))
		if (!strncmp(names, "Tcp:", 4) || !strncmp(names, "Udp:", 4))
			*sum += snmp_value(names, values, "InCsumErrors");
	return 0;
}

int look_bad_sums(const char *netns, uint64_t *ret_count)
{
	_cleanup_(closep) int fd = -1;
	int r = netns_open(netns, &fd);

	*ret_count = 0;
	return r ? r : netns_run(fd, read_bad_sums, ret_count);
}

unsigned int look_udp_port(uint16_t port)
{
	_cleanup_(closefilep) FILE *f = fopen("/proc/thread-self/net/udp", "re");
	unsigned int found = 0, local;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %*x:%x", &local) == 1)
			found += local == port;
	return found;
}
