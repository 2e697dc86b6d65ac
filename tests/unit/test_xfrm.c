/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies of XFRM in a namespace of its own; needs root. SAs need a kernel with ESP, so
 * they are tested in virtual machines (tests/xfrm).
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apply/facts.h"
#include "base/cleanup.h"
#include "sys/nl.h"
#include "sys/xfrm.h"
#include "tests/lib/world.h"

TestSuite(xfrm, .init = make_world);

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static struct nl *open_xfrm(void)
{
	struct nl *n = NULL;

	must(nl_open_bus(NETLINK_XFRM, &n), "a socket of XFRM");
	return n;
}

static struct xfrm_policy policy(uint8_t lane, uint32_t spi)
{
	return (struct xfrm_policy){
		.src = addr("192.0.2.1"), .dst = addr("192.0.2.2"), .port = 4789,
		.mark = OV_IPSEC_MARK | lane, .mask = OV_IPSEC_MARK_MASK,
		.spi = spi, .reqid = OV_IPSEC_REQID,
	};
}

static bool policy_equal(const struct xfrm_policy *a, const struct xfrm_policy *b)
{
	return !addr_cmp(&a->src, &b->src) && !addr_cmp(&a->dst, &b->dst) && a->port == b->port &&
	       a->mark == b->mark && a->mask == b->mask && a->priority == b->priority &&
	       a->is_block == b->is_block && a->spi == b->spi && a->reqid == b->reqid;
}

/* That one is there, and `count` are in all. */
static void expect_policy(struct nl *n, const struct xfrm_policy *p, size_t count)
{
	_cleanup_(freep) struct xfrm_policy *list = NULL;
	size_t got = 0, same = 0;

	must(xfrm_policy_list(n, &list, &got), nl_why(n));
	for (size_t i = 0; i < got; i++)
		same += policy_equal(&list[i], p);
	cr_assert_eq(got, count);
	cr_assert_eq(same, count != 0);
}

Test(xfrm, a_policy_is_made_changed_in_place_listed_and_removed)
{
	_cleanup_(nl_closep) struct nl *n = open_xfrm();
	struct xfrm_policy p = policy(1, 0x7001), other = policy(2, 0x7002);

	must(xfrm_policy_set(n, &p), nl_why(n));
	expect_policy(n, &p, 1);
	p.spi = 0x9001;
	must(xfrm_policy_set(n, &p), nl_why(n));
	expect_policy(n, &p, 1);
	must(xfrm_policy_set(n, &other), nl_why(n));
	expect_policy(n, &other, 2);
	must(xfrm_policy_delete(n, &p), nl_why(n));
	expect_policy(n, &other, 1);
	must(xfrm_policy_delete(n, &p), "what is gone");
	must(xfrm_policy_delete(n, &other), nl_why(n));
	expect_policy(n, &p, 0);
}

Test(xfrm, a_policy_that_blocks_has_no_template)
{
	_cleanup_(nl_closep) struct nl *n = open_xfrm();
	struct xfrm_policy p = { .mark = OV_IPSEC_MARK, .mask = OV_IPSEC_BLOCK_MASK,
				 .priority = 1, .is_block = true };

	must(xfrm_policy_set(n, &p), nl_why(n));
	expect_policy(n, &p, 1);
	must(xfrm_policy_delete(n, &p), nl_why(n));
	expect_policy(n, &p, 0);
}

/* ---- the driver ---- */

static const struct plan_policy_key block_key = { .lane = PLAN_LANE_BLOCK };

/* What a plan has before policies. */
static void make_tunnel(const struct driver *d)
{
	upsert(&d[PLAN_TUNNEL], &zero_key, &(struct plan_tunnel){ .port = 4789 }, NULL);
}

/* A datagram with that mark: 0 or the error of sending it. */
static int send_to(const char *to, uint32_t mark, const char *text)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(4789) };

	cr_assert_eq(inet_pton(AF_INET, to, &sin.sin_addr), 1);
	must(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), "SO_MARK");
	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sin, sizeof(sin)) < 0 ? -errno : 0;
}

static int send_marked(const char *to, uint32_t mark)
{
	return send_to(to, mark, "x");
}

Test(xfrm, what_blocks_keeps_marked_packets_from_leaving_whoever_lets_all_pass)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };

	make_tunnel(d);
	sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev up0");
	sh("ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.9/32 priority 2 action allow");
	cr_assert_eq(send_marked("192.0.2.9", OV_IPSEC_MARK | 2), 0);
	upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
	for (uint32_t lane = 0; lane < 256; lane++)
		cr_assert_eq(send_marked("192.0.2.9", OV_IPSEC_MARK | lane), -EPERM);
	cr_assert_eq(send_marked("192.0.2.9", OV_IPSEC_MARK ^ 0x10000), 0, "another mark");
	cr_assert_eq(send_marked("192.0.2.9", 0), 0);
	remove_it(&d[PLAN_POLICIES], &block_key, &row);
	cr_assert_eq(send_marked("192.0.2.9", OV_IPSEC_MARK | 2), 0);
	kernel_close(k);
}

