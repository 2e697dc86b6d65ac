/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/netns.h"

const struct bpf_place place = { .bpffs = BPFFS, .pin_dir = "deep/overlayd" };
const uint32_t zero_key;

void must(int r, const char *what)
{
	cr_assert_geq(r, 0, "%s: %s", what, strerror(r == -1 ? errno : -r));
}

void sh(const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	cr_assert_eq(system(command), 0, "failed: %s", command);
}

bool sh_ok(const char *command)
{
	return system(command) == 0;
}

/* A namespace bound to a file, as `ip netns` does it. */
static void make_netns(const char *path)
{
	int self, fd = open(path, O_CREAT | O_CLOEXEC | O_RDONLY, 0600);

	must(fd, path);
	close(fd);
	must(netns_open_self(&self), "own namespace");
	must(unshare(CLONE_NEWNET), "unshare");
	must(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), "bind");
	must(setns(self, CLONE_NEWNET), "setns");
	close(self);
}

void make_world(void)
{
	cr_assert_eq(geteuid(), 0, "these tests need root");
	must(unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	mkdir(WORLD, 0700);
	must(mount("tmpfs", WORLD, "tmpfs", 0, NULL), "tmpfs");
	must(mkdir(BPFFS, 0700), "mkdir");
	must(mount("bpf", BPFFS, "bpf", 0, NULL), "bpffs");
	/* `ip` asks about every name there, and those made from now on are none in our mounts. */
	if (!access("/run/netns", F_OK))
		must(mount("tmpfs", "/run/netns", "tmpfs", 0, NULL), "tmpfs");
	make_netns(CONTAINER);
	make_netns(OTHER);
	sh("ip link set lo up && ip link add up0 type veth peer name up1 && "
	   "ip addr add 192.0.2.1/24 dev up0 && ip link set up0 up && ip link set up1 up");
}

struct kernel *open_kernel(struct driver drivers[PLAN_TABLE_COUNT])
{
	struct kernel *k = NULL;
	struct err e = { 0 };
	int r = kernel_open(&place, &k, &e);

	cr_assert_eq(r, 0, "%s", e.text);
	kernel_drivers(k, drivers);
	return k;
}

int upsert(const struct driver *d, const void *key, const void *value, struct err *e)
{
	struct err mine = { 0 };
	int r = d->upsert(d->ctx, key, value, false, e ? e : &mine);

	if (!e)
		cr_assert_eq(r, 0, "%s", mine.text);
	else
		cr_assert(r == 0 || e->text[0]);
	return r;
}

void remove_it(const struct driver *d, const void *key, const void *value)
{
	struct err e = { 0 };

	cr_assert_eq(d->remove(d->ctx, key, value, &e), 0, "%s", e.text);
}

struct plan_table look(const struct driver *d)
{
	struct plan_table t = { 0 };
	struct err e = { 0 };

	cr_assert_eq(d->observe(d->ctx, &t, &e), 0, "%s", e.text);
	return t;
}

/* The one row that is there, compared byte by byte. */
bool holds(const struct driver *d, const void *key, const void *value)
{
	struct plan_table t = look(d);
	bool same = t.count == 1 && !memcmp(t.rows, key, t.key_size) &&
		    !memcmp(t.rows + t.key_size, value, t.value_size);

	free(t.rows);
	return same;
}

size_t rows(const struct driver *d)
{
	struct plan_table t = look(d);

	free(t.rows);
	return t.count;
}

struct plan_device_key endpoint_key(void)
{
	struct plan_device_key key;

	memset(&key, 0xab, sizeof(key));
	return key;
}

struct plan_device endpoint_row(const char *netns)
{
	static const uint8_t mac[6] = { 0x02, 0x42, 10, 10, 0, 2 };
	struct plan_device d;
	struct stat st;

	memset(&d, 0, sizeof(d));
	strcpy(d.name, "ovabababababab");
	strcpy(d.ifname, "eth0");
	strcpy(d.netns, netns);
	must(stat(netns, &st), netns);
	d.netns_dev = st.st_dev;
	d.netns_ino = st.st_ino;
	d.addr = addr_from_v4(0x0a0a0002);
	d.gateway = addr_from_v4(0x0a0a0001);
	d.prefix_len = 120;
	memcpy(d.mac, mac, 6);
	d.mtu = 1450;
	return d;
}

bool inside(const char *netns, const char *command)
{
	char full[512];

	snprintf(full, sizeof(full), "nsenter --net=%s sh -c '%s'", netns, command);
	return sh_ok(full);
}
