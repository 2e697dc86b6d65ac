/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wiring of the daemon: one struct that holds the rooms, and the
 * moments at which they meet. Holds no logic of its own.
 *
 *   start.c      opens the rooms in order, joins or founds a cluster
 *   reconcile.c  state + facts -> plan -> apply, whenever something is dirty
 *   names.c      state -> names and places of DNS, after each reconcile
 *   flows.c      the data path's maps -> what is over -> removed; which nodes are away
 *   host.c       answers what the control API asks of the daemon
 *   trace.c      state + facts -> plan -> the way of a packet; compared with the kernel's rows
 *   ports.c      published ports -> kept by portd; which of them processes have
 *   health.c     this node's backends -> health checks -> their records
 *   keys.c       keys of encrypted networks: facts -> engine -> plan, own records
 *   repair.c     what somebody else changed in the kernel: found, counted, said
 *   doctor*.c    the systematic check: what is known here and what probes say -> doctor/
 *   watch.c      who watches -> plan; the kernel's ring -> those who watch
 *   ring.c       the key ring: record -> gossip -> confirmation; the next step, on time
 */
#pragma once

#include <stdbool.h>

#include "agent/config.h"
#include "apply/apply.h"
#include "apply/facts.h"
#include "apply/kernel.h"
#include "apply/poke.h"
#include "apply/reap.h"
#include "apply/traffic.h"
#include "base/rng.h"
#include "doctor/doctor.h"
#include "front/control.h"
#include "gossip/gossip.h"
#include "gossip/rotate.h"
#include "intent/intent.h"
#include "ipsec/ipsec.h"
#include "loop/loop.h"
#include "serve/dnsd.h"
#include "serve/examine.h"
#include "serve/gossipd.h"
#include "serve/healthd.h"
#include "serve/http.h"
#include "serve/metricsd.h"
#include "serve/portd.h"
#include "serve/watchd.h"
#include "store/store.h"

#define AGENT_ERRORS_MAX 32

/* Somebody who waits until the kernel holds the state as of now. */
struct waiter {
	struct waiter *next;
	struct id endpoint; /* whose failure concerns it; zero: anyone's */
	void (*done)(void *arg, const struct err *e);
	void *arg;
};

/* A row that the last run could not bring about. */
struct row_error {
	enum plan_table_id table;
	struct id endpoint; /* zero when it is no endpoint's */
	struct err err;
	bool is_asked;      /* somebody asked for its repair */
};

/* Looking for what somebody else changed (repair.c). */
struct repair_state {
	struct loop_timer *timer;
	bool is_looking, is_failing;
	int next;               /* the table that is looked at next */
	struct repair_ask *ask; /* for the first of them; NULL: an audit */
	size_t found;           /* in this run */
	struct err error;       /* what could not be read at the last time */
};

/* The rounds through the data path's maps (flows.c). */
struct flows_state {
	struct reaper *reaper;
	struct poke_sockets poke;
	bool is_open;              /* poke is */
	bool in_round, again;      /* again: what changed wants another round at once */
	bool is_failing, has_looked;
	unsigned int pokes;        /* in this tick */
	uint64_t round_at;         /* when the next round begins */
	uint64_t warn_until;       /* some flow found no room */
};

/* Keys of encrypted networks (keys.c). */
struct keys_state {
	struct ipsec *engine;
	struct rng rng;            /* of keys alone */
	bool is_able;
	struct err why;            /* it is not; code 0: nobody needs it, or it is */
	uint64_t probe_at;         /* when it is looked at again */
	struct fact_sa *sa;        /* as read last */
	struct fact_policy *policy;
	struct ipsec_facts facts;
	struct ipsec_want want;    /* facts.sa and .policy of the plan are in it */
	bool has_want;
	uint64_t next_at;          /* when the engine is to be asked again */
	size_t forged_said;        /* of the nodes of store_forged: logged already */
};

/* The systematic check (doctor.c). */
struct doctor_waiter;
struct doctor_sums {
	char netns[NETNS_MAX_LEN + 1];
	uint64_t count;            /* bad checksums in it, as of the last examination */
};
struct doctor_state {
	struct examine *examine;   /* NULL: none is under way */
	bool is_asked;             /* one begins with the next run */
	struct doctor_seen seen;
	struct doctor_waiter *waiters;
	struct doctor_sums *sums;
	size_t sums_count;
};

