/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at what the kernel holds and compares it with a plan, for `doctor`. Changes nothing. */
#pragma once

#include "apply/apply.h"
#include "apply/kernel.h"
#include "doctor/doctor.h"

struct look_at {
	const struct driver *driver; /* by enum plan_table_id */
	const struct plan *plan;
	const struct facts *facts;
};
/* Adds to *s what is not as it should be, and how full the maps are. */
void kernel_look(struct kernel *k, const struct look_at *at, struct doctor_seen *s);
/* The part of it that compares rows: look_rows.c. */
void look_rows(const struct look_at *at, struct doctor_seen *s);

/* When the data path saw that probe; false: never. */
bool kernel_probe_seen(struct kernel *k, uint64_t nonce, enum ov_probe_kind kind,
		       struct ov_probe_seen *ret_seen);

/* ---- look_proc.c ---- */

/* Packets with a bad checksum that namespace ever got, by TCP and UDP. 0 or a negative errno. */
int look_bad_sums(const char *netns, uint64_t *ret_count);
/* Sockets bound to that UDP port in the daemon's namespace, the tunnel device's own included. */
unsigned int look_udp_port(uint16_t port);
