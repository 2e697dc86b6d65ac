#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bad input gets one sentence that names the thing and the value, exit status 1,
# and nothing changes.
. "$(dirname "$0")/lib.sh"
topo_init input
cluster 2
topo_host 3
network 2 app --subnet 10.10.0.0/24
attach 1 app a1 || die "attach"
all_know 2 a1
daemon() { # HOST ARG...: runs overlayd in the foreground, expecting it to refuse
	local n=$1
	shift
	mkdir -p "$WORK/x"
	at "h$n" timeout 60 "$BUILD/overlayd" --state-dir "$WORK/x/state" --run-dir "$WORK/x/run" \
		--bpffs "${BPFFS:-$WORK/bpf}" --pin-dir x "$@"
}
refuses "a subnet that this host is in" '10.99.0.0/16 overlaps 10.99.0.0/24.*eth0' \
	ctl 1 network create --subnet 10.99.0.0/16 inside
check_not "and nothing is left of it" ctl 1 network inspect inside
warned() { ctl 1 --json status | jq -r '.Warnings[]' | grep -q "network app has the subnet 10.10.0.0/24, which overlaps 10.10.0.128/25 of this host's interface eth0"; }
at h1 ip addr add 10.10.0.129/25 dev eth0
check "status warns of a subnet that this host comes into later" await 5 warned
at h1 ip addr del 10.10.0.129/25 dev eth0
unwarned() { ! warned; }
check "as long as it is there" await 5 unwarned
# The daemon's sentence is the last line of its log.
stops() { # NAME PATTERN COMMAND...
	local name=$1 pattern=$2 out status
	shift 2
	out=$("$@" 2>&1)
	status=$?
	if [ "$status" = 1 ] && tail -n 1 <<<"$out" | grep -qE -- "$pattern"; then
		echo "ok $name"
	else
		echo "not ok $name: status $status, said: $(tail -n 3 <<<"$out")"
	fi
}
stops "an unknown interface" 'eth7' daemon 3 --attach eth7
stops "an interface without address" 'lo2|address' bash -c "$(declare -f daemon at); TOPO=$TOPO WORK=$WORK BUILD=$BUILD; at h3 ip link add lo2 type bridge; at h3 ip link set lo2 up; daemon 3 --attach lo2"
BPFFS=/tmp stops "no bpffs" 'mount -t bpf' daemon 3 --attach eth0
stops "missing capabilities" 'CAP_' at h3 setpriv --bounding-set -all --inh-caps -all --reuid nobody --clear-groups "$BUILD/overlayd" --attach eth0 --state-dir /tmp/none --run-dir /tmp/none
joins_refused() { ctl 1 --json status | jq .Joins.Refused; }
was=$(joins_refused)
stops "a wrong token" 'token' daemon 3 --attach eth0 --join 10.99.0.1 --token "ov1-$(printf 'ab%.0s' {1..32})"
check "and is counted where it was refused" test "$(joins_refused)" -gt "$was"
check_not "and nothing is left of it" test -e "$WORK/bpf/x"
stops "a name that is taken" '"?h2"?.*(taken|name)' daemon 3 --attach eth0 --node h2 --join 10.99.0.1 --token "$(ctl 1 cluster token)"
spawn h3 busybox nc -ll -p 7946 -e cat >/dev/null 2>&1
nc=$SPAWN
await 5 at h3 sh -c 'ss -Hltn | grep -q 7946'
stops "a gossip port in use" '7946' daemon 3 --attach eth0
kill "$nc"
at h3 ip link add vx0 type vxlan id 5 dstport 4789 dev eth0
at h3 ip link set vx0 up
at h3 timeout 60 "$BUILD/overlayd" --attach eth0 --state-dir "$WORK/y/state" --run-dir "$WORK/y/run" --bpffs "$WORK/bpf" --pin-dir y >"$WORK/y.log" 2>&1
status=$?
check "a VXLAN port in use ends the daemon with status 1" same "$status" 1
check "and is named in its last line" grep -q 4789 <<<"$(tail -n 1 "$WORK/y.log")"
check_not "and nothing is left of it either" test -e "$WORK/bpf/y"
at h3 ip link del vx0

