/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers, one file a kernel object kind, and what they share. Only kernel.c puts them together. */
#pragma once

#include <stdbool.h>

#include "apply.h"
#include "ipsec/sa.h"
#include "sys/bpf.h"
#include "sys/link.h"

struct nl;
struct route_info;
struct rule_info;

/* Rows being read back from the kernel. */
int rows_push(struct plan_table *t, size_t *cap, const void *key, const void *value);
void rows_sort(struct plan_table *t);

/* How devices of ours are known: by their alias, or half-made by group and kind (link.h). */
#define TUNNEL_ALIAS "overlayd tunnel"
#define ENDPOINT_ALIAS "overlayd endpoint "
bool is_tunnel(const struct link_info *l);
bool is_endpoint(const struct link_info *l);
bool endpoint_of_link(const struct link_info *l, struct id *ret_endpoint);
bool is_half_made(const struct link_info *l);

/* PLAN_TUNNEL; ctx is the struct nl. */
struct tunnel_ctx {
	struct bpf_objects *bpf;
	struct nl *nl;
};
void tunnel_driver(struct tunnel_ctx *ctx, struct driver *ret_driver);
/* PLAN_DEVICES; ctx is the struct nl. */
void device_driver(struct nl *nl, struct driver *ret_driver);

/* Removes what would outlive the endpoint's device inside the container. Best effort. */
void device_leave(struct nl *nl, const struct link_info *l);

/* A container's routes and rules, as they were when looked at. */
struct routes {
	struct route_info *route;
	struct rule_info *rule;
	size_t route_count, rule_count;
};
/* For these three nl is a socket in the container's namespace, and ifindex is of there. */
int routes_look(struct nl *nl, struct routes *ret_routes);
int routes_mend(struct nl *nl, uint32_t ifindex, const struct plan_device *want);
/* Of that interface; the default route goes on to another one of ours. */
int routes_remove(struct nl *nl, uint32_t ifindex);
void routes_fini(struct routes *s);
/* Sets row->gateway and ->internal when all that the interface should have is right for them. */
void routes_read(const struct routes *s, uint32_t ifindex, struct plan_device *row);

/* PLAN_CONFIG to PLAN_PUBLISHED; maps of the data path are read in the same way. */
struct map_ctx {
	struct bpf_objects *bpf;
	enum bpf_map_id map;
	size_t key_size, value_size;
	bool is_array; /* no row can be absent: an entry of zeroes is none */
	bool is_trie;  /* LPM: read row by row, since its batches go by keys and not by buckets */
	bool no_batch; /* this kernel writes and removes one by one */
};
void map_driver(struct map_ctx *ctx, struct driver *ret_driver);
/* All rows, sorted by key; rows of *ret_rows are owned by the caller. */
int map_read(const struct map_ctx *m, struct plan_table *ret_rows, struct err *e);

/* PLAN_WATCH: the row, and before it the maps that its slots hold. */
struct watch_ctx {
	struct map_ctx row;
	int ring, flows; /* -1: nobody watches */
};
void watch_init(struct watch_ctx *c, struct bpf_objects *bpf);
void watch_driver(struct watch_ctx *c, struct driver *ret_driver);
/* Whoever watched did so through this process. */
void watch_end(struct watch_ctx *c);
struct watch_losses;
int watch_read_losses(const struct watch_ctx *c, struct watch_losses *ret_losses);
int watch_sweep(const struct watch_ctx *c, uint64_t now,
		void (*tell)(void *arg, const struct ov_watch_record *r), void *arg);

/* PLAN_ATTACH. */
struct attach_ctx {
	struct bpf_objects *bpf;
	struct nl *nl;
};
void attach_driver(struct attach_ctx *ctx, struct driver *ret_driver);

/* PLAN_SAS and PLAN_POLICIES. */
struct ipsec_ctx {
	struct nl *nl;        /* of NETLINK_ROUTE */
	struct nl *xfrm;      /* NULL until it was asked for: see ipsec_open */
	take_key_fn take_key; /* NULL: there are no keys */
	void *take_arg;
	char uplink[IFNAMSIZ]; /* whose NIC may do the ciphering; "": nobody's */
	struct ov_addr vtep;
	bool is_policy_late;  /* one could not be moved to what it is to send with */
};
void sa_driver(struct ipsec_ctx *ctx, struct driver *ret_driver);
void policy_driver(struct ipsec_ctx *ctx, struct driver *ret_driver);
/* Opens c->xfrm. A kernel without XFRM: an error of which ipsec_is_absent says so. */
int ipsec_open(struct ipsec_ctx *c, struct err *e);
bool ipsec_is_absent(int r);
/* What keeps marked packets from leaving in the clear without a policy: ipsec_guard.c. */
bool guard_works(struct nl *nl);
int guard_put(struct nl *nl, struct err *e);
int guard_remove(struct nl *nl, struct err *e);
/* As kernel_read_sas and kernel_read_policies. */
int ipsec_read_sas(struct ipsec_ctx *c, struct fact_sa **ret_list, size_t *ret_count, struct err *e);
int ipsec_read_policies(struct ipsec_ctx *c, const struct ov_addr *vtep,
			struct fact_policy **ret_list, size_t *ret_count, struct err *e);
/* Of all of ours. The first error, if any; the others are tried all the same. */
int ipsec_remove_all(struct ipsec_ctx *c, struct err *e);
