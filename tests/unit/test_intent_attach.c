/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching, detaching, and being asked for addresses, on real stores.
 */
#include "tests/lib/host.h"

/* ---- attach ---- */

Test(intent, attach_fills_what_was_not_said)
{
	HOST(h, "h1", 1);
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	host_create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");
	const struct endpoint *ep = host_attached(&h, &ask);
	cr_assert_str_eq(addr_format(&ep->addr, text), "10.1.0.2");
	cr_assert_str_eq(mac_format(ep->mac, mac), "02:42:0a:01:00:02");
	cr_assert_str_eq(ep->ifname, "eth0");
	cr_assert_str_eq(host_detail(&h, &ep->id).netns, ask.netns.path);
	cr_assert_eq(ep->netns_ino, ask.netns.ino);
	cr_assert(id_equal(&ep->node, store_self(h.store)));
	cr_assert_eq(ep->created_ms, WALL);
}

Test(intent, attach_takes_what_was_said)
{
	HOST(h, "h1", 1);
	const char *alias[] = { "www", "front" }, *label[] = { "tier=web", "empty=" };
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	host_create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");
	ask.ip = "10.1.0.77";
	ask.mac = "aa:bb:cc:00:11:22";
	ask.name = "web";
	ask.ifname = "ov0";
	ask.alias = alias;
	ask.alias_count = 2;
	ask.label = label;
	ask.label_count = 2;
	const struct endpoint *ep = host_attached(&h, &ask);
	cr_assert_str_eq(addr_format(&ep->addr, text), "10.1.0.77");
	cr_assert_str_eq(mac_format(ep->mac, mac), "aa:bb:cc:00:11:22");
	cr_assert_str_eq(ep->ifname, "ov0");
	struct endpoint_detail d = host_detail(&h, &ep->id);
	cr_assert_eq(d.alias_count, 2);
	cr_assert_str_eq(d.alias[1], "front");
	cr_assert_eq(d.label_count, 2);
	cr_assert_str_eq(d.label[0].text, "tier=web");
}

Test(intent, bad_attaches_are_refused_and_write_nothing)
{
	HOST(h, "h1", 1);
	const char *many[LABEL_MAX + 1], *bad;
	char longer[LABEL_MAX_LEN + 8];

	host_create(&h, "net", "10.1.0.0/24");
	struct attach_ask ok = host_ask("net"), ask;
#define REFUSED(code, says, ...)                                        \
	do {                                                            \
		ask = ok;                                               \
		__VA_ARGS__;                                            \
		assert_says(host_refused_attach(&h, &ask, code), says); \
	} while (0)
	REFUSED(-ENOENT, "there is no network \"other\"", ask.network = "other");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "sixteen-letters1");
	REFUSED(-EINVAL, "\"a/b\" cannot name", ask.ifname = "a/b");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "a b");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "eth%d");
	REFUSED(-EINVAL, "cannot name an interface", ask.ifname = "..");
	REFUSED(-EINVAL, "loopback", ask.ifname = "lo");
	REFUSED(-EINVAL, "is not resolved", ask.netns.path[0] = 'x');
	REFUSED(-EINVAL, "is not resolved", ask.netns.ino = 0);
	REFUSED(-EINVAL, "endpoint name", ask.name = "a b");
	REFUSED(-EINVAL, "group address", ask.mac = "01:00:5e:00:00:01");
	REFUSED(-EINVAL, "group address", ask.mac = "ff:ff:ff:ff:ff:ff");
	REFUSED(-EINVAL, "is zero", ask.mac = "00:00:00:00:00:00");
	REFUSED(-EINVAL, "is not six bytes", ask.mac = "02:42");
	REFUSED(-EINVAL, "\"10.1.0\" is not an address", ask.ip = "10.1.0");
	REFUSED(-EINVAL, "is not an address", ask.ip = "10.1.0.5/24");
	REFUSED(-EINVAL, "is IPv6", ask.ip = "fd00::1");
	REFUSED(-EINVAL, "outside the subnet", ask.ip = "10.2.0.5");
	REFUSED(-EINVAL, "is the gateway", ask.ip = "10.1.0.1");
	REFUSED(-EINVAL, "network or broadcast", ask.ip = "10.1.0.255");
	REFUSED(-EINVAL, "network or broadcast", ask.ip = "10.1.0.0");
	REFUSED(-ENOENT, "there is no service \"shop\"", ask.service = "shop");
	bad = "not ok";
	REFUSED(-EINVAL, "alias", ask.alias = &bad; ask.alias_count = 1);
	REFUSED(-EINVAL, "is not KEY=VALUE", ask.label = &bad; ask.label_count = 1);
	bad = "=v";
	REFUSED(-EINVAL, "is not KEY=VALUE", ask.label = &bad; ask.label_count = 1);
	bad = "k=a\nb";
	REFUSED(-EINVAL, "control character", ask.label = &bad; ask.label_count = 1);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "k=", 2);
	longer[LABEL_MAX_LEN + 1] = '\0';
	bad = longer;
	REFUSED(-EINVAL, "longer than 127 bytes", ask.label = &bad; ask.label_count = 1);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "k=v";
	REFUSED(-EINVAL, "9 labels", ask.label = many; ask.label_count = 9);
	REFUSED(-EINVAL, "9 aliases", ask.alias = many; ask.alias_count = 9);
	host_attached(&h, &ok);
}

