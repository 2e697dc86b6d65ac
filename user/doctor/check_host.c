// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with this host. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "inside.h"

#define PRESSURE_WARN 80 /* percent */
#define PRESSURE_FAIL 98

void check_kernel(const struct doctor_seen *s, struct findings *f)
{
	if (s->has_encrypted && !s->can_encrypt)
		tell(f, DOCTOR_KERNEL, DOCTOR_FAIL,
		     "load the modules esp4 and xfrm_user, or boot a kernel that has them; until then "
		     "encrypted networks carry nothing here",
		     "Linux %s cannot do what an encrypted network needs: %s", s->release, s->encrypt_why);
}

void check_uplink(const struct doctor_seen *s, struct findings *f)
{
	char mend[200];

	snprintf(mend, sizeof(mend), "look at `ip address show dev %s`, and set it up: `ip link set %s up`",
		 s->uplink, s->uplink);
	if (s->uplink_error[0])
		tell(f, DOCTOR_UPLINK, DOCTOR_FAIL, mend, "%s", s->uplink_error);
	else if (!s->uplink_up)
		tell(f, DOCTOR_UPLINK, DOCTOR_FAIL, mend, "%s is down", s->uplink);
}

static const struct {
	enum doctor_step step;
	enum doctor_level level;
	const char *seen; /* %s: the name; the detail follows behind a colon, if there is one */
	const char *mend;
} faults[FAULT_COUNT] = {
	[FAULT_MAP_UNPINNED] = { DOCTOR_BPFFS, DOCTOR_FAIL, "the map %s is not pinned any more",
		"restart overlayd while it is quiet: until then the map ends with the daemon, and its "
		"flows with it" },
	[FAULT_PROGRAM_UNPINNED] = { DOCTOR_BPFFS, DOCTOR_FAIL, "the program %s is not pinned any more",
		"restart overlayd: it pins what is missing" },
	[FAULT_STALE_PIN] = { DOCTOR_BPFFS, DOCTOR_WARN, "%s is in the pin directory and not ours",
		"remove it (rm, or rmdir for a directory) once nothing uses it" },
	[FAULT_NOT_ATTACHED] = { DOCTOR_PROGRAMS, DOCTOR_FAIL, "no program of ours on %s",
		"somebody took it away; overlayd puts it back within a minute: look for who does that, "
		"such as another network manager or `tc qdisc del`" },
	[FAULT_WRONG_PROGRAM] = { DOCTOR_PROGRAMS, DOCTOR_FAIL, "%s has another program than it should",
		"overlayd replaces it within a minute; if it comes back, another overlayd with this pin "
		"directory runs here" },
	[FAULT_FOREIGN_FIRST] = { DOCTOR_PROGRAMS, DOCTOR_WARN, "a foreign program sees packets of %s before ours",
		"it may drop or change what is ours: look at `bpftool net show`, and have it attached "
		"behind ours or removed" },
	[FAULT_FOREIGN_XDP] = { DOCTOR_PROGRAMS, DOCTOR_WARN, "%s has a foreign XDP program",
		"it sees every packet before ours: look at `bpftool net show`" },
	[FAULT_MISSING] = { DOCTOR_TABLES, DOCTOR_FAIL, "the kernel lacks what is planned: %s",
		"overlayd puts it back within a minute; its log says why if it cannot" },
	[FAULT_DIFFERENT] = { DOCTOR_TABLES, DOCTOR_FAIL, "the kernel has it otherwise than planned: %s",
		"overlayd puts it right within a minute; its log says why if it cannot" },
	[FAULT_LEFT_OVER] = { DOCTOR_TABLES, DOCTOR_WARN, "the kernel has what nobody planned: %s",
		"overlayd removes it within a minute; its log says why if it cannot" },
	[FAULT_UNREADABLE] = { DOCTOR_TABLES, DOCTOR_FAIL, "the kernel could not be read: %s",
		"look at the log of overlayd" },
	[FAULT_ROW] = { DOCTOR_TABLES, DOCTOR_FAIL, "overlayd fails to bring something about: %s",
		"the sentence says what is in the way; overlayd tries again by itself" },
	[FAULT_RULES_TOO_MANY] = { DOCTOR_TABLES, DOCTOR_FAIL,
		"the rules of %s do not fit the kernel's maps, and nothing passes there",
		"remove rules, `overlayctl policy ls` shows them" },
	[FAULT_NODE_LOST] = { DOCTOR_MEMBERS, DOCTOR_FAIL,
		"node %s has the name or address of another node and is not a peer",
		"start it with another --node and --advertise" },
	[FAULT_FOREIGN_VXLAN] = { DOCTOR_OBJECTS, DOCTOR_WARN, "the VXLAN device %s is on our port and not ours",
		"remove it (`ip link del`), move it, or give every overlayd another --vxlan-port: flannel, "
		"Docker Swarm and others use 8472 or 4789" },
	[FAULT_VXLAN_SOCKET] = { DOCTOR_PORTS, DOCTOR_WARN, "a process has the VXLAN port: %s",
		"find it with `ss -lunp`, and stop it or give every overlayd another --vxlan-port" },
	[FAULT_PORT_TAKEN] = { DOCTOR_PORTS, DOCTOR_WARN, "a process has the published port %s, so it is closed here",
		"find it with `ss -lntup` and stop it, or publish the service at another port" },
};

