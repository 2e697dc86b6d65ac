/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the daemon and its cluster as a whole. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"

static void field(struct ctl *c, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void field(struct ctl *c, const char *name, const char *fmt, ...)
{
	va_list ap;

	fprintf(c->out, "%-10s ", name);
	va_start(ap, fmt);
	vfprintf(c->out, fmt, ap);
	va_end(ap);
	fputc('\n', c->out);
}

static void print_warnings(struct ctl *c, const json_t *warnings)
{
	const char *on = c->colour ? "\033[33m" : "", *off = c->colour ? "\033[0m" : "";
	const json_t *w;
	size_t i;

	if (!json_array_size(warnings))
		field(c, "Warnings", "none");
	json_array_foreach(warnings, i, w)
		field(c, i ? "" : "Warnings", "%s%s%s", on, json_string_value(w) ? json_string_value(w) : "",
		      off);
}

static void print_programs(struct ctl *c, const json_t *s)
{
	const json_t *xdp = json_object_get(s, "XDP"), *uplink = json_object_get(s, "Uplink");
	const json_t *masquerade = json_object_get(s, "Masquerade");

	field(c, "Uplink", "%s, MTU %" JSON_INTEGER_FORMAT "; VXLAN on port %" JSON_INTEGER_FORMAT
	      ", gossip on port %" JSON_INTEGER_FORMAT, ctl_text(uplink, "Name"),
	      ctl_number(uplink, "MTU"), ctl_number(s, "VXLANPort"), ctl_number(s, "GossipPort"));
	field(c, "Masquerade", "containers call the outside by ports %" JSON_INTEGER_FORMAT " to %"
	      JSON_INTEGER_FORMAT, ctl_number(masquerade, "First"), ctl_number(masquerade, "Last"));
	field(c, "Programs", "attached by %s, pinned in %s", ctl_text(s, "AttachMode"),
	      ctl_text(s, "PinDir"));
	field(c, "XDP", "%s: %s%s", ctl_text(xdp, "Mode"), ctl_text(xdp, "Why"),
	      json_is_true(json_object_get(xdp, "Entry")) ? "; it sends calls to published ports on" : "");
}

/* A daemon of an earlier version says nothing of it. */
static void print_ring(struct ctl *c, const json_t *ring)
{
	if (json_object_size(ring))
		field(c, "Key ring", "%s, epoch %" JSON_INTEGER_FORMAT "; confirmed by %"
		      JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " nodes", ctl_text(ring, "Phase"),
		      ctl_number(ring, "Epoch"), ctl_number(ring, "Confirmed"),
		      ctl_number(ring, "Nodes"));
}

static void print_counts(struct ctl *c, const json_t *s)
{
	const json_t *peers = json_object_get(s, "Peers"), *ep = json_object_get(s, "Endpoints");
	const json_t *store = json_object_get(s, "Store"), *g = json_object_get(s, "Gossip");
	const json_t *joins = json_object_get(s, "Joins"), *flows = json_object_get(s, "Flows");

#define N "%" JSON_INTEGER_FORMAT
	field(c, "Peers", N " alive, " N " suspect, " N " dead, " N " unknown",
	      ctl_number(peers, "Alive"), ctl_number(peers, "Suspect"), ctl_number(peers, "Dead"),
	      ctl_number(peers, "Unknown"));
	field(c, "Networks", N, ctl_number(s, "Networks"));
	field(c, "Services", N, ctl_number(s, "Services"));
	field(c, "Endpoints", N " here, " N " in the cluster", ctl_number(ep, "Local"),
	      ctl_number(ep, "Total"));
	field(c, "Gossip", "%s; refused: " N " by key, " N " by version, " N " malformed, " N " records",
	      json_is_true(json_object_get(g, "in_sync")) ? "in sync" : "not in sync yet",
	      ctl_number(g, "refused_seal"), ctl_number(g, "refused_version"),
	      ctl_number(g, "refused_malformed"), ctl_number(g, "refused_record"));
	field(c, "Joins", N " answered, " N " refused", ctl_number(joins, "Answered"),
	      ctl_number(joins, "Refused"));
	field(c, "Flows", N " of " N " to services, " N " found no room", ctl_number(flows, "Used"),
	      ctl_number(flows, "Max"), ctl_number(flows, "Overflow"));
	field(c, "Store", N " records, serial " N ", generation " N, ctl_number(store, "Records"),
	      ctl_number(store, "Serial"), ctl_number(store, "Generation"));
#undef N
}

/* A daemon of an earlier version says nothing of it. */
static void print_repairs(struct ctl *c, const json_t *repairs)
{
	const json_t *count;
	const char *kind, *comma = "";

	if (!json_object_size(repairs))
		return;
	fprintf(c->out, "%-10s ", "Repairs");
	json_object_foreach((json_t *)json_object_get(repairs, "Kinds"), kind, count) {
		if (!json_integer_value(count))
			continue;
		fprintf(c->out, "%s%" JSON_INTEGER_FORMAT " %s", comma, json_integer_value(count), kind);
		comma = ", ";
	}
	if (*comma)
		fprintf(c->out, ", the last at %s\n", ctl_text(repairs, "Last"));
	else
		fprintf(c->out, "none was needed\n");
}

int cmd_status(struct ctl *c, const struct ctl_input *in)
{
	const json_t *node;
	json_t *s;

	(void)in;
	if (ctl_ask(c, "GET", "/v1/status", NULL, &s))
		return EXIT_FAILURE;
	node = json_object_get(s, "Node");
	if (c->json) {
		ctl_print_json(c, s);
	} else {
		field(c, "Node", "%s at %s, overlayd %s, since %s", ctl_text(node, "Name"),
		      ctl_text(node, "Address"), ctl_text(s, "Version"), ctl_text(s, "Started"));
		field(c, "Cluster", "%.12s", ctl_text(s, "Cluster"));
		print_programs(c, s);
		print_counts(c, s);
		print_ring(c, json_object_get(s, "KeyRing"));
		print_repairs(c, json_object_get(s, "Repairs"));
		print_warnings(c, json_object_get(s, "Warnings"));
	}
	json_decref(s);
	return EXIT_SUCCESS;
}

int cmd_token(struct ctl *c, const struct ctl_input *in)
{
	bool rotate = json_is_true(json_object_get(in->fields, "rotate"));
	json_t *value;

	if (ctl_ask(c, rotate ? "POST" : "GET", "/v1/cluster/token", NULL, &value))
		return EXIT_FAILURE;
	if (c->json)
		ctl_print_json(c, value);
	else
		fprintf(c->out, "%s\n", ctl_text(value, "Token"));
	json_decref(value);
	return EXIT_SUCCESS;
}

int cmd_leave(struct ctl *c, const struct ctl_input *in)
{
	json_t *value;

	(void)in;
	if (ctl_ask(c, "POST", "/v1/cluster/leave", NULL, &value))
		return EXIT_FAILURE;
	if (c->json)
		ctl_print_json(c, value);
	json_decref(value);
	return EXIT_SUCCESS;
}

/* ---- drops ---- */

static const struct column drop_columns[] = {
	{ "REASON", "Name", COLUMN_TEXT },
	{ "PACKETS", "Packets", COLUMN_NUMBER },
	{ "BYTES", "Bytes", COLUMN_NUMBER },
	{ "MEANING", "Meaning", COLUMN_TEXT },
};

/* For the reasons that counted something: a wall of advice nobody needs hides the one that helps. */
static void print_mends(struct ctl *c, const json_t *drops)
{
	bool any = false;
	const json_t *d;
	size_t i;

	json_array_foreach(drops, i, d) {
		if (!ctl_number(d, "Packets") || !*ctl_text(d, "Mend"))
			continue;
		fprintf(c->out, "%s  %s: %s\n", any ? "" : "\nHow to mend:\n", ctl_text(d, "Name"),
			ctl_text(d, "Mend"));
		any = true;
	}
}

/* With the one filter that was given. To be freed. */
static char *drops_path(const struct ctl_input *in)
{
	const char *key = *ctl_text(in->fields, "endpoint") ? "endpoint" : "network";
	_cleanup_(freep) char *ref = ctl_escape(ctl_text(in->fields, key));
	char *path = NULL;

	if (!ref)
		return NULL;
	if (!json_object_size(in->fields))
		return strdup("/v1/drops");
	return asprintf(&path, "/v1/drops?%s=%s", key, ref) < 0 ? NULL : path;
}

int cmd_drops(struct ctl *c, const struct ctl_input *in)
{
	int status = EXIT_SUCCESS;
	_cleanup_(freep) char *path = NULL;
	const json_t *drops;
	json_t *value;

	if (json_object_size(in->fields) > 1) {
		ctl_error(c, "drops takes --network or --endpoint, not both");
		return EXIT_WRONG_USAGE;
	}
	path = drops_path(in);
	if (!path)
		return ctl_error(c, "out of memory");
	if (ctl_ask(c, "GET", path, NULL, &value))
		return EXIT_FAILURE;
	drops = json_object_get(value, "Drops");
	if (c->json) {
		ctl_print_json(c, value);
	} else {
		status = ctl_print_table(c, drops, drop_columns, ARRAY_SIZE(drop_columns));
		print_mends(c, drops);
	}
	json_decref(value);
	return status;
}
