/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share: one network while it is compiled. */
#pragma once

#include <stdbool.h>

#include "policy.h"

/* Somebody else's records may be many; beyond that a network is broken, whatever they say. */
#define RULES_LIMIT (2 * POLICY_RULES_MAX)
/* Of rules in all pairs of classes: each pair is a row at least. */
#define MATCHES_LIMIT (8 * (size_t)POLICY_ROWS_MAX)

/* What a rule says, in order of strength: denials first, then by id. */
struct rule {
	struct policy p;
	struct policy_detail d;
	uint32_t from, to;      /* selectors by number; 0: any */
};

/* A selector that rules name. Its number is its index and 1. */
struct pick {
	uint8_t kind;           /* enum selector_kind, never _ANY */
	struct id id;
	struct prefix cidr;
	const char *label;      /* borrowed from a rule */
	uint8_t digest[16];     /* of all of that */
	uint32_t parent;        /* of a CIDR: the number of the next wider one; 0: none */
	bool is_covered;        /* a single address that has the row of an endpoint */
};

/* Addresses that the same selectors match. Its number is its index and 1; 0 is everybody. */
struct class {
	size_t first;           /* in `list` */
	uint32_t count, id;     /* id: as in the maps */
};

/* The selectors that match an address; own ones, and CIDRs. */
#define PICKS_MAX (2 + LABEL_MAX + 129)

struct classes {
	size_t count, room, list_count, list_room, slot_count;
	struct class *at;
	uint32_t *list;         /* selectors by number, ascending, of one class after the other */
	uint32_t *slot;         /* hash table of classes by number; 0: free */
};

struct subject {
	struct prefix at;
	uint32_t class;         /* by number */
};

struct compile {
	const struct view *v;
	const struct view_network *net;
	size_t rule_count, pick_count, first_cidr, cidr_end, subject_count, subject_room;
	struct rule *rule;
	struct pick *pick;      /* sorted */
	struct subject *subject;
	struct classes classes;
	uint32_t salt, set;
};

/* All return 0, -ENOMEM, or -E2BIG: the network is broken. */

/* ---- rules.c ---- */
int rules_read(struct compile *c, const struct policy_draft *more);

/* ---- picks.c ---- */
/* The selectors of the rules, each once; rules get their numbers. */
int picks_make(struct compile *c);
/* The number of that selector; 0 when no rule names it. */
uint32_t picks_find(const struct compile *c, const struct pick *like);
/* The narrowest CIDR that holds the address; 0: none. */
uint32_t picks_around(const struct compile *c, const struct ov_addr *a);

/* ---- subjects.c ---- */
/* Who is of which class: endpoints with selectors of their own, and CIDRs. */
int subjects_make(struct compile *c);

/* ---- classes.c ---- */
/* The class of exactly these selectors, sorted here. */
int class_of(struct classes *cs, uint32_t *list, size_t count, uint32_t *ret_class);
/* Names the set and its classes, so that no two of those have one id. */
int classes_name(struct compile *c);
uint32_t class_id(const struct compile *c, uint32_t class);
void classes_fini(struct classes *cs);

/* ---- pairs.c ---- */
/* Rows of every pair of classes that some rule is about. */
int pairs_add(const struct compile *c, struct policy_book *b);

/* ---- ports.c ---- */
struct span {
	uint16_t first, last;
	uint32_t rule;
};
struct flat { /* room for flattening, used for one pair after the other */
	size_t span_count, span_room, edge_room;
	struct span *span;      /* strongest first */
	uint32_t *edge, *owner, *next;
};
void flat_fini(struct flat *f);
/* Rows of one pair. `match`: its rules, strongest first. */
int pair_add(const struct compile *c, struct flat *f, const uint32_t *match, size_t count,
	     uint32_t from, uint32_t to, struct policy_book *b);

/* ---- policy.c ---- */
int book_add_rule(struct policy_book *b, const struct policy_rule_row *row);
