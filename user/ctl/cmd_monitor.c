/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlayctl monitor: a line for each flow that begins or ends, and each drop. */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "watch_lines.h"

#define END_MAX 80

struct monitor {
	struct ctl *c;
	struct watch_losses losses;
	unsigned long long events;
};

static void print_ends(FILE *f, const json_t *line)
{
	const json_t *called = json_object_get(line, "Called");
	char from[END_MAX], to[END_MAX], behind[END_MAX];

	watch_end_text(json_object_get(line, "Source"), from, sizeof(from));
	watch_end_text(json_object_get(line, "Destination"), to, sizeof(to));
	if (*ctl_text(called, "IP"))
		fprintf(f, "%s -> %s (%s)", from, watch_end_text(called, behind, sizeof(behind)), to);
	else
		fprintf(f, "%s -> %s", from, to);
}

static const char *dash(const char *text)
{
	return *text ? text : "-";
}

static void print_counts(FILE *f, const json_t *line)
{
	json_int_t rtt = ctl_number(line, "RTTMicroseconds");

	fprintf(f, "  sent %" JSON_INTEGER_FORMAT " bytes in %" JSON_INTEGER_FORMAT ", received %"
		JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT, ctl_number(line, "BytesSent"),
		ctl_number(line, "PacketsSent"), ctl_number(line, "BytesReceived"),
		ctl_number(line, "PacketsReceived"));
	if (rtt)
		fprintf(f, ", rtt %.3f ms", (double)rtt / 1000);
	if (json_is_true(json_object_get(line, "Reset")))
		fputs(", by a reset", f);
}

static void print_event(FILE *f, const json_t *line)
{
	const char *event = ctl_text(line, "Event");
	char time[16];

	fprintf(f, "%s %-7s %s %s ", watch_time_text(line, time), event, dash(ctl_text(line, "Network")),
		dash(ctl_text(line, "Protocol")));
	print_ends(f, line);
	if (!strcmp(event, "closed") || !strcmp(event, "idle"))
		print_counts(f, line);
	else
		fprintf(f, "  %s: %s", ctl_text(line, "Verdict"), ctl_text(line, "Meaning"));
	if (*ctl_text(line, "Node"))
		fprintf(f, " [node %s]", ctl_text(line, "Node"));
	if (!strcmp(event, "dropped") || !strcmp(event, "refused"))
		fprintf(f, " [%s]", dash(ctl_text(line, "Device")));
	fputc('\n', f);
}

static void print_loss(FILE *f, const json_t *line)
{
	if (*ctl_text(line, "Verdict"))
		fprintf(f, "             ... and %" JSON_INTEGER_FORMAT " more of %s\n",
			ctl_number(line, "Count"), ctl_text(line, "Verdict"));
	else
		fprintf(f, "             ... %" JSON_INTEGER_FORMAT " events were lost\n",
			ctl_number(line, "Count"));
}

static bool on_event(void *arg, const json_t *line)
{
	struct monitor *m = arg;
	bool is_loss = watch_count_losses(&m->losses, line);

	m->events += !is_loss;
	if (m->c->json) {
		json_dumpf(line, m->c->out, JSON_COMPACT);
		fputc('\n', m->c->out);
	} else if (is_loss) {
		print_loss(m->c->out, line);
	} else {
		print_event(m->c->out, line);
	}
	return !fflush(m->c->out); /* a person reads along; who listens no more ends it */
}

int cmd_monitor(struct ctl *c, const struct ctl_input *in)
{
	struct monitor m = { .c = c };
	int r = watch_lines(c, "/v1/monitor", in->fields, NULL, on_event, &m);

	if (!r || m.events)
		fprintf(c->err, "%llu events; %" JSON_INTEGER_FORMAT " lost, %" JSON_INTEGER_FORMAT
			" drops of a flood left out\n", m.events, m.losses.ring + m.losses.client,
			m.losses.left_out);
	return r;
}
