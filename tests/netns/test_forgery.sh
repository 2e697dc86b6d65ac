#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A container with raw sockets, and a stranger on the fabric, try to reach what
# they must not. Nothing gets through, and each attempt is counted by its reason.
. "$(dirname "$0")/lib.sh"
topo_init forge
cluster 2
topo_host 9 # on the fabric, in no cluster
network 2 app --subnet 10.10.0.0/24
network 2 other --subnet 10.10.0.0/24
attach 1 app a1 --ip 10.10.0.11 && attach 2 app a2 --ip 10.10.0.12 && attach 1 app a3 --ip 10.10.0.13 &&
	attach 1 other o1 --ip 10.10.0.21 && attach 2 other o2 --ip 10.10.0.22 || die "attach"
all_know 2 a1 a2 a3 o1 o2
for t in a2 a3; do pings a1 "$(ip_of 1 $t)" || die "a1 cannot reach $t to begin with"; done
app=$(vni_of app) other=$(vni_of other)
A1=$(mac_of 1 a1) A2=$(mac_of 1 a2) A3=$(mac_of 1 a3) O1=$(mac_of 1 o1) O2=$(mac_of 1 o2)

# nothing NAME HOST REASON VICTIM SENDER ARGS...: SENDER's frames reach no VICTIM,
# and HOST counted them under REASON.
nothing() {
	local name=$1 host=$2 reason=$3 victim=$4 sender=$5 was now
	shift 5
	was=$(drops "$host" "$reason")
	spawn "$victim" "$RAW" hear eth0 1 "forged-$victim" >"$WORK/heard"
	local ear=$SPAWN
	await 5 grep -q listening "$WORK/heard"
	at "$sender" "$RAW" "$@" n=5
	if wait "$ear"; then
		echo "not ok $name: it arrived at $victim"
		return
	fi
	now=$(drops "$host" "$reason")
	check "$name" test $((now - was)) -ge 5
}
# The ear works: an honest frame is heard.
spawn a2 "$RAW" hear eth0 3 forged-a2 >"$WORK/heard"
ear=$SPAWN
await 5 grep -q listening "$WORK/heard"
at a1 "$RAW" send eth0 text=forged-a2 smac="$A1" dmac="$A2" sip=10.10.0.11 dip=10.10.0.12
check "an honest raw frame arrives" wait "$ear"

for v in "a2 $A2 10.10.0.12" "a3 $A3 10.10.0.13"; do
	read -r victim mac ip <<<"$v"
	to="text=forged-$victim dmac=$mac dip=$ip"
	nothing "a forged source MAC does not reach $victim" 1 DROP_SPOOFED_MAC "$victim" a1 send eth0 $to smac="$A3" sip=10.10.0.11
	nothing "a forged source address does not reach $victim" 1 DROP_SPOOFED_IP "$victim" a1 send eth0 $to smac="$A1" sip=10.10.0.99
	nothing "the other network does not reach $victim" 1 DROP_UNKNOWN_DST "$victim" o1 send eth0 $to smac="$O1" sip=10.10.0.21
	nothing "the other network with a forged identity does not reach $victim" 1 DROP_SPOOFED_MAC "$victim" o1 send eth0 $to smac="$A1" sip=10.10.0.11
done
nothing "a broadcast reaches nobody" 1 DROP_MULTICAST a3 a1 send eth0 text=forged-a3 smac="$A1" sip=10.10.0.11 dip=10.10.0.255
nothing "an IPv6 frame reaches nobody" 1 DROP_IPV6 a3 a1 send eth0 text=forged-a3 smac="$A1" dmac="$A3" type=0x86dd
nothing "a tagged frame reaches nobody" 1 DROP_NOT_IP a3 a1 send eth0 text=forged-a3 smac="$A1" dmac="$A3" type=0x8100
nothing "a frame to one address and another's MAC reaches nobody" 1 DROP_WRONG_DST_MAC a3 a1 send eth0 text=forged-a3 smac="$A1" dmac="$A3" sip=10.10.0.11 dip=10.10.0.12

