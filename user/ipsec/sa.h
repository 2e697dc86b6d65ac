/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Security associations and policies as values: what the engine (ipsec.h) and those who
 * put it into practice (plan/, apply/) say to one another. Host order but the addresses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "maps/ipsec.h"

/* RFC 4106 with AES-128: 16 bytes of key, then 4 of salt. */
#define SA_KEY_LEN 20

/* An SA as the kernel has it or should have it. Its lane is the low bits of the SPI. */
struct sa {
	struct ov_addr src, dst;
	uint32_t spi;
};

/* What was read of one SA of ours (reqid OV_IPSEC_REQID). */
struct fact_sa {
	struct sa sa;
	uint64_t packets, bytes;
	uint32_t replayed;       /* refused: seen before or too old */
	uint32_t failed;         /* refused: authentication */
	uint64_t added_s;        /* since 1970 */
	bool by_nic;             /* it ciphers, not the CPU */
};

/* What was read of one outbound policy of ours. */
struct fact_policy {
	struct ov_addr dst;
	uint8_t lane;
	uint32_t spi;            /* of its template */
};

struct ipsec_facts {
	bool is_able;                    /* the kernel has what encrypted networks need */
	struct ov_addr vtep;
	size_t sa_count, policy_count;
	const struct fact_sa *sa;        /* sorted by dst, spi */
	const struct fact_policy *policy; /* sorted by dst, lane */
};

/* What the kernel should have towards one peer: the plan's input (plan/plan.h). */
struct ipsec_policy {
	struct ov_addr dst;
	uint32_t spi;            /* lane 0's; the others follow */
};

/*
 * Hands out the key of an SA that is to be made, once and never again. -ENOENT: there is
 * none, or it was had already. The caller wipes it.
 */
typedef int (*take_key_fn)(void *arg, const struct sa *sa, uint8_t ret_key[SA_KEY_LEN]);
