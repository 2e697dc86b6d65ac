/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON as the front ends need it: bodies decoded strictly by a table of fields,
 * values made so that one failure is a NULL at the end.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"

/* Objects and arrays inside each other; our deepest body has two levels. */
#define JSON_DEPTH_MAX 8
/* Entries of a list or map; what an object of ours may hold is less, and said by intent/. */
#define JSON_ITEMS_MAX 64

enum field_type {
	FIELD_TEXT, /* const char *, borrowed from the body */
	FIELD_FLAG, /* bool */
	FIELD_LIST, /* struct text_list: an array of strings */
	FIELD_MAP,  /* struct text_list: an object of strings, as "key=value" */
	FIELD_OPTS, /* the same, but "key" alone where the value is "" */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

struct text_list {
	size_t count;
	char *item[JSON_ITEMS_MAX];
};
void text_list_fini(struct text_list *l);

/* One JSON object: no duplicate keys, no NUL inside strings, nothing after it. 0 or -EINVAL. */
int json_parse_body(const char *text, size_t len, json_t **ret_body, struct err *e);
/*
 * Fills out, zeroed by the caller, from the body's members; null is as good as
 * absent. An unknown member or a wrong type is -EINVAL, named. What was filled
 * up to then stays: release lists either way.
 */
int json_decode(const json_t *body, const struct field *fields, size_t count, void *out,
		struct err *e);

/* A copy that is UTF-8: of text that is not, each byte beyond ASCII becomes '?'. To be freed. */
char *json_clean(const char *text);
/* A JSON string of any bytes, cleaned so. */
json_t *json_text(const char *text);
json_t *json_id(const struct id *id);
json_t *json_addr(const struct ov_addr *a);
json_t *json_prefix(const struct prefix *p);
json_t *json_count(uint64_t n); /* beyond 2^63 - 1 it stays there */
/* ISO 8601 in UTC with milliseconds. */
json_t *json_time(uint64_t ms_since_1970);
/* Appends value to *array. When either is NULL or memory ends, all is released and *array is NULL. */
void json_push(json_t **array, json_t *value);
