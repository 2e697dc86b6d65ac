/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP client whose backend is gone may wait in silence for ever. An empty
 * segment in the name of what it called, far outside its window, makes the client's
 * kernel answer with an ACK (RFC 9293, 3.10.7.4); the program that this meets
 * answers with a reset, and the client learns. A reset of our own would have to be in
 * its window, which nobody here knows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "apply/kernel.h"

#define POKE_LEN 40 /* IPv4 20, TCP 20 */
#define POKE_FRAME_LEN (14 + POKE_LEN)

struct poke_sockets {
	int packet_fd, ipv4_fd; /* sys/packet.h */
};

/* 0 or a negative errno. */
int poke_open(struct poke_sockets *ret_sockets);
void poke_close(struct poke_sockets *s);

/* The segment, checksums and all. 0, or -EAFNOSUPPORT: not IPv4. */
int poke_segment(const struct ov_addr *from, __be16 from_port, const struct ov_addr *to,
		 __be16 to_port, uint8_t ret_packet[POKE_LEN]);
/* The same for a client here, from the VIP; vip_port is of the flow's value. */
int poke_frame(const struct ov_flow_key *key, __be16 vip_port, const uint8_t client_mac[6],
	       uint8_t ret_frame[POKE_FRAME_LEN]);

/*
 * Sends it: into the device of a client here; to one outside whose flow entered here, from
 * the address that it called. -ENOENT: the client lives here no more, or the address does not.
 */
int poke_client(struct kernel *k, const struct poke_sockets *s, const struct ov_flow_key *key,
		const struct ov_flow *flow);
