/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS over UDP. Questions that were sent to 127.0.0.11:53 are steered to a socket with
 * another port, and from that port resolvers take no answer. So answers are whole packets
 * with port 53 in them, sent by a raw socket.
 */
#include "dnsd_inside.h"

#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

struct head {
	struct iphdr ip;
	struct udphdr udp;
};

struct batch {
	struct mmsghdr msg[DNSD_BATCH];
	struct iovec iov[DNSD_BATCH][2];
	struct sockaddr_in peer[DNSD_BATCH];
	struct head head[DNSD_BATCH]; /* of answers */
};

/*
 * The kernel fills in length and header sum. No UDP sum, as RFC 768 allows: the packet
 * stays within the namespace, in memory.
 */
static struct head make_head(const struct sockaddr_in *to, size_t len)
{
	return (struct head){
		.ip = { .version = IPVERSION, .ihl = sizeof(struct iphdr) / 4,
			.frag_off = htons(IP_DF), .ttl = IPDEFTTL, .protocol = IPPROTO_UDP,
			.saddr = htonl(DNSD_ADDR), .daddr = to->sin_addr.s_addr },
		.udp = { .source = htons(DNSD_PORT), .dest = to->sin_port,
			 .len = htons((uint16_t)(sizeof(struct udphdr) + len)) },
	};
}

static bool is_steered(const struct place *p)
{
	return p->raw >= 0;
}

static void put_answer(const struct place *p, struct batch *b, size_t i, const struct sockaddr_in *to,
		       const void *data, size_t len)
{
	b->peer[i] = *to;
	b->head[i] = make_head(to, len);
	b->iov[i][0] = (struct iovec){ &b->head[i], is_steered(p) ? sizeof(b->head[i]) : 0 };
	b->iov[i][1] = (struct iovec){ (void *)data, len };
	b->msg[i] = (struct mmsghdr){ .msg_hdr = {
		.msg_name = &b->peer[i], .msg_namelen = sizeof(b->peer[i]),
		.msg_iov = b->iov[i], .msg_iovlen = 2,
	} };
}

/* What the kernel does not take is as good as lost on the way: the asker asks again. */
static void send_answers(struct place *p, struct batch *b, unsigned int count)
{
	sendmmsg(is_steered(p) ? p->raw : p->udp, b->msg, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void place_send(struct place *p, const struct sockaddr_in *to, const void *data, size_t len)
{
	struct batch out;

	put_answer(p, &out, 0, to, data, len);
	send_answers(p, &out, 1);
}

/* Answers go out together. */
static void answer_batch(struct place *p, const struct batch *in, unsigned int count,
			 uint8_t data[][DNSD_DATAGRAM_ROOM])
{
	struct dnsd *d = p->d;
	struct batch out;
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct pending asker = { .place = p, .to = in->peer[i] };

		buf_reset(&d->tx[n]);
		if (dnsd_take(d, &asker, data[i], in->msg[i].msg_len, &d->tx[n]) != DNSD_REPLY)
			continue;
		put_answer(p, &out, n, &in->peer[i], d->tx[n].data, d->tx[n].len);
		n++;
	}
	if (n)
		send_answers(p, &out, n);
}

static void put_room(struct batch *b, size_t i, uint8_t data[DNSD_DATAGRAM_ROOM])
{
	b->iov[i][0] = (struct iovec){ data, DNSD_DATAGRAM_ROOM };
	b->msg[i] = (struct mmsghdr){ .msg_hdr = {
		.msg_name = &b->peer[i], .msg_namelen = sizeof(b->peer[i]),
		.msg_iov = b->iov[i], .msg_iovlen = 1,
	} };
}

/* Returns how many datagrams were there, at most DNSD_BATCH. */
static unsigned int receive_batch(struct place *p)
{
	uint8_t data[DNSD_BATCH][DNSD_DATAGRAM_ROOM];
	struct batch in;
	int n;

	for (size_t i = 0; i < DNSD_BATCH; i++)
		put_room(&in, i, data[i]);
	n = recvmmsg(p->udp, in.msg, DNSD_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	answer_batch(p, &in, (unsigned int)n, data);
	return (unsigned int)n;
}

void datagrams_take(struct place *p)
{
	unsigned int seen = 0, n;

	do {
		n = receive_batch(p);
		seen += n;
	} while (n == DNSD_BATCH && seen < DNSD_DATAGRAMS_PER_WAKE);
}
