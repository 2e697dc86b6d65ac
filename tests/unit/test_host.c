/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about a real host, and the place for pins; needs root. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/facts.h"
#include "base/cleanup.h"
#include "sys/bpf.h"
#include "sys/bpffs.h"
#include "tests/lib/world.h"

TestSuite(host, .init = make_world);

/* ---- where pins live ---- */

Test(host, refuses_a_place_that_is_no_bpffs)
{
	static const struct bpf_place bad = { .bpffs = WORLD, .pin_dir = "overlayd" };
	struct bpf_objects *o = NULL;
	struct err e = { 0 };

	cr_assert_eq(bpf_open(&bad, &o, &e), -ENOENT);
	cr_assert(strstr(e.text, "mount -t bpf bpf " WORLD), "%s", e.text);
}

Test(host, refuses_pin_directories_that_bpffs_cannot_hold)
{
	static const char *const bad[] = { "", "/abs", "a/", "a//b", "../up", "v1.2" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bpf_place p = { .bpffs = BPFFS, .pin_dir = bad[i] };
		struct bpf_objects *o = NULL;
		struct err e = { 0 };

		cr_assert_eq(bpf_open(&p, &o, &e), -EINVAL, "%s", bad[i]);
		cr_assert_neq(e.text[0], '\0');
	}
}

/* Without CAP `cap`; the process is the test's own. */
static void drop_cap(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	must((int)syscall(SYS_capget, &header, data), "capget");
	data[cap / 32].effective &= ~(1u << (cap % 32));
	must((int)syscall(SYS_capset, &header, data), "capset");
	must(prctl(PR_SET_DUMPABLE, 1), "prctl"); /* LeakSanitizer wants to look at us at the end */
}

Test(host, names_the_capability_that_is_missing)
{
	struct bpf_objects *o = NULL;
	struct err e = { 0 };

	drop_cap(CAP_NET_ADMIN);
	cr_assert_eq(bpf_open(&place, &o, &e), -EPERM);
	cr_assert(strstr(e.text, "CAP_NET_ADMIN"), "%s", e.text);
}

Test(host, names_the_bpf_capability_when_that_is_missing)
{
	struct bpf_objects *o = NULL;
	struct err e = { 0 };

	drop_cap(CAP_BPF);
	drop_cap(CAP_SYS_ADMIN);
	cr_assert_eq(bpf_open(&place, &o, &e), -EPERM);
	cr_assert(strstr(e.text, "CAP_BPF"), "%s", e.text);
}

static bool is_bpffs_at(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Past LeakSanitizer, which hooks _exit() and finds its way neither in other mounts nor as process 1. */
static void leave(int code)
{
	syscall(SYS_exit_group, code);
}

/* As under `ip netns exec`: /sys is another one, and init's has to be used. */
static int find_from_inside(void)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	if (unshare(CLONE_NEWNS) < 0 || mount("tmpfs", "/sys", "tmpfs", 0, NULL) < 0)
		return 1;
	if (bpffs_find(BPFFS_DEFAULT, false, path, &e) != -ENOENT)
		return 2;
	if (bpffs_find(BPFFS_DEFAULT, true, path, &e)) /* init has none: it is mounted there */
		return 3;
	if (strcmp(path, "/proc/1/root" BPFFS_DEFAULT) || !is_bpffs_at(path))
		return 4;
	return bpffs_find(BPFFS_DEFAULT, false, path, &e) ? 5 : 0;
}

/* Is process 1 of its namespace, and sees what was mounted on its behalf. */
static int be_init(void)
{
	int status;
	pid_t pid;

	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 10;
	while (!umount2(BPFFS_DEFAULT, MNT_DETACH))
		;
	pid = fork();
	if (!pid)
		leave(find_from_inside());
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 11;
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return is_bpffs_at(BPFFS_DEFAULT) ? 0 : 12;
}

/* In a child, because whoever unshares PIDs can fork no more once their process 1 is gone. */
static int make_init(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return 20;
	pid = fork();
	if (!pid)
		leave(be_init());
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 21;
	return WEXITSTATUS(status);
}

Test(host, bpffs_is_mounted_for_init_and_reached_through_it)
{
	int status;
	pid_t pid = fork();

	must(pid, "fork");
	if (!pid)
		leave(make_init());
	must(waitpid(pid, &status, 0), "wait");
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d failed", WEXITSTATUS(status));
}

/* ---- facts ---- */

