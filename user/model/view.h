/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state as pure code sees it: living items by kind, sorted by key, with the
 * documented winners of cross-owner claims already settled. Borrowed from the
 * store: valid until the store changes.
 *
 * Settled here, the same on every node (a function of the records alone):
 *  - an ENDPOINT whose owner's NODE record is a tombstone is gone; so are ENDPOINTs
 *    and BLOCKs whose network is a tombstone or unknown;
 *  - a BLOCK whose owner's NODE record is a tombstone stays until somebody takes it
 *    over: without its token the range would fall to the ring's predecessor, which
 *    could then give out what the taker gives out too;
 *  - two networks with one name: the smaller (created_ms, id) keeps it, the other
 *    is shown as NAME~<first 6 hex digits of its id> (`display`);
 *  - two networks with one VNI: the smaller (created_ms, id) keeps it; the other
 *    is `vni_lost` and carries no traffic until it is given a new one;
 *  - two endpoints of one network with one address (only a restored backup can do
 *    that): the smaller (created_ms, id) keeps it, the other is `addr_lost`;
 *  - a SERVICE or POLICY whose network is a tombstone or unknown is gone;
 *  - two services of one network with one name, whatever the case: the smaller
 *    (created_ms, id) keeps it, the other is shown as NAME~<first 6 hex digits of its id> and answers to no name;
 *  - a service and another service or endpoint of its network with one address: the
 *    smaller (created_ms, id) keeps it, the other is `vip_lost` or `addr_lost`;
 *  - two services that publish one port, on one address or one of them on every address,
 *    whatever the mode: the smaller (created_ms, id) keeps it, of the other it is in
 *    `publish_lost`, and opened nowhere. A claim that is lost takes nothing from younger ones;
 *  - a KEY, PAIRS or RING_ACK whose node's NODE record is a tombstone is gone;
 *  - two nodes with one name or one address: the smaller (joined_ms, id) keeps it,
 *    the other is `name_lost` and is not a peer.
 */
#pragma once

#include "model/model.h"

struct view_network {
	const struct network *net;
	const struct item *item;
	char display[NAME_MAX_LEN + 9];
	bool vni_lost;
};

struct view_service {
	const struct service *svc;
	const struct item *item;
	const struct view_network *net;
	char display[NAME_MAX_LEN + 9];
	bool vip_lost;
	uint32_t publish_lost; /* bit i: publish[i] belongs to another service's older claim */
};

struct view_endpoint {
	const struct endpoint *ep;
	const struct item *item;
	const struct view_network *net;
	const struct view_service *service; /* of the same network, and living; else NULL */
	bool addr_lost;
};

/* A rule. Whom it names may be gone: then it matches nobody. */
struct view_policy {
	const struct policy *policy;
	const struct item *item;
	const struct view_network *net;
};

struct view_node {
	const struct node *node;
	const struct item *item;
	bool name_lost;
};

struct view {
	const struct cluster *cluster; /* NULL before there is one */
	size_t node_count, network_count, endpoint_count, block_count, service_count;
	size_t policy_count;
	struct view_node *node;          /* sorted by id */
	struct view_network *network;    /* sorted by id */
	struct view_endpoint *endpoint;  /* sorted by id */
	struct view_service *service;    /* sorted by id */
	struct view_policy *policy;      /* sorted by (network, id) */
	const struct block **block;      /* sorted by (network, start) */
	size_t key_count, pairs_count;
	const struct node_key **key;     /* sorted by node */
	const struct item **pairs;       /* sorted by (node, chunk) */
	struct epoch epoch;              /* zero before there is one */
	const struct gossip_ring *ring;  /* NULL before there is one */
	struct ring_version ring_version;
	size_t ring_ack_count;
	const struct ring_ack **ring_ack; /* sorted by node */
	/* Released addresses, for IPAM: ENDPOINT and SERVICE tombstones of living networks. */
	size_t released_count;
	const struct item **released;
	uint16_t uplink_mtu;             /* smallest of the peers' and ours; 0 = none is known */
	bool uplink_v6;                  /* some node is reached over IPv6 */
};

