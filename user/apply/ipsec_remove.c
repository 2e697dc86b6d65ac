/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of ours in XFRM is taken away, policies before the SAs that they name. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "drivers.h"
#include "sys/nl.h"

static void plan_table_fini(struct plan_table *t)
{
	free(t->rows);
}

static int remove_rows(struct driver *d, struct err *e)
{
	_cleanup_(plan_table_fini) struct plan_table t = { 0 };
	int first = d->observe(d->ctx, &t, e);

	for (size_t i = 0; i < t.count; i++) {
		const uint8_t *row = plan_row(&t, i);
		int r = d->remove(d->ctx, row, row + t.key_size, e);

		first = first ? first : r;
	}
	return first;
}

int ipsec_remove_all(struct ipsec_ctx *c, struct err *e)
{
	struct driver policies, sas;
	int r, r2;

	policy_driver(c, &policies);
	sa_driver(c, &sas);
	r = remove_rows(&policies, e);
	r2 = remove_rows(&sas, e);
	return r ? r : r2;
}
