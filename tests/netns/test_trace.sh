#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `overlayctl trace` on two hosts: what it says becomes of a packet is what becomes of one.
. "$(dirname "$0")/lib.sh"
topo_init trace
cluster 2
network 2 app --subnet 10.10.0.0/24
network 2 quiet --subnet 10.20.0.0/24 --internal
service 2 web --network app --vip 10.10.0.200 --port 80 --publish published=8080,target=80
attach 1 app c1 || die "attach c1"
attach 2 app c2 --service web || die "attach c2"
attach 1 quiet q1 || die "attach q1"
serve c2 80
all_know 2 c1 c2 q1
await 15 takes_everywhere 2 web.app c2 || die "not all know the backend"

traced() { ctl 1 trace "$@" >"$WORK/trace" 2>&1; }
says() { # PATTERN ARG...: it would be delivered, and the trace has that
	local want=$1
	shift
	traced "$@" && grep -q -- "$want" "$WORK/trace"
}
would_not() { # PATTERN ARG...: it would not
	local want=$1
	shift
	! traced "$@" && grep -q -- "$want" "$WORK/trace"
}
reaches() { at "$1" timeout 20 "$LOAD" run "$2" n=1 >/dev/null 2>&1; }
is_json() { ctl 1 trace --from c1 --to 10.10.0.200:80 --json | jq -e "$1" >/dev/null; }

C1=$(ip_of 1 c1) C2=$(ip_of 1 c2)
check "to an endpoint of the other host" says "FWD_DECAP" --from c1 --to "$C2:80/tcp"
check "on both hosts, by name" grep -q "node h2" "$WORK/trace"
check "the kernel holds the rows that it rests on" grep -q "kernel holds what the plan says" "$WORK/trace"
check "as a ping" says "FWD_DECAP" --from c1 --to "$C2"
check "which arrives" at c1 ping -c 1 -W 10 "$C2"
check "from the other host as well" says "FWD_LOCAL\|FWD_DECAP" --from c2 --to "$C1:80"
check "to a name, which is a service's" says "DNS answers web with 10.10.0.200" --from c1 --to web:80
check "and its backend" grep -q "one backend takes new flows: c2" "$WORK/trace"
check "which answers" reaches c1 10.10.0.200:80
check "a port that is not declared is refused" would_not "because of DROP_NO_PORT" --from c1 --to web:81
check "to an address nobody has" would_not "DROP_UNKNOWN_DST" --from c1 --to 10.10.0.99:80
check "larger than the MTU" would_not "FWD_TOO_BIG" --from c1 --to "$C2" --size 1500
check "out of an internal network" would_not "DROP_INTERNAL" --from q1 --to 192.0.2.7:80
check "a container to its own host" would_not "DROP_HOST" --from c1 --to 10.99.0.1:22
check "to a published port of its own host" says "FWD_DECAP" --from c1 --to 10.99.0.1:8080
check "to one of the other host" says "FWD_LOCAL" --from c1 --to 10.99.0.2:8080
check "from outside" says "FWD_DECAP" --from 10.99.0.9 --to 10.99.0.1:8080
check "as JSON" is_json '.Delivered and .Verdict == "FWD_DECAP" and (.Steps | length) > 3'
refuses "an endpoint that is not there" 'no endpoint "c9"' ctl 1 trace --from c9 --to "$C2:80"
refuses "a name that is not there" '"nowhere" is neither' ctl 1 trace --from c1 --to nowhere:80
refuses "a port that is none" 'no port from 1 to 65535' ctl 1 trace --from c1 --to "$C2:99999"
refuses "a protocol that is none" 'no protocol' ctl 1 trace --from c1 --to "$C2:80/tpc"
# A rule is named as `policy ls` has it. The other host judges by it, too.
rule() { ctl 1 --json policy ls | jq -r '.[0].ID[0:12]'; }
forbid() { ctl 1 policy deny --network app --from any --to service=web --port 80 >/dev/null; }
check "a rule that denies it is made" forbid
check "and named" would_not "rule $(rule) denies it" --from c1 --to web:80
check "which a packet meets" eval '! reaches c1 10.10.0.200:80'
check "and no other port" says "FWD_DECAP" --from c1 --to "$C2:81"
check "it is removed" ctl 1 policy rm "$(rule)"

# Somebody deletes a row behind the daemon's back: the address, then the VNI in host order.
key_of() { # NETWORK ADDRESS
	local vni o
	vni=$(vni_of "$1")
	IFS=. read -ra o <<<"$2"
	printf '0 0 0 0 0 0 0 0 0 0 255 255 %d %d %d %d ' "${o[@]}"
	printf '%d %d %d %d' $((vni & 255)) $((vni >> 8 & 255)) $((vni >> 16 & 255)) $((vni >> 24))
}
lose_row() {
	# shellcheck disable=SC2046 # bytes, one a word
	bpftool map delete pinned "$(echo "$WORK"/bpf/h1/v*/endpoints)" key $(key_of app "$C2")
}
check "a row of the kernel is lost" lose_row
check "and the trace says so" says "kernel does not hold what the plan says (a row of endpoint)" --from c1 --to "$C2:80"
drained() { would_not "left out of new flows: c2 .*drained" --from c1 --to web:80; }
ctl 2 service drain c2 >/dev/null
check "a backend that is drained is named" await 15 drained
