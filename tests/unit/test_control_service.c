/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services and backends over the control API, as text in, text out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "front/show.h"
#include "tests/lib/fake_host.h"
#include "tests/lib/made_world.h"

static struct fake_host f;

static void teardown(void)
{
	fake_host_fini(&f);
}

static void assert_ask(const char *method, const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, method, path, body);

	cr_assert_eq(got, status, "%s %s answered %d: %s", method, path, got,
		     fake_host_text(&f, "Error"));
}

static void setup(void)
{
	fake_host_init(&f);
	assert_ask("POST", "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}", 201);
}

TestSuite(control_service, .init = setup, .fini = teardown);

static void assert_error(const char *method, const char *path, const char *body, int status,
			 const char *part)
{
	assert_ask(method, path, body, status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "\"%s\" does not say \"%s\"",
		  fake_host_text(&f, "Error"), part);
}

static size_t rows(const char *path)
{
	assert_ask("GET", path, NULL, 200);
	cr_assert(json_is_array(f.answer));
	return json_array_size(f.answer);
}

/* Of row i of the newest answer. */
static const char *row(size_t i, const char *member)
{
	return json_string_value(json_object_get(json_array_get(f.answer, i), member));
}

static json_int_t number(const json_t *object, const char *member)
{
	const json_t *v = json_object_get(object, member);

	cr_assert(json_is_integer(v), "%s is no number", member);
	return json_integer_value(v);
}

#define WEB "{\"Name\":\"web\",\"Network\":\"app\"}"
#define CHECKED "{\"Name\":\"web\",\"Network\":\"app\",\"Health\":\"http:8080/ok\"," \
		"\"HealthInterval\":\"9\",\"Algorithm\":\"rr\",\"Affinity\":\"client-ip=60\"," \
		"\"Prefer\":\"local\",\"VIP\":\"10.10.0.99\",\"Ports\":[\"80:8080\",\"53/udp\"]}"

static void make_service(void)
{
	assert_ask("POST", "/v1/services", WEB, 201);
}

static void attach(const char *name, const char *service)
{
	char body[200];

	snprintf(body, sizeof(body), "{\"Network\":\"app\",\"Netns\":\"%s\",\"Name\":\"%s\"%s%s%s}",
		 name, name, service ? ",\"Service\":\"" : "", service ? service : "",
		 service ? "\"" : "");
	assert_ask("POST", "/v1/endpoints", body, 201);
}

/* ---- create, inspect, ls ---- */

Test(control_service, inspect_has_the_shape_of_dockers)
{
	json_t *port, *vips;

	assert_ask("POST", "/v1/services", CHECKED, 201);
	assert_ask("GET", "/v1/services/web", NULL, 200);
	cr_assert_eq(strlen(fake_host_text(&f, "ID")), 32);
	cr_assert_gt(number(fake_host_value(&f, "Version"), "Index"), 0);
	cr_assert_str_eq(fake_host_text(&f, "CreatedAt"), "2023-11-14T22:13:20.123Z");
	cr_assert_str_eq(fake_host_text(&f, "Spec.Name"), "web");
	cr_assert_eq(number(fake_host_value(&f, "Spec.Mode.Replicated"), "Replicas"), 0);
	cr_assert_str_eq(fake_host_text(&f, "Spec.EndpointSpec.Mode"), "vip");
	port = json_array_get(fake_host_value(&f, "Spec.EndpointSpec.Ports"), 0);
	cr_assert_str_eq(json_string_value(json_object_get(port, "Protocol")), "tcp");
	cr_assert_eq(number(port, "Port"), 80);
	cr_assert_eq(number(port, "TargetPort"), 8080);
	cr_assert_str_eq(fake_host_text(&f, "Endpoint.Spec.Mode"), "vip");
	vips = fake_host_value(&f, "Endpoint.VirtualIPs");
	cr_assert_eq(json_array_size(vips), 1);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(vips, 0), "Addr")),
			 "10.10.0.99/24");
	cr_assert_str_eq(fake_host_text(&f, "Network"), "app");
	cr_assert_str_eq(fake_host_text(&f, "Algorithm"), "rr");
	cr_assert_eq(number(f.answer, "Affinity"), 60);
	cr_assert(json_is_true(fake_host_value(&f, "PreferLocal")));
	cr_assert_str_eq(fake_host_text(&f, "Health"), "http:8080/ok");
	cr_assert_eq(number(f.answer, "HealthInterval"), 9);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Backends")), 0);
}

