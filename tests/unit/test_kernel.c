/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apply's drivers over the real kernel; needs root. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply/facts.h"
#include "base/cleanup.h"
#include "sys/bpf.h"
#include "sys/link.h"
#include "tests/lib/world.h"

TestSuite(kernel, .init = make_world);

/* ---- devices ---- */

Test(kernel, makes_an_endpoint_with_all_that_is_inside_and_reads_it_back)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert(inside(CONTAINER, "ip -4 addr show dev eth0 | grep -q \"inet 10.10.0.2/24\""));
	cr_assert(inside(CONTAINER, "ip link show dev eth0 | grep -q 02:42:0a:0a:00:02"));
	cr_assert(inside(CONTAINER, "ip link show dev eth0 | grep -q \"mtu 1450\""));
	cr_assert(inside(CONTAINER, "ip link show dev lo | grep -q UP"));
	cr_assert(inside(CONTAINER, "test -z \"$(ip -6 addr show dev eth0)\""));
	cr_assert(inside(CONTAINER, "ip route | grep -q 10.10.0.0/24"));
	cr_assert_not(sh_ok("ip link show dev ovabababababab | grep -q '[<,]UP'"),
		      "our side must stay down until a program is on it");
	remove_it(&d[PLAN_DEVICES], &key, &row);
	cr_assert_eq(rows(&d[PLAN_DEVICES]), 0);
	cr_assert_not(inside(CONTAINER, "ip link show dev eth0 2>/dev/null"));
	kernel_close(k);
}

Test(kernel, adopts_an_endpoint_without_touching_it)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	unsigned int before;

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	before = if_nametoindex("ovabababababab");
	kernel_close(k);
	k = open_kernel(d);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row), "a restarted daemon must find it right");
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert_eq(if_nametoindex("ovabababababab"), before);
	kernel_close(k);
}

static const struct damage {
	const char *what, *where;
} damages[] = {
	{ "ip link set eth0 mtu 1200", CONTAINER },
	{ "ip link set eth0 down", CONTAINER },
	{ "ip addr flush dev eth0", CONTAINER },
	{ "ip addr flush dev eth0; ip addr add 10.10.0.99/16 dev eth0", CONTAINER },
	{ "ip link set eth0 address 02:00:00:00:00:01", CONTAINER },
	{ "ip link set lo down", CONTAINER },
	{ "ip route del default", CONTAINER },
	{ "ip rule del pref 28534", CONTAINER },
	{ "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6", CONTAINER },
	{ "ip link set ovabababababab mtu 1500", NULL },
};

Test(kernel, mends_a_damaged_endpoint_in_place)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	unsigned int before;

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	before = if_nametoindex("ovabababababab");
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		if (damages[i].where)
			cr_assert(inside(damages[i].where, damages[i].what), "%s", damages[i].what);
		else
			sh("%s", damages[i].what);
		cr_assert_not(holds(&d[PLAN_DEVICES], &key, &row), "unseen: %s", damages[i].what);
		upsert(&d[PLAN_DEVICES], &key, &row, NULL);
		cr_assert(holds(&d[PLAN_DEVICES], &key, &row), "not mended: %s", damages[i].what);
	}
	row.mtu = 1400;
	row.addr = addr_from_v4(0x0a0a0003);
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert_eq(if_nametoindex("ovabababababab"), before, "it was made anew");
	kernel_close(k);
}

Test(kernel, makes_an_endpoint_anew_when_it_moves_to_another_namespace_or_name)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	row = endpoint_row(OTHER);
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert_not(inside(CONTAINER, "ip link show dev eth0 2>/dev/null"));
	strcpy(row.ifname, "net1");
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert_not(inside(OTHER, "ip link show dev eth0 2>/dev/null"));
	kernel_close(k);
}

