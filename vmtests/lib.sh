# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A scenario, run inside a guest: sources this, then uses the words of
# tests/netns/lib.sh (check, cluster, attach ...). Prints "ok NAME" and "not ok NAME".

# Programs on 9p are read anew, page by page, with each start: ours are taken into memory.
export BUILD=/run/overlayd
mkdir -p "$BUILD"
cp build/overlayd build/overlayctl "$BUILD"

# shellcheck source=tests/netns/lib.sh
. tests/netns/lib.sh
VMTEST_DIR=$(dirname "${BASH_SOURCE[0]}")

# Emulation is slow by a factor that depends on what else the machine does: every
# deadline of the namespace tests is stretched. Nothing waits longer than it must.
eval "plain_$(declare -f await)"
await() {
	local seconds=$1
	shift
	plain_await $((seconds * 6)) "$@"
}

# How programs are attached on this kernel, as kernels.txt expects it.
expected_attach() {
	local release name attach
	release=$(uname -r)
	while read -r name _ attach; do
		case $release in "$name".*) echo "$attach" ;; esac
	done < <(grep -v '^#' "$VMTEST_DIR/kernels.txt")
}
