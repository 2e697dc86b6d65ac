/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every command, one row each. A new command is a row here and a handler. */
#include "base/cleanup.h"
#include "ctl.h"

static const struct ctl_option token_options[] = {
	{ "rotate", NULL, "rotate", "make a new token; the old one is refused from now on", OPTION_FLAG },
};

static const struct ctl_option network_options[] = {
	{ "subnet", "CIDR", "Subnet", "addresses of the network", OPTION_TEXT },
	{ "gateway", "IP", "Gateway", "default: the first address", OPTION_TEXT },
	{ "ip-range", "CIDR", "IPRange", "give addresses only from here", OPTION_TEXT },
	{ "internal", NULL, "Internal", "no default route for its containers", OPTION_FLAG },
	{ "opt", "KEY[=VALUE]", "Options", "encrypted, vni=N, mtu=N, policy=allow|deny, policy-audit", OPTION_MAP },
};

static const struct ctl_option attach_options[] = {
	{ "network", "NET", "Network", "name or id of the network", OPTION_TEXT, true },
	{ "netns", "NAME|PATH|PID", "Netns", "the container's network namespace", OPTION_NETNS, true },
	{ "ifname", "NAME", "IfName", "interface name in the container (default: eth0)", OPTION_TEXT },
	{ "ip", "IP", "IP", "this address and no other", OPTION_TEXT },
	{ "mac", "MAC", "MAC", "default: 02:42 and the IPv4 address", OPTION_TEXT },
	{ "name", "NAME", "Name", "name of the endpoint", OPTION_TEXT },
	{ "alias", "NAME", "Aliases", "another name; repeatable", OPTION_LIST },
	{ "service", "SERVICE", "Service", "take part in a service", OPTION_TEXT },
	{ "weight", "N", "Weight", "share of the service's flows, 1 to 100 (default: 1)", OPTION_TEXT },
	{ "label", "KEY=VALUE", "Labels", "repeatable", OPTION_MAP },
};

static const struct ctl_option endpoint_ls_options[] = {
	{ "network", "NET", "network", "only those of this network", OPTION_TEXT },
};

/* What can be changed later. */
#define SERVICE_OPTIONS                                                                          \
	{ "lb", "ALGORITHM", "Algorithm", "maglev (default), rr, random or least-conn",          \
	  OPTION_TEXT },                                                                         \
	{ "affinity", "client-ip[=S]", "Affinity",                                               \
	  "a client stays with its backend; none ends it", OPTION_TEXT },                        \
	{ "prefer", "local", "Prefer", "backends of the client's node first; none ends it",      \
	  OPTION_TEXT },                                                                         \
	{ "opt", "KEY[=VALUE]", "Options", "dsr: answers of published ports leave directly",     \
	  OPTION_MAP },                                                                          \
	{ "health", "CHECK", "Health", "tcp:PORT, http:PORT/PATH or none", OPTION_TEXT },        \
	{ "health-interval", "SECONDS", "HealthInterval", "between two checks (default: 5)",     \
	  OPTION_TEXT }

static const struct ctl_option service_create_options[] = {
	{ "name", "NAME", "Name", "name of the service, in DNS too", OPTION_TEXT, true },
	{ "network", "NET", "Network", "name or id of the network", OPTION_TEXT, true },
	{ "endpoint-mode", "MODE", "EndpointMode", "vip (default) or dnsrr", OPTION_TEXT },
	{ "vip", "IP", "VIP", "this address and no other", OPTION_TEXT },
	{ "port", "PORT[:TARGET][/PROTO]", "Ports", "repeatable (default: every port)",
	  OPTION_LIST },
	{ "publish", "SPEC", "Publish",
	  "PORT:TARGET[/PROTO] or KEY=VALUE,..., on every node; repeatable",
	  OPTION_LIST },
	SERVICE_OPTIONS,
};

static const struct ctl_option service_update_options[] = {
	{ "port", "[+|-]PORT...", "Ports",
	  "add (+), take away (-), or without signs the whole list; any: all; repeatable",
	  OPTION_LIST },
	{ "publish-add", "SPEC", "PublishAdd",
	  "one more, as --publish of service create; repeatable", OPTION_LIST },
	{ "publish-rm", "PORT[/PROTO]", "PublishRm",
	  "no more: its published port or its target; repeatable", OPTION_LIST },
	SERVICE_OPTIONS,
};

static const struct ctl_option join_options[] = {
	{ "weight", "N", "Weight", "share of the service's flows, 1 to 100 (default: 1)", OPTION_TEXT },
};

static const struct ctl_option key_rotate_options[] = {
	{ "network", "NET", "Network",
	  "only if this network is encrypted; the keys are of pairs of nodes, so all are replaced",
	  OPTION_TEXT },
};

