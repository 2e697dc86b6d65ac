#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service changes under load: backends come and go, fall ill, die with their host;
# algorithm and ports change. Who still has a backend notices nothing, who lost it
# is told at once.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/replicas.sh"
topo_init scaling
cluster 3
network 3 app --subnet 10.10.0.0/24
service 3 web --network app --vip 10.10.0.200
V=${VIP[web]}
for n in 1 2 3; do attach "$n" app "k$n" || die "attach k$n"; done
for c in "${!HOST[@]}"; do
	topo_container "$c"
	for port in 80 81; do serve "$c" "$port"; done
done
join b1 b2 b3
now_takes b1 b2 b3

# ---- load ----

stayed() { # COUNT NAME...: all of so many held connections are there
	local n=$1
	shift
	same "$(in_all alive "$@")" "$n" && none_broke "$@"
}

# ---- scaling, with a grace ----

for n in 1 2 3; do begin "run$n" "k$n" run "$V:80" t=600 c=8 rate=2000; done
held busy k1 "$V:80" k=24
held idle k2 "$V:80" k=24 idle=1
drain b3
now_takes b1 b2
run_dry b3 busy idle
leave b3
now_takes b1 b2
check "3 -> 2: each connection of the removed backend is reset" await 5 reset_with b3 busy
check "also those that wait in silence" await 5 reset_with b3 idle
check "there were some" test "$(in_all 'by b3' busy)" -gt 0 -a "$(in_all 'by b3' idle)" -gt 0
join b3 b4 b5
now_takes b1 b2 b3 b4 b5
held busy5 k3 "$V:80" k=40
held idle5 k1 "$V:80" k=40 idle=1
check "2 -> 5: new backends take connections" same \
	"$(awk '$1 == "by"' "$WORK/busy5" | wc -l) $(lb 3 web '[.[] | select(.Active > 0).Name] | sort | join(" ")')" "5 b1 b2 b3 b4 b5"
drain b4 b5
now_takes b1 b2 b3
for c in b4 b5; do run_dry "$c" busy5 idle5; done
leave b4 b5
now_takes b1 b2 b3
for c in b4 b5; do
	check "5 -> 3: each connection of $c is reset" await 5 reset_with "$c" busy5 idle5
	check "there were some of $c" test "$(in_all "by $c" busy5)" -gt 0 -a "$(in_all "by $c" idle5)" -gt 0
done
await 60 enough 100000
end run1 run2 run3 busy idle busy5 idle5
check "no connection of another backend broke" none_but_of "b3 b4 b5" busy idle busy5 idle5
check "100,000 short connections meanwhile" test "$(in_all ok run1 run2 run3)" -ge 100000
check "and none of them failed" none_broke run1 run2 run3

# ---- without a grace ----

for n in 1 2 3; do begin "run$n" "k$n" run "$V:80" t=600 c=8 rate=300; done
held idle k3 "$V:80" k=24 idle=1
leave b2
now_takes b1 b3
KNOWN=$(date +%s%3N)
check "a backend is removed without a warning: its old connections are reset" await 5 reset_with b2 idle
sleep 2 # of the load
end run1 run2 run3 idle
check "once every host knows, no new one fails" none_since "$KNOWN" run1 run2 run3
check "and no other breaks" none_but_of b2 idle
join b2
now_takes b1 b2 b3

# ---- illness ----

ctl 1 service update --health tcp:80 --health-interval 1 web >/dev/null || die "service update"
now_takes b1 b2 b3
held busy k2 "$V:80" k=24
kill "${SERVER[b1:80]}" # takes no more, and serves those it has
now_takes b2 b3
for n in 1 2 3; do begin "run$n" "k$n" run "$V:80" t=600 n=300 c=4; done
for n in 1 2 3; do wait "${PID[run$n]}"; done
check "a backend that fails its check gets no new connection" same "$(in_all ok run1 run2 run3) $(in_all 'by b1' run1 run2 run3)" "900 0"
check "and keeps the old ones" test "$(lb 2 web '.[] | select(.Name == "b1").Active')" -gt 0
end busy
check "of which none breaks" stayed 24 busy
serve b1 80
check "healthy again it takes new ones" await 10 takes_everywhere 3 web b1 b2 b3
ctl 1 service update --health none web >/dev/null || die "service update"

# ---- other settings under load ----

held busy k1 "$V:80" k=12
held other k3 "$V:81" k=12
for n in 1 2 3; do begin "run$n" "k$n" run "$V:80" t=600 c=8 rate=300; done
algorithm_is() { same "$(lb "$1" web '.[0].Algorithm')" "$2"; }
for algorithm in rr least-conn random maglev; do
	ctl 1 service update --lb "$algorithm" web >/dev/null || die "service update"
	for n in 1 2 3; do await 10 algorithm_is "$n" "$algorithm" || die "h$n: no $algorithm"; done