Test(control_service, a_dnsrr_service_has_no_virtual_ip)
{
	assert_ask("POST", "/v1/services",
		   "{\"Name\":\"db\",\"Network\":\"app\",\"EndpointMode\":\"dnsrr\"}", 201);
	cr_assert_str_eq(fake_host_text(&f, "Spec.EndpointSpec.Mode"), "dnsrr");
	cr_assert_eq(json_array_size(fake_host_value(&f, "Endpoint.VirtualIPs")), 0);
	cr_assert_str_eq(fake_host_text(&f, "Health"), "none");
	cr_assert_eq(rows("/v1/services"), 1);
	cr_assert_str_eq(row(0, "VIP"), "");
	cr_assert_str_eq(row(0, "Mode"), "dnsrr");
}

Test(control_service, the_listing_is_sorted_and_counts_who_serves)
{
	assert_ask("POST", "/v1/services", CHECKED, 201);
	assert_ask("POST", "/v1/services", "{\"Name\":\"api\",\"Network\":\"app\"}", 201);
	attach("c1", "web");
	attach("c2", "api");
	attach("c3", "api");
	assert_ask("PATCH", "/v1/endpoints/c3", "{\"Drain\":true}", 200);
	cr_assert_eq(rows("/v1/services"), 2);
	cr_assert_str_eq(row(0, "Name"), "api");
	cr_assert_str_eq(row(0, "Replicas"), "1/2");
	cr_assert_str_eq(row(0, "Ports"), "");
	cr_assert_str_eq(row(1, "Name"), "web");
	cr_assert_str_eq(row(1, "Replicas"), "0/1", "nobody has tried its health yet");
	cr_assert_str_eq(row(1, "Ports"), "80:8080/tcp, 53/udp");
	cr_assert_str_eq(row(1, "VIP"), "10.10.0.99");
	cr_assert_str_eq(row(1, "Network"), "app");
}

Test(control_service, backends_tell_how_they_are)
{
	json_t *all, *one;

	make_service();
	attach("c1", "web");
	attach("c2", "web");
	assert_ask("PATCH", "/v1/endpoints/c2", "{\"Service\":\"web\",\"Weight\":\"5\"}", 200);
	assert_ask("PATCH", "/v1/endpoints/c2", "{\"Drain\":true}", 200);
	assert_ask("GET", "/v1/services/web", NULL, 200);
	all = fake_host_value(&f, "Backends");
	cr_assert_eq(json_array_size(all), 2);
	cr_assert_eq(number(fake_host_value(&f, "Spec.Mode.Replicated"), "Replicas"), 2);
	one = json_array_get(all, 0);
	cr_assert_str_eq(json_string_value(json_object_get(one, "Name")), "c1");
	cr_assert_str_eq(json_string_value(json_object_get(one, "State")), "serving");
	cr_assert_str_eq(json_string_value(json_object_get(one, "Node")), "node-a");
	cr_assert_str_eq(json_string_value(json_object_get(one, "IP")), "10.10.0.3");
	cr_assert_eq(number(one, "Weight"), 1);
	one = json_array_get(all, 1);
	cr_assert_str_eq(json_string_value(json_object_get(one, "State")), "draining");
	cr_assert_eq(number(one, "Weight"), 5);
}

