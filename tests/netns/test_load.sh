#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The server that the tests of services call: connections that end while another one's
# bytes are still sent back do not end it.
. "$(dirname "$0")/lib.sh"
topo_init load
at fab ip link set lo up
spawn fab "$LOAD" serve x 8000
answers() { at fab "$LOAD" run 127.0.0.1:8000 n=4 c=1 >/dev/null; }
await 5 answers || die "nobody serves"

at fab "$LOAD" hold 127.0.0.1:8000 k=3 every=100 t=2 >"$WORK/hold" &
HOLD=$!
is_held() { grep -q ready "$WORK/hold"; }
await 5 is_held || die "nothing is held"
at fab bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000; echo "bulk 10" >&3; read -t 60 -r <&3' &
BULK=$!
wait "$HOLD"
check "no connection broke" same "$(counted alive "$WORK/hold")" 3
check "the server still answers" answers
kill "$BULK"