Test(kernel, mends_an_endpoint_that_was_renamed_or_left_half_made)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key(), half_key = { 0 };
	struct plan_device row = endpoint_row(CONTAINER);
	struct plan_table t;
	struct err e = { 0 };

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	sh("ip link set ovabababababab name stray");
	cr_assert_not(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert_eq(d[PLAN_DEVICES].upsert(d[PLAN_DEVICES].ctx, (uint8_t *)&key, (uint8_t *)&row, true, &e),
		     0, "%s", e.text);
	cr_assert(holds(&d[PLAN_DEVICES], &key, &row));
	cr_assert_not(sh_ok("ip link show dev stray 2>/dev/null"));
	/* As after a kill between the two requests that make a device. */
	sh("ip link set ovabababababab alias ''");
	t = look(&d[PLAN_DEVICES]);
	memcpy(half_key.endpoint.b, key.endpoint.b, OV_DEVICE_DIGITS / 2);
	cr_assert_eq(t.count, 1);
	cr_assert_eq(memcmp(t.rows, &half_key, sizeof(half_key)), 0);
	remove_it(&d[PLAN_DEVICES], t.rows, t.rows + t.key_size);
	free(t.rows);
	cr_assert_eq(if_nametoindex("ovabababababab"), 0);
	kernel_close(k);
}

Test(kernel, says_that_the_interface_name_is_taken_and_leaves_nothing)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct err e = { 0 };

	inside(CONTAINER, "ip link add eth0 type veth peer name other");
	cr_assert_eq(upsert(&d[PLAN_DEVICES], &key, &row, &e), -EEXIST);
	cr_assert(strstr(e.text, "eth0") && strstr(e.text, "--ifname"), "%s", e.text);
	cr_assert_eq(if_nametoindex("ovabababababab"), 0);
	kernel_close(k);
}

Test(kernel, says_that_the_namespace_is_gone_or_another_one)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct err e = { 0 };

	row.netns_ino++;
	cr_assert_eq(upsert(&d[PLAN_DEVICES], &key, &row, &e), -ESTALE);
	cr_assert(strstr(e.text, CONTAINER), "%s", e.text);
	e = (struct err){ 0 };
	strcpy(row.netns, WORLD "/nowhere");
	cr_assert_eq(upsert(&d[PLAN_DEVICES], &key, &row, &e), -ENOENT);
	cr_assert(strstr(e.text, "nowhere"), "%s", e.text);
	kernel_close(k);
}

Test(kernel, leaves_a_foreign_device_of_the_same_name_alone)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct err e = { 0 };
	unsigned int before;

	sh("ip link add ovabababababab type veth peer name foreign");
	before = if_nametoindex("ovabababababab");
	cr_assert_eq(rows(&d[PLAN_DEVICES]), 0);
	cr_assert_eq(upsert(&d[PLAN_DEVICES], &key, &row, &e), -EEXIST);
	remove_it(&d[PLAN_DEVICES], &key, &row);
	cr_assert_eq(if_nametoindex("ovabababababab"), before);
	kernel_close(k);
}

Test(kernel, notices_that_a_namespace_vanished_with_its_endpoint)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct facts_source *s;
	struct err e = { 0 };

	cr_assert_eq(facts_open("up0", &s, &e), 0);
	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	facts_drain(s);
	cr_assert_not(facts_drain(s));
	cr_assert(facts_netns_alive(row.netns, row.netns_dev, row.netns_ino));
	must(umount2(CONTAINER, MNT_DETACH), "umount");
	cr_assert_not(facts_netns_alive(row.netns, row.netns_dev, row.netns_ino));
	for (int i = 0; i < 1000 && if_nametoindex("ovabababababab"); i++)
		usleep(10000); /* the kernel dismantles namespaces in its own time */
	cr_assert_eq(rows(&d[PLAN_DEVICES]), 0);
	cr_assert(facts_drain(s));
	remove_it(&d[PLAN_DEVICES], &key, &row);
	facts_close(s);
	kernel_close(k);
}

/* ---- tunnel ---- */

