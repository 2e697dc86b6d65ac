/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `network create --opt` says. */
#include "room.h"

#include <errno.h>
#include <string.h>

#define MTU_MIN 576 /* RFC 791: what every host must be able to receive */
#define MTU_MAX 65485 /* 65535 less the headers around it */

static const struct view_network *find_vni(const struct view *v, uint32_t vni)
{
	for (size_t i = 0; i < v->network_count; i++)
		if (v->network[i].net->vni == vni)
			return &v->network[i];
	return NULL;
}

static int opt_vni(struct intent *in, const struct view *v, struct network *n, const char *value,
		   struct err *e)
{
	const struct view_network *other;
	uint64_t vni;

	(void)in;
	if (parse_number(value, VNI_MAX, &vni) < 0 || vni < VNI_MIN)
		return err_set(e, -EINVAL, "vni \"%.40s\" is not a number between %d and %d", value,
			       VNI_MIN, VNI_MAX);
	other = find_vni(v, (uint32_t)vni);
	if (other)
		return err_set(e, -EEXIST,
			       "vni %s is used by network %s; choose another one, or "
			       "leave it out",
			       value, other->display);
	n->vni = (uint32_t)vni;
	return 0;
}

static int opt_mtu(struct intent *in, const struct view *v, struct network *n, const char *value,
		   struct err *e)
{
	uint64_t mtu;

	(void)in;
	(void)v;
	if (parse_number(value, MTU_MAX, &mtu) < 0 || mtu < MTU_MIN)
		return err_set(e, -EINVAL, "mtu \"%.40s\" is not a number between %d and %d", value,
			       MTU_MIN, MTU_MAX);
	n->mtu = (uint16_t)mtu;
	return 0;
}

/* Once all options are known: what is around a packet depends on whether it is encrypted. */
static int check_mtu(const struct view *v, const struct network *n, struct err *e)
{
	uint16_t most = view_network_mtu(v, &(struct network){ .encrypted = n->encrypted });

	if (n->mtu <= most)
		return 0;
	return err_set(e, -EINVAL,
		       "mtu %u does not fit: the smallest uplink of the cluster "
		       "leaves %u bytes%s; give at most that, or leave it out",
		       n->mtu, most, n->encrypted ? " to an encrypted network" : "");
}

static int opt_encrypted(struct intent *in, const struct view *v, struct network *n,
			 const char *value, struct err *e)
{
	struct err why = { 0 };

	(void)v;
	n->encrypted = strcmp(value, "false") != 0;
	if (*value && n->encrypted && strcmp(value, "true"))
		return err_set(e, -EINVAL, "encrypted=\"%.40s\" is neither true nor false", value);
	if (!n->encrypted || !can_encrypt(in, &why))
		return 0;
	return err_set(e, -EOPNOTSUPP,
		       "network %s cannot be encrypted: %.200s; leave the option out to send "
		       "its packets in the clear",
		       n->name, why.text);
}

static int opt_policy(struct intent *in, const struct view *v, struct network *n,
		      const char *value, struct err *e)
{
	(void)in;
	(void)v;
	return take_verdict(value, &n->policy_deny, e);
}

static int opt_policy_audit(struct intent *in, const struct view *v, struct network *n,
			    const char *value, struct err *e)
{
	(void)in;
	(void)v;
	n->policy_audit = strcmp(value, "false") != 0;
	if (*value && n->policy_audit && strcmp(value, "true"))
		return err_set(e, -EINVAL, "policy-audit=\"%.40s\" is neither true nor false", value);
	return 0;
}

static const struct option {
	const char *key;
	int (*take)(struct intent *in, const struct view *v, struct network *n, const char *value,
		    struct err *e);
} options[] = {
	{ "vni", opt_vni },
	{ "mtu", opt_mtu },
	{ "encrypted", opt_encrypted },
	{ "policy", opt_policy },
	{ "policy-audit", opt_policy_audit },
};

static int take_option(struct intent *in, const struct view *v, struct network *n,
		       const char *text, unsigned int *seen, struct err *e)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	for (unsigned int i = 0; i < ARRAY_SIZE(options); i++) {
		if (strlen(options[i].key) != len || memcmp(options[i].key, text, len))
			continue;
		if (*seen & 1u << i)
			return err_set(e, -EINVAL, "option %s is given twice; give it once",
				       options[i].key);
		*seen |= 1u << i;
		return options[i].take(in, v, n, equals ? equals + 1 : "", e);
	}
	return err_set(e, -EINVAL,
		       "option \"%.60s\" is unknown; there are vni=N, mtu=N, encrypted, "
		       "policy=allow|deny and policy-audit",
		       text);
}

int draw_vni(struct intent *in, const struct view *v, uint32_t *ret_vni)
{
	/* Half full already at this many tries; then there is something else wrong. */
	for (int i = 0; i < 64; i++) {
		uint32_t vni = VNI_AUTO_MIN + rng_below(in->rng, VNI_MAX - VNI_AUTO_MIN + 1);

		if (find_vni(v, vni))
			continue;
		*ret_vni = vni;
		return 0;
	}
	return -ENOSPC;
}

int take_options(struct intent *in, const struct network_ask *ask, const struct view *v,
		 struct network *n, struct err *e)
{
	unsigned int seen = 0;
	int r = 0;

	for (size_t i = 0; i < ask->opt_count && r == 0; i++)
		r = take_option(in, v, n, ask->opt[i], &seen, e);
	if (r == 0)
		r = check_mtu(v, n, e);
	if (r == 0 && !n->vni && draw_vni(in, v, &n->vni) < 0)
		r = err_set(e, -ENOSPC, "no VNI is free; remove networks");
	return r;
}
