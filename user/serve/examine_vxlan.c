/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "examine_inside.h"
#include "maps/probe.h"
#include "sock.h"

#define IP_AND_UDP 28
#define VXLAN_FLAG_I 0x08000000u /* RFC 7348, section 5 */

/* The payload of such a datagram; zeroes follow. */
struct probe_payload {
	uint32_t flags, vni;
	uint8_t macs[12];
	uint16_t ethertype;
	struct ov_probe probe;
} __attribute__((packed));

/* As VXLAN goes: never cut, and without a sum of UDP's own. Path MTUs the kernel learned don't count. */
int vxlan_probe_socket(const struct ov_addr *from)
{
	const struct sockname name = { .addr = *from };
	_cleanup_(closep) int fd = -1;
	int probe = IP_PMTUDISC_PROBE, on = 1;
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(&name, &ss);

	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int vxlan_probe_send(int fd, const struct ov_addr *to, uint16_t port, uint64_t nonce, uint16_t size)
{
	const struct sockname name = { *to, port };
	struct probe_payload what = {
		.flags = htonl(VXLAN_FLAG_I),
		.vni = htonl(OV_PROBE_VNI << 8),
		.ethertype = htons(OV_PROBE_ETHERTYPE),
		.probe = { htonl(OV_PROBE_MAGIC), htonl(OV_PROBE_REQUEST), nonce },
	};
	size_t len = size > IP_AND_UDP + sizeof(what) ? (size_t)size - IP_AND_UDP : sizeof(what);
	_cleanup_(freep) uint8_t *payload = calloc(1, len);
	struct sockaddr_storage ss;
	socklen_t to_len = sockname_to_sockaddr(&name, &ss);

	if (!payload)
		return -ENOMEM;
	memcpy(payload, &what, sizeof(what));
	return sendto(fd, payload, len, MSG_NOSIGNAL, (struct sockaddr *)&ss, to_len) < 0 ? -errno : 0;
}
