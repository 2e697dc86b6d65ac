#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An encrypted network on another VXLAN port, under attack from the wire and from a node that
# lies; and its services, called from inside and from outside. What arrives is counted, each
# under its own reason, and what must not arrive does not.
. "$(dirname "$0")/lib.sh"
esp_modules
PORT=8472
topo_init forged
topo_host 1 && topo_host 2 && topo_host 3
topo_host 9 # on the fabric, in no cluster
topo_daemon 1 --vxlan-port $PORT
ctl 1 network create --subnet 10.10.0.0/24 --opt encrypted secret >/dev/null || die "network create"
vni=$(vni_of secret)
attach 1 secret s1 || die "attach s1"

uplink_mac() { at "$1" ip -j link show eth0 | jq -r '.[0].address'; }
H1=$(uplink_mac h1) H9=$(uplink_mac h9)
outer="dmac=$H1 dip=10.99.0.1 dport=$PORT vni=$vni"

# nothing NAME COUNTER COMMAND...: five packets do not reach s1, and `COUNTER` is five more.
nothing() {
	local name=$1 counter=$2 was
	shift 2
	was=$($counter)
	spawn s1 "$RAW" hear eth0 30 forged >"$WORK/heard"
	local ear=$SPAWN
	await 5 grep -q listening "$WORK/heard" || die "no packet socket"
	"$@" n=5
	counts() { [ $(($($counter) - was)) -ge 5 ]; }
	await 5 counts
	check "$name: counted" counts
	kill "$ear" 2>/dev/null # unless it has heard one
	wait "$ear"
	check_not "$name: not delivered" grep heard "$WORK/heard"
}
drop() { echo "drops 1 DROP_$1"; }
stranger() { at h9 "$RAW" send eth0 text=forged smac="$H9" $outer "$@"; }

# ---- no node but this one ----

inner="ismac=02:42:0a:0a:00:63 idmac=$(mac_of 1 s1) isip=10.10.0.99 idip=$(ip_of 1 s1)"
nothing "VXLAN from a stranger before there is another node" "$(drop UNKNOWN_PEER)" stranger sip=10.99.0.9 $inner

# ---- three nodes ----

topo_join 2 --vxlan-port $PORT
topo_join 3 --vxlan-port $PORT
for n in 2 3; do
	await 15 ctl $n network inspect secret >/dev/null || die "h$n never heard of the network"
	attach $n secret "s$n" || die "attach s$n"
done
all_know 3 s1 s2 s3
await 60 on_epoch 0 1 2 3 || die "no keys"
declare -A IP MAC
for n in 1 2 3; do IP[s$n]=$(ip_of 1 "s$n") MAC[s$n]=$(mac_of 1 "s$n"); done
inner() { echo "ismac=${MAC[$1]} idmac=${MAC[s1]} isip=${IP[$1]} idip=${IP[s1]}"; } # SENDER

text_hex=$(printf forged-not-this | od -An -tx1 | tr -d ' \n')
wire_begin port forged-not-this h1 port=$PORT
check "packets arrive by another VXLAN port" at s2 ping -q -c 3 -i 0.2 -W 5 -p "$text_hex" "${IP[s1]}"
wire_end
check "as ESP" some port esp
check "none of them in the clear at that port" none port vxlan
check "and nothing of what is in them" none port holds

# ---- in the clear ----

nothing "a stranger's VXLAN" "$(drop UNKNOWN_PEER)" stranger sip=10.99.0.9 $(inner s2)
nothing "VXLAN in a node's name, in the clear" "$(drop CLEARTEXT)" stranger sip=10.99.0.2 $(inner s2)
nothing "VXLAN by a node, in the clear" "$(drop CLEARTEXT)" at h2 "$RAW" say 0 text=forged $outer \
	sip=10.99.0.2 $(inner s2)
nothing "in one node's name for another's container" "$(drop WRONG_PEER)" stranger sip=10.99.0.2 $(inner s3)

# ---- ESP that was seen, changed or made up ----

