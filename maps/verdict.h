/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verdicts: the one reason for which a packet left our programs.
 *
 * A packet gets exactly one of them, counted once, at the exit of the program
 * that decided (bpf/lib/verdict.h). Numbers index the `counters` map and are
 * ABI: they are appended, retired, never reused.
 *
 * X(number, NAME, "what it means", "how to mend it"): forwarding verdicts have
 * an empty mend; names of drops begin with DROP_.
 */
#pragma once

#define OV_VERDICTS(X)                                                                             \
	X(0, PASS_FOREIGN, "not overlay traffic, left to the host", "")                            \
	X(1, FWD_LOCAL, "delivered to an endpoint on this host", "")                               \
	X(2, FWD_ENCAP, "encapsulated and sent to a peer", "")                                     \
	X(3, FWD_TUNNEL, "sent to a peer through the tunnel device (UDP super-packets)", "")       \
	X(4, FWD_DECAP, "decapsulated and delivered to an endpoint", "")                           \
	X(5, FWD_ARP_REPLY, "ARP request answered", "")                                            \
	X(6, FWD_ECHO_REPLY, "ping to a gateway answered", "")                                     \
	X(7, FWD_TOO_BIG, "oversize packet answered with ICMP \"fragmentation needed\"", "")       \
	X(8, FWD_RESET, "call to a service answered with a TCP reset", "")                         \
	X(9, FWD_UNREACHABLE, "call to a service answered with ICMP \"port unreachable\"", "")     \
	X(10, FWD_OUTSIDE, "sent to the world outside the overlay", "")                            \
	X(11, FWD_HOST, "delivered to a process of this host", "")                                 \
	X(12, FWD_ENCRYPT, "encapsulated, given to IPsec and sent to a peer", "")                  \
	X(13, FWD_CUT, "connection that policy no longer allows, answered with a TCP reset", "")   \
	X(14, FWD_PROBE, "probe of the VXLAN port by a peer's `doctor`, or the answer to ours", "") \
	X(32, DROP_NOT_READY, "the daemon has not filled the configuration yet",                   \
	  "start overlayd, or look at its log for why it stopped")                                 \
	X(33, DROP_UNKNOWN_DEVICE, "the packet came from a device that is no endpoint",            \
	  "detach and attach the endpoint again")                                                  \
	X(34, DROP_MALFORMED, "headers are truncated or contradict each other",                    \
	  "capture at the sender; nothing that follows the RFCs sends this")                       \
	X(35, DROP_SPOOFED_MAC, "source MAC is not the endpoint's own",                            \
	  "use the MAC that `endpoint inspect` shows; bridging inside a container is refused")     \
	X(36, DROP_SPOOFED_IP, "source address is not the sender's own",                           \
	  "use the address that `endpoint inspect` shows; from outside, none of the network's subnet") \
	X(37, DROP_NOT_IP, "neither IPv4 nor ARP",                                                 \
	  "overlay networks carry IPv4; other protocols are not forwarded")                        \
	X(38, DROP_IPV6, "IPv6 on an IPv4 network",                                                \
	  "disable IPv6 in the container or ignore: neighbour discovery alone causes this")        \
	X(39, DROP_MULTICAST, "broadcast or multicast",                                            \
	  "overlay networks carry unicast; use DNS for discovery")                                 \
	X(40, DROP_UNKNOWN_DST, "no endpoint has the destination address on this network",         \
	  "check the address with `endpoint ls --network NET`")                                    \
	X(41, DROP_ARP_UNKNOWN, "ARP request for an address nobody has",                           \
	  "check the address with `endpoint ls --network NET`")                                    \
	X(42, DROP_ARP_OTHER, "ARP that is not a request for somebody else's address",             \
	  "none needed: announcements and probes are answered by nobody")                          \
	X(43, DROP_WRONG_DST_MAC, "destination MAC is not the one of the destination address",     \
	  "flush the neighbour entry in the sending container")                                    \
	X(44, DROP_NO_PEER, "the destination's node has no peer entry",                            \
	  "look at `overlayctl node ls`; the entry follows as soon as the node is known")          \
	X(45, DROP_TOO_BIG, "larger than the network's MTU and not answerable",                    \
	  "set the container's MTU to what `network inspect` shows")                               \
	X(46, DROP_ENCAP_FAILED, "the kernel refused to add the tunnel header",                    \
	  "check memory and the uplink's MTU")                                                     \
	X(47, DROP_DECAP_FAILED, "the kernel refused to remove the tunnel header",                 \
	  "check memory; report it with the kernel version")                                       \
	X(48, DROP_UNKNOWN_PEER, "VXLAN from an address that is no node of this cluster",          \
	  "firewall the VXLAN port, or look for a node that left without its daemon's knowledge")  \
	X(49, DROP_UNKNOWN_VNI, "VXLAN for a network that does not exist here",                    \
	  "none needed if a network was just removed; else look for a second overlay on the port") \
	X(50, DROP_WRONG_PEER, "inner source address does not belong to the sending node",         \
	  "an endpoint may just have moved; if it lasts, the sending node forges packets")         \
	X(51, DROP_BAD_VXLAN, "the VXLAN header breaks RFC 7348 (I flag, reserved bits)",          \
	  "look for other tunnel software on the same UDP port")                                   \
	X(52, DROP_ECN, "congestion mark on a flow that cannot carry it (RFC 6040)",               \
	  "none needed: dropping is how such a flow learns of congestion")                         \
	X(53, DROP_NOT_LOCAL, "the destination endpoint lives on another node",                    \
	  "none needed while an endpoint moves; else compare `endpoint ls` on both nodes")        \
	X(54, DROP_NO_BACKEND, "the service has no backend that takes new flows",                  \
	  "look at `overlayctl service inspect` for backends that are drained, unhealthy or away") \
	X(55, DROP_NO_PORT, "the service does not have that port",                                 \
	  "declare it with `overlayctl service update S --port PORT`")                             \
	X(56, DROP_NO_FLOW, "belongs to no known flow of a service",                               \
	  "none needed: remains of a flow that ended; else look at `overlayctl lb ls`")            \
	X(57, DROP_FLOW_CLASH, "two flows of one client would look the same to the backend",       \
	  "declare one port for each target port; clients of several nodes want a port of their own to each") \
	X(58, DROP_FRAGMENT, "a later fragment whose first one was not seen",                      \
	  "keep datagrams below the MTU; fragments of one datagram must come in order")            \
	X(59, DROP_VIP_PROTOCOL, "a protocol that services do not carry",                          \
	  "services carry TCP, UDP, SCTP and ping; use an endpoint's own address")                 \
	X(60, DROP_NAT_FAILED, "the kernel refused to rewrite the packet",                         \
	  "check memory; report it with the kernel version")                                       \
	X(61, DROP_NOT_ALLOWED, "the client may not call this published port",                     \
	  "look at the `allow` of the service's publish in `overlayctl service inspect`")          \
	X(62, DROP_NOT_PUBLISHED, "from outside, to an endpoint whose service publishes no port",  \
	  "none needed while a service changes; else compare `service inspect` on both nodes")     \
	X(63, DROP_INTERNAL, "out of a network that is internal",                                  \
	  "create the network without --internal, or attach the container to another one, too")    \
	X(64, DROP_HOST, "from a container to its own host",                                       \
	  "containers reach published ports; run the service in a container and publish it")       \
	X(65, DROP_NO_ROUTE, "the host has no route to the destination",                           \
	  "look at `ip route get ADDRESS` on the host")                                            \
	X(66, DROP_MASQ_FULL, "no port is left that could stand for the container outside",        \
	  "widen --masquerade-ports; many connections to one address and port use them up")        \
	X(67, DROP_MASQ_PROTOCOL, "a protocol that cannot leave the overlay",                      \
	  "TCP, ping and UDP leave it, in the node's name, but none to the VXLAN port")                                        \
	X(68, DROP_NOT_FROM_HERE, "an answer to a client outside, to a node it did not enter by",  \
	  "none needed while nodes change; else look at `overlayctl lb ls`")                       \
	X(69, DROP_NO_SA, "of an encrypted network, to a node with which no keys are agreed yet",  \
	  "look at `overlayctl key ls` on both nodes")                                             \
	X(70, DROP_CLEARTEXT, "of an encrypted network, but it came in the clear",                 \
	  "somebody forges packets, or the sending node knows the network as another one")         \
	X(71, DROP_POLICY, "a rule of the network, or its default, denies the flow",               \
	  "look at `overlayctl policy ls`; `overlayctl trace` names the rule")                     \
	X(72, DROP_POLICY_UNREADABLE, "the network has a policy that cannot be read",              \
	  "look at `overlayctl status`: its rules may not fit; nothing passes until they do")

enum ov_verdict {
#define X(number, name, meaning, mend) OV_##name = number,
	OV_VERDICTS(X)
#undef X
	OV_VERDICT_COUNT = 128, /* size of the counters map: room to append */
};

static inline int ov_verdict_is_drop(int verdict)
{
	return verdict >= OV_DROP_NOT_READY;
}
