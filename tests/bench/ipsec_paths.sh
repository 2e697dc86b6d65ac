# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The paths of the part "ipsec", beside `bare` and `ours` of paths.sh:
#
#   esp       d1 wd1 ==== wd2 d2          ESP in tunnel mode between the hosts, no overlay
#   oursx     c1x (c1) wc1 ==== wc2 (c2) c2x      an encrypted network on the hosts of `ours`
#   dockerx   e1c (e1o) e1 we1 ==== we2 e2 (e2o) e2c      Docker's shape, and its ESP
#
# Docker's ESP is in transport mode around the VXLAN packets of a network: nftables marks
# them on their way out, a policy takes what is marked, and what comes in without ESP is dropped.

LETTER+=([esp]=d [oursx]=c [dockerx]=e)
CLIENT+=([esp]=d1 [oursx]=c1x [dockerx]=e1c)
SERVER+=([esp]=d2 [oursx]=c2x [dockerx]=e2c)

AEAD='rfc4106(gcm(aes))'
ESP_KEY=000102030405060708090a0b0c0d0e0f # the salt follows, 4 bytes
DOCKER_ESP_MTU=1424 # OVERLAY_MTU less what libnetwork takes for ESP, 26
DOCKER_MARK=0xd0c4e3 # of packets, and the reqid of SAs

sa_add() { # SPACE FROM TO BITS-OF-ICV ARG...: of one direction; its SPI says which
	at "$1" ip xfrm state add src "10.99.0.$2" dst "10.99.0.$3" proto esp spi "0x100$2" \
		"${@:5}" aead "$AEAD" "0x${ESP_KEY}0000100$2" "$4" ||
		die "cannot add an SA from host $2 to host $3"
}

policy_add() { # SPACE out|in FROM TO MODE REQID [SELECTOR...]
	at "$1" ip xfrm policy add dir "$2" src "10.99.0.$3/32" dst "10.99.0.$4/32" "${@:7}" \
		tmpl src "10.99.0.$3" dst "10.99.0.$4" proto esp mode "$5" reqid "$6" ||
		die "cannot add a policy from host $3 to host $4"
}

# The SAs are as overlayd's: sequence numbers of 64 bits, the largest window.
path_esp() {
	local n from
	for n in 1 2; do
		for from in 1 2; do
			sa_add "d$n" $from $((3 - from)) 128 mode tunnel reqid 1 \
				flag esn replay-window 4096
		done
		policy_add "d$n" out $n $((3 - n)) tunnel 1
		policy_add "d$n" in $((3 - n)) $n tunnel 1
	done
	TARGET[esp]=10.99.0.2
}

path_oursx() {
	[ -n "${TARGET[ours]:-}" ] || die "PATHS: oursx has the hosts of ours, so name ours before it"
	ours_network secret 10.40.0.0/24 --opt encrypted
	ours_attach 1 c1x secret
	ours_attach 2 c2x secret
	TARGET[oursx]=$(ours_address c2x)
}

path_dockerx() {
	local n from
	for n in 1 2; do
		docker_side e $n $((3 - n)) $DOCKER_ESP_MTU
		for from in 1 2; do
			sa_add "e$n" $from $((3 - from)) 64 mode transport reqid $((DOCKER_MARK))
		done
		policy_add "e$n" out $n $((3 - n)) transport $((DOCKER_MARK)) \
			proto udp dport 4789 mark $DOCKER_MARK
		docker_marks "e$n"
	done
	TARGET[dockerx]=10.10.0.12
}

docker_marks() { # SPACE
	at "$1" nft -f - <<-END || die "nft refuses the rules of Docker's encryption"
		table ip docker-overlay {
			chain enc-out {
				type route hook output priority mangle;
				udp dport 4789 @th,96,24 $DOCKER_VNI meta mark set $DOCKER_MARK
			}
			chain enc-in {
				type filter hook input priority raw;
				udp dport 4789 @th,96,24 $DOCKER_VNI meta secpath missing drop
			}
		}
	END
}
