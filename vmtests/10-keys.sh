#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Keys of an encrypted network between two hosts: packets with its marks never meet an SA that is
# not there, whatever is rotated, killed or flushed meanwhile.
. "$(dirname "$0")/lib.sh"
esp_modules
take "$BUILD" build/tests/marked
MARK=0x6f760000 # OV_IPSEC_MARK
SENDER=()
topo_init keys
cluster 2
network 2 secret --subnet 10.10.0.0/24 --opt encrypted

other() { echo $((3 - $1)); }
ready() { # HOST...: each receives from and sends to the other with the newest keys
	local n
	for n in "$@"; do same "$(ctl "$n" --json key ls | jq -r '.[0].Ready')" "in, out" || return; done
}
rotated() { # EPOCH: both are ready with keys of it
	ready 1 2 && same "$(ctl 1 --json key ls | jq -c '.[0] | [.Epoch, .PeerEpoch]')" "[$1,$1]"
}
sas() { at "h$1" ip xfrm state count | grep -oE '[0-9]+' | head -1; }
quiet() { # HOSTS have the SAs of one session each way: 4 lanes
	local n
	for n in "$@"; do same "$(sas "$n")" 8 || return; done
}
received() { ctl "$1" --json key ls | jq '.[0].Received'; }
hears() { [ "$(received "$1")" -gt "$2" ]; }

refuses "keys of a network that is not there are not rotated" nowhere ctl 1 key rotate --network nowhere
await 30 ready 1 2
check "both ends receive and send" ready 1 2
check "with four lanes each way" quiet 1 2
check_not "and nobody tells a key" grep -qE '[0-9a-f]{40}' <(ctl 1 --json key ls | jq 'del(.[].ID)')

for n in 1 2; do
	at "h$n" sh -c "cat /proc/net/xfrm_stat" >"$WORK/before$n"
	spawn "h$n" "$BUILD/marked" "10.99.0.$(other $n)" 4789 $MARK 200 >"$WORK/sent$n"
	SENDER[n]=$SPAWN
done
await 20 hears 1 50
await 20 hears 2 50
check "marked packets arrive" hears 2 50

for epoch in 1 2 3; do
	ctl "$((epoch % 2 + 1))" key rotate --network secret >/dev/null || die "no rotation"
	await 30 rotated "$epoch"
	check "rotation $epoch ends with both on the newest keys" rotated "$epoch"
done
topo_kill KILL 2
# Received is of the SAs that are there: it falls when old ones go.
hears_more() {
	local was
	was=$(received 1)
	sleep 1
	hears 1 "$was"
}
check "a killed daemon's host sends on" await 20 hears_more
ctl 1 key rotate >/dev/null
topo_daemon 2
await 60 rotated 4
check "the restarted one follows a rotation that it missed" rotated 4
await 30 quiet 1 2
check "old SAs are gone" quiet 1 2

end_senders() { kill "${SENDER[@]}" && wait "${SENDER[@]}"; }
end_senders
for n in 1 2; do
	for counter in XfrmOutNoStates XfrmInNoStates XfrmInStateProtoError XfrmInStateSeqError; do
		check "host $n: no packet was counted as $counter" same "$(missed $n $counter)" 0
	done
	check "host $n: the kernel refused to send none" grep -q '^refused 0$' "$WORK/sent$n"
done

spis() { at "h$1" ip xfrm state | sed -n 's/.*spi \(0x[0-9a-f]*\).*/\1/p' | sort; }
spis 2 >"$WORK/spis"
anew() { ready 1 2 && ! spis 2 | grep -qxFf "$WORK/spis"; }
at h2 ip xfrm state flush
await 60 anew
check "SAs that were flushed by hand are followed by other ones" anew