Test(intent, attaches_that_clash_are_refused_naming_the_other)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	host_tell(&h2, &h1);
	host_create(&h1, "net", "10.1.0.0/24");
	host_create(&h1, "net2", "10.1.0.0/24");
	host_tell(&h1, &h2);
	struct attach_ask first = host_ask("net"), ask = first, other = host_ask("net");
	first.name = "web";
	first.mac = "02:00:00:00:00:01";
	first.ip = "10.1.0.9";
	host_attached(&h1, &first);
	host_tell(&h1, &h2);

	assert_says(host_refused_attach(&h1, &ask, -EEXIST), "attached to network net already, as "
							     "endpoint "
							     "web");
	ask.ifname = "eth1";
	host_refused_attach(&h1, &ask, -EEXIST);
	ask.network = "net2";
	ask.ifname = NULL;
	assert_says(host_refused_attach(&h1, &ask, -EEXIST), "interface eth0 of namespace");
	other.name = "web";
	assert_says(host_refused_attach(&h1, &other, -EEXIST), "network net has an endpoint web "
							       "already, "
							       "on node h1");
	other.name = NULL;
	other.mac = "02:00:00:00:00:01";
	assert_says(host_refused_attach(&h1, &other, -EEXIST), "MAC 02:00:00:00:00:01 is used by "
							       "endpoint "
							       "web");
	other.mac = NULL;
	other.ip = "10.1.0.9";
	assert_says(host_refused_attach(&h1, &other, -EADDRINUSE), "in use by endpoint web on node "
								   "h1");
	/* The same inode elsewhere is another namespace; a name is refused from anywhere. */
	other = first;
	other.mac = other.ip = NULL;
	assert_says(host_refused_attach(&h2, &other, -EEXIST), "on node h1");
	/* Second network in the same namespace, by another device: fine. */
	ask.ifname = "eth1";
	host_attached(&h1, &ask);
}

Test(intent, mac_made_from_the_address_steps_aside_for_one_that_was_asked_for)
{
	HOST(h, "h1", 1);
	char mac[MAC_TEXT_MAX];

	host_create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net"), next = host_ask("net");
	ask.ip = "10.1.0.50";
	ask.mac = "02:42:0a:01:00:33"; /* what 10.1.0.51 would get */
	host_attached(&h, &ask);
	const struct endpoint *ep = host_attached(&h, &next);
	mac_format(ep->mac, mac);
	cr_assert_eq(addr_v4(&ep->addr), 0x0a010033u);
	cr_assert_str_neq(mac, "02:42:0a:01:00:33");
	cr_assert_eq(strncmp(mac, "02:42:", 6), 0);
}

