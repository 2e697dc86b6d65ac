/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlayctl capture: its file, and when that is touched. The rates of overlayctl top. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/top.h"

#define YESTERDAY "what was captured yesterday"

/* ---- a daemon that answers with lines ---- */

static char dir[64], file[128], out[65536], complaint[4096];
static struct {
	int status;
	const char *text;      /* the answer of another status than 200 */
	const char *line;      /* the only one; NULL: none comes */
	off_t size_when_begun; /* of the file, before the first line */
	struct err error;
} daemon_;

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

static int fake_stream(void *ctx, const char *path, const json_t *body, const volatile sig_atomic_t *stop,
		       const struct client_listener *listener, int *ret_status, json_t **ret_value,
		       struct err *e)
{
	(void)ctx, (void)path, (void)body, (void)stop;
	if (daemon_.error.code)
		return err_set(e, daemon_.error.code, "%s", daemon_.error.text);
	*ret_status = daemon_.status;
	if (daemon_.status != 200) {
		*ret_value = json_loads(daemon_.text, 0, NULL);
		return 0;
	}
	if (!listener->begun(listener->arg))
		return 0;
	daemon_.size_when_begun = size_of(file);
	if (daemon_.line)
		listener->line(listener->arg, daemon_.line, strlen(daemon_.line));
	return 0;
}

static int capture_into(const char *path)
{
	static const char *run_dir;
	struct ctl c = { .stream = fake_stream, .run_dir = &run_dir };
	char *argv[] = { "overlayctl", "capture", "-w", (char *)path, NULL };
	int status;

	memset(out, 0, sizeof(out));
	c.out = fmemopen(out, sizeof(out), "w");
	c.err = fmemopen(complaint, sizeof(complaint), "w");
	status = ctl_run(&c, 4, argv);
	fclose(c.out);
	fclose(c.err);
	return status;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static size_t read_file(char *buf, size_t max)
{
	FILE *f = fopen(file, "r");
	size_t n;

	cr_assert_not_null(f);
	n = fread(buf, 1, max - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

static bool is_section(const void *data, size_t len)
{
	return len > 28 && !memcmp(data, "\x0a\x0d\x0d\x0a", 4);
}

static void setup(void)
{
	strcpy(dir, "/tmp/ov-test-capture-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/f.pcapng", dir);
}

static void teardown(void)
{
	unlink(file);
	rmdir(dir);
}
TestSuite(ctl_capture, .init = setup, .fini = teardown);

/* ---- the file ---- */

Test(ctl_capture, a_refused_one_leaves_the_file_as_it_was)
{
	char now[256];

	write_file(YESTERDAY);
	daemon_.status = 404;
	daemon_.text = "{\"Error\":\"there is no network \\\"nowhere\\\"\"}";
	cr_assert_eq(capture_into(file), 1);
	cr_assert(strstr(complaint, "no network"), "%s", complaint);
	read_file(now, sizeof(now));
	cr_assert_str_eq(now, YESTERDAY);
	err_set(&daemon_.error, -ENOENT, "overlayd is not running");
	cr_assert_eq(capture_into(file), 1);
	read_file(now, sizeof(now));
	cr_assert_str_eq(now, YESTERDAY);
}

Test(ctl_capture, a_refused_one_leaves_no_new_file)
{
	daemon_.status = 400;
	daemon_.text = "{\"Error\":\"the port is not one\"}";
	cr_assert_eq(capture_into(file), 1);
	cr_assert_eq(size_of(file), -1);
}

Test(ctl_capture, a_file_that_cannot_be_written_is_said_before_the_daemon_is_asked)
{
	err_set(&daemon_.error, -EIO, "it was asked");
	cr_assert_eq(capture_into(dir), 1);
	cr_assert(strstr(complaint, "cannot write /tmp/ov-test-capture"), "%s", complaint);
	cr_assert_not(strstr(complaint, "it was asked"), "%s", complaint);
}

Test(ctl_capture, once_begun_the_file_is_whole_before_the_first_packet)
{
	static char now[8192];
	char old[4096];
	size_t len;

	memset(old, 'x', sizeof(old) - 1);
	old[sizeof(old) - 1] = '\0';
	write_file(old);
	daemon_.status = 200;
	cr_assert_eq(capture_into(file), 0, "%s", complaint);
	len = read_file(now, sizeof(now));
	cr_assert(is_section(now, len));
	cr_assert_eq(daemon_.size_when_begun, (off_t)len, "the header was not there at once");
	cr_assert_null(memchr(now, 'x', len), "the old file shows through");
}

Test(ctl_capture, a_packet_and_the_end_follow)
{
	daemon_.status = 200;
	daemon_.line = "{\"Event\":\"packet\",\"Nanoseconds\":1,\"Device\":\"ov1\",\"Direction\":\"in\","
		       "\"Length\":4,\"Data\":\"00070e15\",\"Verdict\":\"FWD_LOCAL\"}";
	cr_assert_eq(capture_into(file), 0, "%s", complaint);
	cr_assert_gt(size_of(file), daemon_.size_when_begun);
	cr_assert(strstr(complaint, "1 packets; 0 lost"), "%s", complaint);
}

Test(ctl_capture, a_dash_is_standard_output_and_stays_empty_when_refused)
{
	daemon_.status = 404;
	daemon_.text = "{\"Error\":\"no\"}";
	cr_assert_eq(capture_into("-"), 1);
	cr_assert_eq(out[0], 0);
	daemon_.status = 200;
	cr_assert_eq(capture_into("-"), 0, "%s", complaint);
	cr_assert(is_section(out, sizeof(out)));
}

/* ---- rates ---- */

/* Of a row that had `was` bytes received and flows, and has `now`. */
static double rate_of(const char *what, enum top_kind kind, int was, int now)
{
	const char *row = "[{s:s, s:i, s:{s:{s:i}}}]";
	json_t *before = json_pack(row, "ID", "1", "Total", was, "Traffic", "Received", "Bytes", was);
	json_t *after = json_pack(row, "ID", "1", "Total", now, "Traffic", "Received", "Bytes", now);
	json_t *rows = top_rates(after, before, kind, 2);
	double rate = top_number(json_array_get(rows, 0), what);

	cr_assert_eq(json_array_size(rows), 1);
	json_decref(before);
	json_decref(after);
	json_decref(rows);
	return rate;
}

Test(ctl_top, a_rate_is_the_difference_a_second)
{
	cr_assert_eq(rate_of("ReceivedBytes", TOP_COUNTERS, 100, 300), 100);
	cr_assert_eq(rate_of("ReceivedBytes", TOP_SUMS, 100, 300), 100);
	cr_assert_eq(rate_of("NewFlows", TOP_SUMS, 100, 300), 100);
}

Test(ctl_top, a_counter_that_fell_began_anew)
{
	cr_assert_eq(rate_of("ReceivedBytes", TOP_COUNTERS, 1000, 300), 150);
}

Test(ctl_top, a_sum_that_fell_has_lost_a_backend_and_is_no_traffic)
{
	cr_assert_eq(rate_of("ReceivedBytes", TOP_SUMS, 1000, 300), 0);
	cr_assert_eq(rate_of("NewFlows", TOP_SUMS, 1000, 300), 0);
}
