/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By what endpoint devices and the tunnel are known as ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "device.h"
#include "sys/netns.h"

bool is_tunnel(const struct link_info *l)
{
	return !strcmp(l->alias, TUNNEL_ALIAS) && !strcmp(l->kind, "vxlan");
}

bool device_parse_alias(const char *alias, struct id *ret_endpoint, const char **ret_rest)
{
	char hex[ID_TEXT_MAX] = "";
	size_t len = strlen(ENDPOINT_ALIAS);
	struct id id;

	if (strncmp(alias, ENDPOINT_ALIAS, len) || strlen(alias + len) < ID_TEXT_MAX - 1)
		return false;
	memcpy(hex, alias + len, ID_TEXT_MAX - 1);
	if (id_parse(hex, &id))
		return false;
	*ret_endpoint = id;
	*ret_rest = alias + len + ID_TEXT_MAX - 1;
	return true;
}

bool endpoint_of_link(const struct link_info *l, struct id *ret_endpoint)
{
	const char *rest;

	return !strcmp(l->kind, "veth") && device_parse_alias(l->alias, ret_endpoint, &rest);
}

bool is_endpoint(const struct link_info *l)
{
	struct id id;

	return endpoint_of_link(l, &id);
}

/* "ov" and OV_DEVICE_DIGITS hex digits; the digits come as the first bytes of an id. */
bool device_parse_name(const char *name, struct id *ret_endpoint)
{
	struct id id = { 0 };

	if (strncmp(name, OV_DEVICE_PREFIX, strlen(OV_DEVICE_PREFIX)) ||
	    strlen(name) != strlen(OV_DEVICE_PREFIX) + OV_DEVICE_DIGITS ||
	    hex_parse(name + strlen(OV_DEVICE_PREFIX), id.b, OV_DEVICE_DIGITS / 2))
		return false;
	*ret_endpoint = id;
	return true;
}

bool is_half_made(const struct link_info *l)
{
	struct id id;

	if (l->group != LINK_GROUP_OURS || l->alias[0])
		return false;
	return (!strcmp(l->kind, "veth") && device_parse_name(l->name, &id)) ||
	       (!strcmp(l->kind, "vxlan") && !strcmp(l->name, OV_TUNNEL_NAME));
}

/* A path too long for an alias is cut: the row then differs and is looked at again, no more. */
#define ALIAS_PATH_MAX 162 /* LINK_ALIAS_MAX less the text, 32 digits and two numbers of 20 */

void device_format_alias(const struct id *endpoint, const struct plan_device *d,
			 char out[LINK_ALIAS_MAX + 1])
{
	char hex[ID_TEXT_MAX];

	snprintf(out, LINK_ALIAS_MAX + 1, ENDPOINT_ALIAS "%s %" PRIu64 ":%" PRIu64 " %.*s",
		 id_format(endpoint, hex), d->netns_dev, d->netns_ino, ALIAS_PATH_MAX, d->netns);
}

void device_netns(struct nl *nl, const struct link_info *l, const char *rest,
		  struct plan_device *row, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	char path[NETNS_MAX_LEN + 1];
	uint64_t dev, ino, dev_now, ino_now;
	int32_t nsid;

	if (sscanf(rest, " %" SCNu64 ":%" SCNu64 " %255[^\n]", &dev, &ino, path) != 3)
		return;
	if (netns_open(path, &fd) || netns_identify(fd, &dev_now, &ino_now) || dev != dev_now ||
	    ino != ino_now || netns_nsid(nl, fd, &nsid) || nsid == LINK_NSID_NONE ||
	    nsid != l->peer_nsid)
		return;
	memcpy(row->netns, path, strlen(path) + 1);
	row->netns_dev = dev;
	row->netns_ino = ino;
	*ret_fd = TAKE_FD(fd);
}
