/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/addr.h"

int packet_open(int *ret_fd)
{
	/* Protocol 0: no packet is ever queued for us. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int packet_send(int fd, uint32_t ifindex, const void *frame, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex,
				  .sll_protocol = htons(ETHERTYPE_IP) };

	return sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int packet_open_ipv4(int *ret_fd)
{
	/* IPPROTO_RAW sends what has a header already, and is never given a packet. */
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int packet_send_ipv4(int fd, uint32_t ifindex, const struct ov_addr *from, const struct ov_addr *to,
		     const void *packet, size_t len)
{
	struct sockaddr_in dest = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(addr_v4(to)) };
	struct in_pktinfo way = { .ipi_ifindex = (int)ifindex,
				  .ipi_spec_dst.s_addr = htonl(addr_v4(from)) };
	struct iovec data = { (void *)packet, len };
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(way))] = { 0 };
	struct msghdr m = { .msg_name = &dest, .msg_namelen = sizeof(dest), .msg_iov = &data,
			    .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(way));
	memcpy(CMSG_DATA(c), &way, sizeof(way));
	return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}
