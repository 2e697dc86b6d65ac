// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is seen by whom, over bad links and through failures. */
#include <criterion/criterion.h>

#include "tests/lib/cluster.h"

Test(membership, two_nodes_find_each_other_by_a_seed)
{
	struct sim *c = cluster_new(2, 1);

	cr_assert(cluster_wait(c, cluster_is_settled, 3000));
	cluster_free(c);
}
