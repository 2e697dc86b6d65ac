/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan.h"

static void put(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct buf *out, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_put(out, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

/* Copies of a row: rows are packed, so their members are not aligned. */
#define ROW(key_type, key, value_type, value)      \
	key_type key;                              \
	value_type value;                          \
	memcpy(&key, row, sizeof(key));            \
	memcpy(&value, row + sizeof(key), sizeof(value))

static void format_tunnel(const uint8_t *row, struct buf *out)
{
	ROW(uint32_t, key, struct plan_tunnel, t);

	put(out, "%u port=%u", key, t.port);
}

static void format_device(const uint8_t *row, struct buf *out)
{
	ROW(struct plan_device_key, key, struct plan_device, d);
	struct prefix p = { d.addr, d.prefix_len };
	char id[ID_TEXT_MAX], addr[PREFIX_TEXT_MAX], via[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	put(out, "%s name=%s ifname=%s ", id_format(&key.endpoint, id), d.name, d.ifname);
	put(out, "netns=%s,%llu,%llu ", d.netns, (unsigned long long)d.netns_dev,
	    (unsigned long long)d.netns_ino);
	put(out, "addr=%s via=%s mac=%s mtu=%u%s", prefix_format(&p, addr),
	    addr_format(&d.gateway, via), mac_format(d.mac, mac), d.mtu,
	    d.internal ? " internal" : "");
}

static void format_sa(const uint8_t *row, struct buf *out)
{
	ROW(struct plan_sa_key, key, struct plan_sa, s);
	char dst[ADDR_TEXT_MAX], src[ADDR_TEXT_MAX];

	put(out, "%s spi=%08x src=%s lane=%u", addr_format(&key.dst, dst), key.spi,
	    addr_format(&s.src, src), key.spi & OV_SPI_LANE_MASK);
}

static void format_policy(const uint8_t *row, struct buf *out)
{
	ROW(struct plan_policy_key, key, struct plan_policy, p);
	char dst[ADDR_TEXT_MAX], src[ADDR_TEXT_MAX];

	if (key.lane == PLAN_LANE_BLOCK) {
		put(out, "block");
		return;
	}
	put(out, "%s src=%s port=%u lane=%u spi=%08x", addr_format(&key.dst, dst),
	    addr_format(&key.src, src), key.port, key.lane, p.spi);
}

static void format_config(const uint8_t *row, struct buf *out)
{
	ROW(uint32_t, key, struct ov_config, c);
	char addr[ADDR_TEXT_MAX];

	put(out, "%u vtep=%s flags=%s%s%s uplink=%u tunnel=%u port=%u masquerade=%u-%u", key,
	    addr_format(&c.vtep, addr), c.flags & OV_CONFIG_READY ? "ready" : "none",
	    c.flags & OV_CONFIG_XDP_ENTRY ? "+xdp_entry" : "",
	    c.flags & OV_CONFIG_WATCHED ? "+watched" : "", c.uplink_ifindex, c.tunnel_ifindex,
	    ntohs(c.vxlan_port), c.masq_first, c.masq_last);
}

static void format_network(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_network_key, key, struct ov_network, n);
	struct prefix p = { n.gateway, n.prefix_len };
	char gateway[PREFIX_TEXT_MAX], mac[MAC_TEXT_MAX];

	put(out, "%u gateway=%s mac=%s mtu=%u flags=%u", key.vni, prefix_format(&p, gateway),
	    mac_format(n.gateway_mac, mac), n.mtu, n.flags);
}

static void format_peer(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_peer_key, key, struct ov_peer, p);
	char vtep[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX];

	put(out, "%s via=%s flags=%u", addr_format(&key.vtep, vtep), addr_format(&p.next_hop, via),
	    p.flags);
}

static const char *incarnation_format(uint32_t incarnation, char out[9])
{
	return hex_format(&incarnation, sizeof(incarnation), out);
}

static void format_map_device(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_device_key, key, struct ov_device, d);
	char addr[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX], hex[9];

	put(out, "%u addr=%s vni=%u mac=%s mtu=%u", key.ifindex, addr_format(&d.addr, addr), d.vni,
	    mac_format(d.mac, mac), d.mtu);
	put(out, " incarnation=%s", incarnation_format(d.incarnation, hex));
	if (d.flags & OV_ENDPOINT_BACKEND)
		put(out, " service=%s", addr_format(&d.service, addr));
	if (d.flags & OV_ENDPOINT_PUBLISHED)
		put(out, " published");
	if (d.flags & OV_ENDPOINT_ENCRYPTED)
		put(out, " encrypted");
}