Test(host, reads_uplink_devices_and_routes)
{
	static const char *const text[] = { "192.0.2.9", "198.51.100.1", "203.0.113.1", "192.0.2.1" };
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct plan_tunnel tunnel = { .port = 4789 };
	struct ov_addr addr, peer[4], gateway;
	struct facts f = { .vxlan_port = 4789 };
	struct facts_source *s;
	struct err e = { 0 };
	uint32_t ifindex;
	char driver[32];
	uint16_t mtu;

	for (int i = 0; i < 4; i++)
		cr_assert_eq(addr_parse(text[i], &peer[i]), 0);
	cr_assert_eq(addr_parse("192.0.2.254", &gateway), 0);
	/* one peer by a gateway, one by another interface, one is ourselves */
	sh("ip route add 198.51.100.0/24 via 192.0.2.254 && ip addr add 203.0.113.2/24 dev up1");
	upsert(&d[PLAN_TUNNEL], &zero_key, &tunnel, NULL);
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert_eq(facts_open("up0", &s, &e), 0);
	cr_assert_eq(facts_uplink(s, &addr, &mtu, &ifindex, driver, &e), 0, "%s", e.text);
	cr_assert_eq(addr_v4(&addr), 0xc0000201);
	cr_assert_eq(mtu, 1500);
	cr_assert_eq(ifindex, if_nametoindex("up0"));
	cr_assert_str_eq(driver, "veth");
	cr_assert_eq(facts_read(s, peer, 4, &f, &e), 0, "%s", e.text);
	cr_assert_eq(f.uplink_ifindex, ifindex);
	cr_assert_eq(f.tunnel_ifindex, if_nametoindex(OV_TUNNEL_NAME));
	cr_assert_eq(f.device_count, 1);
	cr_assert(id_equal(&f.device[0].endpoint, &key.endpoint));
	cr_assert_eq(f.device[0].ifindex, if_nametoindex(row.name));
	cr_assert_eq(f.route_count, 2);
	cr_assert_eq(addr_cmp(&f.route[0].to, &peer[0]), 0);
	cr_assert_eq(addr_cmp(&f.route[0].next_hop, &peer[0]), 0);
	cr_assert_eq(addr_cmp(&f.route[1].to, &peer[1]), 0);
	cr_assert_eq(addr_cmp(&f.route[1].next_hop, &gateway), 0);
	facts_close(s);
	kernel_close(k);
}

Test(host, notices_addresses_and_routes_that_change)
{
	struct facts_source *s;
	struct err e = { 0 };

	cr_assert_eq(facts_open("up0", &s, &e), 0);
	cr_assert_not(facts_drain(s));
	sh("ip addr add 192.0.2.77/24 dev up0");
	cr_assert(facts_drain(s));
	cr_assert_not(facts_drain(s));
	sh("ip route add 198.51.100.0/24 via 192.0.2.254");
	cr_assert(facts_drain(s));
	facts_close(s);
}

static void uplink_says(const char *name, int code, const char *word)
{
	struct facts_source *s;
	struct ov_addr addr;
	struct err e = { 0 };
	uint32_t ifindex;
	char driver[32];
	uint16_t mtu;

	cr_assert_eq(facts_open(name, &s, &e), 0);
	cr_assert_eq(facts_uplink(s, &addr, &mtu, &ifindex, driver, &e), code, "%s", e.text);
	cr_assert(strstr(e.text, name) && strstr(e.text, word), "%s", e.text);
	facts_close(s);
}

Test(host, says_what_is_wrong_with_an_uplink)
{
	uplink_says("nope0", -ENODEV, "no interface");
	uplink_says("up1", -EADDRNOTAVAIL, "no IPv4");
	sh("ip addr add 2001:db8::1/64 dev up1 nodad");
	uplink_says("up1", -EADDRNOTAVAIL, "IPv6");
	sh("ip link set up0 down");
	uplink_says("up0", -ENETDOWN, "is down");
}

Test(host, reads_from_which_ports_it_calls)
{
	uint16_t first = 0, last = 0;

	sh("echo 40000 62000 >/proc/sys/net/ipv4/ip_local_port_range");
	cr_assert(facts_local_ports(61000, 65535, &first, &last));
	cr_assert(first == 61000 && last == 62000);
	cr_assert_not(facts_local_ports(62001, 65535, &first, &last));
	cr_assert_not(facts_local_ports(30000, 39999, &first, &last));
	sh("echo 8080,61000-61500,62000 >/proc/sys/net/ipv4/ip_local_reserved_ports");
	cr_assert(facts_local_ports(61000, 65535, &first, &last));
	cr_assert(first == 61501 && last == 61999);
	sh("echo 61000-65535 >/proc/sys/net/ipv4/ip_local_reserved_ports");
	cr_assert_not(facts_local_ports(61000, 65535, &first, &last), "nothing is left of them");
	cr_assert(facts_local_ports(60999, 65535, &first, &last));
	cr_assert(first == 60999 && last == 60999);
}

