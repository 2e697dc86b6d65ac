/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPF objects of ours: maps and programs, pinned below one directory, and the
 * hooks they hang on. No policy: what goes into the maps and where programs are
 * attached is decided in plan/.
 *
 *   BPFFS/PIN_DIR/v3/<map>             maps, by the names of maps/schema.h
 *   BPFFS/PIN_DIR/v3/prog/<program>    programs
 *   BPFFS/PIN_DIR/v3/link/<hook>-<ifindex>  links (tcx, XDP)
 *
 * A restarted daemon finds everything there. A program is the same when its tag
 * (the kernel's hash of its instructions) is; then it stays. Otherwise links are
 * updated in place, and clsact filters replaced by one netlink request. What runs
 * of an older format goes on while this one's maps are filled: its links become
 * ours, bpf_attach copies its flows once and puts this build's programs on them,
 * bpf_forget_older removes the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "maps/schema.h"

struct bpf_place {
	const char *bpffs;   /* "/sys/fs/bpf" */
	const char *pin_dir; /* "overlayd": a relative path of one or more names */
};

enum bpf_map_id {
#define X(name, ...) BPF_MAP_##name,
	OV_MAPS(X)
#undef X
	BPF_MAP_COUNT,
};

enum bpf_program_id {
	BPF_PROG_ENDPOINT,   /* tc ingress of endpoint devices' host side */
	BPF_PROG_UPLINK,     /* tc ingress of the uplink */
	BPF_PROG_TUNNEL,     /* tc ingress of the tunnel device */
	BPF_PROG_UPLINK_XDP, /* XDP on the uplink */
	BPF_PROG_UPLINK_GENERIC, /* the same, for generic mode */
	BPF_PROG_FRONT,      /* tc ingress of other devices of the host; jumped to by ov_uplink */
	BPF_PROG_EGRESS,     /* jumped to, as are the next two: attached nowhere (maps/call.h) */
	BPF_PROG_ARRIVE,
	BPF_PROG_RETURN,
	BPF_PROG_REAP,       /* run by bpf_run, as are the next: attached nowhere */
	BPF_PROG_REAP_STATS,
	BPF_PROG_REAP_MASQ,
	BPF_PROG_REAP_ENDPOINT,
	BPF_PROG_COUNT,
};

struct bpf_objects;

/* 0, or the sentence that names the capability this process has not. bpf_open asks too. */
int bpf_check_capabilities(struct err *e);

/*
 * Finds bpffs (mounting it where the host has none), adopts or creates the maps,
 * loads the programs. Errors name what is missing: capability, bpffs, BTF, a pin
 * of another format.
 */
int bpf_open(const struct bpf_place *place, struct bpf_objects **ret_objects, struct err *e);
void bpf_close(struct bpf_objects *o); /* pins stay */

int bpf_map_fd(const struct bpf_objects *o, enum bpf_map_id id);
int bpf_program_fd(const struct bpf_objects *o, enum bpf_program_id id);
const char *bpf_map_name(enum bpf_map_id id);
const char *bpf_program_name(enum bpf_program_id id);
/* "tcx" where the kernel has it, else "clsact"; by trying. */
const char *bpf_attach_mode(const struct bpf_objects *o);
void bpf_use_clsact(struct bpf_objects *o); /* as if the kernel had no tcx: for tests */

/* What libbpf said during the last bpf_open, the verifier's log included: for debug logs. */
const char *bpf_heard(void);

enum bpf_hook { BPF_HOOK_TC_INGRESS = 1, BPF_HOOK_XDP_NATIVE, BPF_HOOK_XDP_GENERIC };

/* Puts the program on the device, or replaces ours that is there. Others' are left alone. */
int bpf_attach(struct bpf_objects *o, enum bpf_program_id id, uint32_t ifindex, enum bpf_hook hook,
	       struct err *e);
int bpf_detach(struct bpf_objects *o, uint32_t ifindex, enum bpf_hook hook, struct err *e);

/* Everything of ours that is attached, current or stale. */
struct bpf_attachment {
	uint32_t ifindex;
	enum bpf_hook hook;
	int program;  /* enum bpf_program_id, or -1: ours but of another build */
};
/* *ret_list is owned by the caller. Sorted by (ifindex, hook). Also removes pins of dead links. */
int bpf_attachments(struct bpf_objects *o, struct bpf_attachment **ret_list, size_t *ret_count,
		    struct err *e);

/*
 * Looks for pins that are missing, and for what is below the pin directory and none of ours; `fn`
 * is called for each, with a name or a path. look.c, as the next.
 */
enum bpf_pin_fault { BPF_PIN_NO_MAP, BPF_PIN_NO_PROGRAM, BPF_PIN_FOREIGN };
void bpf_look_pins(const struct bpf_objects *o,
		   void (*fn)(void *arg, enum bpf_pin_fault fault, const char *name), void *arg);
/* Whether a program that is not ours sees the device's packets at TC ingress before ours does. */
bool bpf_look_first(const struct bpf_objects *o, uint32_t ifindex);

/* Runs a syscall program over ctx, which it may change. 0 or a negative errno. */
int bpf_run(const struct bpf_objects *o, enum bpf_program_id id, void *ctx, size_t size);

/*
 * Sets /proc/sys/<setting> to 1, and remembers below the pin directory that it was 0, for
 * bpf_detach_all. 0 or a negative errno.
 */
int bpf_set_on(struct bpf_objects *o, const char *setting);

/*
 * Pins again what somebody unpinned, and puts back what programs jump to; says so of each, in a
 * clause ("the pin of the map endpoints was missing"). What else has its name is left alone.
 * 0, or the first error with a sentence; the others are tried all the same.
 */
int bpf_mend_pins(struct bpf_objects *o, void (*mended)(void *arg, const char *what), void *arg,
		  struct err *e);

/* Removes what older formats left below the pin directory, once nothing runs of it. */
int bpf_forget_older(struct bpf_objects *o, struct err *e);

/*
 * An fd that says, while it is open, that a daemon runs on the pin directory (any number may), or
 * exclusively that none shall. -EWOULDBLOCK when exclusively it cannot be had, -ENOENT where
 * nothing is pinned, or another negative errno.
 */
int bpf_lock_pins(const struct bpf_place *place, bool exclusive);

/*
 * Removes every filter, link and pin of ours below place, of every format version, and puts
 * settings back.
 */
int bpf_detach_all(const struct bpf_place *place, struct err *e);