/* Rows of this node's backends alone have a bit in their VNI. */
static void format_vni(uint32_t vni, struct buf *out)
{
	put(out, "vni=%u%s", vni & ~OV_VNI_LOCAL, vni & OV_VNI_LOCAL ? "/local" : "");
}

static void format_backend(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_backend_key, key, struct ov_backend, b);
	char vip[ADDR_TEXT_MAX], addr[ADDR_TEXT_MAX], hex[9];

	put(out, "%s ", addr_format(&key.vip, vip));
	format_vni(key.vni, out);
	put(out, " index=%u addr=%s incarnation=%s weight=%u", key.index,
	    addr_format(&b.addr, addr), incarnation_format(b.incarnation, hex), b.weight);
}

static void format_choices(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_choices_key, key, struct ov_choices, c);
	size_t zeroes = ARRAY_SIZE(c.backend); /* from here on */
	char vip[ADDR_TEXT_MAX];

	while (zeroes && !c.backend[zeroes - 1])
		zeroes--;
	put(out, "%s ", addr_format(&key.vip, vip));
	format_vni(key.vni, out);
	put(out, " chunk=%u backends=", key.chunk);
	for (size_t i = 0; i < zeroes; i++)
		put(out, "%u,", c.backend[i]);
	put(out, "0...");
}

static void format_port(__be16 port, uint8_t protocol, struct buf *out)
{
	static const char *const names[] = { [IPPROTO_TCP] = "tcp", [IPPROTO_UDP] = "udp",
					     [IPPROTO_SCTP] = "sctp" };
	const char *name = protocol < ARRAY_SIZE(names) ? names[protocol] : NULL;

	if (!port)
		put(out, "any");
	else
		put(out, "%u/%s", ntohs(port), name ? name : "?");
}

static void format_dealing(const struct ov_service *s, struct buf *out)
{
	static const char *const algorithms[] = { "maglev", "rr", "random", "least-conn" };

	put(out, " target=%u algorithm=%s choices=%u backends=%u affinity=%u", ntohs(s->target_port),
	    s->algorithm < ARRAY_SIZE(algorithms) ? algorithms[s->algorithm] : "?", s->choices,
	    s->backends, s->affinity_s);
}

static void format_service(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_service_key, key, struct ov_service, s);
	char vip[ADDR_TEXT_MAX];

	put(out, "%s vni=%u port=", addr_format(&key.vip, vip), key.vni);
	format_port(key.port, key.protocol, out);
	format_dealing(&s, out);
}

static void format_address(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_address_key, key, struct ov_address, a);
	char addr[ADDR_TEXT_MAX];

	put(out, "%s ifindex=%u", addr_format(&key.addr, addr), a.ifindex);
}

static void format_link(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_link_key, key, struct ov_link, l);
	char addr[ADDR_TEXT_MAX];

	put(out, "%u addr=%s", key.ifindex, addr_format(&l.addr, addr));
}

static void format_at(const struct ov_addr *addr, __be16 port, uint8_t protocol, struct buf *out)
{
	char text[ADDR_TEXT_MAX];

	put(out, "%s port=", addr_is_zero(addr) ? "any" : addr_format(addr, text));
	format_port(port, protocol, out);
}

static void format_allowed(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_allowed_key, key, uint32_t, value);
	struct prefix p = { key.client, (uint8_t)(key.prefix_len - OV_ALLOWED_PREFIX) };
	char text[PREFIX_TEXT_MAX];

	format_at(&key.addr, key.port, key.protocol, out);
	put(out, " client=%s", prefix_format(&p, text));
	if (value != 1)
		put(out, " value=%u", value);
}