static struct plan_policy_key lane_key(uint8_t lane)
{
	return (struct plan_policy_key){ .dst = addr("192.0.2.2"), .src = addr("192.0.2.1"),
					 .port = 4789, .lane = lane };
}

Test(xfrm, the_driver_knows_ours_and_leaves_what_is_not)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };

	sh("ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.2/32 proto udp dport 4789 "
	   "mark 0x6f760001 mask 0xffff00ff tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel");
	sh("ip xfrm policy add dir out src 0.0.0.0/0 dst 0.0.0.0/0 action block mark 0x6f760000 mask 0xfffff000");
	sh("ip xfrm policy add dir in src 0.0.0.0/0 dst 0.0.0.0/0 action block mark 0x6f760000 mask 0xffff0000");
	make_tunnel(d);
	cr_assert_eq(rows(&d[PLAN_POLICIES]), 0);
	upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
	cr_assert(holds(&d[PLAN_POLICIES], &block_key, &row));
	kernel_close(k);
	k = open_kernel(d);
	cr_assert(holds(&d[PLAN_POLICIES], &block_key, &row), "by a restarted daemon");
	kernel_close(k);
	must(kernel_detach(&place, &(struct err){ 0 }), "detach");
	k = open_kernel(d);
	cr_assert_eq(rows(&d[PLAN_POLICIES]), 0);
	cr_assert(sh_ok("test $(ip xfrm policy | grep -c '^src') = 3"), "the others are left alone");
	kernel_close(k);
}

static bool leads_to_tunnel(const char *mark)
{
	char command[128];

	snprintf(command, sizeof(command), "ip route get 192.0.2.9 mark %s | grep -q 'dev ovtunnel '", mark);
	return sh_ok(command);
}

Test(xfrm, the_guard_leads_marked_packets_back_into_the_tunnel)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };

	make_tunnel(d);
	cr_assert_not(leads_to_tunnel("0x6f760000"));
	upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
	cr_assert(leads_to_tunnel("0x6f760000") && leads_to_tunnel("0x6f7600ff"));
	cr_assert_not(leads_to_tunnel("0x6f750000") || leads_to_tunnel("0"));
	remove_it(&d[PLAN_POLICIES], &block_key, &row);
	cr_assert_not(leads_to_tunnel("0x6f760000"));
	cr_assert(sh_ok("test -z \"$(ip route show table all proto 111; ip rule | grep 0x6f76)\""));
	kernel_close(k);
}

/* By a route with an encapsulation into the tunnel device, as programs would redirect it there. */
static void reach_by_tunnel(const char *table)
{
	sh("ip route add 10.9.9.9/32 encap ip id 7 src 192.0.2.1 dst 192.0.2.9 dev ovtunnel "
	   "src 10.9.9.1 table %s", table);
}

static unsigned int heard_on_up1(const char *text)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0800),
				  .sll_ifindex = (int)if_nametoindex("up1") };
	_cleanup_(closep) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0800));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned int heard = 0;
	uint8_t frame[2048];

	must(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), "bind");
	send_to("10.9.9.9", OV_IPSEC_MARK, text);
	send_to("10.9.9.9", 0, "in the clear");
	while (!heard && poll(&p, 1, 5000) > 0) {
		ssize_t n = recv(fd, frame, sizeof(frame), 0);

		if (memmem(frame, (size_t)n, text, strlen(text)))
			heard++;
		else if (memmem(frame, (size_t)n, "in the clear", 12))
			break; /* it was sent later */
	}
	return heard;
}

Test(xfrm, the_guard_keeps_packets_from_leaving_in_the_clear_when_policies_are_gone)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };

	make_tunnel(d);
	sh("ip addr add 10.9.9.1/32 dev lo; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev up0; "
	   "ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:99 dev ovtunnel");
	reach_by_tunnel("main");
	cr_assert_eq(heard_on_up1("without a guard"), 1);
	reach_by_tunnel("1870004224");
	upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
	cr_assert_eq(heard_on_up1("by the policy"), 0);
	sh("ip xfrm policy flush");
	cr_assert_eq(heard_on_up1("by the guard"), 0);
	sh("sysctl -qw net.ipv4.conf.all.disable_xfrm=1 && ip route flush cache");
	upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
	cr_assert_eq(heard_on_up1("whatever is set"), 0);
	kernel_close(k);
}

