#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Counters that add up, by node, network and endpoint, after traffic of every kind; and the page
# of metrics that shows them. With XDP and without.
. "$(dirname "$0")/lib.sh"
topo_init counters
topo_host 1
topo_host 2
topo_daemon 1 --metrics 127.0.0.1:9100 --xdp off
topo_join 2 --metrics 127.0.0.1:9100 --xdp native
for n in 1 2; do await 20 alive "$n" 2 || die "h$n does not see 2 nodes"; done
network 2 app --subnet 10.10.0.0/24
network 2 dim --subnet 10.20.0.0/24
service 2 web --network app --lb rr --vip 10.10.0.200 --publish 8080:80
for n in 1 2; do
	attach "$n" app "k$n" || die "attach k$n"
	attach "$n" app "b$n" --service web || die "attach b$n"
	attach "$n" dim "d$n" || die "attach d$n"
	serve "b$n" 80
done
all_know 2 k1 k2 b1 b2 d1 d2
await 15 takes_everywhere 2 web.app b1 b2 || die "not all know all backends"
topo_space client
ip link add client netns "$TOPO-fab" type veth peer name eth0 netns "$TOPO-client"
at fab ip link set client master br0 up
at client ip addr add 10.99.0.9/24 dev eth0
at client ip link set eth0 up

# ---- traffic ----

run() { # SPACE ARG...
	local c=$1
	shift
	at "$c" timeout 60 "$LOAD" run "$@" >"$WORK/run"
}
check "a neighbour is pinged" pings k1 "$(ip_of 1 b1)"
check "somebody on the other host is" pings k1 "$(ip_of 1 k2)"
check "the gateway answers" pings k2 10.10.0.1
check "the other network has traffic, too" pings d1 "$(ip_of 1 d2)"
check "a VIP is called" run k1 10.10.0.200:80 n=10
check "and from the other host" run k2 10.10.0.200:80 n=10
check "a published port is called at host 1" run client 10.99.0.1:8080 n=10
check "and at host 2" run client 10.99.0.2:8080 n=10
check "the outside is called" pings k1 10.99.0.9
at k1 ping -c 5 -i 0.2 -W 1 10.10.0.99 >/dev/null 2>&1
at k1 ip neigh add 10.10.0.77 lladdr 02:42:0a:0a:00:4d dev eth0 nud permanent
at k1 ping -c 7 -i 0.2 -W 1 10.10.0.77 >/dev/null 2>&1
at k2 ip addr add 10.10.0.88/32 dev eth0
at k2 ping -c 3 -i 0.2 -W 1 -I 10.10.0.88 10.10.0.200 >/dev/null 2>&1

# ---- that they add up ----

page() { at "h$1" curl -sS --max-time 20 http://127.0.0.1:9100/metrics >"$WORK/page$1"; }
sum() { # FILE PATTERN: of the samples whose line matches
	awk -v p="$2" '$0 !~ /^#/ && $0 ~ p { n += $NF } END { printf "%d\n", n }' "$1"
}
# What moves between two readings (a container's ARP) would not add up: hence `await`.
node_adds_up() {
	local f=$WORK/page$1 in out
	sleep 1.1 # the page is made once a second
	page "$1" || return
	in=$(sum "$f" '^overlayd_entered_packets_total')
	out=$(($(sum "$f" '^overlayd_handed_on_packets_total') + $(sum "$f" '^overlayd_verdict_packets_total') +
		$(sum "$f" '^overlayd_dropped_packets_total')))
	[ "$in" -gt 100 ] && same "$in" "$out"
}
endpoints_add_up() {
	local f=$WORK/page$1
	page "$1" && same "$(sum "$f" '^overlayd_endpoint_sent_packets_total')" \
		"$(sum "$f" '^overlayd_entered_packets_total.program="endpoint"')" &&
		same "$(sum "$f" '^overlayd_endpoint_received_packets_total')" \
			"$(($(sum "$f" '^overlayd_verdict_packets_total.verdict="FWD_LOCAL"') +
			$(sum "$f" '^overlayd_verdict_packets_total.verdict="FWD_DECAP"')))"
}
traffic() { ctl "$1" --json "$2" inspect "$3" | jq -r ".[0].Traffic.$4.Packets"; }
network_adds_up() { # HOST NETWORK ENDPOINT...
	local n=$1 net=$2 what e total
	shift 2
	for what in Sent Received Dropped; do
		total=0
		for e in "$@"; do total=$((total + $(traffic "$n" endpoint "$e" $what))); done
		same "$(traffic "$n" network "$net" $what)" "$total" || return
	done
}
reasons() { ctl "$@" --json drops | jq '[.Drops[].Packets] | add'; }
dropped_by_endpoint() { # HOST ENDPOINT: its drops by reason are what it counts as dropped
	same "$(ctl "$1" --json drops --endpoint "$2" | jq '[.Drops[].Packets] | add')" "$(traffic "$1" endpoint "$2" Dropped)"
}
for n in 1 2; do
	check "host $n: entered is handed on, delivered, forwarded or dropped" await 20 node_adds_up "$n"
	check "host $n: what endpoints sent entered, and what was delivered they got" await 20 endpoints_add_up "$n"
	check "host $n: network app is the sum of its endpoints" await 20 network_adds_up "$n" app "k$n" "b$n"
	check "host $n: network dim is the sum of its endpoint" await 20 network_adds_up "$n" dim "d$n"
	check "host $n: the reasons of k$n add up to what it had dropped" await 20 dropped_by_endpoint "$n" "k$n"
