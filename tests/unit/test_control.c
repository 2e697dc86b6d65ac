/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control API as text in, text out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/json.h"
#include "tests/lib/fake_host.h"

static struct fake_host f;

static void setup(void)
{
	fake_host_init(&f);
}

static void teardown(void)
{
	fake_host_fini(&f);
}

TestSuite(control, .init = setup, .fini = teardown);

#define NET "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}"
#define ATTACH(more) "{\"Network\":\"app\",\"Netns\":\"c1\"" more "}"

static void assert_ask(const char *method, const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, method, path, body);

	cr_assert_eq(got, status, "%s %s answered %d: %s", method, path, got,
		  fake_host_text(&f, "Error"));
}

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

static void make_network(void)
{
	assert_ask("POST", "/v1/networks", NET, 201);
}

/* ---- routing ---- */

Test(control, a_path_nobody_serves_is_not_found)
{
	assert_error("GET", "/v1/banana", NULL, 404, "/v1/banana");
	assert_error("GET", "/", NULL, 404, "/v1/");
	assert_error("GET", "/v1/networks/", NULL, 404, "/v1/networks/");
	assert_error("GET", "/v1/networks/a/b", NULL, 404, "/v1/networks/a/b");
	assert_error("GET", "/v1/cluster/banana", NULL, 404, "/v1/cluster/banana");
}

Test(control, a_method_that_a_path_has_not_is_refused_as_such)
{
	assert_error("PUT", "/v1/networks", NULL, 405, "PUT");
	assert_error("DELETE", "/v1/status", NULL, 405, "DELETE");
}

Test(control, a_bad_escape_in_the_path_is_refused)
{
	assert_error("GET", "/v1/networks/a%2", NULL, 400, "escape");
	assert_error("GET", "/v1/networks/a%00b", NULL, 400, "escape");
	assert_error("GET", "/v1/networks/a%zzb", NULL, 400, "escape");
}

Test(control, an_escaped_name_is_decoded)
{
	make_network();
	assert_ask("GET", "/v1/networks/%61p%70", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Name"), "app");
}

Test(control, a_parameter_nobody_knows_is_refused)
{
	assert_error("GET", "/v1/networks?x=1", NULL, 400, "x=1");
	assert_error("GET", "/v1/endpoints?colour=red", NULL, 400, "colour");
}

/* ---- strict decoding ---- */

Test(control, an_unknown_field_is_named)
{
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\",\"Subnets\":\"10.0.0.0/8\"}", 400,
		     "\"Subnets\"");
	cr_assert_eq(rows("/v1/networks"), 0);
}

Test(control, a_wrong_type_is_named)
{
	assert_error("POST", "/v1/networks", "{\"Name\":7}", 400, "\"Name\" must be a string, not a number");
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\",\"Internal\":\"yes\"}", 400, "\"Internal\"");
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\",\"Options\":[]}", 400, "\"Options\"");
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\",\"Options\":{\"mtu\":1400}}", 400, "\"mtu\"");
	assert_error("POST", "/v1/endpoints", ATTACH(",\"Aliases\":[1]"), 400, "\"Aliases\"");
}

Test(control, a_duplicate_member_is_refused)
{
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\",\"Name\":\"b\"}", 400, "duplicate");
}

Test(control, what_is_not_json_is_refused_with_its_place)
{
	assert_error("POST", "/v1/networks", "{\"Name\": banana}", 400, "line 1");
	assert_error("POST", "/v1/networks", "[]", 400, "must be an object");
	assert_error("POST", "/v1/networks", "{} {}", 400, "not valid JSON");
	assert_error("POST", "/v1/networks", NULL, 400, "body");
	assert_error("POST", "/v1/networks", "{\"Name\":\"a\\u0000b\"}", 400, "not valid JSON");
}

Test(control, a_body_nested_too_deep_is_refused_before_it_is_parsed)
{
	assert_error("POST", "/v1/networks", "{\"a\":[[[[[[[[[1]]]]]]]]]}", 400, "deeper");
}

Test(control, brackets_inside_strings_are_not_depth)
{
	assert_error("POST", "/v1/networks", "{\"Name\":\"[[[[[[[[[[\\\"[[[[\"}", 400, "name");
}

Test(control, a_refusal_that_quotes_bytes_that_are_not_text_is_still_json)
{
	assert_ask("GET", "/v1/networks/%ff%fe", NULL, 404);
}

