/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real kernel, for a test alone: network and mount namespaces of its own
 * with a bpffs, an uplink `up0` (192.0.2.1/24; its other end `up1`) and two
 * containers. All of it goes with the test's process. Needs root.
 */
#pragma once

#include <stdbool.h>

#include "apply/kernel.h"

#define WORLD "/tmp/ov-test-kernel"
#define BPFFS WORLD "/bpf"
/* Where this build pins, as `place` has it. */
#define FORMAT_TEXT_(n) #n
#define FORMAT_TEXT(n) FORMAT_TEXT_(n)
#define PIN_ROOT BPFFS "/deep/overlayd"
#define PINS PIN_ROOT "/v" FORMAT_TEXT(OV_FORMAT)
#define CONTAINER WORLD "/container"
#define OTHER WORLD "/other"

extern const struct bpf_place place;
extern const uint32_t zero_key; /* of tables with one row */

void make_world(void);
void must(int r, const char *what);
void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool sh_ok(const char *command);
bool inside(const char *netns, const char *command);

struct kernel *open_kernel(struct driver drivers[PLAN_TABLE_COUNT]);
/* With e NULL it must succeed; otherwise a failure must come with a sentence. */
int upsert(const struct driver *d, const void *key, const void *value, struct err *e);
void remove_it(const struct driver *d, const void *key, const void *value);
struct plan_table look(const struct driver *d);
/* True when exactly that row is there, byte by byte. */
bool holds(const struct driver *d, const void *key, const void *value);
size_t rows(const struct driver *d);

struct plan_device_key endpoint_key(void);
struct plan_device endpoint_row(const char *netns);
