/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map `calls` (PROG_ARRAY): programs that others jump to (tail calls), each with a
 * stack of its own. The daemon fills it before anything is attached, and keeps it
 * pinned: the kernel empties it when nobody in user space holds it.
 */
#pragma once

enum ov_call {
	OV_CALL_FRONT,  /* from outside to this host: published ports, answers to containers */
	OV_CALL_EGRESS, /* from a container to what is no endpoint */
	OV_CALL_ARRIVE, /* popped: from outside, entered at another node, to a backend here */
	OV_CALL_RETURN, /* popped: from a backend elsewhere to a client outside */
	OV_CALL_COUNT,
};