Test(control, more_entries_than_a_list_holds_are_refused)
{
	char body[2048] = "{\"Network\":\"app\",\"Netns\":\"c1\",\"Aliases\":[\"a\"";

	for (int i = 0; i < JSON_ITEMS_MAX; i++)
		strcat(body, ",\"a\"");
	strcat(body, "]}");
	make_network();
	assert_error("POST", "/v1/endpoints", body, 400, "Aliases");
}

Test(control, null_is_as_good_as_absent)
{
	assert_ask("POST", "/v1/networks", "{\"Name\":\"app\",\"Gateway\":null}", 201);
}

/* ---- networks ---- */

Test(control, a_network_is_created_and_shown_as_docker_shows_it)
{
	make_network();
	assert_ask("GET", "/v1/networks/app", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Name"), "app");
	cr_assert_str_eq(fake_host_text(&f, "Driver"), "overlayd");
	cr_assert_str_eq(fake_host_text(&f, "Scope"), "swarm");
	cr_assert_str_eq(fake_host_text(&f, "Created"), "2023-11-14T22:13:20.123Z");
	cr_assert_str_eq(fake_host_text(&f, "IPAM.Config.0.Subnet"), "10.10.0.0/24");
	cr_assert_str_eq(fake_host_text(&f, "IPAM.Config.0.Gateway"), "10.10.0.1");
	cr_assert_str_eq(fake_host_text(&f, "IPAM.Config.0.IPRange"), "");
	cr_assert_str_eq(fake_host_text(&f, "Options.mtu"), "1450");
	cr_assert_gt(atoi(fake_host_text(&f, "Options.vni")), 0);
	cr_assert_str_eq(fake_host_text(&f, "Peers.0.Name"), "node-a");
	cr_assert_str_eq(fake_host_text(&f, "Peers.0.IP"), "10.99.0.1");
	cr_assert_str_eq(fake_host_text(&f, "ConfigFrom.Network"), "");
	cr_assert(json_is_true(fake_host_value(&f, "EnableIPv4")));
	cr_assert(json_is_false(fake_host_value(&f, "EnableIPv6")));
}

Test(control, the_answer_to_a_new_network_is_its_id)
{
	char id[64];

	make_network();
	snprintf(id, sizeof(id), "%s", fake_host_text(&f, "Id"));
	cr_assert_eq(strlen(id), 32);
	assert_ask("GET", "/v1/networks", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "0.Id"), id);
	cr_assert_str_eq(fake_host_text(&f, "0.Subnet"), "10.10.0.0/24");
}

Test(control, options_reach_the_network)
{
	assert_ask("POST", "/v1/networks",
		   "{\"Name\":\"n\",\"Options\":{\"vni\":\"77\",\"mtu\":\"1300\"},\"Internal\":true,"
		   "\"IPRange\":\"10.10.0.128/25\",\"Subnet\":\"10.10.0.0/24\"}", 201);
	assert_ask("GET", "/v1/networks/n", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Options.vni"), "77");
	cr_assert_str_eq(fake_host_text(&f, "Options.mtu"), "1300");
	cr_assert_str_eq(fake_host_text(&f, "IPAM.Config.0.IPRange"), "10.10.0.128/25");
	cr_assert(json_is_true(fake_host_value(&f, "Internal")));
}

Test(control, an_option_without_value_arrives_bare)
{
	assert_error("POST", "/v1/networks", "{\"Name\":\"n\",\"Options\":{\"encrypted\":\"\"}}", 409,
		     "network n cannot be encrypted");
}

Test(control, networks_are_listed_by_name)
{
	assert_ask("POST", "/v1/networks", "{\"Name\":\"zebra\"}", 201);
	assert_ask("POST", "/v1/networks", "{\"Name\":\"ant\"}", 201);
	cr_assert_eq(rows("/v1/networks"), 2);
	cr_assert_str_eq(fake_host_text(&f, "0.Name"), "ant");
}

Test(control, a_name_that_is_taken_is_a_conflict)
{
	make_network();
	assert_error("POST", "/v1/networks", NET, 409, "app");
	cr_assert_eq(rows("/v1/networks"), 1);
}

Test(control, a_network_without_name_is_refused)
{
	assert_error("POST", "/v1/networks", "{}", 400, "\"Name\"");
}

Test(control, a_network_that_could_not_be_applied_is_taken_back)
{
	err_set(&f.apply_error, -EIO, "the kernel refused");
	assert_error("POST", "/v1/networks", NET, 500, "the kernel refused");
	f.apply_error.code = 0;
	cr_assert_eq(rows("/v1/networks"), 0);
}

Test(control, a_network_is_removed_by_name)
{
	make_network();
	assert_ask("DELETE", "/v1/networks/app", NULL, 200);
	cr_assert_eq(rows("/v1/networks"), 0);
	assert_error("DELETE", "/v1/networks/app", NULL, 404, "app");
}

/* ---- endpoints ---- */

Test(control, an_attach_is_answered_with_what_inspect_shows)
{
	make_network();
	assert_ask("POST", "/v1/endpoints",
		   ATTACH(",\"Name\":\"web1\",\"Aliases\":[\"w\"],\"Labels\":{\"tier\":\"front\"}"), 201);
	cr_assert_eq(strlen(fake_host_text(&f, "ID")), 32);
	cr_assert_str_eq(fake_host_text(&f, "Name"), "web1");
	cr_assert_str_eq(fake_host_text(&f, "Network"), "app");
	cr_assert_str_eq(fake_host_text(&f, "Node"), "node-a");
	cr_assert_str_eq(fake_host_text(&f, "IfName"), "eth0");
	cr_assert_str_eq(fake_host_text(&f, "Netns"), "/run/netns/c1");
	cr_assert_str_eq(fake_host_text(&f, "Aliases.0"), "w");
	cr_assert_str_eq(fake_host_text(&f, "Labels.tier"), "front");
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "MTU")), 1450);
}

