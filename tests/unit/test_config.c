/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config.h"

#define TOKEN "ov1-000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static int parse_args(struct options *o, struct err *e, int argc, char **argv)
{
	return options_parse_args(argc, argv, o, e);
}
#define ARGS(o, e, ...)                                                  \
	parse_args(o, e, (int)(sizeof((char *[]){ "", __VA_ARGS__ }) / sizeof(char *)), \
		   (char *[]){ "overlayd", ##__VA_ARGS__ })

static int load(struct options *o, struct err *e, int argc, char **argv)
{
	return options_load(argc, argv, o, e);
}
#define LOAD(o, e, ...)                                            \
	load(o, e, (int)(sizeof((char *[]){ "", __VA_ARGS__ }) / sizeof(char *)), \
	     (char *[]){ "overlayd", ##__VA_ARGS__ })

static int parse_text(struct options *o, struct err *e, const char *text)
{
	return options_parse_text(text, strlen(text), "overlayd.conf", o, e);
}

static void refuses_args(const char *key, const char *value, const char *part)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(ARGS(&o, &e, (char *)key, (char *)value), -EINVAL, "%s %s is taken", key, value);
	cr_assert(strstr(e.text, key), "\"%s\" does not name %s", e.text, key);
	cr_assert(strstr(e.text, part), "\"%s\" does not say \"%s\"", e.text, part);
	cr_assert_eq(options_exit_status(&e), 2);
}

static void refuses_text(const char *text, const char *part)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(parse_text(&o, &e, text), -EINVAL, "taken: %s", text);
	cr_assert(strstr(e.text, part), "\"%s\" does not say \"%s\"", e.text, part);
}

/* A file below /tmp with that text; the caller unlinks it. */
static void write_file(char path[64], const char *text)
{
	FILE *file;

	strcpy(path, "/tmp/ov-test-config-XXXXXX");
	file = fdopen(mkstemp(path), "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

/* ---- command line ---- */

Test(config, defaults_are_those_of_the_manual)
{
	struct options o;

	options_init(&o);
	cr_assert_eq(o.vxlan_port, 4789);
	cr_assert_eq(o.gossip_port, 7946);
	cr_assert(o.masquerade.first == 61000 && o.masquerade.last == 65535);
	cr_assert_str_eq(o.state_dir, "/var/lib/overlayd");
	cr_assert_str_eq(o.run_dir, "/run/overlayd");
	cr_assert_str_eq(o.bpffs, "/sys/fs/bpf");
	cr_assert_str_eq(o.pin_dir, "overlayd");
	cr_assert_eq(o.xdp, OPTION_XDP_AUTO);
	cr_assert_eq(o.log_level, LOG_LEVEL_INFO);
}

Test(config, every_option_is_read_with_a_space_and_with_an_equals_sign)
{
	struct options o = { 0 };
	struct err e = { 0 };
	char addr[ADDR_TEXT_MAX];

	cr_assert_eq(ARGS(&o, &e, "--attach", "eth0", "--node=n1", "--advertise", "10.0.0.9",
			  "--vxlan-port=8472", "--gossip-port", "7000", "--masquerade-ports",
			  "50000-50255", "--state-dir=/s", "--run-dir", "/r", "--bpffs=/b", "--pin-dir", "p/q", "--xdp=native", "--log-level", "debug",
			  "--store=gossip", "--token", TOKEN), 0, "%s", e.text);
	cr_assert_str_eq(o.attach, "eth0");
	cr_assert_str_eq(o.node, "n1");
	cr_assert_str_eq(addr_format(&o.advertise, addr), "10.0.0.9");
	cr_assert_eq(o.vxlan_port, 8472);
	cr_assert_eq(o.gossip_port, 7000);
	cr_assert(o.masquerade.first == 50000 && o.masquerade.last == 50255);
	cr_assert_str_eq(o.state_dir, "/s");
	cr_assert_str_eq(o.run_dir, "/r");
	cr_assert_str_eq(o.bpffs, "/b");
	cr_assert_str_eq(o.pin_dir, "p/q");
	cr_assert_eq(o.xdp, OPTION_XDP_NATIVE);
	cr_assert_eq(o.log_level, LOG_LEVEL_DEBUG);
	cr_assert(o.has_token);
	cr_assert_eq(o.token[31], 0x1f);
}

Test(config, join_is_repeatable_and_takes_every_form_of_address)
{
	struct options o = { 0 };
	struct err e = { 0 };
	char text[ADDR_TEXT_MAX];

	cr_assert_eq(ARGS(&o, &e, "--join", "10.0.0.1", "--join", "10.0.0.2:8000", "--join", "fd00::1",
			  "--join", "[fd00::2]:9000", "--join", "[fd00::3]"), 0, "%s", e.text);
	cr_assert_eq(o.join_count, 5);
	cr_assert_eq(o.join[0].port, 0);
	cr_assert_eq(o.join[1].port, 8000);
	cr_assert_str_eq(addr_format(&o.join[2].addr, text), "fd00::1");
	cr_assert_eq(o.join[3].port, 9000);
	cr_assert_str_eq(addr_format(&o.join[4].addr, text), "fd00::3");
}

Test(config, a_bad_value_is_quoted)
{
	refuses_args("--attach", "a-name-longer-than-15", "a-name-longer-than-15");
	refuses_args("--attach", "eth/0", "eth/0");
	refuses_args("--attach", "", "interface");
	refuses_args("--node", "no spaces", "no spaces");
	refuses_args("--advertise", "banana", "banana");
	refuses_args("--advertise", "::", "::");
	refuses_args("--join", "banana", "banana");
	refuses_args("--join", "10.0.0.1:", "port");
	refuses_args("--join", "10.0.0.1:70000", "70000");
	refuses_args("--join", "[fd00::1]x", "port");
	refuses_args("--vxlan-port", "0", "0");
	refuses_args("--vxlan-port", "65536", "65536");
	refuses_args("--gossip-port", "7946x", "7946x");
	refuses_args("--gossip-port", "-1", "-1");
	refuses_args("--masquerade-ports", "61000", "FIRST-LAST");
	refuses_args("--masquerade-ports", "-61000", "FIRST-LAST");
	refuses_args("--masquerade-ports", "61000-", "FIRST-LAST");
	refuses_args("--masquerade-ports", "61000-65536", "FIRST-LAST");
	refuses_args("--masquerade-ports", "61000-62000-63000", "FIRST-LAST");
	refuses_args("--masquerade-ports", "0000061000-65535", "FIRST-LAST");
	refuses_args("--masquerade-ports", "65535-61000", "smaller port first");
	refuses_args("--masquerade-ports", "50000-50254", "only 255 ports: give at least 256");
	refuses_args("--xdp", "fast", "fast");
	refuses_args("--log-level", "loud", "loud");
	refuses_args("--state-dir", "", "empty");
}

Test(config, a_bad_token_is_not_quoted)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(ARGS(&o, &e, "--token", "ov1-secret"), -EINVAL);
	cr_assert_null(strstr(e.text, "secret"), "%s", e.text);
	cr_assert(strstr(e.text, "cluster token"), "%s", e.text);
}

Test(config, pins_stay_below_the_bpf_file_system)
{
	refuses_args("--pin-dir", "/overlayd", "/overlayd");
	refuses_args("--pin-dir", "../x", "../x");
	refuses_args("--pin-dir", "a/../b", "a/../b");
	refuses_args("--pin-dir", "v1.0", "v1.0");
}

Test(config, a_run_dir_too_long_for_a_socket_is_refused)
{
	char path[120];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	refuses_args("--run-dir", path, "socket");
}

Test(config, stores_of_other_builds_are_refused_by_name)
{
	refuses_args("--store", "etcd=http://127.0.0.1:2379", "gossip only");
}

Test(config, metrics_are_served_at_an_address_and_port)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(ARGS(&o, &e, "--metrics", "127.0.0.1:9100"), 0, "%s", e.text);
	cr_assert_eq(o.metrics.port, 9100);
	cr_assert_eq(addr_v4(&o.metrics.addr), 0x7f000001);
	refuses_args("--metrics", "127.0.0.1", "ADDR:PORT");
	refuses_args("--metrics", "host:9100", "host:9100");
	refuses_args("--metrics", "127.0.0.1:0", "port");
	refuses_args("--metrics", "fd00::1", "ADDR:PORT");
}

Test(config, what_is_no_option_is_wrong_usage)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(ARGS(&o, &e, "--frobnicate"), -EINVAL);
	cr_assert(strstr(e.text, "--frobnicate"), "%s", e.text);
	e.code = 0;
	cr_assert_eq(ARGS(&o, &e, "eth0"), -EINVAL);
	cr_assert(strstr(e.text, "eth0"), "%s", e.text);
	e.code = 0;
	cr_assert_eq(ARGS(&o, &e, "--attach"), -EINVAL);
	cr_assert(strstr(e.text, "needs a value"), "%s", e.text);
	e.code = 0;
	cr_assert_eq(ARGS(&o, &e, "--attach=eth0", "--attach=eth1"), -EINVAL);
	cr_assert(strstr(e.text, "twice"), "%s", e.text);
}

/* ---- the file ---- */

Test(config, the_file_has_the_same_keys)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(parse_text(&o, &e, "# a comment\n"
					"attach = eth0\n"
					"\n"
					"  ; another\n"
					"join = 10.0.0.1\n"
					"join=10.0.0.2:7000\n"
					"pin-dir = ov\n"), 0, "%s", e.text);
	cr_assert_str_eq(o.attach, "eth0");
	cr_assert_eq(o.join_count, 2);
	cr_assert_str_eq(o.pin_dir, "ov");
}

