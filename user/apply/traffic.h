/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the data path counted of this host's endpoints, and of drops. */
#pragma once

#include "apply/kernel.h"
#include "model/traffic.h"
#include "plan/plan.h"

/* Of the endpoints that have these devices, sorted by endpoint. traffic_fini releases it. */
int kernel_read_traffic(struct kernel *k, const struct fact_device *device, size_t count,
			struct traffic *ret_traffic, struct err *e);
/* Has the counts of devices removed that are in no row of `devices` any more. 0 or a negative errno. */
int kernel_reap_traffic(struct kernel *k);
