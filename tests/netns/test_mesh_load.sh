#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A published port under load from outside, by all nodes at once, while replicas come and
# go and daemons die: who still has a backend notices nothing, who lost it is told at
# once. A flood of SYNs ends no connection.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
topo_init meshload
# Each client calls one node: to the backend, two connections by two nodes from the same
# port would be one, and the second is refused (DROP_FLOW_CLASH).
for n in 4 5 6 7 8 9; do topo_host "$n"; done
cluster 3
network 3 app --subnet 10.10.0.0/24
service 3 web --network app --publish published=8000,target=80
for c in "${!HOST[@]}"; do topo_container "$c" && serve "$c" 80; done
join b1 b2 b3
now_takes b1 b2 b3

# ---- 3 - 2 - 5 - 3, and daemons that die ----

for n in 1 2 3; do begin "run$n" "h$((n + 3))" run "10.99.0.$n:8000" t=600 c=8 rate=1200; done
for n in 1 2 3; do
	held "busy$n" "h$((n + 6))" "10.99.0.$n:8000" k=16 every=50
done
held idle h8 10.99.0.2:8000 k=16 idle=1
BUSY=(busy1 busy2 busy3)
drain b3
now_takes b1 b2
run_dry b3 "${BUSY[@]}" idle
leave b3
now_takes b1 b2
check "3 -> 2: each connection of the removed replica is reset" await 5 reset_with b3 "${BUSY[@]}"
check "there were some" test "$(in_all 'by b3' "${BUSY[@]}")" -gt 0
check "also those that wait in silence" await 5 reset_with b3 idle
check "there were some of those, too" test "$(in_all 'by b3' idle)" -gt 0
join b3 b4 b5
now_takes b1 b2 b3 b4 b5
held busy5 h9 10.99.0.3:8000 k=40 every=50
check "2 -> 5: new replicas take connections" same "$(awk '$1 == "by"' "$WORK/busy5" | wc -l)" 5
for n in 3 1; do
	topo_kill KILL "$n"
	sleep 1
	topo_daemon "$n"
	await 20 alive 2 3 || die "h$n is not back"
done
now_takes b1 b2 b3 b4 b5
drain b4 b5
now_takes b1 b2 b3
for c in b4 b5; do run_dry "$c" busy5; done
leave b4 b5
now_takes b1 b2 b3
for c in b4 b5; do
	check "5 -> 3: each connection of $c is reset" await 5 reset_with "$c" busy5
	check "there were some of $c" test "$(in_all "by $c" busy5)" -gt 0
done
await 60 enough 30000
end run1 run2 run3 "${BUSY[@]}" idle busy5
check "30,000 short connections by three nodes meanwhile" test "$(in_all ok run1 run2 run3)" -ge 30000
check "none of them failed, daemons killed or not" none_broke run1 run2 run3
breaks "${BUSY[@]}" idle busy5 | grep -vE "^break reset b[345] " >&2 # which, if any
check "no connection of a replica that stayed broke" none_but_of "b3 b4 b5" "${BUSY[@]}" idle busy5

# ---- a flood ----

held busy1 h7 10.99.0.1:8000 k=24 every=50
begin run1 h4 run 10.99.0.1:8000 t=600 c=4 rate=100
mac() { at "$1" ip -j link show eth0 | jq -r ".[0].address"; }
for n in 1 2 3; do # from addresses that answer no answer: half-open they stay
	at h9 timeout 300 "$RAW" syn eth0 n=60000 smac="$(mac h9)" dmac="$(mac h1)" sip="10.99.0.20$n" dip=10.99.0.1 dport=8000
done
end run1
total() { lb 1 web '[.[].Total] | add'; }
check "the flood was seen" test "$(total)" -gt 150000
active() { lb 1 web '[.[].Active] | add'; }
active_is() { same "$(active)" "$1"; }
check "after 180,000 SYNs the established connections are still counted" await 5 active_is 24
check "and every one found room" same "$(ctl 1 --json status | jq '.. | objects | select(has("Flows")).Flows.Overflow')" 0
end busy1
check "and none of them broke" same "$(in_all alive busy1) $(breaks busy1 | wc -l)" "24 0"
check "nor did new ones fail" none_broke run1

for n in 1 2 3; do
	check "drops shows nothing unexpected on host $n" same "" \
		"$(unexpected "$n" UNKNOWN_DST NO_FLOW NOT_LOCAL NOT_PUBLISHED NOT_FROM_HERE)"
done