# VXLAN headers made inside a container: its host's address, its peer's, its own.
inner="vni=$other ismac=$O1 idmac=$O2 isip=10.10.0.21 idip=10.10.0.22"
nothing "VXLAN from a container to the peer's host" 1 DROP_MASQ_PROTOCOL o2 a1 send eth0 text=forged-o2 smac="$A1" dmac=02:42:0a:0a:00:01 sip=10.10.0.11 dip=10.99.0.2 $inner
nothing "VXLAN from a container as its host" 1 DROP_SPOOFED_IP o2 a1 send eth0 text=forged-o2 smac="$A1" dmac="$A2" sip=10.99.0.1 dip=10.99.0.2 $inner
at a1 "$RAW" send eth0 text=forged-o2 smac="$A1" dmac="$A2" sip=10.10.0.11 dip=10.10.0.12 $inner
check "VXLAN between containers is only payload" pings a1 10.10.0.12

# A stranger on the fabric, with the right VNI and real addresses inside.
uplink_mac() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
H1=$(uplink_mac h1) H9=$(uplink_mac h9)
outer="smac=$H9 dmac=$H1 dip=10.99.0.1 text=forged-a1"
nothing "a stranger's VXLAN" 1 DROP_UNKNOWN_PEER a1 h9 send eth0 $outer sip=10.99.0.9 vni="$app" ismac="$A2" idmac="$A1" isip=10.10.0.12 idip=10.10.0.11
nothing "a VNI that does not exist" 1 DROP_UNKNOWN_VNI a1 h2 send eth0 $outer sip=10.99.0.2 vni=7 ismac="$A2" idmac="$A1" isip=10.10.0.12 idip=10.10.0.11
nothing "a peer that speaks for another node's container" 1 DROP_WRONG_PEER a1 h2 send eth0 $outer sip=10.99.0.2 vni="$app" ismac="$A3" idmac="$A1" isip=10.10.0.13 idip=10.10.0.11
nothing "a container of one network inside the VNI of another" 1 DROP_WRONG_PEER a1 h2 send eth0 $outer sip=10.99.0.2 vni="$app" ismac="$O2" idmac="$A1" isip=10.10.0.22 idip=10.10.0.11
for cut in 15 30 41 43 48 55 63 70; do
	at h2 "$RAW" send eth0 $outer sip=10.99.0.2 vni="$app" ismac="$A2" idmac="$A1" isip=10.10.0.12 idip=10.10.0.11 cut=$cut
done
check "truncated VXLAN harms nobody" pings a2 10.10.0.11

# ARP is answered from the map and never flooded.
at a1 "$RAW" arp eth0 op=1 smac="$A1" dmac=ff:ff:ff:ff:ff:ff sip=10.10.0.11 dip=10.10.0.200
check "ARP for nobody is counted" test "$(drops 1 DROP_ARP_UNKNOWN)" -gt 0
at a1 "$RAW" arp eth0 op=2 smac="$A1" sip=10.10.0.12 dip=10.10.0.13
was=$(drops 1 DROP_SPOOFED_IP)
at a1 "$RAW" arp eth0 op=1 smac="$A1" sip=10.10.0.13 dip=10.10.0.12
check "ARP in another's name is refused" test "$(drops 1 DROP_SPOOFED_IP)" -gt "$was"
ip_neigh() { at a3 ip neigh show 10.10.0.12 | grep -qi "$A1"; }
check_not "and poisons nobody" ip_neigh

# Refused gossip is counted.
refused() { ctl 1 --json status | jq '[.. | objects | .refused_seal? // empty] | add'; }
was=$(refused)
at h9 bash -c 'for i in 1 2 3 4 5; do echo "not ours" >/dev/udp/10.99.0.1/7946; done'
check "foreign gossip is refused and counted" await 5 bash -c "[ \"\$($(declare -f ctl refused); BUILD=$BUILD WORK=$WORK refused)\" -gt $was ]"
for t in a2 a3; do check "a1 still reaches $t" pings a1 "$(ip_of 1 $t)"; done
