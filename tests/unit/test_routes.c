/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's routes and rules, by the driver of endpoint devices alone; needs root. */
#include <criterion/criterion.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/drivers.h"
#include "base/cleanup.h"
#include "sys/nl.h"
#include "tests/lib/world.h"

TestSuite(routes, .init = make_world);

/* The endpoint 10.10.N.2 on eth<N - 1> in that namespace. */
struct end {
	struct plan_device_key key;
	struct plan_device row;
};

static struct end end_of(const char *netns, uint8_t n)
{
	struct end e = { .row = endpoint_row(netns) };

	memset(&e.key, n, sizeof(e.key));
	plan_device_name(&e.key.endpoint, e.row.name);
	snprintf(e.row.ifname, sizeof(e.row.ifname), "eth%u", n - 1);
	e.row.addr = addr_from_v4(0x0a0a0002u + ((uint32_t)n << 8));
	e.row.gateway = addr_from_v4(0x0a0a0001u + ((uint32_t)n << 8));
	e.row.mac[5] = n;
	return e;
}

static struct driver open_driver(struct nl **ret_nl)
{
	struct driver d;

	must(nl_open(ret_nl), "netlink");
	device_driver(*ret_nl, &d);
	return d;
}

static void put(const struct driver *d, const struct end *e)
{
	upsert(d, &e->key, &e->row, NULL);
}

static void take(const struct driver *d, const struct end *e)
{
	remove_it(d, &e->key, &e->row);
}

/* The endpoint is read back as it was asked for. */
static bool is_right(const struct driver *d, const struct end *e)
{
	struct plan_table t = look(d);
	bool right = false;

	for (size_t i = 0; i < t.count; i++)
		if (!memcmp(plan_row(&t, i), &e->key, sizeof(e->key)))
			right = !memcmp(plan_row(&t, i) + t.key_size, &e->row, sizeof(e->row));
	free(t.rows);
	return right;
}

#define OURS "ip rule show | grep -q 28534:"

Test(routes, lead_out_by_the_gateway_and_are_marked_as_ours)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1);

	put(&d, &e);
	cr_assert(is_right(&d, &e));
	cr_assert(inside(CONTAINER, "ip route show default | "
			 "grep -q \"via 10.10.1.1 dev eth0 proto 111\""));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 from 10.10.1.2 | "
			 "grep -q \"via 10.10.1.1 dev eth0\""));
	cr_assert(inside(CONTAINER, "ip route get 10.10.1.9 from 10.10.1.2 | grep -q \"dev eth0\""));
	cr_assert_not(inside(CONTAINER, "ip route get 10.10.1.9 from 10.10.1.2 | grep -q via"),
		      "a neighbour is no matter of the gateway's");
	cr_assert(inside(CONTAINER, "ip -N rule show | grep -q \"28534:.*from 10.10.1.2 lookup "
			 "$((0x6f760000 + $(cat /sys/class/net/eth0/ifindex))) proto 111\" || "
			 "ip -N -d rule show | grep -q \"28534:.*from 10.10.1.2 lookup "
			 "$((0x6f760000 + $(ip -o link show eth0 | cut -d: -f1))) .*111\""));
}

Test(routes, of_the_first_network_win_and_go_on_to_the_next)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end a = end_of(CONTAINER, 1), b = end_of(CONTAINER, 2), c = end_of(CONTAINER, 3);

	put(&d, &a);
	put(&d, &b);
	put(&d, &c);
	cr_assert(is_right(&d, &a) && is_right(&d, &b) && is_right(&d, &c));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 | grep -q \"via 10.10.1.1 dev eth0\""));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 from 10.10.2.2 | "
			 "grep -q \"via 10.10.2.1 dev eth1\""));
	cr_assert(inside(CONTAINER, "ip route get 10.10.3.7 from 10.10.2.2 | "
			 "grep -q \"via 10.10.2.1 dev eth1\""),
		  "who was called on one network answers by it, whoever called");
	cr_assert(inside(CONTAINER, "test $(ip route show default | wc -l) = 1"));
	take(&d, &a);
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 | grep -q \"via 10.10.2.1 dev eth1\""));
	cr_assert(is_right(&d, &b) && is_right(&d, &c));
	take(&d, &c);
	take(&d, &b);
	cr_assert(inside(CONTAINER, "test -z \"$(ip route show table all | grep -v \"table local\")\""));
	cr_assert_not(inside(CONTAINER, OURS), "a rule outlived its endpoint");
}

