#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Health checks: what a backend's own node finds out is what every host knows,
# and a daemon that returns remembers it and goes on.
. "$(dirname "$0")/lib.sh"
topo_init health
cluster 2
network 2 app --subnet 10.10.0.0/24
service() { # NAME ARG...: created on host 1, known on host 2
	ctl 1 service create --network app --name "$@" >/dev/null || die "service create $1 failed"
	await 15 ctl 2 service inspect "$1" >/dev/null || die "h2 never heard of $1"
}
backend() { # HOST SERVICE NAME FIELD: of one backend, as that host sees it
	ctl "$1" --json service inspect "$2" |
		jq -r --arg n "$3" --arg f "$4" '.[0].Backends[] | select(.Name == $n)[$f]'
}
health_is() { # SERVICE NAME HEALTH STATE: on both hosts
	local n
	for n in 1 2; do
		same "$(backend "$n" "$1" "$2" Health) $(backend "$n" "$1" "$2" State)" "$3 $4" || return
	done
}
replicas() { # HOST SERVICE
	ctl "$1" --json service ls | jq -r --arg n "$2" '.[] | select(.Name == $n).Replicas'
}
replicas_are() { same "$(replicas 1 "$1") $(replicas 2 "$1")" "$2 $2"; }
listens() { at "$1" sh -c "ss -Hltn | grep -q ':$2 '"; }
listen() { # CONTAINER PORT: a server, its pid in $SPAWN
	spawn "$1" busybox nc -ll -p "$2" -e true >/dev/null 2>&1
	await 5 listens "$1" "$2" || die "$1 does not listen"
}
end() { # PID: a server of ours, and its end
	kill "$1"
	wait "$1" 2>/dev/null
}

# TCP
service web --health tcp:7000 --health-interval 1
attach 1 app c1 --service web || die "attach c1"
attach 2 app c2 --service web || die "attach c2"
all_know 2 c1 c2
check "a backend that does not listen is found out at once" await 10 health_is web c1 unhealthy unhealthy
check "on the other host too" await 10 health_is web c2 unhealthy unhealthy
check "and none is counted as serving" replicas_are web 0/2
listen c1 7000
listen c2 7000
two=$SPAWN
check "it serves once it listens, and both hosts know" await 20 health_is web c1 healthy serving
check "whichever host it is on" await 20 health_is web c2 healthy serving
check "all are counted as serving" await 5 replicas_are web 2/2
check "its endpoint says so too" same "$(ctl 2 --json endpoint inspect c1 | jq -r '.[0].Health')" healthy
end "$two"
check "one that stops listening becomes unhealthy on both hosts" await 20 health_is web c2 unhealthy unhealthy
check "the log of its host says why" grep -q 'unhealthy: .*:7000: nothing listens there' "$WORK/h2/log"
check "the others stay" health_is web c1 healthy serving
check_not "nobody checks another host's backends" grep -q "$(ip_of 1 c2):7000" "$WORK/h1/log"

# A backend is tried as soon as it is there, whatever the interval.
service slow --health tcp:7001 --health-interval 3600
topo_container c3
listen c3 7001
three=$SPAWN
attach 2 app c3 --service slow || die "attach c3"
check "a first look does not wait for an interval" await 15 health_is slow c3 healthy serving

# What the daemon knew is known to its successor, which goes on checking.
end "$three"
topo_kill KILL 2
check "a dead daemon's records stay" same "$(backend 1 web c2 Health)" unhealthy
topo_daemon 2
check "a restarted daemon keeps the recorded health" same "$(backend 2 slow c3 Health)" healthy
await 20 alive 2 2 && await 20 alive 1 2 || die "h2 is not a member again"
check "and nobody takes it for anything else" health_is slow c3 healthy serving
listen c2 7000
two=$SPAWN
check "it goes on checking" await 20 health_is web c2 healthy serving
end "$two"
check "in both directions" await 20 health_is web c2 unhealthy unhealthy

# HTTP
mkdir "$WORK/www"
service http --health http:8000/up --health-interval 1
attach 2 app c4 --service http || die "attach c4"
spawn c4 busybox httpd -f -p 8000 -h "$WORK/www"
check "an answer of 404 is unhealthy" await 15 health_is http c4 unhealthy unhealthy
answered_404() { grep -q 'unhealthy: .*:8000/up: answered with HTTP status 404' "$WORK/h2/log"; }
touch "$WORK/www/up"
check "an answer of 200 is healthy" await 20 health_is http c4 healthy serving
rm "$WORK/www/up"
check "and 404 again is not" await 20 health_is http c4 unhealthy unhealthy
check "the log says which answer it was" answered_404

# The check is a part of the service that can be changed.
ctl 1 service update --health none http >/dev/null || die "service update"
check "without a check every backend serves" await 15 health_is http c4 none serving
ctl 1 service update --health tcp:8000 --health-interval 1 http >/dev/null || die "service update"
check "another check finds what it finds" await 20 health_is http c4 healthy serving
