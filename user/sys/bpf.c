/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bpffs.h"
#include "nl.h"
#include "objects.h"

#include "egress_tc.skel.h"
#include "endpoint_tc.skel.h"
#include "front_tc.skel.h"
#include "mesh_tc.skel.h"
#include "reap.skel.h"
#include "tunnel_tc.skel.h"
#include "uplink_tc.skel.h"
#include "uplink_xdp.skel.h"

/* ---- what libbpf says ---- */

/*
 * libbpf's print callback has no argument, so this is the one variable of this
 * room that outlives a call. It holds the tail of what was said since bpf_open
 * began; there is one thread.
 */
static char heard[16384];

static int hear(enum libbpf_print_level level, const char *format, va_list ap)
{
	char line[8192];
	size_t have = strlen(heard), len;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, ap);
	len = strlen(line);
	if (have + len >= sizeof(heard)) {
		size_t keep = sizeof(heard) - 1 - len;
		size_t from = have > keep ? have - keep : 0;

		memmove(heard, heard + from, have - from + 1);
		have -= from;
	}
	memcpy(heard + have, line, len + 1);
	return 0;
}

void bpf_listen(void)
{
	libbpf_set_print(hear);
}

const char *bpf_heard(void)
{
	return heard;
}

/* Copies what follows the last `before` up to `stop` or the line's end; false when not said. */
static bool heard_after(const char *before, char stop, char *out, size_t size)
{
	const char *at = NULL;
	size_t len = 0;

	for (const char *p = heard; (p = strstr(p, before)); p++)
		at = p + strlen(before);
	if (!at)
		return false;
	while (at[len] && at[len] != stop && at[len] != '\n' && len + 1 < size)
		len++;
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

/* The verifier's verdict stands in the line before its statistics. */
static bool verifier_line(char *out, size_t size)
{
	const char *end = strstr(heard, "\nprocessed "), *start = end;

	if (!end)
		return false;
	while (start > heard && start[-1] != '\n')
		start--;
	snprintf(out, size, "%.*s", (int)(end - start), start);
	return true;
}

static int load_failed(int r, const char *object, struct err *e)
{
	char name[64], line[160];

	if (heard_after("couldn't reuse pinned map at '", '\'', line, sizeof(line)))
		return err_set(e, r, "the pinned map %s has another layout than this build: run `overlayd "
			       "--detach` and start again (traffic stops in between)", line);
	if (!heard_after("prog '", '\'', name, sizeof(name)))
		snprintf(name, sizeof(name), "%s", object);
	if (verifier_line(line, sizeof(line)))
		return err_set(e, r, "the kernel's verifier refused the program %s: %s", name, line);
	if (r == -EPERM)
		return err_set(e, r, "the kernel refused to load %s (%s): overlayd needs CAP_BPF and "
			       "CAP_NET_ADMIN; run it as root", name, strerror(-r));
	if (!heard_after("libbpf: ", '\n', line, sizeof(line)))
		snprintf(line, sizeof(line), "%s", strerror(-r));
	return err_set(e, r, "the BPF object %s could not be loaded (%s): %s", name, strerror(-r), line);
}

/* ---- capabilities ---- */

static bool has_cap(const struct __user_cap_data_struct data[2], int cap)
{
	return data[cap / 32].effective & (1u << (cap % 32));
}

int bpf_check_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &header, data) < 0)
		return err_set(e, -errno, "the capabilities of this process cannot be read: %s",
			       strerror(errno));
	if (!has_cap(data, CAP_NET_ADMIN))
		return err_set(e, -EPERM, "the capability CAP_NET_ADMIN is missing: run overlayd as root");
	if (!has_cap(data, CAP_BPF) && !has_cap(data, CAP_SYS_ADMIN))
		return err_set(e, -EPERM, "the capability CAP_BPF is missing: run overlayd as root");
	return 0;
}

/* ---- objects, one a file in bpf/ ---- */

#define OBJECTS(X)                                                     \
	X(endpoint_tc) X(uplink_tc) X(tunnel_tc) X(uplink_xdp) X(reap) \
	X(front_tc) X(egress_tc) X(mesh_tc)

#define X(file)                                                    \
	static struct bpf_object *open_##file(void **ret_skel)     \
	{                                                          \
		struct file##_bpf *skel = file##_bpf__open();      \
		*ret_skel = skel;                                  \
		return skel ? skel->obj : NULL;                    \
	}                                                          \
	static void destroy_##file(void *skel)                     \
	{                                                          \
		file##_bpf__destroy(skel);                         \
	}
