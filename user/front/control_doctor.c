/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The systematic check, answered when it is over. */
#include "control_call.h"

static void on_examined(void *arg, const struct findings *f, const struct err *e)
{
	struct call *call = arg;

	if (call_is_over(call))
		return;
	if (e)
		call_fail(call, e->code, e);
	else
		call_done(call, 200, show_doctor(f));
}

void control_get_doctor(struct call *call)
{
	struct control_host *h = &call->c->host;

	h->examine(h->ctx, on_examined, call);
}
