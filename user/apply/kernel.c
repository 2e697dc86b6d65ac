/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "drivers.h"
#include "sys/nl.h"
#include "sys/xfrm.h"

#define MAP_TABLES (PLAN_PUBLISHED - PLAN_CONFIG + 1)

struct kernel {
	struct bpf_objects *bpf;
	struct nl *nl;
	struct map_ctx map[MAP_TABLES];
	struct tunnel_ctx tunnel;
	struct attach_ctx attach;
	struct ipsec_ctx ipsec;
	struct watch_ctx watch;
};

#define ROWS(map, key, value) BPF_MAP_##map, sizeof(key), sizeof(value)
static const struct {
	enum bpf_map_id map;
	size_t key_size, value_size;
	bool is_array, is_trie;
} maps[MAP_TABLES] = { /* by table, from PLAN_CONFIG */
	[PLAN_CONFIG - PLAN_CONFIG] = { ROWS(config, uint32_t, struct ov_config), true },
	[PLAN_NETWORKS - PLAN_CONFIG] = { ROWS(networks, struct ov_network_key, struct ov_network) },
	[PLAN_PEERS - PLAN_CONFIG] = { ROWS(peers, struct ov_peer_key, struct ov_peer) },
	[PLAN_MAP_DEVICES - PLAN_CONFIG] = { ROWS(devices, struct ov_device_key, struct ov_device) },
	[PLAN_POLICY_RULES - PLAN_CONFIG] = { ROWS(policy_rules, struct ov_rule_key,
						   struct ov_rule), .is_trie = true },
	[PLAN_POLICY_SUBJECTS - PLAN_CONFIG] = { ROWS(policy_subjects, struct ov_subject_key,
						      struct ov_subject), .is_trie = true },
	[PLAN_POLICY_SETS - PLAN_CONFIG] = { ROWS(policy, struct ov_policy_key,
						  struct ov_policy) },
	[PLAN_BACKENDS - PLAN_CONFIG] = { ROWS(backends, struct ov_backend_key, struct ov_backend) },
	[PLAN_CHOICES - PLAN_CONFIG] = { ROWS(choices, struct ov_choices_key, struct ov_choices) },
	[PLAN_SERVICES - PLAN_CONFIG] = { ROWS(services, struct ov_service_key, struct ov_service) },
	[PLAN_ENDPOINTS - PLAN_CONFIG] = { ROWS(endpoints, struct ov_endpoint_key, struct ov_endpoint) },
	[PLAN_ADDRESSES - PLAN_CONFIG] = { ROWS(addresses, struct ov_address_key, struct ov_address) },
	[PLAN_LINKS - PLAN_CONFIG] = { ROWS(links, struct ov_link_key, struct ov_link) },
	[PLAN_ALLOWED - PLAN_CONFIG] = { ROWS(allowed, struct ov_allowed_key, uint32_t),
					 .is_trie = true },
	[PLAN_PUBLISHED - PLAN_CONFIG] = { ROWS(published, struct ov_published_key,
						struct ov_published) },
};

const char *kernel_table_map(enum plan_table_id table, uint64_t *ret_max)
{
	static const uint32_t entries[BPF_MAP_COUNT] = {
#define X(name, type, key, value, entries, owner) [BPF_MAP_##name] = entries,
		OV_MAPS(X)
#undef X
	};

	if (table < PLAN_CONFIG || table >= PLAN_CONFIG + MAP_TABLES)
		return NULL;
	*ret_max = entries[maps[table - PLAN_CONFIG].map];
	return bpf_map_name(maps[table - PLAN_CONFIG].map);
}

static void log_heard(void)
{
	const char *p = bpf_heard();

	while (*p) {
		size_t len = strcspn(p, "\n");

		log_debug("libbpf: %.*s", (int)(len > 900 ? 900 : len), p);
		p += len + (p[len] == '\n');
	}
}

