/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "forward_inside.h"

struct out *out_emit(struct dns_forward *f, int type, const void *data, size_t len)
{
	struct out *out = calloc(1, sizeof(*out) + len);

	if (!out) {
		f->counters.over_limit++;
		return NULL;
	}
	if (len)
		memcpy(out->data, data, len);
	out->o.type = type;
	out->o.data = out->data;
	out->o.len = len;
	*f->outs_end = out;
	f->outs_end = &out->next;
	return out;
}

void out_take_back(struct dns_forward *f)
{
	free(TAKE_PTR(f->shown));
}

bool dns_forward_next_output(struct dns_forward *f, struct dns_forward_output *ret_output)
{
	struct out *out = f->outs;

	out_take_back(f);
	if (!out)
		return false;
	f->outs = out->next;
	if (!f->outs)
		f->outs_end = &f->outs;
	f->shown = out;
	*ret_output = out->o;
	return true;
}

void out_answer(struct dns_forward *f, const struct origin *to, const void *reply, size_t len,
		uint32_t age)
{
	struct out *out = out_emit(f, DNS_OUT_ANSWER, reply, len);
	size_t whole = DNS_HEADER_LEN + to->question_len;

	if (!out)
		return;
	f->counters.answered++;
	out->o.cookie = to->cookie;
	dns_set_u16(out->data, to->id);
	if (len < whole || dns_get_u16(out->data + 4) != 1)
		return; /* an error without its question */
	memcpy(out->data + DNS_HEADER_LEN, to->question, to->question_len);
	if (age)
		dns_reply_age(out->data, len, to->question_len, age);
	out->o.len = dns_reply_fit(out->data, len, to->question_len, to->size);
}

void out_failure(struct dns_forward *f, const struct origin *to, const void *query, size_t len)
{
	_cleanup_(buf_fini) struct buf reply = { 0 };

	dns_error(query, len, DNS_SERVFAIL, &reply);
	if (!reply.failed && reply.len >= DNS_HEADER_LEN)
		out_answer(f, to, reply.data, reply.len, 0);
}