static void format_published(const uint8_t *row, struct buf *out)
{
	static const char *const words[] = { "local", "allow", "dsr", "by-address", "nowhere" };
	ROW(struct ov_published_key, key, struct ov_published, p);
	char vip[ADDR_TEXT_MAX];

	format_at(&key.addr, key.port, key.protocol, out);
	if (!(p.flags & OV_PUBLISHED_NOWHERE)) {
		put(out, " vip=%s vni=%u", addr_format(&p.vip, vip), p.vni);
		format_dealing(&p.service, out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (p.flags & 1u << i)
			put(out, " %s", words[i]);
}

static void format_endpoint(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_endpoint_key, key, struct ov_endpoint, e);
	char addr[ADDR_TEXT_MAX], vtep[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX], hex[9];

	put(out, "%s vni=%u vtep=%s ifindex=%u mac=%s flags=%u", addr_format(&key.addr, addr),
	    key.vni, addr_format(&e.vtep, vtep), e.ifindex, mac_format(e.mac, mac), e.flags);
	put(out, " incarnation=%s", incarnation_format(e.incarnation, hex));
	if (e.flags & OV_ENDPOINT_BACKEND)
		put(out, " service=%s", addr_format(&e.service, addr));
}

static void format_watch(const uint8_t *row, struct buf *out)
{
	ROW(uint32_t, key, struct ov_watch, w);
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	put(out, "%u until=%llu flags=%x vni=%u snap=%u ", key, (unsigned long long)w.until, w.flags,
	    w.vni, w.snap);
	put(out, "from=%s to=%s port=%u protocol=%u", addr_format(&w.from, from), addr_format(&w.to, to),
	    ntohs(w.port), w.protocol);
}

static void format_attach(const uint8_t *row, struct buf *out)
{
	static const char *const hooks[] = { "none", "tc_ingress", "xdp" };
	static const char *const programs[] = { "none", "endpoint", "uplink", "tunnel",
						"uplink_xdp", "uplink_generic", "front" };
	static const char *const modes[] = { "off", "generic", "native" };
	ROW(struct plan_attach_key, key, struct plan_attach, a);

	put(out, "%u hook=%s program=%s mode=%s", key.ifindex,
	    key.hook < ARRAY_SIZE(hooks) ? hooks[key.hook] : "?",
	    a.program < ARRAY_SIZE(programs) ? programs[a.program] : "?",
	    a.xdp_mode < ARRAY_SIZE(modes) ? modes[a.xdp_mode] : "?");
}

static void format_rule(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_rule_key, key, struct ov_rule, r);
	char hex[9];

	put(out, "vni=%u set=%08x %08x>%08x ", key.vni, key.set, key.from, key.to);
	if (key.prefix_len == OV_RULE_PREFIX)
		put(out, "any");
	else
		put(out, "protocol=%u port=%u/%u", key.protocol, ntohs(key.port),
		    key.prefix_len - OV_RULE_PREFIX_PROTOCOL);
	put(out, " %s by %s", r.verdict == OV_POLICY_DENY ? "deny" : "allow",
	    incarnation_format(r.id, hex));
}

static void format_subject(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_subject_key, key, struct ov_subject, s);
	struct prefix p = { key.addr, (uint8_t)(key.prefix_len - OV_SUBJECT_PREFIX) };
	char text[PREFIX_TEXT_MAX];

	put(out, "%s vni=%u set=%08x class=%08x", prefix_format(&p, text), key.vni, key.set,
	    s.class);
}

static void format_rule_set(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_policy_key, key, struct ov_policy, p);

	put(out, "vni=%u set=%08x %s%s%s", key.vni, p.set,
	    p.verdict == OV_POLICY_DENY ? "deny" : "allow",
	    p.flags & OV_POLICY_AUDIT ? " audit" : "",
	    p.flags & OV_POLICY_BROKEN ? " broken" : "");
}

static void (*const format_row[PLAN_TABLE_COUNT])(const uint8_t *row, struct buf *out) = {
	[PLAN_TUNNEL] = format_tunnel,         [PLAN_DEVICES] = format_device,
	[PLAN_SAS] = format_sa,                [PLAN_POLICIES] = format_policy,
	[PLAN_CONFIG] = format_config,         [PLAN_NETWORKS] = format_network,
	[PLAN_PEERS] = format_peer,            [PLAN_MAP_DEVICES] = format_map_device,
	[PLAN_POLICY_RULES] = format_rule,     [PLAN_POLICY_SUBJECTS] = format_subject,
	[PLAN_POLICY_SETS] = format_rule_set,
	[PLAN_BACKENDS] = format_backend,      [PLAN_CHOICES] = format_choices,
	[PLAN_SERVICES] = format_service,      [PLAN_ENDPOINTS] = format_endpoint,
	[PLAN_ADDRESSES] = format_address,     [PLAN_LINKS] = format_link,
	[PLAN_ALLOWED] = format_allowed,       [PLAN_PUBLISHED] = format_published,
	[PLAN_WATCH] = format_watch,           [PLAN_ATTACH] = format_attach,
};

void plan_format(const struct plan *p, struct buf *out)
{
	for (int id = 0; id < PLAN_TABLE_COUNT; id++) {
		const struct plan_table *t = &p->table[id];

		for (size_t i = 0; i < t->count; i++) {
			put(out, "%s ", plan_table_to_str(id));
			format_row[id](plan_row(t, i), out);
			put(out, "\n");
		}
	}
}
