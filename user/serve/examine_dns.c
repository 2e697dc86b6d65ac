/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dnsd.h"
#include "examine_inside.h"
#include "sock.h"
#include "sys/netns.h"

struct examine_dns {
	struct doctor_inside *in;
	struct loop_io *io;
	int fd;
	uint16_t number;
	size_t len;
	uint8_t question[DOCTOR_QUESTION_MAX];
};

/* Inside: a socket stays in the namespace in which it was made. */
static int open_inside(void *arg)
{
	const struct sockname to = { addr_from_v4(0x7f00000b), DNSD_PORT }; /* 127.0.0.11 */
	struct examine_dns *d = arg;
	int fd = sock_connect_datagram(&to);

	if (fd < 0)
		return fd;
	d->fd = fd;
	return 0;
}

static void on_answer(void *arg, unsigned int events)
{
	struct examine_dns *d = arg;
	uint8_t data[1500];
	ssize_t n = recv(d->fd, data, sizeof(data), MSG_DONTWAIT);
	int code = n < 0 ? -errno : doctor_question_answer(data, (size_t)n, d->number);

	(void)events;
	if (code < 0)
		return;
	d->in->dns_answered = true;
	d->in->dns_code = (uint8_t)code;
}

static int open_it(struct examine_dns *d, struct loop *loop)
{
	_cleanup_(closep) int ns = -1;
	int r = netns_open(d->in->netns, &ns);

	if (!r)
		r = netns_run(ns, open_inside, d);
	return r ? r : loop_io_new(loop, d->fd, LOOP_IN, on_answer, d, &d->io);
}

struct examine_dns *examine_dns_new(struct loop *loop, struct doctor_inside *in, uint16_t number)
{
	struct examine_dns *d = calloc(1, sizeof(*d));
	int r = -ENOMEM;

	if (d) {
		*d = (struct examine_dns){ .in = in, .fd = -1, .number = number };
		d->len = doctor_question(number, in->name, d->question);
		r = d->len ? open_it(d, loop) : -EINVAL;
	}
	if (r) {
		in->error = r;
		examine_dns_free(d);
		return NULL;
	}
	in->dns_asked = true;
	examine_dns_ask(d);
	return d;
}

/* What is not taken is as good as lost, and asked again. */
void examine_dns_ask(struct examine_dns *d)
{
	if (send(d->fd, d->question, d->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

void examine_dns_free(struct examine_dns *d)
{
	if (!d)
		return;
	loop_io_free(d->io);
	closep(&d->fd);
	free(d);
}
