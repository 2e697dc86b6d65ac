/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' page: its format, its bounds, and its server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "front/exposition.h"
#include "front/metrics.h"
#include "serve/metricsd.h"
#include "serve/sock.h"
#include "tests/lib/fake_host.h"

static struct fake_host f;
static struct buf page;

static void setup(void)
{
	log_init(LOG_LEVEL_ERROR);
	fake_host_init(&f);
}

static void teardown(void)
{
	buf_fini(&page);
	fake_host_fini(&f);
}

TestSuite(metrics, .init = setup, .fini = teardown, .timeout = 60);

static const char *text(void)
{
	buf_u8(&page, 0);
	cr_assert(!page.failed);
	return (const char *)page.data;
}

static const char *make_page(struct control *c)
{
	struct err e = { 0 };

	buf_fini(&page);
	cr_assert_eq(metrics_text(c, &page, &e), 0, "%s", e.text);
	return text();
}

static void assert_has(const char *where, const char *what)
{
	cr_assert(strstr(where, what), "no \"%s\" in %.4000s", what, where);
}

Test(metrics, label_values_are_escaped)
{
	SAMPLE(&page, "overlayd_x", 18446744073709551615u, { "a", "q\"b\\s\nn" }, { "b", "\xff" "ok" });
	cr_assert_str_eq(text(), "overlayd_x{a=\"q\\\"b\\\\s\\nn\",b=\"?ok\"} 18446744073709551615\n");
}

Test(metrics, seconds_have_nine_digits_behind_the_point)
{
	exposition_seconds(&page, "overlayd_y", 1000000005);
	cr_assert_str_eq(text(), "overlayd_y 1.000000005\n");
}

Test(metrics, the_page_has_what_was_counted)
{
	const char *p;

	f.counter[OV_DROP_SPOOFED_IP] = (struct ov_counter){ 3, 180 };
	f.counter[OV_FWD_LOCAL] = (struct ov_counter){ 5, 500 };
	f.facts.map_count = 1;
	f.facts.map[0] = (struct control_map){ "peers", 2, 16384 };
	p = make_page(f.control);
	assert_has(p, "\noverlayd_dropped_packets_total{reason=\"SPOOFED_IP\"} 3\n");
	assert_has(p, "\noverlayd_verdict_bytes_total{verdict=\"FWD_LOCAL\"} 500\n");
	assert_has(p, "\noverlayd_map_entries{map=\"peers\"} 2\n");
	assert_has(p, "\noverlayd_entered_packets_total{program=\"endpoint\"} 100\n");
	assert_has(p, "\noverlayd_build_info{version=\"0.1.0\",node=\"node-a\"} 1\n");
	assert_has(p, "\noverlayd_metrics_left_out_rows 0\n");
}

static void hear_of_node(uint8_t number, const char *name)
{
	struct node n = { .id = { { number } }, .addr = addr_from_v4(0x0a630000u + number) };
	struct record r = { .key = key_of_id(RECORD_NODE, &n.id), .stamp = { 1, 1 }, .writer = n.id };
	struct buf body = { 0 };

	snprintf(n.name, sizeof(n.name), "%s", name);
	node_encode(&body, &n);
	r.body = body.data;
	r.body_len = (uint16_t)body.len;
	cr_assert_eq(store_merge(f.store, &r, f.wall), MERGE_NEW);
	buf_fini(&body);
}

Test(metrics, two_nodes_of_one_name_are_one_series)
{
	const char *p;

	hear_of_node(0x71, "twin");
	hear_of_node(0x72, "twin");
	hear_of_node(0x73, "other");
	p = make_page(f.control);
	assert_has(p, "\noverlayd_peer_up{peer=\"other\"} 0\n");
	p = strstr(p, "\noverlayd_peer_up{peer=\"twin\"} 0\n");
	cr_assert_not_null(p);
	cr_assert_null(strstr(p + 1, "\noverlayd_peer_up{peer=\"twin\"}"));
}

Test(metrics, a_page_that_cannot_be_made_is_an_error)
{
	struct err e = { 0 };

	err_set(&f.apply_error, -EACCES, "cannot read the counters");
	cr_assert_eq(metrics_text(f.control, &page, &e), -EACCES);
	cr_assert_str_eq(e.text, "cannot read the counters");
}

