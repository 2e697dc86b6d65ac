/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor and capture as requests. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/lib/fake_host.h"

static struct fake_host f;

static void setup(void)
{
	fake_host_init(&f);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}"),
		     201);
}
static void teardown(void)
{
	fake_host_fini(&f);
}
TestSuite(control_watch, .init = setup, .fini = teardown);

static void refused(const char *path, const char *body, int status, const char *part)
{
	cr_assert_eq(fake_host_ask(&f, "POST", path, body), status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "\"%s\" does not say \"%s\"",
		  fake_host_text(&f, "Error"), part);
	cr_assert_eq(f.watchers, 0);
}

Test(control_watch, a_filter_is_taken_as_it_was_asked_for)
{
	struct ov_addr from = addr_from_v4(0x0a0a0002), to = addr_from_v4(0x0a0a0003);

	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/capture",
				   "{\"Network\":\"app\",\"From\":\"10.10.0.2\",\"To\":\"10.10.0.3\","
				   "\"Port\":\"53/udp\",\"Snaplen\":\"96\",\"Drops\":true}"), 200);
	cr_assert(f.watched.capture && f.watched.drops);
	cr_assert_eq(f.watched.vni, store_view(f.store)->network[0].net->vni);
	cr_assert_eq(memcmp(&f.watched.from, &from, sizeof(from)), 0);
	cr_assert_eq(memcmp(&f.watched.to, &to, sizeof(to)), 0);
	cr_assert_eq(f.watched.port, 53);
	cr_assert_eq(f.watched.protocol, IPPROTO_UDP);
	cr_assert_eq(f.watched.snap, 96);
	cr_assert_eq(f.watchers, 1);
	f.stream.close(f.stream.ctx);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor", "{\"Port\":\"icmp\"}"), 200);
	cr_assert_not(f.watched.capture);
	cr_assert_eq(f.watched.protocol, IPPROTO_ICMP);
	cr_assert_eq(f.watched.port, 0);
	f.stream.close(f.stream.ctx);
}

Test(control_watch, it_answers_when_the_kernel_looks)
{
	f.hold = true;
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor", NULL), 0);
	fake_host_apply(&f);
	cr_assert_eq(f.status, 200);
	cr_assert_eq(f.watchers, 1);
	f.stream.close(f.stream.ctx);
}

Test(control_watch, a_row_of_somebody_else_that_failed_is_no_obstacle)
{
	err_set(&f.apply_error, -EIO, "some device cannot be made");
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor", NULL), 200);
	f.stream.close(f.stream.ctx);
	f.watch_off = true;
	refused("/v1/monitor", NULL, 500, "some device");
}

Test(control_watch, what_is_wrong_with_a_filter_is_said)
{
	refused("/v1/monitor", "{\"Network\":\"nowhere\"}", 404, "\"nowhere\"");
	refused("/v1/monitor", "{\"From\":\"10.10.0\"}", 404, "\"10.10.0\" is no address");
	refused("/v1/monitor", "{\"To\":\"nobody\"}", 404, "\"nobody\" is no address, no endpoint and no service");
	refused("/v1/monitor", "{\"Port\":\"0\"}", 400, "\"0\"");
	refused("/v1/monitor", "{\"Port\":\"80/tls\"}", 400, "\"80/tls\"");
	refused("/v1/monitor", "{\"Port\":\"-1\"}", 400, "\"-1\"");
	refused("/v1/capture", "{\"Snaplen\":\"63\"}", 400, "\"63\"");
	refused("/v1/capture", "{\"Snaplen\":\"2049\"}", 400, "\"2049\"");
	refused("/v1/monitor", "{\"Banana\":\"1\"}", 400, "Banana");
}

Test(control_watch, a_service_by_name_is_its_vip_on_its_network)
{
	const struct view_service *s;

	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/networks", "{\"Name\":\"dim\",\"Subnet\":\"10.20.0.0/24\"}"),
		     201);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"app\"}"), 201);
	s = &store_view(f.store)->service[0];
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor", "{\"To\":\"web\"}"), 200);
	cr_assert_eq(memcmp(&f.watched.to, &s->svc->vip, sizeof(s->svc->vip)), 0);
	cr_assert_eq(f.watched.vni, s->net->net->vni);
	f.stream.close(f.stream.ctx);
	refused("/v1/monitor", "{\"To\":\"web\",\"Network\":\"dim\"}", 400, "\"web\" is on network app");
}

Test(control_watch, of_services_with_one_name_a_network_decides)
{
	const struct view *v;

	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/networks", "{\"Name\":\"dim\",\"Subnet\":\"10.20.0.0/24\"}"),
		     201);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"app\"}"), 201);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"dim\"}"), 201);
	refused("/v1/monitor", "{\"To\":\"web\"}", 400, "several networks have a service \"web\"; say which one as web.NETWORK");
	for (size_t i = 0; i < 2; i++) {
		v = store_view(f.store);
		cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor",
					   i ? "{\"To\":\"web.dim\"}" : "{\"To\":\"web\",\"Network\":\"dim\"}"), 200);
		cr_assert_eq(f.watched.vni, view_network_find(v, "dim")->net->vni);
		cr_assert_eq(memcmp(&f.watched.to, &view_service_on(v, view_network_find(v, "dim"), "web")->svc->vip,
				    sizeof(struct ov_addr)), 0);
		f.stream.close(f.stream.ctx);
	}
}

Test(control_watch, one_too_many_is_told_so)
{
	err_set(&f.watch_error, -EBUSY, "16 clients watch already");
	refused("/v1/monitor", NULL, 409, "16 clients");
}