Test(config, a_mistake_in_the_file_is_named_with_its_line)
{
	refuses_text("attach = eth0\n\ncolour = red\n", "overlayd.conf:3: unknown key \"colour\"");
	refuses_text("gossip-port = 99999\n", "overlayd.conf:1: gossip-port \"99999\"");
	refuses_text("attach eth0\n", "overlayd.conf:1");
	refuses_text("attach = a\nattach = b\n", "overlayd.conf:2: attach is given twice");
	refuses_text("\n[daemon]\nattach = a\n", "overlayd.conf:2: sections");
	refuses_text("config = x\n", "overlayd.conf:1: unknown key \"config\"");
}

Test(config, the_first_mistake_is_the_one_that_is_named)
{
	refuses_text("colour = red\nattach\n", "overlayd.conf:1:");
	refuses_text("attach\ncolour = red\n", "overlayd.conf:1:");
}

Test(config, a_line_too_long_is_refused_and_not_cut)
{
	char text[400];

	snprintf(text, sizeof(text), "attach = eth0\nstate-dir = /%0250d\n", 0);
	refuses_text(text, "overlayd.conf:2: the line is longer");
}

Test(config, a_file_that_is_no_text_is_refused)
{
	struct options o = { 0 };
	struct err e = { 0 };

	cr_assert_eq(options_parse_text("attach\0= eth0", 13, "x", &o, &e), -EINVAL);
	cr_assert(strstr(e.text, "not a text file"), "%s", e.text);
}

