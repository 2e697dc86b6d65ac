#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Containers and the world outside: in whose name they go, what comes back to them, what
# is refused, which way answers take, and that much and large traffic arrives whole.
. "$(dirname "$0")/lib.sh"
topo_init egress
topo_host 9
cluster 2
network 2 app --subnet 10.10.0.0/24
network 2 other --subnet 10.20.0.0/24
network 2 sealed --subnet 10.30.0.0/24 --internal
for c in c1 d1; do attach 1 app "$c" || die "attach $c"; done
attach 2 app c2 && attach 1 sealed s1 || die "attach c2, s1"
attach 1 sealed two && ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-two" --name two2 \
	--ifname eth1 >/dev/null || die "attach two"
all_know 2 c1 d1 c2 s1 two two2
serve h9 9000
OUT=10.99.0.9

run() { # CLIENT ADDR:PORT ARG...: `load run`; what it said is in $WORK/run
	local c=$1
	shift
	at "$c" timeout -s KILL 60 "$LOAD" run "$@" >"$WORK/run"
}
udp() { # COUNT CLIENT ADDR:PORT ARG...: so many datagrams, each answered rightly
	local count=$1 c=$2
	shift 2
	at "$c" timeout -s KILL 60 "$LOAD" udp "$@" >"$WORK/udp"
	same "$(counted ok "$WORK/udp") $(counted lost "$WORK/udp") $(counted wrong "$WORK/udp")" "$count 0 0"
}
silent() { # CLIENT ADDR:PORT: no word of it comes back
	(at "$1" timeout -s KILL 1 "$LOAD" run "$2" n=1 >"$WORK/silent") 2>/dev/null
	! grep -q . "$WORK/silent"
}
bulk() { # CLIENT ADDR:PORT BYTES: there and back, compared
	at "$1" timeout -s KILL 120 "$LOAD" bulk "$2" bytes="$3"
}

# ---- out ----

for c in c1 d1; do
	check "$c speaks TCP outside, as its node and by a port of the range" run "$c" "$OUT:9000" n=50 c=8 behind=10.99.0.1
	check "and UDP" udp 30 "$c" "$OUT:9000" flows=10 n=3 every=5 behind=10.99.0.1
	check "and is answered its ping" pings "$c" "$OUT"
done
check "a container of another node goes as that one" run c2 "$OUT:9000" n=4 behind=10.99.0.2
check "another node is outside, too" pings c1 10.99.0.2
check "who listens nowhere refuses" same "$(run c1 "$OUT:9009"; counted refused "$WORK/run")" 1
check "UDP is refused as well" same "$(udp 0 c1 "$OUT:9009" n=3 every=50; test "$(counted refused "$WORK/udp")" -gt 0; echo $?)" 0
for c in c1 d1; do held "hold-$c" "$c" "$OUT:9000" k=1000 every=1000 behind=10.99.0.1; done
check "2000 connections of two containers to one port outside" same "$(in_all 'by h9' hold-c1 hold-d1)" 2000
end hold-c1 hold-d1
check "all of them live, and none breaks" same "$(in_all alive hold-c1 hold-d1) $(breaks hold-c1 hold-d1 | wc -l)" "2000 0"
check "nobody else is answered by those ports" same \
	"$(at h9 "$LOAD" run 10.99.0.1:61234 >"$WORK/run"; counted refused "$WORK/run")" 1

# ---- not out ----

check "an internal network gives no way out" same "$(at s1 ip route show default)" ""
check "who is on another network as well goes out by that" run two "$OUT:9000" n=2 behind=10.99.0.1
at s1 ip route add default via "$(ctl 1 --json network inspect sealed | jq -r '.[0].IPAM.Config[0].Gateway')" onlink dev eth0
internal=$(drops 1 DROP_INTERNAL)
check "who takes one is dropped" silent s1 "$OUT:9000"
check "and counted" test "$(drops 1 DROP_INTERNAL)" -gt "$internal"
serve h1 9001
hosts=$(drops 1 DROP_HOST)
check "a container does not reach its own host" silent c1 10.99.0.1:9001
check "which is counted" test "$(drops 1 DROP_HOST)" -gt "$hosts"

# ---- which way answers go ----

service 2 web --network app --publish 8000:80
service 2 second --network other --publish 8001:81
attach 1 app both --service web && serve both 80 || die "attach both"
ctl 1 endpoint attach --network other --netns "/run/netns/$TOPO-both" --name both2 --ifname eth1 --service second >/dev/null ||
	die "attach both2"
serve both 81
topo_container own
ip link add own0 netns "$TOPO-own" type veth peer name own0 netns "$TOPO-h9"
at h9 ip addr add 10.97.0.9/24 dev own0 && at h9 ip link set own0 up
at own ip addr add 10.97.0.2/24 dev own0 && at own ip link set own0 up
at own ip route add default via 10.97.0.9
service 2 third --network app --publish 8002:82
attach 1 app own --service third && serve own 82 || die "attach own"
for d in 10.99.0.1 10.99.0.2; do
	check "a container of two networks answers by the first, called by $d" await 10 run h9 "$d:8000" n=4
	check "and by the second" await 10 run h9 "$d:8001" n=4
	check "one with a default route of its own answers as well" await 10 run h9 "$d:8002" n=4
