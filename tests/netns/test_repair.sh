#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What somebody does to the kernel behind the daemon's back is found, mended and named; what is
# right, and what is not ours, is not touched.
. "$(dirname "$0")/lib.sh"
topo_init repair
cluster 2
network 2 app --subnet 10.10.0.0/24
network 2 other --subnet 10.20.0.0/24
attach 1 app c1
attach 1 other d1
attach 2 app c2
all_know 2 c1 d1 c2
pings c1 "$(ip_of 1 c2)" || die "no ping to begin with"
PINS=$(echo "$WORK"/bpf/h1/v*)
VNI=$(vni_of app)

host_dev() { # CONTAINER: the name of its device on host 1
	echo "ov$(ctl 1 --json endpoint inspect "$1" | jq -r '.[0].ID[:12]')"
}
repairs() { ctl 1 --json status | jq -r ".Repairs.$1"; }
pinned() ( # COMMAND MAP ARG...
	set -o pipefail
	bpftool -j map "$1" pinned "$PINS/$2" "${@:3}" | sed '/^null$/d'
)
# row MAP FILTER: key and value, as bpftool takes them; FILTER is of what it shows of the row
row() { pinned dump "$1" | jq -r "first(.[] | select(.formatted | $2)) | .$3 | join(\" \")"; }
said=$WORK/said
repair() { ctl 1 repair "$@" >"$said" 2>&1; }
# said_so PATTERN: a line of the answer; or of the log, when the daemon looked by itself in between
LOGGED=0
said_so() {
	grep -E -- "$1" "$said" ||
		tail -n +$((LOGGED + 1)) "$WORK/h1/log" | grep -E "mended: ${1#^mended [a-z]*: }"
}
# mends NAME PATTERN [ARG...]: that is what repair says, and then nothing is wrong any more
mends() {
	local name=$1 pattern=$2
	shift 2
	repair "$@"
	check "$name" said_so "$pattern"
	repair
	check "$name: and then nothing is wrong" same "$(cat "$said")" "nothing was wrong"
	LOGGED=$(wc -l <"$WORK/h1/log")
}
# found NAME KIND COMMAND...: done by itself, when the kernel gives notice or repair is asked for
found() {
	local name=$1 kind=$2 was
	shift 2
	was=$(repairs "Kinds.$kind")
	"$@" || die "cannot plant: $*"
	repair
	check "$name" test "$(repairs "Kinds.$kind")" -gt "$was"
}

# Of the other host nobody asks for a repair: that is found in the end.
bpftool map update pinned "$WORK"/bpf/h2/v*/networks key 0x77 0x66 0 0 value $(printf '0 %.0s' {1..32}) ||
	die "cannot plant on h2"

repair
check "a host on which all is right says so" same "$(cat "$said")" "nothing was wrong"

# Rows of maps.
key=$(row endpoints ".key.vni == $VNI" key)
pinned delete endpoints key $key || die "delete"
mends "a row that somebody deleted comes back" '^mended map: endpoint c[12] on network app: a row of the map endpoints was missing$'
key=$(row networks ".key.vni == $VNI" key) value=$(row networks ".key.vni == $VNI" value)
pinned update networks key $key value ${value% *} 0x07 || die "update"
mends "a row that somebody altered is as it was" '^mended map: network app: a row of the map networks was changed$'
pinned update networks key 0x77 0x66 0x00 0x00 value $value
mends "a row that should not be there goes" 'VNI 26231, which is no network.*should not be there'

# Only what belongs to it.
pinned update networks key $key value ${value% *} 0x07
pinned update networks key 0x77 0x66 0x00 0x00 value $value
repair --network other
check "of another network nothing is said" same "$(cat "$said")" "nothing was wrong"
repair --network app
check "of the network one thing is" said_so '^mended map: network app: '
check_not "and no other" grep -q 26231 "$said"
mends "the rest is found without a network" 'VNI 26231'
refuses "an unknown network is refused" 'no network "nope"' ctl 1 repair --network nope
refuses "an endpoint elsewhere is repaired elsewhere" 'on node h2' ctl 1 repair --endpoint c2

# An address. With it the kernel takes the routes of the interface, whoever's.
at d1 ip addr del "$(ip_of 1 d1)/24" dev eth0
mends "an address comes back" '^mended device: endpoint d1 .*eth0 was changed: .*its address' --network other

