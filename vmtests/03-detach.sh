#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After `overlayd --detach` a host is as it was before.
. "$(dirname "$0")/lib.sh"
topo_init gone
topo_host 1
topo_host 2
before() { # everything of a host that overlayd could have changed
	at "h$1" ip -d link show | sed 's/numtxqueues.*//'
	at "h$1" ip addr show
	at "h$1" ip route show table all
	at "h$1" tc qdisc show
	at "h$1" tc filter show dev eth0 ingress
	find "$WORK/bpf" -path "*/h$1*" | sort
}
before 2 >"$WORK/before"
topo_daemon 1
topo_join 2
for n in 1 2; do await 20 alive "$n" 2 || die "h$n does not see 2 nodes"; done
network 2 app --subnet 10.10.0.0/24
attach 1 app c1 || die "attach c1"
attach 2 app c2 || die "attach c2"
await 15 knows 1 c2 || die "h1 does not know c2"
await 15 pings c1 "$(ip_of 1 c2)" || die "no ping to begin with"

ctl 2 endpoint detach c2 >/dev/null || die "detach c2"
check_not "endpoint detach removes the container's interface" at c2 ip link show eth0
ctl 2 service create --name web --network app >/dev/null || die "service create web"
attach 2 app c3 --service web || die "attach c3"
vip=$(ctl 2 --json service inspect web | jq -r '.[0].Endpoint.VirtualIPs[0].Addr | split("/")[0]')
check "a backend reaches its own VIP" await 15 pings c3 "$vip"
topo_kill TERM 2
check "overlayd --detach succeeds" topo_detach 2
check_not "a container's interface is gone" at c3 ip link show eth0
before 2 >"$WORK/after"
check "the host is as it was" diff "$WORK/before" "$WORK/after"