static const struct ctl_option policy_options[] = {
	{ "network", "NET", "Network", "name or id of the network", OPTION_TEXT, true },
	{ "from", "SELECTOR", "From",
	  "who begins: service=S, label=K=V, endpoint=E, cidr=C or any", OPTION_TEXT, true },
	{ "to", "SELECTOR", "To", "who is called, in the same words", OPTION_TEXT, true },
	{ "port", "PORT[-PORT][/PROTO]", "Ports",
	  "or tcp, udp, sctp, icmp; repeatable (default: any; PROTO: tcp)", OPTION_LIST },
};

static const struct ctl_option policy_ls_options[] = {
	{ "network", "NET", "network", "only those of this network", OPTION_TEXT },
};

static const struct ctl_option policy_default_options[] = {
	{ "network", "NET", "Network", "name or id of the network", OPTION_TEXT, true },
	{ "audit", "on|off", "Audit", "on: what is denied passes all the same, and is counted",
	  OPTION_TEXT },
};

#define WATCH_OPTIONS                                                                              \
	{ "network", "NET", "Network", "only of this network", OPTION_TEXT },                      \
	{ "drops", NULL, "Drops", "only what is dropped or refused", OPTION_FLAG },                \
	{ "from", "IP|NAME", "From", "only what this one began; of packets: one end", OPTION_TEXT },  \
	{ "to", "IP|NAME", "To", "only to this one, a service included; of packets: the other end",  \
	  OPTION_TEXT },                                                                             \
	{ "port", "PORT[/PROTO]", "Port", "only of this port at either end, or protocol", OPTION_TEXT }

static const struct ctl_option monitor_options[] = { WATCH_OPTIONS };

static const struct ctl_option capture_options[] = {
	{ "write", "FILE", "Write", "pcapng into this file, - for standard output; also -w FILE",
	  OPTION_TEXT },
	WATCH_OPTIONS,
	{ "count", "N", "Count", "end after so many packets", OPTION_TEXT },
	{ "snaplen", "BYTES", "Snaplen", "of each packet, 64 to 2048 (default: 2048)", OPTION_TEXT },
};

static const struct ctl_option lb_ls_options[] = {
	{ "service", "SERVICE", "service", "only those of this service", OPTION_TEXT },
};

static const struct ctl_option trace_options[] = {
	{ "from", "ENDPOINT", "from", "who sends; or an IP address outside the overlay", OPTION_TEXT,
	  true },
	{ "to", "IP|NAME[:PORT[/PROTO]]", "to",
	  "without a port a ping; PROTO: tcp (default), udp or sctp", OPTION_TEXT, true },
	{ "size", "BYTES", "size", "of the IP packet (default: 60)", OPTION_TEXT },
	{ "sport", "PORT", "sport", "the sender's port: then maglev's choice is known", OPTION_TEXT },
	{ "backend", "IP", "backend", "the one to follow where several may get it", OPTION_TEXT },
};

static const struct ctl_option repair_options[] = {
	{ "network", "NET", "Network", "only what belongs to this network", OPTION_TEXT },
	{ "endpoint", "ID|NAME", "Endpoint", "only what belongs to this endpoint", OPTION_TEXT },
};

static const struct ctl_option drops_options[] = {
	{ "network", "NET", "network", "only those of this network, on this node", OPTION_TEXT },
	{ "endpoint", "ID|NAME", "endpoint", "only of what this endpoint of this node sent", OPTION_TEXT },
};

static const struct ctl_option top_options[] = {
	{ "network", "NET", "network", "only those of this network", OPTION_TEXT },
	{ "interval", "SECONDS", "interval", "between two readings (default: 2; with --json 1)", OPTION_TEXT },
	{ "once", NULL, "once", "one table, and the end", OPTION_FLAG },
};

#define NO_OPTIONS NULL, 0
#define OPTIONS(table) table, ARRAY_SIZE(table)

