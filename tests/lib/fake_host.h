/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A one-node cluster in memory with the control API on top: real store, intent
 * and control, and a daemon that is a handful of variables.
 */
#pragma once

#include <jansson.h>

#include "front/control.h"
#include "watch/watch.h"

#define FAKE_WAITING_MAX 8
#define FAKE_LB_MAX 8

struct fake_host {
	struct rng rng;
	struct store *store;
	struct intent *intent;
	struct control *control;
	struct control_facts facts;
	struct ov_counter counter[OV_VERDICT_COUNT];
	size_t lb_count;
	struct lb_row lb[FAKE_LB_MAX];
	size_t traffic_count, drop_count;
	struct traffic_endpoint traffic[FAKE_LB_MAX];
	struct traffic_drop drop[FAKE_LB_MAX];
	size_t key_count;
	struct key_row key[FAKE_LB_MAX];
	size_t policy_count;
	struct policy_row policy[FAKE_LB_MAX];
	uint64_t now, wall;
	struct repair_report report; /* what a repair answers */
	struct repair_scope scope;   /* of the last one */
	/* What when_applied answers: at once unless held, with an error when there is one. */
	bool hold;
	struct err apply_error;
	size_t waiting_count;
	struct {
		void (*done)(void *arg, const struct err *e);
		void *arg;
	} waiting[FAKE_WAITING_MAX];
	bool shut_down;
	/* Who watches: what they asked for last, and what they are told. */
	struct watch_filter watched;
	bool watch_off;            /* the kernel would not */
	struct err watch_error;    /* nobody may */
	int watchers;              /* whose stream is not closed */
	const char *told;          /* not read yet */
	void (*more)(void *arg);
	void *more_arg;
	struct control_stream stream; /* of the newest answer without an end */
	/* The newest answer. */
	int answers, status;
	json_t *answer;
};

/* Fails the test when it cannot. Node "node-a" at 10.99.0.1. */
void fake_host_init(struct fake_host *f);
void fake_host_fini(struct fake_host *f);
/* Answers everybody who waits for the kernel. */
void fake_host_apply(struct fake_host *f);

/* Sends a request; path may have a query. The answer is in f, if it came. */
void fake_host_send(struct fake_host *f, const char *method, const char *path, const char *body,
		    size_t len);
/* The same with text, and the answer's status; 0 when none came. */
int fake_host_ask(struct fake_host *f, const char *method, const char *path, const char *body);
/* A string inside the newest answer, by members separated by '.'; "" when it is not there. */
const char *fake_host_text(const struct fake_host *f, const char *where);
json_t *fake_host_value(const struct fake_host *f, const char *where);
