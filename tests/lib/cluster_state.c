// SPDX-License-Identifier: GPL-2.0-or-later
/* What the nodes of a simulated cluster hold: records to write, predicates to wait for. */
#include "cluster.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "cluster: %s\n", what);
	abort();
}

static struct id id_of(const char *name)
{
	struct id id;

	crypto_generichash(id.b, sizeof(id.b), (const uint8_t *)name, strlen(name), NULL, 0);
	return id;
}

struct record_key cluster_key(const char *name)
{
	struct id id = id_of(name);

	return key_of_id(RECORD_NETWORK, &id);
}

static void write_network(struct sim *c, size_t i, const char *name, bool tombstone)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = cluster_key(name);
	struct network net = { .id = id_of(name),
			       .vni = VNI_AUTO_MIN + id_of(name).b[0],
			       .created_ms = cluster_wall(c, i) };
	struct err e = { 0 };

	snprintf(net.name, sizeof(net.name), "%s", name);
	check(!prefix_parse("10.10.0.0/24", &net.subnet), "prefix");
	net.ip_range = net.subnet;
	check(!addr_parse("10.10.0.1", &net.gateway), "address");
	network_encode(&body, &net);
	check(!store_write(cluster_node(c, i)->store, &key, &body, tombstone, cluster_wall(c, i),
			   &e), e.text);
	cluster_settle(c, i);
}

void cluster_write(struct sim *c, size_t i, const char *name)
{
	write_network(c, i, name, false);
}

void cluster_delete(struct sim *c, size_t i, const char *name)
{
	write_network(c, i, name, true);
}

bool cluster_has(struct sim *c, size_t i, const char *name)
{
	struct record_key key = cluster_key(name);
	const struct item *it = store_item(cluster_node(c, i)->store, &key);

	return it && !it->tombstone;
}

void cluster_remove(struct sim *c, size_t i, const struct id *node)
{
	_cleanup_(buf_fini) struct buf body = { 0 };
	struct record_key key = key_of_id(RECORD_NODE, node);
	struct store *s = cluster_node(c, i)->store;
	const struct item *it = store_item(s, &key);
	struct err e = { 0 };

	check(it, "removal of a node that is not known");
	node_encode(&body, &it->node);
	check(!store_write(s, &key, &body, true, cluster_wall(c, i), &e), e.text);
	cluster_settle(c, i);
}

/* ---- predicates ---- */

enum member_status cluster_status(struct sim *c, size_t i, size_t j)
{
	const struct member *m = gossip_member(cluster_node(c, i)->gossip, &cluster_node(c, j)->id);

	return m ? m->status : MEMBER_LEFT + 1;
}

static bool sees_all(struct sim *c, size_t i)
{
	const struct member *m;
	size_t count = gossip_members(cluster_node(c, i)->gossip, &m), alive = 0, up = 0;

	for (size_t j = 0; j < count; j++)
		alive += m[j].status == MEMBER_ALIVE || m[j].status == MEMBER_SUSPECT;
	for (size_t j = 0; j < cluster_size(c); j++) {
		if (j == i || !cluster_node(c, j)->up)
			continue;
		up++;
		if (cluster_status(c, i, j) != MEMBER_ALIVE)
			return false;
	}
	return alive == up;
}

bool cluster_is_joined(struct sim *c)
{
	for (size_t i = 0; i < cluster_size(c); i++)
		if (cluster_node(c, i)->up && !sees_all(c, i))
			return false;
	return true;
}

bool cluster_is_equal(struct sim *c)
{
	const struct store *first = NULL;

	for (size_t i = 0; i < cluster_size(c); i++) {
		const struct store *s = cluster_node(c, i)->store;

		if (!cluster_node(c, i)->up)
			continue;
		first = first ? first : s;
		for (unsigned int b = 0; b < STORE_BUCKETS; b++)
			if (store_bucket_hash(s, b) != store_bucket_hash(first, b))
				return false;
	}
	return true;
}

bool cluster_is_settled(struct sim *c)
{
	return cluster_is_joined(c) && cluster_is_equal(c);
}

bool cluster_is_in_sync(struct sim *c)
{
	for (size_t i = 0; i < cluster_size(c); i++)
		if (cluster_node(c, i)->up && !gossip_in_sync(cluster_node(c, i)->gossip))
			return false;
	return true;
}
