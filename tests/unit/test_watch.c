/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records, filters, names, the lines made of them, and the queues of those who watch. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "front/show_watch.h"
#include "serve/watchd.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/made_world.h"

static struct ov_watch_record flow_of(enum ov_watch_kind kind, enum ov_verdict verdict)
{
	return (struct ov_watch_record){
		.version = OV_WATCH_VERSION, .kind = (uint8_t)kind, .verdict = (uint8_t)verdict,
		.protocol = IPPROTO_TCP, .at = 2000000000, .vni = 100, .ifindex = 1,
		.src = world_addr("10.10.0.2"), .dst = world_addr("10.10.0.3"),
		.called = world_addr("10.10.0.100"), .peer = world_addr("192.0.2.2"),
		.sport = htons(4000), .dport = htons(8080), .called_port = htons(80),
		.bytes = { 100, 200 }, .packets = { 3, 4 }, .rtt = 1500000,
	};
}

struct packet {
	struct ov_watch_record r;
	uint8_t data[OV_WATCH_SNAP_MAX];
};

static struct packet packet_of(uint32_t captured)
{
	struct packet p = { .r = flow_of(OV_WATCH_PACKET, OV_FWD_LOCAL) };

	p.r.length = captured + 40;
	p.r.captured = captured;
	for (uint32_t i = 0; i < captured; i++)
		p.data[i] = (uint8_t)(i * 7);
	return p;
}

/* ---- records ---- */

Test(watch, a_record_is_taken_as_it_was_told)
{
	struct packet p = packet_of(100);
	struct watch_record r;

	cr_assert_eq(watch_record_parse(&p, sizeof(p.r) + 100, &r), 0);
	cr_assert_eq(memcmp(&r.head, &p.r, sizeof(p.r)), 0);
	cr_assert_eq(memcmp(r.packet, p.data, 100), 0);
}

static void refuse(struct packet p, size_t size)
{
	struct watch_record r;

	cr_assert_eq(watch_record_parse(&p, size, &r), -EBADMSG);
}

Test(watch, a_record_that_contradicts_itself_is_refused)
{
	struct packet p = packet_of(100), q;

	refuse(p, 0);
	refuse(p, sizeof(p.r) - 1);
	refuse(p, sizeof(p.r) + 99);
	q = p;
	q.r.version++;
	refuse(q, sizeof(q));
	q = p;
	q.r.kind = 0;
	refuse(q, sizeof(q));
	q = p;
	q.r.kind = OV_WATCH_KIND_COUNT;
	refuse(q, sizeof(q));
	q = p;
	q.r.length = 99;
	refuse(q, sizeof(q));
	q = p;
	q.r.captured = q.r.length = OV_WATCH_SNAP_MAX + 1;
	refuse(q, sizeof(q));
}

/* ---- filters ---- */

Test(watch, a_filter_takes_a_flow_by_who_began_it_and_whom_it_called)
{
	struct ov_watch_record r = flow_of(OV_WATCH_NEW, OV_FWD_LOCAL);
	const struct ov_addr one = world_addr("10.10.0.2"), two = world_addr("10.10.0.3"),
			     vip = world_addr("10.10.0.100");

	cr_assert(watch_filter_takes(&(struct watch_filter){ 0 }, &r));
	cr_assert(watch_filter_takes(&(struct watch_filter){ .from = one, .to = two, .vni = 100 }, &r));
	cr_assert(watch_filter_takes(&(struct watch_filter){ .to = vip, .port = 80 }, &r));
	cr_assert(watch_filter_takes(&(struct watch_filter){ .port = 8080, .protocol = IPPROTO_TCP }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .from = two }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .vni = 101 }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .port = 81 }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .protocol = IPPROTO_UDP }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .drops = true }, &r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .capture = true }, &r));
}

Test(watch, a_filter_takes_packets_of_both_directions)
{
	struct packet p = packet_of(60);
	const struct ov_addr one = world_addr("10.10.0.2"), two = world_addr("10.10.0.3");

	cr_assert(watch_filter_takes(&(struct watch_filter){ .capture = true, .from = one, .to = two }, &p.r));
	cr_assert(watch_filter_takes(&(struct watch_filter){ .capture = true, .from = two, .to = one }, &p.r));
	cr_assert_not(watch_filter_takes(&(struct watch_filter){ .from = one }, &p.r));
}

Test(watch, what_is_refused_counts_as_a_drop)
{
	struct ov_watch_record r = flow_of(OV_WATCH_REFUSED, OV_FWD_RESET);

	cr_assert(watch_filter_takes(&(struct watch_filter){ .drops = true }, &r));
}

