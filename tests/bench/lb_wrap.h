/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lb_run tells its wrapper (lb_wrap.bpf.c): which packet comes next. */
#pragma once

#include <linux/types.h>

#define LB_FRAME 64 /* bytes of each packet: Ethernet, IPv4, TCP or UDP, padding */

struct lb_wrap {
	__u8 frame[LB_FRAME];
	__u32 next;      /* flow, counted up to `flows` and begun again */
	__u32 flows;
	__u32 services;  /* flow n calls VIP n % services */
	__u32 vip;       /* host order; the first */
	__u16 is_reply;  /* the ports the other way round, and no VIP in it */
	__u16 port;      /* host order; the first of the client's, and of the service's */
};

/* Flow n: ports of the client and of the service. All of the former, then the next of the latter. */
#define LB_CLIENT_PORTS 0x4000
#define LB_CLIENT_PORT(w, n) ((__u16)((w)->port + ((n) & (LB_CLIENT_PORTS - 1))))
#define LB_SERVICE_PORT(w, n) ((__u16)((w)->port + (n) / LB_CLIENT_PORTS))
