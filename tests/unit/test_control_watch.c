/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor and capture as requests. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/lib/fake_host.h"
#include "tests/lib/made_world.h"

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

static void attach(const char *network, const char *netns, const char *name, const char *ip)
{
	char body[256];

	snprintf(body, sizeof(body), "{\"Network\":\"%s\",\"Netns\":\"%s\",\"Name\":\"%s\",\"IP\":\"%s\"}",
		 network, netns, name, ip);
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/endpoints", body), 201, "%s", fake_host_text(&f, "Error"));
}

/* The record of the endpoint with that address, to be bent until the next write. */
static struct endpoint *record_of(const char *ip)
{
	const struct view *v = store_view(f.store);
	struct ov_addr addr = world_addr(ip);

	for (size_t i = 0; i < v->endpoint_count; i++)
		if (!memcmp(&v->endpoint[i].ep->addr, &addr, sizeof(addr)))
			return (struct endpoint *)v->endpoint[i].ep;
	cr_assert_fail("there is no endpoint with %s", ip);
	return NULL;
}

static void watches(const char *body, const char *network, const char *to)
{
	struct ov_addr addr = world_addr(to);

	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/monitor", body), 200, "%s", fake_host_text(&f, "Error"));
	cr_assert_eq(f.watched.vni, view_network_find(store_view(f.store), network)->net->vni);
	cr_assert_eq(memcmp(&f.watched.to, &addr, sizeof(addr)), 0, "not %s", to);
	f.stream.close(f.stream.ctx);
}

Test(control_watch, of_endpoints_with_one_name_a_network_decides)
{
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/networks", "{\"Name\":\"dim\",\"Subnet\":\"10.20.0.0/24\"}"),
		     201);
	attach("app", "c1", "k1", "10.10.0.2");
	attach("app", "c2", "k2", "10.10.0.3");
	attach("dim", "c3", "k2", "10.20.0.3");
	attach("dim", "c4", "k1", "10.20.0.2");
	record_of("10.20.0.2")->node = world_id(2);
	watches("{\"To\":\"k1\"}", "app", "10.10.0.2");
	watches("{\"To\":\"k1\",\"Network\":\"dim\"}", "dim", "10.20.0.2");
	watches("{\"To\":\"k2\",\"Network\":\"app\"}", "app", "10.10.0.3");
	watches("{\"To\":\"k2\",\"Network\":\"dim\"}", "dim", "10.20.0.3");
	watches("{\"From\":\"10.20.0.9\",\"To\":\"k2\",\"Network\":\"dim\"}", "dim", "10.20.0.3");
	refused("/v1/monitor", "{\"To\":\"k2\"}", 400, "is on network");
	refused("/v1/monitor", "{\"To\":\"\",\"Network\":\"app\"}", 404, "\"\" is no address");
}

Test(control_watch, of_two_with_one_name_on_one_network_this_nodes_own_is_meant)
{
	static const char *const ip[] = { "10.10.0.2", "10.10.0.3" };
	struct id self;

	attach("app", "c1", "k1", ip[0]);
	attach("app", "c2", "k2", ip[1]);
	self = record_of(ip[0])->node;
	strcpy(record_of(ip[1])->name, "k1"); /* as two nodes may name theirs at one time */
	for (int own = 0; own < 2; own++) {
		record_of(ip[own])->node = self;
		record_of(ip[!own])->node = world_id(2);
		watches("{\"To\":\"k1\",\"Network\":\"app\"}", "app", ip[own]);
	}
}

Test(control_watch, a_service_of_the_network_comes_before_an_endpoint_of_another)
{
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/networks", "{\"Name\":\"dim\",\"Subnet\":\"10.20.0.0/24\"}"),
		     201);
	attach("app", "c1", "web", "10.10.0.2");
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/services",
				   "{\"Name\":\"web\",\"Network\":\"dim\",\"VIP\":\"10.20.0.100\"}"), 201);
	watches("{\"To\":\"web\"}", "app", "10.10.0.2");
	watches("{\"To\":\"web\",\"Network\":\"dim\"}", "dim", "10.20.0.100");
}

Test(control_watch, one_too_many_is_told_so)
{
	err_set(&f.watch_error, -EBUSY, "16 clients watch already");
	refused("/v1/monitor", NULL, 409, "16 clients");
}