Test(control_service, bad_requests_are_refused)
{
	assert_error("POST", "/v1/services", "{\"Network\":\"app\"}", 400, "\"Name\" is missing");
	assert_error("POST", "/v1/services", "{\"Name\":\"web\"}", 400, "\"Network\" is missing");
	assert_error("POST", "/v1/services", "{\"Name\":\"web\",\"Ports\":\"80\"}", 400, "\"Ports\"");
	assert_error("POST", "/v1/services", "{\"Name\":\"web\",\"LB\":\"rr\"}", 400, "\"LB\"");
	assert_error("POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"no\"}", 404, "\"no\"");
	assert_error("POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"app\",\"Publish\":[\"x\"]}",
		     400, "\"x\" is not a port");
	assert_error("POST", "/v1/services",
		     "{\"Name\":\"web\",\"Network\":\"app\",\"Options\":{\"dsr\":\"\"}}", 400, "dsr");
	make_service();
	assert_error("POST", "/v1/services", WEB, 409, "has a service web already");
	assert_error("GET", "/v1/services/wob", NULL, 404, "\"wob\"");
	assert_error("DELETE", "/v1/services/wob", NULL, 404, "\"wob\"");
	assert_error("PUT", "/v1/services/web", NULL, 405, "PUT");
	assert_error("DELETE", "/v1/networks/app", NULL, 409, "has 1 service (web)");
	cr_assert_eq(rows("/v1/services"), 1);
}

