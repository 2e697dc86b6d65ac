/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP client whose backend is gone may wait in silence for ever. An empty
 * segment in the VIP's name, far outside its window, makes the client's kernel
 * answer with an ACK (RFC 9293, 3.10.7.4); the program on its device answers
 * that with a reset, and the client learns.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apply/kernel.h"

#define POKE_LEN 54 /* Ethernet 14, IPv4 20, TCP 20 */

/*
 * The segment from the VIP to the client, checksums and all; vip_port is of the
 * flow's value. 0, or -EAFNOSUPPORT: not IPv4.
 */
int poke_frame(const struct ov_flow_key *key, __be16 vip_port, const uint8_t client_mac[6],
	       uint8_t ret_frame[POKE_LEN]);

/*
 * Sends it into the client's device, which is an endpoint's: not for flows from outside.
 * packet_fd is of packet_open. -ENOENT: the client lives here no more.
 */
int poke_client(struct kernel *k, int packet_fd, const struct ov_flow_key *key, __be16 vip_port);