int kernel_open(const struct bpf_place *place, struct kernel **ret_kernel, struct err *e)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_set(e, -ENOMEM, "out of memory");
	r = bpf_open(place, &k->bpf, e);
	if (r) {
		log_heard();
		kernel_close(k);
		return r;
	}
	r = nl_open(&k->nl);
	if (r) {
		kernel_close(k);
		return err_set(e, r, "no netlink socket: %s", strerror(-r));
	}
	k->tunnel = (struct tunnel_ctx){ k->bpf, k->nl };
	k->attach = (struct attach_ctx){ k->bpf, k->nl };
	k->ipsec.nl = k->nl;
	watch_init(&k->watch, k->bpf);
	for (int i = 0; i < MAP_TABLES; i++)
		k->map[i] = (struct map_ctx){ k->bpf, maps[i].map, maps[i].key_size,
					      maps[i].value_size, maps[i].is_array,
					      maps[i].is_trie, false };
	*ret_kernel = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->bpf)
		watch_end(&k->watch);
	bpf_close(k->bpf);
	nl_close(k->nl);
	nl_close(k->ipsec.xfrm);
	free(k);
}

void kernel_drivers(struct kernel *k, struct driver ret_driver[PLAN_TABLE_COUNT])
{
	tunnel_driver(&k->tunnel, &ret_driver[PLAN_TUNNEL]);
	device_driver(k->nl, &ret_driver[PLAN_DEVICES]);
	attach_driver(&k->attach, &ret_driver[PLAN_ATTACH]);
	sa_driver(&k->ipsec, &ret_driver[PLAN_SAS]);
	policy_driver(&k->ipsec, &ret_driver[PLAN_POLICIES]);
	watch_driver(&k->watch, &ret_driver[PLAN_WATCH]);
	for (int i = 0; i < MAP_TABLES; i++)
		map_driver(&k->map[i], &ret_driver[PLAN_CONFIG + i]);
}

struct bpf_objects *kernel_bpf(struct kernel *k)
{
	return k->bpf;
}

int kernel_map_of_table(const struct kernel *k, enum plan_table_id id, enum bpf_map_id *ret_map)
{
	if (id < PLAN_CONFIG || id - PLAN_CONFIG >= MAP_TABLES)
		return -ENOENT;
	*ret_map = k->map[id - PLAN_CONFIG].map;
	return 0;
}

/* Calls `add` with each CPU's value of each entry. */
static int read_each_cpu(int fd, uint32_t entries, size_t size,
			 void (*add)(void *total, uint32_t i, const void *value), void *total)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint8_t *each = NULL;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, size); /* 8 or 16 bytes: no rounding up to 8 */
	if (!each)
		return -ENOMEM;
	for (uint32_t i = 0; i < entries; i++) {
		int r = bpf_map_lookup_elem(fd, &i, each);

		if (r)
			return r;
		for (int cpu = 0; cpu < cpus; cpu++)
			add(total, i, each + (size_t)cpu * size);
	}
	return 0;
}

static void add_verdict(void *total, uint32_t i, const void *value)
{
	struct ov_counter *sum = (struct ov_counter *)total + i;
	const struct ov_counter *one = value;

	sum->packets += one->packets;
	sum->bytes += one->bytes;
}

int kernel_read_counters(struct kernel *k, struct ov_counter ret_total[OV_VERDICT_COUNT])
{
	struct ov_counter total[OV_VERDICT_COUNT] = { 0 };
	int r = read_each_cpu(bpf_map_fd(k->bpf, BPF_MAP_counters), OV_VERDICT_COUNT,
			      sizeof(total[0]), add_verdict, total);

	if (!r)
		memcpy(ret_total, total, sizeof(total));
	return r;
}

int kernel_holds(struct kernel *k, enum plan_table_id table, const uint8_t *key,
		 const uint8_t *value)
{
	const struct map_ctx *m = &k->map[table - PLAN_CONFIG];
	_cleanup_(freep) uint8_t *now = calloc(1, m->value_size);
	int r = now ? bpf_map_lookup_elem(bpf_map_fd(k->bpf, m->map), key, now) : -ENOMEM;

	if (r == -ENOENT)
		return !value;
	return r ? r : value && !memcmp(now, value, m->value_size);
}

static void add_flow_counter(void *total, uint32_t i, const void *value)
{
	((uint64_t *)total)[i] += *(const uint64_t *)value;
}

int kernel_flow_usage(struct kernel *k, struct flow_usage *ret_usage)
{
	uint64_t total[OV_FLOW_COUNTER_COUNT] = { 0 };
	int r = read_each_cpu(bpf_map_fd(k->bpf, BPF_MAP_flow_counters), OV_FLOW_COUNTER_COUNT,
			      sizeof(total[0]), add_flow_counter, total);

	if (r)
		return r;
	*ret_usage = (struct flow_usage){ .max = OV_FLOWS, .overflow = total[OV_FLOW_OVERFLOW] };
	/* The CPUs count while they are read: for a moment more may have left than entered. */
	if (total[OV_FLOW_ENTERED] > total[OV_FLOW_LEFT])
		ret_usage->used = total[OV_FLOW_ENTERED] - total[OV_FLOW_LEFT];
	return 0;
}

