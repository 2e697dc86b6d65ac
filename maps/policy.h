/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy: who may begin a flow to whom on a network. Three maps hold a whole rule set
 * compiled, so that judging a flow costs the same for one rule and for a million.
 *
 *   policy           (HASH)      VNI -> the set in force, and what becomes of flows no rule names
 *   policy_subjects  (LPM_TRIE)  (VNI, set, address) -> class: which selectors the address matches
 *   policy_rules     (LPM_TRIE)  (VNI, set, class, class, protocol, port) -> verdict and its rule
 *
 * A set never changes but for endpoints that come and go. Other rules are another set: its rows are
 * written beside the old ones, and one write to `policy` puts all of it in force at once.
 *
 * Classes partition addresses by the selectors of the network's rules: an endpoint has a /128
 * (its own selectors and the CIDRs it lies in), a CIDR its prefix. Whoever has no row is of
 * class OV_CLASS_ANY, which in rules stands for everybody. A flow is looked up by (from, to),
 * (from, ANY), (ANY, to), (ANY, ANY): a denial among the answers beats all, then a permission,
 * then the network's own verdict. Within one pair of classes rules are flattened: prefixes of
 * ports do not contradict each other, so the longest one is the answer.
 */
#pragma once

#include "types.h"

#define OV_CLASS_ANY 0u

#define OV_POLICY_ALLOW 0u
#define OV_POLICY_DENY  1u

#define OV_POLICY_AUDIT  1u /* flows that would be denied pass, and are counted and told */
#define OV_POLICY_BROKEN 2u /* its rows do not fit: nothing passes */

struct ov_policy_key {
	__u32 vni; /* host order */
};

/* OV_ENDPOINT_POLICY on an endpoint without a row here: nothing passes. */
struct ov_policy {
	__u32 set;
	__u8 verdict;    /* OV_POLICY_ALLOW or _DENY: where no rule says anything */
	__u8 flags;      /* OV_POLICY_AUDIT, OV_POLICY_BROKEN */
	__u16 census;    /* a sum over the set's subjects: with another one flows are judged anew */
};

/* prefix_len counts from vni on: at least OV_SUBJECT_PREFIX, and the address's own bits. */
struct ov_subject_key {
	__u32 prefix_len;
	__u32 vni;
	__u32 set;
	struct ov_addr addr;
};
#define OV_SUBJECT_PREFIX 64

struct ov_subject {
	__u32 class;
};

/*
 * prefix_len counts from vni on: OV_RULE_PREFIX for every protocol, 16 more for a protocol
 * whole, and then the bits of a prefix of its destination ports.
 */
struct ov_rule_key {
	__u32 prefix_len;
	__u32 vni;
	__u32 set;
	__u32 from;      /* class of who begins the flow */
	__u32 to;
	__u8 protocol;   /* IPPROTO_* */
	__u8 pad;
	__be16 port;     /* 0 where the protocol has none */
};
#define OV_RULE_PREFIX 128
#define OV_RULE_PREFIX_PROTOCOL 144

struct ov_rule {
	__u32 id;        /* the first four bytes of the rule's id, as they stand there */
	__u8 verdict;    /* OV_POLICY_* */
	__u8 pad[3];
};

/*
 * Map `policy_hits` (LRU_HASH, data path): flows judged. Key: ov_rule.id; 0: by the default. A
 * flow that is judged again counts when the answer is another rule's; what is denied from its
 * beginning leaves no entry in `brief`, so each of its packets counts.
 */
struct ov_policy_hits_key {
	__u32 vni;
	__u32 rule;
};

struct ov_policy_hits {
	__u64 allowed;
	__u64 denied;    /* of a network in audit: would have been */
};

_Static_assert(sizeof(struct ov_policy_key) == 4, "ov_policy_key is ABI");
_Static_assert(sizeof(struct ov_policy) == 8, "ov_policy is ABI");
_Static_assert(sizeof(struct ov_subject_key) == 28, "ov_subject_key is ABI");
_Static_assert(sizeof(struct ov_subject) == 4, "ov_subject is ABI");
_Static_assert(sizeof(struct ov_rule_key) == 24, "ov_rule_key is ABI");
_Static_assert(sizeof(struct ov_rule) == 8, "ov_rule is ABI");
_Static_assert(sizeof(struct ov_policy_hits_key) == 8, "ov_policy_hits_key is ABI");
_Static_assert(sizeof(struct ov_policy_hits) == 16, "ov_policy_hits is ABI");
