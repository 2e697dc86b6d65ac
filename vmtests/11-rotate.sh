#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rotations of keys in a row, under a flow each way: nothing is lost, nothing is in the clear.
# ROTATIONS says how many (vmtests/README.md): each takes about 5 seconds, because old inbound SAs
# are kept for 10, those of three sessions of a pair at the most.
. "$(dirname "$0")/lib.sh"
ROTATIONS=${ROTATIONS:-10}
esp_modules
topo_init rotate
cluster 2
network 2 secret --subnet 10.10.0.0/24 --opt encrypted
for n in 1 2; do attach "$n" secret "s$n" || die "attach s$n"; done
all_know 2 s1 s2
declare -A IP=([s1]=$(ip_of 1 s1) [s2]=$(ip_of 1 s2))
await 30 on_epoch 0 1 2 || die "no keys"
for n in 1 2; do serve "s$n" 7001; done

wire_begin load dgram # what each datagram of the flows begins with
flow there s1 "${IP[s2]}"
flow back s2 "${IP[s1]}"
done=0
while [ "$done" -lt "$ROTATIONS" ]; do
	epoch=$(rotate) && await 60 on_epoch "$epoch" 1 2 || break
	done=$((done + 1))
done
end there back
wire_end

check "keys are rotated $ROTATIONS times in a row, both nodes on the newest each time" same "$done" "$ROTATIONS"
check "each time it was another epoch" on_epoch "$ROTATIONS" 1 2
check "many packets were sent meanwhile" \
	test "$(in_all sent there back)" -gt $((ROTATIONS * 20))
check "none was lost, either way" lossless there back
check "all of them were on the wire, as ESP" test "$(carried load esp)" -ge $((2 * $(in_all sent there back)))
check "none was VXLAN in the clear" none load vxlan
check "and nothing that was in them" none load holds
clean() { # COUNTER: of both hosts
	same "$(missed 1 "$1") $(missed 2 "$1")" "0 0"
}
for counter in XfrmOutNoStates XfrmInNoStates XfrmInStateProtoError XfrmInStateSeqError; do
	check "no host counted a packet as $counter" clean "$counter"
done
