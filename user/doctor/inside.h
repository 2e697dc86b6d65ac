/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside doctor/: the checks, and how they tell. A check tells of what is wrong and of nothing else. */
#pragma once

#include "doctor.h"

void tell(struct findings *f, enum doctor_step step, enum doctor_level level, const char *mend,
	  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* check_host.c */
void check_kernel(const struct doctor_seen *s, struct findings *f);
void check_uplink(const struct doctor_seen *s, struct findings *f);
void check_objects(const struct doctor_seen *s, struct findings *f);
void check_pressure(const struct doctor_seen *s, struct findings *f);
void check_inside(const struct doctor_seen *s, struct findings *f);

/* check_peer.c */
void check_skipped(const struct doctor_seen *s, struct findings *f);
void check_member(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
void check_gossip(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
void check_vxlan(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
void check_path(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
void check_esp(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
void check_answer(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f);
