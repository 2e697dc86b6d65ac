/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real drivers: apply's table of them over sys/, and the tear-down of everything ours. */
#pragma once

#include "apply/apply.h"
#include "ipsec/sa.h"
#include "model/lb.h"
#include "model/policy_row.h"
#include "sys/bpf.h"

struct kernel; /* owns the loaded programs, map fds and sockets the drivers use */

/* Loads and pins (or adopts) maps and programs. Sentences for what is missing. */
int kernel_open(const struct bpf_place *place, struct kernel **ret_kernel, struct err *e);
void kernel_close(struct kernel *k); /* closes fds; pins stay */
void kernel_drivers(struct kernel *k, struct driver ret_driver[PLAN_TABLE_COUNT]);
struct bpf_objects *kernel_bpf(struct kernel *k);
/* The map that a table is of. 0 or -ENOENT. */
int kernel_map_of_table(const struct kernel *k, enum plan_table_id id, enum bpf_map_id *ret_map);
/* What the data path counted, summed over the CPUs; indexed by enum ov_verdict. */
int kernel_read_counters(struct kernel *k, struct ov_counter ret_total[OV_VERDICT_COUNT]);
/*
 * What balances now: the backends of each VIP with the flows that this node has to
 * them, sorted by (vni, vip, backend). *ret_rows is owned by the caller.
 */
int kernel_read_lb(struct kernel *k, struct lb_row **ret_rows, size_t *ret_count, struct err *e);
/* What policy judged, by rule. *ret_rows is owned by the caller. */
int kernel_read_policy(struct kernel *k, struct policy_row **ret_rows, size_t *ret_count,
		       struct err *e);

/*
 * Whether the kernel's map of that table has the row as it should be, or has none where value is
 * NULL: 1 or 0, or a negative errno. Reads this one row alone.
 */
int kernel_holds(struct kernel *k, enum plan_table_id table, const uint8_t *key,
		 const uint8_t *value);

/* The map that a table of the plan fills, and its bound; NULL: it fills none. */
const char *kernel_table_map(enum plan_table_id table, uint64_t *ret_max);

/* How full the table of established flows is. */
struct flow_usage {
	uint64_t used, max;
	uint64_t overflow; /* flows that found it full, ever: they are kept where they may be evicted */
};
#define FLOW_WARN_PERCENT 80
int kernel_flow_usage(struct kernel *k, struct flow_usage *ret_usage);

/* The ring of records, while the last plan that was applied had somebody who watches; else -1. */
int kernel_watch_ring(const struct kernel *k);
/* What was not told, ever: for want of room in the ring, and of drops because they were too many. */
struct watch_losses {
	uint64_t lost[OV_WATCH_KIND_COUNT];
	uint64_t left_out[OV_VERDICT_COUNT];
};
int kernel_watch_losses(struct kernel *k, struct watch_losses *ret_losses);
/* Flows seen that are silent for long by now (ns, monotonic) are told as OV_WATCH_IDLE, and forgotten. */
#define WATCH_IDLE_NS (30ull * 1000000000u)
#define WATCH_IDLE_TCP_NS (300ull * 1000000000u)
#define WATCH_CLOSED_NS (5ull * 1000000000u) /* last words of a closed flow come within it */
int kernel_watch_sweep(struct kernel *k, uint64_t now,
		       void (*tell)(void *arg, const struct ov_watch_record *r), void *arg);

/*
 * Who hands out the keys of SAs that a plan names (ipsec_take_key). Until it is said, and
 * where there is no key, such rows wait in silence: the next plan will name other ones.
 */
void kernel_take_keys(struct kernel *k, take_key_fn take_key, void *arg);
/* The device (copied) that ESP leaves and arrives by, and its address: it may cipher, too. */
void kernel_ipsec_by(struct kernel *k, const char *uplink, const struct ov_addr *vtep);
/* 0, or -EOPNOTSUPP with a clause that names what this kernel lacks for encrypted networks. */
int kernel_can_encrypt(struct kernel *k, struct err *e);
/* What was dropped of encrypted networks, to and from that node. False: nothing ever. */
bool kernel_peer_drops(struct kernel *k, const struct ov_addr *vtep, struct ov_peer_drops *ret_drops);
/* SAs and policies (from vtep) of ours, sorted for struct ipsec_facts. The lists are the caller's. */
int kernel_read_sas(struct kernel *k, struct fact_sa **ret_list, size_t *ret_count, struct err *e);
int kernel_read_policies(struct kernel *k, const struct ov_addr *vtep,
			 struct fact_policy **ret_list, size_t *ret_count, struct err *e);

/* As bpf_mend_pins. */
int kernel_mend_pins(struct kernel *k, void (*mended)(void *arg, const char *what), void *arg,
		     struct err *e);

/* After a run without errors: what an older format left is no longer in use. */
int kernel_forget_older(struct kernel *k, struct err *e);

/* `overlayd --detach`: removes links, filters, devices, pins, SAs and policies of ours. */
int kernel_detach(const struct bpf_place *place, struct err *e);
