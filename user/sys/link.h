/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network devices by rtnetlink: read, make, change, remove. */
#pragma once

#include <linux/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

#define LINK_ALIAS_MAX 255 /* IFALIASZ - 1 */
#define LINK_NSID_NONE (-1)
/*
 * The group given to devices of ours as they are made ("ov" in ASCII). The alias
 * can only be set by a second request: a device of this group without an alias
 * is one whose maker died in between.
 */
#define LINK_GROUP_OURS 0x6f76

struct link_info {
	uint32_t ifindex, flags /* IFF_* */, mtu, group;
	uint32_t peer_ifindex;   /* veth: in the peer's namespace */
	int32_t peer_nsid;       /* our number of the peer's namespace, or LINK_NSID_NONE */
	uint8_t mac[6];
	uint8_t xdp_attached;    /* XDP_ATTACHED_*, of the driver or the generic hook */
	uint8_t addr_gen_mode;   /* IN6_ADDR_GEN_MODE_* */
	bool has_ipv6, ipv6_disabled;
	bool forwarding, accept_local, route_localnet; /* of IPv4 */
	uint16_t type;           /* ARPHRD_* */
	bool vxlan_external;
	uint16_t vxlan_port;     /* host order */
	char kind[16];           /* "veth", "vxlan", ""... */
	char name[IFNAMSIZ];
	char alias[LINK_ALIAS_MAX + 1];
};

/* By name. nsid LINK_NSID_NONE: where n is. -ENODEV when there is none. */
int link_get(struct nl *n, const char *name, struct link_info *ret_link);
int link_get_index(struct nl *n, uint32_t ifindex, int32_t nsid, struct link_info *ret_link);
/* All links, by ifindex. *ret_list is owned by the caller. */
int link_list(struct nl *n, struct link_info **ret_list, size_t *ret_count);

struct link_veth {
	const char *name;        /* our side, left down */
	uint32_t mtu;
	const char *peer_name;   /* the other side, down, born in peer_netns */
	int peer_netns;          /* fd */
	const uint8_t *peer_mac;
	uint32_t peer_mtu;
};
int link_add_veth(struct nl *n, const struct link_veth *v);
/* Collect-metadata ("external") vxlan device: no VNI, no learning, zero checksums sent and taken. */
int link_add_vxlan(struct nl *n, const char *name, uint16_t port, uint32_t mtu);

int link_set_up(struct nl *n, uint32_t ifindex, bool up);
int link_set_mtu(struct nl *n, uint32_t ifindex, uint32_t mtu);
int link_set_mac(struct nl *n, uint32_t ifindex, const uint8_t mac[6]);
int link_set_alias(struct nl *n, uint32_t ifindex, const char *alias);
/* No IPv6 address of its own making. 0 also on a kernel without IPv6. */
int link_no_autoaddress(struct nl *n, uint32_t ifindex);
/* 0 also when it is gone already. */
int link_delete(struct nl *n, uint32_t ifindex);
/* All devices of a group in one go; one by one each costs the kernel tens of milliseconds. */
int link_delete_group(struct nl *n, uint32_t group);