OBJECTS(X)
#undef X

#define X(file) OBJECT_##file,
enum object_id { OBJECTS(X) OBJECT_COUNT };
#undef X

static const struct object {
	const char *name;
	struct bpf_object *(*open)(void **ret_skel);
	void (*destroy)(void *skel);
} objects[OBJECT_COUNT] = {
#define X(file) { #file, open_##file, destroy_##file },
	OBJECTS(X)
#undef X
};

static const struct {
	const char *name;
	enum object_id object;
} programs[BPF_PROG_COUNT] = {
	[BPF_PROG_ENDPOINT] = { "ov_endpoint", OBJECT_endpoint_tc },
	[BPF_PROG_UPLINK] = { "ov_uplink", OBJECT_uplink_tc },
	[BPF_PROG_TUNNEL] = { "ov_tunnel", OBJECT_tunnel_tc },
	[BPF_PROG_UPLINK_XDP] = { "ov_uplink_xdp", OBJECT_uplink_xdp },
	[BPF_PROG_UPLINK_GENERIC] = { "ov_uplink_generic", OBJECT_uplink_xdp },
	[BPF_PROG_REAP] = { "ov_reap", OBJECT_reap },
	[BPF_PROG_REAP_STATS] = { "ov_reap_stats", OBJECT_reap },
	[BPF_PROG_REAP_MASQ] = { "ov_reap_masq", OBJECT_reap },
	[BPF_PROG_REAP_ENDPOINT] = { "ov_reap_endpoint", OBJECT_reap },
	[BPF_PROG_FRONT] = { "ov_front", OBJECT_front_tc },
	[BPF_PROG_EGRESS] = { "ov_egress", OBJECT_egress_tc },
	[BPF_PROG_ARRIVE] = { "ov_arrive", OBJECT_mesh_tc },
	[BPF_PROG_RETURN] = { "ov_return", OBJECT_mesh_tc },
};

static const char *const map_names[BPF_MAP_COUNT] = {
#define X(name, ...) [BPF_MAP_##name] = #name,
	OV_MAPS(X)
#undef X
};

const char *bpf_map_name(enum bpf_map_id id)
{
	return map_names[id];
}

const char *bpf_program_name(enum bpf_program_id id)
{
	return programs[id].name;
}

static int pin_path(const struct bpf_objects *o, const char *below, const char *name,
		    char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s%s", o->dir, below, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Pinned by name: libbpf then takes a pin that fits, refuses one that does not, pins what is new. */
static int pin_maps(const struct bpf_objects *o, struct bpf_object *obj)
{
	for (int i = 0; i < BPF_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_names[i]);
		char path[PATH_MAX];
		int r = map ? pin_path(o, "", map_names[i], path) : -ENOENT;

		if (!r)
			r = bpf_map__set_pin_path(map, path);
		if (r)
			return r;
	}
	return 0;
}

static int keep_maps(struct bpf_objects *o, struct bpf_object *obj)
{
	for (int i = 0; i < BPF_MAP_COUNT; i++) {
		if (o->map_fd[i] >= 0)
			continue;
		o->map_fd[i] = fcntl(bpf_object__find_map_fd_by_name(obj, map_names[i]),
				     F_DUPFD_CLOEXEC, 3);
		if (o->map_fd[i] < 0)
			return -errno;
	}
	return 0;
}

/* ---- programs ---- */

#define PROGRAM_MAPS_MAX 32

struct identity {
	uint32_t id;
	uint8_t tag[BPF_TAG_SIZE]; /* hash of the instructions, map references left out */
	unsigned int shared;       /* how many of our pinned maps it uses */
};

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static int identify(const struct bpf_objects *o, int fd, struct identity *ret_identity)
{
	uint32_t ids[PROGRAM_MAPS_MAX] = { 0 }, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {
		.nr_map_ids = PROGRAM_MAPS_MAX,
		.map_ids = (uint64_t)(uintptr_t)ids,
	};
	struct identity who = { 0 };
	int r = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (r)
		return r;
	who.id = info.id;
	memcpy(who.tag, info.tag, sizeof(who.tag));
	for (int i = 0; i < BPF_MAP_COUNT; i++) {
		uint32_t id = map_id(o->map_fd[i]);

		for (uint32_t j = 0; j < info.nr_map_ids && j < PROGRAM_MAPS_MAX; j++)
			who.shared += ids[j] == id;
	}
	*ret_identity = who;
	return 0;
}

