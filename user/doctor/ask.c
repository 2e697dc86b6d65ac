// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "doctor.h"

#define ASK_KNOCK 1u

bool doctor_is_ask(struct cursor request)
{
	return cursor_u8(&request) == DOCTOR_CALL && !request.bad;
}

void doctor_ask_encode(struct buf *out, const struct doctor_ask *a)
{
	buf_u8(out, DOCTOR_CALL);
	buf_u8(out, a->knock ? ASK_KNOCK : 0);
	buf_u8(out, a->count);
	for (int i = 0; i < a->count; i++)
		buf_u64(out, a->nonce[i]);
}

/* What follows the fields that are known is a later version's, and ignored. */
int doctor_ask_decode(struct cursor c, struct doctor_ask *ret_ask)
{
	struct doctor_ask a = { 0 };
	uint8_t what = cursor_u8(&c);

	a.knock = cursor_u8(&c) & ASK_KNOCK;
	a.count = cursor_u8(&c);
	if (c.bad || what != DOCTOR_CALL || a.count > DOCTOR_NONCES_MAX)
		return -EBADMSG;
	for (int i = 0; i < a.count; i++)
		a.nonce[i] = cursor_u64(&c);
	if (c.bad)
		return -EBADMSG;
	*ret_ask = a;
	return 0;
}

void doctor_answer_encode(struct buf *out, const struct doctor_answer *a)
{
	buf_u64(out, a->wall_ms);
	buf_u64(out, a->state);
	buf_u64(out, a->seen);
	buf_u64(out, a->esp_sent);
	buf_u64(out, a->esp_received);
}

int doctor_answer_decode(struct cursor c, struct doctor_answer *ret_answer)
{
	struct doctor_answer a = { .wall_ms = cursor_u64(&c) };

	a.state = cursor_u64(&c);
	a.seen = cursor_u64(&c);
	a.esp_sent = cursor_u64(&c);
	a.esp_received = cursor_u64(&c);
	if (c.bad)
		return -EBADMSG;
	*ret_answer = a;
	return 0;
}
