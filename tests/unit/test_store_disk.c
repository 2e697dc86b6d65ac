/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outlives the process: restarts, kills, full disks and files that are not ours. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_helpers.h"

/* The sentence with which opening fails. */
static struct err refused_open(const char *path)
{
	struct err e = { 0 };
	struct store *s = NULL;
	struct rng rng;

	rng_init_u64(&rng, 1);
	cr_assert_neq(store_open(path, &rng, &s, &e), 0);
	cr_assert_null(s);
	cr_assert_neq(e.code, 0);
	return e;
}

struct disk {
	char dir[64], path[96];
};

static struct disk disk_new(void)
{
	struct disk d = { "/tmp/ovstore.XXXXXX", "" };

	cr_assert_not_null(mkdtemp(d.dir));
	snprintf(d.path, sizeof(d.path), "%s/state.db", d.dir);
	return d;
}

static void disk_fini(struct disk *d)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", d->path, suffixes[i]);
		unlink(path);
	}
	rmdir(d->dir);
}
#define DISK _cleanup_(disk_fini) struct disk d = disk_new()

Test(disk, a_restart_resumes_with_the_same_node_and_a_new_generation)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE twin = memory(3);
	struct id self = *store_self(s);
	uint64_t generation = store_generation(s);

	put_node(s, "host-a");
	put_endpoint(s, &pod_one, "web");
	cr_assert_eq(write_endpoint(s, &pod_two, &self, "gone", true, NULL), 0);
	put_network(s, &app_net, "net", false, NOW);
	commit(s);
	pass_all(s, twin);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert(id_equal(store_self(again), &self));
	cr_assert_eq(store_generation(again), generation + 1);
	cr_assert_eq(store_count(again), 4);
	cr_assert(endpoint(again, &pod_two)->tombstone);
	cr_assert_eq(endpoint(again, &pod_two)->seen_ms, NOW);
	cr_assert_str_eq(endpoint(again, &pod_one)->endpoint.name, "web");
	cr_assert(same_hashes(again, twin));
	cr_assert_eq(announced(again), 0, "that was done in the earlier life");
}

Test(disk, what_a_restarted_node_writes_is_newer_than_all_it_wrote_before)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE other = memory(3);

	put_endpoint(s, &pod_one, "before");
	put_network(s, &app_net, "before", false, NOW + 1000);
	commit(s);
	pass_all(s, other);
	store_close(s);
	again = open_at(d.path, 2);
	put_endpoint(again, &pod_one, "after");
	put_network(again, &app_net, "after", false, NOW);
	commit(again);
	cr_assert_eq(pass(again, other, RECORD_ENDPOINT, &pod_one), MERGE_NEW);
	cr_assert_eq(pass(again, other, RECORD_NETWORK, &app_net), MERGE_NEW, "clock set back");
}

Test(disk, what_was_not_committed_is_gone_after_a_restart)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_endpoint(s, &pod_one, "kept");
	commit(s);
	put_endpoint(s, &pod_one, "lost");
	put_endpoint(s, &pod_two, "lost");
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_str_eq(endpoint(again, &pod_one)->endpoint.name, "kept");
	cr_assert_null(endpoint(again, &pod_two));
}

Test(disk, forgotten_records_leave_the_disk_with_the_next_commit)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_network(s, &pod_two, "net", true, NOW);
	put_endpoint(s, &pod_one, "web");
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 1);
	commit(s);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_null(network(again, &pod_two));
	cr_assert_not_null(endpoint(again, &pod_one));
}

Test(disk, a_key_forgotten_and_written_again_in_one_batch_is_kept)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;

	put_network(s, &app_net, "old", true, NOW);
	commit(s);
	cr_assert_eq(store_purge(s, NOW + AGE + 1, AGE), 1);
	put_network(s, &app_net, "new", false, NOW);
	commit(s);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_str_eq(network(again, &app_net)->network.name, "new");
}

Test(disk, an_adopted_generation_outlives_a_restart)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	STORE old_life = memory(2);

	forge_self(old_life, s);
	old_life->generation = 500;
	put_endpoint(old_life, &pod_one, "old");
	commit(old_life);
	cr_assert_eq(pass(old_life, s, RECORD_ENDPOINT, &pod_one), MERGE_REFUTED);
	commit(s);
	cr_assert_eq(store_generation(s), 501);
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_eq(store_generation(again), 502);
}

