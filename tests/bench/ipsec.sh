# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "ipsec": an encrypted network beside the same in the clear, Docker's encryption
# and the kernel's ESP without an overlay. ipsec_paths.sh has the paths.
# Needs topo.sh, paths.sh, ipsec_paths.sh and run's own helpers.

IPSEC_PATHS="bare esp ours oursx dockerx"
IPSEC_ROWS="tcp udp1 rr tcp4"
STREAMS=4
PORT_STREAM=5210 # and those after it

# A namespace of its own, which takes the SA with it.
ipsec_require() {
	local said
	command -v nft >/dev/null || die "nft is missing: \"make deps\" installs it"
	said=$(unshare --net ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x100 \
		mode tunnel aead "$AEAD" "0x${ESP_KEY}00000100" 128 2>&1) ||
		die "this kernel has no ESP with AES-GCM ($said), so there is nothing to measure;" \
			"\"sudo tests/bench/run ipsec --vm\" measures in a virtual machine"
}

# ---- the wire: hashes as a card has them, and who decrypts ----

ipsec_watch() { # SPACE DEVICE SIDE
	local pins="$WORK/bpf/$2"
	[ ! -e "$pins" ] || return 0 # `oursx` has the wire of `ours`
	mkdir "$pins"
	# From inside: libbpf makes other characters of the dots in a path of maps.
	(cd "$pins" && bpftool prog loadall "$BUILD/bench/wire.bpf.o" . pinmaps maps) ||
		die "cannot load wire.bpf.o"
	at "$1" tc qdisc show dev "$2" | grep -q clsact || at "$1" tc qdisc add dev "$2" clsact
	# After overlayd's own, where they are filters, too.
	at "$1" tc filter add dev "$2" egress pref 50000 bpf da object-pinned "$pins/forget_hash"
	at "$1" tc filter add dev "$2" ingress pref 50000 bpf da object-pinned "$pins/count_esp"
}

esp_by_cpu() { # PATH: frames that came to the server's host so far, a number for each CPU
	bpftool -j map dump pinned "$WORK/bpf/w${LETTER[$1]}2/maps/esp_frames" |
		jq -r '.[0] | (.formatted.values // .values)[].value'
}

# No row shall be called encrypted that is not.
ipsec_confirm() { # PATH
	local before
	before=$(esp_by_cpu "$1")
	at "${CLIENT[$1]}" ping -q -c 3 -i 0.2 "${TARGET[$1]}" >/dev/null
	[ "$before" != "$(esp_by_cpu "$1")" ] || die "path \"$1\" is not ESP on the wire"
}

# ---- four streams, which the server's host may receive on every CPU ----

steer_many_super() {
	steer_two_super "$@"
	[ "$3" = 1 ] || dev_rps "$1" "$2" "$(all_cpus)"
}

steer_many_nic() {
	steer_two_nic "$@"
	[ "$3" = 1 ] || dev_rps "$1" "$2" "$(all_cpus)"
}

all_cpus() { # a mask; of 32 at the most
	local n
	n=$(nproc)
	printf %x $(((1 << (n > 32 ? 32 : n)) - 1))
}

ipsec_serve() { # PATH: not bound to a CPU
	local i
	for ((i = 0; i < STREAMS; i++)); do
		spawn "${SERVER[$1]}" iperf3 -s -B "${TARGET[$1]}" -p $((PORT_STREAM + i)) \
			>>"$WORK/servers.log" 2>&1
		SERVER_PIDS+=("$SPAWNED")
	done
}

stream() { # PATH INDEX
	at "${CLIENT[$1]}" timeout $((DURATION + 20)) iperf3 -c "${TARGET[$1]}" \
		-p $((PORT_STREAM + $2)) -C cubic -f k -t "$DURATION" | iperf_gbps
}

run_tcp4() { # PATH
	local i before pids=()
	before=$(esp_by_cpu "$1")
	for ((i = 0; i < STREAMS; i++)); do
		stream "$1" $i >"$WORK/stream.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || die "path \"$1\": iperf3 failed"; done
	sample tcp4 "$1" "$(for ((i = 0; i < STREAMS; i++)); do cat "$WORK/stream.$i"; echo; done |
		awk '{ sum += $1 } END { printf "%.4f", sum }')"
	case $1 in esp | *x) sample busiest "$1" "$(busiest "$before" "$(esp_by_cpu "$1")")" ;; esac
}

busiest() { # BEFORE AFTER: the share of the frames that one CPU got
	paste <(echo "$1") <(echo "$2") | awk '{ n = $2 - $1; sum += n; if (n > most) most = n }
		END { printf "%.3f", sum ? most / sum : 0 }'
}

# ---- the part ----

# What the kernel took of several: the speed of all columns depends on it.
aead_driver() {
	awk -F ' *: ' -v want="$AEAD" '/^name/ { name = $2 } /^driver/ { driver = $2 }
		/^priority/ && name == want && $2 + 0 > most { most = $2 + 0; best = driver }
		END { print best }' /proc/crypto
}

ipsec_measure() {
	local path row
	paths_init
	each_wire ipsec_watch
	for path in $PATHS; do
		case $path in esp | *x) ipsec_confirm "$path" ;; esac
		ipsec_serve "$path"
	done
	echo "Linux $(uname -r), $(nproc) CPUs, AES-GCM by $(aead_driver)"
	mkdir -p "$BUILD/bench"
	SAMPLES=$BUILD/bench/samples
	: >"$SAMPLES"
	for WIRE in $WIRES; do
		wire_set "$WIRE"
		print_wire
		awk -v head=1 -f "$BENCH/ipsec.awk" </dev/null
		for row in $ROWS; do
			measure_row "$row"
			awk -v want="$WIRE/$row" -f "$BENCH/ipsec.awk" "$SAMPLES"
		done
		echo
	done
	paths_fini
}

# Emulated CPUs have no cards: one wire, and as few and short rounds as tell anything.
ipsec_in_vm() {
	[ "$(id -u)" = 0 ] || die "the guest's root reads this machine's files as you: run it as root"
	"$TOPO_TOP/tools/install-deps" --vm
	"$TOPO_TOP/vmtests/fetch"
	make --no-print-directory -s -C "$TOPO_TOP" all bench-ipsec
	mkdir -p "$BUILD/bench"
	cat >"$BUILD/bench/ipsec-vm.sh" <<-END
		export BUILD=/run/overlayd AWAIT_FACTOR=6 WIRES="$WIRES" PATHS="$PATHS" ROWS="$ROWS"
		mkdir -p "\$BUILD/bench"
		cp build/overlayd build/overlayctl "\$BUILD"
		cp build/bench/{tcp_rr,udp_rate,wire.bpf.o} "\$BUILD/bench"
		modprobe -a esp4 xfrm_user gcm seqiv ghash-generic
		echo "emulated: compare only what is encrypted with what is encrypted (tests/bench/README.md)"
		ROUNDS=$ROUNDS SECONDS=$DURATION exec tests/bench/run ipsec --built
	END
	"$TOPO_TOP/vmtests/vmrun" "${KERNEL:-6.12}" "$BUILD/bench/ipsec-vm.sh"
}

part_ipsec() { # [--vm|--built]
	case ${1:-} in
	--vm)
		ipsec_in_vm
		return
		;;
	--built) ;;
	*)
		ipsec_require
		make --no-print-directory -s -C "$TOPO_TOP" all bench-ipsec
		;;
	esac
	ipsec_measure
}
