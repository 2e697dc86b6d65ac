/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doctor makes of what was seen; and what nodes ask each other for it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"

static struct doctor_seen seen;
static struct findings found;

/* A host and a peer on which nothing is wrong. */
static void setup(void)
{
	struct node n = { .id = { { 2 } }, .name = "h2", .version = "0.1.0" };
	struct doctor_peer *p;

	seen = (struct doctor_seen){
		.release = "6.12", .attach_mode = "tcx", .xdp_mode = "off", .xdp_why = "asked for",
		.can_encrypt = true, .uplink = "eth0", .uplink_up = true, .uplink_mtu = 1500,
		.vxlan_port = 4789, .gossip_port = 7946, .version = "0.1.0",
	};
	p = doctor_peer_add(&seen, &n);
	snprintf(p->status, sizeof(p->status), "alive");
	p->has_route = p->udp_answered = p->tcp_answered = p->tcp_heard = p->has_answer = true;
	p->sent_size = p->there_size = p->back_size = 1500;
	doctor_inside_add(&seen, "c1", "/run/netns/c1");
	seen.inside[0].dns_asked = seen.inside[0].dns_answered = true;
	doctor_pressure_add(&seen, "endpoints", 10, 1000);
}

static void teardown(void)
{
	doctor_seen_fini(&seen);
	findings_fini(&found);
}
TestSuite(doctor, .init = setup, .fini = teardown);

static const struct finding *find(enum doctor_step step)
{
	for (size_t i = 0; i < found.count; i++)
		if (found.list[i].step == step)
			return &found.list[i];
	return NULL;
}

/* Exactly one finding that is not a pass: of that step and level, with those words and a mend. */
static void expect_one(int line, enum doctor_step step, enum doctor_level level, const char *words,
		       const char *mend)
{
	const struct finding *f;
	size_t bad = 0;

	findings_fini(&found);
	doctor_check(&seen, &found);
	for (size_t i = 0; i < found.count; i++)
		bad += found.list[i].level != DOCTOR_PASS;
	f = find(step);
	cr_assert_not_null(f);
	cr_assert_eq(bad, 1, "line %d: %zu findings", line, bad);
	cr_assert_eq(f->level, level, "line %d: %s", line, doctor_level_to_str(f->level));
	cr_assert(strstr(f->seen, words), "line %d: \"%s\" in \"%s\"", line, words, f->seen);
	cr_assert(strstr(f->mend, mend), "line %d: \"%s\" in \"%s\"", line, mend, f->mend);
	cr_assert_eq(findings_failed(&found), level == DOCTOR_FAIL);
}
#define EXPECT_ONE(step, level, words, mend) expect_one(__LINE__, DOCTOR_##step, DOCTOR_##level, words, mend)

Test(doctor, what_is_sound_passes_each_step_once_and_in_order)
{
	doctor_check(&seen, &found);
	cr_assert_eq(found.count, DOCTOR_STEP_COUNT);
	for (size_t i = 0; i < found.count; i++) {
		cr_assert_eq(found.list[i].step, (enum doctor_step)i);
		cr_assert_eq(found.list[i].level, DOCTOR_PASS, "%s", found.list[i].seen);
		cr_assert_neq(found.list[i].seen[0], '\0');
		cr_assert_eq(found.list[i].mend[0], '\0');
	}
	cr_assert_not(findings_failed(&found));
}

Test(doctor, the_worst_of_a_step_stands_first_and_a_step_that_told_does_not_pass)
{
	doctor_object_add(&seen, FAULT_LEFT_OVER, "x");
	doctor_object_add(&seen, FAULT_MISSING, "y");
	doctor_check(&seen, &found);
	cr_assert_eq(found.count, DOCTOR_STEP_COUNT + 1);
	cr_assert_eq(found.list[DOCTOR_TABLES].level, DOCTOR_FAIL);
	cr_assert_eq(found.list[DOCTOR_TABLES + 1].level, DOCTOR_WARN);
}

Test(doctor, a_kernel_without_esp_matters_only_where_a_network_is_encrypted)
{
	seen.can_encrypt = false;
	snprintf(seen.encrypt_why, sizeof(seen.encrypt_why), "no ESP");
	doctor_check(&seen, &found);
	cr_assert_not(findings_failed(&found));
	seen.has_encrypted = true;
	EXPECT_ONE(KERNEL, FAIL, "no ESP", "esp4");
}

Test(doctor, the_uplink)
{
	seen.uplink_up = false;
	EXPECT_ONE(UPLINK, FAIL, "eth0 is down", "ip link set eth0 up");
	seen.uplink_up = true;
	snprintf(seen.uplink_error, sizeof(seen.uplink_error), "there is no eth0");
	EXPECT_ONE(UPLINK, FAIL, "there is no eth0", "ip address");
}

