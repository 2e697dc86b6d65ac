# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Replicas of the service `web` on three hosts that come and go under load. Sourced after
# lib.sh; they are containers b1 to b5, whose servers the test starts.
declare -A HOST=([b1]=1 [b2]=2 [b3]=3 [b4]=1 [b5]=2) GONE=()

join() { # REPLICA...: attached as backends
	local c
	for c in "$@"; do attach "${HOST[$c]}" app "$c" --service web || die "attach $c"; done
}
drain() { # REPLICA...
	local c
	for c in "$@"; do ctl "${HOST[$c]}" service drain "$c" >/dev/null || die "drain $c"; done
}
leave() { # REPLICA...: detached, with the time noted
	local c
	for c in "$@"; do
		GONE[$c]=$(date +%s%3N)
		ctl "${HOST[$c]}" endpoint detach "$c" >/dev/null || die "detach $c"
	done
}
now_takes() { await 10 takes_everywhere 3 web "$@" || die "not every host takes $*"; }

# What is under way to a replica that takes no more ends; what is held stays.
has_only() { # REPLICA NAME...: of all connections, those that these loads hold
	local b=$1 n
	shift
	same "$(for n in 1 2 3; do lb "$n" web ".[] | select(.Name == \"$b\").Active"; done | jq -s add)" \
		"$(in_all "by $b" "$@")"
}
run_dry() { await 10 has_only "$@" || die "connections to $1 do not end"; }

reset_with() { # REPLICA NAME...: every connection to it broke, by a reset, and not before it left
	local b=$1
	shift
	same "$(breaks "$@" | awk -v b="$b" -v t="${GONE[$b]}" '$2 == "reset" && $3 == b && $4 >= t' | wc -l)" \
		"$(in_all "by $b" "$@")"
}
none_but_of() { # "REPLICA..." NAME...: no other connection broke
	local gone=$1
	shift
	! breaks "$@" | grep -vE "^break reset (${gone// /|}) "
}
none_since() { # TIME NAME...: none broke of those opened later
	local since=$1
	shift
	! breaks "$@" | awk -v t="$since" '$5 > t' | grep .
}
enough() { [ "$(in_all sofar run1 run2 run3)" -ge "$1" ]; }
