# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The demo's part about encryption: one network in the clear and one encrypted over hosts 1
# and 2, the same ping in each, and what can be read of it on the wire between them. Needs
# tools/demo's words. On a kernel without ESP it says so and names the command for a virtual
# machine.

SECRET="attack at dawn. " # 16 bytes, as many as `ping -p` takes

wire_begin() { # NAME: reads host 1's port of the fabric, either way
	spawn fab "$BUILD/wire" h1 "${SECRET%. }" 3 >"$WORK/wire.$1" 2>"$WORK/wire.$1.log"
	wire=$SPAWN
	await 5 grep -q listening "$WORK/wire.$1.log" || die "cannot read the wire: $(cat "$WORK/wire.$1.log")"
}
wire_end() { # NAME
	sleep 0.3 # for what is under way
	kill "$wire"
	wait "$wire"
	show "wire                      (between the hosts; the end of each frame, as text)" cat "$WORK/wire.$1"
}
on_wire() { tail -n 1 "$WORK/wire.$1" | grep -qE "$2"; } # NAME PATTERN

whisper() { # NAME FROM TO: ten pings filled with the secret
	local hex
	hex=$(printf %s "$SECRET" | od -An -tx1 | tr -d ' \n')
	wire_begin "$1"
	show "ping -c 10 -p $hex $3      (from $2; all it holds is \"$SECRET\")" \
		at "$2" ping -q -c 10 -i 0.2 -p "$hex" "$3" || die "no ping in $1"
	wire_end "$1"
}

key_settled() { # EPOCH: host 1 has keys of it with host 2, and both send with them
	ctl 1 --json key ls | jq -e --argjson epoch "$1" \
		'any(.[]; .Peer == "h2" and .Epoch >= $epoch and .PeerEpoch >= $epoch and .Ready == "in, out")' >/dev/null
}

# False where the kernel cannot: then it has said why, and what to do.
secret_network() {
	show "overlayctl network create --opt encrypted --subnet 10.30.0.0/24 secret-net" \
		ctl 1 network create --opt encrypted --subnet 10.30.0.0/24 secret-net \
		>"$WORK/made" 2>&1 && cat "$WORK/made" && return
	cat "$WORK/made"
	grep -q 'cannot be encrypted: ' "$WORK/made" || die "the network was not made"
	look "So not on this machine. In a virtual machine whose kernel can, with no more to prepare:" \
		"    sudo make demo-vm"
	return 1
}

secret_pair() { # NETWORK CONTAINER CONTAINER: one on host 1 and one on host 2; $to is the other's address
	await 10 ctl 2 network inspect "$1" >/dev/null || die "host 2 did not learn of $1"
	attach 1 "$1" "$2"
	attach 2 "$1" "$3"
	to=$(ctl 2 --json endpoint inspect "$3" | jq -r '.[0].IP')
	await 20 at "$2" ping -q -c 1 -W 1 "$to" >/dev/null || die "$2 does not reach $3"
}

rotation() { # FROM TO
	local epoch pings
	epoch=$(ctl 1 --json key ls | jq '.[0].Epoch')
	await 20 key_settled "$epoch" || die "the hosts have no keys: $(ctl 1 key ls)"
	show "overlayctl key ls         (on host 1; each pair of hosts has keys of its own)" ctl 1 key ls
	spawn "$1" ping -q -i 0.05 "$2" >"$WORK/pings"
	pings=$SPAWN
	show "overlayctl key rotate     (while a ping goes on every 50 ms)" ctl 1 key rotate
	await 40 key_settled $((epoch + 1)) || die "the fresh keys are not in use: $(ctl 1 key ls)"
	show "overlayctl key ls         (a moment later: fresh keys)" ctl 1 key ls
	kill -INT "$pings"
	wait "$pings"
	grep packets "$WORK/pings"
	grep -q ' 0% packet loss' "$WORK/pings" || die "the rotation lost packets"
}

encrypted_part() {
	local to
	part "An encrypted network: who listens between the hosts learns nothing"
	secret_network || return 0
	show "overlayctl network inspect secret-net | jq -c .[].Options" \
		jq -c '.[].Options' <(ctl 1 network inspect secret-net)
	show "overlayctl network create --subnet 10.20.0.0/24 open-net      (to compare: in the clear)" \
		ctl 1 network create --subnet 10.20.0.0/24 open-net
	secret_pair open-net o1 o2
	whisper open o1 "$to"
	on_wire open ': [1-9][0-9]*$' || die "the wire was not heard"
	secret_pair secret-net s1 s2
	whisper secret s1 "$to"
	on_wire secret '^[1-9].*: 0$' || die "the secret network is none"
	rotation s1 "$to"
}