Test(kernel, makes_adopts_moves_and_removes_the_tunnel_device)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_tunnel row = { .port = 4789 };
	unsigned int before;

	upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
	cr_assert(holds(&d[PLAN_TUNNEL], &zero_key, &row));
	cr_assert(sh_ok("ip -d -j link show dev ovtunnel | "
			"jq -e '.[0].linkinfo.info_data | .external and .port == 4789' >/dev/null"));
	before = if_nametoindex(OV_TUNNEL_NAME);
	sh("ip link set ovtunnel down");
	cr_assert_not(holds(&d[PLAN_TUNNEL], &zero_key, &row));
	upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
	cr_assert(holds(&d[PLAN_TUNNEL], &zero_key, &row));
	cr_assert_eq(if_nametoindex(OV_TUNNEL_NAME), before);
	row.port = 8472;
	upsert(&d[PLAN_TUNNEL], &zero_key, &row, NULL);
	cr_assert(holds(&d[PLAN_TUNNEL], &zero_key, &row));
	remove_it(&d[PLAN_TUNNEL], &zero_key, &row);
	cr_assert_eq(if_nametoindex(OV_TUNNEL_NAME), 0);
	kernel_close(k);
}

Test(kernel, says_who_has_the_tunnels_port)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_tunnel row = { .port = 4789 };
	struct err e = { 0 };

	sh("ip link add vx7 type vxlan id 7 dstport 4789 remote 192.0.2.9 dev up0 && ip link set vx7 up");
	cr_assert_eq(upsert(&d[PLAN_TUNNEL], &zero_key, &row, &e), -EADDRINUSE, "%s", e.text);
	cr_assert(strstr(e.text, "4789") && strstr(e.text, "vx7"), "%s", e.text);
	sh("ip link del vx7 && ip link add vx0 type vxlan external dstport 4789 && ip link set vx0 up");
	e = (struct err){ 0 };
	cr_assert_eq(upsert(&d[PLAN_TUNNEL], &zero_key, &row, &e), -EADDRINUSE, "%s", e.text);
	cr_assert(strstr(e.text, "vx0"), "%s", e.text);
	cr_assert_eq(if_nametoindex(OV_TUNNEL_NAME), 0, "nothing half-made");
	kernel_close(k);
}

Test(kernel, says_that_a_socket_has_the_tunnels_port)
{
	struct sockaddr_storage any = { .ss_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_tunnel row = { .port = 4789 };
	struct err e = { 0 };

	((uint8_t *)&any)[2] = 4789 >> 8;
	((uint8_t *)&any)[3] = 4789 & 0xff;
	must(bind(fd, (struct sockaddr *)&any, 16), "bind");
	cr_assert_eq(upsert(&d[PLAN_TUNNEL], &zero_key, &row, &e), -EADDRINUSE, "%s", e.text);
	cr_assert(strstr(e.text, "UDP port 4789 is in use"), "%s", e.text);
	cr_assert_eq(if_nametoindex(OV_TUNNEL_NAME), 0);
	close(fd);
	kernel_close(k);
}

/* ---- maps ---- */

Test(kernel, keeps_map_rows_over_a_restart_and_reads_many_of_them)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct ov_endpoint value = { .ifindex = 7 };
	struct plan_table t;

	for (uint32_t i = 0; i < 20000; i++) {
		struct ov_endpoint_key key = { .addr = addr_from_v4(0x0a000000 + i), .vni = 4096 };

		upsert(&d[PLAN_ENDPOINTS], &key, &value, NULL);
	}
	kernel_close(k);
	k = open_kernel(d);
	t = look(&d[PLAN_ENDPOINTS]);
	cr_assert_eq(t.count, 20000);
	for (uint32_t i = 0; i < t.count; i++) {
		struct ov_endpoint_key key = { .addr = addr_from_v4(0x0a000000 + i), .vni = 4096 };

		cr_assert_eq(memcmp(plan_row(&t, i), &key, sizeof(key)), 0, "row %u is out of order", i);
		cr_assert_eq(memcmp(plan_row(&t, i) + sizeof(key), &value, sizeof(value)), 0);
	}
	remove_it(&d[PLAN_ENDPOINTS], plan_row(&t, 5), NULL);
	remove_it(&d[PLAN_ENDPOINTS], plan_row(&t, 5), NULL);
	cr_assert_eq(rows(&d[PLAN_ENDPOINTS]), 19999);
	free(t.rows);
	kernel_close(k);
}

