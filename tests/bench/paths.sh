# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The three paths of the comparison, each between two hosts of its own:
#
#   bare     a1 wa1 ============================================ wa2 a2
#   docker   b1c eth0 - veth0 br0 vxlan0 (b1o) ~ b1 wb1 ==== wb2 b2 ~ (b2o) ... b2c
#   ours     c1c eth0 - host side, overlayd (c1) wc1 ======= wc2 (c2) ... c2c
#
#   ====  one veth pair, 10.99.0.1 to 10.99.0.2, no fabric between
#   b1o   the overlay namespace of libnetwork: its vxlan device is made in the
#         host's namespace, so that the socket stays there, and moved
#
# Needs tests/lib/topo.sh. Every path has its own hosts, so that no program,
# socket or device of one can be met by the packets of another.

OVERLAY_MTU=1450 # 1500 less IPv4 20, UDP 8, VXLAN 8, Ethernet 14
DOCKER_VNI=4097
declare -A LETTER=([bare]=a [docker]=b [ours]=c)
declare -A CLIENT=([bare]=a1 [docker]=b1c [ours]=c1c)
declare -A SERVER=([bare]=a2 [docker]=b2c [ours]=c2c)
declare -A TARGET=() # the server's address
SERVER_PIDS=()

paths_init() {
	local path
	topo_init bn
	for path in $PATHS; do
		[ -e "/run/netns/$TOPO-${LETTER[$path]}1" ] || path_wire "${LETTER[$path]}"
		"path_$path"
		path_await "$path"
		path_serve "$path"
	done
}

paths_fini() {
	local pid
	set +e
	for pid in "${SERVER_PIDS[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	SERVER_PIDS=()
	topo_fini
	set -e
}

# Not through `at`: the number of a background function is its shell's, not the program's.
spawn() { # SPACE COMMAND...: sets SPAWNED
	local space=$1
	shift
	nsenter --net="/run/netns/$TOPO-$space" "$@" &
	SPAWNED=$!
}

host_tune() { # SPACE: what every end of a path has alike
	# Beyond 1 MB a stream measures page allocation and cold caches.
	at "$1" sysctl -q -w net.ipv4.tcp_rmem="4096 131072 1048576" \
		net.ipv4.tcp_wmem="4096 65536 1048576"
	# Connect/request/close shall not run out of ports within a row.
	at "$1" sysctl -q -w net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range="1024 65535"
	at "$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
		2>/dev/null || true
}

path_wire() { # LETTER: two hosts on one veth pair
	local l=$1 n
	topo_space "${l}1"
	topo_space "${l}2"
	ip link add "w${l}1" netns "$TOPO-${l}1" type veth peer name "w${l}2" netns "$TOPO-${l}2"
	for n in 1 2; do
		host_tune "$l$n"
		at "$l$n" ip addr add "10.99.0.$n/24" dev "w$l$n"
		at "$l$n" ip link set "w$l$n" up
	done
}

path_bare() {
	TARGET[bare]=10.99.0.2
}

path_docker() {
	docker_side b 1 2 $OVERLAY_MTU
	docker_side b 2 1 $OVERLAY_MTU
	TARGET[docker]=10.10.0.12
}

docker_side() { # LETTER SIDE PEER MTU: the objects of libnetwork's overlay driver on one host
	local l=$1 n=$2 peer=$3 mtu=$4
	topo_space "$l${n}o"
	topo_space "$l${n}c"
	host_tune "$l${n}c"
	ip -n "$TOPO-$l$n" link add vx type vxlan id $DOCKER_VNI dstport 4789 learning proxy \
		l2miss l3miss
	ip -n "$TOPO-$l$n" link set vx netns "$TOPO-$l${n}o" name vxlan0
	at "$l${n}o" ip link add br0 type bridge vlan_default_pvid 0
	at "$l${n}o" ip addr add 10.10.0.1/24 dev br0
	ip link add veth0 netns "$TOPO-$l${n}o" type veth peer name eth0 netns "$TOPO-$l${n}c"
	at "$l${n}o" ip link set vxlan0 mtu "$mtu" master br0
	at "$l${n}o" ip link set veth0 mtu "$mtu" master br0
	at "$l${n}c" ip link set eth0 mtu "$mtu" address "02:42:0a:0a:00:1$n"
	at "$l${n}c" ip addr add "10.10.0.1$n/24" dev eth0
	at "$l${n}o" ip link set br0 up
	at "$l${n}o" ip link set vxlan0 up
	at "$l${n}o" ip link set veth0 up
	at "$l${n}c" ip link set eth0 up
	at "$l${n}o" ip neigh add "10.10.0.1$peer" lladdr "02:42:0a:0a:00:1$peer" dev vxlan0 \
		nud permanent
	at "$l${n}o" bridge fdb add "02:42:0a:0a:00:1$peer" dev vxlan0 dst "10.99.0.$peer" \
		self permanent
}

path_ours() {
	ours_daemon 1
	ours_daemon 2 --join 10.99.0.1 --token "$(ctl 1 cluster token)"
	ours_network bench 10.10.0.0/24
	ours_attach 1 c1c bench
	ours_attach 2 c2c bench
	TARGET[ours]=$(ours_address c2c)
}

ours_network() { # NAME SUBNET [ARG...]
	ctl 1 network create --subnet "$2" "${@:3}" "$1" >/dev/null || die "cannot make network $1"
	await 20 ctl 2 network inspect "$1" >/dev/null || die "host 2 did not learn of network $1"
}