/* A process that waits in that namespace to be killed. */
static pid_t child_in(const char *netns)
{
	int ready[2];
	char byte;
	pid_t pid;

	must(pipe(ready), "pipe");
	pid = fork();
	must(pid, "fork");
	if (!pid) {
		int fd = open(netns, O_RDONLY);

		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	return pid;
}

Test(host, finds_namespaces_by_path_and_pid_and_refuses_its_own)
{
	char path[NETNS_MAX_LEN + 1], pid[16], expected[40];
	uint64_t dev, ino;
	struct err e = { 0 };
	struct stat st;
	pid_t child;

	cr_assert_eq(facts_netns(CONTAINER, path, &dev, &ino, &e), 0, "%s", e.text);
	must(stat(CONTAINER, &st), "stat");
	cr_assert_str_eq(path, CONTAINER);
	cr_assert_eq(ino, st.st_ino);
	cr_assert(facts_netns_alive(path, dev, ino));
	snprintf(pid, sizeof(pid), "%d", getpid());
	cr_assert_eq(facts_netns(pid, path, &dev, &ino, &e), -EINVAL);
	cr_assert(strstr(e.text, "itself"), "%s", e.text);
	e = (struct err){ 0 };
	child = child_in(CONTAINER);
	snprintf(pid, sizeof(pid), "%d", child);
	snprintf(expected, sizeof(expected), "/proc/%d/ns/net", child);
	cr_assert_eq(facts_netns(pid, path, &dev, &ino, &e), 0, "%s", e.text);
	cr_assert_str_eq(path, expected);
	cr_assert_eq(ino, st.st_ino);
	/* A name outlives the process, so it is preferred where there is one. */
	must(mount("tmpfs", "/run", "tmpfs", 0, NULL), "tmpfs");
	sh("mkdir -p /run/netns && touch /run/netns/named && mount --bind " CONTAINER " /run/netns/named");
	cr_assert_eq(facts_netns(pid, path, &dev, &ino, &e), 0, "%s", e.text);
	cr_assert_str_eq(path, "/run/netns/named");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_assert_eq(facts_netns("named", path, &dev, &ino, &e), 0, "%s", e.text);
	cr_assert_str_eq(path, "/run/netns/named");
	cr_assert_eq(facts_netns("no-such-netns", path, &dev, &ino, &e), -ENOENT);
	cr_assert(strstr(e.text, "no-such-netns"), "%s", e.text);
	e = (struct err){ 0 };
	cr_assert_eq(facts_netns("/etc/passwd", path, &dev, &ino, &e), -EINVAL);
	e = (struct err){ 0 };
	cr_assert_eq(facts_netns("/proc/self/ns/mnt", path, &dev, &ino, &e), -EINVAL);
	e = (struct err){ 0 };
	cr_assert_eq(facts_netns("999999999", path, &dev, &ino, &e), -ENOENT);
	cr_assert(strstr(e.text, "999999999"), "%s", e.text);
}

Test(host, sums_counters_over_all_cpus)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct ov_counter total[OV_VERDICT_COUNT], each[1024] = { { 0 } };
	uint32_t key = OV_DROP_NO_PEER;
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	cr_assert_leq(cpus, 1024);
	for (long i = 0; i < cpus; i++)
		each[i] = (struct ov_counter){ .packets = 2, .bytes = 100 };
	must(bpf_map_update_elem(bpf_map_fd(kernel_bpf(k), BPF_MAP_counters), &key, each, BPF_ANY), "map");
	cr_assert_eq(kernel_read_counters(k, total), 0);
	cr_assert_geq(total[key].packets, 2);
	cr_assert_eq(total[key].bytes, total[key].packets * 50);
	cr_assert_eq(total[OV_FWD_LOCAL].packets, 0);
	kernel_close(k);
}

Test(facts, xdp_rewrites_only_where_sums_are_complete)
{
	cr_assert(facts_xdp_sums("mlx5_core", OV_XDP_NATIVE));
	cr_assert(facts_xdp_sums("virtio_net", OV_XDP_NATIVE));
	cr_assert_not(facts_xdp_sums("mlx5_core", OV_XDP_GENERIC));
	cr_assert_not(facts_xdp_sums("mlx5_core", OV_XDP_OFF));
	cr_assert_not(facts_xdp_sums("veth", OV_XDP_NATIVE));
	cr_assert_not(facts_xdp_sums("", OV_XDP_NATIVE));
}
