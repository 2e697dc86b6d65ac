/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bpf.c, attach.c, formats.c and formats_flows.c share: the handle behind struct bpf_objects. */
#pragma once

#include <limits.h>

#include "bpf.h"

struct nl;

struct bpf_objects {
	char dir[PATH_MAX]; /* BPFFS/PIN_DIR/v3 */
	bool tcx;
	bool has_taken_flows; /* of an older format, or there are none */
	int map_fd[BPF_MAP_COUNT];
	int program_fd[BPF_PROG_COUNT];
	uint32_t program_id[BPF_PROG_COUNT];
	struct nl *nl;
};

#define BPF_PROGRAM_PREFIX "ov_" /* of all our programs' names, in every build */

/* What programs jump to. *ret_put: how many of it were not there. 0, or a sentence. */
int objects_fill_calls(struct bpf_objects *o, unsigned int *ret_put, struct err *e);
/* Lets bpf_heard have what libbpf says. */
void bpf_listen(void);
/* Pinned links and marks of older formats become ours; what runs on them goes on. 0 or an errno. */
int formats_take_links(struct bpf_objects *o);
/*
 * Flows of the older format go on in our maps. Right before the first program is replaced; does
 * nothing afterwards. 0, or a sentence.
 */
int formats_take_flows(struct bpf_objects *o, struct err *e);
/*
 * Puts back what bpf_set_on changed, as the marks below the pin directory say. 0, or the first
 * error with a sentence.
 */
int settings_put_back(const char *pins, struct err *e);
/* True when the kernel knows tcx links. Tries with a device that cannot exist: nothing is left behind. */
bool attach_has_tcx(int program_fd);
/* Removes links pinned in DIR/link and what its clsact marks stand for. */
int attach_remove_links(struct nl *nl, const char *dir);
/* Removes clsact filters of ours from all devices of this namespace. */
int attach_remove_filters(struct nl *nl);