Test(watch, together_they_want_what_each_of_them_wants)
{
	const struct ov_addr one = world_addr("10.10.0.2"), two = world_addr("10.10.0.3");
	struct watch_filter a = { .vni = 100, .from = one, .drops = true, .port = 80 },
			    b = { .vni = 100, .from = two, .drops = true, .port = 80 },
			    c = { .capture = true, .vni = 7, .snap = 96 };
	const struct watch_filter *all[] = { &a, &b, &c };
	struct ov_watch w = watch_filter_union(all, 0);

	cr_assert_eq(memcmp(&w, &(struct ov_watch){ 0 }, sizeof(w)), 0);
	w = watch_filter_union(all, 1);
	cr_assert_eq(w.flags, OV_WATCH_EVENTS | OV_WATCH_DROPS);
	cr_assert_eq(memcmp(&w.from, &one, sizeof(one)), 0);
	cr_assert_eq(w.port, htons(80));
	w = watch_filter_union(all, 2);
	cr_assert_eq(w.flags, OV_WATCH_EVENTS | OV_WATCH_DROPS);
	cr_assert_eq(w.vni, 100);
	cr_assert(addr_is_zero(&w.from));
	w = watch_filter_union(all, 3);
	cr_assert_eq(w.flags, OV_WATCH_EVENTS | OV_WATCH_CAPTURE);
	cr_assert_eq(w.vni, 0);
	cr_assert_eq(w.port, 0);
	cr_assert_eq(w.snap, 96);
}

/* ---- names and lines ---- */

static struct watch_names *names_of(struct world *w)
{
	struct item *ep, *two;
	struct watch_names *names;
	struct view v;

	world_node(w, 1, "node-a", "192.0.2.1");
	world_node(w, 2, "node-b", "192.0.2.2");
	world_network(w, 10, "app", "10.10.0.0/24", 100);
	world_network(w, 11, "other", "10.10.0.0/24", 101);
	ep = world_endpoint(w, 20, 1, 10, "10.10.0.2");
	strcpy(ep->endpoint.name, "k1");
	two = world_endpoint(w, 21, 2, 11, "10.10.0.3");
	strcpy(two->endpoint.name, "elsewhere");
	world_service(w, 30, 10, "web", "10.10.0.100");
	v = world_view(w);
	cr_assert_eq(watch_names_build(&v, &names), 0);
	view_fini(&v);
	return names;
}

Test(watch, an_address_has_the_name_that_its_network_knows)
{
	struct world w = { 0 };
	struct watch_names *names = names_of(&w);
	struct ov_addr one = world_addr("10.10.0.2"), two = world_addr("10.10.0.3"),
		       vip = world_addr("10.10.0.100"), node = world_addr("192.0.2.2");

	cr_assert_str_eq(watch_names_find(names, 100, &one), "k1");
	cr_assert_str_eq(watch_names_find(names, 101, &one), "");
	cr_assert_str_eq(watch_names_find(names, 100, &two), "");
	cr_assert_str_eq(watch_names_find(names, 101, &two), "elsewhere");
	cr_assert_str_eq(watch_names_find(names, 100, &vip), "web");
	cr_assert_str_eq(watch_names_find(names, 0, &node), "node-b");
	cr_assert_str_eq(watch_names_network(names, 100), "app");
	cr_assert_str_eq(watch_names_network(names, 7), "");
	watch_names_free(names);
	world_fini(&w);
}

static void expect_line(const struct watch_record *r, const struct watch_names *names, const char *line)
{
	struct watch_place place = { names, "ov123", 1700000000000000000u, 2000000000u };
	json_t *value = show_watch(r, &place, 4);
	_cleanup_(freep) char *text = json_dumps(value, JSON_COMPACT);

	cr_assert_str_eq(text, line);
	json_decref(value);
}

Test(watch, a_flow_is_one_line_with_names)
{
	struct world w = { 0 };
	struct watch_names *names = names_of(&w);
	struct watch_record r = { .head = flow_of(OV_WATCH_CLOSED, OV_FWD_ENCAP) };

	expect_line(&r, names,
		    "{\"Event\":\"closed\",\"Time\":\"2023-11-14T22:13:20.000Z\",\"Nanoseconds\":1700000000000000000,"
		    "\"Network\":\"app\",\"Protocol\":\"tcp\","
		    "\"Source\":{\"IP\":\"10.10.0.2\",\"Port\":4000,\"Name\":\"k1\"},"
		    "\"Destination\":{\"IP\":\"10.10.0.3\",\"Port\":8080,\"Name\":\"\"},"
		    "\"Called\":{\"IP\":\"10.10.0.100\",\"Port\":80,\"Name\":\"web\"},\"Node\":\"node-b\","
		    "\"Device\":\"ov123\",\"Verdict\":\"FWD_ENCAP\","
		    "\"Meaning\":\"encapsulated and sent to a peer\",\"Mend\":\"\",\"BytesSent\":100,"
		    "\"BytesReceived\":200,\"PacketsSent\":3,\"PacketsReceived\":4,\"RTTMicroseconds\":1500,"
		    "\"Reset\":false}");
	watch_names_free(names);
	world_fini(&w);
}