Test(xfrm, what_is_left_of_the_guard_and_the_policy_is_mended_or_removed)
{
	static const char *const breaks[] = { "ip rule del pref 111", "ip xfrm policy flush",
					      "ip route flush table 1870004224", "ip link del ovtunnel" };
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		make_tunnel(d);
		upsert(&d[PLAN_POLICIES], &block_key, &row, NULL);
		cr_assert(holds(&d[PLAN_POLICIES], &block_key, &row));
		sh("%s", breaks[i]);
		cr_assert_eq(rows(&d[PLAN_POLICIES]), 1, "still to be removed after: %s", breaks[i]);
		cr_assert_not(holds(&d[PLAN_POLICIES], &block_key, &row), "%s", breaks[i]);
	}
	remove_it(&d[PLAN_POLICIES], &block_key, &row);
	cr_assert_eq(rows(&d[PLAN_POLICIES]), 0);
	cr_assert(sh_ok("test -z \"$(ip rule | grep 0x6f76; ip xfrm policy)\""));
	kernel_close(k);
}

Test(xfrm, a_rule_of_somebody_else_before_the_guard_is_told)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy row = { 0 };
	struct err e = { 0 };

	make_tunnel(d);
	sh("ip route add 240.0.0.0/4 dev up0 && ip rule add pref 5 lookup main");
	cr_assert_eq(upsert(&d[PLAN_POLICIES], &block_key, &row, &e), -EEXIST);
	cr_assert(strstr(e.text, "priority above 111"), "%s", e.text);
	kernel_close(k);
}

Test(xfrm, a_policy_waits_for_its_sa_and_an_sa_without_a_key_waits_too)
{
	struct driver d[PLAN_TABLE_COUNT];
	struct kernel *k = open_kernel(d);
	struct plan_policy_key key = lane_key(1);
	struct plan_policy policy_row = { .spi = 0x7001 };
	struct plan_sa_key sa_key = { .dst = addr("192.0.2.2"), .spi = 0x7001 };
	struct plan_sa sa_row = { .src = addr("192.0.2.1") };
	struct err e = { 0 };

	cr_assert_eq(d[PLAN_SAS].upsert(d[PLAN_SAS].ctx, (void *)&sa_key, (void *)&sa_row, false, &e),
		     APPLY_LATER);
	cr_assert_eq(d[PLAN_SAS].remove(d[PLAN_SAS].ctx, (void *)&sa_key, (void *)&sa_row, &e), 0);
	cr_assert_eq(d[PLAN_POLICIES].upsert(d[PLAN_POLICIES].ctx, (void *)&key, (void *)&policy_row,
					     false, &e), APPLY_LATER);
	cr_assert_eq(d[PLAN_SAS].remove(d[PLAN_SAS].ctx, (void *)&sa_key, (void *)&sa_row, &e),
		     APPLY_LATER, "what a policy may be sending with stays");
	cr_assert_eq(e.code, 0, "and nobody is told");
	cr_assert_eq(rows(&d[PLAN_POLICIES]), 0);
	cr_assert_eq(d[PLAN_SAS].remove(d[PLAN_SAS].ctx, (void *)&sa_key, (void *)&sa_row, &e), 0);
	kernel_close(k);
}

Test(xfrm, what_others_remove_is_heard_of_and_nothing_else)
{
	_cleanup_(nl_closep) struct nl *n = open_xfrm();
	struct xfrm_policy p = policy(1, 0x7001);
	struct facts_source *f = NULL;
	struct err e = { 0 };

	cr_assert_eq(facts_open("up0", &f, &e), 0, "%s", e.text);
	sh("ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.9/32");
	cr_assert_not(facts_drain(f));
	cr_assert_not(facts_lost_ipsec(f));
	sh("ip xfrm policy flush");
	cr_assert(facts_drain(f));
	cr_assert(facts_lost_ipsec(f));
	cr_assert_not(facts_drain(f) || facts_lost_ipsec(f), "once");
	must(xfrm_policy_set(n, &p), nl_why(n));
	must(xfrm_policy_delete(n, &p), nl_why(n));
	cr_assert_not(facts_drain(f) || facts_lost_ipsec(f), "what we did ourselves");
	facts_close(f);
}

Test(xfrm, a_setting_that_passes_ipsec_by_is_told)
{
	struct err e = { 0 };

	cr_assert_eq(facts_can_encrypt(&e), 0, "%s", e.text);
	sh("sysctl -qw net.ipv4.conf.all.disable_xfrm=1");
	cr_assert_eq(facts_can_encrypt(&e), -EOPNOTSUPP);
	cr_assert(strstr(e.text, "all/disable_xfrm is 1"), "%s", e.text);
}

Test(xfrm, a_kernel_that_is_not_able_is_told_by_what_it_lacks)
{
	struct err e = { 0 };
	int r = xfrm_probe(&e);

	if (!r)
		return; /* this one is able: tests/xfrm says what then */
	cr_assert_eq(r, -EOPNOTSUPP);
	cr_assert(strstr(e.text, "CONFIG_") && strstr(e.text, "module"), "%s", e.text);
}
