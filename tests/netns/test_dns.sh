#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# DNS at 127.0.0.11 inside containers: names of their own networks, by UDP and TCP,
# everything else from the host's resolvers (two dnsmasq on host 1), kept, and
# going on when one of them dies. What a hostile container sends harms nobody.
. "$(dirname "$0")/lib.sh"
for tool in dig dnsmasq; do
	command -v "$tool" >/dev/null || die "$tool is missing: tools/install-deps installs it"
done
topo_init dns
topo_host 1
topo_host 2

# ---- the resolvers of host 1 ----

BIG=$(for n in $(seq 1 12); do echo "--txt-record=big.upstream.test,$(printf "$n%.0s" {1..100})"; done)
MID=$(for n in $(seq 1 9); do echo "--txt-record=mid.upstream.test,$(printf "$n%.0s" {1..100})"; done)
resolver() { # ADDR TAG: leaves its pid in $SPAWN
	# shellcheck disable=SC2086
	spawn h1 dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
		--bind-interfaces --listen-address="$1" --except-interface=eth0 --local-ttl=60 --local=/test/ \
		--host-record=www.upstream.test,192.0.2.80 --host-record=other.upstream.test,192.0.2.81 \
		--txt-record=who.upstream.test,"$2" --host-record="only$2.upstream.test,192.0.2.82" $BIG $MID \
		--log-queries --log-facility="$WORK/$2.log" >/dev/null 2>&1
}
asked() { # TAG PATTERN: how many questions that resolver had
	grep -c "query\[.*\] $2 " "$WORK/$1.log"
}
resolver 127.0.0.53 first
FIRST=$SPAWN
resolver 127.0.0.54 second
printf 'nameserver 127.0.0.53\nnameserver 127.0.0.54\n' >"$WORK/resolv.conf"
: >"$WORK/none.conf"

topo_daemon 1 --resolv-conf "$WORK/resolv.conf"
topo_join 2 --resolv-conf "$WORK/none.conf"
await 20 alive 1 2 && await 20 alive 2 2 || die "no cluster"
network 2 app --subnet 10.10.0.0/24
network 2 other --subnet 10.20.0.0/24
attach 1 app a1 --alias web || die "attach a1"
attach 2 app a2 --alias web || die "attach a2"
attach 1 other o1 || die "attach o1"
all_know 2 a1 a2 o1

# ---- asking ----

q() { # CONTAINER DIG-ARG...: one try, no cookie (which would make the answer the asker's own)
	local c=$1
	shift
	at "$c" dig @127.0.0.11 +tries=1 +time=3 +nocookie "$@"
}
short() { q "$@" +short | sort | tr '\n' ' ' | sed 's/ $//'; }
gives() { # EXPECTED CONTAINER DIG-ARG...
	local want=$1
	shift
	same "$want" "$(short "$@")"
}
status_is() { # STATUS CONTAINER DIG-ARG...
	local want=$1
	shift
	q "$@" | grep -q "status: $want,"
}
A1=$(ip_of 1 a1) A2=$(ip_of 1 a2) O1=$(ip_of 1 o1)
await 10 gives "$A2" a1 a2 || die "DNS does not answer in a1"

check "a name of one's network is answered by UDP" gives "$A2" a1 a2
check "and by TCP" gives "$A2" a1 +tcp a2
check "several questions on one TCP connection are answered" same 2 \
	"$(q a1 +tcp +keepopen +short a1 A a2 A | grep -c '^10\.10\.')"
check "and with the network's name" gives "$A1" a2 a1.app
check "case does not count" gives "$A2" a1 A2.App
check "the answer's question is spelled as it was asked" sh -c "nsenter --net=/run/netns/$TOPO-a1 \
	dig @127.0.0.11 A2 | grep -q '^A2\\.'"
both=$(printf '%s\n%s\n' "$A1" "$A2" | sort | tr '\n' ' ' | sed 's/ $//')
check "an alias of two endpoints gives both" gives "$both" a1 web
check "an address gives its name" sh -c "nsenter --net=/run/netns/$TOPO-a1 dig @127.0.0.11 -x $A2 +short | grep -q '^a2\\.'"
check "AAAA of an IPv4 name is no error and has no answer" status_is NOERROR a1 AAAA a2
check "and says by an SOA how long that counts" sh -c "nsenter --net=/run/netns/$TOPO-a1 \
	dig @127.0.0.11 AAAA a2 | grep -q 'IN.*SOA'"
check "a name of another network is not visible" gives "" a1 o1
check "nor with that network's name" gives "" a1 o1.other
check "nor by its address" gives "" a1 -x "$O1"
check "its own network sees it" gives "$O1" o1 o1

# As programs ask: resolv.conf names 127.0.0.11, glibc asks for A and AAAA at once.
echo "nameserver 127.0.0.11" >"$WORK/container.conf"
program() { # CONTAINER COMMAND...
	local c=$1
	shift
	nsenter --net="/run/netns/$TOPO-$c" unshare -m sh -c \
		'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"' sh "$WORK/container.conf" "$@"
}
check "a program finds a name" sh -c "$(declare -f program); TOPO=$TOPO WORK=$WORK; \
	program a1 getent ahostsv4 a2 | grep -q '^$A2 '"
