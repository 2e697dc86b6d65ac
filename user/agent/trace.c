/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet followed, and the rows that it rests on asked of the kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "trace/trace.h"

static void say_first(struct agent *a, struct trace *t, const char *text)
{
	struct trace_step *first = &t->step[0];

	if (t->step_count == TRACE_STEPS_MAX)
		t->step_count--;
	memmove(first + 1, first, t->step_count * sizeof(*first));
	*first = (struct trace_step){ .node = *store_self(a->store), .program = "" };
	snprintf(first->text, sizeof(first->text), "%s", text);
	t->step_count++;
}

/* What came with the same events as the question is in the plan, and in the kernel only after them. */
static bool is_pending(const struct agent *a)
{
	return a->dirty || a->facts_dirty || a->applied_serial != store_serial(a->store);
}

/* Only rows that the trace looked at are read, however many there are. */
static void compare(struct agent *a, struct trace *t)
{
	const char *differs = NULL;
	char text[TRACE_TEXT_MAX];

	for (size_t i = 0; i < t->row_count && !differs; i++)
		if (kernel_holds(a->kernel, (enum plan_table_id)t->row[i].table, t->row[i].key,
				 t->row[i].value) != 1)
			differs = plan_table_to_str((enum plan_table_id)t->row[i].table);
	if (differs && is_pending(a))
		snprintf(text, sizeof(text), "a change that just came is not in this node's kernel yet (a "
			 "row of %s): what follows is the plan; ask again", differs);
	else if (differs)
		snprintf(text, sizeof(text), "this node's kernel does not hold what the plan says (a row "
			 "of %s): what follows is the plan; run `overlayctl repair`", differs);
	else
		snprintf(text, sizeof(text), "this node's kernel holds what the plan says, in the %zu rows "
			 "that this rests on", t->row_count);
	if (t->row_count)
		say_first(a, t, text);
}

int agent_trace(void *ctx, const struct trace_ask *ask, struct trace *ret_trace,
		struct trace_packet *ret_packet, struct err *e)
{
	struct agent *a = ctx;
	const struct view *v = store_view(a->store);
	const struct id *self = store_self(a->store);
	_cleanup_(plan_fini) struct plan plan = { 0 };
	int r;

	ret_trace->view = v;
	r = trace_ask_read(v, &a->facts, self, ask, ret_trace, ret_packet, e);
	if (r)
		return r;
	r = plan_build(v, &a->facts, self, &plan);
	if (!r)
		r = trace_run(v, &a->facts, self, &plan, ret_packet, ret_trace);
	if (r)
		return err_set(e, r, "out of memory: try again");
	compare(a, ret_trace);
	return 0;
}
