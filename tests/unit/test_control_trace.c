/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GET /v1/trace: from a question to decisions, on a host of one node. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/fake_host.h"

static struct fake_host f;

static void ask(const char *method, const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, method, path, body);

	cr_assert_eq(got, status, "%s answered %d: %s", path, got, fake_host_text(&f, "Error"));
}

static void setup(void)
{
	fake_host_init(&f);
	ask("POST", "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}", 201);
	ask("POST", "/v1/services",
	    "{\"Name\":\"web\",\"Network\":\"app\",\"VIP\":\"10.10.0.100\",\"Ports\":[\"80:8080\"]}", 201);
	ask("POST", "/v1/endpoints",
	    "{\"Network\":\"app\",\"Netns\":\"c1\",\"Name\":\"one\",\"IP\":\"10.10.0.2\"}", 201);
	ask("POST", "/v1/endpoints",
	    "{\"Network\":\"app\",\"Netns\":\"c2\",\"Name\":\"two\",\"IP\":\"10.10.0.3\","
	    "\"Service\":\"web\"}", 201);
}
static void teardown(void)
{
	fake_host_fini(&f);
}
TestSuite(control_trace, .init = setup, .fini = teardown);

static void trace(const char *query, const char *verdict, const char *reason)
{
	char path[256];

	snprintf(path, sizeof(path), "/v1/trace?%s", query);
	ask("GET", path, NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Verdict"), verdict, "%s", query);
	cr_assert_str_eq(fake_host_text(&f, "Reason"), reason, "%s", query);
}

static bool some_step_says(const char *part)
{
	json_t *step;
	size_t i;

	json_array_foreach(fake_host_value(&f, "Steps"), i, step)
		if (strstr(json_string_value(json_object_get(step, "Text")), part))
			return true;
	return false;
}

static void refused(const char *query, int status, const char *part)
{
	char path[600];

	snprintf(path, sizeof(path), "/v1/trace%s%s", *query ? "?" : "", query);
	ask("GET", path, NULL, status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "%s: \"%s\"", query,
		  fake_host_text(&f, "Error"));
}

Test(control_trace, follows_a_packet_to_an_endpoint_and_through_a_service)
{
	trace("from=one&to=10.10.0.3:80", "FWD_LOCAL", "");
	cr_assert(json_is_true(fake_host_value(&f, "Delivered")));
	trace("from=one&to=10.10.0.100:80", "FWD_LOCAL", "");
	cr_assert(some_step_says("one backend takes new flows: two (10.10.0.3), port 8080"));
	trace("from=one&to=10.10.0.100:81%2ftcp", "FWD_RESET", "DROP_NO_PORT");
	cr_assert(json_is_false(fake_host_value(&f, "Delivered")));
	cr_assert_str_eq(fake_host_text(&f, "Packet.Protocol"), "tcp");
}

Test(control_trace, a_name_is_resolved_as_the_sender_s_dns_would)
{
	trace("from=one&to=web.app:80", "FWD_LOCAL", "");
	cr_assert(some_step_says("DNS answers web.app with 10.10.0.100"));
	trace("from=one&to=two", "FWD_LOCAL", "");
	cr_assert_str_eq(fake_host_text(&f, "Packet.Protocol"), "icmp");
	trace("from=one&to=tasks.web:80%2fudp", "FWD_LOCAL", "");
	cr_assert(some_step_says("DNS answers tasks.web with 10.10.0.3"));
}

Test(control_trace, a_service_without_backends_refuses_and_says_who_is_left_out)
{
	ask("PATCH", "/v1/endpoints/two", "{\"Drain\":true}", 200);
	trace("from=one&to=web:80", "FWD_RESET", "DROP_NO_BACKEND");
	cr_assert(some_step_says("two (10.10.0.3): drained"));
}

Test(control_trace, what_cannot_be_traced_is_one_sentence)
{
	refused("", 400, "needs from");
	refused("from=one", 400, "needs from");
	refused("from=nine&to=10.10.0.3", 404, "\"nine\"");
	refused("from=one&to=10.10.0.3:0", 400, "no port");
	refused("from=one&to=10.10.0.3:80x", 400, "no port");
	refused("from=one&to=10.10.0.3:80%2ftpc", 400, "no protocol");
	refused("from=one&to=10.10.0.3%2ftcp", 400, "needs a port");
	refused("from=one&to=10.10.0.3:80%2ficmp", 400, "no port");
	refused("from=one&to=:80", 400, "no destination");
	refused("from=one&to=elsewhere.example:80", 404, "elsewhere.example");
	refused("from=one&to=a..b:80", 404, "a..b");
	refused("from=one&to=fd00::1", 400, "IPv6");
	refused("from=one&to=10.10.0.3&size=27", 400, "size");
	refused("from=one&to=10.10.0.3:80&sport=65536", 400, "source port");
	refused("from=one&to=10.10.0.3:80&backend=x", 400, "backend");
	refused("from=one&to=10.10.0.3&colour=red", 400, "\"colour\"");
	refused("from=192.0.2.9&to=web:80", 400, "from outside");
	refused("from=fd00::9&to=10.99.0.1:80", 400, "no IPv4");
}