Test(control, address_and_mac_are_as_asked)
{
	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"IP\":\"10.10.0.77\",\"IfName\":\"net1\""), 201);
	cr_assert_str_eq(fake_host_text(&f, "IP"), "10.10.0.77");
	cr_assert_str_eq(fake_host_text(&f, "MAC"), "02:42:0a:0a:00:4d");
	cr_assert_str_eq(fake_host_text(&f, "IfName"), "net1");
}

Test(control, a_local_endpoint_is_among_the_containers_of_its_network)
{
	char id[64], where[128];

	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"IP\":\"10.10.0.77\",\"Name\":\"web1\""), 201);
	snprintf(id, sizeof(id), "%s", fake_host_text(&f, "ID"));
	assert_ask("GET", "/v1/networks/app", NULL, 200);
	snprintf(where, sizeof(where), "Containers.%s.IPv4Address", id);
	cr_assert_str_eq(fake_host_text(&f, where), "10.10.0.77/24");
	snprintf(where, sizeof(where), "Containers.%s.Name", id);
	cr_assert_str_eq(fake_host_text(&f, where), "web1");
}

Test(control, addresses_in_use_are_counted)
{
	json_t *subnets, *usage;

	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(""), 201);
	assert_ask("GET", "/v1/networks/app", NULL, 200);
	subnets = fake_host_value(&f, "Status.IPAM.Subnets");
	usage = json_object_get(subnets, "10.10.0.0/24");
	cr_assert_eq((int)json_integer_value(json_object_get(usage, "IPsInUse")), 1);
	cr_assert_eq((int)json_integer_value(json_object_get(usage, "DynamicIPsAvailable")), 252);
}

Test(control, an_attach_waits_for_the_kernel)
{
	make_network();
	f.hold = true;
	assert_ask("POST", "/v1/endpoints", ATTACH(""), 0);
	fake_host_apply(&f);
	cr_assert_eq(f.status, 201);
}

Test(control, an_attach_that_the_kernel_refuses_is_taken_back)
{
	make_network();
	err_set(&f.apply_error, -EEXIST, "eth0 exists in the namespace");
	assert_error("POST", "/v1/endpoints", ATTACH(""), 409, "eth0 exists");
	cr_assert_eq(rows("/v1/endpoints"), 0);
}

Test(control, an_endpoint_detached_while_it_is_attached_is_said)
{
	make_network();
	f.hold = true;
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"Name\":\"e\""), 0);
	assert_ask("DELETE", "/v1/endpoints/e", NULL, 0);
	fake_host_apply(&f); /* the newest first: 200 to the detach, then to the attach */
	cr_assert_eq(f.status, 409);
	cr_assert_eq(rows("/v1/endpoints"), 0);
}

