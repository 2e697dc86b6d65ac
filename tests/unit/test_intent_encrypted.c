/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encrypted networks: who may make one and take part in it. */
#include "tests/lib/host.h"

static int is_able(void *arg, struct err *e)
{
	bool *able = arg;

	return *able ? 0 : err_set(e, -EOPNOTSUPP, "this kernel has no ESP (CONFIG_INET_ESP, module esp4)");
}

static const char *refused_opt(struct host *h, const char *opt, int code)
{
	return host_refused_create(h, &(struct network_ask){ .name = "x", .opt_count = 1, .opt = &opt },
				   code);
}

static void create_encrypted(struct host *h, const char *name, const char *opt)
{
	struct network_ask ask = { .name = name, .opt_count = 1, .opt = &opt };
	struct err e = { 0 };

	cr_assert_eq(intent_network_create(h->intent, &ask, WALL, &(struct id){ 0 }, &e), 0, "%s", e.text);
	cr_assert(host_network(h, name)->encrypted);
	cr_assert(network_id_is_marked(&host_network(h, name)->id));
}

Test(intent_encrypted, a_network_is_encrypted_where_the_host_is_able)
{
	HOST(h, "h1", 1);
	bool able = false;

	assert_says(refused_opt(&h, "encrypted", -EOPNOTSUPP), "cannot be encrypted");
	intent_ask_encryption(h.intent, is_able, &able);
	assert_says(refused_opt(&h, "encrypted", -EOPNOTSUPP),
		    "cannot be encrypted: this kernel has no ESP (CONFIG_INET_ESP, module esp4); leave");
	refused_opt(&h, "encrypted=true", -EOPNOTSUPP);
	able = true; /* the module was loaded */
	create_encrypted(&h, "one", "encrypted");
	create_encrypted(&h, "two", "encrypted=true");
	create_encrypted(&h, "three", "encrypted=");
	refused_opt(&h, "encrypted=maybe", -EINVAL);
}

Test(intent_encrypted, an_encrypted_networks_mtu_has_room_for_esp_in_whatever_order_options_come)
{
	HOST(h, "h1", 1);
	static const char *const most[] = { "mtu=1396", "encrypted" };
	static const char *const more[2][2] = { { "mtu=1397", "encrypted" }, { "encrypted", "mtu=1397" } };
	bool able = true;

	intent_ask_encryption(h.intent, is_able, &able);
	for (int i = 0; i < 2; i++)
		assert_says(host_refused_create(&h, &(struct network_ask){ .name = "n", .opt_count = 2,
							.opt = more[i] }, -EINVAL),
			    "mtu 1397 does not fit: the smallest uplink of the cluster leaves 1396 bytes "
			    "to an encrypted network");
	cr_assert_eq(intent_network_create(h.intent, &(struct network_ask){ .name = "n", .opt_count = 2,
							.opt = most }, WALL, &(struct id){ 0 }, NULL), 0);
}

/* Made by another node that is able; then this one is not, or not any more. */
Test(intent_encrypted, a_node_that_is_not_able_takes_no_part)
{
	HOST(h, "h1", 1);
	bool able = true;
	const char *const port[] = { "80:80" };
	struct service_ask published = { .name = "web", .network = "net", .publish_count = 1,
					 .publish = port };
	struct service_ask adding = { .name = "inside", .publish_add_count = 1, .publish_add = port };
	struct attach_ask ask;

	intent_ask_encryption(h.intent, is_able, &able);
	create_encrypted(&h, "net", "encrypted");
	host_create(&h, "plain", "10.2.0.0/24");
	able = false;
	ask = host_ask("net");
	assert_says(host_refused_attach(&h, &ask, -EOPNOTSUPP),
		    "network net is encrypted, and this node cannot take part: this kernel has no ESP");
	assert_says(host_refused_service(&h, &published, -EOPNOTSUPP), "network net is encrypted");
	published.publish_count = 0;
	published.name = "inside";
	host_served(&h, &published); /* seen by nobody outside: other nodes serve it */
	assert_says(host_refused_update(&h, &adding, -EOPNOTSUPP), "network net is encrypted");
	ask = host_ask("plain");
	host_attached(&h, &ask);
	able = true;
	ask = host_ask("net");
	host_attached(&h, &ask);
	host_updated_service(&h, &adding);
}