/* ---- both ---- */

Test(config, the_command_line_hides_what_the_file_says)
{
	struct options o;
	struct err e = { 0 };
	char path[64];

	write_file(path, "attach = eth0\nnode = of-the-file\njoin = 10.0.0.1\njoin = 10.0.0.2\n"
			 "gossip-port = 7000\n");
	cr_assert_eq(LOAD(&o, &e, "--config", path, "--node", "of-the-line", "--join", "10.0.0.3"), 0, "%s",
		     e.text);
	unlink(path);
	cr_assert_str_eq(o.attach, "eth0");
	cr_assert_str_eq(o.node, "of-the-line");
	cr_assert_eq(o.join_count, 1);
	cr_assert_eq(addr_v4(&o.join[0].addr), 0x0a000003);
	cr_assert_eq(o.join[0].port, 7000, "a join without port takes our own gossip port");
	cr_assert_str_eq(o.state_dir, "/var/lib/overlayd");
}

Test(config, a_token_file_is_read)
{
	struct options o;
	struct err e = { 0 };
	char path[64];

	write_file(path, TOKEN "\n");
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--node", "n", "--token-file", path), 0, "%s",
		     e.text);
	cr_assert(o.has_token);
	cr_assert_eq(o.token[1], 1);
	e.code = 0;
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--token-file", path, "--token", TOKEN), -EINVAL);
	cr_assert(strstr(e.text, "give one"), "%s", e.text);
	unlink(path);
}

