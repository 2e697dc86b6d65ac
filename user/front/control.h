/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: HTTP requests with JSON bodies on RUN_DIR/overlayd.sock,
 * decoded into intents and encoded back. Bytes in, bytes out; the server is
 * serve/http.h. overlayctl is its first client.
 *
 *   GET    /v1/status
 *   GET    /v1/nodes              GET /v1/nodes/NAME          DELETE /v1/nodes/NAME
 *   GET    /v1/cluster/token      POST /v1/cluster/token (rotates)
 *   POST   /v1/cluster/leave
 *   GET    /v1/networks           GET /v1/networks/REF        DELETE /v1/networks/REF
 *   POST   /v1/networks           {Name, Subnet, Gateway, IPRange, Internal, Options: {k: v}}
 *   GET    /v1/endpoints[?network=REF]   GET /v1/endpoints/REF   DELETE /v1/endpoints/REF
 *   POST   /v1/endpoints          {Network, Netns, IfName, IP, MAC, Name, Aliases, Service, Weight,
 *                                  Labels}
 *   GET    /v1/services           GET /v1/services/REF        DELETE /v1/services/REF
 *   POST   /v1/services           {Name, Network, EndpointMode, Algorithm, Affinity, Prefer, VIP,
 *                                  Health, HealthInterval, Ports: [..], Options, Publish: [..]}
 *   PATCH  /v1/services/REF       the same less Name, Network, EndpointMode, VIP and Publish, and
 *                                  {PublishAdd: [..], PublishRm: [..]}
 *   PATCH  /v1/endpoints/REF      {Service: NAME or "", Weight} or {Drain: bool}
 *   GET    /v1/lb[?service=REF]
 *   GET    /v1/policies[?network=REF]    DELETE /v1/policies/ID
 *   POST   /v1/policies           {Network, Action, From, To, Ports: [..]}
 *   POST   /v1/policies/default   {Network, Action, Audit}
 *   GET    /v1/keys               POST /v1/keys/rotate {Network}
 *   GET    /v1/trace?from=REF&to=HOST[:PORT[/PROTO]][&size=N][&sport=N][&backend=IP]
 *   POST   /v1/repair             {Network, Endpoint}: only what belongs to it
 *   GET    /v1/doctor             takes up to some seconds
 *   GET    /v1/drops[?network=REF|endpoint=REF]
 *   GET    /v1/traffic[?network=REF]
 *   POST   /v1/monitor            {Network, From, To, Port, Drops: bool}
 *   POST   /v1/capture            the same, and {Snaplen}
 *
 * The last two answer, once the kernel looks, with a JSON object a line for as long as the
 * client listens; an empty line says that nothing happened.
 *
 * Numbers of a request are strings, as a person typed them.
 * Success: 200 or 201 and a JSON value. Failure: 400 (invalid), 404, 409
 * (taken, in use), 503 (not now) or 500, and {"Error": sentence}.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "doctor/doctor.h"
#include "gossip/gossip.h"
#include "intent/intent.h"
#include "maps/schema.h"
#include "model/key_row.h"
#include "model/lb.h"
#include "model/policy_row.h"
#include "model/reach.h"
#include "trace/ask.h"
#include "model/repair.h"
#include "model/traffic.h"

struct control_stream;
struct watch_filter;