/* Those who watch (watch.c). */
struct watch_state {
	struct watchd *watchd;
	bool changed;              /* what they want */
	uint64_t sweep_at;         /* when silent flows are looked for */
	struct watch_losses losses; /* told already */
};

struct agent {
	const struct options *options;
	int argc;
	char **argv; /* for a reload */
	struct rng rng;
	struct loop *loop;
	struct store *store;
	struct gossip *gossip;
	struct gossipd *gossipd;
	struct intent *intent;
	struct control *control;
	struct http *http;
	struct metricsd *metricsd; /* NULL: not asked for */
	struct healthd *healthd;
	struct portd *portd;
	struct facts_source *facts_source;
	struct dnsd *dnsd;
	struct kernel *kernel;
	struct apply *apply;
	struct driver driver[PLAN_TABLE_COUNT];

	struct node self;          /* as announced */
	struct facts facts;        /* as of the last reconcile */
	struct id *away;           /* nodes that are: facts.away */
	struct fact_port *taken;   /* published ports that processes have: facts.taken */
	struct control_port *taken_shown; /* the same, for status */
	struct gossip_ring ring;   /* as given to gossip */
	struct ring_clock ring_clock;
	struct bpf_place place;
	int pins_lock;             /* kept until the end: --detach asks for it */

	bool dirty;                /* plan and apply before the next wait */
	bool facts_dirty;          /* the host changed: look for vanished namespaces too */
	uint64_t retry_at;         /* when rows that failed are tried again; UINT64_MAX: none did */
	uint64_t retry_delay;
	uint64_t seen_serial;      /* of the store, when gossip was last told */
	uint64_t applied_serial;   /* of the store, when the last plan was made */
	uint64_t health_serial;    /* of the store, when the targets of health checks were last made */
	struct port_range local_ports; /* masqueraded by, and called from by the host; zero: none */
	uint64_t ports_serial;     /* of the store, when published ports were last kept */
	struct loop_io *facts_io;
	struct loop_timer *tick;   /* retries, audits, housekeeping */
	uint64_t audit_at, purge_at, leave_at;
	struct waiter *waiters;

	uint64_t names_serial;     /* of the store, when DNS was last told; UINT64_MAX: never */
	uint64_t names_retry_at;   /* when places that failed are tried again; UINT64_MAX: none did */
	uint64_t names_sweep_at;   /* when deleted namespaces are looked for */
	struct id *names_away;     /* the nodes that were away then */
	size_t names_away_count;
	struct err names_error;    /* why a place has no DNS; code 0: all have */

	size_t error_count;
	struct row_error error[AGENT_ERRORS_MAX];
	struct err uplink_error;   /* why the uplink cannot be read now; code 0: it can */
	bool commit_failing;
	bool forget_state;         /* agent_stop removes the database: this node is no member any more */

	bool fresh;                /* became a member in this start: a failed one must not leave it so */
	struct err join_error;

	size_t left_out;           /* backends, by the last plan */
	size_t broken;             /* networks whose rules do not fit, by the last plan */
	char broken_name[NAME_MAX_LEN + 9]; /* one of them */
	bool older_forgotten;      /* nothing is left of an older format's pins */
	struct flows_state flows;
	struct repair_state repair;
	struct keys_state keys;
	struct doctor_state doctor;
	struct watch_state watch;

	struct control_facts status;
	char xdp_why[160], driver_name[32];
};

/* start.c */
int agent_start(struct agent *a, int argc, char **argv, const struct options *options,
		struct err *e);
void agent_stop(struct agent *a); /* closes everything; the kernel keeps its part */

/* reconcile.c */
int agent_reconcile_init(struct agent *a, struct err *e);
void agent_before_wait(void *arg);
/* Calls done after the next run; see struct control_host. */
void agent_when_applied(struct agent *a, const struct id *endpoint,
			void (*done)(void *arg, const struct err *e), void *arg);
/* Takes the data plane down and forgets the state: after a leave, or when this node was removed. */
int agent_tear_down(struct agent *a, struct err *e);

/* names.c */
int agent_names_init(struct agent *a, struct err *e);
void agent_names_fini(struct agent *a);
/* Tells DNS what changed since it was told, and tries again what failed. */
void agent_names_update(struct agent *a);

