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
	char id[ID_TEXT_MAX], addr[PREFIX_TEXT_MAX], mac[MAC_TEXT_MAX];

	put(out, "%s name=%s ifname=%s ", id_format(&key.endpoint, id), d.name, d.ifname);
	put(out, "netns=%s,%llu,%llu ", d.netns, (unsigned long long)d.netns_dev,
	    (unsigned long long)d.netns_ino);
	put(out, "addr=%s mac=%s mtu=%u", prefix_format(&p, addr), mac_format(d.mac, mac), d.mtu);
}

static void format_config(const uint8_t *row, struct buf *out)
{
	ROW(uint32_t, key, struct ov_config, c);
	char addr[ADDR_TEXT_MAX];

	put(out, "%u vtep=%s flags=%s uplink=%u tunnel=%u port=%u", key,
	    addr_format(&c.vtep, addr), c.flags & OV_CONFIG_READY ? "ready" : "none",
	    c.uplink_ifindex, c.tunnel_ifindex, ntohs(c.vxlan_port));
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

static void format_map_device(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_device_key, key, struct ov_device, d);
	char addr[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	put(out, "%u addr=%s vni=%u mac=%s mtu=%u", key.ifindex, addr_format(&d.addr, addr), d.vni,
	    mac_format(d.mac, mac), d.mtu);
}

static void format_endpoint(const uint8_t *row, struct buf *out)
{
	ROW(struct ov_endpoint_key, key, struct ov_endpoint, e);
	char addr[ADDR_TEXT_MAX], vtep[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	put(out, "%s vni=%u vtep=%s ifindex=%u mac=%s flags=%u", addr_format(&key.addr, addr),
	    key.vni, addr_format(&e.vtep, vtep), e.ifindex, mac_format(e.mac, mac), e.flags);
}

static void format_attach(const uint8_t *row, struct buf *out)
{
	static const char *const hooks[] = { "none", "tc_ingress", "xdp" };
	static const char *const programs[] = { "none", "endpoint", "uplink", "tunnel",
						"uplink_xdp" };
	static const char *const modes[] = { "off", "generic", "native" };
	ROW(struct plan_attach_key, key, struct plan_attach, a);

	put(out, "%u hook=%s program=%s mode=%s", key.ifindex,
	    key.hook < ARRAY_SIZE(hooks) ? hooks[key.hook] : "?",
	    a.program < ARRAY_SIZE(programs) ? programs[a.program] : "?",
	    a.xdp_mode < ARRAY_SIZE(modes) ? modes[a.xdp_mode] : "?");
}

static void (*const format_row[PLAN_TABLE_COUNT])(const uint8_t *row, struct buf *out) = {
	[PLAN_TUNNEL] = format_tunnel,         [PLAN_DEVICES] = format_device,
	[PLAN_CONFIG] = format_config,         [PLAN_NETWORKS] = format_network,
	[PLAN_PEERS] = format_peer,            [PLAN_MAP_DEVICES] = format_map_device,
	[PLAN_ENDPOINTS] = format_endpoint,    [PLAN_ATTACH] = format_attach,
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