Test(kernel, reports_no_configuration_until_there_is_one)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct ov_config c = { .vtep = addr_from_v4(0xc0000201), .flags = OV_CONFIG_READY };

	cr_assert_eq(rows(&d[PLAN_CONFIG]), 0);
	upsert(&d[PLAN_CONFIG], &zero_key, &c, NULL);
	cr_assert(holds(&d[PLAN_CONFIG], &zero_key, &c));
	remove_it(&d[PLAN_CONFIG], &zero_key, &c);
	cr_assert_eq(rows(&d[PLAN_CONFIG]), 0);
	kernel_close(k);
}

/* ---- programs and hooks ---- */

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	must(bpf_obj_get_info_by_fd(fd, &info, &len), "program info");
	return info.id;
}

Test(kernel, keeps_the_same_programs_and_maps_over_a_restart)
{
	uint32_t before[BPF_PROG_COUNT];
	struct bpf_objects *o = NULL;
	struct err e = { 0 };

	cr_assert_eq(bpf_open(&place, &o, &e), 0, "%s", e.text);
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		before[i] = program_id(bpf_program_fd(o, i));
	bpf_close(o);
	cr_assert_eq(bpf_open(&place, &o, &e), 0, "%s", e.text);
	for (int i = 0; i < BPF_PROG_COUNT; i++)
		cr_assert_eq(program_id(bpf_program_fd(o, i)), before[i]);
	bpf_close(o);
}

Test(kernel, does_not_keep_a_program_whose_maps_pin_was_removed)
{
	struct bpf_objects *o = NULL;
	struct err e = { 0 };
	uint32_t before;

	cr_assert_eq(bpf_open(&place, &o, &e), 0, "%s", e.text);
	before = program_id(bpf_program_fd(o, BPF_PROG_ENDPOINT));
	bpf_close(o);
	must(unlink(PINS "/endpoints"), "unlink");
	cr_assert_eq(bpf_open(&place, &o, &e), 0, "%s", e.text);
	cr_assert_neq(program_id(bpf_program_fd(o, BPF_PROG_ENDPOINT)), before);
	bpf_close(o);
}

Test(kernel, names_a_pinned_map_of_another_layout)
{
	struct bpf_objects *o = NULL;
	struct err e = { 0 };
	int fd;

	sh("mkdir -p " PINS);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "peers", 4, 4, 16, NULL);
	must(fd, "map");
	must(bpf_obj_pin(fd, PINS "/peers"), "pin");
	cr_assert_neq(bpf_open(&place, &o, &e), 0);
	cr_assert(strstr(e.text, "v" FORMAT_TEXT(OV_FORMAT) "/peers"), "%s", e.text);
	cr_assert_eq(access(PINS "/peers", F_OK), 0, "what was there must stay");
	close(fd);
}

Test(kernel, leaves_no_pin_when_programs_cannot_be_loaded)
{
	struct bpf_objects *o = NULL;
	struct rlimit limit, few;
	struct err e = { 0 };
	int next = dup(0);

	must(next, "dup");
	close(next);
	/* Room for netlink and for reading directories, but not for six maps. */
	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	few = (struct rlimit){ (rlim_t)next + 5, limit.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &few), "setrlimit");
	cr_assert_neq(bpf_open(&place, &o, &e), 0);
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	cr_assert_neq(e.text[0], '\0');
	cr_assert_neq(access(BPFFS "/deep", F_OK), 0);
}

/* Everything about hooks, on both kinds of them. */
static void use_hooks(bool clsact)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };

	if (clsact)
		bpf_use_clsact(kernel_bpf(k));
	cr_log_info("attach mode: %s", bpf_attach_mode(kernel_bpf(k)));
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	upsert(&d[PLAN_ATTACH], &key, &row, NULL); /* once more changes nothing */
	kernel_close(k);
	k = open_kernel(d);
	if (clsact)
		bpf_use_clsact(kernel_bpf(k));
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row), "a restarted daemon must find it");
	row.program = PROGRAM_TUNNEL; /* as an upgraded program would: replaced in place */
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	remove_it(&d[PLAN_ATTACH], &key, &row);
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert_eq(rows(&d[PLAN_ATTACH]), 0);
	cr_assert_not(sh_ok("tc qdisc show dev up0 | grep -q clsact"));
	kernel_close(k);
}

Test(kernel, attaches_replaces_and_detaches_by_the_best_hook)
{
	use_hooks(false);
}

