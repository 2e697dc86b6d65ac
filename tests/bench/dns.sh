# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# DNS as a container meets it, beside dnsmasq with the same names:
#
#   overlayd   container d1: dnsperf -> 127.0.0.11, read by the daemon of host h1
#   dnsmasq    host h1:      dnsperf -> 127.0.0.11, a dnsmasq with the same host records
#
# Both ask the same upstream (another dnsmasq on h1) for what is not theirs. The
# servers run on CPU B, dnsperf on CPU A. Needs topo.sh, paths.sh (spawn) and run's
# own helpers.

DNS_NAMES=20
DNS_RATE=${DNS_RATE:-2000} # questions a second while latency is measured: neither is busy
declare -A DNS_SPACE=([dnsmasq]=h1 [overlayd]=d1)

dns_serve() { # ARG...: a dnsmasq on h1, CPU B
	spawn h1 taskset -c "$CPU_B" dnsmasq --keep-in-foreground -C /dev/null --no-resolv --no-hosts \
		--pid-file= --user=root --bind-interfaces --except-interface=eth0 "$@" \
		>>"$WORK/dnsmasq.log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
}

dns_init() {
	local n ours=() others=()
	topo_init bn
	topo_host 1
	echo "nameserver 127.0.0.53" >"$WORK/resolv.conf"
	topo_daemon 1 --resolv-conf "$WORK/resolv.conf"
	taskset -acp "$CPU_B" "${TOPO_PID[1]}" >/dev/null
	ctl 1 network create --subnet 10.10.0.0/24 app >/dev/null || die "cannot make a network"
	for ((n = 1; n <= DNS_NAMES; n++)); do
		topo_container "d$n"
		ctl 1 endpoint attach --network app --netns "/run/netns/$TOPO-d$n" \
			--ip "10.10.0.$((n + 1))" --name "e$n" >/dev/null || die "cannot attach e$n"
		ours+=("--host-record=e$n,10.10.0.$((n + 1))")
		others+=("--host-record=u$n.upstream.test,192.0.2.$n")
		echo "e$n A" >>"$WORK/own"
		echo "u$n.upstream.test A" >>"$WORK/kept"
	done
	dns_serve --listen-address=127.0.0.53 --local-ttl=3600 "${others[@]}"
	dns_serve --listen-address=127.0.0.11 --local-ttl=3 --server=127.0.0.53 --dns-forward-max=1000 \
		--cache-size=4096 "${ours[@]}"
	for n in dnsmasq overlayd; do
		await 10 dns_answers "$n" || die "$n does not answer"
	done
}

dns_answers() { # SERVER
	at "${DNS_SPACE[$1]}" dnsperf -s 127.0.0.11 -d "$WORK/kept" -n 1 -t 1 | grep -q 'completed: *20 (100' &&
		at "${DNS_SPACE[$1]}" dnsperf -s 127.0.0.11 -d "$WORK/own" -n 1 -t 1 | grep -q 'NOERROR 20 (100'
}

dns_perf() { # SERVER ARG...
	local space=${DNS_SPACE[$1]}
	shift
	at "$space" taskset -c "$CPU_A" dnsperf -s 127.0.0.11 -l "$DURATION" "$@"
}

dns_rate() { # SERVER NAMES: thousands a second
	dns_perf "$1" -d "$WORK/$2" -c 4 | awk '/Queries per second/ { printf "%.2f", $4 / 1e3 }'
}

dns_rate_tcp() { # SERVER NAMES
	dns_perf "$1" -d "$WORK/$2" -m tcp -c 4 | awk '/Queries per second/ { printf "%.2f", $4 / 1e3 }'
}

dns_p99() { # SERVER NAMES: microseconds
	dns_perf "$1" -d "$WORK/$2" -v -Q "$DNS_RATE" | awk '/^> / { print $NF * 1e6 }' | sort -n |
		awk '{ v[NR] = $1 } END { printf "%.0f", v[int(NR * 0.99 + 0.5)] }'
}

part_dns() {
	"$TOPO_TOP/tools/install-deps" --bench
	[ -x "$BUILD/overlayd" ] || die "$BUILD/overlayd is missing: run \"make\" first"
	dns_init
	pair_head "DNS in a container" dnsmasq overlayd
	pair_row "cluster's names by UDP, k/s" dns_rate dnsmasq overlayd own
	pair_row "  99th percentile, us (lower is better)" dns_p99 dnsmasq overlayd own
	pair_row "others' names, kept, by UDP, k/s" dns_rate dnsmasq overlayd kept
	pair_row "  99th percentile, us (lower is better)" dns_p99 dnsmasq overlayd kept
	pair_row "cluster's names by TCP, k/s" dns_rate_tcp dnsmasq overlayd own
	echo
	paths_fini
}
