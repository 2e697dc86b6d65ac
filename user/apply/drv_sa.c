/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SAs of encrypted networks. One that is there is never made again: its counter, of which
 * the nonces are made, would begin anew under the same key. So a key is handed out once,
 * and an SA that somebody removed stays away until the plan names another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "drivers.h"
#include "sys/ethtool.h"
#include "sys/nl.h"
#include "sys/xfrm.h"

_Static_assert(SA_KEY_LEN == XFRM_KEY_LEN, "what the engine makes is what the kernel takes");

int ipsec_open(struct ipsec_ctx *c, struct err *e)
{
	int r = c->xfrm ? 0 : nl_open_bus(NETLINK_XFRM, &c->xfrm);

	return r ? err_set(e, r, "this kernel has no XFRM (CONFIG_XFRM_USER, module xfrm_user): %s",
			   strerror(-r)) : 0;
}

bool ipsec_is_absent(int r)
{
	return r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT;
}

static int list_sas(struct ipsec_ctx *c, struct xfrm_sa_info **ret_list, size_t *ret_count,
		    struct err *e)
{
	int r = ipsec_open(c, e);

	*ret_list = NULL;
	*ret_count = 0;
	if (r)
		return ipsec_is_absent(r) ? 0 : r;
	r = xfrm_sa_list(c->xfrm, OV_IPSEC_REQID, ret_list, ret_count);
	return r ? err_set(e, r, "the SAs of XFRM could not be listed: %s", nl_why(c->xfrm)) : 0;
}

static int observe(void *ctx, struct plan_table *ret_actual, struct err *e)
{
	struct plan_table t = { .key_size = sizeof(struct plan_sa_key),
				.value_size = sizeof(struct plan_sa) };
	_cleanup_(freep) struct xfrm_sa_info *list = NULL;
	size_t count = 0, cap = 0;
	int r = list_sas(ctx, &list, &count, e);

	for (size_t i = 0; i < count && !r; i++) {
		struct plan_sa_key key = { .dst = list[i].sa.dst, .spi = list[i].sa.spi };
		struct plan_sa row = { .src = list[i].sa.src };

		r = rows_push(&t, &cap, &key, &row);
	}
	if (r) {
		free(t.rows);
		return r;
	}
	rows_sort(&t);
	*ret_actual = t;
	return 0;
}

/*
 * By the NIC where `ethtool -k` says esp-hw-offload is on. Not all that offer it take each kind of SA
 * (tunnel mode, long sequence numbers, a table that is full): the CPU then does it.
 */
static int add_by_nic_or_cpu(struct ipsec_ctx *c, const struct xfrm_sa *cpu, const uint8_t *key)
{
	bool is_inbound = !addr_cmp(&cpu->dst, &c->vtep);
	struct xfrm_sa nic = *cpu;
	struct link_info l;
	int r;

	if (c->uplink[0] && ethtool_has(c->uplink, "esp-hw-offload") && !link_get(c->nl, c->uplink, &l)) {
		nic.device = l.ifindex;
		r = xfrm_sa_add(c->xfrm, &nic, is_inbound, key);
		if (!r || r == -EEXIST)
			return r;
		log_debug("%s does not cipher the SA with SPI %08x: %s", c->uplink, cpu->spi,
			  nl_why(c->xfrm));
	}
	return xfrm_sa_add(c->xfrm, cpu, is_inbound, key);
}

static int add(struct ipsec_ctx *c, const struct sa *sa, struct err *e)
{
	struct xfrm_sa x = { sa->src, sa->dst, sa->spi, OV_IPSEC_REQID, 0 };
	char dst[ADDR_TEXT_MAX];
	uint8_t key[SA_KEY_LEN];
	int r = c->take_key ? c->take_key(c->take_arg, sa, key) : -ENOENT;

	if (r == -ENOENT)
		return APPLY_LATER;
	if (!r)
		r = add_by_nic_or_cpu(c, &x, key);
	explicit_bzero(key, sizeof(key));
	return r ? err_set(e, r, "the SA to %s with SPI %08x could not be made: %s",
			   addr_format(&sa->dst, dst), sa->spi, nl_why(c->xfrm)) : 0;
}

static int upsert(void *ctx, const uint8_t *key, const uint8_t *value, bool exists, struct err *e)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	struct ipsec_ctx *c = ctx;
	struct plan_sa_key k;
	struct plan_sa v;
	int r;

	memcpy(&k, key, sizeof(k));
	memcpy(&v, value, sizeof(v));
	if (exists)
		return err_set(e, -EEXIST, "the SA to %s with SPI %08x is there, from another address than "
			       "%s: remove it (`ip xfrm state delete`)", addr_format(&k.dst, dst), k.spi,
			       addr_format(&v.src, src));
	r = ipsec_open(c, e);
	return r ? r : add(c, &(struct sa){ .src = v.src, .dst = k.dst, .spi = k.spi }, e);
}

static int remove_row(void *ctx, const uint8_t *key, const uint8_t *value, struct err *e)
{
	struct ipsec_ctx *c = ctx;
	char dst[ADDR_TEXT_MAX];
	struct plan_sa_key k;
	int r;

	(void)value;
	memcpy(&k, key, sizeof(k));
	if (c->is_policy_late)
		return APPLY_LATER;
	r = xfrm_sa_delete(c->xfrm, &k.dst, k.spi);
	return r ? err_set(e, r, "the SA to %s with SPI %08x could not be removed: %s",
			   addr_format(&k.dst, dst), k.spi, nl_why(c->xfrm)) : 0;
}

void sa_driver(struct ipsec_ctx *ctx, struct driver *ret_driver)
{
	*ret_driver = (struct driver){
		.name = "sa",
		.observe = observe,
		.upsert = upsert,
		.remove = remove_row,
		.ctx = ctx,
		.is_renewed = true,
	};
}

/* ---- for the engine ---- */

static int fact_cmp(const void *a, const void *b)
{
	const struct fact_sa *x = a, *y = b;
	int diff = addr_cmp(&x->sa.dst, &y->sa.dst);

	return diff ? diff : x->sa.spi < y->sa.spi ? -1 : x->sa.spi > y->sa.spi;
}

int ipsec_read_sas(struct ipsec_ctx *c, struct fact_sa **ret_list, size_t *ret_count, struct err *e)
{
	_cleanup_(freep) struct xfrm_sa_info *list = NULL;
	struct fact_sa *fact;
	size_t count = 0;
	int r = list_sas(c, &list, &count, e);

	if (r)
		return r;
	fact = calloc(count + 1, sizeof(*fact));
	if (!fact)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		fact[i] = (struct fact_sa){
			.sa = { list[i].sa.src, list[i].sa.dst, list[i].sa.spi },
			.packets = list[i].packets, .bytes = list[i].bytes,
			.by_nic = list[i].sa.device != 0,
			.replayed = list[i].replayed, .failed = list[i].failed,
			.added_s = list[i].added_s,
		};
	qsort(fact, count, sizeof(*fact), fact_cmp);
	*ret_list = fact;
	*ret_count = count;
	return 0;
}
