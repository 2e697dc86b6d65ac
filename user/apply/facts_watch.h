/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hearing that the host changed. Private to apply/. */
#pragma once

#include <stdbool.h>

struct host_watch {
	int epoll; /* readable when one of the others is */
	int route; /* links, addresses, routes */
	int xfrm;  /* SAs and policies; -1: this kernel has none */
};

/* 0 or a negative errno; *ret_watch is set in any case, and to be closed. */
int host_watch_open(struct host_watch *ret_watch);
void host_watch_close(struct host_watch *w);
/*
 * True when something changed. *ret_lost is set when somebody else removed SAs or policies,
 * and left alone when not.
 */
bool host_watch_drain(struct host_watch *w, bool *ret_lost);
