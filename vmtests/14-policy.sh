#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Policy on this kernel: web may call the API, nothing else may; a rule that goes cuts what it
# allowed. tests/netns/test_policy.sh has the rest.
. "$(dirname "$0")/lib.sh"
topo_init policy
cluster 2
network 2 app --subnet 10.10.0.0/24
service 2 api --network app
attach 1 app w1 --label tier=web || die "attach w1"
attach 1 app o1 || die "attach o1"
attach 2 app a2 --service api || die "attach a2"
serve a2 80
all_know 2 w1 o1 a2
await 15 takes_everywhere 2 api a2 || die "not all know the backend"
V=${VIP[api]}
A=$(ip_of 1 a2)

calls() { at "$1" timeout 30 "$LOAD" run "$2" n=1 >/dev/null; }
gets_through() { at "$1" timeout 10 "$LOAD" run "$2" n=1 >/dev/null; } # what must not
rules() { # HOST COUNT
	same "$(ctl "$1" --json policy ls --network app | jq 'map(select(.ID != "default")) | length')" "$2"
}
denies() { same "$(ctl "$1" --json network inspect app | jq -r '.[0].Policy.Default')" deny; }
everywhere() { # COMMAND ARG...
	local command=$1 n
	shift
	for n in 1 2; do await 15 "$command" "$n" "$@" || die "h$n: not $command $*"; done
}

check "without rules anybody calls the API" calls o1 "$V:80"
ctl 1 policy default --network app deny >/dev/null || die "policy default"
R=$(ctl 1 policy allow --network app --from label=tier=web --to service=api --port 80) || die "no rule"
everywhere denies
everywhere rules 1
check "web calls the API" calls w1 "$A:80"
check "also by its VIP" calls w1 "$V:80"
check_not "others do not" gets_through o1 "$A:80"
check_not "nor by its VIP" gets_through o1 "$V:80"
check "what was denied is counted as that" [ "$(drops 1 DROP_POLICY)" -gt 0 ]
ctl 1 trace --from o1 --to "$A:80" >"$WORK/trace"
check "and trace says so beforehand" grep -q DROP_POLICY "$WORK/trace"
topo_kill KILL 1
check "a daemon that is dead changes nothing of it" calls w1 "$A:80"
check_not "in neither way" gets_through o1 "$A:80"
topo_daemon 1
await 60 rules 1 1 || die "h1 does not know its rule again"

held long w1 "$V:80" k=2
ctl 2 policy rm "$R" >/dev/null || die "policy rm"
everywhere rules 0
is_cut() { breaks long | grep -q .; }
check "a rule that goes cuts the connections that it allowed" await 15 is_cut
check_not "and lets nobody begin one" gets_through w1 "$V:80"
end long
