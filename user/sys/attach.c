/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks. One file knows how a program gets onto a device:
 *
 *   tcx (Linux 6.6)  a link, pinned at link/tc-<ifindex>. libbpf 1.1 has no call
 *                    for it, but its raw bpf_link_create() takes the number.
 *   clsact           a filter of fixed handle and priority. If the qdisc was ours
 *                    to make, the empty directory link/clsact-<ifindex> says so.
 *   XDP              a link, pinned at link/xdp-<ifindex>.
 *
 * Ours are: links pinned in our directory; filters with our handle, our priority
 * and a program whose name begins with ov_. Nothing else is changed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "link.h"
#include "nl.h"
#include "objects.h"

#define ATTACH_TCX_INGRESS 46      /* BPF_TCX_INGRESS of Linux 6.6, newer than Debian 12's headers */
#define CLSACT_HANDLE 0x6f76u      /* "ov" */
#define CLSACT_PRIORITY 50u        /* before the filters people add without a priority (49152) */
#define NO_SUCH_IFINDEX 0x7fffffff

static const char *device_name(uint32_t ifindex, char out[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, out))
		snprintf(out, IF_NAMESIZE, "#%u", ifindex);
	return out;
}

/* ---- pinned links ---- */

static void pin_path(const char *dir, const char *hook, uint32_t ifindex, char out[PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/link/%s-%u", dir, hook, ifindex) >= PATH_MAX)
		out[0] = '\0'; /* refused by every call that follows */
}

/* tcx and XDP links both say their device in the first word of their part of the union. */
static int read_link_info(int fd, uint32_t *ret_ifindex, uint32_t *ret_program)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int r = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (r)
		return r;
	*ret_ifindex = info.xdp.ifindex;
	*ret_program = info.prog_id;
	return 0;
}

static void drop_link(const char *path, int fd)
{
	bpf_link_detach(fd); /* also when somebody else keeps the link open */
	unlink(path);
}

/*
 * The live link pinned for that device, or -ENOENT. A link whose device is gone
 * (ifindex 0) or another one is a leftover and removed.
 */
static int open_link(const char *path, uint32_t ifindex, int *ret_fd, uint32_t *ret_program)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);
	uint32_t device, program;
	int r;

	if (fd < 0)
		return fd;
	r = read_link_info(fd, &device, &program);
	if (r)
		return r;
	if (device != ifindex) {
		drop_link(path, fd);
		return -ENOENT;
	}
	*ret_fd = TAKE_FD(fd);
	*ret_program = program;
	return 0;
}

static int remove_link(const char *path)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	drop_link(path, fd);
	return 0;
}

/* Creates and pins; unpinned it would go with this process. */
static int make_link(const char *path, int program_fd, uint32_t ifindex, int type, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	_cleanup_(closep) int fd =
		bpf_link_create(program_fd, (int)ifindex, (enum bpf_attach_type)type, &opts);

	return fd < 0 ? fd : bpf_obj_pin(fd, path);
}

bool attach_has_tcx(int program_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int fd = bpf_link_create(program_fd, NO_SUCH_IFINDEX,
				 (enum bpf_attach_type)ATTACH_TCX_INGRESS, &opts);

	/* A kernel without tcx refuses the attach type (EINVAL) before it looks for the device. */
	return fd == -ENODEV;
}

/* ---- clsact ---- */

static bool is_program_ours(uint32_t id)
{
	_cleanup_(closep) int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       !strncmp(info.name, BPF_PROGRAM_PREFIX, strlen(BPF_PROGRAM_PREFIX));
}

/* The program behind our handle and priority; 0 when there is no such filter. */
static uint32_t filter_program(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static int on_filter(const struct nlmsghdr *msg, void *arg)
{
	if (msg->nlmsg_type == RTM_NEWTFILTER)
		*(bool *)arg = true;
	return 0;
}

static bool has_filters(struct nl *nl, uint32_t ifindex)
{
	static const uint32_t minor[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(minor); i++) {
		struct nlmsghdr *msg = nl_begin(nl, RTM_GETTFILTER, NLM_F_DUMP);
		struct tcmsg *tc = mnl_nlmsg_put_extra_header(msg, sizeof(*tc));
		int r;

		tc->tcm_ifindex = (int)ifindex;
		tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor[i]);
		r = nl_talk(nl, on_filter, &found);
		/* When in doubt it is in use. */
		if (r && r != -ENODEV && r != -EINVAL)
			return true;
	}
	return found;
}

