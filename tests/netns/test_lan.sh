#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Three hosts, two networks with one subnet, six containers: every pair on one
# network talks, no pair across does. TCP, UDP, fragments and MTU across hosts.
. "$(dirname "$0")/lib.sh"
topo_init lan
cluster 3
network 3 app --subnet 10.10.0.0/24
network 3 other --subnet 10.10.0.0/24
for n in 1 2 3; do
	attach "$n" app "a$n" || die "attach a$n"
	attach "$n" other "o$n" || die "attach o$n"
done
attach 1 app a4 || die "attach a4"
all_know 3 a1 a2 a3 a4 o1 o2 o3

declare -A IP
for c in a1 a2 a3 a4 o1 o2 o3; do IP[$c]=$(ip_of 1 "$c"); done
check "addresses of one network differ" same 4 "$(printf '%s\n' "${IP[a1]}" "${IP[a2]}" "${IP[a3]}" "${IP[a4]}" | sort -u | wc -l)"

for from in a1 a2 a3 a4; do
	for to in a1 a2 a3 a4; do
		[ "$from" = "$to" ] || check "$from pings $to" pings "$from" "${IP[$to]}"
	done
done
# The same addresses may live on both networks, so a packet across would arrive at
# the wrong container: each network's server says who it is.
for n in 1 2 3; do
	for net in a o; do
		spawn "$net$n" busybox nc -ll -p 7000 -e echo "$net$n" >/dev/null 2>&1
	done
done
for c in a1 a2 a3 o1 o2 o3; do await 5 serves "$c" 7000 || die "no server in $c"; done
asks() { at "$1" timeout 10 busybox nc "$2" 7000 </dev/null; }
for from in a1 o1 a2 o2; do
	for to in a3 o3 a1 o1; do
		[ "${from:0:1}" != "${to:0:1}" ] && continue
		[ "$from" = "$to" ] || check "$from is answered by $to and no namesake" same "$(asks "$from" "${IP[$to]}")" "$to"
	done
done
# An address that only the other network has cannot be reached at all.
attach 2 other lone --ip 10.10.0.77 || die "attach lone"
all_know 3 lone
check "its own network reaches it" pings o1 10.10.0.77
check_not "the other network does not, from another host" pings a1 10.10.0.77
check_not "the other network does not, on the same host" pings a2 10.10.0.77

check "the MAC is 02:42 and the address" same "$(mac_of 1 a1)" \
	"$(printf '02:42:%02x:%02x:%02x:%02x' $(tr . ' ' <<<"${IP[a1]}"))"
check "the MTU is the uplink's less 50" same "$(at a1 ip -o link show eth0 | grep -o "mtu [0-9]*")" "mtu 1450"
check "a full-size packet passes unfragmented" at a1 ping -q -c 2 -i 0.2 -W 3 -M do -s 1422 "${IP[a2]}"
check "large datagrams pass in fragments" at a1 ping -q -c 2 -i 0.2 -W 3 -s 8000 "${IP[a2]}"
check "the gateway answers ping" pings a1 10.10.0.1

head -c 8388608 /dev/urandom >"$WORK/blob"
for c in a3 a4; do spawn "$c" busybox httpd -f -p 7001 -h "$WORK"; done
await 5 serves a3 7001 && await 5 serves a4 7001 || die "no server"
transfer() { # FROM TO: 8 MiB by TCP, compared
	at "$1" timeout 60 busybox wget -qO "$WORK/got" "http://${IP[$2]}:7001/blob"
	cmp -s "$WORK/blob" "$WORK/got"
}
check "TCP across hosts arrives whole" transfer a1 a3
check "TCP on one host arrives whole" transfer a1 a4
nic_like() { for n in 1 2 3; do at "h$n" ethtool -K eth0 tso off gso off gro on >/dev/null; done; }
nic_like
check "TCP across a wire without segmentation offload arrives whole" transfer a1 a3

mtu_is() { same "$(at "$1" ip -o link show eth0 | grep -o 'mtu [0-9]*')" "mtu $2"; }
at h3 ip link set eth0 mtu 1400
check "one uplink gets smaller: every container follows" await 10 mtu_is a1 1350
check "also on the host itself" await 10 mtu_is a3 1350
for n in 1 2 3; do at fab ip link set "h$n" mtu 9000 && at "h$n" ip link set eth0 mtu 9000; done
for c in a1 a2; do check "all uplinks get larger: every container follows" await 10 mtu_is "$c" 8950; done
check "and full-size packets pass" at a1 ping -q -c 2 -i 0.2 -W 3 -M do -s 8922 "${IP[a2]}"

two=$(ctl 1 --json network inspect app | jq -r '.[0].Peers | length')
check "inspect names the network's peers" same "$two" 3
ctl 2 network rm app 2>/dev/null
check "a network in use is not removed" ctl 1 network inspect app

# Several networks in one container.
ctl 1 network create --subnet 10.20.0.0/24 back >/dev/null
ctl 1 endpoint attach --network back --netns "/run/netns/$TOPO-a1" --ifname eth1 --name a1back >/dev/null ||
	die "second network"
await 10 ctl 2 network inspect back >/dev/null
attach 2 back b2
all_know 2 a1back b2
check "a container on two networks reaches the second" pings a1 "$(ip_of 1 b2)"
check "and still the first" pings a1 "${IP[a2]}"
