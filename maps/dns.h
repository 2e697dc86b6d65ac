/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS inside containers: what is asked of, and the sockets it is steered to. No map
 * of schema.h: each namespace has its own, which ends with the daemon.
 */
#pragma once

#define OV_DNS_ADDR 0x7f00000bu /* 127.0.0.11, as Docker */
#define OV_DNS_PORT 53

/* Keys of `dns_sockets` (SOCKMAP). */
enum ov_dns_socket {
	OV_DNS_UDP,
	OV_DNS_TCP,
	OV_DNS_SOCKET_COUNT,
};