network 2 other --subnet 10.20.0.0/24
attach 1 other o1 || die "attach"
ctl 1 service create --name web --network app --port 80:8080 >/dev/null || die "service create"
ctl 1 service create --name rr --network app --endpoint-mode dnsrr >/dev/null || die "service create"
ctl 1 service create --name far --network other >/dev/null || die "service create"
await 10 ctl 2 service inspect web rr far >/dev/null || die "h2 has not heard of all services"
everything() { ctl 1 --json network ls; ctl 1 --json endpoint ls; ctl 1 --json service ls; ctl 1 service inspect web rr far; }
before=$(everything)
refuses "a network name that is taken" 'app' ctl 1 network create --subnet 10.11.0.0/24 app
refuses "a subnet with host bits" '10\.11\.0\.1/24.*10\.11\.0\.0/24' ctl 1 network create --subnet 10.11.0.1/24 n1
refuses "a subnet that is none" 'banana' ctl 1 network create --subnet banana n1
refuses "a subnet too small" '/30' ctl 1 network create --subnet 10.11.0.0/30 n1
refuses "a gateway outside the subnet" '10\.12\.0\.1' ctl 1 network create --subnet 10.11.0.0/24 --gateway 10.12.0.1 n1
refuses "encryption that is neither wanted nor not" '"maybe" is neither true nor false' ctl 1 network create --opt encrypted=maybe n1
at h1 sysctl -qw net.ipv4.conf.all.disable_xfrm=1
refuses "encryption that this host has not" 'network n1 cannot be encrypted: .*(CONFIG_|disable_xfrm)' ctl 1 network create --opt encrypted n1
at h1 sysctl -qw net.ipv4.conf.all.disable_xfrm=0
refuses "an unknown option" 'colour' ctl 1 network create --opt colour=red n1
refuses "a VNI out of range" '16777216' ctl 1 network create --opt vni=16777216 n1
refuses "a network that does not exist" 'nonet' ctl 1 network inspect nonet
refuses "removing a network in use" 'a1' ctl 2 network rm app
topo_container x1
refuses "attaching to a network that does not exist" 'nonet' ctl 1 endpoint attach --network nonet --netns "/run/netns/$TOPO-x1"
refuses "a namespace that does not exist" 'nowhere' ctl 1 endpoint attach --network app --netns nowhere
refuses "an address in use" "$(ip_of 1 a1)" ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --ip "$(ip_of 1 a1)"
refuses "an address outside the subnet" '10\.77\.0\.1' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --ip 10.77.0.1
refuses "the gateway's address" '10\.10\.0\.1' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --ip 10.10.0.1
refuses "an endpoint name that is taken" 'a1' ctl 2 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --name a1
refuses "an interface name that is taken" 'lo' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --ifname lo
refuses "a service that does not exist" 'nosvc' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --service nosvc
refuses "detaching what is not there" 'nobody' ctl 1 endpoint detach nobody
refuses "detaching another node's endpoint" 'h1' ctl 2 endpoint detach a1
refuses "removing a living node" 'h2' ctl 1 node rm h2