Test(kernel, attaches_replaces_and_detaches_by_clsact)
{
	use_hooks(true);
}

Test(kernel, leaves_foreign_filters_and_their_qdisc_alone)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };

	bpf_use_clsact(kernel_bpf(k));
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	sh("tc filter add dev up0 egress prio 7 protocol all bpf da pinned " PINS "/prog/ov_uplink");
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert(sh_ok("tc filter show dev up0 egress | grep -q 'pref 7'"));
	cr_assert_not(sh_ok("tc filter show dev up0 ingress | grep -q 'pref 50'"));
	sh("tc filter del dev up0 egress");
	/* The qdisc stays now, because its mark is gone: it is no longer only ours. */
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert(sh_ok("tc qdisc show dev up0 | grep -q clsact"));
	kernel_close(k);
}

Test(kernel, an_endpoints_device_is_up_only_while_the_program_is_on_it)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key device_key = endpoint_key();
	struct plan_device device = endpoint_row(CONTAINER);
	struct plan_attach row = { PROGRAM_ENDPOINT, OV_XDP_OFF };
	struct plan_attach_key key = { 0, HOOK_TC_INGRESS };

	upsert(&d[PLAN_DEVICES], &device_key, &device, NULL);
	key.ifindex = if_nametoindex(device.name);
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(sh_ok("ip link show dev ovabababababab | grep -q '[<,]UP'"));
	cr_assert(sh_ok("test -z \"$(ip addr show dev ovabababababab | grep inet)\""),
		  "our side must have no address");
	cr_assert(holds(&d[PLAN_DEVICES], &device_key, &device));
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	sh("ip link set ovabababababab down");
	cr_assert_eq(rows(&d[PLAN_ATTACH]), 0, "a silent device must not pass for attached");
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert_not(sh_ok("ip link show dev ovabababababab | grep -q '[<,]UP'"));
	/* The device goes with its program on: the pin of the dead link must not stay. */
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	remove_it(&d[PLAN_DEVICES], &device_key, &device);
	cr_assert_eq(rows(&d[PLAN_ATTACH]), 0);
	cr_assert(sh_ok("test -z \"$(ls " PINS "/link)\""));
	kernel_close(k);
}

Test(kernel, puts_xdp_on_changes_its_mode_and_takes_it_off)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_XDP };
	struct plan_attach row = { PROGRAM_UPLINK_GENERIC, OV_XDP_GENERIC };

	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	row = (struct plan_attach){ PROGRAM_UPLINK_XDP, OV_XDP_NATIVE };
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert_eq(rows(&d[PLAN_ATTACH]), 0);
	cr_assert_not(sh_ok("ip link show dev up0 | grep -q xdp"));
	kernel_close(k);
}

Test(kernel, leaves_a_foreign_xdp_program_alone)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_XDP };
	struct plan_attach row = { PROGRAM_UPLINK_GENERIC, OV_XDP_GENERIC };
	struct err e = { 0 };

	sh("ip link set up0 xdpgeneric pinned " PINS "/prog/ov_uplink_xdp");
	cr_assert_eq(upsert(&d[PLAN_ATTACH], &key, &row, &e), -EBUSY);
	cr_assert(strstr(e.text, "up0") && strstr(e.text, "--xdp off"), "%s", e.text);
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert(sh_ok("ip link show dev up0 | grep -q xdpgeneric"));
	kernel_close(k);
}

static char *snapshot(void)
{
	FILE *f = popen("ip -d link; ip -4 addr; tc qdisc; for d in up0 lo; do "
			"tc filter show dev $d ingress; tc filter show dev $d egress; done 2>&1; "
			"nsenter --net=" CONTAINER " sh -c 'ip rule; ip route'; "
			"find " BPFFS, "r");
	char *text = calloc(1, 65536);

	cr_assert(f && text);
	cr_assert_gt(fread(text, 1, 65535, f), 0);
	pclose(f);
	return text;
}

