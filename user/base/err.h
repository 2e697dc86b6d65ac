/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors a person will read.
 *
 * Functions return 0 or a negative errno. Those that serve a user's wish also
 * take a struct err: one sentence that names the thing, quotes the value and
 * says what to do. The first sentence set wins: inner code knows best.
 */
#pragma once

struct err {
	int code; /* 0, or the negative errno that was returned */
	char text[320];
};

/* Fills *e unless it is NULL or already set; returns code (a negative errno). */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
