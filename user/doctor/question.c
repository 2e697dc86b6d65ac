// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "doctor.h"

#define HEADER 12
#define RECURSION_DESIRED 0x0100 /* as every stub resolver asks: RFC 1035, 4.1.1 */
#define IS_ANSWER 0x80
#define LABEL_MAX_BYTES 63

static void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Labels of a name, each behind its length, and the root. Returns the end, or NULL. */
static uint8_t *put_name(uint8_t *at, const uint8_t *end, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > LABEL_MAX_BYTES || at + len + 2 > end)
			return NULL;
		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	*at++ = 0;
	return at;
}

size_t doctor_question(uint16_t number, const char *name, uint8_t out[DOCTOR_QUESTION_MAX])
{
	uint8_t *at;

	memset(out, 0, HEADER);
	put_u16(out, number);
	put_u16(out + 2, RECURSION_DESIRED);
	put_u16(out + 4, 1);
	if (!*name)
		return 0;
	at = put_name(out + HEADER, out + DOCTOR_QUESTION_MAX - 4, name);
	if (!at)
		return 0;
	put_u16(at, 1);     /* A */
	put_u16(at + 2, 1); /* IN */
	return (size_t)(at + 4 - out);
}

int doctor_question_answer(const void *data, size_t len, uint16_t number)
{
	const uint8_t *p = data;

	if (len < HEADER || (p[0] << 8 | p[1]) != number || !(p[2] & IS_ANSWER))
		return -EBADMSG;
	return p[3] & 0x0f;
}