done
gives() { # CLIENT PORT KEY: what becomes of one connection
	at "$1" "$LOAD" run "$V:$2" n=1 >"$WORK/one"
	same "$(counted "$3" "$WORK/one")" 1
}
ctl 1 service update --port 80 web >/dev/null || die "service update"
check "a port that is declared no more is refused" await 10 gives k1 81 refused
check "on every host" await 10 gives k3 81 refused
ctl 1 service update --port 80:81 web >/dev/null || die "service update"
await 10 gives k1 80 ok
sleep 1 # of the load
end run1 run2 run3 busy other
check "another algorithm, other ports: no new connection fails" none_broke run1 run2 run3
check "none that is held breaks though its port has another target now" stayed 12 busy
check "nor one whose port is declared no more" stayed 12 other

# ---- a flood ----

ctl 1 service update --port any web >/dev/null || die "service update"
await 10 gives k1 81 ok || die "not every port is served again"
held busy k1 "$V:80" k=24
begin run1 k1 run "$V:80" t=600 c=4 rate=100
attach 1 app flooder || die "attach flooder"
ADDR=$(ip_of 1 flooder) MAC=$(mac_of 1 flooder)
at flooder ip addr flush dev eth0 # who has no address answers no answer: half-open they stay
at flooder timeout 300 "$RAW" syn eth0 n=200000 smac="$MAC" dmac=02:42:0a:0a:00:c8 sip="$ADDR" dip="$V" dport=80
flows() { ctl 1 --json status | jq ".. | objects | select(has(\"Flows\")).Flows.$1"; }
end run1
used_is() { same "$(flows Used) $(flows Overflow)" "$1"; }
check "after 200,000 SYNs status still counts the established connections" await 5 used_is "24 0"
total() { lb 1 web '[.[].Total] | add'; }
check "the flood itself was seen" test "$(total)" -gt 190000
end busy
check "and none of them broke" stayed 24 busy
check "nor did new ones fail" none_broke run1

# ---- heirs ----

before=$(total)
has_begun() { [ "$(total)" -ge $((before + $1)) ]; }
begin udp k1 udp "$V:80" flows=24 port=20000 every=50 t=600
await 5 has_begun 24 || die "no flows of UDP"
IP=$(ip_of 1 b2)
topo_container heir
serve heir 80
leave b2
now_takes b1 b3
heired() { attach 2 app heir --ip "$IP" 2>/dev/null; }
await 10 heired || die "attach heir"
spawn heir "$RAW" hear eth0 2 dgram >"$WORK/heard"
HEARS=$SPAWN
check_not "who has the address of a removed backend hears nothing of its flows" wait "$HEARS"
end udp
check "they have moved" grep -q '^moved [0-9]* b2 b[13] ' "$WORK/udp"
answered() { # BACKEND...: only these answered last
	! awk '$1 == "flow" { print $3 }' "$WORK/udp" | grep -vxE "${*// /|}"
}
check "and all are answered by others" answered "b1|b3"

# ---- a host dies ----

join b4
now_takes b1 b3 b4
begin udp k1 udp "$V:80" flows=24 port=21000 every=50 t=600
before=$(total)
begin run1 k1 run "$V:80" t=600 c=32 rate=50
held busy k1 "$V:80" k=12
await 5 has_begun 100 || die "no load"
topo_kill KILL 3
at fab ip link set h3 down
check "a dead host's backends are left out" await 15 takes 1 web b1 b4
KNOWN=$(date +%s%3N)
sleep 2 # of the load
end udp
check "its datagrams go to others" grep -q '^moved [0-9]* b3 b[14] ' "$WORK/udp"
check "each of them" answered "b1|b4"
end run1
check "no new connection fails after that" none_since "$KNOWN" run1
check "on the other host too" await 15 takes 2 web b1 b4
end busy
check "connections to other hosts are not disturbed" test "$(breaks busy | grep -vc ' b3 ')" = 0

# ---- the service is removed ----

held busy k1 "$V:80" k=12
held idle k2 "$V:80" k=12 idle=1
REMOVED=$(date +%s%3N)
ctl 1 service rm web >/dev/null || die "service rm"
all_reset() { same "$(breaks busy idle | awk -v t="$REMOVED" '$2 == "reset" && $4 >= t' | wc -l)" 24; }
check "who is connected to a removed service is told so" await 5 all_reset
end busy idle
