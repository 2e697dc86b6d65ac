#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Published ports of three hosts: who reaches them, by which address, and whom the
# backend sees; who is kept out; whose a port is; what survives the daemon.
. "$(dirname "$0")/lib.sh"
topo_init mesh
topo_host 9 # a client outside: no daemon runs there
topo_host 8
topo_host 7 # A client's ports are its own at every node: who shares them with itself is refused.
cluster 3
# A second way to host 1, on a device that is no uplink; and a second address of host 2.
ip link add eth1 netns "$TOPO-h1" type veth peer name eth1 netns "$TOPO-h9"
at h1 ip addr add 10.98.0.1/24 dev eth1 && at h9 ip addr add 10.98.0.9/24 dev eth1
at h1 ip link set eth1 up && at h9 ip link set eth1 up
at h2 ip addr add 10.99.0.102/24 dev eth0
network 3 app --subnet 10.10.0.0/24
network 3 other --subnet 10.10.0.0/24

service 3 web --network app --publish published=8000,target=80
for n in 1 2; do attach "$n" app "b$n" --service web || die "attach b$n"; done
for n in 1 2 3; do attach "$n" app "k$n" && attach "$n" other "o$n" || die "attach clients of h$n"; done
all_know 3 b1 b2 k1 k2 k3 o1 o2 o3
for n in 1 2; do serve "b$n" 80; done
await 15 takes_everywhere 3 web b1 b2 || die "not all know all backends"

# ---- asking ----

run() { # CLIENT ADDR:PORT ARG...: `load run`; what it said is in $WORK/run
	local c=$1
	shift
	at "$c" timeout 60 "$LOAD" run "$@" >"$WORK/run"
}
UDP_PORT=20000 # each time others: to another address they would be another flow's for a while
udp() { # CLIENT ADDR:PORT ARG...: three flows of two datagrams, each answered rightly
	local c=$1
	shift
	UDP_PORT=$((UDP_PORT + 3))
	at "$c" timeout 60 "$LOAD" udp "$@" port="$UDP_PORT" flows=3 n=2 every=5 >"$WORK/udp"
	same "$(counted ok "$WORK/udp") $(counted lost "$WORK/udp") $(counted wrong "$WORK/udp")" "6 0 0"
}
answered_by() { # BACKEND...: these answered last, and no other
	same "$(awk '$1 == "by" { print $2 }' "$WORK/run" | sort | xargs)" "$*"
}
gives() { # KEY CLIENT ADDR:PORT ARG...: what becomes of one connection
	local key=$1
	shift
	run "$@" n=1
	same "$(counted "$key" "$WORK/run")" 1
}
port_of() { # SERVICE TARGET: by which it is published
	ctl 2 --json service inspect "$1" |
		jq -r --argjson t "$2" '[.[0].Endpoint.Ports[] | select(.TargetPort == $t).PublishedPort] | first // ""'
}
update() { ctl 1 service update "$@" >/dev/null || die "service update $*"; }

# ---- from outside ----

for d in 10.99.0.1 10.98.0.1 10.99.0.2 10.99.0.102 10.99.0.3; do
	check "from outside $d is open, and the backend sees the client" run h9 "$d:8000" n=20 c=4
	check "every backend is reached by $d" answered_by b1 b2
done
check "a port that nobody published is refused" gives refused h9 10.99.0.3:8001
check "and so is the target" gives refused h9 10.99.0.3:80
check "a port published for TCP is none of UDP" same \
	"$(at h9 "$LOAD" udp 10.99.0.1:8000 n=2 every=50 >"$WORK/udp"; counted ok "$WORK/udp")" 0
check "ls shows the port as Docker does" grep -qF '*:8000->80/tcp' <(ctl 3 service ls)
check "inspect shows it" same "$(port_of web 80)" 8000

# ---- from the nodes and their containers ----

for n in 1 3; do # with a backend and without one
	own=10.99.0.$n
	check "127.0.0.1 of host $n reaches it" run "h$n" 127.0.0.1:8000 n=20 behind="$own"
	check "also a backend that is elsewhere" answered_by b1 b2
	check "its own address does, too" run "h$n" "$own:8000" n=6
	check "and another node's" run "h$n" 10.99.0.2:8000 n=6
	for c in "k$n" "o$n"; do
		check "container $c reaches its own node's port" run "$c" "$own:8000" n=6 behind="$own"
		check "and another node's" run "$c" 10.99.0.2:8000 n=6 behind="$own"
	done
done
check "a second address from the node itself" run h1 10.98.0.1:8000 n=6
check "a backend may call its own service" run b1 10.99.0.1:8000 n=6 behind=10.99.0.1
check "another loopback address is as good" run h3 127.0.0.53:8000 n=4 behind=10.99.0.3

# ---- UDP, SCTP, ports of the system's choice ----

update web --publish-add 8053:5353/udp --publish-add target=81
for n in 1 2; do for port in 5353 81; do serve "b$n" "$port"; done; done
for d in 10.99.0.1 10.98.0.1 10.99.0.102 10.99.0.3; do
	check "UDP to $d, with the client's own address and port" await 5 udp h9 "$d:8053"
