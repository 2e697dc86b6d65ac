/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data path's counts of traffic, summed over CPUs and named; and those of who is gone. */
#include "traffic.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"

/* Who has which device, sorted by ifindex; its row of the result. */
struct owner {
	uint32_t ifindex;
	struct traffic_endpoint *row;
};

struct owners {
	size_t count;
	struct owner *at;
};

static void owners_fini(struct owners *o)
{
	free(o->at);
}

static int owner_cmp(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static struct traffic_endpoint *owner_find(const struct owners *o, uint32_t ifindex)
{
	struct owner key = { .ifindex = ifindex };
	const struct owner *found = o->count ? bsearch(&key, o->at, o->count, sizeof(key), owner_cmp) : NULL;

	return found ? found->row : NULL;
}

/* Rows in the order of the devices, which is by endpoint. */
static int make_rows(const struct fact_device *device, size_t count, struct traffic *t, struct owners *o)
{
	t->endpoint = calloc(count + 1, sizeof(*t->endpoint));
	o->at = calloc(count + 1, sizeof(*o->at));
	if (!t->endpoint || !o->at)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		t->endpoint[i].endpoint = device[i].endpoint;
		o->at[i] = (struct owner){ device[i].ifindex, &t->endpoint[i] };
	}
	t->endpoint_count = o->count = count;
	qsort(o->at, count, sizeof(*o->at), owner_cmp);
	return 0;
}

static void add_stats(const struct owners *o, const struct ov_endpoint_stats *s, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct traffic_endpoint *row = s[i].ifindex ? owner_find(o, s[i].ifindex) : NULL;

		if (!row)
			continue;
		counter_add(&row->sent, &s[i].sent);
		counter_add(&row->received, &s[i].received);
		counter_add(&row->dropped, &s[i].dropped);
	}
}

/* All slots of all CPUs, one behind the other. To be freed; NULL with errno. */
static struct ov_endpoint_stats *read_slots(struct bpf_objects *bpf, size_t cpus)
{
	_cleanup_(freep) struct ov_endpoint_stats *all = calloc(OV_ENDPOINT_SLOTS * cpus, sizeof(*all));
	int fd = bpf_map_fd(bpf, BPF_MAP_endpoint_slots);

	if (!all)
		return NULL;
	for (uint32_t i = 0; i < OV_ENDPOINT_SLOTS; i++)
		if (bpf_map_lookup_elem(fd, &i, all + i * cpus))
			return NULL;
	return TAKE_PTR(all);
}

/* Keys of endpoint_stats that follow one that was removed meanwhile would be read again: bounded. */
#define OTHERS_MAX 4096

static int read_others(struct bpf_objects *bpf, size_t cpus, const struct owners *o)
{
	_cleanup_(freep) struct ov_endpoint_stats *each = calloc(cpus, sizeof(*each));
	int fd = bpf_map_fd(bpf, BPF_MAP_endpoint_stats);
	struct ov_endpoint_stats_key key, *at = NULL;

	if (!each)
		return -ENOMEM;
	for (int i = 0; i < OTHERS_MAX && !bpf_map_get_next_key(fd, at, &key); i++) {
		at = &key;
		if (bpf_map_lookup_elem(fd, &key, each))
			continue;
		for (size_t cpu = 0; cpu < cpus; cpu++) /* a CPU that has seen none of it left it zero */
			each[cpu].ifindex = key.ifindex;
		add_stats(o, each, cpus);
	}
	return 0;
}

#define DROPS_MAX 4096

static int read_drops(struct bpf_objects *bpf, struct traffic *t, const struct owners *o)
{
	int fd = bpf_map_fd(bpf, BPF_MAP_drop_stats);
	struct ov_drop_stats_key key, *at = NULL;

	t->drop = calloc(DROPS_MAX, sizeof(*t->drop));
	if (!t->drop)
		return -ENOMEM;
	for (int i = 0; i < DROPS_MAX && !bpf_map_get_next_key(fd, at, &key); i++) {
		struct traffic_drop *d = &t->drop[t->drop_count];
		const struct traffic_endpoint *owner = owner_find(o, key.ifindex);

		at = &key;
		*d = (struct traffic_drop){ .vni = key.vni, .place = key.place, .reason = key.reason };
		if (owner)
			d->endpoint = owner->endpoint;
		t->drop_count += !bpf_map_lookup_elem(fd, &key, &d->count);
	}
	return 0;
}

