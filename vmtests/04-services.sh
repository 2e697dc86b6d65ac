#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service with a backend on each of two hosts: its VIP, its names, and what is
# left of a call when backends go, the daemon dies and the wire is plain.
. "$(dirname "$0")/lib.sh"
topo_init vips
cluster 2
network 2 app --subnet 10.10.0.0/24

service() { # NAME ARG...: created on host 1, known on host 2
	ctl 1 service create --network app --name "$@" >/dev/null || die "service create $1"
	await 15 ctl 2 service inspect "$1" >/dev/null || die "h2 never heard of $1"
}
vip_of() { ctl 1 --json service inspect "$1" | jq -r '.[0].Endpoint.VirtualIPs[0].Addr | split("/")[0]'; }
service web --lb rr
service api --port 80:8080
service none
attach 1 app c1 || die "attach c1"
attach 1 app b1 --service web || die "attach b1"
attach 2 app b2 --service web || die "attach b2"
attach 2 app a1 --service api || die "attach a1"
all_know 2 c1 b1 b2 a1
WEB=$(vip_of web) API=$(vip_of api) NONE=$(vip_of none) C1=$(ip_of 1 c1) B1=$(ip_of 1 b1) B2=$(ip_of 1 b2)

# ---- servers: what they say is their name and who calls ----

mkdir -p "$WORK/www/cgi-bin"
head -c 1048576 /dev/urandom >"$WORK/www/blob"
cat >"$WORK/www/cgi-bin/who" <<'END'
#!/bin/sh
printf '\n%s %s\n' "$NAME" "$REMOTE_ADDR"
END
# The same 64 KiB over and over, until somebody makes the file "enough".
cat >"$WORK/www/cgi-bin/much" <<'END'
#!/bin/sh
echo
for n in $(seq 300); do
	head -c 65536 ../blob
	[ ! -e ../enough ] || break
	sleep 0.1