static int attach_clsact(struct bpf_objects *o, int program_fd, uint32_t program_id,
			 uint32_t ifindex, struct err *e)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	uint32_t there = filter_program(ifindex);
	char name[IF_NAMESIZE], mark[PATH_MAX];
	int r;

	if (there == program_id)
		return 0;
	device_name(ifindex, name);
	if (there && !is_program_ours(there))
		return err_set(e, -EEXIST, "%s has a foreign tc filter with priority %u and handle 0x%x: "
			       "remove or move it", name, CLSACT_PRIORITY, CLSACT_HANDLE);
	r = bpf_tc_hook_create(&hook);
	if (r && r != -EEXIST)
		return err_set(e, r, "the clsact qdisc could not be added to %s: %s", name,
			       strerror(-r));
	pin_path(o->dir, "clsact", ifindex, mark);
	if (!r)
		mkdir(mark, 0700); /* without the mark the empty qdisc would stay: harmless */
	r = bpf_tc_attach(&hook, &opts);
	return r ? err_set(e, r, "the tc filter could not be put on %s: %s", name, strerror(-r)) : 0;
}

/* Removes the qdisc that we made, once nobody's filter hangs on it. */
static void remove_qdisc(struct nl *nl, const char *dir, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char mark[PATH_MAX];

	pin_path(dir, "clsact", ifindex, mark);
	if (access(mark, F_OK) < 0)
		return;
	if (!has_filters(nl, ifindex))
		bpf_tc_hook_destroy(&hook);
	rmdir(mark);
}

static int detach_filter(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	uint32_t program = filter_program(ifindex);
	int r;

	if (!program || !is_program_ours(program))
		return 0;
	r = bpf_tc_detach(&hook, &opts);
	return r == -ENODEV || r == -ENOENT ? 0 : r;
}

struct devices {
	uint32_t *ifindex;
	size_t count, cap;
};

static void devices_fini(struct devices *d)
{
	free(d->ifindex);
}

static bool has_device(const struct devices *d, uint32_t ifindex)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->ifindex[i] == ifindex)
			return true;
	return false;
}

static int on_qdisc(const struct nlmsghdr *msg, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(msg);
	struct devices *d = arg;
	const struct nlattr *attr;

	if (msg->nlmsg_type != RTM_NEWQDISC || mnl_nlmsg_get_payload_len(msg) < sizeof(*tc))
		return 0;
	mnl_attr_for_each(attr, msg, sizeof(*tc)) {
		if (mnl_attr_get_type(attr) != TCA_KIND ||
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
		    strcmp(mnl_attr_get_str(attr), "clsact"))
			continue;
		if (d->count == d->cap) {
			size_t cap = d->cap ? d->cap * 2 : 16;
			uint32_t *grown = reallocarray(d->ifindex, cap, sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			d->ifindex = grown;
			d->cap = cap;
		}
		d->ifindex[d->count++] = (uint32_t)tc->tcm_ifindex;
	}
	return 0;
}

/* Devices of this namespace with a clsact qdisc, whoever's. */
static int clsact_devices(struct nl *nl, struct devices *ret_devices)
{
	struct devices d = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < 8 && r == -EAGAIN; i++) {
		struct nlmsghdr *msg = nl_begin(nl, RTM_GETQDISC, NLM_F_DUMP);

		mnl_nlmsg_put_extra_header(msg, sizeof(struct tcmsg));
		d.count = 0;
		r = nl_talk(nl, on_qdisc, &d);
	}
	if (r) {
		devices_fini(&d);
		return r;
	}
	*ret_devices = d;
	return 0;
}

/* ---- attach and detach ---- */

static int attach_tcx(const struct bpf_objects *o, int program_fd, uint32_t program_id,
		      uint32_t ifindex, struct err *e)
{
	_cleanup_(closep) int link = -1;
	char path[PATH_MAX], name[IF_NAMESIZE];
	uint32_t there = 0;
	int r;

	pin_path(o->dir, "tc", ifindex, path);
	r = open_link(path, ifindex, &link, &there);
	if (!r && there != program_id)
		r = bpf_link_update(link, program_fd, NULL);
	else if (r == -ENOENT)
		r = make_link(path, program_fd, ifindex, ATTACH_TCX_INGRESS, 0);
	if (r)
		return err_set(e, r, "the program could not be put on %s (tcx ingress): %s",
			       device_name(ifindex, name), strerror(-r));
	return 0;
}

