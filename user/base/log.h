/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines for people, on standard error; the journal's <N> prefixes when
 * standard error is the journal. Only serve/, apply/ and agent/ speak.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Parses error|warn|info|debug. Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);
void log_init(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