Test(control_service, a_name_on_two_networks_must_be_qualified)
{
	make_service();
	assert_ask("POST", "/v1/networks", "{\"Name\":\"two\",\"Subnet\":\"10.11.0.0/24\"}", 201);
	assert_ask("POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"two\"}", 201);
	assert_error("GET", "/v1/services/web", NULL, 400, "web.NETWORK");
	assert_error("DELETE", "/v1/services/web", NULL, 400, "web.NETWORK");
	assert_error("PATCH", "/v1/services/web", "{\"Algorithm\":\"rr\"}", 400, "web.NETWORK");
	assert_ask("GET", "/v1/services/web.two", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Network"), "two");
}

Test(control_service, what_the_kernel_refuses_is_taken_back)
{
	f.apply_error = (struct err){ .code = -EIO, .text = "no room in map services" };
	assert_error("POST", "/v1/services", WEB, 500, "no room in map services");
	f.apply_error = (struct err){ 0 };
	cr_assert_eq(rows("/v1/services"), 0);
	make_service();
}

Test(control_service, a_service_removed_while_it_is_made_says_so)
{
	f.hold = true;
	cr_assert_eq(fake_host_ask(&f, "POST", "/v1/services", WEB), 0, "not yet");
	cr_assert_eq(fake_host_ask(&f, "DELETE", "/v1/services/web", NULL), 0, "not yet");
	fake_host_apply(&f); /* the newest first */
	cr_assert_eq(f.status, 409);
	cr_assert(strstr(fake_host_text(&f, "Error"), "was removed again"));
}

/* ---- published ports ---- */

#define PUBLISHED(name, ...) \
	"{\"Name\":\"" name "\",\"Network\":\"app\",\"Publish\":[" __VA_ARGS__ "]}"

/* Of entry i of the newest answer's Endpoint.Ports. */
static const json_t *published(size_t i)
{
	const json_t *one = json_array_get(fake_host_value(&f, "Endpoint.Ports"), i);

	cr_assert(json_is_object(one));
	return one;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	cr_assert_not_null(text, "%s is no text", member);
	return text;
}

Test(control_service, published_ports_have_the_shape_of_dockers)
{
	const json_t *allow;

	assert_ask("POST", "/v1/services",
		   PUBLISHED("web", "\"80:8080\","
				    "\"mode=host,published=192.0.2.1:53,target=54,protocol=udp,"
				    "allow=10.0.0.0/8,allow=192.0.2.0/24\""), 201);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Endpoint.Ports")), 2);
	cr_assert_str_eq(text_of(published(0), "Protocol"), "tcp");
	cr_assert_eq(number(published(0), "TargetPort"), 8080);
	cr_assert_eq(number(published(0), "PublishedPort"), 80);
	cr_assert_str_eq(text_of(published(0), "PublishMode"), "ingress");
	cr_assert_str_eq(text_of(published(0), "Address"), "");
	cr_assert_eq(json_array_size(json_object_get(published(0), "Allow")), 0);
	cr_assert(json_is_false(json_object_get(published(0), "Lost")));
	cr_assert_str_eq(text_of(published(1), "Protocol"), "udp");
	cr_assert_str_eq(text_of(published(1), "PublishMode"), "host");
	cr_assert_str_eq(text_of(published(1), "Address"), "192.0.2.1");
	allow = json_object_get(published(1), "Allow");
	cr_assert_eq(json_array_size(allow), 2);
	cr_assert_str_eq(json_string_value(json_array_get(allow, 1)), "192.0.2.0/24");
	cr_assert(json_is_false(fake_host_value(&f, "DSR")));
	cr_assert_eq(json_array_size(fake_host_value(&f, "Spec.EndpointSpec.Ports")), 0);
}

Test(control_service, who_publishes_nothing_has_an_empty_list)
{
	make_service();
	cr_assert(json_is_array(fake_host_value(&f, "Endpoint.Ports")));
	cr_assert_eq(json_array_size(fake_host_value(&f, "Endpoint.Ports")), 0);
}

Test(control_service, the_listing_writes_published_ports_as_docker)
{
	assert_ask("POST", "/v1/services",
		   "{\"Name\":\"web\",\"Network\":\"app\",\"Ports\":[\"80:8080\",\"53/udp\"],"
		   "\"Publish\":[\"80:8080\",\"192.0.2.1:443:8443\","
		   "\"mode=host,published=53,target=53,protocol=udp\"]}",
		   201);
	cr_assert_eq(rows("/v1/services"), 1);
	cr_assert_str_eq(row(0, "Ports"),
		"*:80->8080/tcp, 192.0.2.1:443->8443/tcp, *:53->53/udp (host), "
					  "80:8080/tcp, 53/udp");
}

Test(control_service, the_longest_list_of_ports_is_shown_whole)
{
	char body[8192];
	size_t len = (size_t)snprintf(body, sizeof(body),
		"{\"Name\":\"web\",\"Network\":\"app\",\"Ports\":[");

	for (int i = 0; i < SERVICE_PORT_MAX; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%s\"%d:%d\"", i ? "," : "",
					65500 + i, 65400 + i);
	len += (size_t)snprintf(body + len, sizeof(body) - len, "],\"Publish\":[");
	for (int i = 0; i < SERVICE_PUBLISH_MAX; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len,
					"%s\"mode=host,published=192.100.200.100:%d,target=%d\"",
					i ? "," : "", 65000 + i, 64000 + i);
	snprintf(body + len, sizeof(body) - len, "]}");
	assert_ask("POST", "/v1/services", body, 201);
	cr_assert_eq(rows("/v1/services"), 1);
	cr_assert(strstr(row(0, "Ports"),
		"192.100.200.100:65031->64031/tcp (host), 65500:65400/tcp, "));
	cr_assert_str_eq(strrchr(row(0, "Ports"), ' '), " 65515:65415/tcp");
}

Test(control_service, published_ports_are_added_and_taken_away)
{
	assert_ask("POST", "/v1/services", PUBLISHED("web", "\"80:80\",\"81:81\""), 201);
	assert_ask("PATCH", "/v1/services/web",
		   "{\"PublishAdd\":[\"82:80\"],\"PublishRm\":[\"81\",\"published=80\"],"
		   "\"Options\":{\"dsr\":\"true\"}}", 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Endpoint.Ports")), 1);
	cr_assert_eq(number(published(0), "PublishedPort"), 82);
	cr_assert(json_is_true(fake_host_value(&f, "DSR")));
	assert_error("PATCH", "/v1/services/web", "{\"PublishRm\":[\"81\"]}", 404,
		"no port \"81\"");
	assert_error("PATCH", "/v1/services/web", "{\"Publish\":[\"81:81\"]}", 400,
		"--publish-add");
	assert_error("PATCH", "/v1/services/web", "{\"PublishAdd\":\"81:81\"}", 400,
		"\"PublishAdd\"");
	assert_error("POST", "/v1/services", PUBLISHED("shop", "\"82:1\""), 409, "service web");
}

/* As another node's record would have it. */
static void make_older(uint16_t port)
{
	struct service s = { .id = { { 0x77 } }, .name = "elder", .created_ms = 1,
			     .publish_count = 1,
			     .network = view_network_find(store_view(f.store), "app")->net->id };
	struct service_detail d = { .publish = { { PUBLISH_INGRESS, 6, port, port } } };
	struct record_key key = key_of_id(RECORD_SERVICE, &s.id);
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct err e = { 0 };

	service_encode(&body, &s, &d);
	cr_assert_eq(store_write(f.store, &key, &body, false, f.wall, &e), 0, "%s", e.text);
}

Test(control_service, a_lost_port_is_shown_and_warned_of)
{
	const json_t *warnings;

	assert_ask("POST", "/v1/services", PUBLISHED("web", "\"80:8080\",\"81:81\""), 201);
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 0);
	make_older(80);
	assert_ask("GET", "/v1/services/web", NULL, 200);
	cr_assert(json_is_true(json_object_get(published(0), "Lost")));
	cr_assert(json_is_false(json_object_get(published(1), "Lost")));
	assert_ask("GET", "/v1/status", NULL, 200);
	warnings = fake_host_value(&f, "Warnings");
	cr_assert_eq(json_array_size(warnings), 1);
	cr_assert(strstr(json_string_value(json_array_get(warnings, 0)),
			 "service web on network app lost its published port *:80->8080/tcp to "
			 "service elder"));
}

/* ---- update, rm ---- */

Test(control_service, update_answers_with_what_it_is_now)
{
	json_int_t before;

	make_service();
	before = number(fake_host_value(&f, "Version"), "Index");
	assert_ask("PATCH", "/v1/services/web", "{\"Algorithm\":\"random\",\"Ports\":[\"+80\"]}", 200);
	cr_assert_str_eq(fake_host_text(&f, "Algorithm"), "random");
	cr_assert_eq(json_array_size(fake_host_value(&f, "Spec.EndpointSpec.Ports")), 1);
	cr_assert_gt(number(fake_host_value(&f, "Version"), "Index"), before);
	assert_error("PATCH", "/v1/services/web", "{\"Name\":\"wob\"}", 400, "keeps its name");
	assert_error("PATCH", "/v1/services/web", "{\"VIP\":\"10.10.0.9\"}", 400, "VIP");
	assert_error("PATCH", "/v1/services/wob", "{}", 404, "\"wob\"");
}

Test(control_service, removal_frees_its_backends)
{
	make_service();
	attach("c1", "web");
	assert_ask("DELETE", "/v1/services/web", NULL, 200);
	cr_assert_eq(strlen(fake_host_text(&f, "ID")), 32);
	cr_assert_eq(rows("/v1/services"), 0);
	assert_ask("GET", "/v1/endpoints/c1", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Service"), "");
}

/* ---- endpoints as backends ---- */

Test(control_service, an_endpoint_says_whose_backend_it_is)
{
	assert_ask("POST", "/v1/services", CHECKED, 201);
	assert_ask("POST", "/v1/endpoints",
		   "{\"Network\":\"app\",\"Netns\":\"c1\",\"Service\":\"web\",\"Weight\":\"3\"}", 201);
	cr_assert_str_eq(fake_host_text(&f, "Service"), "web");
	cr_assert_eq(number(f.answer, "Weight"), 3);
	cr_assert(json_is_false(fake_host_value(&f, "Draining")));
	cr_assert_str_eq(fake_host_text(&f, "Health"), "untried");
	attach("c2", NULL);
	cr_assert_str_eq(fake_host_text(&f, "Service"), "");
	cr_assert_eq(number(f.answer, "Weight"), 0);
	cr_assert_str_eq(fake_host_text(&f, "Health"), "none");
}

Test(control_service, endpoints_join_drain_and_leave)
{
	make_service();
	attach("c1", NULL);
	assert_ask("PATCH", "/v1/endpoints/c1", "{\"Service\":\"web\"}", 200);
	cr_assert_str_eq(fake_host_text(&f, "Service"), "web");
	assert_ask("PATCH", "/v1/endpoints/c1", "{\"Drain\":true}", 200);
	cr_assert(json_is_true(fake_host_value(&f, "Draining")));
	assert_ask("PATCH", "/v1/endpoints/c1", "{\"Drain\":false}", 200);
	cr_assert(json_is_false(fake_host_value(&f, "Draining")));
	assert_ask("PATCH", "/v1/endpoints/c1", "{\"Service\":\"\"}", 200);
	cr_assert_str_eq(fake_host_text(&f, "Service"), "");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Service\":\"\"}", 404, "in no service");
	assert_error("PATCH", "/v1/endpoints/c1", "{}", 400, "\"Service\" or \"Drain\" is missing");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Drain\":null}", 400, "is missing");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Weight\":\"3\"}", 400, "is missing");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Drain\":true,\"Service\":\"web\"}", 400,
		     "do not go together");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Drain\":\"yes\"}", 400, "\"Drain\"");
	assert_error("PATCH", "/v1/endpoints/c1", "{\"Service\":\"wob\"}", 404, "\"wob\"");
	assert_error("PATCH", "/v1/endpoints/c9", "{\"Drain\":true}", 404, "\"c9\"");
}