Test(control, a_namespace_that_does_not_exist_is_not_found)
{
	make_network();
	assert_error("POST", "/v1/endpoints", "{\"Network\":\"app\",\"Netns\":\"gone\"}", 404, "gone");
	assert_error("POST", "/v1/endpoints", "{\"Network\":\"app\"}", 400, "\"Netns\"");
	assert_error("POST", "/v1/endpoints", "{\"Netns\":\"c1\"}", 400, "\"Network\"");
	assert_error("POST", "/v1/endpoints", "{\"Network\":\"nonet\",\"Netns\":\"c1\"}", 404, "nonet");
}

Test(control, endpoints_are_listed_by_network_and_address)
{
	make_network();
	assert_ask("POST", "/v1/networks", "{\"Name\":\"aaa\",\"Subnet\":\"10.11.0.0/24\"}", 201);
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"IP\":\"10.10.0.9\""), 201);
	assert_ask("POST", "/v1/endpoints",
		   "{\"Network\":\"app\",\"Netns\":\"c2\",\"IP\":\"10.10.0.5\"}", 201);
	assert_ask("POST", "/v1/endpoints",
		   "{\"Network\":\"aaa\",\"Netns\":\"c3\",\"IP\":\"10.11.0.20\"}", 201);
	cr_assert_eq(rows("/v1/endpoints"), 3);
	cr_assert_str_eq(fake_host_text(&f, "0.IP"), "10.11.0.20");
	cr_assert_str_eq(fake_host_text(&f, "1.IP"), "10.10.0.5");
	cr_assert_eq(rows("/v1/endpoints?network=aaa"), 1);
	assert_error("GET", "/v1/endpoints?network=nonet", NULL, 404, "nonet");
	assert_error("GET", "/v1/endpoints?network=%4", NULL, 400, "escape");
}

Test(control, one_name_on_two_networks_needs_the_id)
{
	make_network();
	assert_ask("POST", "/v1/networks", "{\"Name\":\"two\",\"Subnet\":\"10.11.0.0/24\"}", 201);
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"Name\":\"e\""), 201);
	assert_ask("POST", "/v1/endpoints", "{\"Network\":\"two\",\"Netns\":\"c2\",\"Name\":\"e\"}", 201);
	assert_error("GET", "/v1/endpoints/e", NULL, 400, "two");
	assert_error("DELETE", "/v1/endpoints/e", NULL, 400, "two");
	cr_assert_eq(rows("/v1/endpoints"), 2);
}

Test(control, a_detach_is_answered_once_the_kernel_let_go)
{
	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"Name\":\"e\""), 201);
	f.hold = true;
	assert_ask("DELETE", "/v1/endpoints/e", NULL, 0);
	fake_host_apply(&f);
	cr_assert_eq(f.status, 200);
	cr_assert_eq(rows("/v1/endpoints"), 0);
	assert_error("DELETE", "/v1/endpoints/e", NULL, 404, "\"e\"");
}

/* ---- the rest ---- */

Test(control, nodes_are_listed_with_this_one_marked)
{
	cr_assert_eq(rows("/v1/nodes"), 1);
	cr_assert_str_eq(fake_host_text(&f, "0.Name"), "node-a");
	cr_assert_str_eq(fake_host_text(&f, "0.Status"), "alive");
	cr_assert(json_is_true(fake_host_value(&f, "0.Self")));
	assert_ask("GET", "/v1/nodes/node-a", NULL, 200);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "VXLANPort")), 4789);
	assert_error("GET", "/v1/nodes/node-z", NULL, 404, "node-z");
	assert_error("DELETE", "/v1/nodes/node-z", NULL, 404, "node-z");
	assert_error("DELETE", "/v1/nodes/node-a", NULL, 400, "node-a");
}

Test(control, rotating_the_token_makes_another_one)
{
	char before[TOKEN_TEXT_MAX];
	uint8_t secret[TOKEN_SECRET_LEN];

	assert_ask("GET", "/v1/cluster/token", NULL, 200);
	snprintf(before, sizeof(before), "%s", fake_host_text(&f, "Token"));
	cr_assert_eq(token_parse(before, secret), 0);
	assert_error("POST", "/v1/cluster/token", "{\"Token\":\"mine\"}", 400, "\"Token\"");
	assert_ask("POST", "/v1/cluster/token", "{}", 200);
	cr_assert_str_neq(fake_host_text(&f, "Token"), before);
}

