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
resolver() { # ADDR TAG: leaves its pid in $SPAWN
	# shellcheck disable=SC2086
	spawn h1 dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
		--bind-interfaces --listen-address="$1" --except-interface=eth0 --local-ttl=60 --local=/test/ \
		--host-record=www.upstream.test,192.0.2.80 --host-record=other.upstream.test,192.0.2.81 \
		--txt-record=who.upstream.test,"$2" --host-record="only$2.upstream.test,192.0.2.82" $BIG \
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

# ---- coming and going ----

topo_container busy
spawn busy dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
	--bind-interfaces --listen-address=127.0.0.11 >/dev/null 2>&1
BUSY=$SPAWN
has_socket() { at busy ss -Hlun | grep -q '127.0.0.11:53'; }
await 5 has_socket || die "no dnsmasq in busy"
attach 1 app busy || die "attach busy"
warns() { ctl 1 status | grep -q "no DNS in /run/netns/$TOPO-busy: 127.0.0.11 port 53 is taken"; }
check "a taken port is a warning that names the namespace" await 5 warns
check "and one line of the log" same 1 "$(grep -c 'port 53 is taken' "$WORK/h1/log")"
kill "$BUSY"
wait "$BUSY" 2>/dev/null
check "once it is free it is served" await 10 gives "$A1" busy a1
check_not "and the warning is gone" warns
topo_kill TERM 1
check_not "while the daemon is down there is no DNS" gives "$A2" a1 a2
topo_daemon 1 --resolv-conf "$WORK/resolv.conf"
check "a restarted daemon answers" await 10 gives "$A2" a1 a2
ctl 1 endpoint detach a1 >/dev/null
closed() { ! at a1 ss -Hlun | grep -q '127.0.0.11:53'; }
check "a container that left has no server any more" await 10 closed
check "and its name is gone" await 10 gives "" a2 a1
unknown() { ! knows "$@"; }
ip netns del "$TOPO-busy"
check "a container that is deleted is let go of" await 10 unknown 1 busy
