#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The key that seals gossip is replaced: step by step, and no step without a node that is away
# until that is removed.
. "$(dirname "$0")/lib.sh"
topo_init ring
cluster 4

ring_is() { # PHASE EPOCH MISSING HOST...: and so many nodes have not confirmed it, as each host hears
	local want="$1 $2 $3" n
	shift 3
	for n in "$@"; do
		same "$(ctl "$n" --json status | jq -r '.KeyRing | "\(.Phase) \(.Epoch) \(.Nodes - .Confirmed)"')" \
			"$want" || return
	done
}
unread() { ctl "$1" --json status | jq '.Gossip.refused_seal'; }
dead() { same "$(ctl 1 --json node ls | jq -r '.[] | select(.Name == "h4") | .Status')" dead; }

await 30 ring_is steady 0 0 1 2 3 4 || die "the first ring is not confirmed"
topo_kill KILL 4
await 30 dead || die "h4 is not seen dead"
ctl 2 key rotate >/dev/null || die "key rotate"
check "a fresh key is added, and who is away is waited for" await 60 ring_is added 1 1 1 2 3
topo_kill KILL 3
topo_daemon 3
check "a daemon that starts in the middle has it" await 30 ring_is added 1 1 3
check "a person reads how far it is" grep -q 'added, epoch 1; confirmed by 3 of 4 nodes' <<<"$(ctl 1 status)"
await 10 ctl 2 node rm h4 >/dev/null || die "node rm h4"
check "its removal ends the wait: the fresh key seals" await 180 ring_is moved 1 0 1 2 3
check "then it is alone" await 180 ring_is steady 1 0 1 2 3
check "the log says so" grep -q 'key ring of gossip is steady, epoch 1' "$WORK/h1/log"
for n in 1 2 3; do
	check "h$n could read all that it heard" same "$(unread $n)" 0
	check "h$n sees all nodes" alive "$n" 3
done

topo_spawn 4
deaf() { [ "$(unread 1)" -gt 0 ]; }
check "what the removed one says nobody can read" await 60 deaf
check "and it is no member" alive 1 3
topo_host 5
topo_join 5
check "a newcomer gets the fresh key" await 30 alive 5 4
check "and confirms it" await 30 ring_is steady 1 0 1 2 3 5
