/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl.h"
#include "pcapng.h"

#define INTERFACES_MAX 1024
#define DATA_MAX 65536

struct capture_file {
	FILE *file;
	char *path;            /* to be removed again if nothing comes of it; NULL: it was there before */
	struct buf block;
	uint32_t interface_count;
	struct {
		char name[CAPTURE_NAME_MAX];
		uint64_t packets;
	} interface[INTERFACES_MAX];
	uint64_t last_ns;
	bool borrowed, begun, failed;
};

/* ---- open ---- */

/* Not truncated, and known whether it is ours alone. */
static int open_kept(struct capture_file *f, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd >= 0 && !(f->path = strdup(path)))
		return -ENOMEM;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	f->file = fdopen(fd, "w");
	if (!f->file)
		return -errno;
	(void)TAKE_FD(fd);
	return 0;
}

int capture_file_open(const char *path, FILE *out, struct capture_file **ret_file)
{
	struct capture_file *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->borrowed = !strcmp(path, "-");
	if (f->borrowed)
		f->file = out;
	else
		r = open_kept(f, path);
	if (r) {
		free(f->path);
		free(f);
		return r;
	}
	*ret_file = f;
	return 0;
}

/* ---- write ---- */

/* Who reads along sees each block at once. */
static bool flush_block(struct capture_file *f)
{
	if (f->block.failed || fwrite(f->block.data, 1, f->block.len, f->file) != f->block.len ||
	    fflush(f->file))
		f->failed = true;
	buf_reset(&f->block);
	return !f->failed;
}

bool capture_file_begin(struct capture_file *f)
{
	f->begun = true;
	if (!f->borrowed && ftruncate(fileno(f->file), 0) && errno != EINVAL) /* a pipe has no length */
		f->failed = true;
	pcapng_begin(&f->block, "overlayctl " OV_VERSION);
	return flush_block(f);
}

static uint32_t interface_of(struct capture_file *f, const char *name)
{
	uint32_t i;

	for (i = 0; i < f->interface_count; i++)
		if (!strcmp(f->interface[i].name, name))
			return i;
	if (i == INTERFACES_MAX)
		return INTERFACES_MAX - 1; /* more devices than a host has: the last one stands for them */
	snprintf(f->interface[i].name, sizeof(f->interface[i].name), "%s", name);
	f->interface_count++;
	pcapng_interface(&f->block, name, 0);
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

const char *capture_interface_text(const json_t *line, char out[CAPTURE_NAME_MAX])
{
	const char *device = ctl_text(line, "Device");

	snprintf(out, CAPTURE_NAME_MAX, "%.16s %.3s%s", *device ? device : "(gone)",
		 ctl_text(line, "Direction"), json_is_true(json_object_get(line, "XDP")) ? ", XDP" : "");
	return out;
}

bool capture_file_packet(struct capture_file *f, const json_t *line)
{
	static uint8_t data[DATA_MAX];
	char name[CAPTURE_NAME_MAX], comment[512];
	struct pcapng_packet p = {
		.nanoseconds = (uint64_t)ctl_number(line, "Nanoseconds"),
		.length = (uint32_t)ctl_number(line, "Length"),
		.data = data,
		.captured = (uint32_t)decode_hex(ctl_text(line, "Data"), data, sizeof(data)),
		.comment = comment,
	};

	snprintf(comment, sizeof(comment), "%s: %s%s%s%s%s", ctl_text(line, "Verdict"),
		 ctl_text(line, "Meaning"), *ctl_text(line, "Mend") ? "; " : "", ctl_text(line, "Mend"),
		 *ctl_text(line, "Network") ? "; network " : "", ctl_text(line, "Network"));
	p.interface = interface_of(f, capture_interface_text(line, name));
	f->interface[p.interface].packets++;
	f->last_ns = p.nanoseconds;
	pcapng_packet(&f->block, &p);
	return flush_block(f);
}

/* ---- close ---- */

/* Losses are nobody's interface in particular: they are told of the first. */
static void write_end(struct capture_file *f, uint64_t lost)
{
	for (uint32_t i = 0; i < f->interface_count; i++)
		pcapng_statistics(&f->block, i, f->last_ns, f->interface[i].packets, i ? 0 : lost);
	flush_block(f);
}

bool capture_file_close(struct capture_file *f, uint64_t lost)
{
	bool whole;

	if (!f)
		return true;
	if (f->begun)
		write_end(f, lost);
	else if (f->path)
		unlink(f->path);
	if (!f->borrowed && fclose(f->file))
		f->failed = true;
	whole = !f->failed;
	buf_fini(&f->block);
	free(f->path);
	free(f);
	return whole;
}