done
# Each from another host: a node's ports that stand for its callers' are for one address for a while.
check "UDP from the node itself" udp h3 127.0.0.1:8053 behind=10.99.0.3
check "UDP by its own address" udp h1 10.99.0.1:8053
check "UDP from a container" udp o1 10.99.0.1:8053 behind=10.99.0.1
check "UDP from a container to another node" udp k2 10.99.0.1:8053 behind=10.99.0.2
has_dynamic() { [ -n "$(port_of web 81)" ]; }
await 10 has_dynamic || die "h2 has not heard of the port of the system's choice"
DYNAMIC=$(port_of web 81)
check "a port that is not said is between 30000 and 32767" test "${DYNAMIC:-0}" -ge 30000 -a "${DYNAMIC:-0}" -le 32767
check "and open" await 5 run h9 "10.99.0.3:$DYNAMIC" n=4
if grep -qi '^sctp ' /proc/net/protocols; then
	update web --publish-add 7000:7001/sctp
	for n in 1 2; do spawn "b$n" "$LOAD" serve "b$n" 7001 protocol=sctp; done
	check "SCTP from outside, to a port of another number" await 5 run h9 10.99.0.3:7000 n=1 protocol=sctp
fi
update web --publish-rm 81
check "a port that is published no more is refused" await 5 gives refused h9 "10.99.0.3:$DYNAMIC"
check "the others stay" run h9 10.99.0.3:8000 n=4

# ---- one address, some clients, only here ----

service 3 narrow --network app --publish published=10.99.0.102:8010,target=80 \
	--publish published=8011,target=80,allow=10.99.0.8/32,allow=10.98.0.0/24 \
	--publish mode=host,published=8012,target=80
attach 1 app n1 --service narrow && serve n1 80
await 10 takes_everywhere 3 narrow n1 || die "n1 is not known"
check "one address: open there" await 5 run h9 10.99.0.102:8010 n=2
check "and by no other address of the node" gives refused h9 10.99.0.2:8010
check "nor on another node" gives refused h9 10.99.0.1:8010
denied=$(drops 3 DROP_NOT_ALLOWED)
silent() { # CLIENT ADDR:PORT: no word of it comes back
	(at "$1" timeout -s KILL 1 "$LOAD" run "$2" n=1 >"$WORK/silent") 2>/dev/null
	! grep -q . "$WORK/silent"
}
check "allow=: who is in it gets through" run h8 10.99.0.3:8011 n=4
check "by the other prefix, too" run h9 10.98.0.1:8011 n=4
check "who is not is dropped" silent h9 10.99.0.3:8011
check "and counted" test "$(drops 3 DROP_NOT_ALLOWED)" -gt "$denied"
check "mode=host: open where the backend is" run h9 10.99.0.1:8012 n=2
check_not "and nowhere else" gives ok h9 10.99.0.3:8012

service 3 plain --network app --endpoint-mode dnsrr --publish mode=host,published=8013,target=80 \
	--publish mode=host,published=8014,target=81,protocol=udp
for c in d1 d2; do attach 1 app "$c" --service plain && serve "$c" 80 && serve "$c" 81 || die "attach $c"; done
attach 2 app d3 --service plain && serve d3 80 || die "attach d3"
for d in 10.99.0.1 10.98.0.1; do
	check "mode=host without a VIP: open at $d" await 5 run h9 "$d:8013" n=20 c=4
	check "by those here, all of them" answered_by d1 d2
	check "UDP, too" udp h9 "$d:8014"
done
check "another node has its own" await 5 run h9 10.99.0.2:8013 n=8
check "and no other" answered_by d3
check_not "nowhere else" gives ok h9 10.99.0.3:8013
check "the host itself is a client" run h1 127.0.0.1:8013 n=4 behind=10.99.0.1
check "and so is a container, of any network" run o1 10.99.0.1:8013 n=4 behind=10.99.0.1
held plain h9 10.99.0.1:8013 k=12 every=50
# Who only waits is told as well: a client outside, the host itself, containers here and elsewhere.
held idle-h8 h8 10.99.0.1:8013 k=12 idle=1
held idle-h1 h1 127.0.0.1:8013 k=12 idle=1 behind=10.99.0.1
held idle-o1 o1 10.99.0.1:8013 k=12 idle=1 behind=10.99.0.1
held idle-k3 k3 10.99.0.1:8013 k=12 idle=1 behind=10.99.0.3
ctl 1 endpoint detach d2 >/dev/null || die "detach d2"
told() { same "$(grep -c '^break reset d2 ' "$WORK/$1") $(grep -c '^break' "$WORK/$1")" "$(counted 'by d2' "$WORK/$1") $(counted 'by d2' "$WORK/$1")"; }
for c in plain idle-h8 idle-h1 idle-o1 idle-k3; do
	check "$c: whose backend is gone hears of it, and nobody else" await 20 told "$c"
	check "there was something to tell" test "$(counted 'by d2' "$WORK/$c")" -gt 0
	end "$c"
	check "the others of $c live" same "$(counted alive "$WORK/$c")" "$(counted 'by d1' "$WORK/$c")"
