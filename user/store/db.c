/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define APPLICATION_ID 0x6f766c64 /* "ovld": what file(1) and we know the database by */
#define USER_VERSION 1            /* of the tables; a greater one is a newer overlayd's */

enum statement {
	PUT_META,
	PUT_RECORD,
	DELETE_RECORD,
	BEGIN,
	COMMIT,
	STATEMENT_COUNT,
};

static const char *const sql_of[STATEMENT_COUNT] = {
	[PUT_META] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
	[PUT_RECORD] = "INSERT OR REPLACE INTO record(key, record, seen_ms) VALUES(?1, ?2, ?3)",
	[DELETE_RECORD] = "DELETE FROM record WHERE key = ?1",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
};

struct db {
	sqlite3 *handle;
	char *path;
	sqlite3_stmt *statement[STATEMENT_COUNT];
};

static void statement_finalizep(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

static void db_closep(struct db **db)
{
	db_close(*db);
}

/* The last error of the handle as a sentence. */
static int db_error(struct db *db, int rc, struct err *e)
{
	const char *why = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, -EBUSY, "another overlayd uses \"%s\"; stop it, or give this one "
			       "its own --state-dir", db->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(e, -EBADMSG, "\"%s\" is damaged (%s); restore a backup, or move it "
			       "away and join the cluster again", db->path, why);
	case SQLITE_FULL:
		return err_set(e, -ENOSPC, "the disk of \"%s\" is full; make room, nothing was lost "
			       "and saving is tried again", db->path);
	case SQLITE_NOMEM:
		return err_set(e, -ENOMEM, "out of memory while writing \"%s\"", db->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return err_set(e, -EACCES, "cannot write \"%s\" (%s); check the permissions of its "
			       "directory and that the file system is writable", db->path, why);
	default:
		return err_set(e, -EIO, "cannot use \"%s\" (%s%s%s); check the disk", db->path, why,
			       errno ? ": " : "", errno ? strerror(errno) : "");
	}
}

static int run(struct db *db, const char *sql, struct err *e)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_error(db, rc, e);
}

static int get_int(struct db *db, const char *sql, int64_t *ret_value, struct err *e)
{
	_cleanup_(statement_finalizep) sqlite3_stmt *s = NULL;
	int rc;

	errno = 0;
	rc = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		return db_error(db, rc, e);
	*ret_value = sqlite3_column_int64(s, 0);
	return 0;
}

/* Runs a prepared statement whose parameters are bound, and makes it ready for the next use. */
static int step(struct db *db, enum statement which, struct err *e)
{
	sqlite3_stmt *s = db->statement[which];
	int rc, err;

	errno = 0;
	rc = sqlite3_step(s);
	err = rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return err;
}

/* The directory entry of a new file must survive a power cut too. */
static void sync_directory(const char *path)
{
	_cleanup_(freep) char *copy = strdup(path);
	_cleanup_(closep) int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
					  -1;

	if (fd >= 0)
		fsync(fd);
}

/*
 * The file holds keys: nobody else may read it, not even for a moment. An
 * existing one is not opened here, because closing a descriptor would drop the
 * POSIX locks that another store of this process has on it.
 */
static int create_file(const char *path, struct err *e)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		sync_directory(path);
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	return err_set(e, -errno, "cannot create \"%s\": %s; make the directory, or give another "
		       "--state-dir", path, strerror(errno));
}

/* Locking is set before anything is read: the first lock taken is kept until the end. */
static int configure(struct db *db, struct err *e)
{
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return run(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF;"
		       "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;"
		       "PRAGMA foreign_keys = ON", e);
}

static int create_tables(struct db *db, struct err *e)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "BEGIN EXCLUSIVE;"
		 "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
		 "CREATE TABLE record(key BLOB PRIMARY KEY, record BLOB NOT NULL,"
		 " seen_ms INTEGER NOT NULL) STRICT;"
		 "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		 "COMMIT", APPLICATION_ID, USER_VERSION);
	return run(db, sql, e);
}

/* A new database gets its tables; of an old one it is checked that it is ours. */
static int check_identity(struct db *db, struct err *e)
{
	int64_t app = 0, version = 0, tables = 0;
	int err = get_int(db, "PRAGMA application_id", &app, e);

	if (!err)
		err = get_int(db, "PRAGMA user_version", &version, e);
	if (!err)
		err = get_int(db, "SELECT count(*) FROM sqlite_schema", &tables, e);
	if (err)
		return err;
	if (!app && !version && !tables)
		return create_tables(db, e);
	if (app != APPLICATION_ID)
		return err_set(e, -EBADMSG, "\"%s\" is another program's database; give overlayd "
			       "its own --state-dir", db->path);
	if (version != USER_VERSION)
		return err_set(e, -EPROTO, "\"%s\" has format %lld and this overlayd knows %d; "
			       "install the overlayd that wrote it", db->path, (long long)version,
			       USER_VERSION);
	return 0;
}

/* WAL takes the lock for writing at once, so that a second daemon learns of us now. */
static int enter_wal(struct db *db, struct err *e)
{
	int err = run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", e);

	if (!err)
		err = run(db, "BEGIN IMMEDIATE; COMMIT", e);
	return err;
}

