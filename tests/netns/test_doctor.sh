#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `overlayctl doctor` on a sound cluster and with each fault planted: it tells of that fault and
# of no other, and of none when it is gone.
. "$(dirname "$0")/lib.sh"
topo_init doctor
cluster 3
network 3 app --subnet 10.10.0.0/24
attach 1 app c1 || die "attach c1"
attach 2 app c2 || die "attach c2"
all_know 3 c1 c2

look() { # HOST: what does not pass, "STEP RESULT SEEN" a line
	ctl "$1" --json doctor | jq -r '.Findings[] | select(.Result != "pass") | "\(.Step) \(.Result) \(.Seen)"'
}
sound() { # HOST: everything passes, and the exit status says so
	local said
	said=$(look "$1") && [ -z "$said" ] && ctl "$1" doctor >/dev/null
}
# finds HOST STEP RESULT PATTERN: of that step alone, and one of it so.
finds() {
	local said
	said=$(look "$1")
	grep -qE "^$2 $3 .*$4" <<<"$said" && ! grep -qvE "^$2 " <<<"$said"
}
fails() { ! ctl "$1" doctor >/dev/null; }
mend() { # HOST STEP: the mend of its first finding
	ctl "$1" --json doctor | jq -r --arg s "$2" '[.Findings[] | select(.Step == $s and .Result != "pass")][0].Mend'
}
rules() { # SPACE: from standard input, instead of those before
	at "$1" nft flush ruleset && at "$1" nft -f - || die "nft refuses the rules"
}
between() { # RULE: on the fabric, between the hosts
	printf 'table bridge fault {\n chain f {\n type filter hook forward priority 0\n %s\n }\n}\n' "$1" | rules fab
}
inside() { # SPACE HOOK RULE
	printf 'table inet fault {\n chain f {\n type filter hook %s priority 0\n %s\n }\n}\n' "$2" "$3" | rules "$1"
}
healed() { # WHAT SPACE
	at "$2" nft flush ruleset
	check "$1: gone when it is gone" await 30 sound 1
}

check "a sound cluster passes on host 1" await 20 sound 1
check "and on host 2" await 20 sound 2
check "each step is there once" same "$(ctl 1 --json doctor | jq -r '[.Findings[].Step] | length == (unique | length)')" true
check "and is a line with its result" same "$(ctl 1 doctor | grep -c '^pass ')" "$(ctl 1 --json doctor | jq '.Findings | length')"
check_not "no colour where there is no terminal" grep -q $'\033' <(ctl 1 doctor)
for n in 1 2 3; do ctl 1 --json doctor >"$WORK/at-once.$n" & asked[n]=$!; done
wait "${asked[@]}"
check "who asks at the same time is answered too" same "$(cat "$WORK"/at-once.* | jq -s 'map(.Healthy) | unique[]')" true
check "probes are counted as what they are" same "$(unexpected 2)" ""

# ---- the way to a peer ----

between 'oifname "h2" udp dport 4789 drop'
check "4789 blocked towards a peer" await 20 finds 1 vxlan fail "h2: what this node sends does not arrive there"
check "fails, by the exit status" fails 1
check "with the line that opens it" grep -q 'nft insert rule inet filter input udp dport 4789 accept' <<<"$(mend 1 vxlan)"
check "4789 blocked: the peer sees the other direction" finds 2 vxlan fail "h1: what this node sends arrives there, but what it sends does not"
healed "4789 blocked" fab

between 'iifname "h2" udp dport 4789 drop'
check "4789 blocked from a peer" await 20 finds 1 vxlan fail "h2: what this node sends arrives there, but what it sends does not"
healed "4789 blocked from a peer" fab

inside h1 output 'ip daddr 10.99.0.2 udp dport 4789 drop'
check "4789 refused by this host's own firewall" await 20 finds 1 vxlan fail "this host refuses to send to UDP 4789 of h2"
healed "4789 refused here" h1

between 'oifname "h2" udp dport 7946 drop'
check "7946 udp blocked" await 20 finds 1 gossip-udp fail "h2 does not answer on UDP 7946"
healed "7946 udp blocked" fab

inside h2 input 'tcp dport 7946 drop'
check "7946 tcp blocked" await 20 finds 1 gossip-tcp fail "h2 does not answer on TCP 7946"
healed "7946 tcp blocked" h2

