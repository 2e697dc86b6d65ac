/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found wrong in the kernel and put right, as people read it; and what could not be. */
#pragma once

#include "base/err.h"
#include "base/id.h"

/* Kinds of things, with the names by which they are counted. */
#define REPAIR_KINDS(X)                                                                     \
	X(TUNNEL, "tunnel")   /* the tunnel device, and settings of the host's routing */   \
	X(DEVICE, "device")   /* an endpoint's device, its interface in the container */    \
	X(ROUTE, "route")     /* routes and rules in a container */                         \
	X(MAP, "map")         /* a row of a BPF map */                                      \
	X(PROGRAM, "program") /* a program on a device */                                   \
	X(SA, "sa")           /* of IPsec */                                                \
	X(POLICY, "policy")   /* of IPsec */                                                \
	X(PIN, "pin")         /* of a map or a program */                                   \
	X(DNS, "dns")         /* the way to DNS in a namespace */

enum repair_kind {
#define X(name, text) REPAIR_##name,
	REPAIR_KINDS(X)
#undef X
	REPAIR_KIND_COUNT,
};
const char *repair_kind_to_str(enum repair_kind k);

#define REPAIR_NAME_MAX 320
#define REPAIR_WHAT_MAX 320

struct repair_line {
	enum repair_kind kind;
	struct id network, endpoint; /* to which it belongs; zero: to none */
	char name[REPAIR_NAME_MAX];  /* "endpoint web1 on network app" */
	char what[REPAIR_WHAT_MAX];  /* "the row of the map endpoints was missing" */
};

/* What is looked at; both zero: everything. */
struct repair_scope {
	struct id network, endpoint;
};

#define REPAIR_LINES_MAX 1000
struct repair_report {
	size_t mended;       /* how many things; of the first REPAIR_LINES_MAX there is a line */
	size_t line_count, failed_count;
	const struct repair_line *line;
	const struct err *failed; /* what is still wrong, and why */
};

/* Since the daemon started. */
struct repair_tally {
	uint64_t count[REPAIR_KIND_COUNT];
	uint64_t last_ms;    /* wall; when something was found. 0: never */
	uint64_t looks;      /* rounds through everything */
	uint64_t looked_ms;  /* wall; when the last one ended. 0: none did yet */
};
