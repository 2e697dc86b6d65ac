/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs on devices. An endpoint's device is up only while our program is on
 * it: set up after the program was put there, and down before it is taken away,
 * so that no packet of a container ever enters the host's stack. An endpoint
 * device that is down is therefore reported as not attached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/nl.h"

static const struct {
	enum plan_program plan;
	enum bpf_program_id id;
} programs[] = {
	{ PROGRAM_ENDPOINT, BPF_PROG_ENDPOINT },
	{ PROGRAM_UPLINK, BPF_PROG_UPLINK },
	{ PROGRAM_TUNNEL, BPF_PROG_TUNNEL },
	{ PROGRAM_UPLINK_XDP, BPF_PROG_UPLINK_XDP },
	{ PROGRAM_UPLINK_GENERIC, BPF_PROG_UPLINK_GENERIC },
	{ PROGRAM_FRONT, BPF_PROG_FRONT },
};

static int program_of_plan(uint32_t plan)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if ((uint32_t)programs[i].plan == plan)
			return (int)programs[i].id;
	return -1;
}

/* 0 for a program of another build: no plan asks for that, so it is replaced or removed. */
static uint32_t program_to_plan(int id)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if ((int)programs[i].id == id)
			return programs[i].plan;
	return 0;
}

static uint32_t mode_of_hook(enum bpf_hook hook)
{
	if (hook == BPF_HOOK_XDP_NATIVE)
		return OV_XDP_NATIVE;
	return hook == BPF_HOOK_XDP_GENERIC ? OV_XDP_GENERIC : OV_XDP_OFF;
}

static enum bpf_hook hook_of_row(uint32_t hook, uint32_t mode)
{
	if (hook == HOOK_TC_INGRESS)
		return BPF_HOOK_TC_INGRESS;
	return mode == OV_XDP_GENERIC ? BPF_HOOK_XDP_GENERIC : BPF_HOOK_XDP_NATIVE;
}

static int by_index(const void *key, const void *item)
{
	uint32_t ifindex = *(const uint32_t *)key;
	const struct link_info *l = item;

	return ifindex < l->ifindex ? -1 : ifindex > l->ifindex;
}

static bool is_silent(const struct link_info *list, size_t count, uint32_t ifindex)
{
	const struct link_info *l =
		count ? bsearch(&ifindex, list, count, sizeof(*list), by_index) : NULL;

	return l && is_endpoint(l) && !(l->flags & IFF_UP);
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct plan_table t = { .key_size = sizeof(struct plan_attach_key),
				.value_size = sizeof(struct plan_attach) };
	_cleanup_(freep) struct bpf_attachment *list = NULL;
	_cleanup_(freep) struct link_info *links = NULL;
	size_t count = 0, link_count = 0, cap = 0;
	struct attach_ctx *a = ctx;
	int r = bpf_attachments(a->bpf, &list, &count, e);

	if (r)
		return r;
	r = link_list(a->nl, &links, &link_count);
	if (r)
		return err_set(e, r, "the devices could not be listed: %s", nl_why(a->nl));
	for (size_t i = 0; i < count; i++) {
		bool tc = list[i].hook == BPF_HOOK_TC_INGRESS;
		struct plan_attach_key key = { list[i].ifindex, tc ? HOOK_TC_INGRESS : HOOK_XDP };
		struct plan_attach row = { program_to_plan(list[i].program),
					   mode_of_hook(list[i].hook) };

		if (is_silent(links, link_count, key.ifindex))
			continue;
		r = rows_push(&t, &cap, &key, &row);
		if (r) {
			free(t.rows);
			return r;
		}
	}
	rows_sort(&t);
	*ret_actual = t;
	return 0;
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	struct attach_ctx *a = ctx;
	struct plan_attach_key k;
	struct plan_attach v;
	int id, r;

	(void)exists;
	memcpy(&k, key, sizeof(k));
	memcpy(&v, value, sizeof(v));
	id = program_of_plan(v.program);
	if (id < 0)
		return err_set(e, -EINVAL, "there is no program number %u", v.program);
	r = bpf_attach(a->bpf, (enum bpf_program_id)id, k.ifindex, hook_of_row(k.hook, v.xdp_mode), e);
	if (r || id != BPF_PROG_ENDPOINT)
		return r;
	r = link_set_up(a->nl, k.ifindex, true);
	return r ? err_set(e, r, "the endpoint's device #%u could not be set up: %s", k.ifindex,
			   nl_why(a->nl)) : 0;
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct link_info l = { 0 };
	struct attach_ctx *a = ctx;
	struct plan_attach_key k;
	struct plan_attach v;
	int r;

	memcpy(&k, key, sizeof(k));
	memcpy(&v, value, sizeof(v));
	r = link_get_index(a->nl, k.ifindex, LINK_NSID_NONE, &l);
	if (!r && is_endpoint(&l))
		r = link_set_up(a->nl, k.ifindex, false);
	if (r && r != -ENODEV)
		return err_set(e, r, "the endpoint's device #%u could not be set down: %s", k.ifindex,
			       nl_why(a->nl));
	return bpf_detach(a->bpf, k.ifindex, hook_of_row(k.hook, v.xdp_mode), e);
}

void attach_driver(struct attach_ctx *ctx, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "attach",
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = ctx,
	};
}
