#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmrun: peer
# Published ports, called from a machine with a kernel of its own, over virtio-net; and
# containers that call it. Three hosts, a service whose backends are on two of them.
. "$(dirname "$0")/lib.sh"
topo_init mesh
cluster 3
peer_attach
network 3 app --subnet 10.10.0.0/24
service 3 web --network app --lb rr --publish published=8000,target=80 \
	--publish published=5300,target=80,protocol=udp
service 3 tell --network app --publish 7000:7001/sctp
attach 1 app c1 || die "attach c1"
attach 2 app b2 --service web || die "attach b2"
attach 3 app b3 --service web || die "attach b3"
attach 3 app s3 --service tell || die "attach s3"
modprobe sctp || die "no SCTP"
cp "$LOAD" "$WORK/load"
LOAD=$WORK/load # in memory
serve b2 80
serve b3 80
spawn s3 "$LOAD" serve s3 7001 protocol=sctp
takes_everywhere 3 web b2 b3 || await 15 takes_everywhere 3 web b2 b3 || die "not all hosts know the backends"

# ---- in, from the other machine: `load` fails unless the backend saw its caller's own address ----

by() { awk '$1 == "by" { print $2 }' <<<"$1" | sort | paste -sd ' '; }
answered() { # NAMES COMMAND LINE: without one failure, and by these backends
	local names=$1 said
	shift
	said=$(peer "$@") && same "$(by "$said")" "$names" || { echo "$said" >&2; return 1; }
}
UDP_PORT=20000 # each time others: by another node they would be another flow's for a while
udp() { # COMMAND...: `load udp` of two flows, two datagrams each: all are answered rightly
	UDP_PORT=$((UDP_PORT + 2))
	"$@" port="$UDP_PORT" flows=2 every=100 n=2 >"$WORK/udp"
	same "$(counted ok "$WORK/udp") $(counted lost "$WORK/udp") $(counted wrong "$WORK/udp")" "4 0 0"
}
for n in 1 2 3; do await 15 peer ./load run "10.99.0.$n:8000" n=1 c=1 >"$WORK/first" || die "nothing at host $n"; done
for n in 1 2 3; do
	check "TCP to host $n is answered by both backends, who see the client's own address" \
		answered "b2 b3" ./load run "10.99.0.$n:8000" n=4 c=1
	check "UDP too" udp peer ./load udp "10.99.0.$n:5300"
	check "SCTP to host $n is answered, with the client's own address" \
		answered s3 ./load run "10.99.0.$n:7000" n=2 c=1 protocol=sctp
	check "4 MiB each way through host $n arrive whole" peer ./load bulk "10.99.0.$n:8000" bytes=4194304
done
closed() { peer ./load run 10.99.0.1:8001 n=1 c=1 | grep -q '^refused 1$'; }
check "what is not published is refused as ever" closed

# ---- in, from the hosts and the containers ----

for n in 1 2; do
	check "127.0.0.1 on host $n is answered" at "h$n" "$LOAD" run 127.0.0.1:8000 n=2 c=1 behind="10.99.0.$n"
	check "its own address too" at "h$n" "$LOAD" run "10.99.0.$n:8000" n=2 c=1
done
check "a container calls its own host's port" at c1 "$LOAD" run 10.99.0.1:8000 n=2 c=1 behind=10.99.0.1
check "and another host's" at c1 "$LOAD" run 10.99.0.2:8000 n=2 c=1 behind=10.99.0.1

# ---- out ----

peer './load serve outside 9000 >/dev/null 2>&1 &' >/dev/null || die "no server outside"
check "a container's TCP reaches the machine outside, as its host" \
	at c1 "$LOAD" run "$PEER:9000" n=2 c=1 behind=10.99.0.1
check "its UDP too" udp at c1 "$LOAD" udp "$PEER:9000" behind=10.99.0.1
check "its pings too" at c1 ping -q -c 2 -i 0.2 -W 10 "$PEER"
check "4 MiB each way out of a container arrive whole" at c1 "$LOAD" bulk "$PEER:9000" bytes=4194304

# ---- the entry node's daemon dies ----

# One connection that is kept through the daemon's death and its return, one that is full meanwhile.
peer ./load hold 10.99.0.1:8000 k=2 every=200 t=25 >"$WORK/hold" &
HOLD=$!
peer ./load bulk 10.99.0.1:8000 bytes=33554432 >"$WORK/bulk" &
BULK=$!
sleep 0.5
topo_kill KILL 1
check "the daemon was killed in the middle of a transfer" kill -0 "$BULK"
check "while it is dead new calls are taken" peer ./load run 10.99.0.1:8000 n=2 c=1
check "and containers get out" at c1 "$LOAD" run "$PEER:9000" n=2 c=1 behind=10.99.0.1
topo_daemon 1
await 20 alive 1 3 || die "h1 is no member again"
check "the transfer arrives whole" wait "$BULK"
wait "$HOLD"
check "no call broke" same "$(counted alive "$WORK/hold")" 2
check "the restarted daemon's node takes new calls" peer ./load run 10.99.0.1:8000 n=2 c=1

# ---- the end ----

ctl 1 service rm web >/dev/null || die "service rm"
check "a port of a service that is gone is refused" await 15 \
	eval "peer ./load run 10.99.0.2:8000 n=1 c=1 | grep -q '^refused 1\$'"