/*
 * Same instructions over the same maps. The tag alone would not do: after
 * somebody removed a map's pin, the pinned program still holds the old map.
 */
static bool is_same(const struct identity *a, const struct identity *b)
{
	return !memcmp(a->tag, b->tag, sizeof(a->tag)) && a->shared == b->shared;
}

/* Takes the pin's place in one step, so that there is a program at every moment. */
static int pin_program(const char *path, int fd)
{
	char next[PATH_MAX];
	int r;

	if (snprintf(next, sizeof(next), "%s-next", path) >= (int)sizeof(next))
		return -ENAMETOOLONG;
	if (unlink(next) < 0 && errno != ENOENT)
		return -errno;
	r = bpf_obj_pin(fd, next);
	if (r)
		return r;
	return rename(next, path) < 0 ? -errno : 0;
}

/* Keeps the pinned program when it is the same, else pins the new one. */
static int keep_program(struct bpf_objects *o, enum bpf_program_id id, int fresh)
{
	_cleanup_(closep) int pinned = -1, mine = -1;
	struct identity new, old;
	char path[PATH_MAX];
	int r = pin_path(o, "prog/", programs[id].name, path);

	if (!r)
		r = identify(o, fresh, &new);
	if (r)
		return r;
	pinned = bpf_obj_get(path);
	if (pinned >= 0 && !identify(o, pinned, &old) && is_same(&old, &new)) {
		o->program_fd[id] = TAKE_FD(pinned);
		o->program_id[id] = old.id;
		return 0;
	}
	mine = fcntl(fresh, F_DUPFD_CLOEXEC, 3);
	if (mine < 0)
		return -errno;
	r = pin_program(path, mine);
	if (r)
		return r;
	o->program_fd[id] = TAKE_FD(mine);
	o->program_id[id] = new.id;
	return 0;
}

/* Pins all programs of a loaded object, or keeps those that are pinned. */
static int keep_programs(struct bpf_objects *o, enum object_id object, struct bpf_object *obj,
			 struct err *e)
{
	for (int id = 0; id < BPF_PROG_COUNT; id++) {
		const char *name = programs[id].name;
		struct bpf_program *program;
		int r;

		if (programs[id].object != object)
			continue;
		program = bpf_object__find_program_by_name(obj, name);
		if (!program)
			return err_set(e, -ENOENT, "the BPF object %s is not of this build: make clean "
				       "and build again", objects[object].name);
		r = keep_program(o, (enum bpf_program_id)id, bpf_program__fd(program));
		if (r)
			return err_set(e, r, "the program %s could not be pinned below %s: %s", name,
				       o->dir, strerror(-r));
	}
	return 0;
}

static int load_object(struct bpf_objects *o, enum object_id id, struct err *e)
{
	const struct object *what = &objects[id];
	struct bpf_object *obj;
	void *skel = NULL;
	int r;

	heard[0] = '\0';
	obj = what->open(&skel);
	if (!obj)
		return load_failed(-errno, what->name, e);
	r = pin_maps(o, obj);
	if (r)
		err_set(e, r, "the BPF object %s is not of this build: make clean and build again",
			what->name);
	if (!r) {
		r = bpf_object__load(obj);
		if (r)
			load_failed(r, what->name, e);
	}
	if (!r) {
		r = keep_maps(o, obj);
		if (r)
			err_set(e, r, "the maps below %s could not be kept open: %s", o->dir,
				strerror(-r));
	}
	if (!r)
		r = keep_programs(o, id, obj, e);
	what->destroy(skel);
	return r;
}

/* ---- who is jumped to ---- */

/* Before anything of this build is attached; afterwards the pin keeps the kernel from emptying it. */
int objects_fill_calls(struct bpf_objects *o, unsigned int *ret_put, struct err *e)
{
	uint32_t there;

	static const enum bpf_program_id who[OV_CALL_COUNT] = {
		[OV_CALL_FRONT] = BPF_PROG_FRONT,
		[OV_CALL_EGRESS] = BPF_PROG_EGRESS,
		[OV_CALL_ARRIVE] = BPF_PROG_ARRIVE,
		[OV_CALL_RETURN] = BPF_PROG_RETURN,
	};

	*ret_put = 0;
	for (uint32_t i = 0; i < OV_CALL_COUNT; i++) {
		int r;

		if (!bpf_map_lookup_elem(o->map_fd[BPF_MAP_calls], &i, &there) &&
		    there == o->program_id[who[i]])
			continue;
		r = bpf_map_update_elem(o->map_fd[BPF_MAP_calls], &i, &o->program_fd[who[i]],
					BPF_ANY);
		*ret_put += !r;
		if (r)
			return err_set(e, r, "the kernel refused %s as a program to jump to: %s",
				       programs[who[i]].name, strerror(-r));
	}
	return 0;
}

