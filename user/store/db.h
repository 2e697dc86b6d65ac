/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The database behind a store: records as they stand on the wire, and small
 * named values. Private to store/; the only file of a core room that does I/O.
 *
 * Every error is a sentence with the path in it, and leaves the database as it
 * was at the last commit.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/record.h"

struct db;

/* Makes it when it is not there. -EBUSY: another process has it; -EBADMSG: damaged or not ours. */
int db_open(const char *path, struct db **ret_db, struct err *e);
void db_close(struct db *db); /* NULL is fine */

/* Calls the functions for all that is stored, until one returns non-zero. */
struct db_reader {
	int (*on_meta)(void *ctx, const char *name, const void *data, size_t len);
	int (*on_record)(void *ctx, const void *data, size_t len, uint64_t seen_ms);
	void *ctx;
};
int db_read(struct db *db, const struct db_reader *reader, struct err *e);

/* A transaction; whatever fails in it, db_rollback ends it. */
int db_begin(struct db *db, struct err *e);
int db_commit(struct db *db, struct err *e); /* on disk when it returns 0 */
void db_rollback(struct db *db);

int db_put_meta(struct db *db, const char *name, const void *data, size_t len, struct err *e);
int db_put_record(struct db *db, const struct record_key *key, const void *data, size_t len,
		  uint64_t seen_ms, struct err *e);
int db_delete_record(struct db *db, const struct record_key *key, struct err *e);
