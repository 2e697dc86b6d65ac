#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Coming, going, dying, being removed: what members know of each other.
. "$(dirname "$0")/lib.sh"
topo_init clus
for n in 1 2 3; do topo_host "$n"; done
topo_daemon 1
token=$(ctl 1 cluster token)
check "a token carries 256 random bits" grep -qE '^ov1-[0-9a-f]{64}$' <<<"$token"
topo_daemon 2 --join 10.99.0.1 --token "$token"
await 20 alive 1 2 || die "h2 did not join"
check "every member prints the same token" same "$token" "$(ctl 2 cluster token)"
printf '%s\n' "$token" >"$WORK/token"
topo_daemon 3 --join 10.99.0.2 --token-file "$WORK/token"
check "joining works through any member" await 20 alive 1 3

ctl 2 cluster token --rotate >/dev/null
turned() { [ "$(ctl 1 cluster token)" = "$(ctl 2 cluster token)" ] && [ "$(ctl 1 cluster token)" != "$token" ]; }
check "a rotated token is known everywhere" await 10 turned
topo_host 4
at h4 timeout 60 "$BUILD/overlayd" --attach eth0 --node h4 --state-dir "$WORK/h4/state" --run-dir "$WORK/h4/run" \
	--bpffs "$WORK/bpf" --pin-dir h4 --join 10.99.0.1 --token "$token" >"$WORK/h4.log" 2>&1
check "the old one is refused" same $? 1
topo_join 4
check "the new one is taken" await 20 alive 2 4

# A crash is noticed; a removed node's addresses are taken over, and its name is free.
network 4 app --subnet 10.10.0.0/27
attach 4 app c4 || die "attach c4"
attach 1 app c1 || die "attach c1"
all_know 4 c1 c4
topo_kill KILL 4
dead() { same "$(ctl 1 --json node ls | jq -r '.[] | select(.Name == "h4") | .Status')" dead; }
check "a crash is noticed" await 30 dead
check "its containers are not forgotten" knows 1 c4
check "and talk on without a daemon" pings c1 "$(ip_of 1 c4)"
rm -rf "$WORK/h4/state"
at h4 timeout 60 "$BUILD/overlayd" --attach eth0 --node h4 --state-dir "$WORK/h4/state" --run-dir "$WORK/h4/run" \
	--bpffs "$WORK/bpf" --pin-dir h4 --join 10.99.0.1 --token "$(ctl 1 cluster token)" >"$WORK/h4.log" 2>&1
check "without its state it is another node, and its name is taken" grep -qE 'h4.*node rm' <<<"$(tail -n 1 "$WORK/h4.log")"
check "a dead node is removed by a member" await 10 ctl 2 node rm h4
forgotten() { ! ctl 1 endpoint inspect c4; }
check "and its endpoints with it" await 10 forgotten
topo_join 4
check "then it may come again, as a new node" await 20 alive 1 4
for i in $(seq 27); do attach 1 app "x$i" || break; done
check "a removed node's addresses are given again: 28 of a /27 with the gateway's" \
	test "$(ctl 1 --json endpoint ls | jq length)" -ge 26
double() { ctl 1 --json endpoint ls | jq -r '.[].IP' | sort | uniq -d; }
check "and none twice" same "$(double)" ""

# Removed while it was only cut off: on return it learns so, and takes itself down.
at fab ip link set h3 down
gone3() { same "$(ctl 1 --json node ls | jq -r '.[] | select(.Name == "h3") | .Status')" dead; }
await 30 gone3 || die "h3 is not seen dead"
ctl 1 node rm h3 || die "node rm h3"
at fab ip link set h3 up
ended() { ! kill -0 "${TOPO_PID[3]}"; }
check "a removed node that was only cut off ends by itself" await 60 ended
check "and its data plane is gone" test ! -e "$WORK/bpf/h3"

# All daemons gone at once: they find each other again from what is on disk.
for n in 1 2 4; do topo_kill KILL "$n"; done
for n in 1 2 4; do topo_spawn "$n"; done
check "a cluster that was down as a whole comes back" await 30 alive 1 3
check "with its networks" await 10 ctl 2 network inspect app
