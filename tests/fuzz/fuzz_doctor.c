/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node asks another for `doctor`, and the answer; a DNS answer. First byte: which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

/* What was read is written and read again as the same. */
static void ask(const uint8_t *data, size_t size)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	struct doctor_ask a = { 0 }, b = { 0 };

	if (doctor_ask_decode(cursor_of(data, size), &a))
		return;
	if (!doctor_is_ask(cursor_of(data, size)))
		abort();
	doctor_ask_encode(&out, &a);
	if (doctor_ask_decode(cursor_of(out.data, out.len), &b) || memcmp(&a, &b, sizeof(a)))
		abort();
}

static void answer(const uint8_t *data, size_t size)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	struct doctor_answer a = { 0 }, b = { 0 };

	if (doctor_answer_decode(cursor_of(data, size), &a))
		return;
	doctor_answer_encode(&out, &a);
	if (doctor_answer_decode(cursor_of(out.data, out.len), &b) || memcmp(&a, &b, sizeof(a)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (*data % 3) {
	case 0:
		ask(data + 1, size - 1);
		break;
	case 1:
		answer(data + 1, size - 1);
		break;
	case 2:
		if (doctor_question_answer(data + 1, size - 1, 0) > 15)
			abort();
		break;
	}
	return 0;
}