Test(doctor, each_fault_of_an_object_has_a_step_a_sentence_with_its_name_and_a_mend)
{
	for (int fault = 0; fault < FAULT_COUNT; fault++) {
		struct doctor_object *o = doctor_object_add(&seen, (enum doctor_fault)fault, "that-one");
		size_t bad = 0;

		snprintf(o->detail, sizeof(o->detail), "more of it");
		findings_fini(&found);
		doctor_check(&seen, &found);
		for (size_t i = 0; i < found.count; i++) {
			if (found.list[i].level == DOCTOR_PASS)
				continue;
			bad++;
			cr_assert(strstr(found.list[i].seen, "that-one"), "fault %d", fault);
			cr_assert(strstr(found.list[i].seen, ": more of it"), "fault %d", fault);
			cr_assert_gt(strlen(found.list[i].mend), 10, "fault %d", fault);
			cr_assert_lt(strlen(found.list[i].mend), sizeof(found.list[i].mend) - 1);
		}
		cr_assert_eq(bad, 1, "fault %d", fault);
		seen.object_count = 0;
	}
}

Test(doctor, a_node_whose_name_is_lost_and_rules_that_do_not_fit)
{
	doctor_object_add(&seen, FAULT_NODE_LOST, "h2");
	EXPECT_ONE(MEMBERS, FAIL, "node h2 has the name or address of another node", "--advertise");
	seen.object_count = 0;
	doctor_object_add(&seen, FAULT_RULES_TOO_MANY, "1 networks (app)");
	EXPECT_ONE(TABLES, FAIL, "the rules of 1 networks (app) do not fit", "policy ls");
}

Test(doctor, a_full_map)
{
	seen.pressure[0].used = 799;
	doctor_check(&seen, &found);
	cr_assert_eq(find(DOCTOR_PRESSURE)->level, DOCTOR_PASS);
	seen.pressure[0].used = 800;
	EXPECT_ONE(PRESSURE, WARN, "endpoints holds 800 of 1000", "refused");
	seen.pressure[0].used = 980;
	EXPECT_ONE(PRESSURE, FAIL, "endpoints", "refused");
}

Test(doctor, names_in_a_container)
{
	seen.inside[0].dns_answered = false;
	EXPECT_ONE(DNS, FAIL, "/run/netns/c1", "127.0.0.11");
	seen.inside[0].dns_answered = true;
	seen.inside[0].dns_code = 3;
	EXPECT_ONE(DNS, WARN, "code 3", "endpoint ls");
	seen.inside[0] = (struct doctor_inside){ .name = "c1", .netns = "/run/netns/c1", .error = -ENOENT };
	EXPECT_ONE(DNS, WARN, "No such file", "namespace is gone");
}

Test(doctor, a_container_that_was_not_asked)
{
	seen.inside[0].dns_asked = seen.inside[0].dns_answered = false;
	EXPECT_ONE(DNS, WARN, "1 containers were not asked", "getent");
}

Test(doctor, checksums)
{
	seen.inside[0].bad_sums = 7;
	EXPECT_ONE(SUMS, WARN, "got 7 packets", "ethtool -K eth0 tx-udp_tnl");
}

Test(doctor, a_dead_member)
{
	snprintf(seen.peer[0].status, sizeof(seen.peer[0].status), "dead");
	EXPECT_ONE(MEMBERS, FAIL, "h2 is dead", "node rm");
	seen.peer[0].status[0] = '\0';
	EXPECT_ONE(MEMBERS, FAIL, "h2 is not heard of yet", "node rm");
}

Test(doctor, a_peer_that_was_not_asked_is_told_of_once)
{
	seen.peer[0] = (struct doctor_peer){ .name = "h2", .status = "alive", .version = "0.1.0",
					     .has_route = true, .skipped = true };
	EXPECT_ONE(MEMBERS, WARN, "1 of 1 peers were not probed", "on other nodes");
}

Test(doctor, of_many_that_were_not_asked_one_line_and_the_dead_ones_by_name)
{
	struct node n = { .version = "0.1.0" };

	for (int i = 0; i < 40; i++) {
		struct doctor_peer *p;

		snprintf(n.name, sizeof(n.name), "far%d", i);
		p = doctor_peer_add(&seen, &n);
		p->has_route = p->skipped = true;
		snprintf(p->status, sizeof(p->status), "%s", i == 7 ? "dead" : "alive");
	}
	doctor_check(&seen, &found);
	cr_assert_eq(found.count, DOCTOR_STEP_COUNT + 1);
	cr_assert_eq(find(DOCTOR_MEMBERS)[0].level, DOCTOR_FAIL);
	cr_assert_str_eq(find(DOCTOR_MEMBERS)[0].seen, "far7 is dead");
	cr_assert(strstr(find(DOCTOR_MEMBERS)[1].seen, "40 of 41 peers"));
}