Test(watch, a_packet_is_one_line_with_its_bytes_up_to_the_snap_length)
{
	struct world w = { 0 };
	struct watch_names *names = names_of(&w);
	struct packet p = packet_of(60);
	struct watch_place place = { names, "ov123", 1700000000000000000u, 2000000000u };
	struct watch_record r;
	json_t *value;

	cr_assert_eq(watch_record_parse(&p, sizeof(p.r) + 60, &r), 0);
	r.head.flags = OV_WATCH_OUT | OV_WATCH_XDP;
	value = show_watch(&r, &place, 4);
	cr_assert_str_eq(json_string_value(json_object_get(value, "Data")), "00070e15");
	cr_assert_str_eq(json_string_value(json_object_get(value, "Direction")), "out");
	cr_assert(json_is_true(json_object_get(value, "XDP")));
	cr_assert_eq(json_integer_value(json_object_get(value, "Length")), 100);
	json_decref(value);
	watch_names_free(names);
	world_fini(&w);
}

/* ---- who watches ---- */

static struct fake_host f;
static struct loop *loop;
static struct watchd *watchd;
static int changes;

static void on_changed(void *arg)
{
	(void)arg;
	changes++;
}

static void setup(void)
{
	fake_host_init(&f);
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(watchd_new(loop, f.store, on_changed, NULL, &watchd), 0);
}

static void teardown(void)
{
	watchd_free(watchd);
	loop_free(loop);
	fake_host_fini(&f);
}

TestSuite(watchd, .init = setup, .fini = teardown);

static struct control_stream join(bool capture)
{
	struct watch_filter filter = { .capture = capture };
	struct control_stream s;
	struct err e = { 0 };

	cr_assert_eq(watchd_add(watchd, &filter, &s, &e), 0, "%s", e.text);
	return s;
}

static int woken;

static void on_more(void *arg)
{
	(void)arg;
	woken++;
}

Test(watchd, each_hears_what_its_filter_takes)
{
	struct control_stream flows = join(false), packets = join(true);
	struct packet p = packet_of(60);
	struct ov_watch_record r = flow_of(OV_WATCH_NEW, OV_FWD_LOCAL);
	char buf[4096] = "";

	flows.wake_by(flows.ctx, on_more, NULL);
	watchd_tell(watchd, &p, sizeof(p.r) + 60);
	cr_assert_eq(woken, 0);
	cr_assert_eq(flows.read(flows.ctx, buf, sizeof(buf)), 0);
	watchd_tell(watchd, &r, sizeof(r));
	cr_assert_eq(woken, 1);
	cr_assert_gt(flows.read(flows.ctx, buf, sizeof(buf) - 1), 0);
	cr_assert(strstr(buf, "\"Event\":\"new\""));
	memset(buf, 0, sizeof(buf));
	cr_assert_gt(packets.read(packets.ctx, buf, sizeof(buf) - 1), 0);
	cr_assert(strstr(buf, "\"Event\":\"packet\""));
	cr_assert_eq(changes, 2);
	flows.close(flows.ctx);
	cr_assert_eq(watchd_want(watchd).flags, OV_WATCH_CAPTURE);
	packets.close(packets.ctx);
	cr_assert_eq(watchd_want(watchd).flags, 0);
	cr_assert_eq(changes, 4);
}

