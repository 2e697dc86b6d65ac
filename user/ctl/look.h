/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the daemon can be seen without it. Reads alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOOK_BPFFS "/sys/fs/bpf"
#define LOOK_GOSSIP_PORT 7946

unsigned int look_for_process(const char *name); /* how many */
bool look_for_socket(const char *run_dir);
bool look_for_bpffs(const char *path);
unsigned int look_for_pins(const char *pin_dir); /* maps of the current format */
bool look_for_listener(uint16_t port);           /* TCP, in this network namespace */
