/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * overlayctl: a table of commands (commands.c) over the control API. Each
 * command's options are rows too; they are gathered into the JSON object that
 * the daemon gets, so that a handler has little left to do.
 */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

#define EXIT_WRONG_USAGE 2

struct client_listener;

struct ctl {
	FILE *out, *err;
	bool json;
	bool colour; /* out is a terminal and NO_COLOR is not set */
	/* The way to the daemon: client_call, or a test's. */
	int (*call)(void *ctx, const char *method, const char *path, const json_t *body,
		    int *ret_status, json_t **ret_value, struct err *e);
	/* The same for lines without an end (client_stream); may be NULL in tests. */
	int (*stream)(void *ctx, const char *path, const json_t *body, const volatile sig_atomic_t *stop,
		      const struct client_listener *listener, int *ret_status, json_t **ret_value,
		      struct err *e);
	void *ctx;
	const char **run_dir; /* set by --run-dir */
	/* Where a handler that catches signals says which flag ends `call`; may be NULL. */
	const volatile sig_atomic_t **stop;
};

enum ctl_option_kind {
	OPTION_TEXT,  /* "Field": "value" */
	OPTION_FLAG,  /* "Field": true */
	OPTION_LIST,  /* "Field": ["value", ...], repeatable */
	OPTION_MAP,   /* "Field": {"k": "v", ...}, from k=v or k, repeatable */
	OPTION_NETNS, /* text; a relative path is made absolute */
};

struct ctl_option {
	const char *name, *metavar, *field, *help;
	enum ctl_option_kind kind;
	bool required;
};

struct ctl_input {
	const struct ctl_command *command;
	json_t *fields; /* from options; borrowed */
	int argc;
	char **argv;    /* what is neither option nor command */
};

struct ctl_command {
	const char *name;     /* "network create" */
	const char *operands; /* "NAME..." */
	const char *summary;
	int min_args, max_args; /* max -1: any number */
	const struct ctl_option *options;
	size_t option_count;
	int (*run)(struct ctl *c, const struct ctl_input *in);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_command_count;

/* Parses the command line and runs the command. Returns the exit status. */
int ctl_run(struct ctl *c, int argc, char **argv);

/* ---- for handlers ---- */

/* A line of what may come from elsewhere: nothing in it steers a terminal. */
void ctl_say(FILE *f, const char *text);
/* "overlayctl: sentence" on c->err; returns 1. */
int ctl_error(struct ctl *c, const char *sentence);
/*
 * Asks the daemon. 0 and the value (to be released), or 1 after having said what is wrong. Who has
 * stopped it by a signal is told nothing.
 */
int ctl_ask(struct ctl *c, const char *method, const char *path, const json_t *body,
	    json_t **ret_value);
/* The same for COLLECTION/ref, ref percent-encoded. */
int ctl_ask_one(struct ctl *c, const char *method, const char *collection, const char *ref,
		json_t **ret_value);
/* What the daemon said in place of what was asked for, on c->err. Releases value; returns 1. */
int ctl_refused(struct ctl *c, int status, json_t *value);
/* "" unless the member is a string. */
const char *ctl_text(const json_t *object, const char *member);
json_int_t ctl_number(const json_t *object, const char *member);
void ctl_print_json(struct ctl *c, const json_t *value);
/* Percent-encodes what is not unreserved (RFC 3986, 2.3). NULL: out of memory. */
char *ctl_escape(const char *text);

/* ---- table.c ---- */
enum column_kind { COLUMN_TEXT, COLUMN_ID, COLUMN_NUMBER, COLUMN_STATUS, COLUMN_NODE,
		   COLUMN_YES /* yes or no */ };
struct column {
	const char *heading, *field;
	enum column_kind kind;
};
/* An array of objects as a table; 0 or 1. */
int ctl_print_table(struct ctl *c, const json_t *rows, const struct column *columns, size_t count);
/* rows as a table, or as they are with --json. */
int ctl_print_rows(struct ctl *c, const json_t *rows, const struct column *columns, size_t count);

/* ---- what commands about objects share (cmd_objects.c) ---- */
int ctl_list(struct ctl *c, const char *path, const struct column *columns, size_t count);
/* With ?filter=VALUE when that option was given. */
int ctl_list_filtered(struct ctl *c, const char *path, const struct ctl_input *in, const char *filter,
		      const struct column *columns, size_t count);
/* POSTs what the options say; prints the new thing's id alone. */
int ctl_create(struct ctl *c, const char *path, const json_t *body, const char *id_member);

/* ---- the handlers of commands.c ---- */
int cmd_status(struct ctl *c, const struct ctl_input *in);
int cmd_doctor(struct ctl *c, const struct ctl_input *in);
int cmd_drops(struct ctl *c, const struct ctl_input *in);
int cmd_trace(struct ctl *c, const struct ctl_input *in);
int cmd_repair(struct ctl *c, const struct ctl_input *in);
int cmd_top(struct ctl *c, const struct ctl_input *in);
int cmd_node_ls(struct ctl *c, const struct ctl_input *in);
int cmd_token(struct ctl *c, const struct ctl_input *in);
int cmd_leave(struct ctl *c, const struct ctl_input *in);
int cmd_network_create(struct ctl *c, const struct ctl_input *in);
int cmd_network_ls(struct ctl *c, const struct ctl_input *in);
int cmd_endpoint_attach(struct ctl *c, const struct ctl_input *in);
int cmd_endpoint_ls(struct ctl *c, const struct ctl_input *in);
int cmd_service_create(struct ctl *c, const struct ctl_input *in);
int cmd_service_ls(struct ctl *c, const struct ctl_input *in);
int cmd_service_update(struct ctl *c, const struct ctl_input *in);
int cmd_service_drain(struct ctl *c, const struct ctl_input *in); /* and undrain */
int cmd_service_join(struct ctl *c, const struct ctl_input *in);
int cmd_service_leave(struct ctl *c, const struct ctl_input *in);
int cmd_lb_ls(struct ctl *c, const struct ctl_input *in);
int cmd_policy_ls(struct ctl *c, const struct ctl_input *in);
int cmd_policy_add(struct ctl *c, const struct ctl_input *in); /* allow and deny */
int cmd_policy_default(struct ctl *c, const struct ctl_input *in);
int cmd_key_ls(struct ctl *c, const struct ctl_input *in);
int cmd_key_rotate(struct ctl *c, const struct ctl_input *in);
int cmd_monitor(struct ctl *c, const struct ctl_input *in);
int cmd_capture(struct ctl *c, const struct ctl_input *in);
/* `X inspect REF...` and `X rm REF...`: the collection is the command's first word. */
int cmd_inspect(struct ctl *c, const struct ctl_input *in);
int cmd_remove(struct ctl *c, const struct ctl_input *in);
