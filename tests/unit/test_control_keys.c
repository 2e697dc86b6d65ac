/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of encrypted networks over the control API, as text in, text out; and the intents behind. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/lib/fake_host.h"

static struct fake_host f;

static int is_able(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	return 0;
}

static void setup(void)
{
	fake_host_init(&f);
	intent_ask_encryption(f.intent, is_able, NULL);
}

static void teardown(void)
{
	fake_host_fini(&f);
}

TestSuite(control_keys, .init = setup, .fini = teardown);

static void assert_ask(const char *method, const char *path, const char *body, int status)
{
	int got = fake_host_ask(&f, method, path, body);

	cr_assert_eq(got, status, "%s %s answered %d: %s", method, path, got,
		     fake_host_text(&f, "Error"));
}

static void assert_error(const char *body, int status, const char *part)
{
	uint64_t serial = store_serial(f.store);

	assert_ask("POST", "/v1/keys/rotate", body, status);
	cr_assert(strstr(fake_host_text(&f, "Error"), part), "\"%s\" does not say \"%s\"",
		  fake_host_text(&f, "Error"), part);
	cr_assert_eq(store_serial(f.store), serial, "a refusal changes nothing");
}

static void make_networks(void)
{
	assert_ask("POST", "/v1/networks", "{\"Name\":\"plain\",\"Subnet\":\"10.10.0.0/24\"}", 201);
	assert_ask("POST", "/v1/networks", "{\"Name\":\"secret\",\"Subnet\":\"10.11.0.0/24\","
					   "\"Options\":{\"encrypted\":\"\"}}", 201);
}

Test(control_keys, rotating_begins_the_next_epoch)
{
	make_networks();
	assert_ask("POST", "/v1/keys/rotate", NULL, 200);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Epoch")), 1);
	assert_ask("POST", "/v1/keys/rotate", "{\"Network\":\"secret\"}", 200);
	cr_assert_eq(json_integer_value(fake_host_value(&f, "Epoch")), 2);
	cr_assert_eq(store_view(f.store)->epoch.number, 2);
	cr_assert_eq(store_view(f.store)->epoch.began_ms, f.wall);
	cr_assert_not_null(store_view(f.store)->cluster);
}

Test(control_keys, without_encrypted_networks_there_are_keys_of_gossip_to_rotate)
{
	assert_ask("POST", "/v1/keys/rotate", NULL, 200);
	cr_assert_eq(store_view(f.store)->epoch.number, 1);
}

Test(control_keys, what_has_no_keys_is_not_rotated)
{
	make_networks();
	assert_error("{\"Network\":\"plain\"}", 400, "network plain is not encrypted");
	assert_error("{\"Network\":\"nowhere\"}", 404, "nowhere");
	assert_error("{\"Net\":\"secret\"}", 400, "Net");
}

static struct id self(void)
{
	return *store_self(f.store);
}

Test(control_keys, rows_have_names_times_and_words)
{
	json_t *row;

	f.key[f.key_count++] = (struct key_row){ .peer = self(), .epoch = 5, .peer_epoch = 4,
						 .made_ms = f.wall - 11520000, .peer_made_ms = 1000,
						 .in_ready = true, .out_ready = true,
						 .is_sending = true, .sessions = 2, .sent = 10,
						 .received = 9, .replayed = 1, .failed = 2,
						 .no_sa = 3, .cleartext = 4, .by_nic = true };
	f.key[f.key_count++] = (struct key_row){ .peer = { { 1 } }, .out_ready = true,
						 .made_ms = f.wall + 5 };
	f.key[f.key_count++] = (struct key_row){ .peer = { { 2 } }, .made_ms = f.wall - 59999 };
	assert_ask("GET", "/v1/keys", NULL, 200);
	cr_assert_eq(json_array_size(f.answer), 3);
	row = json_array_get(f.answer, 0);
	cr_assert_str_eq(json_string_value(json_object_get(row, "Peer")), "node-a");
	cr_assert_str_eq(json_string_value(json_object_get(row, "Age")), "3h12m");
	cr_assert_str_eq(json_string_value(json_object_get(row, "Ready")), "in, out");
	cr_assert_str_eq(json_string_value(json_object_get(row, "PeerMade")),
			 "1970-01-01T00:00:01.000Z");
	cr_assert_eq(json_integer_value(json_object_get(row, "PeerEpoch")), 4);
	cr_assert_eq(json_integer_value(json_object_get(row, "Failed")), 2);
	cr_assert_eq(json_integer_value(json_object_get(row, "NoSA")), 3);
	cr_assert_eq(json_integer_value(json_object_get(row, "Cleartext")), 4);
	cr_assert(json_is_true(json_object_get(row, "Offloaded")));
	row = json_array_get(f.answer, 1);
	cr_assert_str_eq(json_string_value(json_object_get(row, "Peer")), "", "gone meanwhile");
	cr_assert_str_eq(json_string_value(json_object_get(row, "Age")), "", "of the future");
	cr_assert_str_eq(json_string_value(json_object_get(row, "Ready")), "out");
	cr_assert(json_is_null(json_object_get(row, "PeerMade")));
	row = json_array_get(f.answer, 2);
	cr_assert_str_eq(json_string_value(json_object_get(row, "Age")), "59s");
	cr_assert_str_eq(json_string_value(json_object_get(row, "Ready")), "no");
}

Test(control_keys, a_kernel_that_cannot_be_read_is_said_so)
{
	f.apply_error = (struct err){ .code = -EIO, .text = "the SAs of XFRM could not be listed" };
	assert_ask("GET", "/v1/keys", NULL, 500);
	cr_assert_str_eq(fake_host_text(&f, "Error"), "the SAs of XFRM could not be listed");
}

Test(control_keys, own_records_are_written_at_once_with_the_time)
{
	struct pairs_whole w = { .p = { .node = self(), .chunk = 0, .count = 1 },
				 .d.pair = { { .peer = { { 1 } }, .session = 7 } } };
	struct node_key key = { .node = self(), .epoch = 3, .generation = 1, .public_key = { 9 } };
	struct id me = self();
	struct err e = { 0 };
	struct pair found;

	cr_assert_eq(intent_keys_write(f.intent, &key, &w, 1, f.wall, &e), 0, "%s", e.text);
	cr_assert_eq(view_key_of(store_view(f.store), &me)->made_ms, f.wall);
	cr_assert(view_pair(store_view(f.store), &me, &w.d.pair[0].peer, &found));
	cr_assert_eq(found.session, 7);
	w.p.count = 0;
	cr_assert_eq(intent_keys_write(f.intent, NULL, &w, 1, f.wall, &e), 0, "%s", e.text);
	cr_assert_not(view_pair(store_view(f.store), &me, &w.d.pair[0].peer, &found));
}