const struct ctl_command ctl_commands[] = {
	{ "status", "", "one screen: node, peers, networks, programs, warnings", 0, 0, NO_OPTIONS,
	  cmd_status },
	{ "node ls", "", "nodes of the cluster and how they are", 0, 0, NO_OPTIONS, cmd_node_ls },
	{ "node inspect", "NAME...", "everything about nodes", 1, -1, NO_OPTIONS, cmd_inspect },
	{ "node rm", "NAME...", "forget nodes that are gone for good", 1, -1, NO_OPTIONS, cmd_remove },
	{ "cluster token", "", "the token that lets a node join", 0, 0, OPTIONS(token_options),
	  cmd_token },
	{ "cluster leave", "", "take this node and its data plane out of the cluster", 0, 0, NO_OPTIONS,
	  cmd_leave },
	{ "network create", "NAME", "make a network; prints its id", 1, 1, OPTIONS(network_options),
	  cmd_network_create },
	{ "network ls", "", "networks of the cluster", 0, 0, NO_OPTIONS, cmd_network_ls },
	{ "network inspect", "NAME...", "everything about networks, as `docker network inspect`", 1, -1,
	  NO_OPTIONS, cmd_inspect },
	{ "network rm", "NAME...", "remove networks that nothing is attached to", 1, -1, NO_OPTIONS,
	  cmd_remove },
	{ "endpoint attach", "", "attach a network namespace to a network; prints the endpoint's id", 0,
	  0, OPTIONS(attach_options), cmd_endpoint_attach },
	{ "endpoint ls", "", "endpoints of the cluster", 0, 0, OPTIONS(endpoint_ls_options),
	  cmd_endpoint_ls },
	{ "endpoint inspect", "ID|NAME...", "everything about endpoints", 1, -1, NO_OPTIONS,
	  cmd_inspect },
	{ "endpoint detach", "ID|NAME...", "remove endpoints of this node", 1, -1, NO_OPTIONS,
	  cmd_remove },
	{ "service create", "", "make a service; prints its id", 0, 0, OPTIONS(service_create_options),
	  cmd_service_create },
	{ "service ls", "", "services of the cluster", 0, 0, NO_OPTIONS, cmd_service_ls },
	{ "service inspect", "SERVICE...", "everything about services, as `docker service inspect`", 1,
	  -1, NO_OPTIONS, cmd_inspect },
	{ "service update", "SERVICE", "change a service", 1, 1, OPTIONS(service_update_options),
	  cmd_service_update },
	{ "service rm", "SERVICE...", "remove services; their endpoints stay attached", 1, -1,
	  NO_OPTIONS, cmd_remove },
	{ "service drain", "ENDPOINT", "send a backend of this node no new flows", 1, 1, NO_OPTIONS,
	  cmd_service_drain },
	{ "service undrain", "ENDPOINT", "send it new flows again", 1, 1, NO_OPTIONS,
	  cmd_service_drain },
	{ "service join", "SERVICE ENDPOINT", "make an endpoint of this node a backend", 2, 2,
	  OPTIONS(join_options), cmd_service_join },
	{ "service leave", "ENDPOINT", "take a backend of this node out of its service", 1, 1,
	  NO_OPTIONS, cmd_service_leave },
	{ "lb ls", "", "what balances now, from the kernel's own maps", 0, 0, OPTIONS(lb_ls_options),
	  cmd_lb_ls },
	{ "policy allow", "", "let some begin flows to others; prints the rule's id", 0, 0,
	  OPTIONS(policy_options), cmd_policy_add },
	{ "policy deny", "", "forbid it, whatever allows it; prints the rule's id", 0, 0,
	  OPTIONS(policy_options), cmd_policy_add },
	{ "policy default", "allow|deny", "what becomes of flows that no rule names", 0, 1,
	  OPTIONS(policy_default_options), cmd_policy_default },
	{ "policy ls", "", "rules, and how many flows each has judged on this node", 0, 0,
	  OPTIONS(policy_ls_options), cmd_policy_ls },
	{ "policy rm", "ID...", "remove rules", 1, -1, NO_OPTIONS, cmd_remove },
	{ "key ls", "", "keys of encrypted networks with each other node", 0, 0, NO_OPTIONS,
	  cmd_key_ls },
	{ "key rotate", "", "make all nodes use fresh keys, without losing a packet", 0, 0,
	  OPTIONS(key_rotate_options), cmd_key_rotate },
	{ "trace", "", "each decision a packet would meet, without sending one", 0, 0,
	  OPTIONS(trace_options), cmd_trace },
	{ "repair", "", "put the kernel right without touching containers; says what was wrong", 0, 0,
	  OPTIONS(repair_options), cmd_repair },
	{ "doctor", "", "the systematic check: every step passes, warns or fails, with the mend", 0, 0,
	  NO_OPTIONS, cmd_doctor },
	{ "drops", "", "dropped packets by reason, what each means and how to mend it", 0, 0,
	  OPTIONS(drops_options), cmd_drops },
	{ "top", "", "busiest endpoints and services of this node, live", 0, 0, OPTIONS(top_options),
	  cmd_top },
	{ "monitor", "", "flows and drops as they happen, until Ctrl-C", 0, 0, OPTIONS(monitor_options),
	  cmd_monitor },
	{ "capture", "[KEY=VALUE]...",
	  "packets before and after rewriting; a KEY is an option's name, as in port=80/tcp", 0, -1,
	  OPTIONS(capture_options), cmd_capture },
};
const size_t ctl_command_count = ARRAY_SIZE(ctl_commands);