static enum bpf_hook xdp_mode(struct nl *nl, uint32_t ifindex)
{
	struct link_info l = { 0 };

	if (!link_get_index(nl, ifindex, LINK_NSID_NONE, &l) && l.xdp_attached == XDP_ATTACHED_SKB)
		return BPF_HOOK_XDP_GENERIC;
	return BPF_HOOK_XDP_NATIVE;
}

static int xdp_failed(int r, uint32_t ifindex, enum bpf_hook hook, struct err *e)
{
	bool native = hook == BPF_HOOK_XDP_NATIVE;
	char name[IF_NAMESIZE];

	device_name(ifindex, name);
	if (r == -EBUSY || r == -EEXIST)
		return err_set(e, r, "%s has a foreign XDP program, which was left alone: remove it, or "
			       "start with --xdp off", name);
	if (native)
		return err_set(e, r, "the driver of %s refused the XDP program (%s): start with "
			       "--xdp generic or --xdp off", name, strerror(-r));
	return err_set(e, r, "generic XDP could not be put on %s (%s): start with --xdp off", name,
		       strerror(-r));
}

static int attach_xdp(const struct bpf_objects *o, int program_fd, uint32_t program_id,
		      uint32_t ifindex, enum bpf_hook hook, struct err *e)
{
	uint32_t flags = hook == BPF_HOOK_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	_cleanup_(closep) int link = -1;
	char path[PATH_MAX];
	uint32_t there = 0;
	int r;

	pin_path(o->dir, "xdp", ifindex, path);
	r = open_link(path, ifindex, &link, &there);
	if (!r && xdp_mode(o->nl, ifindex) != hook) {
		/* A link keeps its mode for life. */
		drop_link(path, link);
		r = -ENOENT;
	}
	if (r == -ENOENT)
		r = make_link(path, program_fd, ifindex, BPF_XDP, flags);
	else if (!r && there != program_id)
		r = bpf_link_update(link, program_fd, NULL);
	return r ? xdp_failed(r, ifindex, hook, e) : 0;
}

int bpf_attach(struct bpf_objects *o, enum bpf_program_id id, uint32_t ifindex, enum bpf_hook hook,
	       struct err *e)
{
	int fd = o->program_fd[id], r = formats_take_flows(o, e);

	if (r)
		return r;
	if (hook != BPF_HOOK_TC_INGRESS)
		return attach_xdp(o, fd, o->program_id[id], ifindex, hook, e);
	if (o->tcx)
		return attach_tcx(o, fd, o->program_id[id], ifindex, e);
	return attach_clsact(o, fd, o->program_id[id], ifindex, e);
}

int bpf_detach(struct bpf_objects *o, uint32_t ifindex, enum bpf_hook hook, struct err *e)
{
	char path[PATH_MAX], name[IF_NAMESIZE];
	bool tc = hook == BPF_HOOK_TC_INGRESS;
	int r, r2 = 0;

	pin_path(o->dir, tc ? "tc" : "xdp", ifindex, path);
	r = remove_link(path);
	if (tc) {
		r2 = detach_filter(ifindex);
		remove_qdisc(o->nl, o->dir, ifindex);
	}
	r = r ? r : r2;
	return r ? err_set(e, r, "our program could not be taken off %s: %s",
			   device_name(ifindex, name), strerror(-r)) : 0;
}

/* ---- what is there ---- */

struct found {
	struct bpf_objects *o;
	struct bpf_attachment *item;
	size_t count, cap;
};