done
check "lb ls does not list what has no VIP" same "$(ctl 1 --json lb ls | jq -r '[.[] | select(.VIP | startswith("224."))] | length')" 0

# ---- whose a port is ----

refuses "a port of another service is refused" '8000.*published by service web' \
	ctl 3 service create --name thief --network other --publish 8000:80
spawn h1 "$LOAD" serve process 8020
spawn h2 "$LOAD" serve process 8021
await 5 serves h1 8020 && await 5 serves h2 8021 || die "no processes on the hosts"
PROCESS=$SPAWN
refuses "a port that a process of this node listens on is refused" 'process.*8020' \
	ctl 1 service create --name late --network app --publish 8020:80
check_not "and nothing is left of the attempt" grep late <(ctl 1 service ls)
update web --publish-add 8021:80
check "a process of another node keeps its port" await 5 run h9 10.99.0.1:8021 n=4
run h9 10.99.0.2:8021 n=4
check "there it answers" answered_by process
warned() { ctl 2 status | grep 8021 >/dev/null; }
check "and status warns of it" await 5 warned # it may hear of the port after the caller did
kill "$PROCESS"
opens() { run h9 10.99.0.2:8021 n=6 && answered_by b1 b2; }
check "when it ends the port opens there" await 12 opens
no_listener() { ! at h2 "$LOAD" serve late 8000 2>/dev/null; }
check "who comes later does not get a published port" no_listener

# ---- direct answers ----

held before h8 10.99.0.3:8000 k=12 every=20
update web --opt dsr
is_direct() { # the reply leaves from the backend's node: the entry node sees none
	run h9 10.99.0.3:8000 n=20 c=4 && answered_by b1 b2
}
check "dsr: the client is answered" await 5 is_direct
check "by UDP, too" udp h9 10.99.0.3:8053
check "and by the node's second address" run h9 10.99.0.102:8000 n=6
check "from 127.0.0.1 of a node as well" run h3 127.0.0.1:8000 n=6 behind=10.99.0.3
check "from its own address" run h3 10.99.0.3:8000 n=6
check "from one node to another, and back to a backend of its own" run h1 10.99.0.2:8000 n=6
check "so did a container" run k1 10.99.0.2:8000 n=20 behind=10.99.0.1
check "by every backend" answered_by b1 b2
held since h8 10.99.0.3:8000 k=12 every=20
update web --opt dsr=false
check "without it again" await 5 run h9 10.99.0.3:8000 n=6
end before since
check "connections go on as they began, with dsr and without" same "$(in_all alive before) $(in_all alive since)" "12 12"

# ---- daemons that die ----

held held3 h9 10.99.0.3:8000 k=12 every=50
held held1 h8 10.99.0.1:8000 k=12 every=50
begin long h7 run 10.99.0.3:8000 t=600 c=2 rate=100
topo_kill KILL 3
topo_kill KILL 1
sleep 1
check "without a daemon the port is open" run h9 10.99.0.3:8000 n=10
topo_daemon 1
topo_daemon 3
await 20 alive 1 3 || die "a host is not back"
sleep 1 # of the load
end long held1 held3
check "no held connection breaks while daemons are killed and restarted" same \
	"$(in_all alive held1) $(in_all alive held3) $(breaks held1 held3 | wc -l)" "12 12 0"
check "no new one fails" none_broke long

# Before the end: what is under way to a service that goes is dropped.
for n in 1 2 3; do
	check "drops shows nothing unexpected on host $n" same "$(unexpected "$n" NOT_ALLOWED HOST NOT_PUBLISHED)" ""
done

# ---- the end ----

held held3 h9 10.99.0.3:8000 k=6 every=50
ctl 1 service rm web >/dev/null || die "service rm"
for d in 10.99.0.1 10.99.0.3; do
	check "service rm closes the port at $d" await 5 gives refused h9 "$d:8000"
done
check "and at 127.0.0.1" await 5 gives refused h3 127.0.0.1:8000
all_reset() { same "$(grep -c '^break reset' "$WORK/held3")" 6; }
check "who is connected is told so" await 5 all_reset
check "its port may be another's now" ctl 3 service create --name thief --network other --publish 8000:80

for c in b1 k1 o1 n1; do ctl 1 endpoint detach "$c" >/dev/null || die "detach $c"; done
topo_kill TERM 1
check "overlayd --detach succeeds" topo_detach 1
for d in lo eth0 eth1; do
	check "and leaves no program on $d" same "$(at h1 tc filter show dev "$d" ingress; at h1 tc filter show dev "$d" egress
		at h1 tc qdisc show dev "$d" | grep clsact)" ""
done
check "no rule" diff <(at h1 ip rule show) <(at h7 ip rule show)