static int read_passages(struct bpf_objects *bpf, size_t cpus, struct traffic *t)
{
	_cleanup_(freep) struct ov_counter *each = calloc(cpus, sizeof(*each));

	if (!each)
		return -ENOMEM;
	for (uint32_t i = 0; i < OV_PASSAGE_COUNT; i++) {
		if (bpf_map_lookup_elem(bpf_map_fd(bpf, BPF_MAP_passages), &i, each))
			return -errno;
		for (size_t cpu = 0; cpu < cpus; cpu++)
			counter_add(&t->passage[i], &each[cpu]);
	}
	return 0;
}

static int read_all(struct bpf_objects *bpf, const struct fact_device *device, size_t count,
		    struct traffic *t)
{
	_cleanup_(owners_fini) struct owners o = { 0 };
	_cleanup_(freep) struct ov_endpoint_stats *slots = NULL;
	int cpus = libbpf_num_possible_cpus();
	int r = cpus < 0 ? cpus : make_rows(device, count, t, &o);

	if (r)
		return r;
	slots = read_slots(bpf, (size_t)cpus);
	if (!slots)
		return errno ? -errno : -ENOMEM;
	add_stats(&o, slots, OV_ENDPOINT_SLOTS * (size_t)cpus);
	r = read_others(bpf, (size_t)cpus, &o);
	if (!r)
		r = read_drops(bpf, t, &o);
	return r ? r : read_passages(bpf, (size_t)cpus, t);
}

int kernel_read_traffic(struct kernel *k, const struct fact_device *device, size_t count,
			struct traffic *ret_traffic, struct err *e)
{
	struct traffic t = { 0 };
	int r = read_all(kernel_bpf(k), device, count, &t);

	if (r) {
		traffic_fini(&t);
		return err_set(e, r, "the counts of traffic cannot be read: %s", strerror(-r));
	}
	*ret_traffic = t;
	return 0;
}

/* ---- who is gone ---- */

static bool has_device(struct bpf_objects *bpf, uint32_t ifindex)
{
	struct ov_device_key key = { ifindex };
	struct ov_device value;

	return !bpf_map_lookup_elem(bpf_map_fd(bpf, BPF_MAP_devices), &key, &value);
}

static int reap_one(struct bpf_objects *bpf, uint32_t ifindex, uint32_t cpus)
{
	int r = 0;

	if (has_device(bpf, ifindex))
		return 0;
	for (uint32_t cpu = 0; !r && cpu < cpus; cpu++) {
		struct ov_reap_endpoint run = { .key.ifindex = ifindex, .cpu = cpu };

		r = bpf_run(bpf, BPF_PROG_REAP_ENDPOINT, &run, sizeof(run));
	}
	return r;
}

static int reap_others(struct bpf_objects *bpf, uint32_t cpus)
{
	int fd = bpf_map_fd(bpf, BPF_MAP_endpoint_stats), r = 0;
	struct ov_endpoint_stats_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &key);

	for (int i = 0; !r && more && i < OTHERS_MAX; i++) {
		more = !bpf_map_get_next_key(fd, &key, &next); /* before the key may go */
		r = reap_one(bpf, key.ifindex, cpus);
		key = next;
	}
	return r;
}

int kernel_reap_traffic(struct kernel *k)
{
	struct bpf_objects *bpf = kernel_bpf(k);
	_cleanup_(freep) struct ov_endpoint_stats *slots = NULL;
	int cpus = libbpf_num_possible_cpus(), r = 0;

	if (cpus < 0)
		return cpus;
	slots = read_slots(bpf, (size_t)cpus);
	if (!slots)
		return errno ? -errno : -ENOMEM;
	for (size_t i = 0; !r && i < OV_ENDPOINT_SLOTS * (size_t)cpus; i++)
		if (slots[i].ifindex)
			r = reap_one(bpf, slots[i].ifindex, (uint32_t)cpus);
	return r ? r : reap_others(bpf, (uint32_t)cpus);
}
