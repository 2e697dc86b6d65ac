/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_SIZE 4096  /* our largest request has an alias (256) and a handful of attributes */
#define RECV_SIZE 32768 /* what the kernel fills at most in one dump message (NLMSG_GOODSIZE cap) */

struct nl {
	struct mnl_socket *socket;
	uint32_t seq;
	char why[160];
	/* libmnl reads and writes headers in place */
	char send[SEND_SIZE] __attribute__((aligned(8)));
	char recv[RECV_SIZE] __attribute__((aligned(8)));
};

int nl_open_bus(int bus, struct nl **ret_nl)
{
	struct nl *n = calloc(1, sizeof(*n));
	int on = 1;

	if (!n)
		return -ENOMEM;
	n->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		nl_close(n);
		return r;
	}
	/* Strict checking (Linux 4.20) makes dump filters, ifindex and namespace, count. */
	mnl_socket_setsockopt(n->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(n->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(n->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*ret_nl = n;
	return 0;
}

int nl_open(struct nl **ret_nl)
{
	return nl_open_bus(NETLINK_ROUTE, ret_nl);
}

void nl_close(struct nl *n)
{
	if (!n)
		return;
	if (n->socket)
		mnl_socket_close(n->socket);
	free(n);
}

struct nlmsghdr *nl_begin(struct nl *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(n->send);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = flags;
	return msg;
}

const char *nl_why(const struct nl *n)
{
	return n->why;
}

/* The message attribute of an extended ACK; with CAP_ACK it follows the error header at once. */
static void keep_reason(struct nl *n, const struct nlmsghdr *msg, int code)
{
	const struct nlattr *attr;

	snprintf(n->why, sizeof(n->why), "%s", strerror(-code));
	if (!(msg->nlmsg_flags & NLM_F_ACK_TLVS) || !(msg->nlmsg_flags & NLM_F_CAPPED))
		return;
	mnl_attr_for_each(attr, msg, sizeof(struct nlmsgerr)) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(n->why, sizeof(n->why), "%s", mnl_attr_get_str(attr));
	}
}

/* 1 when this message ends the answer (then *ret_code is the result), else 0. */
static int read_message(struct nl *n, const struct nlmsghdr *msg, int *ret_code)
{
	int code = 0;

	if (msg->nlmsg_type == NLMSG_DONE) {
		if (mnl_nlmsg_get_payload_len(msg) >= sizeof(int))
			code = *(const int *)mnl_nlmsg_get_payload(msg);
	} else if (msg->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(msg) < sizeof(struct nlmsgerr))
			code = -EBADMSG;
		else
			code = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(msg))->error;
	} else {
		return 0;
	}
	if (code < 0)
		keep_reason(n, msg, code);
	*ret_code = code;
	return 1;
}

static int receive(struct nl *n, int (*fn)(const struct nlmsghdr *, void *), void *arg)
{
	int first = 0, code = 0;

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->socket, n->recv, sizeof(n->recv));
		const struct nlmsghdr *msg = (const struct nlmsghdr *)n->recv;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
			if (msg->nlmsg_seq != n->seq)
				continue; /* the tail of a request that was given up */
			if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
				first = first ? first : -EAGAIN;
			if (read_message(n, msg, &code))
				return code ? code : first;
			if (fn && !first)
				first = fn(msg, arg);
		}
	}
}

int nl_talk(struct nl *n, int (*fn)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)n->send;
	int r;

	msg->nlmsg_flags |= NLM_F_REQUEST;
	/* rtnetlink: in requests other than GET (2 modulo 4) the bits of NLM_F_DUMP mean replace and
	 * exclusive. XFRM numbers otherwise, and ignores the ACK flag of a dump. */
	if ((msg->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP || msg->nlmsg_type % 4 != 2)
		msg->nlmsg_flags |= NLM_F_ACK;
	msg->nlmsg_seq = ++n->seq;
	n->why[0] = '\0';
	if (mnl_socket_sendto(n->socket, msg, msg->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive(n, fn, arg);
	if (r && !n->why[0])
		snprintf(n->why, sizeof(n->why), "%s", strerror(-r));
	return r;
}

void nl_wipe(struct nl *n)
{
	explicit_bzero(n->send, sizeof(n->send));
	explicit_bzero(n->recv, sizeof(n->recv));
}
