/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a network device says of itself by the ethtool ioctl (linux/ethtool.h). */
#pragma once

#include <stdbool.h>

/* The driver's name as `ethtool -i` shows it; empty when it has none. */
void ethtool_driver(const char *device, char ret_driver[32]);
/* Whether a feature of `ethtool -k`, such as "esp-hw-offload", is on. False when it is unknown. */
bool ethtool_has(const char *device, const char *feature);
