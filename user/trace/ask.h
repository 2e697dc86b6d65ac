/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what a person asks to a packet. */
#pragma once

#include "model/view.h"
#include "plan/plan.h"
#include "trace/steps.h"

/* As typed; NULL: not given. */
struct trace_ask {
	const struct view_endpoint *from; /* NULL: from_text is an address outside the overlay */
	const char *from_text;
	const char *to;       /* IP|NAME[:PORT[/PROTO]] or IP|NAME[/PROTO] */
	const char *size;     /* bytes of the IP packet */
	const char *sport;    /* of the sender */
	const char *backend;  /* an address to follow where several may get it */
};

#define TRACE_SIZE_DEFAULT 60 /* a TCP SYN with the usual options */

/*
 * Fills the packet. A name in `to` is resolved as the cluster's DNS resolves it for the sender,
 * which a step of *t says. 0, or a negative errno with a sentence.
 */
int trace_ask_read(const struct view *v, const struct facts *f, const struct id *self,
		   const struct trace_ask *ask, struct trace *t, struct trace_packet *ret,
		   struct err *e);
