/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of services plan for: the shop, a service with one backend on this host
 * and one on the other, and what this host has.
 */
#pragma once

#include "plan_lines.h"

#define SHOP 40u /* world_id of it; 10.10.0.100 on network 20, VNI 4096 */

struct shop_host { /* room for the facts, to be bent further */
	struct fact_device device[2];
	struct fact_route route[2];
	struct fact_address address[3];
	struct fact_link link[4];
	struct fact_port taken[2];
	struct id away[2];
	struct facts f;
};

struct item *shop_new(struct world *w);
struct item *shop_backend(struct world *w, unsigned int number, unsigned int node, const char *at);
/* The device of the backend here, and the way to the other host. */
const struct facts *shop_host(struct shop_host *h);
