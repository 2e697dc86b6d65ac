/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the data path counted of each rule, for `policy ls`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "kernel.h"

int kernel_read_policy(struct kernel *k, struct policy_row **ret_rows, size_t *ret_count,
		       struct err *e)
{
	const struct map_ctx hits = { kernel_bpf(k), BPF_MAP_policy_hits,
				      sizeof(struct ov_policy_hits_key), sizeof(struct ov_policy_hits) };
	struct plan_table t = { 0 };
	struct policy_row *rows;
	int r = map_read(&hits, &t, e);

	if (r)
		return r;
	rows = calloc(t.count + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < t.count; i++) {
		struct ov_policy_hits_key key;
		struct ov_policy_hits value;

		memcpy(&key, plan_row(&t, i), sizeof(key));
		memcpy(&value, plan_row(&t, i) + sizeof(key), sizeof(value));
		rows[i] = (struct policy_row){ key.vni, key.rule, value.allowed, value.denied };
	}
	*ret_count = t.count;
	*ret_rows = rows;
	free(t.rows);
	return rows ? 0 : err_set(e, -ENOMEM, "out of memory");
}
