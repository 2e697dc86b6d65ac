/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `doctor`: what the daemon finds; what can be seen without it when it does not answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"
#include "look.h"

static const char *colour_of(const struct ctl *c, const char *result)
{
	if (!c->colour)
		return "";
	return !strcmp(result, "pass") ? "\033[32m" : !strcmp(result, "warn") ? "\033[33m" : "\033[31m";
}

static void print_finding(struct ctl *c, const json_t *f)
{
	const char *result = ctl_text(f, "Result"), *mend = ctl_text(f, "Mend");

	fprintf(c->out, "%s%-4s%s  %-13s ", colour_of(c, result), result, c->colour ? "\033[0m" : "",
		ctl_text(f, "Step"));
	ctl_say(c->out, ctl_text(f, "Seen"));
	if (*mend && strcmp(result, "pass")) {
		fprintf(c->out, "%-19s   -> ", "");
		ctl_say(c->out, mend);
	}
}

static int print(struct ctl *c, const json_t *value)
{
	const json_t *f;
	size_t i;

	if (c->json)
		ctl_print_json(c, value);
	else
		json_array_foreach(json_object_get(value, "Findings"), i, f)
			print_finding(c, f);
	return json_is_true(json_object_get(value, "Healthy")) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- without a daemon ---- */

static void add(json_t *all, const char *step, const char *result, const char *seen, const char *mend)
{
	json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s}", "Step", step, "Result", result,
					     "Seen", seen, "Mend", mend));
}

static void look_process(json_t *all)
{
	unsigned int count = look_for_process("overlayd");
	char seen[160];

	snprintf(seen, sizeof(seen), "%u processes called overlayd run on this machine", count);
	if (count)
		add(all, "process", "warn", seen,
		    "name the --run-dir of the one that is meant; if it is this one, it hangs: look at its log");
	else
		add(all, "process", "fail", "no process called overlayd runs on this machine",
		    "`systemctl start overlayd`, and `journalctl -u overlayd` for why it ended");
}

static void look_socket(json_t *all, const char *run_dir)
{
	char seen[400];
	bool there = look_for_socket(run_dir);

	snprintf(seen, sizeof(seen), "%s/overlayd.sock %s", run_dir,
		 there ? "is there, and nobody answers on it" : "is not there");
	add(all, "socket", "fail", seen,
	    there ? "its daemon died: the next start replaces it" :
		    "name another --run-dir, if overlayd was given one");
}

static void look_pins(json_t *all)
{
	unsigned int count = 0;
	char seen[200];

	if (!look_for_bpffs(LOOK_BPFFS)) {
		add(all, "bpffs", "warn", "no bpffs is mounted at " LOOK_BPFFS,
		    "overlayd mounts it when it starts; by hand: `mount -t bpf bpf " LOOK_BPFFS "`");
		return;
	}
	count = look_for_pins(LOOK_BPFFS "/overlayd");
	snprintf(seen, sizeof(seen), "%u maps are pinned below " LOOK_BPFFS "/overlayd: %s", count,
		 count ? "traffic goes on as it last was, but names are not answered and nothing is learned" :
			 "there is no data plane, unless it has another --pin-dir");
	add(all, "bpffs", count ? "pass" : "warn", seen, count ? "" : "start overlayd");
}

static void look_port(json_t *all)
{
	if (look_for_listener(LOOK_GOSSIP_PORT))
		add(all, "ports", "warn", "somebody listens on TCP 7946",
		    "see who with `ss -lntp sport = :7946`: overlayd cannot start while another has it");
	else
		add(all, "ports", "pass", "TCP 7946 is free", "");
}

static json_t *look_alone(const char *run_dir, const char *why)
{
	json_t *all = json_array();

	add(all, "daemon", "fail", why, "start it; what follows is what can be seen without it");
	look_process(all);
	look_socket(all, run_dir);
	look_pins(all);
	look_port(all);
	return json_pack("{s:b, s:o}", "Healthy", 0, "Findings", all);
}

/* An answer that is an error is said as every command says it; none at all is what this is for. */
int cmd_doctor(struct ctl *c, const struct ctl_input *in)
{
	json_t *value = NULL;
	struct err e = { 0 };
	int status = 0, result;

	(void)in;
	if (c->call(c->ctx, "GET", "/v1/doctor", NULL, &status, &value, &e)) {
		if (e.code == -EACCES || e.code == -EPERM) /* it may run well: who asks sees too little */
			return ctl_error(c, e.text);
		value = look_alone(c->run_dir ? *c->run_dir : "", e.text);
	} else if (status != 200) {
		ctl_error(c, *ctl_text(value, "Error") ? ctl_text(value, "Error") :
						       "overlayd gave no reason");
		json_decref(value);
		return EXIT_FAILURE;
	}
	if (!value)
		return ctl_error(c, "out of memory");
	result = print(c, value);
	json_decref(value);
	return result;
}
