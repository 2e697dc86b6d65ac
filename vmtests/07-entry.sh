#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmrun: peer 2
# XDP where the driver allows: host 2's uplink is a virtio-net device, and calls to its
# published ports leave it again before the kernel makes an skb of them.
#
#     guest 1: h1 h3 -- fab: br0 -- wire 0 ==== br0 10.99.0.100 :guest 2, client and switch
#              h2 eth0 ------------ wire 1 ====
. "$(dirname "$0")/lib.sh"
topo_init entry
for n in 1 2 3; do topo_host "$n"; done
peer_attach
dev=$(wire 1) && at h2 ip link del eth0 && ip link set "$dev" netns "$TOPO-h2" || die "no uplink for h2"
at h2 ip link set "$dev" name eth0 && at h2 ip addr add 10.99.0.2/24 dev eth0 && at h2 ip link set eth0 up ||
	die "no eth0 in h2"
topo_daemon 1
topo_join 2 --xdp native
topo_join 3
for n in 1 2 3; do await 20 alive "$n" 3 || die "h$n does not see 3 nodes"; done
network 3 app --subnet 10.10.0.0/24
service 3 web --network app --publish published=8000,target=80 --publish published=5300,target=80,protocol=udp
attach 1 app b1 --service web || die "attach b1"
attach 3 app b3 --service web || die "attach b3"
cp "$LOAD" "$WORK/load"
LOAD=$WORK/load # in memory
serve b1 80
serve b3 80
await 15 takes_everywhere 3 web b1 b3 || die "not all hosts know the backends"

check "XDP is native there" same "$(at h2 ip -j -d link show eth0 | jq -r '.[0].xdp.mode')" 1
check "and status says that it sends calls on" same "$(ctl 2 --json status | jq .XDP.Entry)" true

sent() { at h2 ethtool -S eth0 | awk '/xdp_tx:/ { n += $2 } END { print n + 0 }'; }
gets() { # NUMBER COMMAND...: so many more frames at least were sent by XDP
	local before least=$1 said
	shift
	before=$(sent)
	said=$("$@") || { echo "$said" >&2; return 1; }
	[ $(($(sent) - before)) -ge "$least" ] || { echo "$(($(sent) - before)) by XDP" >&2; return 1; }
}
udp() {
	peer ./load udp 10.99.0.2:5300 flows=4 every=50 n=3 >"$WORK/udp"
	same "$(counted ok "$WORK/udp") $(counted lost "$WORK/udp") $(counted wrong "$WORK/udp")" "12 0 0"
}
await 15 peer ./load run 10.99.0.2:8000 n=1 c=1 >"$WORK/first" || die "nothing at host 2"
# SYN, ACK, request, FIN of each connection: `load` fails unless the backend saw its caller's own address.
check "TCP is sent on by XDP, with the client's own address" gets 40 peer ./load run 10.99.0.2:8000 n=12 c=2
check "so is UDP" gets 12 udp
check "4 MiB each way arrive whole" gets 2800 peer ./load bulk 10.99.0.2:8000 bytes=4194304
check "the other hosts answer, too" peer ./load run 10.99.0.1:8000 n=4 c=1
closed() { peer ./load run 10.99.0.2:8001 n=1 c=1 | grep -q '^refused 1$'; }
check "what is not published is the host's, which refuses it" closed

# A backend that is here is TC's; of the same service, on the same port.
attach 2 app b2 --service web || die "attach b2"
serve b2 80
await 15 takes_everywhere 3 web b1 b2 b3 || die "not all hosts know b2"
three() {
	local said
	said=$(peer ./load run 10.99.0.2:8000 n=30 c=2) || return
	same "$(awk '$1 == "by" { print $2 }' <<<"$said" | sort | xargs)" "b1 b2 b3"
}
check "a backend on host 2 itself takes its share" three

topo_kill KILL 2
check "with its daemon killed it goes on" gets 40 peer ./load run 10.99.0.2:8000 n=12 c=2
topo_daemon 2 --xdp off
off() { same "$(at h2 ip -j -d link show eth0 | jq -r '.[0].xdp.mode // 0')" 0; }
check "asked to, it takes XDP off" await 5 off
check "and TC does it all" three
unexpected() { # HOST
	ctl "$1" --json drops | jq -r '[.. | objects | select(.Name? and .Packets? and .Packets > 0).Name] | unique[]' |
		grep '^DROP_' | grep -vxE 'DROP_(IPV6|MULTICAST|ARP_OTHER|ARP_UNKNOWN|UNKNOWN_DST|NO_FLOW)'
}
for n in 1 2 3; do check "drops shows nothing unexpected on host $n" same "$(unexpected "$n")" ""; done
