#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a node does around published ports: containers' ways out, ports that are kept
# from processes of the host, and those that processes have.
. "$(dirname "$0")/lib.sh"
topo_init ports
cluster 2
network 2 app --subnet 10.10.0.0/24
network 2 back --subnet 10.20.0.0/24

# ---- ways out ----

way() { # CONTAINER TO [from ADDR]: the route of a packet, in words
	local c=$1
	shift
	at "$c" ip -4 route get "$@"
}
leads() { # CONTAINER GATEWAY IFNAME TO [from ADDR]
	local c=$1 gateway=$2 ifname=$3
	shift 3
	way "$c" "$@" | grep -q "via $gateway dev $ifname "
}
rules() { at "$1" ip -4 rule show | grep -c '^28534:'; }

attach 1 app c1 || die "attach c1"
A=$(ip_of 1 c1)
check "a container has a way out by its gateway" leads c1 10.10.0.1 eth0 198.51.100.1
ctl 1 endpoint attach --network back --netns "/run/netns/$TOPO-c1" --ifname eth1 --name c1-back \
	>/dev/null || die "attach c1-back"
B=$(ip_of 1 c1-back)
check "the first network's is the default" leads c1 10.10.0.1 eth0 198.51.100.1
check "from its address there it answers by the first" leads c1 10.10.0.1 eth0 198.51.100.1 from "$A"
check "from that of the other one by that" leads c1 10.20.0.1 eth1 198.51.100.1 from "$B"
check "and to a neighbour of the other network too" leads c1 10.20.0.1 eth1 10.10.0.99 from "$B"
topo_kill 9 1
at c1 ip route del default
topo_daemon 1
check "a restarted daemon mends the way out" leads c1 10.10.0.1 eth0 198.51.100.1
check "and makes no rule twice" same "$(rules c1)" 2
ctl 1 endpoint detach c1 >/dev/null || die "detach c1"
check "the next network inherits the default" leads c1 10.20.0.1 eth1 198.51.100.1
check "no rule is left of the first" same "$(rules c1)" 1
ctl 1 endpoint detach c1-back >/dev/null || die "detach c1-back"
check "nor of any" same "$(rules c1)" 0
topo_container c2
at c2 sh -c 'ip link add d0 type veth peer name d1 && ip addr add 192.168.7.2/24 dev d0 &&
	ip link set d0 up && ip link set d1 up && ip route add default via 192.168.7.1'
attach 1 app c2 || die "attach c2"
check "a default route that is there stays" leads c2 192.168.7.1 d0 198.51.100.1
check "answers go by the network all the same" leads c2 10.10.0.1 eth0 198.51.100.1 from "$(ip_of 1 c2)"

# ---- published ports ----

listens() { at "$1" ss -Hltn "sport = :$2" | grep -q .; }
# `nc` of busybox, on a port of the host; its pid is $SPAWN.
program() { # HOST PORT
	spawn "h$1" busybox nc -l -p "$2" >/dev/null
	await 5 listens "h$1" "$2" || die "nc does not listen"
}
warnings() { ctl "$1" --json status | jq -r '.. | objects | .Warnings? // empty | .[]'; }
warns() { warnings "$1" | grep -q "port $2 of service $3 is not open on this node"; }
quiet() { ! warnings "$1" | grep -q "is not open"; }
refused() { # HOST PORT: a program that wants it is told so at once
	at "$1" timeout 5 busybox nc -l -p "$2" </dev/null >/dev/null 2>&1
	[ $? = 1 ]
}

program 2 80
PROGRAM=$SPAWN
program 1 443
refuses "a port that a program of this node has is refused" 443 \
	ctl 1 service create --name tls --network app --publish 443:443
service 2 web --network app --publish 80:8080 --publish 81:8081/udp
check "where nothing is in the way it is kept from programs" await 5 refused h1 80
check "and no warning is given" quiet 1
check "a node warns where a program has it" await 5 warns 2 80/tcp web
check "the program goes on" listens h2 80
kill "$PROGRAM"
check "when it stops, the port is the service's" await 15 quiet 2
check "and kept" refused h2 80
topo_kill 9 2
program 2 80
PROGRAM=$SPAWN
topo_daemon 2
check "who got it while the daemon was down has it" warns 2 80/tcp web
kill "$PROGRAM"
ctl 1 service rm web >/dev/null || die "service rm web"
gone() { ! ctl 2 service inspect web >/dev/null 2>&1; }
await 15 gone
check "a service that is removed lets go of its ports" await 5 quiet 2
# Nobody has it: the program gets it.
check_not "and programs may have them" listens h1 80
program 1 80
check "as they were before" listens h1 80

service 2 local --network app --publish mode=host,published=90,target=9090
attach 2 app b2 --service local || die "attach b2"
check "host mode keeps the port where a backend is" await 15 listens h2 90
check_not "and nowhere else" listens h1 90

# ---- shown ----

masquerade() { ctl "$1" --json status | jq -c '.. | objects | .Masquerade? // empty' | head -1; }
check "status has the ports of the masquerade" same "$(masquerade 1)" '{"First":61000,"Last":65535}'
at h1 sh -c 'echo 1024 65000 >/proc/sys/net/ipv4/ip_local_port_range'
topo_kill TERM 1
topo_daemon 1
overlaps() { warnings 1 | grep -q "61000-65535 of containers .* calls from 61000-65000 itself"; }
check "and warns when the host calls from the same" overlaps
at h1 sh -c 'echo 61000-65535 >/proc/sys/net/ipv4/ip_local_reserved_ports'
topo_kill TERM 1
topo_daemon 1
check_not "not when those are reserved" overlaps
topo_kill TERM 1
topo_daemon 1 --masquerade-ports 50000-50999
check "a range of its own is shown" same "$(masquerade 1)" '{"First":50000,"Last":50999}'
in_force() { bpftool -j map dump pinned "$WORK/bpf/h1/v3/config" | jq -c '.[0].formatted.value | [.masq_first, .masq_last]'; }
check "and in force" same "$(in_force)" '[50000,50999]'
ctl 2 cluster leave >/dev/null
await 10 test ! -e "/proc/${TOPO_PID[2]}" || die "h2 did not leave"
check "a leave takes the ways out of containers along" same "$(rules b2)" 0
