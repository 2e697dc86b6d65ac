/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "xfrm_inside.h"

#define AEAD "rfc4106(gcm(aes))"
#define ICV_BITS 128
/*
 * The largest that the kernel takes (XFRMA_REPLAY_ESN_MAX): packets of one SA overtake each
 * other when a sender's CPUs or a wire's queues are many.
 */
#define WINDOW_PACKETS 4096u
#define WINDOW_WORDS (WINDOW_PACKETS / 32)

/* A request or an answer may hold a key. */
static int talk(struct nl *n, int (*fn)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	int r = nl_talk(n, fn, arg);

	nl_wipe(n);
	return r;
}

/* ---- add ---- */

static void put_key(struct nlmsghdr *msg, const uint8_t key[XFRM_KEY_LEN])
{
	struct {
		struct xfrm_algo_aead head;
		uint8_t key[XFRM_KEY_LEN];
	} a = { .head = { .alg_name = AEAD, .alg_key_len = XFRM_KEY_LEN * 8, .alg_icv_len = ICV_BITS } };

	memcpy(a.head.alg_key, key, XFRM_KEY_LEN);
	mnl_attr_put(msg, XFRMA_ALG_AEAD, sizeof(a.head) + XFRM_KEY_LEN, &a);
	explicit_bzero(&a, sizeof(a));
}

/* Sequence numbers of 64 bits (RFC 4303, 2.2.1); a sender's SA needs the window too. */
static void put_window(struct nlmsghdr *msg)
{
	struct {
		struct xfrm_replay_state_esn head;
		uint32_t bmp[WINDOW_WORDS];
	} w = { .head = { .bmp_len = WINDOW_WORDS, .replay_window = WINDOW_PACKETS } };

	mnl_attr_put(msg, XFRMA_REPLAY_ESN_VAL, sizeof(w), &w);
}

/* A kernel without XFRM_OFFLOAD passes it over. */
static void put_device(struct nlmsghdr *msg, uint32_t device, bool is_inbound)
{
	struct xfrm_user_offload o = {
		.ifindex = (int)device,
		.flags = is_inbound ? XFRM_OFFLOAD_INBOUND : 0,
	};

	if (device)
		mnl_attr_put(msg, XFRMA_OFFLOAD_DEV, sizeof(o), &o);
}

int xfrm_sa_add(struct nl *n, const struct xfrm_sa *sa, bool is_inbound,
		const uint8_t key[XFRM_KEY_LEN])
{
	struct nlmsghdr *msg = xfrm_begin(n, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL);
	struct xfrm_usersa_info *x = mnl_nlmsg_put_extra_header(msg, sizeof(*x));

	x->family = xfrm_family(&sa->dst);
	x->sel.family = x->family; /* what is inside is of the same */
	xfrm_put_addr(&x->id.daddr, &sa->dst);
	xfrm_put_addr(&x->saddr, &sa->src);
	x->id.spi = htonl(sa->spi);
	x->id.proto = IPPROTO_ESP;
	x->mode = XFRM_MODE_TUNNEL;
	x->reqid = sa->reqid;
	x->flags = XFRM_STATE_ESN;
	xfrm_no_limits(&x->lft);
	put_key(msg, key);
	put_window(msg);
	put_device(msg, sa->device, is_inbound);
	return talk(n, NULL, NULL);
}

/* ---- delete, look ---- */

static void begin_one(struct nl *n, uint16_t type, const struct ov_addr *dst, uint32_t spi)
{
	struct nlmsghdr *msg = xfrm_begin(n, type, 0);
	struct xfrm_usersa_id *id = mnl_nlmsg_put_extra_header(msg, sizeof(*id));

	id->family = xfrm_family(dst);
	xfrm_put_addr(&id->daddr, dst);
	id->spi = htonl(spi);
	id->proto = IPPROTO_ESP;
}

int xfrm_sa_delete(struct nl *n, const struct ov_addr *dst, uint32_t spi)
{
	int r;

	begin_one(n, XFRM_MSG_DELSA, dst, spi);
	r = talk(n, NULL, NULL);
	return r == -ESRCH ? 0 : r;
}

int xfrm_sa_check(struct nl *n, const struct ov_addr *dst, uint32_t spi)
{
	begin_one(n, XFRM_MSG_GETSA, dst, spi);
	return talk(n, NULL, NULL);
}

/* ---- list ---- */

struct sa_list {
	uint32_t reqid;
	size_t count, cap;
	struct xfrm_sa_info *item;
};

