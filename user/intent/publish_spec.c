/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person says of one published port: words into a record's values. */
#include "publish_spec.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define USAGE                                                                    \
	"write published=[IP:]PORT,target=PORT with mode=, protocol= and allow= as " \
	"needed, or PORT:TARGET[/PROTOCOL]"

/* ---- one word ---- */

static int take_number(const struct publish_spec *s, const char *text, uint16_t *ret_port,
		       struct err *e)
{
	uint64_t port;

	if (parse_number(text, UINT16_MAX, &port) < 0 || !port)
		return err_set(e, -EINVAL,
			       "published port \"%.60s\": \"%.20s\" is not a port; give a number "
			       "from 1 to 65535",
			       s->text, text);
	*ret_port = (uint16_t)port;
	return 0;
}

/* What no host can have as its own: RFC 6890 and, above 224.0.0.0, multicast and the rest. */
static bool is_nobodys(uint32_t v4)
{
	return v4 >> 24 == 0 || v4 >> 28 >= 14;
}

static int take_address(struct publish_spec *s, const char *text, struct err *e)
{
	struct ov_addr a, any = addr_from_v4(0);
	bool parsed = addr_parse(text, &a) == 0;

	if (parsed && !addr_cmp(&a, &any)) /* as people write "every address" elsewhere */
		return 0;
	if (*text == '[' || (parsed && !addr_is_v4(&a)))
		return err_set(e, -EINVAL,
			       "published port \"%.60s\": \"%.46s\" is IPv6, and this version "
			       "publishes on IPv4 addresses only; give one, or none for every "
			       "address",
			       s->text, text);
	if (!parsed || is_nobodys(addr_v4(&a)))
		return err_set(e, -EINVAL,
			       "published port \"%.60s\": \"%.46s\" is not an address of a node; "
			       "give an IPv4 address like 192.0.2.1, or none for every address",
			       s->text, text);
	s->p.addr = a;
	return 0;
}

/* "[IP:]PORT" */
static int take_published(struct publish_spec *s, char *text, struct err *e)
{
	char *colon = strrchr(text, ':');
	int r = 0;

	if (colon) {
		*colon = '\0';
		r = take_address(s, text, e);
	}
	return r ? r : take_number(s, colon ? colon + 1 : text, &s->p.published, e);
}

static int take_target(struct publish_spec *s, char *text, struct err *e)
{
	return take_number(s, text, &s->p.target, e);
}

static int take_mode(struct publish_spec *s, char *text, struct err *e)
{
	s->p.mode = strcmp(text, "host") ? PUBLISH_INGRESS : PUBLISH_HOST;
	if (!strcmp(text, publish_mode_to_str(s->p.mode)))
		return 0;
	return err_set(e, -EINVAL,
		       "published port \"%.60s\": mode \"%.20s\" is neither ingress nor host",
		       s->text, text);
}

static int take_protocol(struct publish_spec *s, char *text, struct err *e)
{
	if (!protocol_parse(text, strlen(text), &s->p.protocol))
		return 0;
	return err_set(e, -EINVAL,
		       "published port \"%.60s\": protocol \"%.20s\" is neither tcp, udp nor sctp",
		       s->text, text);
}

static int take_allow(struct publish_spec *s, char *text, struct err *e)
{
	struct publish *p = &s->p;
	struct prefix prefix;
	int r = parse_prefix("allow", text, &prefix, e);

	if (r < 0)
		return r;
	for (int i = 0; i < p->allow_count; i++)
		if (p->allow[i].len == prefix.len && !addr_cmp(&p->allow[i].addr, &prefix.addr))
			return err_set(e, -EINVAL,
				       "published port \"%.60s\": allow=%s is given twice; give "
				       "it once",
				       s->text, text);
	if (p->allow_count == PUBLISH_ALLOW_MAX)
		return err_set(e, -EINVAL,
			       "published port \"%.60s\": a port may have %d filters, and "
			       "allow=%s is one too many; join some to a shorter prefix",
			       s->text, PUBLISH_ALLOW_MAX, text);
	p->allow[p->allow_count++] = prefix;
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct publish_spec *s, char *value, struct err *e);
} words[WORD_COUNT] = {
	[WORD_MODE] = { "mode", take_mode },
	[WORD_PUBLISHED] = { "published", take_published },
	[WORD_TARGET] = { "target", take_target },
	[WORD_PROTOCOL] = { "protocol", take_protocol },
	[WORD_ALLOW] = { "allow", take_allow },
};

static int take_word(struct publish_spec *s, enum publish_word w, char *value, struct err *e)
{
	if (publish_spec_says(s, w) && w != WORD_ALLOW)
		return err_set(e, -EINVAL, "published port \"%.60s\" says %s= twice; say it once",
			       s->text, words[w].key);
	s->said |= 1u << w;
	return words[w].take(s, value, e);
}

/* ---- all of them ---- */

/* "KEY=VALUE,..." */
static int take_long(struct publish_spec *s, char *text, struct err *e)
{
	char *part;
	int r = 0;

	while (r == 0 && (part = strsep(&text, ","))) {
		char *equals = strchrnul(part, '=');
		unsigned int w = 0;

		while (w < WORD_COUNT && (strlen(words[w].key) != (size_t)(equals - part) ||
					  memcmp(words[w].key, part, strlen(words[w].key)) != 0))
			w++;
		if (w == WORD_COUNT || !*equals)
			return err_set(e, -EINVAL,
				       "published port \"%.60s\": \"%.20s\" says nothing; " USAGE,
				       s->text, part);
		r = take_word(s, (enum publish_word)w, equals + 1, e);
	}
	return r;
}

/* "[[IP:]PORT:]TARGET[/PROTOCOL]", as Docker's: who gives one number gives the backends'. */
static int take_short(struct publish_spec *s, char *text, struct err *e)
{
	char *slash = strchr(text, '/'), *colon;
	int r = 0;

	if (slash) {
		*slash = '\0';
		r = take_word(s, WORD_PROTOCOL, slash + 1, e);
	}
	colon = strrchr(text, ':');
	if (r == 0)
		r = take_word(s, WORD_TARGET, colon ? colon + 1 : text, e);
	if (r || !colon)
		return r;
	*colon = '\0';
	return take_word(s, WORD_PUBLISHED, text, e);
}

int publish_spec_parse(const char *text, struct publish_spec *ret_spec, struct err *e)
{
	_cleanup_(freep) char *copy = strdup(text);

	*ret_spec = (struct publish_spec){ .text = text, .p.protocol = IPPROTO_TCP };
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory while reading a published port");
	return strchr(text, '=') ? take_long(ret_spec, copy, e) : take_short(ret_spec, copy, e);
}

int publish_spec_check(const struct publish_spec *s, struct err *e)
{
	if (!publish_spec_says(s, WORD_TARGET))
		return err_set(e, -EINVAL,
			       "published port \"%.60s\" says no target; say which port the "
			       "backends listen on with target=PORT",
			       s->text);
	return 0;
}
