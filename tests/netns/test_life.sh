#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon dies, returns, is upgraded, is told to go: traffic flows on, nothing
# right is touched, nothing foreign is touched, and at the end nothing is left.
. "$(dirname "$0")/lib.sh"
topo_init life
topo_host 1
topo_host 2
topo_host 3
before() { # everything of a host that overlayd could have changed
	at "h$1" ip -d link show | sed 's/numtxqueues.*//'
	at "h$1" ip addr show
	at "h$1" ip route show table all
	at "h$1" tc qdisc show
	at "h$1" tc filter show dev eth0 ingress
	at "h$1" sysctl -a 2>/dev/null | grep -E '^net\.ipv4\.(ip_forward|conf)'
	find "$WORK/bpf" | sort
}
is_up() { same "$(at h2 ip -j link show eth0 | jq -r '.[0].operstate')" UP; }
await 5 is_up || die "eth0 of h2 is not up"
before 2 >"$WORK/before"

topo_daemon 1
topo_join 2
topo_join 3
for n in 1 2 3; do await 20 alive "$n" 3 || die "h$n does not see 3 nodes"; done
network 3 app --subnet 10.10.0.0/24
for n in 1 2 3; do attach "$n" app "c$n" || die "attach c$n"; done
all_know 3 c1 c2 c3
pings c1 "$(ip_of 1 c2)" || die "no ping to begin with"

# Foreign objects on the same devices.
at h2 ip link add foreign0 type veth peer name foreign1
at h2 tc qdisc add dev eth0 clsact 2>/dev/null
at h2 tc filter add dev eth0 egress prio 7 protocol ip u32 match u32 0 0 flowid 1:1 ||
	die "foreign filter"
foreign() { at h2 tc filter show dev eth0 egress | grep -q u32 && at h2 ip link show foreign0 >/dev/null; }

identity() { # what must not change when a daemon returns: ifindexes and program ids
	at "h$1" ip -o link show | awk -F: '{print $1, $2}'
	find "$WORK/bpf/h$1" | sort
	for p in "$WORK/bpf/h$1"/v*/prog/*; do bpftool -j prog show pinned "$p" | jq .id; done
}

node_ids() { ctl 1 --json node ls | jq -r '.[].ID' | sort; }
node_ids >"$WORK/nodes.before"
for n in 1 2 3; do
	identity "$n" >"$WORK/id.before"
	spawn c1 ping -q -c 1000 -i 0.01 "$(ip_of 1 c2)" >"$WORK/ping.a"
	a=$SPAWN
	spawn c3 ping -q -c 1000 -i 0.01 "$(ip_of 1 c1)" >"$WORK/ping.b"
	b=$SPAWN
	sleep 1
	topo_kill KILL "$n"
	sleep 2
	topo_daemon "$n"
	wait "$a" "$b"
	check "1000 pings lose none while h$n's daemon is killed and restarted" \
		same "$(grep -ch '1000 packets transmitted, 1000 received' "$WORK/ping.a" "$WORK/ping.b" | paste -sd+)" 1+1
	identity "$n" >"$WORK/id.after"
	check "h$n's daemon adopts what it finds" cmp -s "$WORK/id.before" "$WORK/id.after"
	await 20 alive "$n" 3
	check "h$n's daemon is a member again" alive "$n" 3
done
check "foreign filters and devices are untouched" foreign
node_ids >"$WORK/nodes.after"
check "all nodes have the identities that they had" cmp -s "$WORK/nodes.before" "$WORK/nodes.after"
check "the state came from disk" knows 1 c1 c2 c3

# A namespace that disappears is noticed, with and without a daemon.
attach 1 app gone1
all_know 2 gone1
ip netns del "$TOPO-gone1"
vanished() { ! ctl "$1" endpoint inspect "$2" >/dev/null; }
check "a vanished namespace releases its endpoint" await 10 vanished 1 gone1
check "everywhere" await 10 vanished 2 gone1
attach 1 app gone2
topo_kill KILL 1
ip netns del "$TOPO-gone2"
topo_daemon 1
check "also when it vanished while the daemon was down" await 10 vanished 1 gone2

# Damage is repaired.
dev=$(at h1 ip -o link show type veth | awk -F'[ :@]+' '$2 ~ /^ov/ {print $2; exit}')
at h1 ip link del "$dev"
repaired() { pings c1 "$(ip_of 1 c2)"; }
check "a deleted device comes back" await 20 repaired

at h1 ip link set eth0 down
check "with the uplink down containers are attached" attach 1 app local1
check "and reach their neighbours on the host" pings local1 "$(ip_of 1 c1)"
says_down() { ctl 1 status | grep -q 'eth0.*down'; }
check "and status says so" await 5 says_down
at h1 ip link set eth0 up
check "the uplink is up again: the network is whole" await 20 repaired
ctl 1 endpoint detach local1 >/dev/null

ctl 1 endpoint detach c1 >/dev/null
check_not "detach removes the interface" at c1 ip link show eth0
check "detach removes the host's side" same "$(at h1 ip -o link show type veth | grep -c ': ov')" 0
check "detach is heard elsewhere" await 10 vanished 2 c1

# Restart with an update of the same build through SIGTERM: exit status 0.
kill -TERM "${TOPO_PID[3]}"
wait "${TOPO_PID[3]}"
check "SIGTERM ends the daemon with status 0" same $? 0
unset "TOPO_PID[3]"
check "and traffic flows on" pings c3 "$(ip_of 1 c2)"

at h2 tc filter del dev eth0 egress
at h2 tc qdisc del dev eth0 clsact
at h2 ip link del foreign0
check_not "overlayd --detach is refused while the daemon runs" topo_detach 2
check "of another namespace it is not" at fab "$BUILD/overlayd" --detach --bpffs "$WORK/bpf" --pin-dir nobodys \
	--run-dir "$WORK/h2/run"
topo_kill TERM 2
check "overlayd --detach succeeds" topo_detach 2
rm -rf "$WORK/x"
find "$WORK/bpf/h1" "$WORK/bpf/h3" 2>/dev/null >"$WORK/others"
before 2 | grep -vxFf "$WORK/others" >"$WORK/after"
check "and leaves the host as it was" diff "$WORK/before" "$WORK/after"

# Leaving: the others forget the node and its containers.
ctl 1 network inspect app >/dev/null || die "h1 lost app"
topo_daemon 3
await 20 alive 3 2
ctl 3 cluster leave >/dev/null
left() { ! kill -0 "${TOPO_PID[3]}"; }
check "cluster leave ends the daemon" await 15 left
check "the others let its endpoints go" await 15 vanished 1 c3
check "and its data plane is gone" test ! -e "$WORK/bpf/h3"
check "and the settings it changed" same "$(at h3 cat /proc/sys/net/ipv4/conf/lo/{accept_local,route_localnet} | xargs)" "0 0"
