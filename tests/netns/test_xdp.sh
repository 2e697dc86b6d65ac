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

# Both nodes take calls from outside, and have a backend each.
service 2 web --network app --publish published=8000,target=80
for n in 1 2; do attach "$n" app "b$n" --service web || die "attach b$n"; done
all_know 2 b1 b2
for n in 1 2; do serve "b$n" 80; done
await 15 takes_everywhere 2 web b1 b2 || die "not all know all backends"
answered() { # ADDR: 20 calls, by both backends
	at h9 timeout 60 "$LOAD" run "$1:8000" n=20 c=4 >"$WORK/run" && same "$(counted ok "$WORK/run")" 20 &&
		same "$(awk '$1 == "by" { print $2 }' "$WORK/run" | sort | xargs)" "b1 b2"
}
for n in 1 2; do check "a published port of h$n answers" answered "10.99.0.$n"; done

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
