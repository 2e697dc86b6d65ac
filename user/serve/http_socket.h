/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening unix socket of a server: made, replaced when its daemon is dead, removed. */
#pragma once

#include <sys/stat.h>

#include "base/err.h"

/*
 * Listens on path with mode 0600, making missing directories (0755). A socket
 * nobody listens on is replaced; one that answers, or a file that is no socket,
 * is an error with a sentence. Non-blocking, close-on-exec.
 */
int http_socket_listen(const char *path, struct stat *ret_stat, int *ret_fd, struct err *e);
/* Removes path when it still is the socket that was made. */
void http_socket_unlink(const char *path, const struct stat *made);