#define DEFAULT(dev) "test \"$(ip -o route show default | sed \"s/.* dev \\([^ ]*\\).*/\\1/\")\" = " dev

/* Whichever comes first; back to the internal one when it is the last. */
Test(routes, of_an_internal_network_are_the_default_only_where_no_other_is)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end a = end_of(CONTAINER, 1), b = end_of(CONTAINER, 2), c = end_of(CONTAINER, 3);

	a.row.internal = c.row.internal = 1;
	put(&d, &a);
	cr_assert(is_right(&d, &a));
	cr_assert(inside(CONTAINER, DEFAULT("eth0")), "what is published there needs it");
	put(&d, &b);
	cr_assert(is_right(&d, &a) && is_right(&d, &b));
	cr_assert(inside(CONTAINER, DEFAULT("eth1")));
	put(&d, &c);
	cr_assert(is_right(&d, &a) && is_right(&d, &b) && is_right(&d, &c));
	cr_assert(inside(CONTAINER, DEFAULT("eth1")));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 from 10.10.1.2 | "
			 "grep -q \"via 10.10.1.1 dev eth0\""), "answers go the way the call came");
	take(&d, &b);
	cr_assert(is_right(&d, &a) && is_right(&d, &c));
	cr_assert(inside(CONTAINER, DEFAULT("eth0")));
	take(&d, &a);
	cr_assert(inside(CONTAINER, DEFAULT("eth2")));
}

Test(routes, of_a_network_that_is_found_to_be_internal_are_mended)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end a = end_of(CONTAINER, 1), b = end_of(CONTAINER, 2);

	put(&d, &a);
	put(&d, &b);
	a.row.internal = 1; /* an earlier version made no difference */
	cr_assert_not(is_right(&d, &a));
	put(&d, &a);
	cr_assert(is_right(&d, &a) && is_right(&d, &b));
	cr_assert(inside(CONTAINER, DEFAULT("eth1")));
	inside(CONTAINER, "ip route add default via 10.10.1.1 proto 111 metric 28534");
	cr_assert_not(is_right(&d, &a), "two of ours");
	put(&d, &a);
	cr_assert(inside(CONTAINER, DEFAULT("eth1")));
	inside(CONTAINER, "ip route replace default via 10.10.2.9 dev eth1");
	cr_assert(is_right(&d, &a) && is_right(&d, &b), "somebody else's is respected");
}

Test(routes, leave_a_default_route_that_is_there_alone)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1);

	inside(CONTAINER, "ip link add d0 type veth peer name d1 && ip link set d1 up && "
	       "ip addr add 192.168.9.2/24 dev d0 && ip link set d0 up && "
	       "ip route add default via 192.168.9.1 metric 50");
	put(&d, &e);
	cr_assert(is_right(&d, &e));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 | grep -q \"via 192.168.9.1 dev d0\""));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 from 10.10.1.2 | grep -q \"dev eth0\""));
	take(&d, &e);
	cr_assert(inside(CONTAINER, "ip route show default | grep -q 192.168.9.1"));
	cr_assert_not(inside(CONTAINER, OURS));
}