static void detach_all(bool clsact)
{
	char *before, *after;
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key device_key = endpoint_key();
	struct plan_device device = endpoint_row(CONTAINER);
	struct plan_tunnel tunnel = { .port = 4789 };
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };
	struct err e = { 0 };

	kernel_close(k);
	cr_assert_eq(kernel_detach(&place, &e), 0, "%s", e.text);
	/* the kernel tells a new link's state in its own time */
	sh("until [ $(ip link | grep -c 'up[01]@.*state UP') = 2 ]; do sleep 0.02; done");
	before = snapshot();
	k = open_kernel(d);
	if (clsact)
		bpf_use_clsact(kernel_bpf(k));
	upsert(&d[PLAN_TUNNEL], &zero_key, &tunnel, NULL);
	upsert(&d[PLAN_DEVICES], &device_key, &device, NULL);
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	key.ifindex = if_nametoindex(device.name);
	row.program = PROGRAM_ENDPOINT;
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	key = (struct plan_attach_key){ if_nametoindex("up0"), HOOK_XDP };
	row = (struct plan_attach){ PROGRAM_UPLINK_GENERIC, OV_XDP_GENERIC };
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	kernel_close(k);
	sh("mkdir -p " BPFFS "/deep/overlayd/v7/prog"); /* of a later format */
	cr_assert_eq(kernel_detach(&place, &e), 0, "%s", e.text);
	after = snapshot();
	cr_assert_str_eq(after, before);
	cr_assert_not(strstr(after, "deep"));
	cr_assert_eq(kernel_detach(&place, &e), 0, "%s", e.text);
	free(before);
	free(after);
}

Test(kernel, detach_leaves_the_host_as_it_was)
{
	detach_all(false);
}

Test(kernel, detach_leaves_the_host_as_it_was_with_clsact)
{
	detach_all(true);
}

Test(kernel, detach_spares_a_foreign_device_in_our_group)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_device_key key = endpoint_key();
	struct plan_device row = endpoint_row(CONTAINER);
	struct err e = { 0 };

	upsert(&d[PLAN_DEVICES], &key, &row, NULL);
	kernel_close(k);
	sh("ip link set up1 group %d", LINK_GROUP_OURS); /* in_our_group, not ours */
	cr_assert_eq(kernel_detach(&place, &e), 0, "%s", e.text);
	cr_assert_neq(if_nametoindex("up1"), 0);
	cr_assert_eq(if_nametoindex(row.name), 0);
}

/* ---- another format ---- */

/* A map and a program as an older build would have left them, with the same names. */
static void make_older_pins(const char *dir)
{
	const struct bpf_insn pass[] = {
		{ .code = 0xb7, .dst_reg = 0, .imm = -1 }, /* r0 = TC_ACT_UNSPEC */
		{ .code = 0x95 },                          /* exit */
	};
	_cleanup_(closep) int map = bpf_map_create(BPF_MAP_TYPE_HASH, "peers", 4, 4, 16, NULL);
	_cleanup_(closep) int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ov_uplink", "GPL", pass,
						   ARRAY_SIZE(pass), NULL);
	char path[128];

	sh("mkdir -p %s/prog %s/link", dir, dir);
	must(map, "map");
	must(prog, "program");
	snprintf(path, sizeof(path), "%s/peers", dir);
	must(bpf_obj_pin(map, path), path);
	snprintf(path, sizeof(path), "%s/prog/ov_uplink", dir);
	must(bpf_obj_pin(prog, path), path);
}

static struct bpf_link_info link_info(const char *path)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	_cleanup_(closep) int fd = bpf_obj_get(path);

	must(fd, path);
	must(bpf_obj_get_info_by_fd(fd, &info, &len), "link info");
	return info;
}

static void forget_older(struct kernel *k)
{
	struct err e = { 0 };

	cr_assert_eq(kernel_forget_older(k, &e), 0, "%s", e.text);
}