/* ---- status ---- */

Test(control_service, status_counts_services)
{
	make_service();
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(number(f.answer, "Services"), 1);
}

/* ---- what balances ---- */

static struct ov_addr addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static uint32_t vni_of(const char *network)
{
	return view_network_find(store_view(f.store), network)->net->vni;
}

Test(control_service, kernel_rows_are_joined_with_names)
{
	json_t *first;

	assert_ask("POST", "/v1/services", CHECKED, 201);
	attach("c1", "web");
	f.lb[f.lb_count++] = (struct lb_row){ .vni = vni_of("app"), .vip = addr("10.10.0.99"),
					      .backend = addr("10.10.0.100"), .algorithm = OV_LB_RR,
					      .weight = 2, .active = 3, .total = 40 };
	f.lb[f.lb_count++] = (struct lb_row){ .vni = vni_of("app"), .vip = addr("10.10.0.99"),
					      .backend = addr("10.10.0.7"), .algorithm = OV_LB_RR,
					      .is_old = true, .active = 1, .total = 9 };
	f.lb[f.lb_count++] = (struct lb_row){ .vni = 77, .vip = addr("10.10.0.99"),
					      .is_empty = true };
	cr_assert_eq(rows("/v1/lb"), 3);
	cr_assert_str_eq(row(0, "VIP"), "10.10.0.99");
	cr_assert_str_eq(row(0, "Service"), "web");
	cr_assert_str_eq(row(0, "Network"), "app");
	cr_assert_str_eq(row(0, "Algorithm"), "rr");
	cr_assert_str_eq(row(0, "Backend"), "10.10.0.100");
	cr_assert_str_eq(row(0, "Name"), "c1");
	cr_assert_str_eq(row(0, "Node"), "node-a");
	first = json_array_get(f.answer, 0);
	cr_assert_eq(number(first, "Weight"), 2);
	cr_assert_eq(number(first, "Active"), 3);
	cr_assert_eq(number(first, "Total"), 40);
	cr_assert_str_eq(row(1, "Service"), "web");
	cr_assert_str_eq(row(1, "Name"), "", "who was there has left");
	cr_assert(json_is_true(json_object_get(json_array_get(f.answer, 1), "Old")));
	cr_assert_str_eq(row(2, "Service"), "", "of a network that is gone");
	cr_assert_str_eq(row(2, "Backend"), "");
}

