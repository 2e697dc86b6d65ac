/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every map in one list: X(name, TYPE, key type, value type, entries, owner).
 *
 * `name` is the pin name below PIN_DIR/v<OV_FORMAT>/. A CONTROL map is written
 * by apply/ alone and only read by programs; a DATAPATH map the other way round.
 * HASH maps are not preallocated, so `entries` is a bound and not a cost.
 */
#pragma once

#include "config.h"
#include "counter.h"
#include "endpoint.h"
#include "network.h"
#include "peer.h"
#include "verdict.h"

#define OV_MAPS(X)                                                                      \
	X(config, ARRAY, __u32, struct ov_config, 1, CONTROL)                           \
	X(networks, HASH, struct ov_network_key, struct ov_network, 65536, CONTROL)     \
	X(peers, HASH, struct ov_peer_key, struct ov_peer, 16384, CONTROL)              \
	X(endpoints, HASH, struct ov_endpoint_key, struct ov_endpoint, 1048576, CONTROL) \
	X(devices, HASH, struct ov_device_key, struct ov_device, 65536, CONTROL)        \
	X(counters, PERCPU_ARRAY, __u32, struct ov_counter, OV_VERDICT_COUNT, DATAPATH)
