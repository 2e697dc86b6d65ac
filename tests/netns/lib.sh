# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A namespace test: sources this, makes a topology, calls `check` for each claim.
# Prints "ok NAME" or "not ok NAME"; a failed check does not end the script, a
# failed preparation (die) does.
# shellcheck source=tests/lib/topo.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/topo.sh"
RAW=$BUILD/tests/raw
[ -x "$RAW" ] || RAW=$TOPO_TOP/build/tests/raw
ASK=$BUILD/tests/ask
[ -x "$ASK" ] || ASK=$TOPO_TOP/build/tests/ask
LOAD=$BUILD/tests/load
[ -x "$LOAD" ] || LOAD=$TOPO_TOP/build/tests/load
# Deadlines only end what has failed, so they leave room for a busy machine and for sanitizers.
AWAIT_FACTOR=${AWAIT_FACTOR:-4}
trap topo_fini EXIT
declare -A VIP=() SERVER=() PID=()

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@" >/dev/null; then echo "ok $name"; else echo "not ok $name: $*"; fi
}
check_not() { # NAME COMMAND...: the command must fail
	local name=$1
	shift
	if "$@" >/dev/null; then echo "not ok $name: succeeded: $*"; else echo "ok $name"; fi
}

# refuses NAME PATTERN COMMAND...: exit status 1 and one sentence that matches.
refuses() {
	local name=$1 pattern=$2 out status
	shift 2
	out=$("$@" 2>&1 >/dev/null)
	status=$?
	if [ "$status" = 1 ] && grep -qE -- "$pattern" <<<"$out" && [ "$(wc -l <<<"$out")" = 1 ]; then
		echo "ok $name"
	else
		echo "not ok $name: status $status, said: $out"
	fi
}

pings() { at "$1" ping -q -c 2 -i 0.2 -W 3 "$2" >/dev/null; }
same() { [ "$1" = "$2" ]; }
ip_of() { ctl "$1" --json endpoint inspect "$2" | jq -r '.[0].IP'; }
mac_of() { ctl "$1" --json endpoint inspect "$2" | jq -r '.[0].MAC'; }
vni_of() { ctl 1 --json network inspect "$1" | jq -r '.[0].Options.vni'; }
knows() { # HOST NAME...: that host has heard of those endpoints
	local host=$1
	shift
	ctl "$host" endpoint inspect "$@" >/dev/null
}
# all_know HOSTS NAME...: waits until every host has heard of those endpoints. A host
# drops what one sends that it has not heard of, as of a WRONG_PEER.
all_know() {
	local hosts=$1 n
	shift
	for ((n = 1; n <= hosts; n++)); do
		await 15 knows "$n" "$@" || die "h$n has not heard of all of: $*"
	done
}
alive() { # HOST COUNT: that host sees so many living nodes
	same "$(ctl "$1" --json node ls | jq '[.[] | select(.Status == "alive")] | length')" "$2"
}
drops() { # HOST REASON: packets
	ctl "$1" --json drops | jq -r --arg r "$2" '[.. | objects | select(.Name? == $r) | .Packets] | first // 0'
}
unexpected() { # HOST REASON...: why else it dropped packets, but for what containers send by themselves
	local host=$1
	shift
	ctl "$host" --json drops | jq -r '[.. | objects | select(.Name? and .Packets? and .Packets > 0).Name] | unique[]' |
		grep '^DROP_' | grep -vxF "$(printf 'DROP_%s\n' IPV6 MULTICAST ARP_OTHER ARP_UNKNOWN "$@")"
}
attach() { # HOST NETWORK CONTAINER [ARG...]
	local host=$1 net=$2 c=$3
	shift 3
	[ -e "/run/netns/$TOPO-$c" ] || topo_container "$c"
	ctl "$host" endpoint attach --network "$net" --netns "/run/netns/$TOPO-$c" --name "$c" "$@" >/dev/null
}

