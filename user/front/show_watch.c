/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was told by the data path, as a line of JSON each. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json.h"
#include "show_watch.h"

static const struct verdict_text {
	const char *name, *meaning, *mend;
} verdict_texts[OV_VERDICT_COUNT] = {
#define X(number, name, meaning, mend) [number] = { #name, meaning, mend },
	OV_VERDICTS(X)
#undef X
};

static const struct verdict_text *text_of(uint8_t verdict)
{
	static const struct verdict_text unknown = { "UNKNOWN", "of another build", "" };

	return verdict < OV_VERDICT_COUNT && verdict_texts[verdict].name ? &verdict_texts[verdict] :
									    &unknown;
}

static json_t *protocol_text(uint8_t protocol)
{
	char number[8];

	switch (protocol) {
	case 0:
		return json_string("");
	case IPPROTO_TCP:
		return json_string("tcp");
	case IPPROTO_UDP:
		return json_string("udp");
	case IPPROTO_SCTP:
		return json_string("sctp");
	case IPPROTO_ICMP:
		return json_string("icmp");
	default:
		snprintf(number, sizeof(number), "%u", protocol);
		return json_string(number);
	}
}

/* {} when the packet is not IPv4. */
static json_t *end(const struct watch_names *names, uint32_t vni, const struct ov_addr *addr,
		   uint16_t port)
{
	if (addr_is_zero(addr))
		return json_object();
	return json_pack("{s:o, s:i, s:o}", "IP", json_addr(addr), "Port", ntohs(port), "Name",
			 json_text(watch_names_find(names, vni, addr)));
}

static json_t *base_of(const struct ov_watch_record *r, const struct watch_place *p)
{
	const struct verdict_text *t = text_of(r->verdict);
	uint64_t at = p->wall_ns + r->at - p->now_ns;

	return json_pack("{s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s}",
			 "Event", watch_kind_to_str(r->kind), "Time", json_time(at / 1000000),
			 "Nanoseconds", (json_int_t)at,
			 "Network", json_text(watch_names_network(p->names, r->vni)),
			 "Protocol", protocol_text(r->protocol),
			 "Source", end(p->names, r->vni, &r->src, r->sport),
			 "Destination", end(p->names, r->vni, &r->dst, r->dport),
			 "Called", end(p->names, r->vni, &r->called, r->called_port),
			 "Node", json_text(watch_names_find(p->names, 0, &r->peer)),
			 "Device", p->device, "Verdict", t->name, "Meaning", t->meaning, "Mend", t->mend);
}

static json_t *packet_of(const struct watch_record *r, uint32_t snap)
{
	size_t size = snap && snap < r->head.captured ? snap : r->head.captured, at = 0;
	_cleanup_(freep) char *hex = malloc(size * 2 + 1);

	if (!hex)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		hex[at++] = "0123456789abcdef"[r->packet[i] >> 4];
		hex[at++] = "0123456789abcdef"[r->packet[i] & 15];
	}
	return json_stringn(hex, at);
}

json_t *show_watch(const struct watch_record *r, const struct watch_place *p, uint32_t snap)
{
	const struct ov_watch_record *h = &r->head;
	json_t *base = base_of(h, p), *more;

	if (h->kind == OV_WATCH_PACKET)
		more = json_pack("{s:s, s:b, s:I, s:I, s:o}", "Direction",
				 h->flags & OV_WATCH_OUT ? "out" : "in", "XDP",
				 !!(h->flags & OV_WATCH_XDP), "Length", (json_int_t)h->length, "Bytes",
				 (json_int_t)h->bytes[0], "Data", packet_of(r, snap));
	else
		more = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "BytesSent", json_count(h->bytes[0]),
				 "BytesReceived", json_count(h->bytes[1]), "PacketsSent",
				 json_count(h->packets[0]), "PacketsReceived", json_count(h->packets[1]),
				 "RTTMicroseconds", json_count(h->rtt / 1000), "Reset",
				 !!(h->flags & OV_WATCH_RST));
	if (!base || !more || json_object_update(base, more)) {
		json_decref(base);
		base = NULL;
	}
	json_decref(more);
	return base;
}

json_t *show_watch_lost(const char *where, uint64_t count)
{
	return json_pack("{s:s, s:s, s:o}", "Event", "lost", "Where", where, "Count", json_count(count));
}

json_t *show_watch_left_out(uint8_t verdict, uint64_t count)
{
	const struct verdict_text *t = text_of(verdict);

	return json_pack("{s:s, s:s, s:s, s:o}", "Event", "left-out", "Verdict", t->name, "Meaning",
			 t->meaning, "Count", json_count(count));
}