create() { ctl 1 service create --network app "$@"; }
refuses "a service on a network that does not exist" 'nonet' ctl 1 service create --name s --network nonet
refuses "a service name that is taken" 'app has a service web' create --name WEB
refuses "a service called like an endpoint" 'endpoint a1 .*h1.*A1' create --name A1
refuses "a service name that is an address" '"123"' create --name 123
refuses "a service name with a dot" '"a\.b"' create --name a.b
refuses "a VIP outside the subnet" '10\.11\.0\.5.*10\.10\.0\.0/24' create --name s --vip 10.11.0.5
refuses "a VIP that is the gateway" '10\.10\.0\.1 .*gateway' create --name s --vip 10.10.0.1
refuses "a VIP that is the broadcast address" '10\.10\.0\.255' create --name s --vip 10.10.0.255
refuses "a VIP that an endpoint has" "$(ip_of 1 a1 | sed 's/\./\\./g').*a1" create --name s --vip "$(ip_of 1 a1)"
refuses "a VIP of IPv6" 'fd00::1' create --name s --vip fd00::1
refuses "a VIP for dnsrr" '--vip' create --name s --endpoint-mode dnsrr --vip 10.10.0.9
refuses "an unknown endpoint mode" '"mesh"' create --name s --endpoint-mode mesh
refuses "an unknown algorithm" '"fastest".*least-conn' create --name s --lb fastest
refuses "an affinity that lasts too long" '86401.*86400' create --name s --affinity client-ip=86401
refuses "an unknown preference" '"remote"' create --name s --prefer remote
refuses "port 0" '"0"' create --name s --port 0
refuses "a port of an unknown protocol" '80/icmp' create --name s --port 80/icmp
refuses "a port given twice" '80/tcp' create --name s --port 80 --port 80
refuses "two ports with one target" '81:8080/tcp' create --name s --port 80:8080 --port 81:8080
mapfile -t seventeen < <(seq 17 | sed 's/^/--port=/')
refuses "one port too many" '16 ports.*17/tcp' create --name s "${seventeen[@]}"
refuses "an unknown health check" '"ping"' create --name s --health ping
refuses "a health check's path with a space" 'path' create --name s --health 'http:80/a b'
refuses "a health interval of 0" '"0"' create --name s --health tcp:80 --health-interval 0
refuses "a health interval without a check" '"5"' create --name s --health-interval 5
refuses "a published port 0" '"0"' create --name s --publish 0:80
refuses "a published port without a target" 'no target' create --name s --publish published=80
refuses "a published port on IPv6" 'IPv6' create --name s --publish '[::1]:80:80'
refuses "a filter with host bits" '10.0.0.0/8' create --name s --publish published=80,target=80,allow=10.0.0.1/8
refuses "one port published twice" 'published twice' create --name s --publish 80:80 --publish 80:81
refuses "a published port of the nodes' own" 'gossip' create --name s --publish 7946:80
refuses "a published port of a dnsrr service" 'vip' create --name s --endpoint-mode dnsrr --publish 80:80
refuses "direct answers where nothing is published" 'publishes no port' create --name s --opt dsr
refuses "an option of services that is none" 'colour' create --name s --opt colour=red
refuses "inspecting a service that is not there" '"nope"' ctl 1 service inspect nope
refuses "changing a service that is not there" '"nope"' ctl 1 service update nope --lb rr
refuses "the last of several changes, and the first is not made" '82/tcp' ctl 1 service update web --port +81 --port -82
refuses "ports with and without sign" '"81" has no sign' ctl 1 service update web --port +82 --port 81
refuses "balancing where nothing balances" 'dnsrr' ctl 1 service update rr --lb rr
refuses "removing a service that is not there" '"nope"' ctl 1 service rm nope
refuses "joining a service that is not there" '"nope".*app' ctl 1 service join nope a1
refuses "joining a service of another network" 'far.*other.*app' ctl 1 service join far a1
refuses "a weight out of range" '"101".*100' ctl 1 service join web a1 --weight 101
refuses "joining with another node's endpoint" 'h1' ctl 2 service join web a1
refuses "draining what is in no service" 'o1' ctl 1 service drain o1
refuses "draining what is not there" '"nobody"' ctl 1 service drain nobody
refuses "leaving a service without being in one" 'o1' ctl 1 service leave o1
refuses "an endpoint called like a service" 'service web.*tasks\.web' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --name tasks.web
refuses "an alias that is a service's name" 'service web.*all\.web' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --alias all.web
refuses "attaching to a service of another network" 'far.*other.*app' ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-x1" --service far
refuses "listing what balances for nobody" '"nope"' ctl 1 lb ls --service nope
check "nothing changed" same "$before" "$(everything)"
check "nothing is left in the namespace" same "$(at x1 ip -o link show | wc -l)" 1
ctl 1 frobnicate >/dev/null 2>&1
check "an unknown command is wrong usage" same $? 2
refuses "a client without a daemon" 'overlayd' "$BUILD/overlayctl" --run-dir "$WORK/nobody" status
code=$(curl -s -o "$WORK/out" -w '%{http_code}' --unix-socket "$WORK/h1/run/overlayd.sock" -d '{"Name": 5' http://x/v1/networks)
check "broken JSON is answered with 400 and a sentence" same "$code $(jq -r '.Error | length > 10' "$WORK/out")" "400 true"

# A small network runs out, and says so.
ctl 1 network create --subnet 10.30.0.0/29 tiny >/dev/null
for i in 1 2 3 4 5; do attach 1 tiny "t$i" || echo "not ok tiny address $i of 5"; done
topo_container t6
refuses "exhaustion" 'tiny.*(free|exhaust)' ctl 1 endpoint attach --network tiny --netns "/run/netns/$TOPO-t6"

# A full disk: nothing half-made, and it goes on when there is room.
mkdir -p "$WORK/small" && mount -t tmpfs -o size=256k tmpfs "$WORK/small"
topo_kill TERM 2
cp -r "$WORK/h2/state/." "$WORK/small/"
spawn h2 "$BUILD/overlayd" --attach eth0 --node h2 --state-dir "$WORK/small" --run-dir "$WORK/h2/run" \
	--bpffs "$WORK/bpf" --pin-dir h2 >>"$WORK/h2/log" 2>&1
TOPO_PID[2]=$SPAWN
await 20 ctl 2 status >/dev/null || { tail -n 5 "$WORK/h2/log"; echo "not ok a daemon on a small disk starts"; }
dd if=/dev/zero of="$WORK/small/fill" bs=4k >/dev/null 2>&1
was=$(ctl 2 --json network ls | jq length)
full() { # creates networks until the disk refuses
	local i
	for i in $(seq 200); do ctl 2 network create "f$i" >/dev/null 2>"$WORK/full" || return 0; done
	return 1
}
check "a full disk is said in a sentence" full
check "which names it" grep -qiE 'disk|space|full' "$WORK/full"
now=$(ctl 2 --json network ls | jq length)
rm -f "$WORK/small/fill"
check "with room again it goes on" await 20 ctl 2 network create afterwards
topo_kill KILL 2
umount -l "$WORK/small"