int kernel_watch_ring(const struct kernel *k)
{
	return k->watch.ring;
}

int kernel_watch_losses(struct kernel *k, struct watch_losses *ret_losses)
{
	return watch_read_losses(&k->watch, ret_losses);
}

int kernel_watch_sweep(struct kernel *k, uint64_t now,
		       void (*tell)(void *arg, const struct ov_watch_record *r), void *arg)
{
	return watch_sweep(&k->watch, now, tell, arg);
}

void kernel_take_keys(struct kernel *k, take_key_fn take_key, void *arg)
{
	k->ipsec.take_key = take_key;
	k->ipsec.take_arg = arg;
}

void kernel_ipsec_by(struct kernel *k, const char *uplink, const struct ov_addr *vtep)
{
	snprintf(k->ipsec.uplink, sizeof(k->ipsec.uplink), "%s", uplink);
	k->ipsec.vtep = *vtep;
}

int kernel_can_encrypt(struct kernel *k, struct err *e)
{
	(void)k;
	return xfrm_probe(e);
}

bool kernel_peer_drops(struct kernel *k, const struct ov_addr *vtep, struct ov_peer_drops *ret_drops)
{
	struct ov_peer_key key = { *vtep };

	*ret_drops = (struct ov_peer_drops){ 0 };
	return !bpf_map_lookup_elem(bpf_map_fd(k->bpf, BPF_MAP_peer_drops), &key, ret_drops);
}

int kernel_read_sas(struct kernel *k, struct fact_sa **ret_list, size_t *ret_count, struct err *e)
{
	return ipsec_read_sas(&k->ipsec, ret_list, ret_count, e);
}

int kernel_read_policies(struct kernel *k, const struct ov_addr *vtep,
			 struct fact_policy **ret_list, size_t *ret_count, struct err *e)
{
	return ipsec_read_policies(&k->ipsec, vtep, ret_list, ret_count, e);
}

int kernel_mend_pins(struct kernel *k, void (*mended)(void *arg, const char *what), void *arg,
		     struct err *e)
{
	return bpf_mend_pins(k->bpf, mended, arg, e);
}

int kernel_forget_older(struct kernel *k, struct err *e)
{
	return bpf_forget_older(k->bpf, e);
}

static bool is_ours(const struct link_info *l)
{
	return is_tunnel(l) || is_endpoint(l) || is_half_made(l);
}

/* The group may be deleted as a whole only when nobody else put a device into it. */
static bool is_group_ours(const struct link_info *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].group == LINK_GROUP_OURS && !is_ours(&list[i]))
			return false;
	return true;
}

/* Devices go before programs: an endpoint's device must not be up without one. */
static int remove_devices(struct nl *nl, struct err *e)
{
	_cleanup_(freep) struct link_info *list = NULL;
	size_t count = 0;
	int first = link_list(nl, &list, &count);

	if (first)
		return err_set(e, first, "the devices could not be listed: %s", nl_why(nl));
	for (size_t i = 0; i < count; i++)
		if (is_endpoint(&list[i]))
			device_leave(nl, &list[i]);
	if (is_group_ours(list, count))
		link_delete_group(nl, LINK_GROUP_OURS); /* what is left of them is met below */
	for (size_t i = 0; i < count; i++) {
		int r = is_ours(&list[i]) ? link_delete(nl, list[i].ifindex) : 0;

		if (r)
			err_set(e, r, "the device %s could not be removed: %s", list[i].name, nl_why(nl));
		first = first ? first : r;
	}
	return first;
}

int kernel_detach(const struct bpf_place *place, struct err *e)
{
	_cleanup_(nl_closep) struct nl *nl = NULL;
	struct ipsec_ctx ipsec = { 0 };
	int r = nl_open(&nl), r2;

	if (r)
		return err_set(e, r, "no netlink socket: %s", strerror(-r));
	ipsec.nl = nl;
	r = remove_devices(nl, e);
	r2 = bpf_detach_all(place, e);
	r = r ? r : r2;
	/* After the programs: nothing is sent any more that a policy must keep from leaving in the clear. */
	r2 = ipsec_remove_all(&ipsec, e);
	nl_close(ipsec.xfrm);
	return r ? r : r2;
}
