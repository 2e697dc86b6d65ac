/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

/* 9999-12-31T23:59:59.999Z: the last time ISO 8601 writes with four digits of year. */
#define TIME_MAX_MS 253402300799999ull

void text_list_fini(struct text_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i]);
	l->count = 0;
}

/* Jansson recurses up to 2048 levels; we know better before it starts. */
static bool is_too_deep(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		if (text[i] == '"')
			in_string = true;
		else if ((text[i] == '{' || text[i] == '[') && ++depth > JSON_DEPTH_MAX)
			return true;
		else if (text[i] == '}' || text[i] == ']')
			depth--;
	}
	return false;
}

int json_parse_body(const char *text, size_t len, json_t **ret_body, struct err *e)
{
	json_error_t error;
	json_t *body;

	if (!len)
		return err_set(e, -EINVAL, "the request needs a JSON object as its body");
	if (is_too_deep(text, len))
		return err_set(e, -EINVAL, "the request body is nested deeper than %d levels",
			       JSON_DEPTH_MAX);
	body = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!body)
		return err_set(e, -EINVAL, "the request body is not valid JSON: line %d, column %d: %s",
			       error.line, error.column, error.text);
	if (!json_is_object(body)) {
		json_decref(body);
		return err_set(e, -EINVAL, "the request body is a JSON array and must be an object");
	}
	*ret_body = body;
	return 0;
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

static int wrong_type(const char *name, const char *want, const json_t *v, struct err *e)
{
	return err_set(e, -EINVAL, "field \"%s\" must be %s, not %s", name, want, type_name(v));
}

static int push_text(struct text_list *l, const char *name, char *text, struct err *e)
{
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	if (l->count == JSON_ITEMS_MAX) {
		free(text);
		return err_set(e, -EINVAL, "field \"%s\" has more than %d entries", name,
			       JSON_ITEMS_MAX);
	}
	l->item[l->count++] = text;
	return 0;
}

static int decode_list(const char *name, const json_t *v, struct text_list *l, struct err *e)
{
	size_t i;
	json_t *entry;

	if (!json_is_array(v))
		return wrong_type(name, "an array of strings", v, e);
	json_array_foreach(v, i, entry) {
		int r;

		if (!json_is_string(entry))
			return wrong_type(name, "an array of strings", entry, e);
		r = push_text(l, name, strdup(json_string_value(entry)), e);
		if (r)
			return r;
	}
	return 0;
}

static char *key_value(const char *key, const char *value, bool bare)
{
	char *text;

	if (bare && !*value)
		return strdup(key);
	return asprintf(&text, "%s=%s", key, value) < 0 ? NULL : text;
}

static int decode_map(const char *name, const json_t *v, bool bare, struct text_list *l,
		      struct err *e)
{
	const char *key;
	json_t *entry;

	if (!json_is_object(v))
		return wrong_type(name, "an object of strings", v, e);
	json_object_foreach((json_t *)v, key, entry) {
		int r;

		if (!json_is_string(entry))
			return err_set(e, -EINVAL, "field \"%s\": the value of \"%.64s\" must be a "
				       "string, not %s", name, key, type_name(entry));
		if (!*key || strchr(key, '='))
			return err_set(e, -EINVAL, "field \"%s\": the key \"%.64s\" is empty or has a "
				       "'=' in it", name, key);
		r = push_text(l, name, key_value(key, json_string_value(entry), bare), e);
		if (r)
			return r;
	}
	return 0;
}

static int decode_field(const struct field *f, const json_t *v, void *out, struct err *e)
{
	void *at = (char *)out + f->offset;

	switch (f->type) {
	case FIELD_TEXT:
		if (!json_is_string(v))
			return wrong_type(f->name, "a string", v, e);
		*(const char **)at = json_string_value(v);
		return 0;
	case FIELD_FLAG:
		if (!json_is_boolean(v))
			return wrong_type(f->name, "true or false", v, e);
		*(bool *)at = json_is_true(v);
		return 0;
	case FIELD_LIST:
		return decode_list(f->name, v, at, e);
	default:
		return decode_map(f->name, v, f->type == FIELD_OPTS, at, e);
	}
}

static const struct field *find_field(const struct field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static int unknown_field(const struct field *fields, size_t count, const char *name, struct err *e)
{
	char known[200] = "";
	size_t used = 0;

	for (size_t i = 0; i < count && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 fields[i].name);
	return err_set(e, -EINVAL, "unknown field \"%.64s\": this request takes %s", name,
		       count ? known : "none");
}

int json_decode(const json_t *body, const struct field *fields, size_t count, void *out,
		struct err *e)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)body, name, v) {
		const struct field *f = find_field(fields, count, name);
		int r;

		if (!f)
			return unknown_field(fields, count, name, e);
		if (json_is_null(v))
			continue;
		r = decode_field(f, v, out, e);
		if (r)
			return r;
	}
	return 0;
}

char *json_clean(const char *text)
{
	json_t *v = json_string(text);
	char *copy = strdup(text);

	if (!v)
		for (char *p = copy; p && *p; p++)
			if ((unsigned char)*p >= 0x80)
				*p = '?';
	json_decref(v);
	return copy;
}

json_t *json_text(const char *text)
{
	_cleanup_(freep) char *clean = NULL;
	json_t *v = json_string(text);

	if (v)
		return v;
	clean = json_clean(text);
	return clean ? json_string(clean) : NULL;
}

json_t *json_id(const struct id *id)
{
	char text[ID_TEXT_MAX];

	return json_string(id_format(id, text));
}

json_t *json_addr(const struct ov_addr *a)
{
	char text[ADDR_TEXT_MAX];

	return json_string(addr_is_zero(a) ? "" : addr_format(a, text));
}

json_t *json_prefix(const struct prefix *p)
{
	char text[PREFIX_TEXT_MAX];

	return json_string(prefix_format(p, text));
}

json_t *json_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *json_time(uint64_t ms)
{
	uint64_t bounded = ms > TIME_MAX_MS ? TIME_MAX_MS : ms;
	time_t seconds = (time_t)(bounded / 1000);
	char day[24], text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned int)(bounded % 1000));
	return json_string(text);
}

void json_push(json_t **array, json_t *value)
{
	if (*array && value && !json_array_append(*array, value)) {
		json_decref(value);
		return;
	}
	json_decref(value);
	json_decref(*array);
	*array = NULL;
}