Test(disk, values_by_name_are_kept_at_once)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	struct buf out = { 0 };
	struct err e = { 0 };

	cr_assert_eq(store_meta_get(s, "token", &out), -ENOENT);
	cr_assert_eq(store_meta_set(s, "token", "first", 5, NULL), 0);
	cr_assert_eq(store_meta_set(s, "token", "second", 6, NULL), 0);
	cr_assert_eq(store_meta_set(s, "empty", NULL, 0, NULL), 0);
	cr_assert_eq(store_meta_set(s, ".identity", "x", 1, &e), -EINVAL);
	cr_assert_eq(store_meta_get(s, ".identity", &out), -ENOENT, "the secret stays in the store");
	store_close(s);
	again = open_at(d.path, 2);
	cr_assert_eq(store_meta_get(again, "token", &out), 0);
	cr_assert_eq(out.len, 6);
	cr_assert_arr_eq(out.data, "second", 6);
	buf_reset(&out);
	cr_assert_eq(store_meta_get(again, "empty", &out), 0);
	cr_assert_eq(out.len, 0);
	buf_fini(&out);
}

Test(disk, only_its_user_may_read_the_file)
{
	DISK;
	STORE s = NULL;
	struct stat st;
	char wal[128];

	umask(0);
	s = open_at(d.path, 1);
	put_node(s, "host-a");
	commit(s);
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	snprintf(wal, sizeof(wal), "%s-wal", d.path);
	cr_assert_eq(stat(wal, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	store_close(TAKE_PTR(s));
	cr_assert_eq(chmod(d.path, 0644), 0);
	s = open_at(d.path, 1);
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600, "a lax one is mended");
}

/* Runs fn in a child process; returns its wait status. */
static int in_child(void (*fn)(const struct disk *d), const struct disk *d)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (!pid) {
		is_child = true;
		fn(d);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_busy(const struct disk *d)
{
	struct err e = { 0 };
	struct store *s;
	struct rng rng;

	rng_init_u64(&rng, 9);
	_exit(store_open(d->path, &rng, &s, &e) == -EBUSY &&
	      strstr(e.text, "another overlayd uses") ? 42 : 1);
}

Test(disk, a_second_daemon_on_one_state_directory_is_told)
{
	DISK;
	STORE s = open_at(d.path, 1);
	int status = in_child(expect_busy, &d);
	struct err e;

	cr_assert_eq(WEXITSTATUS(status), 42);
	e = refused_open(d.path);
	cr_assert_eq(e.code, -EBUSY, "in one process too");
	put_node(s, "host-a");
	commit(s);
	cr_assert_eq(WEXITSTATUS(in_child(expect_busy, &d)), 42, "the failed attempts freed nothing");
}

static void commit_then_die(const struct disk *d)
{
	struct store *s = open_at(d->path, 1);

	put_endpoint(s, &pod_one, "kept");
	commit(s);
	put_endpoint(s, &pod_two, "not-committed");
	kill(getpid(), SIGKILL);
}

Test(disk, a_killed_process_keeps_what_was_committed_and_nothing_else)
{
	DISK;
	STORE s = NULL;
	int status = in_child(commit_then_die, &d);

	cr_assert(WIFSIGNALED(status), "status %x", status);
	s = open_at(d.path, 2);
	cr_assert_str_eq(endpoint(s, &pod_one)->endpoint.name, "kept");
	cr_assert_null(endpoint(s, &pod_two));
}

/* Commits without end and reports each committed number, until it is killed. */
static void commit_for_ever(const char *path, int report)
{
	struct store *s = open_at(path, 1);

	for (uint32_t i = 1;; i++) {
		struct id id = { { 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

		put_endpoint(s, &id, "x");
		commit(s);
		if (write(report, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

Test(disk, no_reported_commit_is_lost_whenever_the_process_is_killed)
{
	DISK;
	uint32_t last = 0, want = 1;

	for (int round = 0; round < 5; round++) {
		STORE s = NULL;
		int fds[2], status;
		pid_t pid;

		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		cr_assert_geq(pid, 0);
		if (!pid) {
			is_child = true;
			close(fds[0]);
			commit_for_ever(d.path, fds[1]);
		}
		close(fds[1]);
		for (want += 7; last < want && read(fds[0], &last, sizeof(last)) == sizeof(last);)
			;
		cr_assert_geq(last, want);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &last, sizeof(last)) == sizeof(last))
			;
		close(fds[0]);
		s = open_at(d.path, 2);
		for (uint32_t i = 1; i <= last; i++) {
			struct id id = { { 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };

			cr_assert_not_null(endpoint(s, &id), "commit %u of %u", i, last);
		}
	}
}

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(disk, what_cannot_be_saved_is_not_sent_and_is_saved_later)
{
	DISK;
	STORE s = open_at(d.path, 1);
	struct record_key key = key_of_id(RECORD_ENDPOINT, &pod_two);
	struct err e = { 0 };
	struct stat st;
	struct record r;
	char wal[128];

	put_endpoint(s, &pod_one, "before");
	commit(s);
	cr_assert_eq(announced(s), 1);
	signal(SIGXFSZ, SIG_IGN);
	snprintf(wal, sizeof(wal), "%s-wal", d.path);
	cr_assert_eq(stat(wal, &st), 0);
	limit_files((rlim_t)st.st_size);
	put_endpoint(s, &pod_two, "waits");
	cr_assert_lt(store_commit(s, &e), 0);
	cr_assert_not_null(strstr(e.text, d.path), "%s", e.text);
	cr_assert_eq(store_get(s, &key, &r), -ENOENT);
	cr_assert_eq(announced(s), 0);
	cr_assert_not_null(endpoint(s, &pod_two), "readers see it all the same");
	cr_assert_lt(store_commit(s, NULL), 0, "still full");
	limit_files(RLIM_INFINITY);
	commit(s);
	cr_assert_eq(announced(s), 1);
	store_close(TAKE_PTR(s));
	s = open_at(d.path, 2);
	cr_assert_not_null(endpoint(s, &pod_two));
	cr_assert_not_null(endpoint(s, &pod_one));
}

/* ---- files that are not ours or are broken ---- */

static void run_sql(const struct disk *d, const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(d->path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void expect_sentence(const struct disk *d, int code, const char *words)
{
	struct err e = refused_open(d->path);

	cr_assert_eq(e.code, code, "%s", e.text);
	cr_assert_not_null(strstr(e.text, d->path), "%s", e.text);
	cr_assert_not_null(strstr(e.text, words), "%s", e.text);
}

static void write_file(const char *path, size_t at, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, data, len, (off_t)at), (ssize_t)len);
	close(fd);
}

Test(disk, a_file_that_is_no_database_is_left_alone)
{
	DISK;
	struct stat st;
	char text[2048];

	memset(text, 'x', sizeof(text));
	write_file(d.path, 0, text, sizeof(text));
	expect_sentence(&d, -EBADMSG, "damaged");
	cr_assert_eq(stat(d.path, &st), 0);
	cr_assert_eq(st.st_size, (off_t)sizeof(text));
}

Test(disk, another_programs_database_is_left_alone)
{
	DISK;

	run_sql(&d, "CREATE TABLE theirs(x)");
	expect_sentence(&d, -EBADMSG, "another program's");
	run_sql(&d, "SELECT x FROM theirs");
}

Test(disk, a_newer_format_asks_for_a_newer_overlayd)
{
	DISK;

	store_close(open_at(d.path, 1));
	run_sql(&d, "PRAGMA user_version = 2");
	expect_sentence(&d, -EPROTO, "format 2");
}

Test(disk, overwritten_pages_are_damage)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	uint8_t noise[4096];
	struct stat st;

	for (uint8_t i = 1; i < 100; i++) {
		struct id id = { { i } };

		put_endpoint(s, &id, "some-name-to-fill-pages-with");
	}
	commit(s);
	store_close(s);
	memset(noise, 0xa5, sizeof(noise));
	cr_assert_eq(stat(d.path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096)
		write_file(d.path, (size_t)at, noise, sizeof(noise));
	expect_sentence(&d, -EBADMSG, "damaged");
}

Test(disk, a_row_that_is_no_record_is_damage)
{
	DISK;

	store_close(open_at(d.path, 1));
	run_sql(&d, "INSERT INTO record VALUES(x'04', x'0102', 0)");
	expect_sentence(&d, -EBADMSG, "no record");
}

Test(disk, a_database_without_identity_is_not_given_a_new_one)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	struct err e;

	put_node(s, "host-a");
	commit(s);
	store_close(s);
	run_sql(&d, "DELETE FROM meta");
	e = refused_open(d.path);
	cr_assert_eq(e.code, -EBADMSG);
	cr_assert_not_null(strstr(e.text, "its node's identity"), "%s", e.text);
}

Test(disk, an_id_of_before_there_were_identities_is_refused_with_what_to_do)
{
	DISK;
	struct store *s = open_at(d.path, 1);

	put_node(s, "host-a");
	commit(s);
	store_close(s);
	run_sql(&d, "UPDATE meta SET name = '.self' WHERE name = '.identity'");
	cr_assert_not_null(strstr(refused_open(d.path).text, "delete it and join the cluster again"));
}

Test(disk, an_identity_is_kept_and_signs_in_the_next_life)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	struct identity was = s->identity;
	STORE again = NULL;
	STORE other = memory(2);

	cr_assert_eq(write_key(s, store_self(s), 1, false, NULL), 0);
	commit(s);
	store_close(s);
	again = open_at(d.path, 3);
	cr_assert_arr_eq(&again->identity, &was, sizeof(was));
	cr_assert_eq(pass(again, other, RECORD_KEY, store_self(again)), MERGE_NEW, "signed before");
	cr_assert_eq(write_key(again, store_self(again), 2, false, NULL), 0);
	commit(again);
	cr_assert_eq(pass(again, other, RECORD_KEY, store_self(again)), MERGE_NEW, "and after");
}

Test(disk, a_key_that_was_forged_in_the_database_is_left_out_and_named)
{
	DISK;
	struct store *s = open_at(d.path, 1);
	STORE again = NULL;
	struct node_key k = { .public_key = { 7 } };
	struct buf body = { 0 };
	const struct id *forged;
	struct record r;

	node_key_encode(&body, &k);
	r = (struct record){ .key = key_of_id(RECORD_KEY, &stranger), .stamp = { 1, 1 },
			     .writer = stranger, .body = body.data,
			     .body_len = (uint16_t)body.len };
	cr_assert_eq(entry_put(s, &r, NOW), 0);
	commit(s);
	store_close(s);
	again = open_at(d.path, 1);
	cr_assert_null(view_key_of(store_view(again), &stranger));
	cr_assert_eq(store_forged(again, &forged), 1);
	cr_assert(id_equal(&forged[0], &stranger));
	buf_fini(&body);
}

Test(disk, an_empty_file_is_a_first_start)
{
	DISK;
	STORE s = NULL;

	write_file(d.path, 0, "", 0);
	s = open_at(d.path, 1);
	put_node(s, "host-a");
	commit(s);
}

Test(disk, a_missing_directory_is_named)
{
	struct err e = refused_open("/tmp/ovstore-no-such-directory/state.db");

	cr_assert_eq(e.code, -ENOENT);
	cr_assert_not_null(strstr(e.text, "/tmp/ovstore-no-such-directory/state.db"));
	cr_assert_not_null(strstr(e.text, "make the directory"));
}

Test(disk, records_of_a_newer_version_wait_on_disk)
{
	DISK;
	struct record r = { .writer = stranger, .stamp = { 1, 1 } };
	STORE s = NULL;
	struct buf b = { 0 };
	char sql[512], hex[300];

	store_close(open_at(d.path, 1));
	r.key = key_of_id(77, &pod_one);
	record_encode(&b, &r);
	snprintf(sql, sizeof(sql), "INSERT INTO record VALUES(x'4d', x'%s', 0)",
		 hex_format(b.data, b.len, hex));
	buf_fini(&b);
	run_sql(&d, sql);
	s = open_at(d.path, 2);
	cr_assert_eq(store_count(s), 0);
	put_node(s, "host-a");
	commit(s);
	store_close(TAKE_PTR(s));
	run_sql(&d, "UPDATE record SET seen_ms = 1 WHERE key = x'4d'");
}
