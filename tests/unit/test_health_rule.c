/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What health checks conclude, when they come, and the HTTP they speak. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "serve/health_http.h"
#include "serve/health_rule.h"

/* Feeds results ('+' passed, '-' not) and spells what was reported: 'H', 'U', '.' for nothing. */
static const char *reports(enum endpoint_health known, const char *results, bool follows)
{
	static char out[32];
	struct health_rule rule = { 0 };
	size_t n = 0;

	for (; *results; results++) {
		enum endpoint_health now = health_rule_take(&rule, known, *results == '+');

		out[n++] = now == ENDPOINT_HEALTHY ? 'H' : now == ENDPOINT_UNHEALTHY ? 'U' : '.';
		if (follows && now != ENDPOINT_UNTRIED)
			known = now;
	}
	out[n] = '\0';
	return out;
}

Test(health_rule, the_first_result_ever_decides_at_once)
{
	cr_assert_str_eq(reports(ENDPOINT_UNTRIED, "+", true), "H");
	cr_assert_str_eq(reports(ENDPOINT_UNTRIED, "-", true), "U");
}

Test(health_rule, three_equal_results_in_a_row_change_what_is_known)
{
	cr_assert_str_eq(reports(ENDPOINT_HEALTHY, "---", true), "..U");
	cr_assert_str_eq(reports(ENDPOINT_UNHEALTHY, "+++", true), "..H");
	cr_assert_str_eq(reports(ENDPOINT_UNTRIED, "+---+++", true), "H..U..H");
}

Test(health_rule, what_fits_the_known_starts_the_count_anew)
{
	cr_assert_str_eq(reports(ENDPOINT_HEALTHY, "--+--+---", true), "........U");
	cr_assert_str_eq(reports(ENDPOINT_HEALTHY, "+++++", true), ".....");
}

Test(health_rule, a_change_is_reported_until_it_is_known)
{
	cr_assert_str_eq(reports(ENDPOINT_HEALTHY, "-----+-", false), "..UUU..");
	cr_assert_str_eq(reports(ENDPOINT_UNTRIED, "+-+", false), "HUH");
}

static struct id nth_id(uint32_t n)
{
	struct rng rng;
	struct id id;

	rng_init_u64(&rng, n);
	rng_bytes(&rng, id.b, sizeof(id.b));
	return id;
}

Test(health_rule, an_endpoint_keeps_its_moment_in_every_interval)
{
	struct id id = nth_id(1);
	uint64_t first = health_next(&id, 5000, 1000000);

	cr_assert_gt(first, 1000000);
	cr_assert_leq(first, 1005000);
	cr_assert_eq(health_next(&id, 5000, first - 1), first);
	cr_assert_eq(health_next(&id, 5000, first), first + 5000);
	cr_assert_eq(health_next(&id, 5000, first + 4999), first + 5000);
	cr_assert_eq(health_next(&id, 5000, 0) % 5000, first % 5000);
}

Test(health_rule, a_thousand_endpoints_spread_over_the_interval)
{
	unsigned int in_tenth[10] = { 0 };

	for (uint32_t i = 0; i < 1000; i++) {
		struct id id = nth_id(i);

		in_tenth[health_offset(&id, 5000) / 500]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(in_tenth); i++) {
		cr_assert_gt(in_tenth[i], 60, "tenth %zu: %u", i, in_tenth[i]);
		cr_assert_lt(in_tenth[i], 140, "tenth %zu: %u", i, in_tenth[i]);
	}
}

Test(health_http, asks_for_the_path_and_hangs_up_afterwards)
{
	struct sockname to = { addr_from_v4(0x0a0a0002), 8080 };
	char out[HEALTH_REQUEST_MAX];
	size_t len = health_request(&to, "/up?deep=1", out);

	cr_assert_str_eq(out, "GET /up?deep=1 HTTP/1.1\r\nHost: 10.10.0.2:8080\r\n"
			      "User-Agent: overlayd-health\r\nConnection: close\r\n\r\n");
	cr_assert_eq(len, strlen(out));
}

Test(health_http, no_path_breaks_the_request_line)
{
	struct sockname to = { .port = 65535 };
	char path[HEALTH_PATH_MAX_LEN + 1], out[HEALTH_REQUEST_MAX];

	memset(to.addr.b, 0xfd, sizeof(to.addr.b));
	memset(path, 0xff, sizeof(path) - 1);
	path[0] = '/';
	path[1] = '\n';
	path[sizeof(path) - 1] = '\0';
	cr_assert_lt(health_request(&to, path, out), sizeof(out));
	cr_assert_eq(strncmp(out, "GET /%0A%FF%FF", 14), 0, "%s", out);
	cr_assert_not_null(strstr(out, "%FF HTTP/1.1\r\nHost: [fdfd:"), "%s", out);
}

static int response(const char *text)
{
	return health_response(text, strlen(text));
}

Test(health_http, reads_the_status)
{
	cr_assert_eq(response("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"), 200);
	cr_assert_eq(response("HTTP/1.0 404 Not Found\r\n"), 404);
	cr_assert_eq(response("HTTP/1.1 302\r\n"), 302);
	cr_assert_eq(response("HTTP/1.1 500\n"), 500);
}

Test(health_http, waits_for_the_rest)
{
	static const char whole[] = "HTTP/1.1 200 ";

	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		cr_assert_eq(health_response(whole, len), 0, "after %zu bytes", len);
	cr_assert_eq(health_response(whole, sizeof(whole) - 1), 200);
}

Test(health_http, an_interim_answer_is_not_the_answer)
{
	cr_assert_eq(response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"), 0);
	cr_assert_eq(response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), 0);
	cr_assert_eq(response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
			      "Link: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n"), 204);
}

Test(health_http, refuses_what_is_no_http_1)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/2.0 200 OK\r\n", "HTTP/1.1  200 OK\r\n",
		"HTTP/1.1 2000 OK\r\n",      "HTTP/1.1 -20 OK\r\n", "HTTP/1.1 099 OK\r\n",
		"\r\nHTTP/1.1 200 OK\r\n",   "http/1.1 200 OK\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(response(bad[i]), -EBADMSG, "%s", bad[i]);
}

Test(health_http, looks_at_no_more_than_its_bound)
{
	char text[HEALTH_RESPONSE_MAX + 64];
	size_t head = strlen("HTTP/1.1 103 ");

	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/1.1 103 ", head);
	memcpy(text + HEALTH_RESPONSE_MAX - 4, "\r\n\r\nHTTP/1.1 200 OK\r\n", 21);
	cr_assert_eq(health_response(text, HEALTH_RESPONSE_MAX - 1), 0);
	cr_assert_eq(health_response(text, HEALTH_RESPONSE_MAX), -EBADMSG);
	cr_assert_eq(health_response(text, sizeof(text)), -EBADMSG);
}
