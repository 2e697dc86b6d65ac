# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "mesh": a published port beside DNAT by nftables, called by one client outside.
#
#   m9 client ---.                    .--- m1 entry, overlayd --- near     m2 overlayd --- far
#                 fab (bridge, one LAN)
#                                     `--- m3 entry, nftables --- m3k      m4 router   --- m4k
#
#   near   the backend is on the entry node: nft translates the destination and routes
#   far    it is on another node: nft also masquerades, so that answers come back; the
#          other node is reached by a plain route, without a tunnel
#
# Needs topo.sh, paths.sh, pair.sh and run's own helpers.

declare -A MESH_ADDR=([nft]=10.99.0.3 [ours]=10.99.0.1)
declare -A MESH_PORT=([near]=7001 [far]=7002)        # to tcp_rr
declare -A MESH_PORT_STREAM=([near]=7003 [far]=7004) # to iperf3
MESH_HOSTS="1 2 3 4 9"

mesh_host() { # N: device wmN on the LAN; a name of its own, for its poll thread has it, too
	topo_space "m$1"
	host_tune "m$1"
	ip link add "pm$1" netns "$TOPO-fab" type veth peer name "wm$1" netns "$TOPO-m$1"
	at fab ip link set "pm$1" master br0 up
	at "m$1" ip addr add "10.99.0.$1/24" dev "wm$1"
	at "m$1" ip link set "wm$1" up
}

mesh_each() { # COMMAND...: runs COMMAND SPACE DEVICE SIDE; the client is side 1, all else 2
	local n
	for n in $MESH_HOSTS; do
		"$@" "m$n" "wm$n" $((n == 9 ? 1 : 2))
	done
}

mesh_serve() { # SPACE ADDRESS
	spawn "$1" taskset -c "$CPU_B" iperf3 -s -B "$2" >>"$WORK/servers.log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
	spawn "$1" taskset -c "$CPU_A" "$BUILD/bench/tcp_rr" serve "$2" "$PORT_RR" >>"$WORK/servers.log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
}

# ---- overlayd ----

mesh_daemon() { # N [ARG...]
	local n=$1
	shift
	mkdir -p "$WORK/h$n"
	spawn "m$n" "$BUILD/overlayd" --attach "wm$n" --node "m$n" --state-dir "$WORK/h$n/state" \
		--run-dir "$WORK/h$n/run" --bpffs "$WORK/bpf" --pin-dir "c$n" "$@" >>"$WORK/h$n/log" 2>&1
	TOPO_PID[$n]=$SPAWNED
	await 20 ctl "$n" status >/dev/null || {
		tail -n 20 "$WORK/h$n/log" >&2
		die "overlayd of host m$n did not come up"
	}
}

mesh_service() { # NODE near|far
	local n=$1 name=$2
	ctl 1 service create --network bench --name "$name" \
		--publish "published=${MESH_PORT[$name]},target=$PORT_RR" \
		--publish "published=${MESH_PORT_STREAM[$name]},target=5201" >/dev/null ||
		die "cannot publish $name"
	await 20 ctl "$n" service inspect "$name" >/dev/null || die "host m$n did not learn of $name"
	topo_space "$name"
	host_tune "$name"
	ctl "$n" endpoint attach --network bench --netns "/run/netns/$TOPO-$name" --service "$name" \
		>/dev/null || die "cannot attach $name on host m$n"
	mesh_serve "$name" "$(at "$name" ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')"
}

mesh_ours() {
	mesh_daemon 1
	mesh_daemon 2 --join 10.99.0.1 --token "$(ctl 1 cluster token)"
	ctl 1 network create --subnet 10.10.0.0/24 bench >/dev/null
	await 20 ctl 2 network inspect bench >/dev/null || die "host m2 did not learn of the network"
	mesh_service 1 near
	mesh_service 2 far
}

# ---- nftables ----

