/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has which address in a fleet, and that nobody has another's. */
#pragma once

#include "tests/lib/fleet.h"

size_t count_attached(const struct fleet *f);
void check_all_answered(const struct fleet *f); /* once each */
const struct endpoint *endpoint(struct fleet *f, const struct attempt *a);

/* Every node's own endpoints and own blocks, and all VIPs together: nothing twice. */
void check_nothing_twice(struct fleet *f, const char *name, size_t size);
/* And everything once: all agree, and no address is without an owner. */
void check_complete(struct fleet *f, const char *name, size_t size);

uint64_t owned(struct fleet *f, size_t i, const char *name); /* how many addresses node i owns */
/* The highest address but the broadcast one that a node owns, as text; the next call overwrites it. */
const char *last_owned(struct fleet *f, size_t i, const char *name);
