#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# monitor and capture on two hosts: flows, drops, packets before and after rewriting; clients
# that do not read, ten at once, and a daemon that is killed while somebody watches.
. "$(dirname "$0")/lib.sh"
topo_init watch
topo_host 1
topo_host 2
topo_daemon 1
topo_join 2 --xdp generic # where forgeries are met
for n in 1 2; do await 20 alive "$n" 2 || die "h$n does not see two nodes"; done
network 2 app --subnet 10.10.0.0/24
service 2 web --network app --vip 10.10.0.200
attach 1 app k1 || die "attach k1"
attach 2 app b2 --service web || die "attach b2"
attach 1 app b1 || die "attach b1"
all_know 2 k1 b1 b2
serve b2 80
K1=$(ip_of 1 k1) B2=$(ip_of 2 b2)
V=${VIP[web]}
await 15 takes_everywhere 2 web.app b2 || die "b2 takes no calls"

watch() { # NAME HOST COMMAND...: in the background; what it says is in $WORK/NAME
	local name=$1 host=$2
	shift 2
	"$BUILD/overlayctl" --run-dir "$WORK/h$host/run" "$@" >"$WORK/$name" 2>"$WORK/$name.err" &
	PID[$name]=$!
	TOPO_SPAWNED+=("$!")
}
row() { # HOST: is something watched there, by the map itself
	bpftool -j map lookup pinned "$WORK/bpf/h$1/v3/watch" key 0 0 0 0 | jq -e ".formatted.value.$2"
}
is_watched() { [ "$(row "$1" flags)" != 0 ]; }
not_watched() { [ "$(row "$1" flags)" = 0 ]; }
stop() { # NAME...: as Ctrl-C does
	local name
	for name in "$@"; do
		kill -INT "${PID[$name]}"
		wait "${PID[$name]}"
	done
}
says() { # NAME JQ-FILTER: some line of it fits
	jq -es "map(select($2)) | length > 0" "$WORK/$1" >/dev/null
}
lines() { wc -l <"$WORK/$1"; }
call() { at k1 timeout 20 "$LOAD" run "$V:80" n=1 >"$WORK/run"; }

# ---- monitor ----

watch m1 1 --json monitor --network app
await 15 is_watched 1 || die "the wish did not reach the kernel: $(cat "$WORK/m1.err")"
check "a call to the VIP works while it is watched" call
check "monitor tells of the new flow, with names" await 10 says m1 \
	'.Event == "new" and .Source.Name == "k1" and .Destination.Name == "b2" and .Called.Name == "web" and .Called.Port == 80 and .Network == "app" and .Node == "h2" and .Verdict == "FWD_ENCAP"'
check "and of its end, with what went both ways and how long the answer took" await 10 says m1 \
	'.Event == "closed" and .Source.Name == "k1" and .BytesSent > 0 and .BytesReceived > 0 and .PacketsSent > 0 and .RTTMicroseconds > 0'
at k1 ping -c 1 -W 1 10.10.0.77 >/dev/null


at k1 ip neigh replace 10.10.0.99 lladdr 02:42:0a:0a:00:63 dev eth0
at k1 ping -c 1 -W 1 10.10.0.99 >/dev/null
check "and of a drop, with its reason and what to do" await 10 says m1 \
	'.Event == "dropped" and .Verdict == "DROP_UNKNOWN_DST" and .Source.Name == "k1" and .Destination.IP == "10.10.0.99" and (.Mend | length > 0) and (.Device | startswith("ov"))'
stop m1
check "Ctrl-C ends it with a summary" grep -qE '^[0-9]+ events; 0 lost, 0 drops' "$WORK/m1.err"
check "and the programs look no more" await 10 not_watched 1
check "nor is a ring there" sh -c "! bpftool -j map lookup pinned $WORK/bpf/h1/v3/watch_ring key 0 0 0 0 | jq -e .value >/dev/null"