mesh_container() { # N: a container of node mN, routed
	topo_space "m$1k"
	host_tune "m$1k"
	ip link add k0 netns "$TOPO-m$1" type veth peer name eth0 netns "$TOPO-m$1k"
	at "m$1" ip addr add "10.20.$1.1/24" dev k0
	at "m$1" ip link set k0 up
	at "m$1k" ip addr add "10.20.$1.2/24" dev eth0
	at "m$1k" ip link set eth0 up
	at "m$1k" ip route add default via "10.20.$1.1"
	at "m$1" sysctl -q -w net.ipv4.ip_forward=1
	mesh_serve "m$1k" "10.20.$1.2"
}

mesh_nft() {
	mesh_container 3
	mesh_container 4
	at m3 ip route add 10.20.4.0/24 via 10.99.0.4
	at m3 nft -f - <<-END || die "nft refuses the rules of DNAT"
		table ip mesh {
			chain in {
				type nat hook prerouting priority -100;
				tcp dport ${MESH_PORT[near]} dnat to 10.20.3.2:$PORT_RR
				tcp dport ${MESH_PORT_STREAM[near]} dnat to 10.20.3.2:5201
				tcp dport ${MESH_PORT[far]} dnat to 10.20.4.2:$PORT_RR
				tcp dport ${MESH_PORT_STREAM[far]} dnat to 10.20.4.2:5201
			}
			chain out {
				type nat hook postrouting priority 100;
				ip daddr 10.20.4.0/24 masquerade
			}
		}
	END
}

# ---- measuring: WHO is nft or ours, WHERE is near or far ----

mesh_rate() { # WHO rr|crr WHERE [SECONDS]: thousands a second
	at m9 taskset -c $CPU_A "$BUILD/bench/tcp_rr" "$2" "${MESH_ADDR[$1]}" "${MESH_PORT[$3]}" \
		"${4:-$DURATION}" | awk '{ printf "%.3f", $1 / 1e3 }'
}

mesh_crr() { # WHO WHERE
	mesh_rate "$1" crr "$2"
}

mesh_turns() { # WHERE NAME NAME: thousands a second of each, in turns of milliseconds
	at m9 taskset -c $CPU_A "$BUILD/bench/tcp_rr" pair "${MESH_ADDR[$2]}" "${MESH_ADDR[$3]}" \
		"${MESH_PORT[$1]}" "$DURATION" | awk '{ printf "%.3f %.3f", 1e6 / $1, 1e6 / $2 }'
}

mesh_rr_near() {
	mesh_turns near "$@"
}

mesh_rr_far() {
	mesh_turns far "$@"
}

mesh_tcp() { # WHO WHERE
	at m9 timeout $((DURATION + 20)) taskset -c $CPU_A iperf3 -c "${MESH_ADDR[$1]}" \
		-p "${MESH_PORT_STREAM[$2]}" -C cubic -f k -t "$DURATION" | iperf_gbps
}

mesh_init() {
	local n who where
	topo_init bn
	for n in $MESH_HOSTS; do mesh_host "$n"; done
	mesh_ours
	mesh_nft
	for who in nft ours; do
		for where in near far; do
			await 20 mesh_rate "$who" rr "$where" 0.01 >/dev/null ||
				die "$who: nobody answers at ${MESH_ADDR[$who]}:${MESH_PORT[$where]}"
		done
	done
}

mesh_rows() { # near|far
	mesh_each "steer_one_$WIRE"
	pair_row_turns "$1: TCP request/response, k/s" "mesh_rr_$1" nft ours
	pair_row "$1: connect/request/close, k/s" mesh_crr nft ours "$1"
	mesh_each "steer_two_$WIRE"
	pair_row "$1: TCP one stream, Gb/s" mesh_tcp nft ours "$1"
}

part_mesh() {
	[ -x "$BUILD/overlayd" ] || die "$BUILD/overlayd is missing: run \"make\" first"
	command -v nft >/dev/null || die "nft is missing: \"make deps\" installs it"
	make --no-print-directory -s -C "$TOPO_TOP" bench-traffic
	mesh_init
	for WIRE in $WIRES; do
		mesh_each "wire_$WIRE"
		print_wire
		pair_head "a published port" "DNAT by nft" "overlayd"
		mesh_rows near
		mesh_rows far
		echo
	done
	paths_fini
}
