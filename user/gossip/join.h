/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joining: what is said inside the TLS 1.3 PSK session that a join token opens.
 * Sans-I/O: the session itself is serve/tls.h, on the gossip TCP port.
 *
 * One request, one reply, both u32 length + body, big-endian, version first. The
 * length is put and taken by whoever owns the session; the functions below see bodies:
 *   request: u8 1 | str node name | 16 node id | 16 address | u16 gossip port |
 *            str overlayd version
 *   reply:   u8 1 | u8 status (0 = welcome) | str sentence | record bytes of the
 *            CLUSTER and RING records and of every NODE record (u16 count, then records)
 *
 * The token proves the right to join and keys TLS (PSK identity "overlayd", key =
 * the token's 32 bytes, ECDHE-PSK with X25519: forward secret). The server
 * refuses a name that another living node id has, and a removed node id.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "gossip/gossip.h"

#define JOIN_MESSAGE_MAX (4u << 20)
#define JOIN_PSK_IDENTITY "overlayd"

struct join_request {
	char name[NAME_MAX_LEN + 1];
	struct id id;
	struct sockname addr;
	char version[32];
};

void join_request_encode(struct buf *out, const struct join_request *r);
int join_request_decode(struct cursor *c, struct join_request *ret_request);
/* The server's whole answer to a request body, judged by its store. */
void join_answer(struct store *s, struct cursor request, struct buf *reply);
/* The client's: merges the records into its store. 0, or a negative errno with the sentence. */
int join_accept(struct store *s, struct cursor reply, uint64_t wall_ms, struct err *e);
