#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three hosts, two networks with the same subnet: who shares a network talks,
# who does not is apart, and a killed daemon is not noticed.
. "$(dirname "$0")/lib.sh"
topo_init lan
cluster 3
network 3 app --subnet 10.10.0.0/24
network 3 other --subnet 10.10.0.0/24
for n in 1 2 3; do
	attach "$n" app "a$n" || die "attach a$n"
	attach "$n" other "o$n" || die "attach o$n"
done
attach 1 app a4 || die "attach a4"
attach 2 other lone --ip 10.10.0.77 || die "attach lone"
all_know 3 a1 a2 a3 a4 o1 o2 o3 lone
declare -A IP
for c in a1 a2 a3 a4 o1 o2 o3; do IP[$c]=$(ip_of 1 "$c"); done

reaches() { at "$1" ping -q -c 2 -i 0.2 -W 5 "$2" >/dev/null; }
for pair in "a1 a2" "a2 a3" "a3 a1" "a1 a4" "o1 o2" "o2 o3"; do
	read -r from to <<<"$pair"
	check "$from pings $to" reaches "$from" "${IP[$to]}"
done
check "an address that only the other network has is reached there" reaches o1 10.10.0.77
check_not "and not from this network on another host" pings a1 10.10.0.77
check_not "nor on the same host" pings a2 10.10.0.77
check "a full-size packet passes" at a1 ping -q -c 1 -W 5 -M do -s 1422 "${IP[a2]}"
check_not "a larger one does not" at a1 ping -q -c 1 -W 2 -M do -s 1423 "${IP[a2]}"

head -c 2097152 /dev/urandom >"$WORK/blob"
serves() { at "$1" ss -Hltn | grep -q :7001; }
for c in a3 a4; do
	spawn "$c" busybox httpd -f -p 7001 -h "$WORK"
	await 5 serves "$c" || die "no server in $c"
done
transfer() { # FROM TO: 2 MiB by TCP, compared
	rm -f "$WORK/got"
	at "$1" timeout 60 busybox wget -qO "$WORK/got" "http://${IP[$2]}:7001/blob"
	cmp -s "$WORK/blob" "$WORK/got"
}
check "TCP across hosts arrives whole" transfer a1 a3
check "TCP on one host arrives whole" transfer a1 a4
for n in 1 2 3; do at "h$n" ethtool -K eth0 tso off gso off gro on >/dev/null; done
check "TCP across a wire without segmentation offload arrives whole" transfer a1 a3

spawn a1 ping -q -c 200 -i 0.05 -W 5 "${IP[a2]}" >"$WORK/pings"
pinging=$SPAWN
topo_kill KILL 2
topo_daemon 2
wait "$pinging"
check "no ping is lost while a daemon is killed and restarted" grep -q '200 received' "$WORK/pings"
await 20 alive 2 3
check "the restarted daemon is a member again" alive 2 3

# The ring and the table of those who watch are made by the daemon, when somebody does.
spawn h1 "$BUILD/overlayctl" --run-dir "$WORK/h1/run" --json monitor --network app >"$WORK/monitor"
watching=$SPAWN
tells() { # of a ping between these two
	pings a1 "${IP[a2]}"
	jq -es 'map(select(.Event == "new" and .Source.Name == "a1" and .Destination.Name == "a2")) | length > 0' "$WORK/monitor" >/dev/null
}
check "monitor tells of a flow, with names" await 30 tells
kill -INT "$watching"
wait "$watching"
spawn h1 timeout 60 "$BUILD/overlayctl" --run-dir "$WORK/h1/run" --json capture --count 2 --network app >"$WORK/capture"
watching=$SPAWN
captured() { # before and after the push
	pings a1 "${IP[a2]}"
	jq -es '(map(select(.Direction == "in")) | length > 0) and (map(select(.Direction == "out" and .Verdict == "FWD_ENCAP")) | length > 0)' "$WORK/capture" >/dev/null
}
check "capture has a packet as it came and as it left" await 30 captured
wait "$watching"
not_watched() { [ "$(bpftool -j map lookup pinned "$WORK/bpf/h1/v3/watch" key 0 0 0 0 | jq .formatted.value.flags)" = 0 ]; }
check "the programs look no more" await 20 not_watched