ours_daemon() { # SIDE [ARG...]: overlayd with this run's pins and state, waits until it answers
	local n=$1
	shift
	mkdir -p "$WORK/h$n"
	spawn "c$n" "$BUILD/overlayd" --attach "wc$n" --node "c$n" --state-dir "$WORK/h$n/state" \
		--run-dir "$WORK/h$n/run" --bpffs "$WORK/bpf" --pin-dir "c$n" "$@" \
		>>"$WORK/h$n/log" 2>&1
	TOPO_PID[$n]=$SPAWNED
	await 20 ctl "$n" status >/dev/null || {
		tail -n 20 "$WORK/h$n/log" >&2
		die "overlayd of host $n did not come up"
	}
}

ours_attach() { # SIDE CONTAINER NETWORK
	topo_space "$2"
	host_tune "$2"
	ctl "$1" endpoint attach --network "$3" --netns "/run/netns/$TOPO-$2" >/dev/null ||
		die "cannot attach a container on host $1"
}

ours_address() { # CONTAINER
	at "$1" ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }' | grep . ||
		die "$1 has no address on its eth0"
}

path_await() { # PATH: until the two ends reach each other
	local path=$1
	await 20 at "${CLIENT[$path]}" ping -q -c 1 -W 1 "${TARGET[$path]}" >/dev/null && return
	[ "$path" != ours ] || tail -n 20 "$WORK"/h?/log >&2
	die "path \"$path\" carries nothing: ${TARGET[$path]} does not answer a ping"
}

# Servers run for the whole measurement: an idle one costs nothing.
path_serve() { # PATH
	local space=${SERVER[$1]} to=${TARGET[$1]} log="$WORK/servers.log"
	spawn "$space" taskset -c "$CPU_B" iperf3 -s -B "$to" >>"$log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
	spawn "$space" taskset -c "$CPU_A" "$BUILD/bench/tcp_rr" serve "$to" "$PORT_RR" >>"$log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
	spawn "$space" taskset -c "$CPU_B" "$BUILD/bench/udp_rate" sink "$to" "$PORT_UDP" >>"$log" 2>&1
	SERVER_PIDS+=("$SPAWNED")
	await 10 at "${CLIENT[$1]}" "$BUILD/bench/tcp_rr" rr "$to" "$PORT_RR" 0.01 >/dev/null ||
		die "path \"$1\" carries ping but no TCP"
	await 10 at "${CLIENT[$1]}" "$BUILD/bench/udp_rate" send "$to" "$PORT_UDP" 0.01 >/dev/null ||
		die "path \"$1\" carries ping but no UDP"
}

# ---- the wire, and which CPU does its work ----

each_wire() { # COMMAND...: runs COMMAND SPACE DEVICE SIDE for both ends of every wire
	local path n l
	for path in $PATHS; do
		l=${LETTER[$path]}
		for n in 1 2; do
			"$@" "$l$n" "w$l$n" "$n"
		done
	done
}

# super: veth as is, packets of 64 KB cross it whole. nic: what a network card
# without tunnel offload does: segments leave, and are merged again on arrival.
wire_set() { # super|nic
	each_wire "wire_$1"
}

wire_super() {
	at "$1" ethtool -K "$2" tso on tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on \
		gro off >/dev/null
}

wire_nic() {
	at "$1" ethtool -K "$2" tso off tx-udp_tnl-segmentation off \
		tx-udp_tnl-csum-segmentation off gro on >/dev/null
}

# one: everything stays on the CPU that sends. two: what arrives at host 1 is
# worked on by CPU A and what arrives at host 2 by CPU B, as if they were two
# machines; without it both transmit and reorder each other's packets.
steer() { # one|two super|nic
	each_wire "steer_$1_$2"
}

steer_one_super() {
	dev_rps "$1" "$2" 0
}

steer_one_nic() {
	dev_threaded "$1" "$2" 0
	dev_rps "$1" "$2" 0
}

steer_two_super() { # no GRO, so no poll that could be a thread
	dev_rps "$1" "$2" "$(printf %x $((1 << (($3 == 1) ? CPU_A : CPU_B))))"
}

# A veth with GRO polls where its peer sends, unless its poll is a thread.
steer_two_nic() {
	local comm
	dev_threaded "$1" "$2" 1
	dev_rps "$1" "$2" 0
	for comm in /proc/[0-9]*/comm; do
		case $(cat "$comm" 2>/dev/null) in "napi/$2-"*)
			comm=${comm%/comm}
			taskset -cp "$( (($3 == 1)) && echo "$CPU_A" || echo "$CPU_B")" \
				"${comm#/proc/}" >/dev/null
			;;
		esac
	done
}

# `ip netns exec` and not `at`: it shows the namespace's own /sys.
dev_threaded() { # SPACE DEVICE 0|1
	# shellcheck disable=SC2016
	ip netns exec "$TOPO-$1" sh -c 'echo "$2" >/sys/class/net/$1/threaded' sh "$2" "$3" ||
		die "cannot make the poll of $2 a thread"
}

dev_rps() { # SPACE DEVICE MASK
	# shellcheck disable=SC2016
	ip netns exec "$TOPO-$1" sh -c 'for q in /sys/class/net/$1/queues/rx-*; do
		echo "$2" >"$q/rps_cpus" || exit 1; done' sh "$2" "$3" ||
		die "cannot steer what arrives at $2"
}