Test(kernel, takes_over_the_links_of_an_older_format_and_then_removes_it)
{
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };
	struct bpf_link_info before, now;
	struct driver d[PLAN_TABLE_COUNT];
	struct bpf_objects *o = NULL;
	char old[128], new[128];
	struct err e = { 0 };
	struct kernel *k;
	int prog, link;

	make_older_pins(PIN_ROOT "/v1");
	prog = bpf_obj_get(PIN_ROOT "/v1/prog/ov_uplink");
	must(prog, "pinned program");
	link = bpf_link_create(prog, (int)key.ifindex, 46 /* BPF_TCX_INGRESS */, NULL);
	if (link < 0)
		cr_skip("this kernel has no tcx");
	snprintf(old, sizeof(old), PIN_ROOT "/v1/link/tc-%u", key.ifindex);
	snprintf(new, sizeof(new), PINS "/link/tc-%u", key.ifindex);
	must(bpf_obj_pin(link, old), old);
	close(link);
	close(prog);
	before = link_info(old);

	k = open_kernel(d);
	o = kernel_bpf(k);
	cr_assert_neq(access(old, F_OK), 0);
	now = link_info(new);
	cr_assert(now.id == before.id && now.prog_id == before.prog_id, "the old program goes on");
	cr_assert_not(holds(&d[PLAN_ATTACH], &key, &row), "the plan must want to replace it");
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	now = link_info(new);
	cr_assert_eq(now.id, before.id, "the same link, so that no packet met a gap");
	cr_assert_eq(now.prog_id, program_id(bpf_program_fd(o, BPF_PROG_UPLINK)));
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	cr_assert_eq(access(PIN_ROOT "/v1/peers", F_OK), 0, "it goes last");
	forget_older(k);
	cr_assert_neq(access(PIN_ROOT "/v1", F_OK), 0);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	forget_older(k);
	kernel_close(k);
	cr_assert_eq(kernel_detach(&place, &e), 0, "%s", e.text);
	cr_assert_neq(access(PIN_ROOT, F_OK), 0);
}

Test(kernel, takes_over_the_filters_of_an_older_format_and_knows_its_own_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("up0"),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 0x6f76, .priority = 50);
	struct plan_attach_key key = { if_nametoindex("up0"), HOOK_TC_INGRESS };
	struct plan_attach row = { PROGRAM_UPLINK, OV_XDP_OFF };
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k;
	uint32_t before;

	make_older_pins(PIN_ROOT "/v1");
	filter.prog_fd = bpf_obj_get(PIN_ROOT "/v1/prog/ov_uplink");
	must(filter.prog_fd, "pinned program");
	must(bpf_tc_hook_create(&hook), "clsact");
	must(bpf_tc_attach(&hook, &filter), "filter");
	close(filter.prog_fd);
	before = filter.prog_id;
	sh("mkdir " PIN_ROOT "/v1/link/clsact-%u", key.ifindex);

	k = open_kernel(d);
	bpf_use_clsact(kernel_bpf(k));
	cr_assert_not(holds(&d[PLAN_ATTACH], &key, &row));
	upsert(&d[PLAN_ATTACH], &key, &row, NULL);
	filter = (struct bpf_tc_opts){ .sz = sizeof(filter), .handle = 0x6f76, .priority = 50 };
	must(bpf_tc_query(&hook, &filter), "filter");
	cr_assert_neq(filter.prog_id, before);
	cr_assert_eq(filter.prog_id, program_id(bpf_program_fd(kernel_bpf(k), BPF_PROG_UPLINK)));
	forget_older(k);
	cr_assert_neq(access(PIN_ROOT "/v1", F_OK), 0);
	cr_assert(holds(&d[PLAN_ATTACH], &key, &row));
	remove_it(&d[PLAN_ATTACH], &key, &row);
	cr_assert_not(sh_ok("tc qdisc show dev up0 | grep -q clsact"), "the mark came along");
	kernel_close(k);
}

Test(kernel, touches_nothing_of_an_older_format_when_it_cannot_start_itself)
{
	struct bpf_objects *o = NULL;
	struct err e = { 0 };
	int fd;

	make_older_pins(PIN_ROOT "/v1");
	sh("mkdir -p " PIN_ROOT "/v1/link/clsact-7 " PINS);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "peers", 4, 4, 16, NULL);
	must(fd, "map");
	must(bpf_obj_pin(fd, PINS "/peers"), "pin");
	close(fd);
	cr_assert_neq(bpf_open(&place, &o, &e), 0);
	cr_assert_eq(access(PIN_ROOT "/v1/link/clsact-7", F_OK), 0);
	cr_assert_eq(access(PIN_ROOT "/v1/prog/ov_uplink", F_OK), 0);
}
