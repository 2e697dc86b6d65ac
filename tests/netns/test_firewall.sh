#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rules of the hosts that are not ours: a firewall that lets nothing in but the cluster's own,
# and one that translates and drops just what we use. Neither breaks a published port or
# the way out.
. "$(dirname "$0")/lib.sh"
topo_init fire
topo_host 9
cluster 2
network 2 app --subnet 10.10.0.0/24
service 2 web --network app --publish published=8000,target=80 --publish published=8001,target=80,allow=10.99.0.8/32
attach 1 app b1 --service web && serve b1 80 || die "attach b1"
for n in 1 2; do attach "$n" app "k$n" || die "attach k$n"; done
all_know 2 k1 k2 b1
await 15 takes_everywhere 2 web b1 || die "not all know b1"
serve h9 9000

run() { # CLIENT ADDR:PORT [behind=ADDR]: the server sees the client, or ADDR
	at "$1" timeout -s KILL 60 "$LOAD" run "$2" n=4 ${3:+"$3"} >"$WORK/run"
}
silent() { # CLIENT ADDR:PORT: no word of it comes back
	(at "$1" timeout -s KILL 1 "$LOAD" run "$2" n=1 >"$WORK/silent") 2>/dev/null
	! grep -q . "$WORK/silent"
}
works() { # WITH-WHAT
	local n
	for n in 1 2; do
		check "$1: from outside by host $n" await 5 run h9 "10.99.0.$n:8000"
		check "$1: from host $n itself, 127.0.0.1" run "h$n" 127.0.0.1:8000 "behind=10.99.0.$n"
		check "$1: from host $n itself, its address" run "h$n" "10.99.0.$n:8000"
		check "$1: a container of host $n calls the outside" run "k$n" 10.99.0.9:9000 "behind=10.99.0.$n"
		check "$1: and its own host's port" run "k$n" "10.99.0.$n:8000" "behind=10.99.0.$n"
	done
	check "$1: who is not allowed stays out" silent h9 10.99.0.2:8001
}
rules() { # for both hosts, instead of those before
	local n
	for n in 1 2; do
		at "h$n" nft flush ruleset && at "h$n" nft -f "$WORK/rules" || die "nft refuses the rules"
	done
}

works "no rules"

# What ufw and firewalld come to. The way in for processes stays shut, which shows that it is in force.
cat >"$WORK/rules" <<-'END'
	table inet filter {
		chain input {
			type filter hook input priority 0; policy drop;
			iif lo accept
			ct state established,related accept
			ct state invalid drop
			meta l4proto { tcp, udp } th dport 7946 accept
		}
		chain forward {
			type filter hook forward priority 0; policy drop;
		}
		chain output {
			type filter hook output priority 0; policy accept;
			ct state invalid drop
		}
	}
END
rules
serve h2 9002
check "the firewall is in force" silent h9 10.99.0.2:9002
works "default deny"

# Translates what comes to our ports, and whatever leaves.
cat >"$WORK/rules" <<-'END'
	table ip nat {
		chain in {
			type nat hook prerouting priority -100;
			iifname "eth0" tcp dport { 8000, 61000-65535 } dnat to 10.99.0.77:7
		}
		chain out {
			type nat hook postrouting priority 100;
			ip daddr != 127.0.0.0/8 masquerade
		}
	}
	table ip raw {
		chain in {
			type filter hook prerouting priority -300;
			iifname "eth0" tcp dport { 8000, 61000-65535 } drop
		}
	}
END
rules
works "foreign translation"
for n in 1 2; do at "h$n" nft flush ruleset; done