static const char *const damages[] = {
	"ip route del default",
	"ip route flush table $((0x6f760000 + $(ip -o link show eth0 | cut -d: -f1)))",
	"ip route del 10.10.1.0/24 table $((0x6f760000 + $(ip -o link show eth0 | cut -d: -f1)))",
	"ip route replace default via 10.10.1.99 proto 111",
	"ip rule del pref 28534",
	"ip rule del pref 28534 && ip rule add from 10.10.1.77 pref 28534 protocol 111 table "
	"$((0x6f760000 + $(ip -o link show eth0 | cut -d: -f1)))",
	"ip link set eth0 down && ip link set eth0 up",
	"ip addr flush dev eth0",
};

Test(routes, are_mended_in_place)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1);
	unsigned int before;

	put(&d, &e);
	before = if_nametoindex(e.row.name);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		cr_assert(inside(CONTAINER, damages[i]), "%s", damages[i]);
		cr_assert_not(is_right(&d, &e), "unseen: %s", damages[i]);
		put(&d, &e);
		cr_assert(is_right(&d, &e), "not mended: %s", damages[i]);
		cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 | grep -q 10.10.1.1"));
		cr_assert(inside(CONTAINER, "test $(ip rule show | wc -l) = 4"), "%s", damages[i]);
	}
	cr_assert_eq(if_nametoindex(e.row.name), before, "it was made anew");
}

Test(routes, follow_another_address_and_gateway_and_leave_others_rules_alone)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1);

	put(&d, &e);
	cr_assert(inside(CONTAINER, "ip rule add from 10.10.1.2 pref 100 table main"));
	e.row.addr = addr_from_v4(0x0a0a0505);
	e.row.gateway = addr_from_v4(0x0a0a05fe);
	cr_assert_not(is_right(&d, &e));
	put(&d, &e);
	cr_assert(is_right(&d, &e));
	cr_assert(inside(CONTAINER, "ip route show default | grep -q \"via 10.10.5.254 dev eth0\""));
	cr_assert(inside(CONTAINER, "test $(ip rule show | grep -c 28534:) = 1"));
	cr_assert(inside(CONTAINER, "ip rule show | grep -q ^100:"));
	memset(&e.row.gateway, 0, sizeof(e.row.gateway));
	put(&d, &e);
	cr_assert(is_right(&d, &e));
	cr_assert_not(inside(CONTAINER, OURS));
	cr_assert(inside(CONTAINER, "test -z \"$(ip route show default)\""));
}

Test(routes, of_a_device_that_somebody_deleted_are_cleaned_up_with_the_next)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1);

	put(&d, &e);
	sh("ip link del %s", e.row.name);
	cr_assert(inside(CONTAINER, OURS), "rules do not go with a device");
	put(&d, &e);
	cr_assert(is_right(&d, &e));
	cr_assert(inside(CONTAINER, "test $(ip rule show | grep -c 28534:) = 1"));
}

Test(routes, go_along_to_another_namespace)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end e = end_of(CONTAINER, 1), moved = end_of(OTHER, 1);

	put(&d, &e);
	put(&d, &moved);
	cr_assert(is_right(&d, &moved));
	cr_assert_not(inside(CONTAINER, OURS));
	cr_assert(inside(OTHER, OURS));
}

/* Half of what a kill leaves behind: any step may be missing. */
Test(routes, are_right_again_after_a_kill_at_any_step)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct driver d = open_driver(&nl);
	struct end a = end_of(CONTAINER, 1), b = end_of(CONTAINER, 2);

	put(&d, &a);
	put(&d, &b);
	/* Killed after a's device went and before the default route passed on. */
	sh("ip link del %s", a.row.name);
	cr_assert_not(is_right(&d, &b), "nobody has a default route");
	put(&d, &b);
	cr_assert(is_right(&d, &b));
	cr_assert(inside(CONTAINER, "ip route get 8.8.8.8 | grep -q \"via 10.10.2.1\""));
	cr_assert(inside(CONTAINER, "test $(ip rule show | grep -c 28534:) = 1"));
}