static int prepare(struct db *db, struct err *e)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(db->handle, sql_of[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &db->statement[i], NULL);

		if (rc != SQLITE_OK)
			return db_error(db, rc, e);
	}
	return 0;
}

static int open_handle(struct db *db, struct err *e)
{
	int rc, err;

	errno = 0;
	rc = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc != SQLITE_OK)
		return db_error(db, rc, e);
	sqlite3_extended_result_codes(db->handle, 1);
	err = configure(db, e);
	if (!err)
		err = check_identity(db, e);
	if (!err)
		err = enter_wal(db, e);
	if (!err)
		err = prepare(db, e);
	return err;
}

int db_open(const char *path, struct db **ret_db, struct err *e)
{
	_cleanup_(db_closep) struct db *db = calloc(1, sizeof(*db));
	int err;

	if (!db || !(db->path = strdup(path)))
		return err_set(e, -ENOMEM, "out of memory while opening \"%s\"", path);
	err = create_file(path, e);
	if (!err)
		err = open_handle(db, e);
	if (err)
		return err;
	if (chmod(path, 0600))
		return err_set(e, -errno, "cannot make \"%s\" private: %s", path, strerror(errno));
	*ret_db = TAKE_PTR(db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(db->statement[i]);
	sqlite3_close(db->handle);
	free(db->path);
	free(db);
}

static int read_failed(struct db *db, int err, struct err *e)
{
	if (err == -ENOMEM)
		return err_set(e, err, "out of memory while reading \"%s\"", db->path);
	return err_set(e, err, "\"%s\" is damaged (it holds something that is no record); restore "
		       "a backup, or move it away and join the cluster again", db->path);
}

static int read_metas(struct db *db, const struct db_reader *reader, struct err *e)
{
	_cleanup_(statement_finalizep) sqlite3_stmt *s = NULL;
	int rc, err;

	errno = 0;
	rc = sqlite3_prepare_v2(db->handle, "SELECT name, value FROM meta", -1, &s, NULL);
	if (rc != SQLITE_OK)
		return db_error(db, rc, e);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		err = reader->on_meta(reader->ctx, (const char *)sqlite3_column_text(s, 0),
				      sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
		if (err)
			return read_failed(db, err, e);
	}
	return rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

static int read_records(struct db *db, const struct db_reader *reader, struct err *e)
{
	_cleanup_(statement_finalizep) sqlite3_stmt *s = NULL;
	int rc, err;

	errno = 0;
	rc = sqlite3_prepare_v2(db->handle, "SELECT record, seen_ms FROM record", -1, &s, NULL);
	if (rc != SQLITE_OK)
		return db_error(db, rc, e);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		err = reader->on_record(reader->ctx, sqlite3_column_blob(s, 0),
					(size_t)sqlite3_column_bytes(s, 0),
					(uint64_t)sqlite3_column_int64(s, 1));
		if (err)
			return read_failed(db, err, e);
	}
	return rc == SQLITE_DONE ? 0 : db_error(db, rc, e);
}

int db_read(struct db *db, const struct db_reader *reader, struct err *e)
{
	int err = read_metas(db, reader, e);

	return err ? err : read_records(db, reader, e);
}

int db_begin(struct db *db, struct err *e)
{
	return step(db, BEGIN, e);
}

int db_commit(struct db *db, struct err *e)
{
	return step(db, COMMIT, e);
}

/* SQLite has rolled back by itself after some errors (a full disk). */
void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* Never binds NULL: the columns are NOT NULL, and an empty value has no address. */
static void bind_blob(sqlite3_stmt *s, int at, const void *data, size_t len)
{
	sqlite3_bind_blob64(s, at, len ? data : "", len, SQLITE_STATIC);
}

int db_put_meta(struct db *db, const char *name, const void *data, size_t len, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_META];

	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	bind_blob(s, 2, data, len);
	return step(db, PUT_META, e);
}

/* As the wire has it: kind, length, bytes. Returns the length. */
static size_t key_bytes(const struct record_key *key, uint8_t out[RECORD_KEY_MAX + 2])
{
	out[0] = key->kind;
	out[1] = key->len;
	memcpy(out + 2, key->bytes, key->len);
	return 2u + key->len;
}

int db_put_record(struct db *db, const struct record_key *key, const void *data, size_t len,
		  uint64_t seen_ms, struct err *e)
{
	sqlite3_stmt *s = db->statement[PUT_RECORD];
	uint8_t bytes[RECORD_KEY_MAX + 2];

	bind_blob(s, 1, bytes, key_bytes(key, bytes));
	bind_blob(s, 2, data, len);
	sqlite3_bind_int64(s, 3, (int64_t)seen_ms);
	return step(db, PUT_RECORD, e);
}

int db_delete_record(struct db *db, const struct record_key *key, struct err *e)
{
	sqlite3_stmt *s = db->statement[DELETE_RECORD];
	uint8_t bytes[RECORD_KEY_MAX + 2];

	bind_blob(s, 1, bytes, key_bytes(key, bytes));
	return step(db, DELETE_RECORD, e);
}
