/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "joind.h"

#include <errno.h>
#include <string.h>

#include "gossip/join.h"

_Static_assert(TLS_PSK_LEN == TOKEN_SECRET_LEN, "the token's secret is the session's key");

int joind_psk(struct store *store, uint8_t ret_psk[TLS_PSK_LEN])
{
	const struct view *view = store_view(store);

	if (!view || !view->cluster)
		return -ENOKEY;
	memcpy(ret_psk, view->cluster->token_secret, TLS_PSK_LEN);
	return 0;
}

/* The verdict is read from the reply itself: one judge, and what was said is what is logged. */
static void read_verdict(const struct buf *reply, struct joind_newcomer *n)
{
	struct cursor c = cursor_of(reply->data, reply->len);

	cursor_u8(&c);
	n->welcome = cursor_u8(&c) == 0 && !c.bad;
	cursor_str(&c, n->refusal, sizeof(n->refusal));
}

void joind_answer(struct store *store, const void *data, size_t len, struct buf *reply,
		  struct joind_newcomer *ret_newcomer)
{
	struct cursor c = cursor_of(data, len);
	struct join_request request;

	*ret_newcomer = (struct joind_newcomer){ 0 };
	join_answer(store, c, reply);
	if (reply->failed)
		return;
	read_verdict(reply, ret_newcomer);
	if (join_request_decode(&c, &request) < 0)
		return;
	memcpy(ret_newcomer->name, request.name, sizeof(request.name));
	ret_newcomer->addr = request.addr;
}
