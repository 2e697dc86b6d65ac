/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the data path tells, as this process understands it: records checked, filters of
 * those who watch, addresses turned into names. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "maps/schema.h"
#include "model/view.h"

/* ---- records (record.c) ---- */

struct watch_record {
	struct ov_watch_record head;
	const uint8_t *packet; /* head.captured bytes, borrowed */
};
/* 0, or -EBADMSG: not a record of this version, or its lengths contradict each other. */
int watch_record_parse(const void *data, size_t size, struct watch_record *ret_record);
/* "new", "seen", "closed", "idle", "dropped", "refused", "packet". */
const char *watch_kind_to_str(enum ov_watch_kind kind);
/* Its sender did not reach whom it wanted to. */
bool watch_is_drop(const struct ov_watch_record *r);

/* ---- filters (filter.c) ---- */

struct watch_filter {
	bool capture;               /* packets; else flows and drops */
	bool drops;                 /* nothing but drops and refusals */
	uint32_t vni;               /* 0: every network */
	struct ov_addr from, to;    /* zero: any */
	uint16_t port;              /* host order; 0: any */
	uint8_t protocol;           /* 0: any */
	uint32_t snap;              /* of packets; 0: all that is captured */
};
/*
 * Whether one who watches so wants it. Of flows and drops `from` is who began and `to` who
 * was meant; of packets they are the two ends, so that answers are there, too.
 */
bool watch_filter_takes(const struct watch_filter *f, const struct ov_watch_record *r);
/* At least what each of them wants, `until` left 0. Without filters it is all zero. */
struct ov_watch watch_filter_union(const struct watch_filter *const *filter, size_t count);

/* ---- names (names.c) ---- */

struct watch_names;
struct watch_name {
	uint32_t vni;         /* 0: a node */
	struct ov_addr addr;
	char name[NAME_MAX_LEN + 9];
};
/* Of endpoints, services and nodes, by where they are. 0 or -ENOMEM. */
int watch_names_build(const struct view *v, struct watch_names **ret_names);
void watch_names_free(struct watch_names *n);
/* "" when nobody has the address. */
const char *watch_names_find(const struct watch_names *n, uint32_t vni, const struct ov_addr *addr);
/* The network's name; "" when there is none. */
const char *watch_names_network(const struct watch_names *n, uint32_t vni);