void check_objects(const struct doctor_seen *s, struct findings *f)
{
	for (size_t i = 0; i < s->object_count; i++) {
		const struct doctor_object *o = &s->object[i];
		const char *sign;
		char seen[320];

		if ((size_t)o->fault >= FAULT_COUNT)
			continue;
		sign = strstr(faults[o->fault].seen, "%s");
		snprintf(seen, sizeof(seen), "%.*s%s%s%s%s", (int)(sign - faults[o->fault].seen),
			 faults[o->fault].seen, o->name, sign + 2, o->detail[0] ? ": " : "", o->detail);
		tell(f, faults[o->fault].step, faults[o->fault].level, faults[o->fault].mend, "%s", seen);
	}
}

void check_pressure(const struct doctor_seen *s, struct findings *f)
{
	for (size_t i = 0; i < s->pressure_count; i++) {
		const struct doctor_pressure *p = &s->pressure[i];
		uint64_t percent = p->max ? p->used * 100 / p->max : 0;

		if (percent >= PRESSURE_WARN)
			tell(f, DOCTOR_PRESSURE, percent >= PRESSURE_FAIL ? DOCTOR_FAIL : DOCTOR_WARN,
			     "spread what fills it over more nodes or clusters: what finds no room is refused",
			     "the map %s holds %llu of %llu rows", p->name, (unsigned long long)p->used,
			     (unsigned long long)p->max);
	}
}

static void check_dns(const struct doctor_inside *in, struct findings *f)
{
	if (in->dns_asked && !in->dns_answered)
		tell(f, DOCTOR_DNS, DOCTOR_FAIL,
		     "look inside: lo must be up, and no firewall may drop UDP 53 to 127.0.0.11 "
		     "(`nsenter --net=PATH nft list ruleset`)",
		     "nobody answers at 127.0.0.11 in %s (%s)", in->netns, in->name);
	else if (in->dns_asked && in->dns_code)
		tell(f, DOCTOR_DNS, DOCTOR_WARN,
		     "see whether `overlayctl endpoint ls` on this node has it; it may just have been removed",
		     "%s asks for its own name in %s, and DNS says code %u", in->name, in->netns,
		     in->dns_code);
}

static void check_sums(const struct doctor_seen *s, const struct doctor_inside *in, struct findings *f)
{
	char mend[400];

	if (!in->bad_sums)
		return;
	snprintf(mend, sizeof(mend),
		 "a NIC or hypervisor spoils checksums of tunnels: on the sending host and on this one run "
		 "`ethtool -K %s tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off`, and if "
		 "that is not enough `ethtool -K %s tx off`; then call doctor twice", s->uplink, s->uplink);
	tell(f, DOCTOR_SUMS, DOCTOR_WARN, mend, "%s in %s got %llu packets with a bad checksum",
	     in->name, in->netns, (unsigned long long)in->bad_sums);
}

static void check_asked(const struct doctor_seen *s, struct findings *f)
{
	size_t not_asked = 0;

	for (size_t i = 0; i < s->inside_count; i++)
		not_asked += !s->inside[i].dns_asked && !s->inside[i].error;
	if (not_asked)
		tell(f, DOCTOR_DNS, DOCTOR_WARN,
		     "call `getent hosts NAME` in those that have trouble: one call of doctor asks in a bounded number",
		     "%zu containers were not asked for names", not_asked);
}

void check_inside(const struct doctor_seen *s, struct findings *f)
{
	check_asked(s, f);
	for (size_t i = 0; i < s->inside_count; i++) {
		const struct doctor_inside *in = &s->inside[i];

		if (in->error)
			tell(f, DOCTOR_DNS, DOCTOR_WARN,
			     "overlayd lets go of an endpoint when its namespace is gone; else look at its log",
			     "%s cannot be entered: %s", in->netns, strerror(-in->error));
		check_dns(in, f);
		check_sums(s, in, f);
	}
}
