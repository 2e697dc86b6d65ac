/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policy over the control API, as text in, text out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/fake_host.h"

static struct fake_host f;

static void ask(const char *method, const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, method, path, body);

	cr_assert_eq(got, status, "%s %s answered %d: %s", method, path, got,
		     fake_host_text(&f, "Error"));
}

static void setup(void)
{
	fake_host_init(&f);
	ask("POST", "/v1/networks", "{\"Name\":\"app\",\"Subnet\":\"10.10.0.0/24\"}", 201);
	ask("POST", "/v1/networks", "{\"Name\":\"other\",\"Subnet\":\"10.11.0.0/24\"}", 201);
	ask("POST", "/v1/services", "{\"Name\":\"web\",\"Network\":\"app\"}", 201);
}

static void teardown(void)
{
	fake_host_fini(&f);
}

TestSuite(control_policy, .init = setup, .fini = teardown);

#define RULE "{\"Network\":\"app\",\"Action\":\"deny\",\"From\":\"service=web\"," \
	     "\"To\":\"cidr=192.0.2.0/24\",\"Ports\":[\"80\",\"icmp\"]}"

static const char *made(const char *body, char out[ID_TEXT_MAX])
{
	ask("POST", "/v1/policies", body, 201);
	snprintf(out, ID_TEXT_MAX, "%s", fake_host_text(&f, "ID"));
	cr_assert_eq(strlen(out), 32);
	return out;
}

static void refused(const char *path, const char *body, int status, const char *part)
{
	uint64_t serial = store_serial(f.store);

	ask("POST", path, body, status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "\"%s\" does not say \"%s\"",
		  fake_host_text(&f, "Error"), part);
	cr_assert_eq(store_serial(f.store), serial, "a refusal changes nothing");
}

static uint64_t number(const char *where)
{
	return (uint64_t)json_integer_value(fake_host_value(&f, where));
}

Test(control_policy, a_rule_is_listed_in_the_words_it_was_made_with)
{
	char id[ID_TEXT_MAX];

	made(RULE, id);
	ask("GET", "/v1/policies", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "0.ID"), id);
	cr_assert_str_eq(fake_host_text(&f, "0.Network"), "app");
	cr_assert_str_eq(fake_host_text(&f, "0.Action"), "deny");
	cr_assert_str_eq(fake_host_text(&f, "0.From"), "service=web");
	cr_assert_str_eq(fake_host_text(&f, "0.To"), "cidr=192.0.2.0/24");
	cr_assert_str_eq(fake_host_text(&f, "0.Ports"), "icmp, 80/tcp");
	cr_assert(json_is_false(fake_host_value(&f, "0.Orphaned")));
	ask("GET", "/v1/policies?network=other", NULL, 200);
	cr_assert_eq(json_array_size(f.answer), 0);
	ask("GET", "/v1/policies?network=app", NULL, 200);
	cr_assert_eq(json_array_size(f.answer), 2);
	cr_assert_str_eq(fake_host_text(&f, "1.ID"), "default");
	cr_assert_str_eq(fake_host_text(&f, "1.Action"), "allow");
	ask("GET", "/v1/policies?network=nowhere", NULL, 404);
}

Test(control_policy, the_kernel_s_counts_go_to_their_rule)
{
	uint32_t vni, rule;
	char id[ID_TEXT_MAX];

	made(RULE, id);
	vni = store_view(f.store)->policy[0].net->net->vni;
	memcpy(&rule, store_view(f.store)->policy[0].policy->id.b, sizeof(rule));
	f.policy[0] = (struct policy_row){ vni + 1, rule, 100, 100 }; /* another network's */
	f.policy[1] = (struct policy_row){ vni, 0, 100, 100 };        /* the default's */
	f.policy[2] = (struct policy_row){ vni, rule, 2, 3 };
	f.policy_count = 3;
	ask("GET", "/v1/policies", NULL, 200);
	cr_assert_eq(number("0.Hits"), 5);
	cr_assert_eq(number("0.Allowed"), 2);
	cr_assert_eq(number("0.Denied"), 3);
	cr_assert_str_eq(fake_host_text(&f, "1.ID"), "default");
	cr_assert_eq(number("1.Hits"), 200);
}

Test(control_policy, a_rule_about_somebody_who_is_gone_shows_it)
{
	char id[ID_TEXT_MAX];

	made(RULE, id);
	ask("DELETE", "/v1/services/web", NULL, 200);
	ask("GET", "/v1/policies", NULL, 200);
	cr_assert(json_is_true(fake_host_value(&f, "0.Orphaned")));
	cr_assert_eq(strlen(fake_host_text(&f, "0.From")), strlen("service=") + 32, "%s",
		     fake_host_text(&f, "0.From"));
}

Test(control_policy, a_rule_is_removed_by_what_its_id_begins_with)
{
	char id[ID_TEXT_MAX], path[80];

	made(RULE, id);
	snprintf(path, sizeof(path), "/v1/policies/%.8s", id);
	ask("DELETE", path, NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "ID"), id);
	ask("DELETE", path, NULL, 404);
	ask("GET", "/v1/policies", NULL, 200);
	cr_assert_eq(json_array_size(f.answer), 0);
}

Test(control_policy, what_is_missing_or_wrong_is_named)
{
	refused("/v1/policies", "{}", 400, "field \"Network\" is missing");
	refused("/v1/policies", "{\"Network\":\"app\",\"Action\":\"deny\",\"From\":\"any\"}", 400,
		"field \"To\" is missing");
	refused("/v1/policies", "{\"Network\":\"app\",\"Action\":\"maybe\",\"From\":\"any\",\"To\":\"any\"}",
		400, "action \"maybe\"");
	refused("/v1/policies", "{\"Network\":\"nowhere\",\"Action\":\"deny\",\"From\":\"any\",\"To\":\"any\"}",
		404, "no network \"nowhere\"");
	refused("/v1/policies/default", "{\"Action\":\"deny\"}", 400, "field \"Network\" is missing");
	refused("/v1/policies/default", "{\"Network\":\"app\",\"Audit\":\"maybe\"}", 400,
		"audit \"maybe\"");
}

Test(control_policy, the_default_shows_in_the_network)
{
	ask("POST", "/v1/policies/default", "{\"Network\":\"app\",\"Action\":\"deny\",\"Audit\":\"on\"}",
	    200);
	cr_assert_str_eq(fake_host_text(&f, "Default"), "deny");
	cr_assert(json_is_true(fake_host_value(&f, "Audit")));
	ask("GET", "/v1/networks/app", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Policy.Default"), "deny");
	cr_assert_str_eq(fake_host_text(&f, "Options.policy"), "deny");
	cr_assert(json_is_string(fake_host_value(&f, "Options.policy-audit")));
	ask("POST", "/v1/networks", "{\"Name\":\"shut\",\"Subnet\":\"10.12.0.0/24\","
				    "\"Options\":{\"policy\":\"deny\"}}", 201);
	ask("GET", "/v1/networks/shut", NULL, 200);
	cr_assert_str_eq(fake_host_text(&f, "Policy.Default"), "deny");
	cr_assert(json_is_false(fake_host_value(&f, "Policy.Audit")));
}
