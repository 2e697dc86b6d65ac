/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlayctl capture: packets into a pcapng file, or a line each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file.h"
#include "ctl.h"
#include "watch_lines.h"

struct capture {
	struct ctl *c;
	struct capture_file *file; /* NULL: lines */
	struct watch_losses losses;
	uint64_t packets, count;   /* count: to end after; 0: never */
	bool failed;
};

/* ---- what was asked ---- */

/* KEY=VALUE or KEY, as an option of that name; the command line's options win nothing over it. */
static int take_word(struct ctl *c, const struct ctl_input *in, json_t *fields, const char *word)
{
	const char *equals = strchrnul(word, '=');
	size_t len = (size_t)(equals - word);
	char said[160];

	for (size_t i = 0; i < in->command->option_count; i++) {
		const struct ctl_option *o = &in->command->options[i];

		if (strlen(o->name) != len || memcmp(o->name, word, len) ||
		    (o->kind == OPTION_FLAG) == !!*equals)
			continue;
		return json_object_set_new(fields, o->field,
					   *equals ? json_string(equals + 1) : json_true()) ?
		       ctl_error(c, "a filter word is not UTF-8") : 0;
	}
	snprintf(said, sizeof(said), "\"%.64s\" is no filter: give KEY=VALUE with network, from, to or port, "
		 "or drops", word);
	ctl_error(c, said);
	return EXIT_WRONG_USAGE;
}

static int take_count(struct capture *k, const json_t *fields)
{
	const char *text = ctl_text(fields, "Count");
	char *rest, said[80];

	if (!*text)
		return 0;
	errno = 0;
	k->count = strtoull(text, &rest, 10);
	if (*text >= '0' && *text <= '9' && !*rest && !errno && k->count)
		return 0;
	snprintf(said, sizeof(said), "count \"%.20s\" is no number of packets: give one from 1 on", text);
	ctl_error(k->c, said);
	return EXIT_WRONG_USAGE;
}

/* ---- a line each ---- */

static void print_packet(FILE *f, const json_t *line)
{
	char time[16], name[CAPTURE_NAME_MAX], from[80], to[80];
	const char *network = ctl_text(line, "Network"), *protocol = ctl_text(line, "Protocol");

	fprintf(f, "%s %-20s %s %s %s -> %s  %" JSON_INTEGER_FORMAT " bytes  %s: %s\n",
		watch_time_text(line, time), capture_interface_text(line, name),
		*network ? network : "-", *protocol ? protocol : "-",
		watch_end_text(json_object_get(line, "Source"), from, sizeof(from)),
		watch_end_text(json_object_get(line, "Destination"), to, sizeof(to)),
		ctl_number(line, "Length"), ctl_text(line, "Verdict"), ctl_text(line, "Meaning"));
}

static bool on_begun(void *arg)
{
	struct capture *k = arg;

	return !k->file || capture_file_begin(k->file);
}

static bool on_packet(void *arg, const json_t *line)
{
	struct capture *k = arg;

	if (watch_count_losses(&k->losses, line))
		return true;
	k->packets++;
	if (k->file) {
		k->failed = !capture_file_packet(k->file, line);
	} else if (k->c->json) {
		json_dumpf(line, k->c->out, JSON_COMPACT);
		fputc('\n', k->c->out);
	} else {
		print_packet(k->c->out, line);
	}
	if (!k->file && fflush(k->c->out))
		k->failed = true;
	return !k->failed && (!k->count || k->packets < k->count);
}

static int open_file(struct capture *k, const char *path)
{
	char said[512];
	int r = *path ? capture_file_open(path, k->c->out, &k->file) : 0;

	if (!r)
		return 0;
	snprintf(said, sizeof(said), "cannot write %.300s: %s", path, strerror(-r));
	return ctl_error(k->c, said);
}

/* Only what the daemon knows is asked of it. */
static int prepare(struct capture *k, const struct ctl_input *in, json_t *fields)
{
	int r = 0;

	for (int i = 0; !r && i < in->argc; i++)
		r = take_word(k->c, in, fields, in->argv[i]);
	if (!r)
		r = take_count(k, fields);
	if (!r)
		r = open_file(k, ctl_text(fields, "Write"));
	json_object_del(fields, "Write");
	json_object_del(fields, "Count");
	return r;
}

static int finish(struct capture *k, int r)
{
	if (!capture_file_close(k->file, (uint64_t)(k->losses.ring + k->losses.client)))
		k->failed = true;
	if (k->failed)
		r = ctl_error(k->c, "cannot write what was captured: is the disk full?");
	if (!r)
		fprintf(k->c->err, "%llu packets; %" JSON_INTEGER_FORMAT " lost\n",
			(unsigned long long)k->packets, k->losses.ring + k->losses.client);
	return r;
}

int cmd_capture(struct ctl *c, const struct ctl_input *in)
{
	struct capture *k = calloc(1, sizeof(*k));
	json_t *fields = json_copy(in->fields);
	int r;

	if (!k || !fields) {
		free(k);
		return ctl_error(c, "out of memory");
	}
	k->c = c;
	r = prepare(k, in, fields);
	if (!r)
		r = finish(k, watch_lines(c, "/v1/capture", fields, on_begun, on_packet, k));
	json_decref(fields);
	free(k);
	return r;
}
