/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what is pinned and attached, for who examines it. Changes nothing. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nl.h"
#include "objects.h"

#define ATTACH_TCX_INGRESS 46 /* as in attach.c */
#define CLSACT_PRIORITY 50u
#define TCX_PROGRAMS_MAX 64   /* the kernel's own bound, BPF_MPROG_MAX */

/* ---- pins ---- */

struct look {
	const struct bpf_objects *o;
	void (*fn)(void *arg, enum bpf_pin_fault fault, const char *name);
	void *arg;
};

/* The id of what a pin holds, a map or a program; 0: no such pin. */
static uint32_t pinned_id(const char *path, bool is_map)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);
	struct bpf_prog_info prog = { 0 };
	struct bpf_map_info map = { 0 };
	uint32_t len = is_map ? sizeof(map) : sizeof(prog);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, is_map ? (void *)&map : (void *)&prog, &len))
		return 0;
	return is_map ? map.id : prog.id;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info map = { 0 };
	uint32_t len = sizeof(map);

	return bpf_obj_get_info_by_fd(fd, &map, &len) ? 0 : map.id;
}

static void look_maps(const struct look *l)
{
	char path[PATH_MAX + 64];

	for (int i = 0; i < BPF_MAP_COUNT; i++) {
		uint32_t id = map_id(l->o->map_fd[i]);

		snprintf(path, sizeof(path), "%s/%s", l->o->dir, bpf_map_name((enum bpf_map_id)i));
		if (!id || pinned_id(path, true) != id)
			l->fn(l->arg, BPF_PIN_NO_MAP, bpf_map_name((enum bpf_map_id)i));
	}
}

static void look_programs(const struct look *l)
{
	char path[PATH_MAX + 64];

	for (int i = 0; i < BPF_PROG_COUNT; i++) {
		const char *name = bpf_program_name((enum bpf_program_id)i);

		snprintf(path, sizeof(path), "%s/prog/%s", l->o->dir, name);
		if (pinned_id(path, false) != l->o->program_id[i])
			l->fn(l->arg, BPF_PIN_NO_PROGRAM, name);
	}
}

static bool is_map_pin(const char *name)
{
	for (int i = 0; i < BPF_MAP_COUNT; i++)
		if (!strcmp(name, bpf_map_name((enum bpf_map_id)i)))
			return true;
	return !strcmp(name, "prog") || !strcmp(name, "link");
}

static bool is_program_pin(const char *name)
{
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		if (!strcmp(name, bpf_program_name((enum bpf_program_id)i)))
			return true;
	return false;
}

/* "tc-7": of a device that is there. */
static bool is_link_pin(const char *name)
{
	const char *dash = strchr(name, '-');
	char device[IF_NAMESIZE];

	return dash && if_indextoname((unsigned int)strtoul(dash + 1, NULL, 10), device);
}

static bool is_format_pin(const char *name)
{
	char now[16];

	snprintf(now, sizeof(now), "v%d", OV_FORMAT);
	return !strcmp(name, now) || !strcmp(name, "set");
}

/* below NULL: where all formats are. */
static void look_strangers(const struct look *l, const char *below, bool (*is_ours)(const char *name))
{
	char dir[PATH_MAX + 16], path[PATH_MAX + 300];
	struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s%s", l->o->dir, below ? below : "");
	if (!below)
		*strrchr(dir, '/') = '\0'; /* dir ends with the format's own */
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || is_ours(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		l->fn(l->arg, BPF_PIN_FOREIGN, path);
	}
	if (d)
		closedir(d);
}

void bpf_look_pins(const struct bpf_objects *o,
		   void (*fn)(void *arg, enum bpf_pin_fault fault, const char *name), void *arg)
{
	const struct look l = { o, fn, arg };

	look_maps(&l);
	look_programs(&l);
	look_strangers(&l, NULL, is_format_pin);
	look_strangers(&l, "", is_map_pin);
	look_strangers(&l, "/prog", is_program_pin);
	look_strangers(&l, "/link", is_link_pin);
}

/* ---- who is first ---- */

static bool is_ours(const struct bpf_objects *o, uint32_t id)
{
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		if (o->program_id[i] == id)
			return true;
	return false;
}

/* tcx runs its programs in the order in which the kernel lists them. */
static bool tcx_is_behind(const struct bpf_objects *o, uint32_t ifindex)
{
	uint32_t id[TCX_PROGRAMS_MAX] = { 0 };
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = id, .prog_cnt = ARRAY_SIZE(id));

	if (bpf_prog_query_opts((int)ifindex, (enum bpf_attach_type)ATTACH_TCX_INGRESS, &opts))
		return false;
	return opts.prog_cnt && !is_ours(o, id[0]);
}

static int on_filter(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_type == RTM_NEWTFILTER && mnl_nlmsg_get_payload_len(msg) >= sizeof(*tc) &&
	    TC_H_MAJ(tc->tcm_info) >> 16 < CLSACT_PRIORITY)
		*(bool *)arg = true;
	return 0;
}

static bool clsact_is_behind(const struct bpf_objects *o, uint32_t ifindex)
{
	struct nlmsghdr *msg = nl_begin(o->nl, RTM_GETTFILTER, NLM_F_DUMP);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(msg, sizeof(*tc));
	bool found = false;

	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
	nl_talk(o->nl, on_filter, &found);
	return found;
}

bool bpf_look_first(const struct bpf_objects *o, uint32_t ifindex)
{
	return o->tcx ? tcx_is_behind(o, ifindex) : clsact_is_behind(o, ifindex);
}