Test(control_service, kernel_rows_are_filtered_by_service)
{
	assert_ask("POST", "/v1/services", CHECKED, 201);
	assert_ask("POST", "/v1/services",
		   "{\"Name\":\"api\",\"Network\":\"app\",\"VIP\":\"10.10.0.50\"}", 201);
	f.lb[f.lb_count++] = (struct lb_row){ .vni = vni_of("app"), .vip = addr("10.10.0.50"),
					      .is_empty = true };
	f.lb[f.lb_count++] = (struct lb_row){ .vni = vni_of("app"), .vip = addr("10.10.0.99"),
					      .is_empty = true };
	cr_assert_eq(rows("/v1/lb?service=web"), 1);
	cr_assert_str_eq(row(0, "Service"), "web");
	cr_assert_eq(rows("/v1/lb?service=api.app"), 1);
	cr_assert_str_eq(row(0, "VIP"), "10.10.0.50");
	assert_error("GET", "/v1/lb?service=wob", NULL, 404, "\"wob\"");
	assert_error("GET", "/v1/lb?network=app", NULL, 400, "network");
	assert_error("GET", "/v1/lb?service=%zz", NULL, 400, "escape");
	f.apply_error = (struct err){ .code = -EIO, .text = "cannot read map services" };
	assert_error("GET", "/v1/lb", NULL, 500, "cannot read map services");
	f.apply_error = (struct err){ 0 };
}

