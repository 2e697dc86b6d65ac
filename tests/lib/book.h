/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one node knows, for tests of pure functions over a view: items that merge
 * by their stamps, and no store behind them.
 */
#pragma once

#include "ipam/ipam.h"
#include "model/view.h"

#define BOOK_NODES_MAX 8

struct book {
	struct item **item;
	size_t count, cap;
};

void book_fini(struct book *b);
/* Merges one item: the greater stamp wins. */
void book_put(struct book *b, const struct item *it);
struct view book_view(const struct book *b);

/* Ids that can be read: what kind, and which. */
struct id book_id(uint8_t kind, uint32_t n);
struct id book_node_id(uint32_t n); /* of node n, counted from 0 */
struct ov_addr book_addr(const char *text);
/* Network "app-net"; ip_range and gateway may be NULL. */
struct network book_network(const char *subnet, const char *ip_range, const char *gateway);

void book_put_network(struct book *b, const struct network *n, const struct id *writer);
void book_put_node(struct book *b, uint32_t n, const char *name);
/* A block's next version, as store_write makes it. Returns the item. */
struct item book_write_block(struct book *b, const struct block *block, const struct id *writer);
struct item book_write_endpoint(struct book *b, const struct network *n, const struct id *node,
				uint32_t number, struct ov_addr addr, uint64_t created_ms);
/* Service "shop". */
struct item book_write_service(struct book *b, const struct network *n, const struct id *writer,
			       uint32_t number, struct ov_addr vip, uint64_t created_ms);
void book_release_service(struct book *b, uint32_t number, uint64_t seen_ms);
void book_release(struct book *b, uint32_t number, uint64_t seen_ms);
/* Nodes h1, h2, ...; the network, and its first blocks dealt to them. */
void book_start(struct book *b, const struct network *n, size_t nodes);
