/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's side of joining: what happens inside the TLS session of a newcomer. */
#pragma once

#include "base/bytes.h"
#include "gossip/gossip.h"
#include "tls.h"

/* The cluster's token secret as it is now. -ENOKEY when there is no cluster yet. */
int joind_psk(struct store *store, uint8_t ret_psk[TLS_PSK_LEN]);

struct joind_newcomer {
	char name[NAME_MAX_LEN + 1]; /* empty when the request could not be read */
	struct sockname addr;
	bool welcome;
	char refusal[256]; /* the sentence it was sent away with */
};
/* Answers a request body; what was made of it is for the log and for gossip. */
void joind_answer(struct store *store, const void *data, size_t len, struct buf *reply,
		  struct joind_newcomer *ret_newcomer);
