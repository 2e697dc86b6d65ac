/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoint devices, shared by what reads, mends and removes them. Private to it (drv_device.c). */
#pragma once

#include "drivers.h"

/*
 * Our side takes any size (the maximum of veth): what exceeds the network's MTU
 * must reach the program, which answers and counts it; the kernel would drop it
 * in silence.
 */
#define HOST_MTU 65535
#define LOOPBACK_IFINDEX 1 /* in every namespace (LOOPBACK_IFINDEX of net/flow.h) */

/* ---- device_marks.c: how a device is known ---- */

/* *ret_rest points behind the endpoint's id, into the alias. */
bool device_parse_alias(const char *alias, struct id *ret_endpoint, const char **ret_rest);
bool device_parse_name(const char *name, struct id *ret_endpoint);
void device_format_alias(const struct id *endpoint, const struct plan_device *d,
			 char out[LINK_ALIAS_MAX + 1]);
/*
 * The namespace named by the alias, if the peer is really there: into row->netns*, and
 * open in *ret_fd. Else both stay as they are.
 */
void device_netns(struct nl *nl, const struct link_info *l, const char *rest,
		  struct plan_device *row, int *ret_fd);

/* ---- device_read.c: `observe` of the driver ---- */

int device_observe(void *ctx, struct plan_table *ret_actual, struct err *e);

/* ---- device_inside.c: the container's side; netns is open ---- */

int device_make_inside(int netns, const struct plan_device *want, struct err *e);
