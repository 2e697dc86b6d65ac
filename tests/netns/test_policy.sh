#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Policy on two hosts: web may call the API's port 80, and nothing else may; what is
# denied is counted, and cut when it was allowed; audit only counts.
. "$(dirname "$0")/lib.sh"
topo_init policy
cluster 2
network 2 app --subnet 10.10.0.0/24
service 2 api --network app
attach 1 app w1 --label tier=web || die "attach w1"
attach 2 app w2 --label tier=web || die "attach w2"
attach 1 app o1 || die "attach o1"
attach 2 app a2 --service api || die "attach a2"
serve a2 80
serve a2 81
serve w1 80
all_know 2 w1 w2 o1 a2
await 15 takes_everywhere 2 api a2 || die "not all know the backend"
V=${VIP[api]}
A=$(ip_of 1 a2)
W=$(ip_of 1 w1)

calls() { at "$1" timeout "${T:-20}" "$LOAD" run "$2" n=1 >/dev/null; }
gets_through() { T=3 calls "$@"; } # what must not: it need not be waited for so long
listed() { # HOST COUNT: so many rules are known there
	same "$(ctl "$1" --json policy ls --network app | jq 'map(select(.ID != "default")) | length')" "$2"
}
default_is() { # HOST DEFAULT AUDIT
	same "$(ctl "$1" --json network inspect app | jq -r '.[0].Policy | "\(.Default) \(.Audit)"')" "$2 $3"
}
default() { # DEFAULT [ARG...]: in force on both hosts
	ctl 1 policy default --network app "$@" >/dev/null || die "policy default $*"
}
everywhere() { # COMMAND HOST-ARG...: on both hosts
	local command=$1 n
	shift
	for n in 1 2; do await 15 "$command" "$n" "$@" || die "h$n: not $command $*"; done
}
hits() { # HOST ID
	ctl "$1" --json policy ls | jq --arg id "$2" '.[] | select(.ID == $id).Hits'
}

# ---- before ----

check "without rules anybody calls anybody" calls o1 "$A:81"
check "also by the VIP" calls o1 "$V:80"

# ---- web may call the API, nothing else may ----

default deny
everywhere default_is deny false
R=$(ctl 1 policy allow --network app --from label=tier=web --to service=api --port 80) || die "no rule"
everywhere listed 1
check "web calls the API's port from another host" calls w1 "$A:80"
check "and from the same host" calls w2 "$A:80"
check "and by its VIP" calls w1 "$V:80"
check_not "it calls no other port of the API" gets_through w1 "$A:81"
check_not "others do not call the API" gets_through o1 "$A:80"
check_not "nor by its VIP" gets_through o1 "$V:80"
check_not "the API does not call web" gets_through a2 "$W:80"
check_not "web does not ping the API" pings w1 "$A"
check_not "web does not call web" gets_through w2 "$W:80"
check "what was denied is counted as that, on the caller's host" [ "$(drops 1 DROP_POLICY)" -gt 0 ]
check "the rule's hits show" [ "$(hits 1 "$R")" -gt 0 ]
check "and nothing else was dropped" same "$(unexpected 1 POLICY)" ""

# ---- the daemons die ----

topo_kill KILL 1
topo_kill KILL 2
check "policy is in force while no daemon runs" calls w1 "$A:80"
check_not "all of it" gets_through o1 "$A:80"
topo_daemon 1
topo_daemon 2
everywhere listed 1
check "and when they are back" calls w1 "$A:80"
check_not "all of it, too" gets_through o1 "$A:80"

# ---- an established connection is cut ----

held held w1 "$A:80" k=2
D=$(ctl 2 policy deny --network app --from any --to service=api --port 1-100) || die "no rule"
everywhere listed 2
is_cut() { breaks held | grep -q .; }
check "a rule that denies cuts connections that are established" await 10 is_cut
check_not "and lets nobody begin one" gets_through w1 "$A:80"
check "its hits show on the caller's host" [ "$(hits 1 "$D")" -gt 0 ]
end held
ctl 1 policy rm "${D:0:12}" >/dev/null || die "policy rm"
everywhere listed 1
check "without the rule web calls again" calls w1 "$A:80"

# ---- audit ----

default --audit on
everywhere default_is deny true
before=$(drops 1 DROP_POLICY)
check "in audit everybody passes" calls o1 "$A:81"
check "what would have been denied is counted by the default" [ "$(hits 1 default)" -gt 0 ]
check "and nothing is dropped" same "$(drops 1 DROP_POLICY)" "$before"
default --audit off
everywhere default_is deny false
check_not "until it ends" gets_through o1 "$A:81"

# ---- who is named and goes ----

ctl 1 service rm api >/dev/null || die "service rm"
orphaned() { ctl "$1" --json policy ls | jq -e '.[0].Orphaned' >/dev/null; }
everywhere orphaned
check_not "a rule about a service that is gone lets nobody in" gets_through w1 "$A:80"
default allow
everywhere default_is allow false
ctl 2 policy rm "$R" >/dev/null || die "policy rm"
everywhere listed 0
check "without rules and denial anybody calls anybody again" calls o1 "$A:81"

# ---- bad input ----

refuses "an unknown service" 'no service "x" on network app' ctl 1 policy allow --network app --from service=x --to any
refuses "a bad prefix" 'did you mean 10.10.0.0/24' ctl 1 policy deny --network app --from cidr=10.10.0.7/24 --to any
R=$(ctl 1 policy deny --network app --from cidr=192.0.2.0/24 --to any)
refuses "the same rule twice" "rule ${R:0:12} of network app says exactly this" \
	ctl 1 policy deny --network app --from cidr=192.0.2.0/24 --to any
refuses "its opposite" "rule ${R:0:12} of network app denies exactly this" \
	ctl 1 policy allow --network app --from cidr=192.0.2.0/24 --to any
refuses "no such rule" 'no rule "0123456789ab"' ctl 1 policy rm 0123456789ab