/* ---- the handle ---- */

static int make_place(struct bpf_objects *o, const struct bpf_place *place, bool *ret_made,
		      struct err *e)
{
	char root[PATH_MAX], relative[PATH_MAX];
	bool made, ignored;
	int r = bpffs_check_relative(place->pin_dir, e);

	if (!r)
		r = bpffs_find(place->bpffs, true, root, e);
	if (r)
		return r;
	snprintf(relative, sizeof(relative), "%s/v%d", place->pin_dir, OV_FORMAT);
	if (snprintf(o->dir, sizeof(o->dir), "%s/%s", root, relative) >= (int)sizeof(o->dir) - 64)
		return err_set(e, -ENAMETOOLONG, "the pin directory's path is too long: %s", place->pin_dir);
	r = bpffs_make_dirs(root, relative, &made);
	if (!r)
		r = bpffs_make_dirs(o->dir, "prog", &ignored);
	if (!r)
		r = bpffs_make_dirs(o->dir, "link", &ignored);
	if (r)
		return err_set(e, r, "the pin directory %s could not be made: %s", o->dir, strerror(-r));
	*ret_made = made;
	return 0;
}

/* Nothing half-made: the format's directory, and above it what is empty of the pin directory. */
static void remove_made(char *dir, const char *pin_dir)
{
	bpffs_remove_tree(dir);
	for (const char *p = pin_dir; p; p = strchr(p + 1, '/')) {
		*strrchr(dir, '/') = '\0';
		if (rmdir(dir) < 0)
			return;
	}
}

int bpf_open(const struct bpf_place *place, struct bpf_objects **ret_objects, struct err *e)
{
	struct bpf_objects *o;
	unsigned int put;
	bool made = false;
	int r = bpf_check_capabilities(e);

	if (r)
		return r;
	o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i < BPF_MAP_COUNT; i++)
		o->map_fd[i] = -1;
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		o->program_fd[i] = -1;
	bpf_listen();
	r = nl_open(&o->nl);
	if (r)
		err_set(e, r, "no netlink socket: %s", strerror(-r));
	if (!r)
		r = make_place(o, place, &made, e);
	for (int i = 0; !r && i < OBJECT_COUNT; i++)
		r = load_object(o, (enum object_id)i, e);
	if (!r)
		r = objects_fill_calls(o, &put, e);
	if (r) {
		if (made)
			remove_made(o->dir, place->pin_dir);
		bpf_close(o);
		return r;
	}
	r = formats_take_links(o);
	if (r) {
		bpf_close(o);
		return err_set(e, r, "the links of an older format could not be taken over below %s: %s",
			       place->pin_dir, strerror(-r));
	}
	o->tcx = attach_has_tcx(o->program_fd[BPF_PROG_UPLINK]);
	*ret_objects = o;
	return 0;
}

void bpf_close(struct bpf_objects *o)
{
	if (!o)
		return;
	for (int i = 0; i < BPF_MAP_COUNT; i++)
		closep(&o->map_fd[i]);
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		closep(&o->program_fd[i]);
	nl_close(o->nl);
	free(o);
}

int bpf_map_fd(const struct bpf_objects *o, enum bpf_map_id id)
{
	return o->map_fd[id];
}

int bpf_program_fd(const struct bpf_objects *o, enum bpf_program_id id)
{
	return o->program_fd[id];
}

const char *bpf_attach_mode(const struct bpf_objects *o)
{
	return o->tcx ? "tcx" : "clsact";
}

void bpf_use_clsact(struct bpf_objects *o)
{
	o->tcx = false;
}

int bpf_run(const struct bpf_objects *o, enum bpf_program_id id, void *ctx, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ctx, .ctx_size_in = (uint32_t)size);

	return bpf_prog_test_run_opts(o->program_fd[id], &opts);
}
