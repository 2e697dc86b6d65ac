# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Hosts and containers as network namespaces on a private fabric, for the demo,
# the namespace tests, the benchmarks and the VM tests. Source it, then:
#
#   topo_init NAME            a fabric; every namespace made is called NAME-...
#   topo_host N [SUFFIX]      host N: eth0 10.99.0.N/24 on the fabric
#   topo_daemon N [ARG...]    starts overlayd on host N and waits until it answers
#   topo_join N [ARG...]      the same, joining through host 1 with its token
#   topo_container C          an empty container namespace
#   ctl N ARG...              overlayctl of host N
#   at X COMMAND...           runs COMMAND inside namespace X (hN, a container, fab)
#   spawn X COMMAND...        the same in the background; its pid is $SPAWN
#   named X COMMAND...        as `at`, with names resolved by 127.0.0.11
#   topo_fini                 ends every daemon by its pid and removes all of it
#
#            fab: bridge br0
#           /       |       \
#     h1 eth0    h2 eth0    h3 eth0          10.99.0.1 .2 .3
#       |           |          |
#     c1, c2 ...  (endpoints that overlayd attaches)
#
# `at` enters with nsenter: `ip netns exec` would hide the bpffs behind a fresh /sys.

TOPO_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOPO_TOP/build}

die() {
	echo "$*" >&2
	exit 1
}

topo_init() {
	TOPO=$1
	WORK=$(mktemp -d "/tmp/overlayd-$TOPO.XXXXXX")
	declare -gA TOPO_PID=()
	TOPO_SPACES=() TOPO_SPAWNED=()
	mkdir "$WORK/bpf"
	mount -t bpf bpf "$WORK/bpf"
	topo_space fab
	at fab ip link add br0 type bridge
	at fab ip link set br0 up
}

topo_space() {
	ip netns add "$TOPO-$1"
	TOPO_SPACES+=("$TOPO-$1")
	at "$1" ip link set lo up
}

at() {
	local space=$1
	shift
	nsenter --net="/run/netns/$TOPO-$space" "$@"
}

# A container's /etc/resolv.conf is its runtime's to write; here a mount namespace stands in.
named() {
	local space=$1
	shift
	echo 'nameserver 127.0.0.11' >"$WORK/resolv.container"
	# shellcheck disable=SC2016 # for the inner shell
	at "$space" unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' \
		"$WORK/resolv.container" "$@"
}

# spawn X COMMAND...: in the background inside X; its pid is $SPAWN, ended by topo_fini.
spawn() {
	local space=$1
	shift
	nsenter --net="/run/netns/$TOPO-$space" "$@" &
	SPAWN=$!
	TOPO_SPAWNED+=("$SPAWN")
}

topo_host() {
	local n=$1
	topo_space "h$n"
	ip link add "h$n" netns "$TOPO-fab" type veth peer name eth0 netns "$TOPO-h$n"
	at fab ip link set "h$n" master br0 up
	at "h$n" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6' # its noise helps no test
	at "h$n" ip addr add "10.99.0.$n/24" dev eth0
	at "h$n" ip link set eth0 up
}

topo_container() {
	topo_space "$1"
}

ctl() {
	local n=$1
	shift
	"$BUILD/overlayctl" --run-dir "$WORK/h$n/run" "$@"
}

# Starts the daemon without waiting; its log is $WORK/hN/log.
topo_spawn() {
	local n=$1
	shift
	mkdir -p "$WORK/h$n"
	# Not `at ... &`: a function in the background is a shell, whose pid is not the daemon's.
	nsenter --net="/run/netns/$TOPO-h$n" "$BUILD/overlayd" --attach eth0 --node "h$n" --state-dir "$WORK/h$n/state" \
		--run-dir "$WORK/h$n/run" --bpffs "$WORK/bpf" --pin-dir "h$n" "$@" \
		>>"$WORK/h$n/log" 2>&1 &
	TOPO_PID[$n]=$!
}

topo_daemon() {
	topo_spawn "$@"
	await 20 ctl "$1" status >/dev/null || {
		tail -n 20 "$WORK/h$1/log" >&2
		die "the daemon of h$1 did not come up"
	}
}

topo_join() {
	local n=$1
	shift
	topo_daemon "$n" --join 10.99.0.1 --token "$(ctl 1 cluster token)" "$@"
}

topo_kill() { # SIGNAL N: ends a daemon and waits for its end
	kill "-$1" "${TOPO_PID[$2]}"
	wait "${TOPO_PID[$2]}" 2>/dev/null
	unset "TOPO_PID[$2]"
}

topo_detach() { # N: takes host N's data plane down
	at "h$1" "$BUILD/overlayd" --detach --bpffs "$WORK/bpf" --pin-dir "h$1"
}

# await SECONDS COMMAND...: repeats COMMAND until it succeeds; fails after SECONDS, and
# AWAIT_FACTOR times as many on machines that may be slow.
await() {
	local end=$((SECONDS + $1 * ${AWAIT_FACTOR:-1}))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# Everything that topo_init and what followed it made; safe to call at any point.
topo_fini() {
	local n
	[ -n "${TOPO:-}" ] || return 0
	for n in "${!TOPO_PID[@]}"; do
		kill -9 "${TOPO_PID[$n]}" 2>/dev/null
		wait "${TOPO_PID[$n]}" 2>/dev/null
	done
	for n in "${TOPO_SPAWNED[@]}"; do
		kill -9 "$n" 2>/dev/null
		wait "$n" 2>/dev/null
	done
	for n in "${TOPO_SPACES[@]}"; do
		ip netns del "$n" 2>/dev/null
	done
	umount "$WORK/bpf" 2>/dev/null
	rm -rf "$WORK"
	TOPO=
	return 0
}
