/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `repair` as text in, text out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/fake_host.h"

static struct fake_host f;

static void ask(const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, "POST", path, body);

	cr_assert_eq(got, status, "%s answered %d: %s", path, got, fake_host_text(&f, "Error"));
}

/* Two networks, and an endpoint of this node on the first. */
static void setup(void)
{
	fake_host_init(&f);
	ask("/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}", 201);
	ask("/v1/networks", "{\"Name\":\"other\",\"Subnet\":\"10.20.0.0/24\"}", 201);
	ask("/v1/endpoints", "{\"Network\":\"app\",\"Netns\":\"c1\",\"Name\":\"web1\"}", 201);
}

static void teardown(void)
{
	fake_host_fini(&f);
}

TestSuite(control_repair, .init = setup, .fini = teardown);

static const struct repair_line line = { .kind = REPAIR_MAP, .name = "network app",
					 .what = "a row of the map networks was missing" };
static const struct err failure = { -EEXIST, "there is a device ov1 that is not ours" };

static void assert_refused(const char *body, int status, const char *part)
{
	ask("/v1/repair", body, status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "%s", fake_host_text(&f, "Error"));
}

Test(control_repair, without_a_name_it_is_of_everything)
{
	memset(&f.scope, 1, sizeof(f.scope));
	ask("/v1/repair", NULL, 200);
	cr_assert(id_is_zero(&f.scope.network) && id_is_zero(&f.scope.endpoint));
	cr_assert_eq(json_array_size(fake_host_value(&f, "Mended")), 0);
	cr_assert_eq(json_array_size(fake_host_value(&f, "Failed")), 0);
}

Test(control_repair, what_was_mended_and_what_was_not_is_answered)
{
	json_t *mended;

	f.report = (struct repair_report){ 3, 1, 1, &line, &failure };
	ask("/v1/repair", "{}", 200);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Count")), 3);
	mended = json_array_get(fake_host_value(&f, "Mended"), 0);
	cr_assert_str_eq(json_string_value(json_object_get(mended, "Kind")), "map");
	cr_assert_str_eq(json_string_value(json_object_get(mended, "Name")), line.name);
	cr_assert_str_eq(json_string_value(json_object_get(mended, "What")), line.what);
	cr_assert_str_eq(json_string_value(json_array_get(fake_host_value(&f, "Failed"), 0)),
			 failure.text);
}

Test(control_repair, a_network_and_an_endpoint_are_found_by_name)
{
	const struct view *v = store_view(f.store);

	ask("/v1/repair", "{\"Network\":\"app\"}", 200);
	cr_assert(id_equal(&f.scope.network, &view_network_find(v, "app")->net->id));
	cr_assert(id_is_zero(&f.scope.endpoint));
	ask("/v1/repair", "{\"Endpoint\":\"web1\"}", 200);
	cr_assert(id_equal(&f.scope.endpoint, &view_endpoint_find(v, "web1")->ep->id));
	cr_assert(id_is_zero(&f.scope.network));
}

Test(control_repair, what_is_not_there_is_refused)
{
	assert_refused("{\"Network\":\"nope\"}", 404, "no network \"nope\"");
	assert_refused("{\"Endpoint\":\"nope\"}", 404, "no endpoint \"nope\"");
	assert_refused("{\"Network\":\"other\",\"Endpoint\":\"web1\"}", 400, "on network app");
	assert_refused("{\"Node\":\"a\"}", 400, "\"Node\"");
}

Test(control_repair, why_it_cannot_begin_is_said)
{
	err_set(&f.apply_error, -EBUSY, "16 repairs wait already");
	assert_refused("{}", 409, "16 repairs");
}

Test(control_repair, status_counts_what_was_found)
{
	f.facts.repairs.count[REPAIR_MAP] = 2;
	f.facts.repairs.count[REPAIR_DNS] = 1;
	f.facts.repairs.last_ms = 1000;
	cr_assert_eq(fake_host_ask(&f, "GET", "/v1/status", NULL), 200);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Repairs.Total")), 3);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Repairs.Kinds.map")), 2);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Repairs.Kinds.program")), 0);
	cr_assert_str_eq(fake_host_text(&f, "Repairs.Last"), "1970-01-01T00:00:01.000Z");
	cr_assert_str_eq(fake_host_text(&f, "Repairs.Looked"), "");
}
