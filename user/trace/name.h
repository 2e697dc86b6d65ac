/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, as the cluster's DNS answers them to one endpoint. Private to trace/. */
#pragma once

#include "model/view.h"

#define NAME_ANSWERS_MAX 16

/*
 * The addresses of the answer, sorted; *ret_count is 0 when the cluster has no such name. 0,
 * -EINVAL for what no DNS name can be, or -ENOMEM.
 */
int name_resolve(const struct view *v, const struct id_set *away, const struct view_endpoint *asker,
		 const char *name, struct ov_addr ret[NAME_ANSWERS_MAX], size_t *ret_count);
