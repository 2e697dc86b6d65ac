#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nodes of an encrypted network in trouble, under flows: a daemon that dies in the middle of a
# rotation, one that misses two, and a node that starts again with nothing but its state directory.
. "$(dirname "$0")/lib.sh"
esp_modules
topo_init absent
cluster 3
network 3 secret --subnet 10.10.0.0/24 --opt encrypted
declare -A IP
for n in 1 2 3; do attach "$n" secret "s$n" || die "attach s$n"; done
all_know 3 s1 s2 s3
for n in 1 2 3; do IP[s$n]=$(ip_of 1 "s$n") && serve "s$n" 7001; done
await 60 on_epoch 0 1 2 3 || die "no keys"
reaches() { at "$1" ping -q -c 1 -W 5 "$2" >/dev/null; }

# ---- a daemon that dies between its new key and the switch ----

# What host 1 sees of host $1: on what epoch it is, and whether all packets are under newest keys.
of_peer() { keys 1 -c --arg p "h$1" '.[] | select(.Peer == $p) | [.PeerEpoch, .Ready == "in, out"]'; }
has_switched() { same "$(of_peer "$1")" "[$2,true]"; } # HOST EPOCH
has_key() { same "$(keys "$1" '.[0].Epoch')" "$2"; } # HOST EPOCH
sends_with() { at "h$1" ip xfrm policy | sed -n 's/.*spi \(0x[0-9a-f]*\).*/\1/p' | sort; } # HOST: SPIs

wire_begin load dgram
flow one-two s1 "${IP[s2]}"
flow two-three s2 "${IP[s3]}"
flow three-one s3 "${IP[s1]}"
kill -STOP "${TOPO_PID[1]}" "${TOPO_PID[3]}" # so that it waits for what they say
sends_with 2 >"$WORK/before"
epoch=$(ctl 2 key rotate | awk '{ print $2 }')
await 10 has_key 2 "$epoch"
check "a node has its key of a new epoch" has_key 2 "$epoch"
topo_kill KILL 2
check "its daemon dies before it sends by that" same "$(sends_with 2)" "$(cat "$WORK/before")"
kill -CONT "${TOPO_PID[1]}" "${TOPO_PID[3]}"
epoch=$(rotate)
await 60 has_switched 3 "$epoch" || die "no rotation beside a dead daemon"
topo_daemon 2
check "started again, it gets onto the newest keys" await 60 on_epoch "$epoch" 1 2 3

# ---- a daemon that misses two rotations ----

topo_kill KILL 3
for i in 1 2; do
	epoch=$(rotate)
	await 60 has_switched 2 "$epoch" || die "no rotation without h3"
done
check "those that are there rotate without the one that is away" has_switched 2 "$epoch"
check "which is on keys of before" test "$(of_peer 3 | jq '.[0]')" -lt "$((epoch - 1))"
check "but reaches them, and is reached" reaches s1 "${IP[s3]}"
topo_daemon 3
check "it catches up" await 60 on_epoch "$epoch" 1 2 3
end one-two two-three three-one
check "nothing was lost between any two of them" lossless one-two two-three three-one

# ---- a node that starts again ----

flow one-two s1 "${IP[s2]}"
flow three-one s3 "${IP[s1]}"
topo_kill KILL 2
topo_detach 2
at h2 ip xfrm state flush
at h2 ip xfrm policy flush
epoch=$(rotate)
await 60 has_switched 3 "$epoch" || die "no rotation without h2"
check_not "a node that lost everything is not reached" at s1 ping -q -c 1 -W 1 "${IP[s2]}"
topo_daemon 2
check "started again it gets onto the newest keys" await 60 on_epoch "$epoch" 1 2 3
check "and is reached" await 30 reaches s1 "${IP[s2]}"
end one-two three-one
wire_end
gaps() { grep -c '^gap' "$WORK/$1"; }
lost=$(counted lost "$WORK/one-two")
check "packets to it were lost while it was down" test "$lost" -gt 0
check "and at no other time: each of the four flows has one gap" same "$(gaps one-two)" 4
check "nothing was lost between the others" lossless three-one
check "all of it went as ESP" some load esp
check "none as VXLAN in the clear" none load vxlan
check "nor what was in it" none load holds
