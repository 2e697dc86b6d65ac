/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ownership that a reader of one function can check: _cleanup_ releases at the
 * end of scope, TAKE_* hands over.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p)
{
	free(*(void **)p);
}
static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define TAKE_PTR(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) __extension__({ int taken_ = (fd); (fd) = -1; taken_; })
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
