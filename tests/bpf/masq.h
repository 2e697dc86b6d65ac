/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers of node a that speak with the world outside, and what it answers. */
#pragma once

#include "mesh.h"

#define REMOTE_IP CLIENT_IP
#define REMOTE_PORT 443

void masq_set_ports(struct env *env, uint16_t first, uint16_t last);

/* From a container to the remote; TCP opens a connection. And the other way. */
struct segment masq_out_of(const struct actor *from, uint8_t protocol, uint16_t sport);
struct segment masq_back_to(uint8_t protocol, uint16_t port, uint8_t flags);
/* Sends it out, asserts that it leaves in node a's name. The port by which it left. */
uint16_t masq_leave(struct env *env, const struct actor *from, const struct segment *s);
/* Sends the remote's answer, asserts that it reaches the container's port. */
void expect_masq_answer(struct env *env, uint8_t protocol, uint16_t port, uint8_t flags,
			const struct actor *to, uint16_t at);

/* The entry of that port and the remote; false: there is none. */
bool masq_find(struct env *env, enum env_map map, uint8_t protocol, uint16_t port,
	       struct ov_masq *ret_masq);
/* Makes it look idle for that long. */
void masq_age(struct env *env, enum env_map map, uint8_t protocol, uint16_t port, uint32_t seconds);
