# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "vip": what a service's VIP adds to the same traffic without one.
#
#   c1c ---- host c1 ==== host c2 ---- c2c   an endpoint: without VIP
#                            `-------- c3c   the one backend of a service: through its VIP
#
# Both by overlayd, both servers alike; only the client's host knows of the VIP.
# Needs topo.sh, paths.sh and run's own helpers.

VIP=10.10.0.200

vip_init() {
	paths_init
	topo_space c3c
	host_tune c3c
	ctl 1 service create --network bench --vip $VIP --name web >/dev/null || die "cannot create a service"
	await 20 ctl 2 service inspect web >/dev/null || die "host 2 did not learn of the service"
	ctl 2 endpoint attach --network bench --service web --netns "/run/netns/$TOPO-c3c" >/dev/null ||
		die "cannot attach the backend on host 2"
	SERVER[vip]=c3c
	CLIENT[vip]=c1c
	# The server binds to an address of its own; the client calls the VIP.
	TARGET[vip]=$(at c3c ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')
	path_serve vip
	TARGET[vip]=$VIP
	await 20 at c1c "$BUILD/bench/tcp_rr" rr "${TARGET[vip]}" $PORT_RR 0.01 >/dev/null ||
		die "nobody answers at the VIP ${TARGET[vip]}"
}

vip_rate() { # PATH rr|crr: thousands a second
	at "${CLIENT[$1]}" taskset -c $CPU_A "$BUILD/bench/tcp_rr" "$2" "${TARGET[$1]}" $PORT_RR \
		"$DURATION" | awk '{ printf "%.3f", $1 / 1e3 }'
}

# In turns of milliseconds: the difference is smaller than what the machine drifts in a second.
vip_rr() { # A B: thousands a second of each
	at c1c taskset -c $CPU_A "$BUILD/bench/tcp_rr" pair "${TARGET[$1]}" "${TARGET[$2]}" $PORT_RR \
		"$DURATION" | awk '{ printf "%.3f %.3f", 1e6 / $1, 1e6 / $2 }'
}

vip_crr() {
	vip_rate "$1" crr
}

vip_tcp() {
	at "${CLIENT[$1]}" timeout $((DURATION + 20)) taskset -c $CPU_A \
		iperf3 -c "${TARGET[$1]}" -C cubic -f k -t "$DURATION" | iperf_gbps
}

# Time in our programs, both hosts', by the kernel's own account: says what of a
# difference is theirs also where the machine is too noisy for the rates to agree.
vip_programs() { # PATH: nanoseconds a request and response
	local before after rate
	before=$(stats_read)
	rate=$(vip_rate "$1" rr)
	after=$(stats_read)
	awk -v n="$rate" -v s="$DURATION" 'NR == FNR { ns -= $2; next } { ns += $2 }
		END { printf "%.0f", ns / (n * 1e3 * s) }' <(echo "$before") <(echo "$after")
}

part_vip() {
	local PATHS=ours
	[ -x "$BUILD/overlayd" ] || die "$BUILD/overlayd is missing: run \"make\" first"
	make --no-print-directory -s -C "$TOPO_TOP" bench-traffic
	vip_init
	for WIRE in $WIRES; do
		wire_set "$WIRE"
		print_wire
		pair_head "a VIP's price" "without VIP" "through a VIP"
		steer one "$WIRE"
		pair_row_turns "TCP request/response, k/s" vip_rr ours vip
		stats_on
		pair_row "  of it in our programs, ns" vip_programs ours vip
		stats_off
		pair_row "connect/request/close, k/s" vip_crr ours vip
		steer two "$WIRE"
		pair_row "TCP one stream, Gb/s" vip_tcp ours vip
		echo
	done
	paths_fini
}
