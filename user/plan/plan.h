/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel should hold, as sorted tables: a pure function of the state
 * and of facts about this host. No clock, no randomness, no I/O: same input,
 * byte-identical output. Keys and values of map tables are the ABI types of
 * maps/, so nothing is translated on the way to the kernel.
 *
 * A plan may depend on facts that applying it will change (the ifindex of a
 * device that it asks for): agent/ plans and applies again until a plan asks
 * for nothing new.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ipsec/sa.h"
#include "maps/schema.h"
#include "model/view.h"

/* Host side of an endpoint device: "ov" and the first hex digits of the endpoint id. */
#define OV_DEVICE_PREFIX "ov"
#define OV_DEVICE_DIGITS 12
#define OV_TUNNEL_NAME "ovtunnel"

/* ---- facts: read from the kernel, never decided ---- */
struct fact_device {
	struct id endpoint;   /* from the device's alias */
	uint32_t ifindex;
};

struct fact_route {
	struct ov_addr to;        /* a peer's address */
	struct ov_addr next_hop;
};

struct fact_address { /* of this node, where it answers; 127.0.0.0/8 left out */
	struct ov_addr addr;
	uint32_t ifindex;         /* the device that has it */
};

/*
 * A device that is up, has an IPv4 address and carries Ethernet frames, loopback included;
 * none of ours.
 */
struct fact_link {
	uint32_t ifindex;
	struct ov_addr addr;      /* its first address */
	bool is_loopback;         /* also a dummy: nothing is reached by it */
};

struct fact_port { /* a process of this host listens there */
	struct ov_addr addr;      /* zero: every address */
	uint16_t port;            /* host order */
	uint8_t protocol;         /* IPPROTO_* */
};

struct facts {
	uint32_t uplink_ifindex;
	uint16_t uplink_mtu;
	struct ov_addr vtep;
	uint16_t vxlan_port;
	uint32_t tunnel_ifindex;  /* 0 until it exists */
	uint8_t xdp_mode;         /* enum ov_xdp_mode */
	bool xdp_sums;            /* in that mode packets come with complete sums */
	struct id_set away;       /* nodes that gossip thinks dead or gone */
	size_t device_count;
	const struct fact_device *device; /* sorted by endpoint */
	size_t route_count;
	const struct fact_route *route;   /* sorted by to; a peer without one is unreachable */
	size_t address_count, link_count, taken_count;
	const struct fact_address *address; /* sorted by addr */
	const struct fact_link *link;       /* sorted by ifindex */
	const struct fact_port *taken;      /* sorted; published ports that stay closed here */
	uint16_t masq_first, masq_last;     /* host order */
	/* What encrypted networks need of XFRM, by the keys' engine (ipsec/). */
	bool is_ipsec_able;                 /* false: no row of it is planned */
	size_t sa_count, policy_count;
	const struct sa *sa;                /* sorted by dst, spi */
	const struct ipsec_policy *policy;  /* sorted by dst */
	struct ov_watch watch;              /* what somebody watches; flags 0: nobody does */
};

enum ov_xdp_mode { OV_XDP_OFF, OV_XDP_GENERIC, OV_XDP_NATIVE };

/* ---- rows that are not maps/ types ---- */

/* The idle tunnel device. One row, key 0. */
#define PLAN_TUNNEL_DEVICE 1  /* bits of pad in a row read back: what is wrong; a plan's has none */
#define PLAN_TUNNEL_ROUTING 2 /* the settings of the host's routing that go with it */
struct plan_tunnel {
	uint16_t port; /* host order */
	uint16_t pad;
};

/* An endpoint's device: the host side and everything inside the container's namespace. */
#define PLAN_DEVICE_OUTSIDE 1 /* bits of pad in a row read back, as above: our side */
#define PLAN_DEVICE_INSIDE 2  /* in the container: link or loopback down, IPv6 on */
struct plan_device_key {
	struct id endpoint;
};
struct plan_device {
	char name[16];            /* host side */
	char ifname[16];          /* container side */
	char netns[NETNS_MAX_LEN + 1];
	uint64_t netns_dev, netns_ino;
	struct ov_addr addr;
	struct ov_addr gateway;   /* of the container's routes; zero: it has none */
	uint8_t prefix_len;       /* bits of 16 bytes */
	uint8_t mac[6];
	uint8_t pad;
	uint16_t mtu;
	uint8_t internal;         /* 1: its gateway is the default one only where there is no other */
	uint8_t pad2[5];
};

