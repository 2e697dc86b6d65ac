// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong between this host and one peer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"

#define SKEW_WARN_MS 2000
#define ESP_MIN_PACKETS 8 /* of ESP: fewer may just be on their way */

/* The lines that open a port, in both common languages. */
static void open_port(const char *protocol, uint16_t port, char out[400])
{
	snprintf(out, 400, "open %s %u in the firewalls of both hosts and in between: "
		 "`nft insert rule inet filter input %s dport %u accept` or `ufw allow %u/%s`",
		 protocol, port, protocol, port, port, protocol);
}

/* Its overlayd answers calls, but knows neither this question nor probes. */
static bool is_too_old(const struct doctor_peer *p)
{
	return p->tcp_error == -EOPNOTSUPP;
}

/* In one sentence: a large cluster would have hundreds. */
void check_skipped(const struct doctor_seen *s, struct findings *f)
{
	size_t skipped = 0;

	for (size_t i = 0; i < s->peer_count; i++)
		skipped += s->peer[i].skipped;
	if (skipped)
		tell(f, DOCTOR_MEMBERS, DOCTOR_WARN,
		     "call doctor on other nodes as well: each probes those that follow it by id",
		     "%zu of %zu peers were not probed: one call looks at a bounded number", skipped,
		     s->peer_count);
}

void check_member(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	(void)s;
	if (strcmp(p->status, "alive"))
		tell(f, DOCTOR_MEMBERS, DOCTOR_FAIL,
		     "see whether the host and its overlayd run: if they do, gossip-udp and gossip-tcp say what is "
		     "blocked; if it is gone for good, `overlayctl node rm`",
		     "%s is %s", p->name, p->status[0] ? p->status : "not heard of yet");
}

static void check_tcp(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	char mend[400];

	open_port("tcp", s->gossip_port, mend);
	if (p->tcp_error == -ECONNREFUSED)
		snprintf(mend, sizeof(mend), "nobody listens there: see whether overlayd runs on that host");
	if (!p->tcp_answered)
		tell(f, DOCTOR_TCP, DOCTOR_FAIL, mend, "%s does not answer on TCP %u: %s", p->name,
		     s->gossip_port, p->tcp_error ? strerror(-p->tcp_error) : "no answer in time");
	else if (!p->tcp_heard && !is_too_old(p))
		tell(f, DOCTOR_TCP, DOCTOR_FAIL, mend,
		     "%s answers on TCP %u, but cannot call this node", p->name, s->gossip_port);
}

void check_gossip(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	char mend[400];

	if (p->skipped)
		return;
	open_port("udp", s->gossip_port, mend);
	if (!p->udp_answered)
		tell(f, DOCTOR_UDP, DOCTOR_FAIL, mend, "%s does not answer on UDP %u", p->name,
		     s->gossip_port);
	check_tcp(s, p, f);
}

/* Nothing is said of a way that cannot be told apart: without its answer, only that none came back. */
static const char *which_way(const struct doctor_peer *p)
{
	if (!p->has_answer)
		return "nothing comes back";
	return p->there_size ? "what this node sends arrives there, but what it sends does not arrive here" :
			       "what this node sends does not arrive there";
}

/* Several interfaces: gossip goes by any of them, containers' packets by the uplink alone. */
static void tell_route(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	char mend[400], addr[ADDR_TEXT_MAX];

	snprintf(mend, sizeof(mend), "look at `ip route get %s`: add a route by %s, or start every overlayd "
		 "with --attach and --advertise of the network that joins them",
		 addr_format(&p->addr, addr), s->uplink);
	tell(f, DOCTOR_VXLAN, DOCTOR_FAIL, mend, "the route to %s does not leave by %s", p->name, s->uplink);
}

void check_vxlan(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	char mend[400];

	if (!p->has_route) {
		tell_route(s, p, f);
		return;
	}
	if (p->skipped || p->back_size || is_too_old(p))
		return;
	open_port("udp", s->vxlan_port, mend);
	if (p->send_error)
		tell(f, DOCTOR_VXLAN, DOCTOR_FAIL, mend,
		     "this host refuses to send to UDP %u of %s: %s", s->vxlan_port, p->name,
		     strerror(-p->send_error));
	else
		tell(f, DOCTOR_VXLAN, DOCTOR_FAIL, mend, "UDP %u with %s: %s", s->vxlan_port, p->name,
		     which_way(p));
}

void check_path(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	char mend[400];

	if (p->skipped || !p->back_size || p->back_size >= p->sent_size)
		return;
	snprintf(mend, sizeof(mend), "something in between takes no more and does not say so: raise its MTU, "
		 "or set what it takes on every host, `ip link set %s mtu %u`; networks and containers "
		 "follow by themselves", s->uplink, p->back_size);
	tell(f, DOCTOR_PATH, DOCTOR_FAIL, mend,
	     "packets of %u bytes %s %s are lost, those of %u bytes are not", p->sent_size,
	     p->has_answer && p->there_size >= p->sent_size ? "from" : "to", p->name, p->back_size);
}

static bool is_lost(uint64_t sent, uint64_t received)
{
	return sent >= ESP_MIN_PACKETS && !received;
}

void check_esp(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	static const char mend[] =
		"let ESP (IP protocol 50) pass in the firewalls of both hosts and in between: `nft insert "
		"rule inet filter input meta l4proto esp accept` or `ufw allow proto esp from ADDRESS`";

	(void)s;
	if (p->skipped || !p->by_esp || !p->has_answer)
		return;
	if (is_lost(p->esp_sent, p->esp_peer_received))
		tell(f, DOCTOR_ESP, DOCTOR_FAIL, mend, "%llu ESP packets went to %s and none arrived there",
		     (unsigned long long)p->esp_sent, p->name);
	if (is_lost(p->esp_peer_sent, p->esp_received))
		tell(f, DOCTOR_ESP, DOCTOR_FAIL, mend, "%s sent %llu ESP packets and none arrived here",
		     p->name, (unsigned long long)p->esp_peer_sent);
}

/* What the peer says of itself. */
void check_answer(const struct doctor_seen *s, const struct doctor_peer *p, struct findings *f)
{
	if (is_too_old(p))
		tell(f, DOCTOR_VERSION, DOCTOR_WARN, "bring all nodes to one version",
		     "%s runs overlayd %s, which answers no probes: only its gossip port was looked at",
		     p->name, p->version);
	else if (strcmp(p->version, s->version))
		tell(f, DOCTOR_VERSION, DOCTOR_WARN, "bring all nodes to one version",
		     "%s runs overlayd %s, this node %s", p->name, p->version, s->version);
	if (!p->has_answer)
		return;
	if (p->skew_ms > SKEW_WARN_MS)
		tell(f, DOCTOR_CLOCK, DOCTOR_WARN, "run an NTP client on every host (`timedatectl set-ntp true`)",
		     "the clock of %s is %llu.%03llu s %s this node's", p->name,
		     (unsigned long long)p->skew_ms / 1000, (unsigned long long)p->skew_ms % 1000,
		     p->skew_ahead ? "ahead of" : "behind");
	if (p->differs)
		tell(f, DOCTOR_STATE, DOCTOR_WARN,
		     "call doctor again: while things change it is so for seconds; if it lasts, look at "
		     "gossip-udp and gossip-tcp, and at the logs of both",
		     "%s knew other records than this node through the whole check", p->name);
}