inside h1 input 'ip saddr 10.99.0.2 tcp dport 7946 ct state new drop'
check "7946 tcp blocked the other way" await 20 finds 1 gossip-tcp fail "h2 answers on TCP 7946, but cannot call this node"
healed "7946 tcp blocked the other way" h1

at fab ip link set h2 mtu 1400
check "a path that drops large packets in silence" await 20 finds 1 path-mtu fail "1500 bytes .*h2 are lost, those of 1400"
check "with the command that mends it" grep -q 'ip link set eth0 mtu 1400' <<<"$(mend 1 path-mtu)"
at fab ip link set h2 mtu 1500
healed "a path that drops large packets" fab

# ---- this host ----

on_uplink() { # its link is gone, or on kernels without tcx its filter
	local pin
	pin=$(echo "$WORK"/bpf/h1/v*/link/tc-"$(at h1 ip -j link show dev eth0 | jq '.[0].ifindex')")
	[ ! -e "$pin" ] || rm "$pin"
	at h1 tc filter del dev eth0 ingress 2>/dev/null
}
detached_is_found() { # overlayd's own audit may be faster: then once more
	on_uplink
	finds 1 programs fail "no program of ours on eth0 \(tc ingress\)" ||
		look 1 | grep -q '^programs fail no program of ours on eth0 (tc ingress)'
}
check "a program taken off the uplink" await 20 detached_is_found
topo_kill TERM 1
topo_daemon 1
check "a program taken off: gone when it is back" await 30 sound 1

at h1 ip link add vx7 type vxlan id 7 dstport 4789
check "another VXLAN device on the port" await 20 finds 1 foreign warn "VXLAN device vx7 is on our port"
check "which is a warning, no failure" ctl 1 doctor
at h1 ip link del vx7
healed "another VXLAN device" h1

mkdir "$WORK/bpf/h1/v1"
check "a stale pin" await 20 finds 1 bpffs warn "h1/v1 is in the pin directory"
rmdir "$WORK/bpf/h1/v1"
healed "a stale pin" h1

pinned=$(echo "$WORK"/bpf/h1/v*/prog/ov_front)
mv "$pinned" "${pinned}_away"
check "a program that is not pinned under its name" await 20 finds 1 bpffs "(fail|warn)" "ov_front"
mv "${pinned}_away" "$pinned"
healed "a program that is not pinned" h1

at h1 ip link set ovtunnel down
check "the tunnel device is down" await 20 finds 1 kernel-state fail "the tunnel device ovtunnel"
at h1 ip link set ovtunnel up
healed "the tunnel device is down" h1

serve h1 8080
ctl 2 service create --name web --network app --publish 8080:80 >/dev/null || die "service create web"
check "a process has a published port" await 20 finds 1 ports warn "published port 8080/tcp"
kill "${SERVER[h1:8080]}"
healed "a process has a published port" h1

# ---- in a container ----

inside c1 output 'udp dport 53 drop'
check "names are not answered in a container" await 20 finds 1 dns fail "nobody answers at 127.0.0.11 in .*c1"
healed "names are not answered" c1

spoil() { # one packet from c2 to c1 whose checksum is wrong
	at c2 "$RAW" send eth0 text=spoiled smac="$(mac_of 2 c2)" dmac="$(mac_of 1 c1)" \
		sip="$(ip_of 2 c2)" dip="$(ip_of 1 c1)" sum=0x1234
}
spoiled() {
	spoil
	finds 1 checksums warn "c1 in .*c1 got [0-9]+ packets with a bad checksum"
}
check "packets with a bad checksum" await 20 spoiled
spoil
check "with the command that mends it" grep -q 'ethtool -K eth0 tx-udp_tnl' <<<"$(mend 1 checksums)"
healed "packets with a bad checksum" c1

# ---- nobody there ----

topo_kill KILL 3
check "a peer whose daemon is dead" await 60 finds 1 "(members|gossip-udp|gossip-tcp)" fail "h3"
topo_kill KILL 1
check "without a daemon it says so" grep -q '^fail  daemon .*overlayd is not running' <<<"$(ctl 1 doctor)"
check "and what can be seen from outside" grep -q '^fail  socket .*nobody answers on it' <<<"$(ctl 1 doctor)"
check "and fails" fails 1
check "in JSON too" same "$(ctl 1 --json doctor | jq .Healthy)" false
