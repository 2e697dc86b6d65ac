/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pcapng file of `overlayctl capture`. What the file held before is kept until the daemon
 * has agreed: a capture that is refused changes nothing.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CAPTURE_NAME_MAX 64

struct capture_file;

/* Opens path, or takes out (borrowed) for "-". 0 or a negative errno. */
int capture_file_open(const char *path, FILE *out, struct capture_file **ret_file);
/* From here on it holds this capture, and can be read at once. False: it cannot be written. */
bool capture_file_begin(struct capture_file *f);
bool capture_file_packet(struct capture_file *f, const json_t *line);
/* Releases f; NULL is harmless. lost: packets that were not told. False: not all of it is written. */
bool capture_file_close(struct capture_file *f, uint64_t lost);

/* Where a packet was seen, as an interface's name: "ov1234 in", "eth0 out, XDP". */
const char *capture_interface_text(const json_t *line, char out[CAPTURE_NAME_MAX]);