cluster() { # HOSTS [ARG...]: all alive to one another; the arguments are the daemons'
	local n hosts=$1
	shift
	for ((n = 1; n <= hosts; n++)); do topo_host "$n"; done
	topo_daemon 1 "$@"
	for ((n = 2; n <= hosts; n++)); do topo_join "$n" "$@"; done
	for ((n = 1; n <= hosts; n++)); do await 20 alive "$n" "$hosts" || die "h$n does not see $hosts nodes"; done
}
network() { # HOSTS NAME ARG...: created on host 1, known on all of them
	local hosts=$1 name=$2 n
	shift 2
	ctl 1 network create "$@" "$name" >/dev/null || die "network create $name failed"
	for ((n = 2; n <= hosts; n++)); do
		await 15 ctl "$n" network inspect "$name" >/dev/null || die "h$n never heard of $name"
	done
}

# ---- services ----

service() { # HOSTS NAME ARG...: created on host 1, known on all of them; its VIP is in ${VIP[NAME]}
	local hosts=$1 name=$2 n
	shift 2
	ctl 1 service create --name "$name" "$@" >/dev/null || die "service create $name failed"
	for ((n = 2; n <= hosts; n++)); do
		await 15 ctl "$n" service inspect "$name" >/dev/null || die "h$n never heard of $name"
	done
	VIP[$name]=$(ctl 1 --json service inspect "$name" | jq -r '.[0].Endpoint.VirtualIPs[0].Addr // "" | split("/")[0]')
}
lb() { # HOST SERVICE JQ-FILTER: of the rows of `lb ls`
	ctl "$1" --json lb ls --service "$2" | jq -r "$3"
}
takes() { # HOST SERVICE BACKEND...: these, and no other, take new flows of that host
	local host=$1 svc=$2
	shift 2
	same "$(lb "$host" "$svc" '[.[] | select(.Old | not).Name] | sort | join(" ")' | xargs)" \
		"$(printf '%s\n' "$@" | sort | xargs)"
}
takes_everywhere() { # HOSTS SERVICE BACKEND...
	local hosts=$1 n
	shift
	for ((n = 1; n <= hosts; n++)); do takes "$n" "$@" || return; done
}
serves() { # CONTAINER PORT: somebody listens there
	at "$1" ss -Hltn "sport = :$2" | grep -q .
}
serve() { # CONTAINER PORT [ARG...]: `load serve` under the container's name; its pid in ${SERVER[CONTAINER:PORT]}
	spawn "$1" "$LOAD" serve "$@" 2>>"$WORK/serve.log"
	SERVER[$1:$2]=$SPAWN
	await 5 serves "$1" "$2" || die "no server in $1"
}
counted() { # KEY FILE: what `load` printed for it
	awk -v k="$1" '$0 ~ "^" k " [0-9]+$" { n = $NF } END { print n + 0 }' "$2"
}

# ---- load in the background ----

begin() { # NAME CLIENT ARG...: `load ARG...` in the background; what it says is in $WORK/NAME
	local name=$1 c=$2
	shift 2
	spawn "$c" "$LOAD" "$@" >"$WORK/$name"
	PID[$name]=$SPAWN
}
end() { # NAME...
	local name
	for name in "$@"; do kill "${PID[$name]}"; done
	for name in "$@"; do wait "${PID[$name]}"; done
}
is_ready() { grep -q ready "$WORK/$1"; }
held() { # NAME CLIENT ARG...: held connections, all of them there
	local name=$1 c=$2
	shift 2
	begin "$name" "$c" hold "$@"
	await 10 is_ready "$name" || die "no connections are held: $name"
	none_broke "$name" >&2 || die "not all connections are held: $name"
}
in_all() { # KEY NAME...: summed up
	local key=$1 name n=0
	shift
	for name in "$@"; do n=$((n + $(counted "$key" "$WORK/$name"))); done
	echo "$n"
}
breaks() { # NAME...
	local name
	for name in "$@"; do grep '^break' "$WORK/$name"; done
}
none_broke() { ! breaks "$@" | grep .; }
