#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# XDP in each mode: the network works, strangers are refused there, --xdp auto says
# what it chose and why, and a foreign XDP program is left alone.
. "$(dirname "$0")/lib.sh"
topo_init xdp
for n in 1 2 9; do topo_host "$n"; done
topo_daemon 1 --xdp native
topo_join 2 --xdp generic
for n in 1 2; do await 20 alive "$n" 2 || die "h$n does not see 2 nodes"; done
network 2 app --subnet 10.10.0.0/24
attach 1 app a1 && attach 2 app a2 || die "attach"
all_know 2 a1 a2

mode() { at "h$1" ip -d link show eth0 | grep -oE 'prog/xdp|xdpgeneric|xdp ' | head -n 1; }
check "native is native" same "$(at h1 ip -j -d link show eth0 | jq -r '.[0].xdp.mode')" 1
check "generic is generic" same "$(at h2 ip -j -d link show eth0 | jq -r '.[0].xdp.mode')" 2
check "status says so" same "$(ctl 1 --json status | jq -r '[.. | strings] | map(select(. == "native")) | length')" 1
check "the network works over both" pings a1 "$(ip_of 1 a2)"
check "and in fragments" at a1 ping -q -c 2 -i 0.2 -W 3 -s 4000 "$(ip_of 1 a2)"

uplink_mac() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
for n in 1 2; do
	was=$(drops "$n" DROP_UNKNOWN_PEER)
	at h9 "$RAW" send eth0 n=5 text=stranger smac="$(uplink_mac h9)" dmac="$(uplink_mac "h$n")" \
		sip=10.99.0.9 dip="10.99.0.$n" vni="$(vni_of app)" isip=10.10.0.7 idip="$(ip_of 1 "a$n")"
	counted() { [ $(($(drops "$n" DROP_UNKNOWN_PEER) - was)) -eq 5 ]; }
	check "h$n counts a stranger's five packets once each" await 3 counted
done

topo_kill KILL 1
topo_daemon 1 --xdp native
check "a restarted daemon adopts the XDP program" same "$(at h1 ip -j -d link show eth0 | jq -r '.[0].xdp.mode')" 1
topo_kill TERM 1
topo_daemon 1 --xdp auto
gone() { same "$(at h1 ip -j -d link show eth0 | jq -r '.[0].xdp.mode // 0')" 0; }
check "auto takes it off a veth" await 5 gone
check "and says why in its log" grep -qE 'XDP on eth0 \(driver veth\): off, because .+' "$WORK/h1/log"
check "the network still works" pings a1 "$(ip_of 1 a2)"