/*
 * Builds the view over all of the store's items. `items` may come in any order.
 * 0 or -ENOMEM.
 */
int view_build(const struct item *const *items, size_t count, struct view *ret_view);
void view_fini(struct view *v);

const struct view_node *view_node_by_id(const struct view *v, const struct id *id);
const struct view_node *view_node_by_name(const struct view *v, const char *name);
const struct view_network *view_network_by_id(const struct view *v, const struct id *id);
/* By display name, full id, or an unambiguous id prefix of at least 4 digits, as Docker takes. */
const struct view_network *view_network_find(const struct view *v, const char *ref);
const struct view_endpoint *view_endpoint_by_id(const struct view *v, const struct id *id);
/* By name, full id or unambiguous id prefix. */
const struct view_endpoint *view_endpoint_find(const struct view *v, const char *ref);
const struct view_service *view_service_by_id(const struct view *v, const struct id *id);
/*
 * By NAME.NETWORK, full id, unambiguous id prefix, or name alone when only one
 * network has a service of that name. *ret_ambiguous tells when several do.
 */
const struct view_service *view_service_find(const struct view *v, const char *ref,
					     bool *ret_ambiguous);
/* By its name on that network; NULL when there is none. */
const struct view_service *view_service_on(const struct view *v, const struct view_network *vn,
					   const char *name);

/* The rules of a network, side by side in v->policy: *ret_count of them; NULL when there is none. */
const struct view_policy *view_policies_of(const struct view *v, const struct view_network *vn,
					   size_t *ret_count);
/* By full id or unambiguous id prefix. */
const struct view_policy *view_policy_find(const struct view *v, const char *ref);

/* NULL when it has none, or was removed. */
const struct node_key *view_key_of(const struct view *v, const struct id *node);
/* What `node` says of its SAs with `peer`. False when nothing, and then all of it is zero. */
bool view_pair(const struct view *v, const struct id *node, const struct id *peer,
	       struct pair *ret_pair);
/* What it says of the ring; NULL when nothing, or when it was removed. */
const struct ring_ack *view_ring_ack_of(const struct view *v, const struct id *node);
bool view_has_encrypted(const struct view *v); /* some network is */

/*
 * Whether a backend takes new flows and is answered by DNS: it has its address,
 * is not drained, healthy where its service checks, and its node is not in
 * `away` (the nodes that gossip thinks dead or gone: an observation, no record).
 */
bool view_endpoint_serves(const struct view_endpoint *ve, const struct id_set *away);

/*
 * Largest inner IP packet of a network: what was asked, else the smallest uplink
 * of the cluster less the headers around it. What was asked is a cap, never more than that.
 */
#define OV_VXLAN_OVERHEAD_V4 50 /* IPv4 20 + UDP 8 + VXLAN 8 + Ethernet 14 */
#define OV_VXLAN_OVERHEAD_V6 70
/*
 * An encrypted network's packets travel with their VXLAN, UDP and IP headers in ESP, in
 * tunnel mode (RFC 4303) with AES-GCM (RFC 4106):
 *   IP | ESP | IV | (IP UDP VXLAN Ethernet packet) padding, trailer | ICV
 * where what is enciphered is padded to a multiple of four bytes.
 */
#define OV_IP_HEADER_V4 20
#define OV_IP_HEADER_V6 40
#define OV_ESP_HEADER 8   /* SPI and sequence number: RFC 4303, 2.1 and 2.2 */
#define OV_ESP_IV 8       /* RFC 4106, 3.1 */
#define OV_ESP_TRAILER 2  /* pad length and next header: RFC 4303, 2.5 and 2.6 */
#define OV_ESP_ALIGN 4    /* RFC 4303, 2.4 */
#define OV_ESP_ICV 16     /* RFC 4106, 6 */
/* Largest inner IP packet by an uplink of that MTU; below 0 where nothing fits. */
int view_packet_mtu(int uplink, bool is_v6, bool is_encrypted);
uint16_t view_network_mtu(const struct view *v, const struct network *n);