/* ---- states, on a made-up view ---- */

Test(control_service, a_backends_state_names_the_first_reason_against_it)
{
	struct id away_node = world_id(2);
	struct id_set away = { 1, &away_node };
	_cleanup_(world_fini) struct world w = { 0 };
	struct endpoint *ep[7];

	world_network(&w, 20, "a", "10.9.0.0/24", 5000);
	world_service(&w, 40, 20, "web", "10.9.0.200")->service.health = HEALTH_TCP;
	for (unsigned int i = 0; i < 7; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.9.0.%u", i == 6 ? 10 : 10 + i);
		ep[i] = &world_endpoint(&w, 100 + i, 1, 20, text)->endpoint;
		ep[i]->service = world_id(40);
		ep[i]->health = ENDPOINT_HEALTHY;
	}
	ep[1]->draining = true;
	ep[2]->health = ENDPOINT_UNTRIED;
	ep[3]->health = ENDPOINT_UNHEALTHY;
	ep[4]->node = away_node;
	ep[5]->node = away_node;
	ep[5]->draining = true;
	static const char *const want[] = { "serving", "draining", "untried", "unhealthy",
					    "away", "away", "lost" };
	_cleanup_(view_fini) struct view v = world_view(&w);

	for (unsigned int i = 0; i < 7; i++)
		cr_expect_str_eq(show_backend_state(&v.endpoint[i], &away), want[i], "%u", i);
}

/* ---- published ports that are not open here ---- */

Test(control_service, status_warns_of_published_ports_that_processes_have)
{
	struct control_port taken[] = { { .port = 80, .protocol = IPPROTO_TCP },
					{ .port = 53, .protocol = IPPROTO_UDP } };

	assert_ask("POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"app\",\"Publish\":"
		   "[\"80:8080\",\"81:8080\",\"80:80/udp\",\"published=192.0.2.7:53,target=53,"
		   "protocol=udp\"]}", 201);
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 0);
	cr_assert_eq(addr_parse("192.0.2.7", &taken[1].addr), 0);
	f.facts.taken = taken;
	f.facts.taken_count = 2;
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 2);
	cr_assert(strstr(fake_host_text(&f, "Warnings.0"),
			 "port 80/tcp of service web is not open on this node: a process has it"),
		  "%s", fake_host_text(&f, "Warnings.0"));
	cr_assert(strstr(fake_host_text(&f, "Warnings.1"), "port 53/udp of 192.0.2.7 of service web"),
		  "%s", fake_host_text(&f, "Warnings.1"));
	assert_ask("DELETE", "/v1/services/web", NULL, 200);
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 0, "nobody publishes it any more");
}
