/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlayctl capture: packets into a pcapng file, or a line each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"
#include "pcapng.h"
#include "watch_lines.h"

#define INTERFACES_MAX 1024
#define NAME_MAX_BYTES 64
#define DATA_MAX 65536

struct capture {
	struct ctl *c;
	FILE *file;            /* NULL: lines */
	struct buf block;
	struct watch_losses losses;
	uint32_t interface_count;
	struct {
		char name[NAME_MAX_BYTES];
		uint64_t packets;
	} interface[INTERFACES_MAX];
	uint64_t packets, count, last_ns; /* count: to end after; 0: never */
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

/* ---- the file ---- */

static void flush_block(struct capture *k)
{
	if (k->block.failed || fwrite(k->block.data, 1, k->block.len, k->file) != k->block.len)
		k->failed = true;
	buf_reset(&k->block);
}

static uint32_t interface_of(struct capture *k, const char *name)
{
	uint32_t i;

	for (i = 0; i < k->interface_count; i++)
		if (!strcmp(k->interface[i].name, name))
			return i;
	if (i == INTERFACES_MAX)
		return INTERFACES_MAX - 1; /* more devices than a host has: the last one stands for them */
	snprintf(k->interface[i].name, sizeof(k->interface[i].name), "%s", name);
	k->interface_count++;
	pcapng_interface(&k->block, name, 0);
	return i;
}

static uint8_t nibble(char c)
{
	return (uint8_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

static size_t decode_hex(const char *text, uint8_t *out, size_t max)
{
	size_t len = strspn(text, "0123456789abcdef") / 2;

	if (len > max)
		len = max;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	return len;
}

/* "ov1234 in", "eth0 out, XDP". */
static void name_interface(const json_t *line, char out[NAME_MAX_BYTES])
{
	const char *device = ctl_text(line, "Device");

	snprintf(out, NAME_MAX_BYTES, "%.16s %.3s%s", *device ? device : "(gone)",
		 ctl_text(line, "Direction"), json_is_true(json_object_get(line, "XDP")) ? ", XDP" : "");
}

static void write_packet(struct capture *k, const json_t *line)
{
	static uint8_t data[DATA_MAX];
	char name[NAME_MAX_BYTES], comment[512];
	struct pcapng_packet p = {
		.nanoseconds = (uint64_t)ctl_number(line, "Nanoseconds"),
		.length = (uint32_t)ctl_number(line, "Length"),
		.data = data,
		.captured = (uint32_t)decode_hex(ctl_text(line, "Data"), data, sizeof(data)),
		.comment = comment,
	};

	name_interface(line, name);
	snprintf(comment, sizeof(comment), "%s: %s%s%s%s%s", ctl_text(line, "Verdict"),
		 ctl_text(line, "Meaning"), *ctl_text(line, "Mend") ? "; " : "", ctl_text(line, "Mend"),
		 *ctl_text(line, "Network") ? "; network " : "", ctl_text(line, "Network"));
	p.interface = interface_of(k, name);
	k->interface[p.interface].packets++;
	k->last_ns = p.nanoseconds;
	pcapng_packet(&k->block, &p);
	flush_block(k);
	if (fflush(k->file)) /* who reads along sees each packet at once */
		k->failed = true;
}

/* Losses are nobody's interface in particular: they are told of the first. */
static void write_end(struct capture *k)
{
	for (uint32_t i = 0; i < k->interface_count; i++)
		pcapng_statistics(&k->block, i, k->last_ns, k->interface[i].packets,
				  i ? 0 : (uint64_t)(k->losses.ring + k->losses.client));
	flush_block(k);
	if (fflush(k->file))
		k->failed = true;
}

/* ---- a line each ---- */

static void print_packet(FILE *f, const json_t *line)
{
	char time[16], name[NAME_MAX_BYTES], from[80], to[80];
	const char *network = ctl_text(line, "Network"), *protocol = ctl_text(line, "Protocol");

	name_interface(line, name);
	fprintf(f, "%s %-20s %s %s %s -> %s  %" JSON_INTEGER_FORMAT " bytes  %s: %s\n",
		watch_time_text(line, time), name, *network ? network : "-", *protocol ? protocol : "-",
		watch_end_text(json_object_get(line, "Source"), from, sizeof(from)),
		watch_end_text(json_object_get(line, "Destination"), to, sizeof(to)),
		ctl_number(line, "Length"), ctl_text(line, "Verdict"), ctl_text(line, "Meaning"));
}

static bool on_packet(void *arg, const json_t *line)
{
	struct capture *k = arg;

	if (watch_count_losses(&k->losses, line))
		return true;
	k->packets++;
	if (k->file) {
		write_packet(k, line);
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

	if (!*path)
		return 0;
	k->file = strcmp(path, "-") ? fopen(path, "we") : k->c->out;
	if (k->file) {
		pcapng_begin(&k->block, "overlayctl " OV_VERSION);
		flush_block(k);
		return 0;
	}
	snprintf(said, sizeof(said), "cannot write %.300s: %s", path, strerror(errno));
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
	if (k->file && !r)
		write_end(k);
	if (k->file && k->file != k->c->out && fclose(k->file))
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
		r = finish(k, watch_lines(c, "/v1/capture", fields, on_packet, k));
	json_decref(fields);
	buf_fini(&k->block);
	free(k);
	return r;
}
