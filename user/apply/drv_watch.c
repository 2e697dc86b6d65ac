/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The row that says what is watched, and the two maps that exist only with it: a ring of
 * records and a table of flows seen. They are made before the row and put into their slots, so
 * that programs find them there. A daemon that was killed leaves all three behind: by `until`
 * in the row the programs stop, and the next daemon finds the row, which no plan has, and
 * removes it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "drivers.h"

static const uint32_t only_key; /* of slots, too */

static int put_into(const struct watch_ctx *c, enum bpf_map_id slot, int fd)
{
	return bpf_map_update_elem(bpf_map_fd(c->row.bpf, slot), &only_key, &fd, BPF_ANY);
}

static int make_ring(struct watch_ctx *c)
{
	_cleanup_(closep) int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ov_watch_ring", 0, 0,
						  OV_WATCH_RING_BYTES, NULL);
	int r = fd < 0 ? -errno : put_into(c, BPF_MAP_watch_ring, fd);

	if (!r)
		c->ring = TAKE_FD(fd);
	return r;
}

static int make_flows(struct watch_ctx *c)
{
	_cleanup_(closep) int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "ov_watch_flows",
						  sizeof(struct ov_watch_flow_key),
						  sizeof(struct ov_watch_flow), OV_WATCH_FLOWS, NULL);
	int r = fd < 0 ? -errno : put_into(c, BPF_MAP_watch_flows, fd);

	if (!r)
		c->flows = TAKE_FD(fd);
	return r;
}

static void drop_maps(struct watch_ctx *c)
{
	bpf_map_delete_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch_ring), &only_key);
	bpf_map_delete_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch_flows), &only_key);
	closep(&c->ring);
	closep(&c->flows);
	c->ring = c->flows = -1;
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	struct watch_ctx *c = ctx;
	int r = c->ring < 0 ? make_ring(c) : 0;

	(void)exists;
	if (!r && c->flows < 0)
		r = make_flows(c);
	if (!r)
		r = bpf_map_update_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch), key, value, BPF_ANY);
	if (!r)
		return 0;
	drop_maps(c);
	return err_set(e, r, "what is to be watched could not be told to the programs: %s", strerror(-r));
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	const struct ov_watch off = { 0 };
	struct watch_ctx *c = ctx;
	int r = bpf_map_update_elem(bpf_map_fd(c->row.bpf, BPF_MAP_watch), key, &off, BPF_ANY);

	(void)value;
	drop_maps(c);
	return r ? err_set(e, r, "the programs could not be told that nobody watches: %s", strerror(-r)) : 0;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	const struct watch_ctx *c = ctx;

	return map_read(&c->row, ret_actual, e);
}

void watch_init(struct watch_ctx *c, struct bpf_objects *bpf)
{
	*c = (struct watch_ctx){
		.row = { .bpf = bpf, .map = BPF_MAP_watch, .key_size = sizeof(uint32_t),
			 .value_size = sizeof(struct ov_watch), .is_array = true },
		.ring = -1,
		.flows = -1,
	};
}

void watch_driver(struct watch_ctx *c, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "watch",
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = c,
	};
}

/* The bit by which programs look for the row at all. */
static void clear_bit(const struct watch_ctx *c)
{
	int fd = bpf_map_fd(c->row.bpf, BPF_MAP_config);
	struct ov_config cfg;

	if (bpf_map_lookup_elem(fd, &only_key, &cfg))
		return;
	cfg.flags &= ~OV_CONFIG_WATCHED;
	bpf_map_update_elem(fd, &only_key, &cfg, BPF_ANY);
}

void watch_end(struct watch_ctx *c)
{
	if (c->ring < 0)
		return;
	clear_bit(c);
	remove_row(c, (const uint8_t *)&only_key, NULL, NULL);
}