/* Peers 1 to 9 but for self; returns bit i when i is asked. */
static unsigned int chosen(uint8_t self, size_t most)
{
	struct doctor_seen s = { 0 };
	unsigned int bits = 0;

	for (uint8_t i = 1; i < 10; i++)
		if (i != self)
			doctor_peer_add(&s, &(struct node){ .id = { { i } } });
	doctor_peers_choose(&s, &(struct id){ { self } }, most);
	for (size_t i = 0; i < s.peer_count; i++)
		bits |= s.peer[i].skipped ? 0 : 1u << s.peer[i].id.b[0];
	doctor_seen_fini(&s);
	return bits;
}

Test(doctor, peers_that_are_asked_begin_behind_self_so_that_each_pair_is_asked_from_a_side)
{
	cr_assert_eq(chosen(4, 3), 1u << 5 | 1u << 6 | 1u << 7);
	cr_assert_eq(chosen(8, 3), 1u << 9 | 1u << 1 | 1u << 2);
	cr_assert_eq(chosen(9, 2), 1u << 1 | 1u << 2);
	cr_assert_eq(chosen(1, 8), 0x3fcu, "all");
	for (uint8_t i = 1; i < 10; i++)
		for (uint8_t j = 1; j < 10; j++)
			cr_assert(i == j || chosen(i, 4) & 1u << j || chosen(j, 4) & 1u << i);
}

Test(doctor, gossip_by_udp_and_tcp_in_both_directions)
{
	struct doctor_peer *p = seen.peer;

	p->udp_answered = false;
	EXPECT_ONE(UDP, FAIL, "h2 does not answer on UDP 7946", "ufw allow 7946/udp");
	p->udp_answered = true;
	p->tcp_heard = false;
	EXPECT_ONE(TCP, FAIL, "cannot call this node", "tcp dport 7946 accept");
	p->tcp_answered = p->has_answer = false;
	EXPECT_ONE(TCP, FAIL, "no answer in time", "ufw allow 7946/tcp");
	p->tcp_error = -ECONNREFUSED;
	EXPECT_ONE(TCP, FAIL, "Connection refused", "nobody listens there");
}

Test(doctor, the_vxlan_port_and_which_way_is_blocked)
{
	struct doctor_peer *p = seen.peer;

	p->back_size = 0;
	EXPECT_ONE(VXLAN, FAIL, "arrives there, but what it sends does not arrive here", "4789");
	p->there_size = 0;
	EXPECT_ONE(VXLAN, FAIL, "what this node sends does not arrive there", "4789");
	p->has_answer = false;
	EXPECT_ONE(VXLAN, FAIL, "nothing comes back", "4789");
	p->send_error = -EPERM;
	EXPECT_ONE(VXLAN, FAIL, "this host refuses", "4789");
}

Test(doctor, a_route_by_another_interface_is_no_firewall)
{
	struct doctor_peer *p = seen.peer;

	p->addr = addr_from_v4(0xc0000202);
	p->has_route = false;
	EXPECT_ONE(VXLAN, FAIL, "the route to h2 does not leave by eth0", "`ip route get 192.0.2.2`");
	p->there_size = p->back_size = 0;
	p->send_error = -ENETUNREACH;
	EXPECT_ONE(VXLAN, FAIL, "the route to h2 does not leave by eth0", "`ip route get 192.0.2.2`");
	p->skipped = true;
	doctor_check(&seen, &found);
	cr_assert_eq(find(DOCTOR_VXLAN)->level, DOCTOR_FAIL, "needs no probe");
}

Test(doctor, an_older_overlayd_is_not_taken_for_a_firewall)
{
	struct doctor_peer *p = seen.peer;

	p->has_answer = p->tcp_heard = false;
	p->there_size = p->back_size = 0;
	p->tcp_error = -EOPNOTSUPP;
	EXPECT_ONE(VERSION, WARN, "answers no probes", "one version");
}

Test(doctor, a_path_that_drops_large_packets)
{
	seen.peer[0].there_size = seen.peer[0].back_size = 1400;
	EXPECT_ONE(PATH, FAIL, "1500 bytes to h2 are lost, those of 1400", "ip link set eth0 mtu 1400");
	seen.peer[0].there_size = 1500;
	EXPECT_ONE(PATH, FAIL, "1500 bytes from h2 are lost", "mtu 1400");
}

