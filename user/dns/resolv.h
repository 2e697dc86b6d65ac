/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resolvers of resolv.conf(5). Everything but `nameserver` lines is the containers' own business. */
#pragma once

#include "dns/forward.h"

#define RESOLV_CONF_MAX 65536 /* bytes looked at */
#define RESOLV_PORT 53

/*
 * The first DNS_UPSTREAM_MAX addresses; a line that names none (a link-local one
 * with its interface included) is passed over. Returns how many.
 */
size_t resolv_parse(const char *text, size_t len, struct dns_upstream ret_upstream[DNS_UPSTREAM_MAX]);