watch text 1 monitor --drops
await 15 is_watched 1 || die "the wish did not reach the kernel"
at k1 ping -c 1 -W 1 10.10.0.99 >/dev/null
check "as text a drop says what it means" await 10 grep -q 'dropped app icmp k1 -> 10.10.0.99  DROP_UNKNOWN_DST: no endpoint' "$WORK/text"
call
stop text
check "with --drops nothing else is told" sh -c "! grep -v dropped $WORK/text"

# ---- exact counts ----

watch m1 1 --json monitor --from k1 --to "$B2" --port 9000/udp
await 15 is_watched 1 || die "the wish did not reach the kernel"

for _ in 1 2 3; do at k1 sh -c "head -c 100 /dev/zero >/dev/udp/$B2/9000" 2>/dev/null || at k1 bash -c "head -c 100 /dev/zero >/dev/udp/$B2/9000"; done
check "a filter lets through what it names" await 10 says m1 '.Event == "new" and .Protocol == "udp" and .Destination.Port == 9000'
call
stop m1
check_not "and nothing else" says m1 '.Destination.Port? != 9000 and .Event != "lost"'

# ---- bad input ----

refuses "an unknown network" 'no network "nowhere"' ctl 1 monitor --network nowhere
refuses "an address that is none" '"x" is no address, no endpoint and no service' ctl 1 monitor --from x
refuses "a port that is none" '"99999" is not one' ctl 1 capture --port 99999
wrong_count() { # WORD: wrong usage, and said so
	local said
	said=$(ctl 1 capture "$1" 2>&1)
	[ $? = 2 ] && grep -q 'is no number of packets' <<<"$said"
}
check "a count that is none is refused, as a word" wrong_count count=x
refuses "a snap length out of range" 'not within 64' ctl 1 capture --snaplen 9

echo yesterday >"$WORK/kept.pcapng"
refuses "a capture of an unknown network" 'no network "nowhere"' ctl 1 capture -w "$WORK/kept.pcapng" --network nowhere
check "and the file it would have written is as it was" same "$(cat "$WORK/kept.pcapng")" yesterday

# ---- capture ----

watch cap1 1 capture -w "$WORK/one.pcapng" network=app port=80
watch cap2 2 capture -w "$WORK/two.pcapng" --network app
await 15 is_watched 1 || die "no capture on h1: $(cat "$WORK/cap1.err")"
await 15 is_watched 2 || die "no capture on h2: $(cat "$WORK/cap2.err")"
call
has() { # FILE FILTER: tshark finds such a packet
	[ -n "$(tshark -r "$WORK/$1" -Y "$2" 2>/dev/null)" ]
}
if command -v tshark >/dev/null; then
	check "the sender's packet is captured as it came, to the VIP" await 10 has one.pcapng "!vxlan && ip.dst == $V && tcp.flags.syn == 1"
	check "and as it left: to the backend, inside the tunnel, with its verdict" await 10 has one.pcapng \
		"vxlan && ip.dst == $B2 && tcp.flags.syn == 1 && frame.comment contains \"FWD_ENCAP\""
	check "the answer is captured in the tunnel" await 10 has one.pcapng \
		"vxlan && ip.src == $B2 && tcp.flags.syn == 1 && tcp.flags.ack == 1 && frame.interface_name == \"eth0 in\""
	check "and as it was delivered, from the VIP" await 10 has one.pcapng \
		"!vxlan && ip.src == $V && ip.dst == $K1 && tcp.flags.ack == 1 && frame.interface_name == \"eth0 out\""
	check "the receiver's host has the call as it was delivered" await 10 has two.pcapng "!vxlan && ip.dst == $B2 && tcp.flags.syn == 1 && frame.comment contains \"FWD_DECAP\""
	check "interfaces have names" await 10 has one.pcapng 'frame.interface_name contains "ov" && frame.interface_name contains "in"'
else
	echo "skip captures are read: tshark is missing"