Test(intent, slash_29_to_the_last_address_and_back)
{
	HOST(h, "h1", 1);
	char id[ID_TEXT_MAX];
	struct id last = { 0 };

	host_create(&h, "net", "10.1.0.0/29");
	for (int i = 0; i < 5; i++) {
		struct attach_ask ask = host_ask("net");

		last = host_attached(&h, &ask)->id;
	}
	struct attach_ask ask = host_ask("net");
	assert_says(host_refused_attach(&h, &ask, -ENOSPC), "no free address left in 10.1.0.0/29 "
							    "(5 in use)");
	cr_assert_eq(intent_detach(h.intent, id_format(&last, id), h.wall, NULL), 0);
	host_refused_attach(&h, &ask, -ENOSPC);
	h.wall += IPAM_HOLD_MS;
	cr_assert_eq(addr_v4(&host_attached(&h, &ask)->addr), 0x0a010006u);
}

Test(intent, alone_and_without_gossip_no_other_node_is_asked)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);

	host_create(&h1, "net", "10.1.0.0/24");
	host_tell(&h1, &h2);
	struct attach_ask ask = host_ask("net");
	assert_says(host_refused_attach(&h2, &ask, -EHOSTUNREACH), "h1, which has some, cannot be "
								   "asked");
	ask.ip = "10.1.0.9";
	assert_says(host_refused_attach(&h2, &ask, -EHOSTUNREACH), "belongs to node h1");
}

/* ---- detach ---- */

Test(intent, detach_by_name_id_or_prefix_but_only_here)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	char id[ID_TEXT_MAX];

	host_tell(&h1, &h2);
	host_tell(&h2, &h1);
	host_create(&h1, "net", "10.1.0.0/24");
	host_create(&h1, "net2", "10.2.0.0/24");
	struct attach_ask ask = host_ask("net");
	ask.name = "web";
	struct id web = host_attached(&h1, &ask)->id;
	host_tell(&h1, &h2);
	uint64_t serial = store_serial(h2.store);
	cr_assert_eq(intent_detach(h2.intent, "web", WALL, &h2.e), -EPERM);
	assert_says(h2.e.text, "endpoint web lives on node h1");
	cr_assert_eq(intent_detach(h2.intent, "nobody", WALL, NULL), -ENOENT);
	cr_assert_eq(intent_detach(h2.intent, "", WALL, NULL), -ENOENT);
	cr_assert_eq(store_serial(h2.store), serial);

	ask = host_ask("net2");
	ask.name = "web";
	host_attached(&h1, &ask);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, &h1.e), -EINVAL);
	assert_says(h1.e.text, "say which one by its id");
	id_format(&web, id);
	id[10] = '\0';
	cr_assert_eq(intent_detach(h1.intent, id, WALL, NULL), 0);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	cr_assert_eq(store_view(h1.store)->endpoint_count, 0);
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), -ENOENT);
}

Test(intent, endpoint_whose_namespace_vanished_is_released)
{
	HOST(h, "h1", 1);

	host_create(&h, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");
	struct id id = host_attached(&h, &ask)->id;
	cr_assert_eq(intent_endpoint_vanished(h.intent, &id, WALL, NULL), 0);
	cr_assert_eq(store_view(h.store)->endpoint_count, 0);
	cr_assert_eq(store_view(h.store)->released_count, 1);
	cr_assert_str_eq(host_detail(&h, &id).netns, ask.netns.path, "a tombstone keeps its body");
	cr_assert_eq(intent_endpoint_vanished(h.intent, &id, WALL, NULL), -ENOENT);
}

/* ---- being asked ---- */

static int call(struct host *h, const struct id *from, const void *request, size_t len,
		struct buf *reply)
{
	return intent_on_call(h->intent, from, cursor_of(request, len), WALL, reply);
}

/* Asks h for addresses as `from`; returns the status. */
static uint8_t grant(struct host *h, struct host *from, const struct id *net, const char *wanted,
		     uint64_t owned)
{
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };
	struct ov_addr a = { 0 };
	struct cursor c;
	uint8_t status;

	if (wanted)
		cr_assert_eq(addr_parse(wanted, &a), 0);
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net->b, 16);
	buf_u8(&rq, wanted ? 1 : 0);
	buf_put(&rq, a.b, 16);
	buf_u64(&rq, owned);
	cr_assert_eq(call(h, store_self(from->store), rq.data, rq.len, &reply), 0);
	c = cursor_of(reply.data, reply.len);
	status = cursor_u8(&c);
	for (int left = cursor_u16(&c); left > 0; left--) {
		struct record r;

		cr_assert_eq(record_decode(&c, &r), 0);
		store_merge(from->store, &r, WALL);
	}
	cr_assert_not(c.bad);
	cr_assert_eq(cursor_left(&c), 0);
	return status;
}

