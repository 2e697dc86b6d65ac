#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An encrypted network over three hosts beside one that is not: what is on the wire, a
# rotation of keys and the death of a daemon under load, and what a host lets out from which
# somebody took SAs and policies away.
. "$(dirname "$0")/lib.sh"
esp_modules
topo_init enc
cluster 3
network 3 secret --subnet 10.10.0.0/24 --opt encrypted
network 3 open --subnet 10.20.0.0/24
SECRET=attack-at-dawn-attack-at-dawn
for n in 1 2 3; do
	attach "$n" secret "s$n" || die "attach s$n"
	attach "$n" open "o$n" || die "attach o$n"
done
for n in 1 2 3; do await 15 knows "$n" s1 s2 s3 o1 o2 o3 || die "h$n does not know all"; done
declare -A IP
for c in s1 s2 s3 o1 o2 o3; do IP[$c]=$(ip_of 1 "$c"); done

# ---- the wire ----

reaches() { at "$1" ping -q -c 2 -i 0.2 -W 5 "$2" >/dev/null; }
for pair in "s1 s2" "s2 s3" "s3 s1"; do
	read -r from to <<<"$pair"
	check "$from reaches $to once their hosts have exchanged keys" await 20 reaches "$from" "${IP[$to]}"
done

text_hex=$(printf %s "$SECRET" | od -An -tx1 | tr -d ' \n' | head -c 32)
wire_begin ping "${SECRET:0:16}"
check "packets of the encrypted network arrive" at s1 ping -q -c 5 -i 0.2 -W 5 -p "$text_hex" "${IP[s2]}"
wire_end
check "they are ESP on the wire" some ping esp
check "none is VXLAN in the clear" none ping vxlan
check "none holds what was sent" none ping holds

wire_begin plain "${SECRET:0:16}"
check "packets of the other network arrive" at o1 ping -q -c 3 -i 0.2 -W 5 -p "$text_hex" "${IP[o2]}"
wire_end
check "that one is in the clear, so the wire is heard" some plain holds
check "and none of it is ESP" none plain esp

mtu_of() { at "$1" ip -j link show eth0 | jq ".[0].mtu"; }
check "the encrypted network's MTU is 1396" same "$(mtu_of s1)" 1396
check "and the other's is 1450" same "$(mtu_of o1)" 1450
check "a full-size packet passes" at s1 ping -q -c 1 -W 5 -M do -s 1368 "${IP[s2]}"
check_not "a larger one does not" at s1 ping -q -c 1 -W 2 -M do -s 1369 "${IP[s2]}"

# ---- TCP ----

for c in s2 o2; do serve "$c" 7001; done
wire_begin tcp GET
check "TCP across hosts arrives whole" at s1 "$LOAD" bulk "${IP[s2]}:7001" bytes=2097152
wire_end
check "as ESP and nothing else" none tcp vxlan
check "and much of it" test "$(carried tcp esp)" -gt 100
for n in 1 2 3; do at "h$n" ethtool -K eth0 tso off gso off gro on >/dev/null; done
check "also by a wire without segmentation offload" at s1 "$LOAD" bulk "${IP[s2]}:7001" bytes=2097152

# ---- rotation, and the death of a daemon, under load ----

spis() { at "h$1" ip xfrm state | sed -n 's/.*spi \(0x[0-9a-f]*\).*/\1/p' | sort; }
new_spis() { # HOST FILE: none is left of those in the file
	! spis "$1" | grep -qxFf "$2"
}
replaced() {
	for n in 1 2 3; do spis "$n" >"$WORK/spis.$n"; done
	ctl 1 key rotate >/dev/null || return
	for n in 1 2 3; do await 60 new_spis "$n" "$WORK/spis.$n" || return; done
}
wire_begin load "${SECRET:0:16}"
begin flows s1 udp "${IP[s2]}:7001" flows=8 every=100 t=600
for i in 1 2 3; do check "keys are rotated: round $i" replaced; done
topo_kill KILL 2
topo_daemon 2
await 30 alive 2 3 || die "h2 is not back"
check "a restarted daemon makes keys of its own again" replaced
end flows
wire_end
check "many packets were sent meanwhile" test "$(counted sent "$WORK/flows")" -gt 1000
check "and none of them was lost" same "$(counted lost "$WORK/flows") $(counted sent "$WORK/flows")" \
	"0 $(counted ok "$WORK/flows")"
check "and none was VXLAN in the clear" none load vxlan

# ---- fail closed ----

at h1 ip xfrm state flush
wire_begin flushed "${SECRET:0:16}"
at s1 ping -q -c 3 -i 0.2 -W 1 -p "$text_hex" "${IP[s2]}" >/dev/null
wire_end
check "without SAs nothing is sent in the clear" none flushed vxlan
at h1 ip xfrm policy flush
wire_begin bare "${SECRET:0:16}"
at s1 ping -q -c 3 -i 0.2 -W 1 -p "$text_hex" "${IP[s2]}" >/dev/null
wire_end
check "nor without policies" none bare vxlan
check "fresh keys come by themselves after a flush" await 90 reaches s1 "${IP[s2]}"

ctl 1 endpoint detach s1 >/dev/null
topo_kill TERM 3
topo_detach 3
check "a detached host has neither SAs nor policies" test -z "$(at h3 ip xfrm state)$(at h3 ip xfrm policy)"
