/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "portd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "portd_inside.h"

/* A port that is wanted. */
struct keep {
	struct portd *d;
	struct portd_port at;
	int fd;             /* -1: not bound */
	int error;          /* why not; 0 when it is */
	struct loop_io *io; /* who calls; NULL for UDP */
};

struct portd {
	struct loop *loop;
	struct loop_timer *timer;
	uint64_t retry_ms;
	void (*on_change)(void *arg);
	void *arg;
	size_t count, taken_count;
	struct keep **keep;       /* sorted */
	struct portd_port *taken; /* room for count */
};

static int by_port(const void *a, const void *b)
{
	return port_cmp(a, b);
}

/* ---- one port ---- */

static void let_go(struct keep *k, int why)
{
	loop_io_free(TAKE_PTR(k->io));
	closep(&k->fd);
	k->fd = -1;
	k->error = why;
}

/* Without a descriptor to spare a caller cannot be hung up on: closing the port does it. */
static void on_caller(void *arg, unsigned int events)
{
	struct keep *k = arg;
	int r = port_refuse(k->fd);

	(void)events;
	if (!r)
		return;
	let_go(k, r);
	loop_timer_set(k->d->timer, loop_now_ms(k->d->loop) + k->d->retry_ms);
}

/* Taken, not on this node, or unknown to its kernel: nobody can get it unseen. */
static bool is_harmless(int error)
{
	return error == -EADDRINUSE || error == -EADDRNOTAVAIL || error == -EPROTONOSUPPORT ||
	       error == -ESOCKTNOSUPPORT;
}

static void try_keep(struct keep *k)
{
	int r = port_bind(&k->at);

	if (r < 0 && r != k->error && !is_harmless(r))
		log_warn("port %u of protocol %u is open, but not kept from processes of this host: %s",
			 k->at.port, k->at.protocol, strerror(-r));
	k->error = r < 0 ? r : 0;
	if (r < 0)
		return;
	k->fd = r;
	if (k->at.protocol == IPPROTO_UDP)
		return; /* datagrams are dropped unseen */
	r = loop_io_new(k->d->loop, k->fd, LOOP_IN, on_caller, k, &k->io);
	if (r < 0)
		let_go(k, r);
}

static void drop(struct keep *k)
{
	let_go(k, 0);
	free(k);
}

/* ---- all of them ---- */

/* Notes what is taken. True when that changed. */
static bool note_taken(struct portd *d)
{
	bool changed = false;
	size_t n = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (d->keep[i]->error != -EADDRINUSE)
			continue;
		changed |= n >= d->taken_count || port_cmp(&d->taken[n], &d->keep[i]->at);
		d->taken[n++] = d->keep[i]->at;
	}
	changed |= n != d->taken_count;
	d->taken_count = n;
	return changed;
}

static void try_all(struct portd *d)
{
	bool again = false;

	for (size_t i = 0; i < d->count; i++) {
		if (d->keep[i]->fd < 0)
			try_keep(d->keep[i]);
		again |= d->keep[i]->fd < 0;
	}
	loop_timer_set(d->timer, again ? loop_now_ms(d->loop) + d->retry_ms : UINT64_MAX);
}

static void on_timer(void *arg)
{
	struct portd *d = arg;

	try_all(d);
	if (note_taken(d))
		d->on_change(d->arg);
}

/* The port that is kept already, or a new one; the old list loses what is taken from it. */
static struct keep *take_keep(struct portd *d, const struct portd_port *p, size_t *at)
{
	struct keep *k;

	while (*at < d->count && port_cmp(&d->keep[*at]->at, p) < 0)
		++*at;
	if (*at < d->count && !port_cmp(&d->keep[*at]->at, p))
		return d->keep[*at];
	k = calloc(1, sizeof(*k));
	if (k)
		*k = (struct keep){ .d = d, .at = *p, .fd = -1 };
	return k;
}