/*
 * An SA of XFRM, without its key: a plan holds no secret. The driver asks for the key when
 * it makes one, and one that is there is never made again.
 */
struct plan_sa_key {
	struct ov_addr dst;
	uint32_t spi;     /* host order; the low bits are the lane */
};
struct plan_sa {
	struct ov_addr src;
};

/*
 * An outbound policy of XFRM. The key is what the kernel tells policies apart by, the value
 * what is changed in place. The one that blocks what no lane's policy takes is of lane
 * PLAN_LANE_BLOCK and all zero else.
 */
#define PLAN_LANE_BLOCK 0xff
struct plan_policy_key {
	struct ov_addr dst, src;
	uint16_t port;    /* of VXLAN; host order */
	uint8_t lane;
	uint8_t pad;
};
struct plan_policy {
	uint32_t spi;     /* host order */
};

/* Which of our programs sits where. */
enum plan_hook { HOOK_TC_INGRESS = 1, HOOK_XDP = 2 };
enum plan_program { PROGRAM_ENDPOINT = 1, PROGRAM_UPLINK, PROGRAM_TUNNEL, PROGRAM_UPLINK_XDP,
		    PROGRAM_UPLINK_GENERIC, PROGRAM_FRONT };
struct plan_attach_key {
	uint32_t ifindex;
	uint32_t hook;    /* enum plan_hook */
};
struct plan_attach {
	uint32_t program; /* enum plan_program */
	uint32_t xdp_mode;
};

/* ---- tables ---- */

/* In the order in which rows are added; removal runs backwards. */
enum plan_table_id {
	PLAN_TUNNEL,
	PLAN_DEVICES,   /* links and what is inside the namespace */
	PLAN_SAS,       /* before the policies that name them, and removed after them */
	PLAN_POLICIES,
	PLAN_CONFIG,    /* map rows from here on: key and value are maps/ types */
	PLAN_NETWORKS,
	PLAN_PEERS,
	/* A set of rules is whole before `policy` names it, and that before endpoints ask for it. */
	PLAN_POLICY_RULES,
	PLAN_POLICY_SUBJECTS,
	PLAN_POLICY_SETS,
	PLAN_MAP_DEVICES,
	PLAN_ENDPOINTS, /* before those who name them as backends, and removed after them */
	PLAN_BACKENDS,
	PLAN_CHOICES,
	PLAN_SERVICES,
	PLAN_ADDRESSES,
	PLAN_LINKS,
	PLAN_ALLOWED,
	PLAN_PUBLISHED,
	PLAN_WATCH,     /* one row while somebody watches; with it go the maps in the slots */
	PLAN_ATTACH,
	PLAN_TABLE_COUNT,
};

struct plan_table {
	size_t key_size, value_size; /* a row is key then value, no gap */
	size_t count, room;          /* room: of a table being made */
	uint8_t *rows;               /* sorted by memcmp of the key, keys unique */
};

struct plan {
	struct plan_table table[PLAN_TABLE_COUNT];
	size_t left_out; /* backends that get no new flow, because their service has too many */
	size_t broken;   /* networks whose rules do not fit the maps: nothing passes there */
	char broken_name[NAME_MAX_LEN + 9]; /* one of them */
};

/* 0 or -ENOMEM. `self` selects which endpoints are local. */
int plan_build(const struct view *v, const struct facts *f, const struct id *self,
	       struct plan *ret_plan);
void plan_fini(struct plan *p);
const char *plan_table_to_str(enum plan_table_id id);
/* Host device name of an endpoint. */
void plan_device_name(const struct id *endpoint, char out[16]);
/* Golden text: a line a row, for tests and debugging. */
void plan_format(const struct plan *p, struct buf *out);

static inline const uint8_t *plan_row(const struct plan_table *t, size_t i)
{
	return t->rows + i * (t->key_size + t->value_size);
}
