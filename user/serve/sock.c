/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define LISTEN_BACKLOG 128

socklen_t sockname_to_sockaddr(const struct sockname *name, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (addr_is_v4(&name->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(name->port);
		memcpy(&v4->sin_addr, name->addr.b + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(name->port);
	memcpy(&v6->sin6_addr, name->addr.b, 16);
	return sizeof(*v6);
}

struct sockname sockname_from_sockaddr(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	struct sockname name = { .port = ntohs(v4->sin_port) };

	if (ss->ss_family == AF_INET) {
		name.addr = addr_from_v4(ntohl(v4->sin_addr.s_addr));
		return name;
	}
	memcpy(name.addr.b, &v6->sin6_addr, 16);
	name.port = ntohs(v6->sin6_port);
	return name;
}

const char *sockname_format(const struct sockname *name, char out[SOCKNAME_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];
	bool v4 = addr_is_v4(&name->addr);

	snprintf(out, SOCKNAME_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", addr_format(&name->addr, text),
		 name->port);
	return out;
}

static int new_socket(const struct sockname *name, int type)
{
	int family = addr_is_v4(&name->addr) ? AF_INET : AF_INET6, on = 1;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* A restarted daemon must not wait for its predecessor's TIME_WAIT. Not for
	 * UDP, where the option would let two daemons share the port. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd;
}

static int bind_error(const struct sockname *name, int type, int error, struct err *e)
{
	const char *what = type == SOCK_STREAM ? "TCP" : "UDP";
	char text[ADDR_TEXT_MAX];

	addr_format(&name->addr, text);
	if (error == -EADDRINUSE)
		return err_set(e, error,
			       "gossip port %u/%s is in use on address %s: stop the program that has it "
			       "(`ss -lnp`) or choose another with --gossip-port",
			       name->port, what, text);
	if (error == -EADDRNOTAVAIL)
		return err_set(e, error,
			       "address %s is not one of this host: give one of its own with --advertise",
			       text);
	return err_set(e, error, "cannot listen on %s port %u/%s: %s", text, name->port, what,
		       strerror(-error));
}

int sock_bind(const struct sockname *name, int type, struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(name, &ss);
	_cleanup_(closep) int fd = new_socket(name, type);

	if (fd < 0)
		return bind_error(name, type, fd, e);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return bind_error(name, type, -errno, e);
	if (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0)
		return bind_error(name, type, -errno, e);
	return TAKE_FD(fd);
}

/* The peer sees and answers the address that we are known by. */
static int bind_source(int fd, const struct ov_addr *from)
{
	struct sockname name = { .addr = *from };
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(&name, &ss);
	int on = 1;

	/* The port is chosen at connect, when the whole 4-tuple is known: far more fit. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int sock_connect(const struct sockname *to, const struct ov_addr *from)
{
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(to, &ss);
	_cleanup_(closep) int fd = new_socket(to, SOCK_STREAM);
	int on = 1, r;

	if (fd < 0)
		return fd;
	if (from && addr_is_v4(from) == addr_is_v4(&to->addr)) {
		r = bind_source(fd, from);
		if (r < 0)
			return r;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

int sock_connect_datagram(const struct sockname *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sockname_to_sockaddr(to, &ss);
	_cleanup_(closep) int fd = new_socket(to, SOCK_DGRAM);

	if (fd < 0)
		return fd;
	return connect(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : TAKE_FD(fd);
}

int sock_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}