Test(config, a_token_on_the_line_hides_the_files_token_file)
{
	struct options o;
	struct err e = { 0 };
	char path[64];

	write_file(path, "attach = eth0\nnode = n\ntoken-file = /does/not/exist\n");
	cr_assert_eq(LOAD(&o, &e, "--config", path, "--token", TOKEN), 0, "%s", e.text);
	unlink(path);
	cr_assert(o.has_token);
}

Test(config, files_that_cannot_be_read_are_no_wrong_usage)
{
	struct options o;
	struct err e = { 0 };

	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--config", "/does/not/exist"), -ENOENT);
	cr_assert(strstr(e.text, "/does/not/exist"), "%s", e.text);
	cr_assert_eq(options_exit_status(&e), 1);
	e.code = 0;
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--token-file", "/does/not/exist"), -ENOENT);
}

Test(config, a_token_file_without_token_is_a_sentence)
{
	struct options o;
	struct err e = { 0 };
	char path[64];

	write_file(path, "hello\n");
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--token-file", path), -EINVAL);
	unlink(path);
	cr_assert(strstr(e.text, path), "%s", e.text);
}

Test(config, an_uplink_is_needed_unless_nothing_is_to_run)
{
	struct options o;
	struct err e = { 0 };

	cr_assert_eq(LOAD(&o, &e), -EINVAL);
	cr_assert(strstr(e.text, "--attach"), "%s", e.text);
	e.code = 0;
	cr_assert_eq(LOAD(&o, &e, "--detach"), 0, "%s", e.text);
	cr_assert(o.detach);
	cr_assert_eq(LOAD(&o, &e, "--help"), 0, "%s", e.text);
	cr_assert(o.help);
	cr_assert_eq(LOAD(&o, &e, "--version"), 0, "%s", e.text);
	cr_assert(o.version);
}

Test(config, one_port_for_two_things_is_refused)
{
	struct options o;
	struct err e = { 0 };

	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--vxlan-port", "7946"), -EINVAL);
	cr_assert(strstr(e.text, "7946"), "%s", e.text);
	e = (struct err){ 0 };
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--gossip-port", "62000"), -EINVAL);
	cr_assert(strstr(e.text, "--gossip-port 62000") && strstr(e.text, "61000-65535"), "%s", e.text);
	e = (struct err){ 0 };
	cr_assert_eq(LOAD(&o, &e, "--attach", "eth0", "--masquerade-ports", "4000-5000"), -EINVAL);
	cr_assert(strstr(e.text, "--vxlan-port 4789"), "%s", e.text);
}

Test(config, the_help_names_every_option)
{
	static const char *const names[] = { "--attach", "--node", "--advertise", "--join", "--token",
					     "--token-file", "--vxlan-port", "--gossip-port",
					     "--masquerade-ports",
					     "--state-dir", "--run-dir", "--bpffs", "--pin-dir", "--xdp",
					     "--resolv-conf",
					     "--store", "--config", "--log-level", "--detach" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert(strstr(options_help(), names[i]), "%s is missing", names[i]);
}