# What follows is not c1's, whose packets go on all the time. Beside it stand foreign objects (a qdisc is
# put on before that, since the kernel then stops its device for a moment).
at d1 ip addr add 172.16.0.1/24 dev eth0
at d1 ip route add 172.17.0.0/24 dev eth0
at d1 ip rule add from 172.16.0.1 lookup 77 priority 100
at h1 ip link add foreign0 type veth peer name foreign1
at h1 tc qdisc add dev eth0 clsact 2>/dev/null
at h1 tc filter add dev eth0 egress prio 7 protocol ip u32 match u32 0 0 flowid 1:1 || die "foreign filter"
foreign() {
	at d1 ip -o addr show | grep 172.16
	at d1 ip -o link show lo | sed 's/,UP,LOWER_UP//'
	at d1 ip route show 172.17.0.0/24
	at d1 ip rule show priority 100
	at h1 ip -o link show foreign0
	at h1 tc filter show dev eth0 egress
}
foreign >"$WORK/foreign.before"
spawn c1 ping -q -i 0.02 "$(ip_of 1 c2)" >"$WORK/ping"
PING=$SPAWN

# Programs.
dev=$(host_dev d1)
ifindex=$(at h1 ip -j link show "$dev" | jq '.[0].ifindex')
rm -f "$PINS/link/tc-$ifindex"
mends "a program comes back to a device" '^mended program: endpoint d1 on network other:'
at h1 ip link set "$dev" down
mends "a device that is down is set up" "^mended program: endpoint d1 .*$dev was down" --endpoint d1

# Inside the container.
at d1 ip link set eth0 mtu 1300
mends "an MTU comes back" '^mended device: endpoint d1 .*its MTU'
at d1 ip link set eth0 address 02:00:00:00:00:77
mends "a MAC address comes back" '^mended device: endpoint d1 .*its MAC address'
at d1 ip route del default
mends "a default route comes back" '^mended route: endpoint d1 .*its routes'
at d1 ip rule del priority 28534
mends "a rule comes back" '^mended route: endpoint d1 .*its routes'
at d1 ip link set lo down
mends "loopback is set up" '^mended device: endpoint d1 .*loopback' --endpoint d1
check "no look and no mend touched what is not ours" diff "$WORK/foreign.before" <(foreign)
kill -INT "$PING"
wait "$PING"
check "nor did it cost another container a packet" grep -q " 0% packet loss" "$WORK/ping"

# DNS.
dns() { same "$(at d1 dig +short +time=1 +tries=1 @127.0.0.11 d1)" "$(ip_of 1 d1)"; }
inode=$(stat -Lc %i "/run/netns/$TOPO-d1")
steering=$(bpftool -j link list | jq ".[] | select(.type == \"netns\" and .netns_ino == $inode).id")
if [ -n "$steering" ]; then
	check "names are answered" dns
	bpftool link detach id "$steering" || die "detach"
	check_not "and not without the link" dns
	mends "the way to DNS comes back" '^mended dns: endpoint d1 on network other: in its namespace' --endpoint d1
	check "so that names are answered" await 5 dns
fi
found "a device that somebody deleted comes back" device at h1 ip link del "$dev"
check "and works" await 10 at d1 ip addr show eth0

# The host.
found "the tunnel device comes back" tunnel at h1 ip link del ovtunnel
at h1 sysctl -qw net.ipv4.conf.lo.route_localnet=0
mends "a setting of the host's routing is put right" '^mended tunnel: .*route_localnet'
rm -f "$PINS/endpoints" "$PINS/prog/ov_uplink"
mends "pins come back" '^mended pin: this node: the pin of the map endpoints was missing$'
rm -rf "$PINS"
repair
check "the whole directory comes back" grep -q 'directory of pinned links was missing' "$said"
check "with programs on all devices" await 10 pings c1 "$(ip_of 1 c2)"
was=$(ls "$PINS" "$PINS"/* | wc -l)
topo_kill KILL 1
topo_daemon 1
check "so that a restarted daemon finds all it left" same "$(ls "$PINS" "$PINS"/* | wc -l)" "$was"
repair
check "and nothing to mend" same "$(cat "$said")" "nothing was wrong"

# What cannot be mended.
stop() { kill -STOP "${TOPO_PID[1]}"; }
stop
at h1 ip link del "$dev"
at h1 ip link add "$dev" type veth peer name foreign2
kill -CONT "${TOPO_PID[1]}"
refuses "what cannot be mended is said, with the reason" "$dev that is not ours" ctl 1 repair
refuses "of its endpoint alone, too" "$dev that is not ours" ctl 1 repair --endpoint d1
repair --endpoint c1
check "of another endpoint it is not" same "$(cat "$said")" "nothing was wrong"
check "the foreign device is left as it is" at h1 ip link show foreign2
at h1 ip link del "$dev"
is_whole() { repair && pings d1 10.20.0.1; }
check "once it is out of the way all is well" await 10 is_whole

# By itself, once a minute; said once.
by_itself() { same "$(ctl 2 --json status | jq .Repairs.Kinds.map)" 1; }
check "without being asked the daemon finds the row on the other host" await 80 by_itself
check "and says so once" same "$(grep -c 'mended: VNI 26231' "$WORK/h2/log")" 1
check "and counts its looks" test "$(ctl 2 --json status | jq .Repairs.Looks)" -ge 1
check "and status says it" grep -qE '^Repairs +1 map, the last at ' <(ctl 2 status)
