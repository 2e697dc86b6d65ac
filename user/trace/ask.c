// SPDX-License-Identifier: GPL-2.0-or-later
#include "ask.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "name.h"

#define TO_MAX 300 /* a DNS name, a port and a protocol */
#define HOW_TO "it is IP or NAME, then :PORT and /PROTO if wanted, as 10.10.0.9:80/tcp"

/* What is in "HOST[:PORT][/PROTO]". */
struct target {
	char host[TO_MAX];
	uint8_t protocol;
	uint16_t port;
};

/* 0 when it is a number from 1 to `max`. */
static int read_number(const char *text, unsigned long max, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > max)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

static int read_protocol(const char *text, uint8_t *ret)
{
	if (!strcmp(text, "icmp") || !strcmp(text, "ping")) {
		*ret = IPPROTO_ICMP;
		return 0;
	}
	return protocol_parse(text, strlen(text), ret);
}

/* Cuts "/PROTO" and ":PORT" off the host. */
static int cut_target(const char *text, struct target *t, bool *ret_has_port, struct err *e)
{
	char *slash = strchr(t->host, '/'), *colon;

	if (slash)
		*slash = '\0';
	colon = strrchr(t->host, ':');
	if (colon)
		*colon = '\0';
	*ret_has_port = colon;
	t->protocol = colon ? IPPROTO_TCP : IPPROTO_ICMP;
	if (slash && read_protocol(slash + 1, &t->protocol))
		return err_set(e, -EINVAL, "\"%.200s\" ends in no protocol: tcp, udp, sctp or icmp",
			       text);
	if (colon && read_number(colon + 1, UINT16_MAX, &t->port))
		return err_set(e, -EINVAL, "\"%.200s\" has no port from 1 to 65535: " HOW_TO, text);
	return 0;
}

static int read_target(const char *text, struct target *ret, struct err *e)
{
	struct ov_addr whole;
	bool has_port;
	int r;

	*ret = (struct target){ 0 };
	if (!addr_parse(text, &whole) && !addr_is_v4(&whole))
		return err_set(e, -EINVAL, "\"%s\" is IPv6, and networks carry IPv4", text);
	if (strlen(text) >= sizeof(ret->host))
		return err_set(e, -EINVAL, "the destination is longer than %d characters", TO_MAX - 1);
	strcpy(ret->host, text);
	r = cut_target(text, ret, &has_port, e);
	if (r)
		return r;
	if (!ret->host[0])
		return err_set(e, -EINVAL, "\"%.200s\" names no destination: " HOW_TO, text);
	if (has_port && ret->protocol == IPPROTO_ICMP)
		return err_set(e, -EINVAL, "\"%.200s\": a ping has no port", text);
	if (!has_port && ret->protocol != IPPROTO_ICMP)
		return err_set(e, -EINVAL, "\"%.200s\" needs a port: " HOW_TO, text);
	return 0;
}

static int read_v4(const char *what, const char *text, struct ov_addr *ret, struct err *e)
{
	if (addr_parse(text, ret) || !addr_is_v4(ret))
		return err_set(e, -EINVAL, "%s \"%.200s\" is no IPv4 address", what, text);
	return 0;
}

static void say_answer(const struct at *at, const struct trace_ask *ask, const struct target *to,
		       const struct ov_addr *answer, size_t count)
{
	char first[ADDR_TEXT_MAX];

	addr_format(answer, first);
	if (count == 1)
		say(at, "DNS answers %s with %s on network %s", to->host, first,
		    ask->from->net->display);
	else
		say(at, "DNS answers %s with %zu addresses in random order on network %s; followed: %s",
		    to->host, count, ask->from->net->display, first);
	at->t->is_open = count > 1;
}

static int resolve(const struct view *v, const struct facts *f, const struct trace_ask *ask,
		   const struct at *at, const struct target *to, struct ov_addr *ret, struct err *e)
{
	struct ov_addr answer[NAME_ANSWERS_MAX];
	size_t count;
	int r;

	if (!addr_parse(to->host, ret) && addr_is_v4(ret))
		return 0;
	if (!ask->from)
		return read_v4("from outside, the destination is an address of a node:", to->host,
			       ret, e);
	r = name_resolve(v, &f->away, ask->from, to->host, answer, &count);
	if (r == -ENOMEM)
		return err_set(e, r, "out of memory: try again");
	if (r || !count)
		return err_set(e, -ENOENT, "\"%.200s\" is neither an address nor a name that the cluster "
			       "answers on network %s: `overlayctl service ls` and `endpoint ls` list "
			       "them", to->host, ask->from->net->display);
	say_answer(at, ask, to, answer, count);
	*ret = answer[0];
	return 0;
}

/* Numbers and addresses that have a default. */
static int read_rest(const struct trace_ask *ask, struct trace_packet *p, struct err *e)
{
	p->size = TRACE_SIZE_DEFAULT;
	if (ask->size && (read_number(ask->size, UINT16_MAX, &p->size) || p->size < 28))
		return err_set(e, -EINVAL, "size \"%.64s\" is not a number of bytes from 28 to 65535",
			       ask->size);
	if (ask->sport && read_number(ask->sport, UINT16_MAX, &p->sport))
		return err_set(e, -EINVAL, "source port \"%.64s\" is not a number from 1 to 65535",
			       ask->sport);
	return ask->backend ? read_v4("backend", ask->backend, &p->follow, e) : 0;
}

static int read_sender(const struct trace_ask *ask, struct trace_packet *p, struct err *e)
{
	const struct view_endpoint *ve = ask->from;

	if (!ve)
		return read_v4("from", ask->from_text, &p->src, e);
	if (ve->addr_lost || ve->net->vni_lost || addr_is_zero(&ve->ep->addr))
		return err_set(e, -EINVAL, "endpoint \"%.200s\" carries no traffic: its address or its "
			       "network's VNI belongs to an older one", ask->from_text);
	p->src = ve->ep->addr;
	p->vni = ve->net->net->vni;
	return 0;
}

int trace_ask_read(const struct view *v, const struct facts *f, const struct id *self,
		   const struct trace_ask *ask, struct trace *t, struct trace_packet *ret,
		   struct err *e)
{
	struct trace_node n = { .id = ask->from ? ask->from->ep->node : *self };
	const struct at at = { t, &n, "" };
	struct target to;
	int r = read_target(ask->to, &to, e);

	*ret = (struct trace_packet){ 0 };
	if (!r)
		r = read_sender(ask, ret, e);
	if (!r)
		r = read_rest(ask, ret, e);
	if (!r)
		r = resolve(v, f, ask, &at, &to, &ret->dst, e);
	ret->protocol = to.protocol;
	ret->dport = to.port;
	return r;
}