Test(doctor, esp_that_goes_and_never_comes)
{
	struct doctor_peer *p = seen.peer;

	p->by_esp = true;
	p->esp_sent = 7;
	doctor_check(&seen, &found);
	cr_assert_eq(find(DOCTOR_ESP)->level, DOCTOR_PASS, "a few may be on their way");
	p->esp_sent = 8;
	EXPECT_ONE(ESP, FAIL, "8 ESP packets went to h2", "l4proto esp accept");
	p->esp_peer_received = 1;
	p->esp_peer_sent = 20;
	EXPECT_ONE(ESP, FAIL, "h2 sent 20 ESP packets and none arrived here", "esp");
	p->has_answer = false;
	findings_fini(&found);
	doctor_check(&seen, &found);
	cr_assert_eq(find(DOCTOR_ESP)->level, DOCTOR_PASS, "nothing is known of its end");
}

Test(doctor, clocks_versions_and_states)
{
	struct doctor_peer *p = seen.peer;

	p->skew_ms = 2000;
	doctor_check(&seen, &found);
	cr_assert_eq(find(DOCTOR_CLOCK)->level, DOCTOR_PASS);
	p->skew_ms = 2001;
	EXPECT_ONE(CLOCK, WARN, "2.001 s behind", "NTP");
	p->skew_ahead = true;
	EXPECT_ONE(CLOCK, WARN, "2.001 s ahead of", "NTP");
	p->skew_ms = 0;
	snprintf(p->version, sizeof(p->version), "0.0.9");
	EXPECT_ONE(VERSION, WARN, "h2 runs overlayd 0.0.9, this node 0.1.0", "one version");
	snprintf(p->version, sizeof(p->version), "0.1.0");
	p->differs = true;
	EXPECT_ONE(STATE, WARN, "h2 knew other records", "again");
}

/* ---- bytes ---- */

Test(doctor_bytes, a_question_between_nodes_comes_back_as_it_went)
{
	struct doctor_ask a = { .knock = true, .count = 2, .nonce = { 1, 1ull << 63 } }, b;
	struct buf out = { 0 };

	doctor_ask_encode(&out, &a);
	cr_assert(doctor_is_ask(cursor_of(out.data, out.len)));
	cr_assert_eq(doctor_ask_decode(cursor_of(out.data, out.len), &b), 0);
	cr_assert_eq(b.knock, true);
	cr_assert_eq(b.count, 2);
	cr_assert_eq(b.nonce[1], 1ull << 63);
	for (size_t len = 0; len < out.len; len++)
		cr_assert_eq(doctor_ask_decode(cursor_of(out.data, len), &b), -EBADMSG);
	out.data[2] = DOCTOR_NONCES_MAX + 1;
	cr_assert_eq(doctor_ask_decode(cursor_of(out.data, out.len), &b), -EBADMSG);
	out.data[0] = 1;
	cr_assert_not(doctor_is_ask(cursor_of(out.data, out.len)));
	buf_fini(&out);
}

Test(doctor_bytes, an_answer_comes_back_as_it_went)
{
	struct doctor_answer a = { 1, 2, 3, 4, 5 }, b;
	struct buf out = { 0 };

	doctor_answer_encode(&out, &a);
	cr_assert_eq(doctor_answer_decode(cursor_of(out.data, out.len), &b), 0);
	cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
	for (size_t len = 0; len < out.len; len++)
		cr_assert_eq(doctor_answer_decode(cursor_of(out.data, len), &b), -EBADMSG);
	buf_fini(&out);
}

Test(doctor_bytes, a_name_becomes_a_question)
{
	static const uint8_t want[] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
					1, 'a', 3, 'n', 'e', 't', 0, 0, 1, 0, 1 };
	char labels[600];
	uint8_t q[DOCTOR_QUESTION_MAX];

	cr_assert_eq(doctor_question(0x1234, "a.net", q), sizeof(want));
	cr_assert_eq(memcmp(q, want, sizeof(want)), 0);
	cr_assert_eq(doctor_question(1, "", q), 0);
	cr_assert_eq(doctor_question(1, "a..b", q), 0);
	memset(labels, 'x', sizeof(labels));
	labels[64] = '\0';
	cr_assert_eq(doctor_question(1, labels, q), 0, "a label of 64");
	labels[64] = 'x';
	for (size_t i = 50; i < sizeof(labels); i += 50)
		labels[i] = '.';
	labels[sizeof(labels) - 1] = '\0';
	cr_assert_eq(doctor_question(1, labels, q), 0, "a name too long");
}

Test(doctor_bytes, only_an_answer_to_that_question_counts)
{
	uint8_t a[12] = { 0x12, 0x34, 0x81, 0x83 };

	cr_assert_eq(doctor_question_answer(a, sizeof(a), 0x1234), 3);
	cr_assert_eq(doctor_question_answer(a, sizeof(a), 0x1235), -EBADMSG);
	cr_assert_eq(doctor_question_answer(a, 11, 0x1234), -EBADMSG);
	a[2] = 1;
	cr_assert_eq(doctor_question_answer(a, sizeof(a), 0x1234), -EBADMSG);
}