check "a program pings by name" program a1 ping -q -c 1 -W 2 a2

# A container on two networks sees the names of both.
ctl 1 endpoint attach --network other --netns "/run/netns/$TOPO-a1" --ifname eth1 --name a1other >/dev/null ||
	die "second network"
check "a container on two networks sees the second's names" await 10 gives "$O1" a1 o1
check "and still the first's" gives "$A2" a1 a2
ctl 1 endpoint detach a1other >/dev/null
check "and no more after it left" await 10 gives "" a1 o1

# ---- services ----

if ctl 1 service create --help >/dev/null 2>&1; then
	ctl 1 service create --name shop --network app >/dev/null || die "service create"
	ctl 1 service create --name rr --network app --endpoint-mode dnsrr >/dev/null || die "service create"
	vip=$(ctl 1 --json service inspect shop.app | jq -r '.[0].Endpoint.VirtualIPs[0].Addr | split("/")[0]')
	await 15 ctl 2 service inspect shop.app rr.app >/dev/null || die "h2 does not know the services"
	attach 1 app s1 --service shop || die "attach s1"
	attach 2 app s2 --service shop || die "attach s2"
	attach 2 app r1 --service rr || die "attach r1"
	await 15 knows 1 s1 s2 r1 || die "no backends"
	tasks=$(printf '%s\n' "$(ip_of 1 s1)" "$(ip_of 1 s2)" | sort | tr '\n' ' ' | sed 's/ $//')
	check "a service is its VIP" await 10 gives "$vip" a1 shop
	check "its tasks are its backends" await 10 gives "$tasks" a1 tasks.shop
	check "a service without VIP is its backends" await 10 gives "$(ip_of 1 r1)" a2 rr
	check "another network does not see it" gives "" o1 shop
else
	echo "skip services: overlayctl has no such command: the build is older"
fi

# ---- other people's names ----

check "an unknown name is the host's resolver's" gives 192.0.2.80 a1 www.upstream.test
check "which was asked once" same 1 "$(asked first www.upstream.test)"
check "again from another container: from what was kept" gives 192.0.2.80 o1 WWW.upstream.test
check "and by TCP" gives 192.0.2.80 a1 +tcp www.upstream.test
check "the resolver was not asked again" same 1 "$(asked first www.upstream.test)"
check "the second resolver was not asked at all" same 0 "$(asked second www.upstream.test)"
check "its time to live has begun to run out" await 5 sh -c "nsenter --net=/run/netns/$TOPO-a1 \
	dig @127.0.0.11 +nocookie www.upstream.test | awk '/IN.A/ && \$2 < 60 { ok = 1 } END { exit !ok }'"
check "no such name is an answer" status_is NXDOMAIN a1 nothing.upstream.test
check "a big answer is cut by UDP" sh -c "nsenter --net=/run/netns/$TOPO-a1 \
	dig @127.0.0.11 +ignore +noedns TXT big.upstream.test | grep -q 'flags:.* tc'"
check "and whole by TCP" same 12 "$(q a1 TXT big.upstream.test +short | wc -l)"
check "a cookie is the asker's own and comes back" sh -c "nsenter --net=/run/netns/$TOPO-a1 \
	dig @127.0.0.11 +cookie other.upstream.test | grep -q 192.0.2.81"
check "without resolvers an unknown name is SERVFAIL" status_is SERVFAIL a2 www.upstream.test
check "and the cluster's names are there" gives "$A1" a2 a1

kill -STOP "$FIRST"
check "a resolver that is silent is passed over" same '"second"' \
	"$(at a1 dig @127.0.0.11 +nocookie +tries=1 +time=9 +short TXT who.upstream.test)"
kill -CONT "$FIRST"
kill "$FIRST"
wait "$FIRST" 2>/dev/null
check "a resolver that is dead is passed over at once" gives 192.0.2.82 a1 onlysecond.upstream.test
echo "nameserver 127.0.0.55" >"$WORK/resolv.conf"
resolver 127.0.0.55 third
check "a changed resolv.conf is read again" await 10 gives 192.0.2.82 a1 onlythird.upstream.test

# ---- harm ----

pid=${TOPO_PID[1]}
check "broken datagrams are sent" at a1 "$ASK" bad 127.0.0.11
check "and broken connections" at a1 "$ASK" badtcp 127.0.0.11
check "the daemon lives and answers" gives "$A2" a1 a2
spawn a1 "$ASK" hold 127.0.0.11 40 30 >/dev/null
HOLD=$SPAWN
check "a container that holds its connections keeps no other from TCP" gives "$O1" o1 +tcp o1
kill "$HOLD"
steady() { # 20 questions in a row, each answered at the first try
	local n
	for n in {1..20}; do
		gives "$O1" o1 o1 || return 1
	done
}
flood() { # NAME: 10,000 questions, from now on, over and over
	spawn a1 sh -c "while :; do '$ASK' flood 127.0.0.11 10000 $1; done" 2>/dev/null
	FLOOD=$SPAWN
}
flood a1.app
check "a flood of questions keeps no other container waiting" steady
kill "$FLOOD"
wait "$FLOOD" 2>/dev/null
flood upstream.test
check "nor does a flood of unknown names" steady
check "which still gets the names of others" gives 192.0.2.81 o1 other.upstream.test
kill "$FLOOD"
wait "$FLOOD" 2>/dev/null
check "afterwards its own questions are answered" await 10 gives "$A2" a1 a2
check "it is the same daemon" kill -0 "$pid"