Test(watchd, one_that_does_not_read_loses_whole_lines_and_is_told_how_many)
{
	struct control_stream deaf = join(true), other = join(true);
	struct packet p = packet_of(OV_WATCH_SNAP_MAX);
	static char buf[WATCHD_QUEUE_MAX + 1];
	size_t len = 0, lines = 0, n, heard = 0;
	json_t *last;
	char *at;

	for (int i = 0; i < 2000; i++) {
		watchd_tell(watchd, &p, sizeof(p));
		while ((n = other.read(other.ctx, buf, sizeof(buf))))
			heard += n;
	}
	cr_assert_gt(heard, 2000 * OV_WATCH_SNAP_MAX, "who reads has all of it");
	while ((n = deaf.read(deaf.ctx, buf + len, sizeof(buf) - 1 - len)))
		len += n;
	buf[len] = '\0';
	for (at = buf; strchr(at, '\n') && strchr(at, '\n')[1]; at = strchr(at, '\n') + 1)
		lines++;
	last = json_loads(at, 0, NULL);
	cr_assert_str_eq(json_string_value(json_object_get(last, "Event")), "lost");
	cr_assert_eq(json_integer_value(json_object_get(last, "Count")) + (json_int_t)lines, 2000);
	json_decref(last);
}

/* Until no more of them fits. */
static void fill(size_t count)
{
	struct packet p = packet_of(OV_WATCH_SNAP_MAX);

	for (size_t i = 0; i < count; i++)
		watchd_tell(watchd, &p, sizeof(p));
}

/* Reads all there is, and adds up what lines of `event` with `word` in them count. */
static json_int_t counted(struct control_stream *s, const char *event, const char *word)
{
	static char buf[WATCHD_QUEUE_MAX + 65536];
	size_t len = 0, n;
	json_int_t sum = 0;

	while ((n = s->read(s->ctx, buf + len, sizeof(buf) - 1 - len)))
		len += n;
	buf[len] = '\0';
	for (char *rest, *line = strtok_r(buf, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *value = strstr(line, event) && strstr(line, word) ? json_loads(line, 0, NULL) : NULL;

		sum += json_integer_value(json_object_get(value, "Count"));
		json_decref(value);
	}
	return sum;
}

Test(watchd, in_a_flood_one_hears_of_losses_while_the_queue_is_as_good_as_full)
{
	struct control_stream slow = join(true);
	char piece[32768];
	size_t reads = 0;

	fill(2000); /* twice what finds room */
	for (; reads < 500; reads++) {
		cr_assert_eq(slow.read(slow.ctx, piece, sizeof(piece)), sizeof(piece));
		if (memmem(piece, sizeof(piece), "\"Where\":\"client\"", 16))
			break;
		fill(10); /* more than was read */
	}
	cr_assert_lt(reads, 500, "it was never told, though it read on and on");
}

Test(watchd, a_notice_that_finds_no_room_is_told_later_and_once)
{
	struct watch_filter drops = { .drops = true };
	struct control_stream flows, packets = join(true);
	struct ov_watch_record r = flow_of(OV_WATCH_REFUSED, OV_FWD_RESET);
	struct err e = { 0 };

	cr_assert_eq(watchd_add(watchd, &drops, &flows, &e), 0);
	fill(2000);
	for (int i = 0; i < 20000; i++)
		watchd_tell(watchd, &r, sizeof(r));
	for (int i = 0; i < 3; i++) {
		watchd_lost(watchd, 5);
		watchd_left_out(watchd, OV_DROP_SPOOFED_IP, 7);
	}
	cr_assert_eq(counted(&packets, "lost", "ring"), 15);
	cr_assert_eq(counted(&flows, "left-out", "DROP_SPOOFED_IP"), 21);
	watchd_beat(watchd);
	cr_assert_eq(counted(&packets, "lost", ""), 0);
	cr_assert_eq(counted(&flows, "left-out", ""), 0);
}

Test(watchd, no_more_than_sixteen_watch)
{
	struct watch_filter filter = { 0 };
	struct control_stream s[WATCHD_CLIENTS_MAX], more;
	struct err e = { 0 };

	for (int i = 0; i < WATCHD_CLIENTS_MAX; i++)
		s[i] = join(false);
	cr_assert_eq(watchd_add(watchd, &filter, &more, &e), -EBUSY);
	cr_assert(strstr(e.text, "16 clients watch already"), "%s", e.text);
	s[3].close(s[3].ctx);
	join(false);
}

Test(watchd, an_empty_line_is_the_sign_of_life_of_a_quiet_hour)
{
	struct control_stream s = join(false);
	char buf[64];

	watchd_beat(watchd);
	watchd_beat(watchd);
	cr_assert_eq(s.read(s.ctx, buf, sizeof(buf)), 1);
	cr_assert_eq(buf[0], '\n');
	watchd_left_out(watchd, OV_DROP_SPOOFED_IP, 7);
	memset(buf, 0, sizeof(buf));
	s.read(s.ctx, buf, sizeof(buf) - 1);
	cr_assert(strstr(buf, "\"left-out\",\"Verdict\":\"DROP_SPOOFED_IP\""), "%s", buf);
}
