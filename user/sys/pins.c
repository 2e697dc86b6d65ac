/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pins that somebody removed. The maps and programs live on by this process, which has them
 * open, and by the devices that programs are on; but a daemon that starts without the pins
 * would make new ones, and empty.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpffs.h"
#include "objects.h"

struct mend {
	struct bpf_objects *o;
	void (*mended)(void *arg, const char *what);
	void *arg;
	struct err *e;
	int first;
};

/* Of maps and of programs the id lies in another place. */
static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static void failed(struct mend *m, int r, const char *path)
{
	err_set(m->e, r, "%s could not be pinned again: %s", path, strerror(-r));
	m->first = m->first ? m->first : r;
}

static int pin(const struct bpf_objects *o, const char *path, int fd)
{
	bool ignored;
	int r = bpffs_make_dirs("", o->dir + 1, &ignored);

	if (!r)
		r = bpffs_make_dirs(o->dir, "prog", &ignored);
	return r ? r : bpf_obj_pin(fd, path);
}

static void mend_pin(struct mend *m, bool is_map, const char *name, int fd)
{
	uint32_t (*id)(int) = is_map ? map_id : program_id;
	_cleanup_(closep) int there = -1;
	char path[PATH_MAX], what[128];
	int r;

	if (snprintf(path, sizeof(path), "%s/%s%s", m->o->dir, is_map ? "" : "prog/", name) >=
	    (int)sizeof(path))
		return;
	there = bpf_obj_get(path);
	if (there >= 0 && id(there) != id(fd)) {
		err_set(m->e, -EEXIST, "%s is not what overlayd pinned there: remove it, and it is pinned "
			"again", path);
		m->first = m->first ? m->first : -EEXIST;
	}
	if (there >= 0)
		return;
	r = there == -ENOENT ? pin(m->o, path, fd) : there;
	snprintf(what, sizeof(what), "the pin of the %s %s was missing", is_map ? "map" : "program", name);
	if (r)
		failed(m, r, path);
	else
		m->mended(m->arg, what);
}

/* Where links are pinned, and marks of clsact. */
static void mend_link_dir(struct mend *m)
{
	bool made = false;
	int r = bpffs_make_dirs(m->o->dir, "link", &made);

	if (r)
		failed(m, r, m->o->dir);
	else if (made)
		m->mended(m->arg, "the directory of pinned links was missing");
}

static void mend_calls(struct mend *m)
{
	unsigned int put = 0;
	char what[96];
	int r = objects_fill_calls(m->o, &put, m->e);

	m->first = m->first ? m->first : r;
	snprintf(what, sizeof(what), "%u of the programs that others jump to were missing (the map calls)",
		 put);
	if (put)
		m->mended(m->arg, what);
}

int bpf_mend_pins(struct bpf_objects *o, void (*mended)(void *arg, const char *what), void *arg,
		  struct err *e)
{
	struct mend m = { o, mended, arg, e, 0 };

	for (int i = 0; i < BPF_MAP_COUNT; i++)
		mend_pin(&m, true, bpf_map_name((enum bpf_map_id)i), o->map_fd[i]);
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		mend_pin(&m, false, bpf_program_name((enum bpf_program_id)i), o->program_fd[i]);
	mend_link_dir(&m);
	mend_calls(&m);
	return m.first;
}
