/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a bench's namespace, by name. */
#pragma once

#include <linux/if_ether.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "tool.h"

static inline uint32_t device_index(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	if (!ifindex)
		tool_die("no device \"%s\" in this namespace", name);
	return ifindex;
}

/* A frame to another MAC would be somebody else's (PACKET_OTHERHOST). */
static inline void device_mac(const char *name, uint8_t ret_mac[6])
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		tool_die("cannot read the MAC of %s: %s", name, strerror(errno));
	memcpy(ret_mac, req.ifr_hwaddr.sa_data, ETH_ALEN);
}