done
check "which it keeps" same "$(at own ip route show default | xargs)" "default via 10.97.0.9 dev own0"
check "and uses" run own "$OUT:9000" n=2
check "who is on two networks goes out by one of them" run both "$OUT:9000" n=4 behind=10.99.0.1
service 2 fourth --network sealed --publish 8004:84
attach 1 sealed most --service fourth && serve most 84 || die "attach most"
check "an internal backend answers who calls its published port" await 10 run h9 10.99.0.2:8004 n=4
check "and nobody else hears of it" silent most "$OUT:9000"
ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-most" --name most2 --ifname eth1 >/dev/null ||
	die "attach most2"
check "with a second network, which has a way out, it goes out by that" run most "$OUT:9000" n=4 behind=10.99.0.1
for d in 10.99.0.1 10.99.0.2; do check "and still answers by the first, called by $d" run h9 "$d:8004" n=4; done

# ---- much, and large ----

sizes() { # WIRE
	check "$1: 50 MB to outside and back are whole" bulk c1 "$OUT:9000" 52428800
	check "$1: 50 MB by the backend's node" bulk h9 10.99.0.1:8000 52428800
	check "$1: 50 MB by another one" bulk h9 10.99.0.2:8000 52428800
	check "$1: datagrams of 8 KiB to outside, and back" udp 12 c1 "$OUT:9000" flows=4 n=3 every=20 size=8192 behind=10.99.0.1
	check "$1: of 8 KiB to a published port" udp 12 h9 10.99.0.2:8003 flows=4 n=3 every=20 size=8192
	for c in c1; do
		at "$c" timeout 60 "$LOAD" udp "$OUT:9000" what=super n=20 size=1200 >"$WORK/super"
		check "$1: UDP super-packets to outside, and back" same "$(counted there "$WORK/super") $(counted back "$WORK/super")" "20 20"
	done
	at h9 timeout 60 "$LOAD" udp 10.99.0.2:8003 what=super n=20 size=1200 >"$WORK/super"
	check "$1: UDP super-packets to a published port, and back" same "$(counted there "$WORK/super") $(counted back "$WORK/super")" "20 20"
}
ctl 1 service update web --publish-add 8003:80/udp >/dev/null || die "service update"
await 10 udp 2 h9 10.99.0.2:8003 n=2 every=5 || die "8003 is not open"
sizes "virtual wire"
for n in 1 2 9; do at "h$n" ethtool -K eth0 tso off gso off gro on >/dev/null; done
sizes "NIC-like wire"

# ---- a narrow way: h1 -- near -- (1280) -- beyond -- far ----

for s in near beyond far; do topo_space "$s"; done
link() { # SPACE ADDR SPACE ADDR MTU
	ip link add "to-$3" netns "$TOPO-$1" type veth peer name "to-$1" netns "$TOPO-$3"
	at "$1" ip addr add "$2" dev "to-$3" && at "$3" ip addr add "$4" dev "to-$1"
	at "$1" ip link set "to-$3" mtu "$5" up && at "$3" ip link set "to-$1" mtu "$5" up
}
ip link add near netns "$TOPO-fab" type veth peer name eth0 netns "$TOPO-near"
at fab ip link set near master br0 up
at near ip addr add 10.99.0.5/24 dev eth0 && at near ip link set eth0 up
link near 10.96.1.1/24 beyond 10.96.1.2/24 1280
link beyond 10.96.2.1/24 far 10.96.2.2/24 1500
for s in near beyond; do at "$s" sysctl -qw net.ipv4.ip_forward=1; done
at near ip route add 10.96.2.0/24 via 10.96.1.2
at beyond ip route add 10.99.0.0/24 via 10.96.1.1
at far ip route add default via 10.96.2.1
for n in 1 2; do at "h$n" ip route add 10.96.0.0/16 via 10.99.0.5; done
serve far 9000
pings h1 10.96.2.2 || die "no way to far"
at c1 timeout 60 "$LOAD" udp 10.96.2.2:9000 what=mtu >"$WORK/mtu"
check "a container hears of a narrow path, and what fits is answered" same "$(counted mtu "$WORK/mtu") $(counted answered "$WORK/mtu")" "1280 1"
check "TCP out by a narrow path" bulk c1 10.96.2.2:9000 4000000
for d in 10.99.0.1 10.99.0.2; do check "TCP in by a narrow path, to $d" bulk far "$d:8000" 4000000; done

for n in 1 2; do check "drops shows nothing unexpected on host $n" same "$(unexpected "$n" INTERNAL HOST)" ""; done
