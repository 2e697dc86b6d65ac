#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every program passes this kernel's verifier and is attached the way that this
# kernel has; XDP too, when it is asked for.
. "$(dirname "$0")/lib.sh"
topo_init load
cluster 1

mode() { ctl 1 --json status | jq -r .AttachMode; }
check "programs are attached by $(expected_attach)" same "$(mode)" "$(expected_attach)"
check "all programs are loaded and pinned" same "$(ls "$WORK/bpf/h1/v3/prog" | sort | paste -sd ' ')" \
	"ov_arrive ov_egress ov_endpoint ov_front ov_reap ov_reap_endpoint ov_reap_masq ov_reap_stats ov_return ov_tunnel ov_uplink ov_uplink_generic ov_uplink_xdp"
jited() { # every program runs as machine code, as it will in production
	local p
	for p in "$WORK/bpf/h1"/v3/prog/*; do
		bpftool -j prog show pinned "$p" | jq -e .jited >/dev/null || return 1
	done
}
check "and compiled to machine code" jited
attached() {
	case $(expected_attach) in
	tcx) ls "$WORK/bpf/h1/v3/link" | grep -q '^tc-' ;;
	clsact) at h1 tc filter show dev eth0 ingress | grep -q ov_uplink ;;
	esac
}
check "the uplink's program hangs on eth0" attached
named() { bpftool map dump pinned "$WORK/bpf/h1/v3/config" | grep -q '"\?vtep"\?:'; }
check "maps can be dumped with named fields" named

for how in native generic; do
	topo_kill TERM 1
	topo_daemon 1 --xdp "$how"
	word=xdp
	[ "$how" = native ] || word=xdpgeneric
	on() { at h1 ip -o link show eth0 | grep -qw "$word"; }
	check "XDP loads in $how mode" await 10 on
done
topo_kill TERM 1
topo_daemon 1 --xdp off
off() { ! at h1 ip -o link show eth0 | grep -q xdp; }
check "and goes when it is turned off" await 10 off