/* What the front asks the rest of the daemon; each returns 0 or a negative errno with a sentence. */
struct control_host {
	void *ctx;
	uint64_t (*now)(void *ctx);     /* monotonic ms */
	uint64_t (*wall)(void *ctx);    /* ms since 1970 */
	/* NAME, PATH or PID to a namespace. */
	int (*resolve_netns)(void *ctx, const char *text, struct netns_ref *ret_ref, struct err *e);
	/* Sums over CPUs, indexed by verdict. */
	int (*read_counters)(void *ctx, struct ov_counter ret_counter[OV_VERDICT_COUNT], struct err *e);
	/* What balances now, from the kernel's own maps; *ret_rows is owned by the caller. */
	int (*read_lb)(void *ctx, struct lb_row **ret_rows, size_t *ret_count, struct err *e);
	/* Keys with each other node; *ret_rows is owned by the caller. */
	int (*read_keys)(void *ctx, struct key_row **ret_rows, size_t *ret_count, struct err *e);
	/* What policy judged, from the kernel's own map; *ret_rows is owned by the caller. */
	int (*read_policy)(void *ctx, struct policy_row **ret_rows, size_t *ret_count,
			   struct err *e);
	/*
	 * Calls done once the kernel holds what the store holds now (e is NULL), or
	 * with the reason why not. Only failures of the rows of that endpoint, or of the
	 * rules of that network, count when one is named, those of any row when it is NULL.
	 */
	void (*when_applied)(void *ctx, const struct id *endpoint,
			     void (*done)(void *arg, const struct err *e), void *arg);
	/*
	 * Looks through the kernel and calls done when what was wrong there is mended, with what that
	 * was and what is wrong still; with e instead when it could not begin.
	 */
	void (*repair)(void *ctx, const struct repair_scope *scope,
		       void (*done)(void *arg, const struct repair_report *report,
				    const struct err *e), void *arg);
	/* Somebody watches from now on, until the stream is closed. */
	int (*watch)(void *ctx, const struct watch_filter *filter, struct control_stream *ret_stream,
		     struct err *e);
	bool (*watch_is_on)(void *ctx); /* the kernel tells what is watched */
	/* Takes the data plane down after a leave, and stops. */
	void (*shut_down)(void *ctx);
	/* Filled by the agent, read by status. */
	const struct control_facts *facts;
	/* Follows a packet through this node's plan and others'; it says what was asked, too. */
	int (*trace)(void *ctx, const struct trace_ask *ask, struct trace *ret_trace,
		     struct trace_packet *ret_packet, struct err *e);
	/* Calls done once, with the findings of a systematic check or the reason why there are none. */
	void (*examine)(void *ctx,
			void (*done)(void *arg, const struct findings *f, const struct err *e),
			void *arg);
	/* What this node's endpoints sent and got, and drops; traffic_fini releases it. NULL: cannot tell. */
	int (*read_traffic)(void *ctx, struct traffic *ret_traffic, struct err *e);
};

/* A published port that a process of this host has, so that it is not open here. */
struct control_port {
	struct ov_addr addr;      /* as published; zero: every address */
	uint16_t port;            /* host order */
	uint8_t protocol;
};

struct control_facts {
	const char *version, *uplink, *pin_dir, *attach_mode; /* "tcx" or "clsact" */
	const char *xdp_mode, *xdp_why;
	bool xdp_entry;           /* calls to published ports are sent on there */
	uint16_t uplink_mtu, vxlan_port, gossip_port;
	uint16_t masquerade_first, masquerade_last; /* ports of containers that call the outside */
	uint64_t started_ms;      /* wall */
	uint64_t plans_applied, rows_failed;
	struct repair_tally repairs;
	uint64_t reconcile_ns, last_reconcile_ns; /* of all plans, and of the last run of them */
	uint64_t joins_answered, joins_refused; /* by this node; refused: token, name, garbage */
	uint64_t flows_used, flows_max; /* established flows to services from this node */
	uint64_t flows_overflow;        /* that found no room, ever */
	size_t taken_count;
	const struct control_port *taken;
	struct reach_list reach;  /* the subnets that this host is in */
	size_t map_count;
	struct control_map {
		const char *name;
		uint64_t used, max; /* rows by the last plan; the map's bound */
	} map[24];                  /* maps that a plan fills */
	size_t warning_count;
	char warning[11][320];    /* what a person should know now */
};

/* An answer without an end, in pieces. */
struct control_stream {
	void *ctx;
	/* Up to max bytes; 0: none now. */
	size_t (*read)(void *ctx, char *buf, size_t max);
	/* `more` is called when there are some again; it may not read by itself. */
	void (*wake_by)(void *ctx, void (*more)(void *arg), void *arg);
	void (*close)(void *ctx); /* NULL: there is no stream */
};

struct control;

int control_new(struct store *store, struct gossip *gossip, struct intent *intent,
		const struct control_host *host, struct control **ret_control);
void control_free(struct control *c);

struct control_request {
	const char *method, *path; /* path without query, still percent-encoded */
	const char *query;         /* "k=v&k=v" or NULL */
	const char *body;          /* may be NULL */
	size_t body_len;           /* at most CONTROL_BODY_MAX */
	/* In place of `reply`, with its arg, where the answer has no end; NULL: it cannot be. Takes *s. */
	void (*stream)(void *arg, const struct control_stream *s);
};
#define CONTROL_BODY_MAX 65536

/* `reply` is called exactly once, perhaps later; text is JSON, borrowed. */
void control_handle(struct control *c, const struct control_request *req,
		    void (*reply)(void *arg, int http_status, const char *text), void *arg);