/* ---- more rows than a family has ---- */

#define ROWS (METRICS_ROWS_MAX + 5)

static uint64_t zero(void *ctx)
{
	(void)ctx;
	return 0;
}

static int no_counters(void *ctx, struct ov_counter ret_counter[OV_VERDICT_COUNT], struct err *e)
{
	(void)ctx;
	(void)e;
	memset(ret_counter, 0, OV_VERDICT_COUNT * sizeof(*ret_counter));
	return 0;
}

static int many_backends(void *ctx, struct lb_row **ret_rows, size_t *ret_count, struct err *e)
{
	(void)ctx;
	(void)e;
	*ret_rows = calloc(ROWS, sizeof(**ret_rows));
	cr_assert(*ret_rows);
	for (uint32_t i = 0; i < ROWS; i++)
		(*ret_rows)[i].backend = addr_from_v4(0x0a000000 + i);
	*ret_count = ROWS;
	return 0;
}

static int no_keys(void *ctx, struct key_row **ret_rows, size_t *ret_count, struct err *e)
{
	(void)ctx;
	(void)e;
	*ret_rows = NULL;
	*ret_count = 0;
	return 0;
}

Test(metrics, rows_are_bounded_and_those_left_out_are_counted)
{
	struct control_host host = { .now = zero, .wall = zero, .read_counters = no_counters,
				     .read_lb = many_backends, .read_keys = no_keys, .facts = &f.facts };
	struct control *c;
	size_t lines = 0;

	cr_assert_eq(control_new(f.store, NULL, f.intent, &host, &c), 0);
	for (const char *p = make_page(c); (p = strstr(p, "\noverlayd_backend_flows_total{")); p++)
		lines++;
	cr_assert_eq(lines, METRICS_ROWS_MAX);
	assert_has((const char *)page.data, "\noverlayd_metrics_left_out_rows 10\n");
	control_free(c);
}

/* ---- its server ---- */

#define PORT 19107
static struct loop *loop;

struct client {
	int fd;
	char got[65536];
	size_t len;
};

static void on_bytes(void *arg, unsigned int events)
{
	struct client *c = arg;
	ssize_t n = recv(c->fd, c->got + c->len, sizeof(c->got) - 1 - c->len, MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		c->len += (size_t)n;
	if (n == 0)
		loop_stop(loop, 0);
}

static struct sockname at_port(void)
{
	return (struct sockname){ addr_from_v4(0x7f000001), PORT };
}

static void ask(struct client *c, const char *request)
{
	struct sockname at = at_port();
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(&at, &ss);
	struct loop_io *io;

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	cr_assert_eq(connect(c->fd, (struct sockaddr *)&ss, len), 0);
	cr_assert_eq(send(c->fd, request, strlen(request), 0), (ssize_t)strlen(request));
	cr_assert_eq(loop_io_new(loop, c->fd, LOOP_IN, on_bytes, c, &io), 0);
	loop_run(loop);
	loop_io_free(io);
	close(c->fd);
}

Test(metrics, are_served_at_one_path_and_by_get_alone)
{
	struct sockname at = at_port();
	struct metricsd *m, *second;
	struct err e = { 0 };
	static struct client c;

	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(metricsd_new(loop, f.control, &at, &m, &e), 0, "%s", e.text);
	ask(&c, "GET /metrics HTTP/1.0\r\n\r\n");
	assert_has(c.got, " 200 ");
	assert_has(c.got, "text/plain; version=0.0.4");
	assert_has(c.got, "\noverlayd_build_info{");
	ask(&c, "GET / HTTP/1.0\r\n\r\n");
	assert_has(c.got, " 404 ");
	ask(&c, "POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
	assert_has(c.got, " 405 ");
	cr_assert_eq(metricsd_new(loop, f.control, &at, &second, &e), -EADDRINUSE);
	assert_has(e.text, "--metrics 127.0.0.1:19107: ");
	metricsd_free(m);
	loop_free(loop);
}
