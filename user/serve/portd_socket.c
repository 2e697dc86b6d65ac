/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "portd_inside.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"

#define BACKLOG 16
#define REFUSE_MAX 64 /* at one wake-up, so that a flood leaves time for the rest */

int port_cmp(const struct portd_port *a, const struct portd_port *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return addr_cmp(&a->addr, &b->addr);
}

bool port_clash(const struct portd_port *a, const struct portd_port *b)
{
	return a->protocol == b->protocol && a->port == b->port &&
	       (addr_is_zero(&a->addr) || addr_is_zero(&b->addr) || !addr_cmp(&a->addr, &b->addr));
}

/* Nobody reads: what arrives must not fill memory. */
static void drop_all(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

/*
 * A TCP port may be bound beside its last owner's connections in TIME_WAIT, which last a
 * minute: hence SO_REUSEADDR. It lets two sockets share a port only while neither
 * listens. So we listen, which also makes `ss -ltn` show who has the port; a bound
 * socket alone is shown by nothing. For UDP the option would share it, and is not set.
 */
static int prepare(int fd, uint8_t protocol)
{
	int on = 1;

	if (protocol == IPPROTO_UDP)
		drop_all(fd);
	else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static struct sockaddr_in to_sockaddr(const struct portd_port *p)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(p->port) };

	memcpy(&sa.sin_addr, p->addr.b + 12, 4); /* zero is INADDR_ANY */
	return sa;
}

int port_bind(const struct portd_port *p)
{
	int type = p->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, r;
	_cleanup_(closep) int fd =
		socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, p->protocol);
	struct sockaddr_in sa = to_sockaddr(p);

	if (fd < 0)
		return -errno;
	r = prepare(fd, p->protocol);
	if (r)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/*
 * A filter that drops all would leave callers without a word until they give up. So the
 * kernel shakes hands, and closing with no time to linger makes it send a reset.
 */
int port_refuse(int fd)
{
	static const struct linger at_once = { .l_onoff = 1 };

	for (int i = 0; i < REFUSE_MAX; i++) {
		int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (caller >= 0) {
			setsockopt(caller, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
			close(caller);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return errno == EAGAIN ? 0 : -errno;
		}
	}
	return 0;
}