done
END
chmod 755 "$WORK"/www/cgi-bin/*
listens() { at "$1" ss -Hltn | grep -q ":$2 "; }
serve() { # CONTAINER HTTP-PORT
	spawn "$1" env NAME="$1" busybox httpd -f -p "0.0.0.0:$2" -h "$WORK/www"
	await 5 listens "$1" "$2" || die "no web server in $1"
}
for c in b1 b2; do
	serve "$c" 80
	spawn "$c" dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
		--port=5300 --txt-record=who.test,"$c" --log-queries --log-facility="$WORK/$c.log" >/dev/null 2>&1
	await 5 listens "$c" 5300 || die "no UDP server in $c"
	spawn "$c" busybox nc -ll -p 7 -e cat
done
serve a1 8080

# ---- callers ----

tcp() { at "${2:-c1}" timeout 30 busybox wget -qO- "http://$1/cgi-bin/who"; }
udp() { at c1 dig "@$WEB" -p 5300 +tries=1 +time=10 +nocookie +short TXT who.test | tr -d '"'; }
times() { # N COMMAND...: what each of N runs says, in one line
	local n=$1 i
	shift
	for ((i = 0; i < n; i++)); do "$@"; done | paste -sd ' '
}
in_turn() { [[ $1 == "$2 $3 $2 $3" || $1 == "$3 $2 $3 $2" ]]; }
refused() { # CONTAINER ADDR PORT
	at "$1" timeout 20 bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1 | grep -q 'Connection refused'
}

lb() { ctl 1 --json lb ls --service web | jq -r --arg n "$1" --arg f "$2" '.[] | select(.Name == $n)[$f]'; }
for vip in "$WEB" "$API"; do await 15 tcp "$vip" >/dev/null || die "no answer from $vip"; done
before1=$(lb b1 Total) before2=$(lb b2 Total)
said=$(times 4 tcp "$WEB")
check "TCP to a VIP is answered by the backend here and the one there in turn, who see the client's address" \
	in_turn "$said" "b1 $C1" "b2 $C1"
check "UDP too" in_turn "$(times 4 udp)" b1 b2
check "whose datagrams have the client's address" same "2 2" \
	"$(grep -c "query\[TXT\] who.test from $C1" "$WORK/b1.log") $(grep -c "query\[TXT\] who.test from $C1" "$WORK/b2.log")"
check "lb ls has counted them" same "$(lb b1 Total) $(lb b2 Total)" "$((before1 + 4)) $((before2 + 4))"
said=$(times 2 tcp "$WEB" b1)
check "a backend that calls its own VIP is given itself in its turn, and the VIP is who calls" \
	in_turn "$said $said" "b1 $WEB" "b2 $B1"
check "a VIP answers ping" at c1 ping -q -c 1 -W 10 "$WEB"
check "a declared port leads to its target" same "$(tcp "$API")" "a1 $C1"
check "a port that is not declared is refused" refused c1 "$API" 8080
check "a service without backends refuses" refused c1 "$NONE" 80

# ---- SCTP, which these kernels have ----

modprobe -a sctp || die "no SCTP"
for c in b1 b2; do spawn "$c" "$LOAD" serve "$c" 7000 protocol=sctp; done
sctp() { at c1 timeout 60 "$LOAD" run "$WEB:7000" n=4 c=1 protocol=sctp >"$WORK/sctp"; }
check "SCTP to a VIP is answered, with the client's own address at the backend" await 15 sctp
check "by both backends" same "$(awk '$1 == "by" { print $2 }' "$WORK/sctp" | sort | paste -sd ' ')" "b1 b2"

# ---- names ----

q() { at c1 dig @127.0.0.11 +tries=1 +time=10 +nocookie +short "$@" | sort | paste -sd ' '; }
check "DNS gives the VIP" same "$(q web)" "$WEB"
check "and the backends" same "$(q tasks.web.app)" "$(printf '%s\n' "$B1" "$B2" | sort | paste -sd ' ')"
check "and the VIP's name" same "$(q -x "$WEB")" web.app.
check "and answers by TCP" same "$(q +tcp web)" "$WEB"
spawn c1 dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts --pid-file= --user=root \
	--local=/own.test/ --host-record=mine.own.test,192.0.2.90 >/dev/null 2>&1
own() { at b1 dig "@$C1" +tries=1 +time=10 +short "$@" mine.own.test; }
has_own() { same "$(own)" 192.0.2.90; }
check "a client that binds port 53 of all its addresses serves others by UDP" await 10 has_own
check "and by TCP" same "$(own +tcp)" 192.0.2.90
check "and still finds names by UDP" same "$(q web)" "$WEB"
check "and by TCP" same "$(q +tcp web)" "$WEB"
check "for the kernel steers what it asks" same "$(grep -c 'cannot steer' "$WORK/h1/log")" 0

# ---- a held call, while its backend drains and goes ----

takes() { # BACKEND: new calls, as the programs' own maps say
	same "$(lb "$1" Old)" false
}
takes_not() { ! takes "$1"; }
drain() { # HOST BACKEND: that one drains until it is told otherwise
	ctl "$1" service drain "$2" >/dev/null && await 15 takes_not "$2" || die "$2 does not drain"
}
undrain() { ctl "$1" service undrain "$2" >/dev/null && await 15 takes "$2" || die "$2 stays drained"; }
drain 1 b1
check "a drained backend gets no new calls" same "$(times 3 tcp "$WEB")" "b2 $C1 b2 $C1 b2 $C1"
mkfifo "$WORK/say"
exec 5<>"$WORK/say" # opened for reading too, because opening to write waits for a reader
spawn c1 sh -c "exec busybox nc $WEB 7 <'$WORK/say' >'$WORK/heard' 2>/dev/null"
HELD=$SPAWN
echoes() { # LINE: said on the held call, comes back
	echo "$1" >&5
	await 10 grep -qx "$1" "$WORK/heard"
}
check "a call is held to the backend that takes new ones" echoes one
undrain 1 b1
drain 2 b2
check "new calls go to the other one when that drains" same "$(times 2 tcp "$WEB")" "b1 $C1 b1 $C1"
check "and the held call goes on" echoes two
check "which lb ls shows as a call to a backend that takes no more" same "$(lb b2 Active) $(lb b2 Old)" "1 true"
ctl 2 service leave b2 >/dev/null || die "b2 does not leave"
left() { ! ctl 1 --json service inspect web | jq -e '.[0].Backends[] | select(.Name == "b2")' >/dev/null; }
await 15 left || die "h1 still gives b2 calls"
# A line that is said is what the programs answer; busybox ends when the answer is a reset.
is_reset() {
	echo three >&5
	! kill -0 "$HELD"
}
check "once it left the service the held call is reset" await 10 is_reset
check_not "and heard nothing more from it" grep -q three "$WORK/heard"
exec 5>&-


# ---- a daemon that dies ----

# The backend on the other host alone takes calls, so that all of it passes both hosts' programs.
ctl 2 service join web b2 >/dev/null && await 15 takes b2 || die "b2 does not come back"
drain 1 b1
spawn c1 busybox wget -qO "$WORK/got" "http://$WEB/cgi-bin/much"
MUCH=$SPAWN
await 10 test -s "$WORK/got" || die "no transfer"
topo_kill KILL 1
check "while the daemon is dead calls are taken" same "$(tcp "$WEB")" "b2 $C1"
before=$(stat -c %s "$WORK/got")
topo_daemon 1
await 20 alive 1 2 || die "h1 is no member again"
touch "$WORK/www/enough"
grown() { [ "$(stat -c %s "$WORK/got")" -gt "$before" ]; }
check "a transfer goes on while the daemon is killed and restarted" await 10 grown
wait "$MUCH"
whole() { # FILE: nothing but the first 64 KiB of the blob, several times
	local chunks=$(($(stat -c %s "$1") / 65536)) n
	for ((n = 0; n < chunks; n++)); do head -c 65536 "$WORK/www/blob"; done | cmp -s - "$1"
}
check "and arrives whole" whole "$WORK/got"
check "the restarted daemon answers DNS" same "$(q web)" "$WEB"

# ---- a wire that segments and merges nothing by itself, as of a plain card ----

for n in 1 2; do at "h$n" ethtool -K eth0 tso off gso off gro on >/dev/null || die "ethtool"; done
bulk() { # 1 MiB to the caller, compared
	at c1 timeout 60 busybox wget -qO "$WORK/bulk" "http://$WEB/blob" && cmp -s "$WORK/www/blob" "$WORK/bulk"
}
check "1 MiB through the VIP arrives whole over a wire without segmentation offload" bulk

# ---- the end ----

topo_kill TERM 2
check "overlayd --detach succeeds while services are there" topo_detach 2
check "and leaves no pin" test ! -e "$WORK/bpf/h2"
check "no device" same "$(at h2 ip -o link show | grep -c ': ov')" 0
closed() { ! at b2 ss -Hlntu | grep -q '127\.0\.0\.11:'; }
check "and no DNS server in a container" closed
