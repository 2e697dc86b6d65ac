/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "model.h"
#include "repair.h"

static const char *const lb_words[] = {
	[OV_LB_MAGLEV] = "maglev",
	[OV_LB_RR] = "rr",
	[OV_LB_RANDOM] = "random",
	[OV_LB_LEAST_CONN] = "least-conn",
};
_Static_assert(ARRAY_SIZE(lb_words) == OV_LB_COUNT, "a word for each");

static const char *const mode_words[] = { [SERVICE_VIP] = "vip", [SERVICE_DNSRR] = "dnsrr" };

static const char *const publish_words[] = {
	[PUBLISH_INGRESS] = "ingress",
	[PUBLISH_HOST] = "host",
};

static const char *const health_words[] = {
	[ENDPOINT_UNTRIED] = "untried",
	[ENDPOINT_HEALTHY] = "healthy",
	[ENDPOINT_UNHEALTHY] = "unhealthy",
};

static const char *const repair_words[] = {
#define X(name, text) [REPAIR_##name] = text,
	REPAIR_KINDS(X)
#undef X
};

static const char *const ring_words[] = {
	[RING_STEADY] = "steady",
	[RING_ADDED] = "added",
	[RING_MOVED] = "moved",
};

static const struct {
	const char *word;
	uint8_t protocol;
} protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

static const char *word_of(const char *const *words, size_t count, uint8_t value)
{
	return value < count ? words[value] : "unknown";
}

const char *lb_to_str(uint8_t lb)
{
	return word_of(lb_words, ARRAY_SIZE(lb_words), lb);
}

int lb_parse(const char *text, uint8_t *ret_lb)
{
	for (uint8_t i = 0; i < OV_LB_COUNT; i++) {
		if (strcmp(lb_words[i], text))
			continue;
		*ret_lb = i;
		return 0;
	}
	return -EINVAL;
}

const char *service_mode_to_str(uint8_t mode)
{
	return word_of(mode_words, ARRAY_SIZE(mode_words), mode);
}

const char *publish_mode_to_str(uint8_t mode)
{
	return word_of(publish_words, ARRAY_SIZE(publish_words), mode);
}

const char *endpoint_health_to_str(uint8_t health)
{
	return word_of(health_words, ARRAY_SIZE(health_words), health);
}

const char *ring_phase_to_str(uint8_t phase)
{
	return word_of(ring_words, ARRAY_SIZE(ring_words), phase);
}

const char *repair_kind_to_str(enum repair_kind k)
{
	return word_of(repair_words, ARRAY_SIZE(repair_words), (uint8_t)k);
}

const char *protocol_to_str(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].protocol == protocol)
			return protocols[i].word;
	return "unknown";
}

int protocol_parse(const char *text, size_t len, uint8_t *ret_protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strlen(protocols[i].word) != len || memcmp(protocols[i].word, text, len))
			continue;
		*ret_protocol = protocols[i].protocol;
		return 0;
	}
	return -EINVAL;
}
