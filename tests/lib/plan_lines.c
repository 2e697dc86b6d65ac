// SPDX-License-Identifier: GPL-2.0-or-later
#include "plan_lines.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

void plan_text(const struct world *w, const struct facts *f, struct buf *out)
{
	_cleanup_(view_fini) struct view v = world_view(w);
	_cleanup_(plan_fini) struct plan p = { 0 };
	struct id self = world_id(PLAN_SELF);

	cr_assert_eq(plan_build(&v, f, &self, &p), 0);
	plan_format(&p, out);
	buf_u8(out, '\0');
}

void expect_text(const struct world *w, const struct facts *f, const char *want)
{
	_cleanup_(buf_fini) struct buf out = { 0 };

	plan_text(w, f, &out);
	cr_assert_str_eq((const char *)out.data, want, "got:\n%s", (const char *)out.data);
}

void expect_lines(const struct world *w, const struct facts *f, const char *words,
		  const char *want)
{
	_cleanup_(buf_fini) struct buf out = { 0 }, got = { 0 };

	plan_text(w, f, &out);
	for (char *line = (char *)out.data, *end; *line; line = end) {
		char word[32] = " ", all[128];

		end = strchr(line, '\n') + 1;
		cr_assert_eq(sscanf(line, "%29s", word + 1), 1);
		strcat(word, " ");
		snprintf(all, sizeof(all), " %s ", words);
		if (strstr(all, word))
			buf_put(&got, line, (size_t)(end - line));
	}
	buf_u8(&got, '\0');
	cr_assert_str_eq((const char *)got.data, want, "got:\n%s", (const char *)got.data);
}
