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

# On the fabric, beside the hosts.
peer_attach() {
	local dev
	modprobe virtio_net || die "no virtio_net"
	dev=$(basename /sys/bus/virtio/drivers/virtio_net/virtio*/net/*)
	ip link set "$dev" netns "$TOPO-fab" || die "no wire to the other guest"
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
