/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "book.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

void book_fini(struct book *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->item[i]);
	free(b->item);
	*b = (struct book){ 0 };
}

void book_put(struct book *b, const struct item *it)
{
	struct item *copy;

	for (size_t i = 0; i < b->count; i++) {
		if (record_key_cmp(&b->item[i]->key, &it->key))
			continue;
		if (stamp_cmp(&it->stamp, &b->item[i]->stamp) > 0)
			*b->item[i] = *it;
		return;
	}
	if (b->count == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->item = realloc(b->item, b->cap * sizeof(*b->item));
	}
	copy = malloc(sizeof(*copy));
	*copy = *it;
	b->item[b->count++] = copy;
}

struct view book_view(const struct book *b)
{
	struct view v;

	cr_assert_eq(view_build((const struct item *const *)b->item, b->count, &v), 0);
	return v;
}

struct id book_id(uint8_t kind, uint32_t n)
{
	struct id id = { { kind, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			   (uint8_t)n } };

	return id;
}

struct id book_node_id(uint32_t n)
{
	return book_id('n', n + 1);
}

struct ov_addr book_addr(const char *text)
{
	struct ov_addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

struct network book_network(const char *subnet, const char *ip_range, const char *gateway)
{
	struct network n = { .id = book_id('w', 1), .name = "app-net", .vni = 4096 };

	cr_assert_eq(prefix_parse(subnet, &n.subnet), 0);
	n.ip_range = n.subnet;
	if (ip_range)
		cr_assert_eq(prefix_parse(ip_range, &n.ip_range), 0);
	n.gateway = gateway ? book_addr(gateway) : addr_add(&n.subnet.addr, 1);
	return n;
}

void book_put_network(struct book *b, const struct network *n, const struct id *writer)
{
	struct item it = { .key = key_of_id(RECORD_NETWORK, &n->id),
			   .stamp = { 1, 0 },
			   .writer = *writer,
			   .network = *n };

	book_put(b, &it);
}

void book_put_node(struct book *b, uint32_t n, const char *name)
{
	struct item it = { .stamp = { 1, 0 },
			   .writer = book_node_id(n),
			   .node = { .id = book_node_id(n) } };

	it.key = key_of_id(RECORD_NODE, &it.node.id);
	strcpy(it.node.name, name);
	book_put(b, &it);
}

struct item book_write_block(struct book *b, const struct block *block, const struct id *writer)
{
	struct item it = { .key = key_of_block(&block->network, &block->start),
			   .stamp = { 1, 0 },
			   .writer = *writer,
			   .block = *block };

	for (size_t i = 0; i < b->count; i++)
		if (!record_key_cmp(&b->item[i]->key, &it.key))
			it.stamp.hi = b->item[i]->stamp.hi + 1;
	book_put(b, &it);
	return it;
}

struct item book_write_endpoint(struct book *b, const struct network *n, const struct id *node,
				uint32_t number, struct ov_addr addr, uint64_t created_ms)
{
	struct item it = { .stamp = { 1, number }, .writer = *node };

	it.endpoint = (struct endpoint){ .id = book_id('e', number),
					 .node = *node,
					 .network = n->id,
					 .addr = addr,
					 .created_ms = created_ms };
	it.key = key_of_id(RECORD_ENDPOINT, &it.endpoint.id);
	book_put(b, &it);
	return it;
}

struct item book_write_service(struct book *b, const struct network *n, const struct id *writer,
			       uint32_t number, struct ov_addr vip, uint64_t created_ms)
{
	struct item it = { .stamp = { 1, number }, .writer = *writer };

	it.service = (struct service){ .id = book_id('s', number),
				       .network = n->id,
				       .name = "shop",
				       .vip = vip,
				       .created_ms = created_ms };
	it.key = key_of_id(RECORD_SERVICE, &it.service.id);
	book_put(b, &it);
	return it;
}

static void release(struct book *b, struct record_key key, uint64_t seen_ms)
{
	for (size_t i = 0; i < b->count; i++) {
		if (record_key_cmp(&b->item[i]->key, &key))
			continue;
		b->item[i]->tombstone = true;
		b->item[i]->stamp.hi++;
		b->item[i]->seen_ms = seen_ms;
		return;
	}
	cr_assert_fail("nothing to be released");
}

void book_release(struct book *b, uint32_t number, uint64_t seen_ms)
{
	struct id id = book_id('e', number);

	release(b, key_of_id(RECORD_ENDPOINT, &id), seen_ms);
}

void book_release_service(struct book *b, uint32_t number, uint64_t seen_ms)
{
	struct id id = book_id('s', number);

	release(b, key_of_id(RECORD_SERVICE, &id), seen_ms);
}

void book_start(struct book *b, const struct network *n, size_t nodes)
{
	struct block block[BOOK_NODES_MAX + IPAM_FIRST_EXTRA];
	struct id id[BOOK_NODES_MAX];
	size_t count;

	for (size_t i = 0; i < nodes; i++) {
		char name[24];

		id[i] = book_node_id((uint32_t)i);
		snprintf(name, sizeof(name), "h%zu", i + 1);
		book_put_node(b, (uint32_t)i, name);
	}
	book_put_network(b, n, &id[0]);
	count = ipam_first_blocks(n, id, nodes, block, nodes + IPAM_FIRST_EXTRA);
	for (size_t i = 0; i < count; i++)
		book_write_block(b, &block[i], &id[0]);
}