/* flows.c */
uint64_t agent_monotonic_ns(void);
int agent_flows_init(struct agent *a, struct err *e);
void agent_flows_fini(struct agent *a);
/* Backends went or changed: a whole round follows. */
void agent_flows_changed(struct agent *a);
/* A bounded part of a round, if it is time for one. */
void agent_flows_work(struct agent *a);
/* Reads how full the flow table is, for status. */
void agent_flows_look(struct agent *a);
bool agent_flows_warning(struct agent *a, char *out, size_t size);
/* Takes facts.away from gossip. True when it changed, so that the plan must be made again. */
bool agent_away_update(struct agent *a);

/* repair.c */
int agent_repair_init(struct agent *a, struct err *e);
void agent_repair_fini(struct agent *a);
/* Begins to look through everything; what is found is mended. */
void agent_repair_audit(struct agent *a);
/* The same for a person, who hears what was mended; done is called once, perhaps later. */
void agent_repair(struct agent *a, const struct repair_scope *scope,
		  void (*done)(void *arg, const struct repair_report *report, const struct err *e),
		  void *arg);
/* True when somebody asked for what that row belongs to; NULL: it is a table that failed. */
bool agent_repair_asked(const struct agent *a, enum plan_table_id table, const uint8_t *row);
/* A run is over. */
void agent_repair_said(struct agent *a);

/* host.c */
void agent_host(struct agent *a, struct control_host *ret_host);
/* Whether this host can take part in encrypted networks; arg is the agent. */
int agent_can_encrypt(void *arg, struct err *e);

/* trace.c */
int agent_trace(void *ctx, const struct trace_ask *ask, struct trace *ret_trace,
		struct trace_packet *ret_packet, struct err *e);

/* ports.c */
int agent_ports_init(struct agent *a, struct err *e);
void agent_ports_fini(struct agent *a);
/* Keeps the ports that the store now publishes here; cheap when nothing changed. */
void agent_ports_update(struct agent *a);
/* Reads from which ports the host calls; a warning when those of the masquerade are among them. */
void agent_ports_look(struct agent *a);
bool agent_ports_warning(const struct agent *a, char *out, size_t size);

/* keys.c */
int agent_keys_init(struct agent *a, struct err *e);
void agent_keys_fini(struct agent *a);
/* Reads the kernel's SAs and fills what the plan needs of them. */
int agent_keys_step(struct agent *a, const struct view *v, struct err *e);
/* After a run: own records that are not so any more. */
void agent_keys_tell(struct agent *a);
/* The next epoch, when it is this node's turn to begin it. */
void agent_keys_tick(struct agent *a);
int agent_keys_report(struct agent *a, struct key_row **ret_rows, size_t *ret_count, struct err *e);
bool agent_keys_warning(const struct agent *a, char *out, size_t size);
/* Somebody sent key records in another node's name. */
bool agent_forged_warning(const struct agent *a, char *out, size_t size);

/* ring.c */
/* Gives gossip the ring of the store, and says so; cheap when nothing changed. */
void agent_ring_take(struct agent *a);
/* The ring's next step, or the next epoch, when it is this node's turn. */
void agent_ring_tick(struct agent *a);
bool agent_ring_warning(const struct agent *a, char *out, size_t size);

/* doctor.c */
/* Calls done once, later or at once, with the findings or with the reason why there are none. */
void agent_doctor(struct agent *a,
		  void (*done)(void *arg, const struct findings *f, const struct err *e), void *arg);
void agent_doctor_fini(struct agent *a);
/* Fills doctor.seen: before the examination (0 or -ENOMEM), and what is known only behind it. doctor_see.c. */
int agent_doctor_see(struct agent *a);
void agent_doctor_see_more(struct agent *a);
/* Answers another node's doctor. 0 or a negative errno. */
int agent_doctor_on_call(struct agent *a, const struct id *from, struct cursor request,
			 struct buf *reply);

/* watch.c */
int agent_watch_init(struct agent *a, struct err *e);
void agent_watch_fini(struct agent *a);
/* Puts what is watched into the facts. True when it changed, or must be renewed. */
bool agent_watch_update(struct agent *a);
/* After a run: reads the ring that is there now. */
void agent_watch_applied(struct agent *a);
/* Each second: what was lost, which flows fell silent, a sign of life. */
void agent_watch_tick(struct agent *a);

/* health.c */
int agent_health_init(struct agent *a, struct err *e);
/* Checks the backends that the store now holds for this node; cheap when nothing changed. */
void agent_health_update(struct agent *a);
