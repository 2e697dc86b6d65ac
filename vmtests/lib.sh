# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A scenario, run inside a guest: sources this, then uses the words of
# tests/netns/lib.sh (check, cluster, attach ...). Prints "ok NAME" and "not ok NAME".

# Programs on 9p are read anew, page by page, with each start: ours, what scripts call all the
# time, and the libraries of both are taken into memory.
export BUILD=/run/overlayd
mkdir -p "$BUILD" /run/bin /run/lib
take() { # DIRECTORY PROGRAM...
	cp -L "${@:2}" "$1"
	ldd "${@:2}" | awk '/=> \// { print $3 }' | sort -u | xargs cp -Lnt /run/lib
}
take "$BUILD" build/overlayd build/overlayctl
mapfile -t often < <(type -P bash ip jq ping nsenter sleep grep sed awk cat date timeout bpftool ss)
take /run/bin "${often[@]}"
export LD_LIBRARY_PATH=/run/lib PATH=/run/bin:$PATH
hash -r

# Emulation is slow by a factor that depends on what else the machine does.
export AWAIT_FACTOR=6
# shellcheck source=tests/netns/lib.sh
. tests/netns/lib.sh
VMTEST_DIR=$(dirname "${BASH_SOURCE[0]}")

# A Criterion binary: each of its tests is a check.
criterion() { # BINARY ARG...
	local status
	"$1" -j1 "${@:2}" --tap=/run/tap >/run/said 2>&1
	status=$?
	# "ok - suite::name  (0.01s)", "not ok - ...", and below it where it failed; SKIP: filtered out.
	sed -n -E '/# SKIP/d; s/^(ok|not ok) - ([^ ]*)::([^ ]*).*/\1 \2: \3/; T; y/_/ /; p' /run/tap
	grep -E '^not ok' -A 4 /run/tap
	# 1: tests have failed, and each of them is told above.
	[ "$status" = 0 ] || tail -n 30 /run/said
	check "the tests ran to their end" test "$status" -le 1 -a -s /run/tap
}

# How programs are attached on this kernel, as kernels.txt expects it.
expected_attach() {
	local release name attach
	release=$(uname -r)
	while read -r name _ attach; do
		case $release in "$name".*) echo "$attach" ;; esac
	done < <(grep -v '^#' "$VMTEST_DIR/kernels.txt")
}

# ---- encrypted networks ----

esp_modules() { modprobe -a esp4 xfrm_user gcm seqiv ghash-generic || die "no ESP"; }

# What a host's port of the fabric carries, either way: tests/netns/raw.c, tally.
wire_begin() { # NAME TEXT [HOST] [ARG...]
	spawn fab "$RAW" tally "${3:-h1}" "$2" "${@:4}" >"$WORK/wire.$1"
	WIRE=$SPAWN
	await 5 grep -q listening "$WORK/wire.$1" || die "no packet socket"
}
wire_end() { kill "$WIRE" && wait "$WIRE"; }
carried() { counted "$2" "$WORK/wire.$1"; } # NAME KEY
none() { same "$(carried "$1" "$2")" 0; }
some() { [ "$(carried "$1" "$2")" -gt 0 ]; }

keys() { ctl "$1" --json key ls | jq "${@:2}"; } # HOST JQ-ARG...
# All other nodes are on the keys of that epoch with this one, both ways.
on_epoch() { # EPOCH HOST...
	local n
	for n in "${@:2}"; do
		keys "$n" -e --argjson e "$1" 'length > 0 and
			all(.Ready == "in, out" and .Epoch == $e and .PeerEpoch == $e)' >/dev/null || return
	done
}
rotate() { # the number of the new epoch, from host 1
	ctl 1 key rotate | awk '{ print $2 }'
}
missed() { # HOST COUNTER: of /proc/net/xfrm_stat
	at "h$1" awk -v k="$2" '$1 == k { print $2 }' /proc/net/xfrm_stat
}
# A flow that is answered, each datagram with a number (tests/netns/load.c, udp), until `end`.
flow() { # NAME CLIENT ADDRESS
	begin "$1" "$2" udp "$3:7001" flows=4 every=100 t=3600
}
lossless() { # NAME...
	local name
	for name in "$@"; do
		grep -E '^(gap|lost|wrong)' "$WORK/$name" >&2
		[ "$(counted sent "$WORK/$name")" -gt 0 ] || return
		same "$(counted ok "$WORK/$name") $(counted lost "$WORK/$name")" \
			"$(counted sent "$WORK/$name") 0" || return
	done
}

# ---- the second guest (vmrun), outside of every node's kernel ----

export PEER=10.99.0.100

wire() { # NUMBER: the device of this end
	modprobe virtio_net || die "no virtio_net"
	ip -j link | jq -re --arg mac "52:54:00:00:0$1:01" '.[] | select(.address == $mac).ifname' ||
		die "no wire to the other guest"
}
# On the fabric, beside the hosts.
peer_attach() {
	local dev
	dev=$(wire 0) && ip link set "$dev" netns "$TOPO-fab" || exit
	at fab ip link set "$dev" master br0 up
	at fab ip addr add 10.99.0.254/24 dev br0
	await 20 peer true >/dev/null || die "the other guest does not answer"
}
peer() { # COMMAND LINE: of the other guest's shell; its output and its status
	local said
	# shellcheck disable=SC2016 # for the other shell
	said=$(printf '{ %s\n} 2>&1\necho " $?"\nexit\n' "$*" | at fab timeout 200 busybox nc "$PEER" 99)
	printf '%s\n' "${said% *}"
	return "${said##* }"
}