static int found_add(struct found *f, uint32_t ifindex, enum bpf_hook hook, uint32_t program_id)
{
	struct bpf_attachment *a;

	if (f->count == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct bpf_attachment *grown = reallocarray(f->item, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->item = grown;
		f->cap = cap;
	}
	a = &f->item[f->count++];
	*a = (struct bpf_attachment){ .ifindex = ifindex, .hook = hook, .program = -1 };
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		if (f->o->program_id[i] == program_id)
			a->program = i;
	return 0;
}

static int found_link(struct found *f, const char *name)
{
	char path[PATH_MAX], kind[8];
	_cleanup_(closep) int fd = -1;
	uint32_t ifindex, program;
	int r;

	if (sscanf(name, "%7[a-z]-%u", kind, &ifindex) != 2 || !strcmp(kind, "clsact"))
		return 0;
	pin_path(f->o->dir, kind, ifindex, path);
	r = open_link(path, ifindex, &fd, &program);
	if (r)
		return r == -ENOENT ? 0 : r;
	return found_add(f, ifindex, strcmp(kind, "xdp") ? BPF_HOOK_TC_INGRESS : xdp_mode(f->o->nl, ifindex),
			 program);
}

static int each_name(const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
	char path[PATH_MAX];
	struct dirent *d;
	int first = 0;
	DIR *open;

	if (snprintf(path, sizeof(path), "%s/link", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	open = opendir(path);
	if (!open)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(open))) {
		int r = d->d_name[0] == '.' ? 0 : fn(arg, d->d_name);

		first = first ? first : r;
	}
	closedir(open);
	return first;
}

static int on_found_name(void *arg, const char *name)
{
	return found_link(arg, name);
}

static int found_filters(struct found *f, const struct devices *d)
{
	for (size_t i = 0; i < d->count; i++) {
		uint32_t program = filter_program(d->ifindex[i]);
		int r;

		if (!program || !is_program_ours(program))
			continue;
		r = found_add(f, d->ifindex[i], BPF_HOOK_TC_INGRESS, program);
		if (r)
			return r;
	}
	return 0;
}

struct marks {
	const char *dir;
	const struct devices *devices;
};

/* A mark whose device or qdisc is gone stands for nothing, and its number may come again. */
static int on_mark(void *arg, const char *name)
{
	const struct marks *m = arg;
	char path[PATH_MAX];
	uint32_t ifindex;

	if (sscanf(name, "clsact-%u", &ifindex) == 1 && !has_device(m->devices, ifindex)) {
		pin_path(m->dir, "clsact", ifindex, path);
		rmdir(path);
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct bpf_attachment *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return (int)x->hook - (int)y->hook;
}

/* A device may have a tcx link and a clsact filter of ours: one hook for whoever asks. */
static size_t unique(struct bpf_attachment *item, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!kept || by_place(&item[kept - 1], &item[i]))
			item[kept++] = item[i];
	return kept;
}

int bpf_attachments(struct bpf_objects *o, struct bpf_attachment **ret_list, size_t *ret_count,
		    struct err *e)
{
	_cleanup_(devices_fini) struct devices d = { 0 };
	struct found f = { .o = o };
	int r = clsact_devices(o->nl, &d);

	if (!r)
		r = each_name(o->dir, on_mark, &(struct marks){ o->dir, &d });
	if (!r)
		r = each_name(o->dir, on_found_name, &f);
	if (!r)
		r = found_filters(&f, &d);
	if (r) {
		free(f.item);
		return err_set(e, r, "the attached programs could not be listed (%s): %s", o->dir,
			       strerror(-r));
	}
	if (f.count)
		qsort(f.item, f.count, sizeof(*f.item), by_place);
	*ret_list = f.item;
	*ret_count = unique(f.item, f.count);
	return 0;
}

/* ---- removing all ---- */

struct sweep {
	struct nl *nl;
	const char *dir;
};

static int on_sweep_name(void *arg, const char *name)
{
	const struct sweep *s = arg;
	char path[PATH_MAX];
	uint32_t ifindex;

	if (sscanf(name, "clsact-%u", &ifindex) == 1) {
		remove_qdisc(s->nl, s->dir, ifindex);
		return 0;
	}
	if (snprintf(path, sizeof(path), "%s/link/%s", s->dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return remove_link(path);
}

int attach_remove_links(struct nl *nl, const char *dir)
{
	return each_name(dir, on_sweep_name, &(struct sweep){ nl, dir });
}

int attach_remove_filters(struct nl *nl)
{
	_cleanup_(devices_fini) struct devices d = { 0 };
	int first = clsact_devices(nl, &d);

	for (size_t i = 0; i < d.count; i++) {
		int r = detach_filter(d.ifindex[i]);

		first = first ? first : r;
	}
	return first;
}