fi
stop cap1 cap2
check "capture says how much it has" grep -qE '^[1-9][0-9]* packets; 0 lost' "$WORK/cap1.err"
if command -v tshark >/dev/null; then
	tshark -r "$WORK/one.pcapng" >"$WORK/tshark" 2>"$WORK/tshark.err"
	check "the whole file is read without a complaint" sh -c "! grep -v 'Running as user' $WORK/tshark.err"
fi
watch cap1 1 capture count=2 to=web
await 15 is_watched 1 || die "no capture"
call
ended() { ! kill -0 "${PID[$1]}" 2>/dev/null; }
check "it ends by itself after as many packets as were asked for" await 10 ended cap1
check "a line each" same "$(lines cap1)" 2

# A forgery that XDP refuses.
watch cap2 2 capture -w "$WORK/xdp.pcapng" drops
await 15 is_watched 2 || die "no capture"
topo_space stranger
ip link add st netns "$TOPO-fab" type veth peer name eth0 netns "$TOPO-stranger"
at fab ip link set st master br0 up
at stranger ip addr add 10.99.0.77/24 dev eth0
at stranger ip link set eth0 up
vni=$(vni_of app)
forge() {
	at stranger ip link add vx type vxlan id "$vni" local 10.99.0.77 remote 10.99.0.2 dstport 4789
	at stranger ip addr add 10.10.0.66/24 dev vx
	at stranger ip link set vx up
	at stranger ip neigh replace "$B2" lladdr "$(mac_of 2 b2)" dev vx
	at stranger ping -c 1 -W 1 "$B2" >/dev/null
	return 0
}
forge
if command -v tshark >/dev/null; then
	check "what XDP drops is captured, too" await 10 has xdp.pcapng \
		'frame.interface_name contains "XDP" && frame.comment contains "DROP_UNKNOWN_PEER" && icmp'
fi
stop cap2

# ---- clients ----

for i in 1 2 3 4 5 6 7 8 9 10; do watch "ten$i" 1 --json monitor; done
ten() { for i in 1 2 3 4 5 6 7 8 9 10; do says "ten$i" '.Event == "new" and .Called.Name == "web"' || return; done; }
called() { call && ten; }
check "ten clients are told the same" await 20 called
for i in 11 12 13 14 15 16; do watch "ten$i" 1 --json monitor; done
sixteen() { call && says ten16 '.Event == "new"' && says ten11 '.Event == "new"' && says ten13 '.Event == "new"'; }
await 20 sixteen
refuses "the seventeenth is told that there are too many" '16 clients watch already' ctl 1 monitor
stop ten{1..16}
await 20 not_watched 1 || die "the sixteen are not gone"

# Its end of the socket is read by nobody: so that is what a client that has hung looks like.
mkfifo "$WORK/fifo"
exec 9<>"$WORK/fifo"
"$BUILD/overlayctl" --run-dir "$WORK/h1/run" --json capture >"$WORK/fifo" 2>/dev/null &
deaf=$!
TOPO_SPAWNED+=("$deaf")
await 10 is_watched 1 || die "no capture"
watch m1 1 --json monitor
at k1 timeout 60 "$LOAD" udp "$V:9" flows=50 n=200 every=1 >"$WORK/flood" 2>&1
hears() { call && says m1 '.Event == "new" and .Called.Port == 80'; }
check "one that never reads holds up nobody" await 20 hears
stop m1
{ kill -9 "$deaf"; wait "$deaf"; } 2>/dev/null
exec 9>&-
check "with the last of them it ends" await 20 not_watched 1

# ---- a daemon that is killed ----

watch m1 1 monitor
await 15 is_watched 1 || die "not watched"
topo_kill KILL 1
now() { awk '$1 == "now" { print $3; exit }' /proc/timer_list; } # CLOCK_MONOTONIC
check "of a daemon that was killed the row stays, and ends soon" test "$(($(row 1 until) - $(now)))" -le 20000000000
check "and traffic flows on" pings k1 "$B2"
topo_daemon 1
check "the next one finds nobody watching" await 10 not_watched 1
