# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A scenario, run inside a guest: sources this, then uses the words of
# tests/netns/lib.sh (check, cluster, attach ...). Prints "ok NAME" and "not ok NAME".

# Programs on 9p are read anew, page by page, with each start: ours are taken into memory.
export BUILD=/run/overlayd
mkdir -p "$BUILD"
cp build/overlayd build/overlayctl "$BUILD"

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