Test(intent, grant_reply_carries_what_the_asker_needs)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct id net = host_create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");

	host_tell(&h1, &h2);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), 0);
	cr_assert_eq(addr_v4(&host_attached(&h2, &ask)->addr),
		     0x0a010080u); /* upper half of .2-.254 */
	ask = host_ask("net");
	ask.ip = "10.1.0.20";
	host_refused_attach(&h2, &ask, -EHOSTUNREACH);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.20", UINT64_MAX), 0);
	host_attached(&h2, &ask);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.20", UINT64_MAX), EPERM,
		     "it is the asker's own");
}

Test(intent, lost_reply_is_repeated_and_not_granted_twice)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	HOST(lost, "lost", 3);
	struct id net = host_create(&h1, "net", "10.1.0.0/24");
	uint64_t owned, serial;

	host_tell(&h1, &h2);
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net.b, 16);
	for (int i = 0; i < 25; i++)
		buf_u8(&rq, 0);
	cr_assert_eq(call(&h1, store_self(h2.store), rq.data, rq.len, &reply), 0);
	owned = ipam_owned(store_view(h1.store), host_network(&h1, "net"), store_self(h2.store));
	cr_assert_eq(owned, 127);
	serial = store_serial(h1.store);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), 0);
	cr_assert_eq(store_serial(h1.store), serial, "the lost grant is repeated");
	cr_assert_eq(
		ipam_owned(store_view(h2.store), host_network(&h2, "net"), store_self(h2.store)),
		127);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 127), 0);
	cr_assert_gt(
		ipam_owned(store_view(h2.store), host_network(&h2, "net"), store_self(h2.store)),
		127);
}

Test(intent, refused_grant_tells_the_asker_what_it_did_not_know)
{
	HOST(h1, "h1", 1);
	HOST(h2, "h2", 2);
	struct id net = host_create(&h1, "net", "10.1.0.0/24");
	struct attach_ask ask = host_ask("net");

	host_tell(&h1, &h2);
	ask.name = "web";
	ask.ip = "10.1.0.9";
	host_attached(&h1, &ask);
	cr_assert_eq(grant(&h1, &h2, &net, "10.1.0.9", 0), EADDRINUSE);
	cr_assert_eq(store_view(h2.store)->endpoint_count, 1, "who uses it is in the reply");
	cr_assert_eq(intent_detach(h1.intent, "web", WALL, NULL), 0);
	cr_assert_eq(intent_network_rm(h1.intent, "net", WALL, NULL), 0);
	cr_assert_eq(grant(&h1, &h2, &net, NULL, 0), ENOENT);
	cr_assert_eq(store_view(h2.store)->network_count, 0, "that it is gone is in the reply");
	struct id unknown = { { 1 } };
	cr_assert_eq(grant(&h1, &h2, &unknown, NULL, 0), ENOENT);
	cr_assert_eq(grant(&h1, &h1, &net, NULL, 0), EPERM);
}

Test(intent, malformed_calls_are_refused)
{
	HOST(h, "h1", 1);
	struct id net = host_create(&h, "net", "10.1.0.0/24"), from = { { 9 } };
	uint64_t serial = store_serial(h.store);
	_cleanup_(buf_fini) struct buf rq = { 0 }, reply = { 0 };

	cr_assert_eq(call(&h, &from, "", 0, &reply), -EBADMSG);
	cr_assert_eq(call(&h, &from, "\xff", 1, &reply), -EOPNOTSUPP);
	buf_u8(&rq, CALL_IPAM_GRANT);
	buf_put(&rq, net.b, 16);
	for (int i = 0; i < 24; i++) {
		cr_assert_eq(call(&h, &from, rq.data, rq.len, &reply), -EBADMSG);
		buf_u8(&rq, 0);
	}
	cr_assert_eq(store_serial(h.store), serial);
	cr_assert_eq(reply.len, 0);
}