Test(control, leaving_answers_first_and_shuts_down_then)
{
	assert_ask("POST", "/v1/cluster/leave", NULL, 200);
	cr_assert(f.shut_down);
}

Test(control, status_counts_and_warns)
{
	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(""), 201);
	f.facts.warning_count = 1;
	strcpy(f.facts.warning[0], "the disk is full");
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Node.Name"), "node-a");
	cr_assert_str_eq(fake_host_text(&f, "Uplink.Name"), "eth0");
	cr_assert_str_eq(fake_host_text(&f, "XDP.Why"), "veth");
	cr_assert_str_eq(fake_host_text(&f, "AttachMode"), "tcx");
	cr_assert_str_eq(fake_host_text(&f, "Warnings.0"), "the disk is full");
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "Masquerade.First")), 61000);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "Masquerade.Last")), 65535);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "Networks")), 1);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "Endpoints.Local")), 1);
}

Test(control, status_says_how_far_the_key_ring_is_and_no_key)
{
	struct err e = { 0 };
	char *all;

	cr_assert_eq(intent_epoch_begin(f.intent, f.wall, &e), 0, "%s", e.text);
	cr_assert_eq(intent_ring_confirm(f.intent, f.wall, &e), 0, "%s", e.text);
	cr_assert_eq(intent_ring_step(f.intent, f.wall, &e), 0, "%s", e.text);
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "KeyRing.Phase"), "added");
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "KeyRing.Epoch")), 1);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "KeyRing.Confirmed")), 0);
	cr_assert_eq((int)json_integer_value(fake_host_value(&f, "KeyRing.Nodes")), 1);
	all = json_dumps(fake_host_value(&f, "KeyRing"), 0);
	cr_assert_leq(strlen(all), 80, "%s", all);
	free(all);
}

/* The address came after the network, or to another node than made that. */
Test(control, status_warns_of_a_network_in_a_subnet_of_this_host)
{
	static const struct reach beside[] = {
		{ { .addr.b = { [10] = 0xff, 0xff, 192, 0, 2, 0 }, .len = ADDR_V4_BITS + 24 }, "eth0" },
		{ { .addr.b = { [10] = 0xff, 0xff, 10, 0, 0, 0 }, .len = ADDR_V4_BITS + 8 }, "eth1" },
	};

	make_network();
	f.facts.reach = (struct reach_list){ 1, beside };
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 0);
	f.facts.reach.count = 2;
	assert_ask("GET", "/v1/status", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Warnings")), 1);
	cr_assert(strstr(fake_host_text(&f, "Warnings.0"),
			 "overlaps 10.0.0.0/8 of this host's interface eth1"));
}

Test(control, every_drop_has_a_meaning_and_a_mend)
{
	bool seen = false;
	json_t *row;
	size_t i;

	f.counter[OV_DROP_SPOOFED_IP] = (struct ov_counter){ 3, 180 };
	assert_ask("GET", "/v1/drops", NULL, 200);
	json_array_foreach(fake_host_value(&f, "Drops"), i, row) {
		cr_assert_gt(strlen(json_string_value(json_object_get(row, "Meaning"))), 0);
		cr_assert_gt(strlen(json_string_value(json_object_get(row, "Mend"))), 0);
		if (strcmp(json_string_value(json_object_get(row, "Name")), "DROP_SPOOFED_IP"))
			continue;
		seen = true;
		cr_assert_eq((int)json_integer_value(json_object_get(row, "Packets")), 3);
		cr_assert_eq((int)json_integer_value(json_object_get(row, "Bytes")), 180);
	}
	cr_assert(seen);
	cr_assert_str_eq(fake_host_text(&f, "Verdicts.0.Name"), "PASS_FOREIGN");
}

Test(control, doctor_tells_each_finding_with_its_mend)
{
	assert_ask("GET", "/v1/doctor", NULL, 200);
	cr_assert(json_is_false(fake_host_value(&f, "Healthy")));
	cr_assert_str_eq(fake_host_text(&f, "Findings.0.Step"), "uplink");
	cr_assert_str_eq(fake_host_text(&f, "Findings.0.Result"), "fail");
	cr_assert_str_eq(fake_host_text(&f, "Findings.0.Seen"), "eth0 is down");
	cr_assert_str_eq(fake_host_text(&f, "Findings.0.Mend"), "set it up");
	err_set(&f.apply_error, -ENOMEM, "cannot examine");
	assert_error("GET", "/v1/doctor", NULL, 500, "cannot examine");
}

