/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One port of portd, and its socket. Private to it. */
#pragma once

#include "portd.h"

/* By protocol, port and address: every address comes before single ones. */
int port_cmp(const struct portd_port *a, const struct portd_port *b);
/* Two sockets cannot have both. */
bool port_clash(const struct portd_port *a, const struct portd_port *b);

/* Binds, and listens where there are callers to refuse. The fd or a negative errno. */
int port_bind(const struct portd_port *p);
/* Hangs up on everybody who waits. 0, or a negative errno when that is not possible now. */
int port_refuse(int fd);
