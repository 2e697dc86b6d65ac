/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the data path saw for those who watch: losses, and flows that have fallen silent. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "kernel.h"

#define BATCH_ROWS 4096

static int read_lost(const struct watch_ctx *c, size_t cpus, struct watch_losses *ret)
{
	_cleanup_(freep) uint64_t *each = calloc(cpus, sizeof(*each));

	for (uint32_t kind = 0; kind < OV_WATCH_KIND_COUNT; kind++) {
		int r = each ? bpf_map_lookup_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch_lost), &kind, each) :
			       -ENOMEM;

		if (r)
			return r;
		for (size_t cpu = 0; cpu < cpus; cpu++)
			ret->lost[kind] += each[cpu];
	}
	return 0;
}

static int read_left_out(const struct watch_ctx *c, size_t cpus, struct watch_losses *ret)
{
	_cleanup_(freep) struct ov_watch_rate *each = calloc(cpus, sizeof(*each));

	for (uint32_t verdict = 0; verdict < OV_VERDICT_COUNT; verdict++) {
		int r = each ? bpf_map_lookup_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch_rates), &verdict,
						   each) : -ENOMEM;

		if (r)
			return r;
		for (size_t cpu = 0; cpu < cpus; cpu++)
			ret->left_out[verdict] += each[cpu].left_out;
	}
	return 0;
}

int watch_read_losses(const struct watch_ctx *c, struct watch_losses *ret_losses)
{
	int cpus = libbpf_num_possible_cpus(), r;

	*ret_losses = (struct watch_losses){ 0 };
	if (cpus < 0)
		return cpus;
	r = read_lost(c, (size_t)cpus, ret_losses);
	return r ? r : read_left_out(c, (size_t)cpus, ret_losses);
}

/* ---- flows that have fallen silent ---- */

static uint64_t idle_after(const struct ov_watch_flow_key *k, const struct ov_watch_flow *f)
{
	if (f->flags & OV_WATCH_FLOW_CLOSED)
		return WATCH_CLOSED_NS;
	return k->protocol == IPPROTO_TCP ? WATCH_IDLE_TCP_NS : WATCH_IDLE_NS;
}

static void record_of(const struct ov_watch_flow_key *k, const struct ov_watch_flow *f, uint64_t now,
		      struct ov_watch_record *ret)
{
	int from = !!(f->flags & OV_WATCH_FLOW_FROM_B);

	*ret = (struct ov_watch_record){
		.version = OV_WATCH_VERSION, .kind = OV_WATCH_IDLE, .verdict = (uint8_t)f->verdict,
		.protocol = (uint8_t)k->protocol, .at = now, .vni = k->vni, .ifindex = f->ifindex,
		.src = from ? k->b : k->a, .dst = from ? k->a : k->b,
		.called = f->called, .peer = f->peer,
		.sport = from ? k->b_port : k->a_port, .dport = from ? k->a_port : k->b_port,
		.called_port = f->called_port,
		.bytes = { f->bytes[from], f->bytes[!from] },
		.packets = { f->packets[from], f->packets[!from] },
		.rtt = f->rtt,
	};
}

struct sweep {
	int fd;
	uint64_t now;
	void (*tell)(void *arg, const struct ov_watch_record *r);
	void *arg;
};

/* The entry is taken out and read in one step: what it had counted is all that is told. */
static void sweep_row(const struct sweep *s, const struct ov_watch_flow_key *k,
		      const struct ov_watch_flow *seen)
{
	struct ov_watch_record record;
	struct ov_watch_flow f;

	if (seen->seen > s->now || s->now - seen->seen < idle_after(k, seen) ||
	    bpf_map_lookup_and_delete_elem(s->fd, k, &f) || (f.flags & OV_WATCH_FLOW_CLOSED))
		return;
	record_of(k, &f, s->now, &record);
	s->tell(s->arg, &record);
}

int watch_sweep(const struct watch_ctx *c, uint64_t now,
		void (*tell)(void *arg, const struct ov_watch_record *r), void *arg)
{
	_cleanup_(freep) struct ov_watch_flow_key *keys = calloc(BATCH_ROWS, sizeof(*keys));
	_cleanup_(freep) struct ov_watch_flow *flows = calloc(BATCH_ROWS, sizeof(*flows));
	const struct sweep s = { c->flows, now, tell, arg };
	uint32_t at = 0, next = 0, count;
	bool begun = false;
	int r = keys && flows ? 0 : -ENOMEM;

	while (!r && c->flows >= 0) {
		count = BATCH_ROWS;
		r = bpf_map_lookup_batch(c->flows, begun ? &at : NULL, &next, keys, flows, &count, NULL);
		if (r && r != -ENOENT)
			break;
		for (uint32_t i = 0; i < count; i++)
			sweep_row(&s, &keys[i], &flows[i]);
		at = next;
		begun = true;
	}
	return r == -ENOENT ? 0 : r;
}