echos() { at s1 nstat -asz IcmpInEchos | awk '$1 == "IcmpInEchos" { print $2 }'; }
# again NAME COUNTER ARG...: a ping to s1, whose ESP packet comes five times more with what was
# changed in it. It is heard once.
again() {
	local name=$1 counter=$2 was heard again
	shift 2
	was=$($counter) heard=$(echos)
	spawn fab "$RAW" again h1 n=5 "$@" >"$WORK/again"
	again=$SPAWN
	await 5 grep -q listening "$WORK/again" || die "no packet socket"
	at s2 ping -q -c 1 -W 5 "${IP[s1]}" >/dev/null
	wait "$again"
	counts() { [ $(($($counter) - was)) -ge 5 ]; }
	await 5 counts
	check "$name: counted" counts
	check "$name: not delivered" same "$(echos)" $((heard + 1))
}
column() { keys 1 "[.[].$1] | add"; }
replays() { missed 1 XfrmInStateSeqError; }
forgeries() { missed 1 XfrmInStateProtoError; }
strangers() { missed 1 XfrmInNoStates; }
again "ESP that is sent again" "column Replayed"
check "the kernel says so, too" test "$(replays)" -ge 5
again "ESP with a byte changed" "column Failed" ahead=100 flip=1
check "the kernel says so, too" test "$(forgeries)" -ge 5
again "ESP with another sequence number" "column Failed" ahead=200
again "ESP of no SA" strangers spi=0x12345678
check "what is not forged arrives all the while" at s2 ping -q -c 3 -i 0.2 -W 5 "${IP[s1]}"

# ---- a node that lies, with keys of its own ----

say() { at h2 "$RAW" say "$1" text=forged "${@:2}" $outer; } # MARK ARG...: the first of a name counts
spawn s1 "$RAW" hear eth0 30 forged >"$WORK/heard"
ear=$SPAWN
await 5 grep -q listening "$WORK/heard" || die "no packet socket"
say 0x6f760000 sip=10.99.0.2 $(inner s2)
check "ESP of a node, with a container of its own in it, is delivered" wait "$ear"
nothing "ESP of a node, with another node's container in it" "$(drop WRONG_PEER)" \
	say 0x6f760000 sip=10.99.0.2 $(inner s3)
nothing "ESP of a node, with the receiver's own container in it" "$(drop WRONG_PEER)" \
	say 0x6f760000 sip=10.99.0.2 $(inner s1)
nothing "ESP of a node, for a network that is not there" "$(drop UNKNOWN_VNI)" \
	say 0x6f760000 sip=10.99.0.2 $(inner s2) vni=7
spi=$(at h2 ip xfrm state list dst 10.99.0.1 | sed -n 's/.*spi \(0x[0-9a-f]*\).*/\1/p' | head -n 1)
at h2 ip xfrm policy add src 10.99.0.3 dst 10.99.0.1 dir out priority 0 mark 7 mask 0xffffffff \
	tmpl src 10.99.0.2 dst 10.99.0.1 proto esp spi "$spi" reqid $((0x6f760001)) mode tunnel || die "no policy"
nothing "ESP of a node, with a packet of another node in it" "$(drop CLEARTEXT)" say 7 sip=10.99.0.3 $(inner s3)

# ---- services ----

service 3 web --network secret --lb rr --publish published=8000,target=80
service 3 direct --network secret --publish published=8001,target=80 --opt dsr
attach 2 secret w2 --service web || die "attach w2"
attach 3 secret w3 --service web || die "attach w3"
attach 2 secret d2 --service direct || die "attach d2"
for c in w2 w3 d2; do serve $c 80; done
await 30 takes_everywhere 3 web w2 w3 || die "not all hosts know the backends"
await 30 takes_everywhere 3 direct d2 || die "not all hosts know the backends"

calls() { at "$1" "$LOAD" run "$2" n=4 c=1 "${@:3}"; } # CLIENT ADDR:PORT
# By host 2's port of the fabric no call and no answer goes but as ESP, unless host 2 is what is called.
wire_begin services 'ask ' h2 port=$PORT
check "a VIP of an encrypted network is answered" calls s1 "${VIP[web]}:80"
check "TCP to the VIP arrives whole" at s1 "$LOAD" bulk "${VIP[web]}:80" bytes=262144
check "a published port is answered by a node without a replica" calls h9 10.99.0.1:8000
check "a direct answer arrives as well" calls h9 10.99.0.1:8001
check "a container calls another node's published port" calls s3 10.99.0.1:8000 behind=10.99.0.3
wire_end
check "between nodes they go as ESP" some services esp
check "none of it as VXLAN in the clear" none services vxlan
check "no call is read on the wire to the replica's node" none services holds
check "the replica's own node is called as ever" calls h9 10.99.0.2:8000