# ---- a container's own server at port 53 ----

own_server() { # CONTAINER: at port 53 of all its addresses, one name; its pid in ${SERVER[CONTAINER]}
	spawn "$1" dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
		--local=/own.test/ --host-record=mine.own.test,192.0.2.90 >/dev/null 2>&1
	SERVER[$1]=$SPAWN
	await 5 has_server "$1" || die "no dnsmasq at port 53 of $1"
}
has_server() { # CONTAINER: by UDP and TCP, IPv4 and IPv6
	same 4 "$(at "$1" ss -Hlntu | grep -cE ' (0\.0\.0\.0|\*|\[::\]):53 ')"
}
steered() { # CONTAINER: a program of ours steers its DNS
	bpftool link show | grep -A 1 'netns' | grep -q "netns_ino $(stat -L -c %i "/run/netns/$TOPO-$1") "
}
reaches() { # CONTAINER SERVER DIG-ARG...: the server of that container, by its address in the network
	local c=$1 addr
	addr=$(ip_of 1 "$2")
	shift 2
	same 192.0.2.90 "$(at "$c" dig "@$addr" +tries=1 +time=3 +short "$@" mine.own.test)"
}
serves_both() { # SERVER: it is reached, and its container resolves names
	reaches a2 "$1" && reaches a2 "$1" +tcp && gives "$A2" "$1" a2 && gives "$A2" "$1" +tcp a2
}

topo_container early
own_server early
attach 1 app early || die "attach early"
attach 1 app late || die "attach late"
own_server late
await 15 knows 2 early late || die "h2 does not know early and late"
for c in early late; do
	what="a server that came $c"
	check "$what is reached at its address by UDP" await 10 reaches a2 "$c"
	check "and by TCP" reaches a2 "$c" +tcp
	check "names are found in its container by UDP" await 10 gives "$A2" "$c" a2
	check "and by TCP" gives "$A2" "$c" +tcp a2
	check "and by a program, which asks twice by one socket" sh -c "$(declare -f program); TOPO=$TOPO \
		WORK=$WORK; program $c getent ahosts a2 | grep -q '^$A2 '"
	check "as large an answer as there is by UDP, 1 KB, is whole" same 9 \
		"$(q "$c" TXT mid.upstream.test +bufsize=1232 +ignore +short | wc -l)"
	check "a larger one comes by TCP" same 12 "$(q "$c" TXT big.upstream.test +bufsize=4096 +short | wc -l)"
	check "the server's own names are not 127.0.0.11's" status_is NXDOMAIN "$c" mine.own.test
	check "nothing is bound to 127.0.0.11:53" same "" "$(at "$c" ss -Hlntu | grep '127\.0\.0\.11:53 ')"
	check "a program of ours steers" steered "$c"
done
check "no namespace is without DNS" same 0 "$(grep -c 'no DNS in' "$WORK/h1/log")"
topo_kill KILL 1
check_not "a killed daemon steers nothing" steered late
check "the servers go on" sh -c "$(declare -f at same); TOPO=$TOPO; \
	same 192.0.2.90 \"\$(at late dig @127.0.0.1 +tries=1 +short mine.own.test)\""
topo_daemon 1 --resolv-conf "$WORK/resolv.conf"
for c in early late; do
	check "after a restart both are served where a server came $c" await 10 serves_both "$c"
	kill "${SERVER[$c]}"
	wait "${SERVER[$c]}" 2>/dev/null
	check "its end changes nothing for names" gives "$A2" "$c" a2
	ctl 1 endpoint detach "$c" >/dev/null
	gone() { ! steered "$c"; }
	check "after detaching nothing is steered" await 10 gone
done

# ---- coming and going ----

topo_kill TERM 1
check_not "while the daemon is down there is no DNS" gives "$A2" a1 a2
topo_daemon 1 --resolv-conf "$WORK/resolv.conf"
check "a restarted daemon answers" await 10 gives "$A2" a1 a2
ctl 1 endpoint detach a1 >/dev/null
closed() { ! at a1 ss -Hlntu | grep -q '127\.0\.0\.11:' && ! steered a1; }
check "a container that left has no server any more" await 10 closed
check "and its name is gone" await 10 gives "" a2 a1
unknown() { ! knows "$@"; }
ip netns del "$TOPO-o1"
check "a container that is deleted is let go of" await 10 unknown 1 o1
