/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys with one other node, as observed: from ipsec/ to people (front/). Never key bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct key_row {
	struct id peer;
	uint64_t epoch, peer_epoch;     /* of our key and of its; meaningless without a key */
	uint64_t made_ms, peer_made_ms; /* since 1970, by each node's own clock; 0: it has no key */
	bool in_ready, out_ready;       /* both ends are on the newest session, in that direction */
	bool is_sending;                /* with whichever */
	uint8_t sessions;               /* with inbound SAs in our kernel */
	uint64_t sent, received;        /* packets, by the SAs that are in the kernel now */
	uint64_t replayed, failed;      /* refused by them */
	uint64_t no_sa, cleartext;      /* dropped: to it for want of one; what came without */
	bool by_nic;                    /* all of its SAs; else the CPU ciphers */
};