Test(control, counters_that_cannot_be_read_are_an_error)
{
	err_set(&f.apply_error, -EACCES, "cannot read the counters");
	assert_error("GET", "/v1/drops", NULL, 500, "cannot read the counters");
}

/* The endpoint of ATTACH has sent and had dropped something, and so had a peer on its network. */
static void count_something(void)
{
	struct id id;

	make_network();
	assert_ask("POST", "/v1/endpoints", ATTACH(",\"Name\":\"one\""), 201);
	cr_assert_eq(id_parse(fake_host_text(&f, "ID"), &id), 0);
	f.traffic_count = 1;
	f.traffic[0] = (struct traffic_endpoint){ .endpoint = id, .sent = { 10, 1000 },
						  .received = { 7, 700 }, .dropped = { 3, 180 } };
	assert_ask("GET", "/v1/networks/app", NULL, 200);
	f.drop_count = 3;
	f.drop[0] = (struct traffic_drop){ .endpoint = id, .place = OV_DROP_AT_ENDPOINT,
					   .reason = OV_DROP_SPOOFED_IP, .count = { 3, 180 },
					   .vni = (uint32_t)atoi(fake_host_text(&f, "Options.vni")) };
	f.drop[1] = f.drop[2] = f.drop[0];
	f.drop[1].endpoint = f.drop[2].endpoint = (struct id){ 0 };
	f.drop[1].place = OV_DROP_AT_TUNNEL;
	f.drop[1].reason = OV_DROP_NOT_LOCAL;
	f.drop[2].vni = 0;
	f.drop[2].place = OV_DROP_AT_OUTSIDE;
}

static int dropped(const char *path, const char *reason)
{
	json_t *row;
	size_t i;

	assert_ask("GET", path, NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Verdicts")), 0, "a part has only drops");
	json_array_foreach(fake_host_value(&f, "Drops"), i, row)
		if (!strcmp(json_string_value(json_object_get(row, "Name")), reason))
			return (int)json_integer_value(json_object_get(row, "Packets"));
	return -1;
}

Test(control, drops_of_a_network_or_an_endpoint)
{
	count_something();
	cr_assert_eq(dropped("/v1/drops?network=app", "DROP_SPOOFED_IP"), 3);
	cr_assert_eq(dropped("/v1/drops?network=app", "DROP_NOT_LOCAL"), 3);
	cr_assert_eq(dropped("/v1/drops?endpoint=one", "DROP_SPOOFED_IP"), 3);
	cr_assert_eq(dropped("/v1/drops?endpoint=one", "DROP_NOT_LOCAL"), 0);
	assert_error("GET", "/v1/drops?network=none", NULL, 404, "no network \"none\"");
	assert_error("GET", "/v1/drops?endpoint=none", NULL, 404, "none");
	assert_error("GET", "/v1/drops?colour=red", NULL, 400, "colour");
	assert_error("GET", "/v1/drops?endpoint=one&network=app", NULL, 400, "network");
}

static int number_at(const char *where)
{
	return (int)json_integer_value(fake_host_value(&f, where));
}

Test(control, inspect_shows_what_an_endpoint_and_its_network_sent_and_got)
{
	count_something();
	assert_ask("GET", "/v1/endpoints/one", NULL, 200);
	cr_assert_eq(number_at("Traffic.Sent.Packets"), 10);
	cr_assert_eq(number_at("Traffic.Received.Bytes"), 700);
	cr_assert_eq(number_at("Traffic.Dropped.Packets"), 3);
	assert_ask("GET", "/v1/networks/app", NULL, 200);
	cr_assert_eq(number_at("Traffic.Sent.Bytes"), 1000);
	cr_assert_eq(number_at("Traffic.DroppedFromPeers.Packets"), 3);
	assert_ask("GET", "/v1/traffic?network=app", NULL, 200);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Endpoints")), 1);
	assert_error("GET", "/v1/traffic?network=none", NULL, 404, "none");
}

Test(control, who_waits_when_the_daemon_stops_is_told_and_the_late_answer_does_no_harm)
{
	make_network();
	f.hold = true;
	assert_ask("POST", "/v1/endpoints", ATTACH(""), 0);
	control_free(f.control);
	f.control = NULL;
	cr_assert_eq(f.status, 503);
	fake_host_apply(&f); /* the call of before is released, nobody is answered twice */
	cr_assert_eq(f.answers, 2);
}
