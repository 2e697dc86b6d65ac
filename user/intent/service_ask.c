/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person says of a service: words into a record's values. */
#include "room.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define AFFINITY_S_MAX 86400  /* a day, as Kubernetes allows */
#define PORT_ANY "any"        /* instead of a list: every port */
#define PORT_TEXT_MAX 32      /* of a port in a sentence: "65535:65535/sctp" */

static bool is_none(const char *text)
{
	return !strcmp(text, "none");
}

/* A number between `min` and `max` out of the first len characters. 0 or -EINVAL. */
static int parse_part(const char *text, size_t len, uint64_t min, uint64_t max,
		      uint64_t *ret_number)
{
	char digits[24];
	uint64_t number;

	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (parse_number(digits, max, &number) < 0 || number < min)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

/* ---- ports ---- */

static const char *port_format(const struct service_port *p, char out[PORT_TEXT_MAX])
{
	if (p->port == p->target)
		snprintf(out, PORT_TEXT_MAX, "%u/%s", p->port, protocol_to_str(p->protocol));
	else
		snprintf(out, PORT_TEXT_MAX, "%u:%u/%s", p->port, p->target,
			 protocol_to_str(p->protocol));
	return out;
}

/* "PORT[:TARGET][/PROTO]" */
static int parse_port(const char *text, struct service_port *ret_port, struct err *e)
{
	size_t number = strcspn(text, "/"), first = strcspn(text, ":/");
	struct service_port p = { .protocol = IPPROTO_TCP };
	uint64_t port, target;
	int r = parse_part(text, first, 1, UINT16_MAX, &port);

	target = port;
	if (r == 0 && text[first] == ':')
		r = parse_part(text + first + 1, number - first - 1, 1, UINT16_MAX, &target);
	if (r == 0 && text[number])
		r = protocol_parse(text + number + 1, strlen(text + number + 1), &p.protocol);
	if (r < 0)
		return err_set(e, -EINVAL,
			       "port \"%.40s\" is not PORT[:TARGET][/PROTOCOL]; use numbers "
			       "from 1 to 65535 and tcp, udp or sctp, 80:8080/tcp say",
			       text);
	p.port = (uint16_t)port;
	p.target = (uint16_t)target;
	*ret_port = p;
	return 0;
}

static int add_port(struct service_detail *d, const struct service_port *p, struct err *e)
{
	char one[PORT_TEXT_MAX], other[PORT_TEXT_MAX];

	for (int i = 0; i < d->port_count; i++) {
		const struct service_port *o = &d->port[i];

		if (o->protocol != p->protocol)
			continue;
		if (o->port == p->port)
			return err_set(e, -EINVAL, "port %u/%s is given twice; give it once", p->port,
				       protocol_to_str(p->protocol));
		if (o->target == p->target)
			return err_set(e, -EINVAL,
				       "ports %s and %s have one target, so that replies could "
				       "not be told apart; give each its own",
				       port_format(o, one), port_format(p, other));
	}
	if (d->port_count == SERVICE_PORT_MAX)
		return err_set(e, -EINVAL,
			       "a service may have %d ports, and port %s is one too many; leave "
			       "ports out to take every port",
			       SERVICE_PORT_MAX, port_format(p, one));
	d->port[d->port_count++] = *p;
	return 0;
}

static int remove_port(struct service_detail *d, const struct service_port *p, struct err *e)
{
	char text[PORT_TEXT_MAX];

	for (int i = 0; i < d->port_count; i++) {
		if (d->port[i].port != p->port || d->port[i].protocol != p->protocol)
			continue;
		d->port[i] = d->port[--d->port_count];
		d->port[d->port_count] = (struct service_port){ 0 };
		return 0;
	}
	return err_set(e, -ENOENT,
		       "the service has no port %s to be taken away; `overlayctl service "
		       "inspect` shows its ports",
		       port_format(p, text));
}

static bool is_signed(const char *text)
{
	return *text == '+' || *text == '-';
}

/* Who takes ports away wants fewer of them, not all: that is asked for by name. */
static int check_ports_left(const struct service_ask *ask, const struct service_detail *d,
			    struct err *e)
{
	if (d->port_count)
		return 0;
	return err_set(e, -EINVAL,
		       "port \"%.40s\" is the last one, and a service without ports takes every "
		       "port; say so with --port any, or remove the service",
		       ask->port[ask->port_count - 1]);
}

/* A list without signs replaces what there is; with signs it changes it, in order. */
static int take_ports(const struct service_ask *ask, bool may_change, struct service_detail *d,
		      struct err *e)
{
	bool change = ask->port_count && is_signed(ask->port[0]);
	int r = 0;

	if (!ask->port_count)
		return 0;
	if (!change || !may_change)
		d->port_count = 0;
	if (ask->port_count == 1 && !strcmp(ask->port[0], PORT_ANY))
		return 0;
	for (size_t i = 0; i < ask->port_count && r == 0; i++) {
		const char *text = ask->port[i];
		struct service_port p;

		if (may_change && is_signed(text) != change)
			return err_set(e, -EINVAL,
				       "port \"%.40s\" has %s sign and another one has %s; give "
				       "a + or - to all, or to none for a whole new list",
				       text, change ? "no" : "a", change ? "one" : "none");
		r = parse_port(may_change && change ? text + 1 : text, &p, e);
		if (r == 0)
			r = change && *text == '-' ? remove_port(d, &p, e) : add_port(d, &p, e);
	}
	return r == 0 ? check_ports_left(ask, d, e) : r;
}

/* ---- balancing ---- */

static int take_algorithm(const char *text, struct service *s, struct err *e)
{
	if (!text || lb_parse(text, &s->algorithm) == 0)
		return 0;
	return err_set(e, -EINVAL,
		       "\"%.40s\" is no way to balance; choose maglev, rr, random or least-conn",
		       text);
}

static int take_affinity(const char *text, struct service *s, struct err *e)
{
	static const char word[] = "client-ip";
	const char *rest = text ? text + strlen(word) : NULL;
	uint64_t seconds = AFFINITY_S;

	if (!text)
		return 0;
	if (is_none(text)) {
		s->affinity_s = 0;
		return 0;
	}
	if (strncmp(text, word, strlen(word)) || (*rest && *rest != '=') ||
	    (*rest && parse_part(rest + 1, strlen(rest + 1), 1, AFFINITY_S_MAX, &seconds) < 0))
		return err_set(e, -EINVAL,
			       "affinity \"%.40s\" is neither client-ip, client-ip=SECONDS (1 to "
			       "%d) nor none",
			       text, AFFINITY_S_MAX);
	s->affinity_s = (uint32_t)seconds;
	return 0;
}

static int take_prefer(const char *text, struct service *s, struct err *e)
{
	if (!text)
		return 0;
	if (strcmp(text, "local") && !is_none(text))
		return err_set(e, -EINVAL, "prefer \"%.40s\" is neither local nor none", text);
	s->prefer_local = !is_none(text);
	return 0;
}

/* Without a VIP there is nothing that could balance. */
static int refuse_for_dnsrr(const struct service_ask *ask, const char *name, struct err *e)
{
	const char *what = ask->algorithm ? "--lb" : ask->affinity ? "--affinity" :
			   ask->prefer ? "--prefer" : ask->vip ? "--vip" : NULL;

	if (!what)
		return 0;
	return err_set(e, -EINVAL,
		       "service %s is dnsrr: its clients get all addresses and choose "
		       "themselves, so %s means nothing; leave it out, or use "
		       "--endpoint-mode vip",
		       name, what);
}

/* ---- health ---- */

/* The path of a request line: visible characters, no more than a record holds. */
static int take_path(const char *path, const char *whole, struct service_detail *d, struct err *e)
{
	size_t len = strlen(path);
	bool ok = len <= HEALTH_PATH_MAX_LEN;

	for (const char *c = path; ok && *c; c++)
		ok = *c > ' ' && *c < 0x7f;
	if (!ok)
		return err_set(e, -EINVAL,
			       "health \"%.60s\": the path must be at most %d visible ASCII "
			       "characters; escape others with %%",
			       whole, HEALTH_PATH_MAX_LEN);
	strcpy(d->health_path, len ? path : "/");
	return 0;
}

static int take_check(const char *text, struct service_draft *draft, struct err *e)
{
	struct service *s = &draft->s;
	bool tcp = !strncmp(text, "tcp:", 4), http = !strncmp(text, "http:", 5);
	const char *at = text + (tcp ? 4 : 5);
	size_t len = http ? strcspn(at, "/") : tcp ? strlen(at) : 0;
	uint64_t port;

	s->health = HEALTH_NONE;
	s->health_port = 0;
	memset(draft->d.health_path, 0, sizeof(draft->d.health_path));
	if (is_none(text))
		return 0;
	if ((!tcp && !http) || parse_part(at, len, 1, UINT16_MAX, &port) < 0)
		return err_set(e, -EINVAL,
			       "health \"%.60s\" is neither tcp:PORT, http:PORT/PATH nor none",
			       text);
	s->health = tcp ? HEALTH_TCP : HEALTH_HTTP;
	s->health_port = (uint16_t)port;
	return http ? take_path(at + len, text, &draft->d, e) : 0;
}

static int take_health(const struct service_ask *ask, struct service_draft *draft, struct err *e)
{
	struct service *s = &draft->s;
	uint64_t interval = s->health_interval_s ? s->health_interval_s : HEALTH_INTERVAL_S;
	int r = ask->health ? take_check(ask->health, draft, e) : 0;

	if (r < 0)
		return r;
	if (ask->health_interval && s->health == HEALTH_NONE)
		return err_set(e, -EINVAL,
			       "a health interval of \"%.20s\" without a check; say what to check "
			       "with --health tcp:PORT or http:PORT/PATH",
			       ask->health_interval);
	if (ask->health_interval &&
	    parse_part(ask->health_interval, strlen(ask->health_interval), 1,
		       HEALTH_INTERVAL_S_MAX, &interval) < 0)
		return err_set(e, -EINVAL, "health interval \"%.20s\" is not a number of seconds "
			       "between 1 and %d",
			       ask->health_interval, HEALTH_INTERVAL_S_MAX);
	s->health_interval_s = s->health == HEALTH_NONE ? 0 : (uint16_t)interval;
	return 0;
}

/* ---- the whole ---- */

/* One label of DNS (RFC 1035), and nothing that a resolver would read as an address. */
static int check_name(const char *name, struct err *e)
{
	int r = name_check("service name", name, e);
	size_t len = strlen(name);

	if (r < 0)
		return r;
	if (strchr(name, '.') || name[len - 1] == '-' || name[len - 1] == '_')
		return err_set(e, -EINVAL,
			       "service name \"%s\" cannot be a name in DNS; leave dots out and "
			       "end it with a letter or digit",
			       name);
	if (strspn(name, "0123456789") == len)
		return err_set(e, -EINVAL,
			       "service name \"%s\" would be read as an address; begin it with a "
			       "letter",
			       name);
	return 0;
}

static int take_mode(const char *text, struct service *s, struct err *e)
{
	s->mode = text && !strcmp(text, "dnsrr") ? SERVICE_DNSRR : SERVICE_VIP;
	if (text && strcmp(text, service_mode_to_str(s->mode)))
		return err_set(e, -EINVAL, "endpoint mode \"%.40s\" is neither vip nor dnsrr", text);
	return 0;
}

static int take_rest(const struct service_ask *ask, bool may_change, struct service_draft *draft,
		     struct err *e)
{
	struct service *s = &draft->s;
	int r = take_publish(ask, draft, e);

	if (r == 0)
		r = take_service_options(ask, s, e);
	if (r == 0 && s->mode == SERVICE_DNSRR)
		r = refuse_for_dnsrr(ask, s->name, e);
	if (r == 0)
		r = take_algorithm(ask->algorithm, s, e);
	if (r == 0)
		r = take_affinity(ask->affinity, s, e);
	if (r == 0)
		r = take_prefer(ask->prefer, s, e);
	if (r == 0)
		r = take_health(ask, draft, e);
	return r == 0 ? take_ports(ask, may_change, &draft->d, e) : r;
}

int service_ask_take(const struct service_ask *ask, struct service_draft *draft, struct err *e)
{
	int r = check_name(ask->name ? ask->name : "", e);

	if (r == 0 && (ask->publish_add_count || ask->publish_rm_count))
		r = err_set(e, -EINVAL,
			    "service %s is new: give its published ports with --publish; "
			    "--publish-add and --publish-rm change those of one that is there",
			    ask->name);
	if (r == 0)
		r = take_mode(ask->mode, &draft->s, e);
	if (r < 0)
		return r;
	strcpy(draft->s.name, ask->name);
	r = take_rest(ask, false, draft, e);
	if (r == 0 && ask->vip)
		r = parse_addr(ask->vip, &draft->s.vip, e);
	return r;
}

int service_ask_bend(const struct service_ask *ask, struct service_draft *draft, struct err *e)
{
	const char *fixed = ask->network ? "network" : ask->mode ? "endpoint mode" :
			    ask->vip ? "VIP" : NULL;

	if (fixed)
		return err_set(e, -EINVAL,
			       "the %s of service %s is settled when it is created; remove it and "
			       "create it again",
			       fixed, draft->s.name);
	if (ask->publish_count)
		return err_set(e, -EINVAL,
			       "service %s is there already: change what it publishes with "
			       "--publish-add and --publish-rm",
			       draft->s.name);
	return take_rest(ask, true, draft, e);
}
