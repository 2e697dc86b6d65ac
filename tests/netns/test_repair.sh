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
pinned() { bpftool -j map "$1" pinned "$PINS/$2" "${@:3}" | grep -v "^null$"; }
# row MAP FILTER: key and value, as bpftool takes them; FILTER is of what it shows of the row
row() { pinned dump "$1" | jq -r "first(.[] | select(.formatted | $2)) | .$3 | join(\" \")"; }
said=$WORK/said
repair() { ctl 1 repair "$@" >"$said" 2>&1; }
# mends NAME PATTERN [ARG...]: one line of the answer matches, and then nothing is wrong any more
mends() {
	local name=$1 pattern=$2
	shift 2
	repair "$@"
	check "$name" grep -qE -- "$pattern" "$said" || cat "$said"
	repair
	check "$name: and then nothing is wrong" same "$(cat "$said")" "nothing was wrong"
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
spawn c1 ping -q -i 0.05 "$(ip_of 1 c2)" >"$WORK/ping"
PING=$SPAWN

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
check "of the network one thing is" same "$(wc -l <"$said")" 1
mends "the rest is found without a network" 'VNI 26231'
refuses "an unknown network is refused" 'no network "nope"' ctl 1 repair --network nope
refuses "an endpoint elsewhere is repaired elsewhere" 'on node h2' ctl 1 repair --endpoint c2

# Programs.
dev=$(host_dev d1)
link() { cat "/sys/class/net/x/ifindex" 2>/dev/null; }
ifindex=$(at h1 ip -j link show "$dev" | jq '.[0].ifindex')
rm -f "$PINS/link/tc-$ifindex"
mends "a program comes back to a device" '^mended program: endpoint d1 on network other:'
at h1 ip link set "$dev" down
mends "a device that is down is set up" "^mended program: endpoint d1 .*$dev was down" --endpoint d1

# Inside the container.
at d1 ip addr del "$(ip_of 1 d1)/24" dev eth0
mends "an address comes back" '^mended device: endpoint d1 .*eth0 was changed: .*its address' --network other
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

# Foreign objects.
kill "$PING"