/* Both sorted: drops those of `from` that are not in `other`. */
static void drop_missing(struct keep **from, size_t count, struct keep *const *other,
			 size_t other_count)
{
	size_t j = 0;

	for (size_t i = 0; i < count; i++) {
		while (j < other_count && port_cmp(&other[j]->at, &from[i]->at) < 0)
			j++;
		if (j == other_count || other[j] != from[i])
			drop(from[i]);
	}
	free(from);
}

/* The list to be, sorted, without repetition; NULL without memory. */
static struct keep **make_list(struct portd *d, const struct portd_port *port, size_t count,
			       size_t *ret_count)
{
	_cleanup_(freep) struct portd_port *sorted = calloc(count + 1, sizeof(*sorted));
	struct keep **next = calloc(count + 1, sizeof(*next));
	size_t n = 0, at = 0;

	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = port[i];
	if (sorted)
		qsort(sorted, count, sizeof(*sorted), by_port);
	for (size_t i = 0; sorted && next && i < count; i++) {
		if (n && !port_cmp(&next[n - 1]->at, &sorted[i]))
			continue;
		next[n] = take_keep(d, &sorted[i], &at);
		if (!next[n++]) {
			drop_missing(TAKE_PTR(next), n - 1, d->keep, d->count);
			break;
		}
	}
	*ret_count = n;
	if (!sorted)
		free(TAKE_PTR(next));
	return next;
}

int portd_set(struct portd *d, const struct portd_port *port, size_t count)
{
	struct portd_port *taken = calloc(count + 1, sizeof(*taken));
	size_t n;
	struct keep **next = taken ? make_list(d, port, count, &n) : NULL;

	if (!next) {
		free(taken);
		return -ENOMEM;
	}
	/* First of all: what is new may be another form of what is not wanted any more. */
	drop_missing(d->keep, d->count, next, n);
	free(d->taken);
	d->taken = taken;
	d->taken_count = 0;
	d->keep = next;
	d->count = n;
	try_all(d);
	note_taken(d);
	return 0;
}

const struct portd_port *portd_taken(const struct portd *d, size_t *ret_count)
{
	*ret_count = d->taken_count;
	return d->taken;
}

/* Lets go of single addresses that would be in the way of all. */
static bool step_aside(struct portd *d, const struct portd_port *p)
{
	bool stepped = false;

	for (size_t i = 0; i < d->count; i++) {
		struct keep *k = d->keep[i];

		if (k->fd < 0 || !port_clash(&k->at, p))
			continue;
		let_go(k, 0);
		stepped = true;
	}
	return stepped;
}

static bool is_kept(const struct portd *d, const struct portd_port *p)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->keep[i]->fd >= 0 && port_clash(&d->keep[i]->at, p) &&
		    (addr_is_zero(&d->keep[i]->at.addr) || !addr_is_zero(&p->addr)))
			return true;
	return false;
}

bool portd_probe(struct portd *d, uint8_t protocol, const struct ov_addr *addr, uint16_t port)
{
	struct portd_port p = { *addr, port, protocol };
	bool stepped;
	int fd;

	if (is_kept(d, &p))
		return false; /* nobody can have got it since */
	stepped = step_aside(d, &p);
	fd = port_bind(&p);
	closep(&fd);
	if (stepped) {
		try_all(d);
		loop_timer_set(d->timer, loop_now_ms(d->loop)); /* whatever changed is told by it */
	}
	return fd == -EADDRINUSE;
}

int portd_new(struct loop *loop, uint64_t retry_ms, void (*on_change)(void *arg), void *arg,
	      struct portd **ret_portd)
{
	struct portd *d = calloc(1, sizeof(*d));
	int r = d ? loop_timer_new(loop, UINT64_MAX, on_timer, d, &d->timer) : -ENOMEM;

	if (r < 0) {
		free(d);
		return r;
	}
	d->loop = loop;
	d->retry_ms = retry_ms;
	d->on_change = on_change;
	d->arg = arg;
	*ret_portd = d;
	return 0;
}

void portd_free(struct portd *d)
{
	if (!d)
		return;
	drop_missing(d->keep, d->count, NULL, 0);
	loop_timer_free(d->timer);
	free(d->taken);
	free(d);
}
