/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person says of a service's published ports, and of the option about them. */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "publish_spec.h"

/* ---- adding ---- */

/* Against what the service has besides; ports still to be chosen clash with nothing. */
static int check_own(const struct service_draft *draft, const struct publish *p, struct err *e)
{
	char one[PUBLISH_TEXT_MAX], other[PUBLISH_TEXT_MAX];

	for (unsigned int i = 0; p->published && i < draft->s.publish_count; i++) {
		const struct publish *o = &draft->d.publish[i];

		if (!publish_clashes(o, p))
			continue;
		publish_format(o, other);
		publish_format(p, one);
		if (i < draft->kept)
			return err_set(e, -EEXIST,
				       "service %s publishes %s already, and %s would be the "
				       "same port; take it away with --publish-rm %u/%s at the "
				       "same time",
				       draft->s.name, other, one, o->published,
				       protocol_to_str(o->protocol));
		return err_set(e, -EINVAL,
			       "%s and %s are one port, published twice; publish it once",
			       other, one);
	}
	return 0;
}

static int add_publish(const char *text, struct service_draft *draft, struct err *e)
{
	struct publish_spec s;
	int r = publish_spec_parse(text, &s, e);

	if (r == 0)
		r = publish_spec_check(&s, e);
	if (r == 0)
		r = check_own(draft, &s.p, e);
	if (r < 0)
		return r;
	if (draft->s.publish_count == SERVICE_PUBLISH_MAX)
		return err_set(e, -EINVAL,
			       "a service may publish %d ports, and \"%.60s\" is one too many; "
			       "make another service for it",
			       SERVICE_PUBLISH_MAX, text);
	if (!s.p.published)
		draft->dynamic |= 1u << draft->s.publish_count;
	draft->d.publish[draft->s.publish_count++] = s.p;
	return 0;
}

/* ---- taking away ---- */

/* One number alone may be either: Docker means the target, people mostly what they see outside. */
static bool is_meant(const struct publish_spec *s, const struct publish *p)
{
	if (p->protocol != s->p.protocol)
		return false;
	if (!strpbrk(s->text, "=:"))
		return p->published == s->p.target || p->target == s->p.target;
	if (publish_spec_says(s, WORD_TARGET) && p->target != s->p.target)
		return false;
	if (!addr_is_zero(&s->p.addr) && addr_cmp(&p->addr, &s->p.addr))
		return false;
	return !publish_spec_says(s, WORD_PUBLISHED) || p->published == s->p.published;
}

static int find_meant(const struct publish_spec *s, const struct service_draft *draft,
		      unsigned int *ret_at, struct err *e)
{
	char one[PUBLISH_TEXT_MAX], other[PUBLISH_TEXT_MAX];
	bool found = false;

	for (unsigned int i = 0; i < draft->s.publish_count; i++) {
		if (!is_meant(s, &draft->d.publish[i]))
			continue;
		if (found)
			return err_set(e, -EINVAL,
				       "\"%.60s\" could be %s or %s of service %s; say "
				       "published=[IP:]PORT",
				       s->text, publish_format(&draft->d.publish[*ret_at], one),
				       publish_format(&draft->d.publish[i], other), draft->s.name);
		found = true;
		*ret_at = i;
	}
	if (found)
		return 0;
	return err_set(e, -ENOENT,
		       "service %s publishes no port \"%.60s\"; `overlayctl service inspect %s` "
		       "shows its ports",
		       draft->s.name, s->text, draft->s.name);
}

static int remove_publish(const char *text, struct service_draft *draft, struct err *e)
{
	struct service_detail *d = &draft->d;
	unsigned int at = 0;
	struct publish_spec s;
	int r = publish_spec_parse(text, &s, e);

	if (r == 0)
		r = find_meant(&s, draft, &at, e);
	if (r < 0)
		return r;
	memmove(&d->publish[at], &d->publish[at + 1],
		(SERVICE_PUBLISH_MAX - 1 - at) * sizeof(d->publish[0]));
	d->publish[SERVICE_PUBLISH_MAX - 1] = (struct publish){ 0 };
	draft->s.publish_count--;
	return 0;
}

/* ---- the whole ---- */

/* A port of mode ingress is every node's, and leads to the VIP. */
static int check_for_dnsrr(const struct service_draft *draft, struct err *e)
{
	char port[PUBLISH_TEXT_MAX];

	for (unsigned int i = 0; i < draft->s.publish_count; i++) {
		if (draft->d.publish[i].mode == PUBLISH_HOST)
			continue;
		return err_set(e, -EINVAL,
			       "service %s is dnsrr, which has no VIP that the port %s of mode "
			       "ingress could lead to; publish it with mode=host, or use "
			       "--endpoint-mode vip",
			       draft->s.name, publish_format(&draft->d.publish[i], port));
	}
	return 0;
}

/* What is taken away goes first, so that one request can replace a port. */
int take_publish(const struct service_ask *ask, struct service_draft *draft, struct err *e)
{
	const char *const *add = ask->publish_count ? ask->publish : ask->publish_add;
	size_t count = ask->publish_count ? ask->publish_count : ask->publish_add_count;
	int r = 0;

	for (size_t i = 0; i < ask->publish_rm_count && r == 0; i++)
		r = remove_publish(ask->publish_rm[i], draft, e);
	draft->kept = draft->s.publish_count;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_publish(add[i], draft, e);
	return r == 0 && draft->s.mode == SERVICE_DNSRR ? check_for_dnsrr(draft, e) : r;
}

static int take_option(const char *text, struct service *s, struct err *e)
{
	static const char key[] = "dsr";
	size_t len = strcspn(text, "=");
	const char *value = text + len;

	if (len != strlen(key) || memcmp(text, key, len))
		return err_set(e, -EINVAL, "option \"%.60s\" is unknown; services have dsr", text);
	s->dsr = !*value || !strcmp(value, "=true");
	if (s->dsr || !strcmp(value, "=false"))
		return 0;
	return err_set(e, -EINVAL, "dsr \"%.40s\" is neither true nor false", value + 1);
}

int take_service_options(const struct service_ask *ask, struct service *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ask->opt_count && r == 0; i++)
		r = take_option(ask->opt[i], s, e);
	if (r || !ask->opt_count || !s->dsr || s->publish_count)
		return r;
	return err_set(e, -EINVAL,
		       "service %s publishes no port, and dsr is the way of their answers; "
		       "publish one, or leave dsr out: inside a network answers are direct "
		       "already",
		       s->name);
}
