// SPDX-License-Identifier: GPL-2.0-or-later
/* By asking dns/ itself, with a question as a container sends it: no second rule about names. */
#include "name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dns/dns.h"

#define LABEL_LEN_MAX 63 /* RFC 1035 2.3.4 */
#define CLASS_IN 1
#define FLAG_RD 0x0100
#define POINTER 0xc0     /* RFC 1035 4.1.4 */

static int put_labels(struct buf *b, const char *name)
{
	size_t total = strlen(name);

	if (!total || total >= DNS_NAME_TEXT_MAX)
		return -EINVAL;
	while (*name) {
		size_t len = strcspn(name, ".");

		if (!len || len > LABEL_LEN_MAX)
			return -EINVAL;
		buf_u8(b, (uint8_t)len);
		buf_put(b, name, len);
		name += len + (name[len] == '.');
	}
	buf_u8(b, 0);
	return 0;
}

static int put_question(struct buf *b, const char *name)
{
	const uint16_t header[] = { 1, FLAG_RD, 1, 0, 0, 0 }; /* one question */

	for (size_t i = 0; i < ARRAY_SIZE(header); i++)
		buf_u16(b, header[i]);
	if (put_labels(b, name))
		return -EINVAL;
	buf_u16(b, DNS_A);
	buf_u16(b, CLASS_IN);
	return b->failed ? -ENOMEM : 0;
}

static void skip_name(struct cursor *c)
{
	uint8_t len = cursor_u8(c);

	for (; len && !c->bad; len = cursor_u8(c)) {
		if ((len & POINTER) == POINTER) {
			cursor_u8(c);
			return;
		}
		cursor_take(c, len);
	}
}

static int by_address(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

static size_t read_answers(const struct buf *b, size_t question_len, struct ov_addr ret[])
{
	struct cursor c = cursor_of(b->data, b->len);
	size_t count = 0;
	uint16_t answers;

	cursor_take(&c, 6);
	answers = cursor_u16(&c);
	cursor_take(&c, 4 + question_len);
	for (; answers && !c.bad && count < NAME_ANSWERS_MAX; answers--) {
		uint16_t type, len;

		skip_name(&c);
		type = cursor_u16(&c);
		cursor_take(&c, 6); /* class and time to live */
		len = cursor_u16(&c);
		if (type == DNS_A && len == 4)
			ret[count++] = addr_from_v4(cursor_u32(&c));
		else
			cursor_take(&c, len);
	}
	qsort(ret, count, sizeof(*ret), by_address);
	return count;
}

/* A container's DNS knows the networks of all endpoints in its namespace. */
static size_t networks_of(const struct view *v, const struct view_endpoint *asker, struct id *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct endpoint *ep = v->endpoint[i].ep, *mine = asker->ep;

		if (id_equal(&ep->node, &mine->node) && ep->netns_dev == mine->netns_dev &&
		    ep->netns_ino == mine->netns_ino)
			ret[count++] = ep->network;
	}
	return count;
}

static int ask(const struct dns_names *names, const struct dns_asker *asker, const struct buf *question,
	       struct ov_addr ret[], size_t *ret_count)
{
	_cleanup_(buf_fini) struct buf out = { 0 };
	struct dns_query q;
	struct rng rng = { 0 }; /* shuffles what is sorted again */

	if (dns_parse(question->data, question->len, &q))
		return -EINVAL;
	if (dns_answer(names, asker, &q, question->data, true, &rng, &out) == DNS_ANSWERED)
		*ret_count = read_answers(&out, q.question_len, ret);
	return out.failed ? -ENOMEM : 0;
}

int name_resolve(const struct view *v, const struct id_set *away, const struct view_endpoint *asker,
		 const char *name, struct ov_addr ret[NAME_ANSWERS_MAX], size_t *ret_count)
{
	_cleanup_(buf_fini) struct buf question = { 0 };
	_cleanup_(freep) struct id *network = calloc(v->endpoint_count + 1, sizeof(*network));
	struct dns_names *names;
	struct dns_asker who;
	int r = network ? put_question(&question, name) : -ENOMEM;

	*ret_count = 0;
	if (!r)
		r = dns_names_build(v, away, &names);
	if (r)
		return r;
	who = (struct dns_asker){ networks_of(v, asker, network), network };
	r = ask(names, &who, &question, ret, ret_count);
	dns_names_free(names);
	return r;
}