done
reason_of() { ctl 1 --json drops --endpoint k1 | jq '.Drops[] | select(.Name == "DROP_UNKNOWN_DST").Packets'; }
check "seven pings to nobody are seven drops of k1" same "$(reason_of)" 7
spoofed() { ctl 2 --json drops --network app | jq '.Drops[] | select(.Name == "DROP_SPOOFED_IP").Packets'; }
check "three spoofed pings are three drops of network app on host 2" same "$(spoofed)" 3
refuses "drops of an endpoint that is not there" 'no endpoint "nobody"' ctl 1 drops --endpoint nobody
refuses "drops of a network that is not there" 'no network "nowhere"' ctl 1 drops --network nowhere
refuses "drops of an endpoint of the other host" 'lives on another node' ctl 1 drops --endpoint k2

# ---- top ----

spawn k2 ping -q -i 0.05 "$(ip_of 1 b1)" >/dev/null
sent() { ctl "$1" --json top --once | jq -e --arg n "$2" '.Endpoints[0] | .Name == $n and .PerSecond.SentPackets > 5'; }
check "top finds who sends, and how much" await 5 sent 2 k2
check "it prints a table where there is no terminal" grep -qE '^k2 +app +[1-9]' <(ctl 2 top --once)
check "and can leave other networks out" same "$(ctl 2 --json top --once --network dim | jq -r '[.Endpoints[].Name] | join(" ")')" d2
screen() { # what top draws on a terminal of 40 columns in some seconds
	timeout 30 script -qec "stty cols 40 rows 20; timeout -s INT 4 $BUILD/overlayctl --run-dir $WORK/h2/run top --interval 1" /dev/null
}
screen >"$WORK/screen"
check "on a terminal it draws in place" same "$(($(grep -c $'\033\[H' "$WORK/screen") > 1))" 1
check "no line is wider than that" same "$(sed 's/\x1b\[[0-9?]*[a-zA-Z]//g; s/\r//g' "$WORK/screen" | awk 'length > 40' | wc -l)" 0
check "and the cursor is there again" grep -q $'\033\[?25h' "$WORK/screen"
refuses "top of a network that is not there" 'no network "nowhere"' ctl 2 top --once --network nowhere

# ---- counts go with the endpoint ----

old=$(traffic 1 endpoint k1 Sent)
ctl 1 endpoint detach k1 >/dev/null
attach 1 app k1 || die "attach k1 again"
fewer() { [ "$(traffic 1 endpoint k1 Sent)" -lt "$old" ]; }
check "an endpoint that is made anew begins at 0" fewer

# ---- the page ----

strict() { awk -f "$TOPO_TOP/tests/lib/exposition.awk" "$WORK/page$1"; }
for n in 1 2; do
	check "host $n: the page is strict text format" strict "$n"
	check "promtool agrees" promtool check metrics <"$WORK/page$n"
done
shows() { grep -q "$1" "$WORK/page1"; }
check "a service's flows are there" shows '^overlayd_service_flows_total{service="web",network="app",backend="[0-9.]*"} [1-9]'
check "maps' rows and bounds are" shows '^overlayd_map_max_entries{map="endpoints"} 262144$'
check "the build is" shows '^overlayd_build_info{version="[0-9.]*",node="h1"} 1$'
check "the peer is" shows '^overlayd_peer_up{peer="h2"} 1$'
check "how long records were on their way is" grep -q '^overlayd_gossip_record_lag_seconds_count [1-9]' "$WORK/page2"
on_dashboard() { jq -r '.. | .expr? // empty' "$TOPO_TOP/tools/grafana/overlayd.json" | grep -o 'overlayd_[a-z0-9_]*' | sort -u; }
unknown() { on_dashboard | while read -r m; do grep -q "^# TYPE ${m%_bucket} " "$WORK/page1" || echo "$m"; done; }
check "the dashboard uses some metrics" grep -q overlayd_ <(on_dashboard)
check "and none that is not on the page" same "$(unknown)" ""

code() { at h1 curl -sS -o /dev/null -w '%{http_code}' --max-time 20 "$@"; }
check "another path is not found" same "$(code http://127.0.0.1:9100/)" 404
check "POST is not allowed" same "$(code -d x http://127.0.0.1:9100/metrics)" 405
check "a header of 64 KiB is refused" same "$(code -H "X: $(head -c 65536 /dev/zero | tr '\0' a)" http://127.0.0.1:9100/metrics)" 431
for _ in {1..20}; do
	# shellcheck disable=SC2016
	spawn h1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9100; printf "GET /metrics HTTP/1.1\r\n" >&3; exec sleep 300'
done
check "the daemon answers while twenty scrapers never finish asking" ctl 1 status
check "and serves the page when they are timed out" await 30 page 1

out=$(at h1 timeout 30 "$BUILD/overlayd" --attach eth0 --node x --state-dir "$WORK/x" --run-dir "$WORK/x/run" \
	--bpffs "$WORK/bpf" --pin-dir x --gossip-port 7000 --vxlan-port 4000 --metrics 127.0.0.1:9100 2>&1)
check "an address that is taken is said, and how to go on" grep -q 'metrics 127.0.0.1:9100: .*use' <<<"$out"
at h1 "$BUILD/overlayd" --detach --bpffs "$WORK/bpf" --pin-dir x 2>/dev/null