static int push(struct sa_list *l, const struct xfrm_sa_info *s)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct xfrm_sa_info *grown = reallocarray(l->item, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		l->item = grown;
		l->cap = cap;
	}
	l->item[l->count++] = *s;
	return 0;
}

static uint32_t read_device(const struct nlmsghdr *msg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, msg, sizeof(struct xfrm_usersa_info))
		if (mnl_attr_get_type(a) == XFRMA_OFFLOAD_DEV &&
		    mnl_attr_get_payload_len(a) >= sizeof(struct xfrm_user_offload))
			return (uint32_t)((const struct xfrm_user_offload *)mnl_attr_get_payload(a))->ifindex;
	return 0;
}

/* The kernel's messages are aligned to 4 bytes, this struct to 8. */
static int add_sa(const struct nlmsghdr *msg, void *arg)
{
	struct xfrm_usersa_info x;
	struct sa_list *l = arg;

	if (msg->nlmsg_type != XFRM_MSG_NEWSA || mnl_nlmsg_get_payload_len(msg) < sizeof(x))
		return 0;
	memcpy(&x, mnl_nlmsg_get_payload(msg), sizeof(x));
	if (x.reqid != l->reqid || x.id.proto != IPPROTO_ESP)
		return 0;
	return push(l, &(struct xfrm_sa_info){
		.sa = { .src = xfrm_read_addr(&x.saddr, x.family),
			.dst = xfrm_read_addr(&x.id.daddr, x.family),
			.spi = ntohl(x.id.spi), .reqid = x.reqid, .device = read_device(msg) },
		.packets = x.curlft.packets,
		.bytes = x.curlft.bytes,
		.added_s = x.curlft.add_time,
		.replayed = x.stats.replay,
		.failed = x.stats.integrity_failed,
	});
}

int xfrm_sa_list(struct nl *n, uint32_t reqid, struct xfrm_sa_info **ret_list, size_t *ret_count)
{
	struct sa_list l = { .reqid = reqid };
	int r = -EAGAIN;

	for (int i = 0; i < XFRM_DUMP_TRIES && r == -EAGAIN; i++) {
		struct nlmsghdr *msg = xfrm_begin(n, XFRM_MSG_GETSA, NLM_F_DUMP);

		mnl_attr_put_u8(msg, XFRMA_PROTO, IPPROTO_ESP);
		l.count = 0;
		r = talk(n, add_sa, &l);
	}
	if (r) {
		free(l.item);
		return r;
	}
	*ret_list = l.item;
	*ret_count = l.count;
	return 0;
}

/* ---- probe ---- */

#define PROBE_REQID 0x6f760002u /* beside OV_IPSEC_REQID, so that nobody takes it for an SA in use */
#define PROBE_SPI 0x6f760100u

static int not_able(int r, const struct nl *n, struct err *e)
{
	if (r == -EPROTONOSUPPORT)
		return err_set(e, -EOPNOTSUPP, "this kernel has no ESP (CONFIG_INET_ESP, module esp4)");
	/* -ENOSYS: unknown by name; -ENOENT: cannot be put together. */
	if (r == -ENOSYS || r == -ENOENT)
		return err_set(e, -EOPNOTSUPP, "this kernel has no " AEAD ", which comes with ESP "
			       "(CONFIG_INET_ESP, modules esp4, gcm, seqiv)");
	return err_set(e, -EOPNOTSUPP, "this kernel refuses an SA of ESP with " AEAD ": %s", nl_why(n));
}

int xfrm_probe(struct err *e)
{
	struct xfrm_sa sa = { .src = addr_from_v4(0x7f6f7601), .dst = addr_from_v4(0x7f6f7602),
			      .spi = PROBE_SPI, .reqid = PROBE_REQID };
	static const uint8_t no_secret[XFRM_KEY_LEN];
	_cleanup_(nl_closep) struct nl *n = NULL;
	int r = nl_open_bus(NETLINK_XFRM, &n);

	if (r)
		return err_set(e, -EOPNOTSUPP, "this kernel has no XFRM (CONFIG_XFRM_USER, module xfrm_user): "
			       "%s", strerror(-r));
	r = xfrm_sa_add(n, &sa, true, no_secret);
	if (r && r != -EEXIST) /* somebody died between making and removing it */
		return not_able(r, n, e);
	xfrm_sa_delete(n, &sa.dst, sa.spi);
	return 0;
}
