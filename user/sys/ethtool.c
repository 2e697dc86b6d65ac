/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

static int ask(const char *device, void *request)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_data = request };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	return fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
}

void ethtool_driver(const char *device, char ret_driver[32])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	ret_driver[0] = '\0';
	if (!ask(device, &info))
		snprintf(ret_driver, 32, "%.31s", info.driver);
}

/* How many features this kernel knows; 0 when it does not say. */
static uint32_t feature_count(const char *device)
{
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };

	return ask(device, &info) || !info.head.sset_mask ? 0 : info.count;
}

/* Its number, or -ENOENT. */
static int feature_find(const char *device, const char *feature, uint32_t count)
{
	_cleanup_(freep) struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);

	if (!names)
		return -ENOMEM;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	if (ask(device, names))
		return -ENOENT;
	for (uint32_t i = 0; i < count; i++)
		if (!strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN, feature, ETH_GSTRING_LEN))
			return (int)i;
	return -ENOENT;
}

bool ethtool_has(const char *device, const char *feature)
{
	uint32_t count = feature_count(device), words = (count + 31) / 32;
	int at = feature_find(device, feature, count);
	_cleanup_(freep) struct ethtool_gfeatures *f = NULL;

	if (at < 0)
		return false;
	f = calloc(1, sizeof(*f) + words * sizeof(f->features[0]));
	if (!f)
		return false;
	f->cmd = ETHTOOL_GFEATURES;
	f->size = words;
	return !ask(device, f) && f->features[at / 32].active & 1u << at % 32;
}
