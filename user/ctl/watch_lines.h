/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What monitor and capture share: lines of the daemon, until Ctrl-C. */
#pragma once

#include "ctl.h"

struct watch_losses {
	json_int_t ring, client, left_out;
};

/*
 * Asks `path` with `body`; once the daemon has agreed calls `begun` (may be NULL), which returns
 * false to end it; and hands each line's object to `event` until that returns false,
 * SIGINT or SIGTERM comes, or the daemon ends it. 0, or 1 after having said what is wrong.
 */
int watch_lines(struct ctl *c, const char *path, const json_t *body,
		bool (*begun)(void *arg), bool (*event)(void *arg, const json_t *line), void *arg);
/* Counts a line that tells of losses; false: it is another one. */
bool watch_count_losses(struct watch_losses *l, const json_t *line);
/* "web" or "10.10.0.2", with ":80" behind it where there is a port. */
const char *watch_end_text(const json_t *end, char *out, size_t size);
/* "12:34:56.789" of the line's time, in this machine's zone. */
const char *watch_time_text(const json_t *line, char out[16]);
