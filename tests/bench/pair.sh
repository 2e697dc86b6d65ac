# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Rows of two columns: the same measurement of A and of B, in turn, and B over A.
# Needs run's own helpers.

pair_head() { # TITLE A B
	printf '%-44s %-24s %-24s %8s %-14s %4s\n' "$1, median [min..max]" "$2" "$3" ratio \
		"of each round" n
}

# "Of each round": the median of B over A measured right after one another, with
# half of all rounds between the brackets. It holds where the machine drifts.
pair_row() { # LABEL FUNCTION A B [ARG...]: FUNCTION A ARG... prints a number
	local label=$1 function=$2 order=("$3" "$4") a=$3 b=$4 round name
	shift 4
	for ((round = 1; round <= ROUNDS; round++)); do
		for name in "${order[@]}"; do
			progress "$label, round $round of $ROUNDS, $name"
			echo "$name $("$function" "$name" "$@")"
		done
		order=("${order[1]}" "${order[0]}")
	done | pair_report "$label" "$a" "$b" || die "$label could not be measured"
	progress ""
}

# The same of turns of milliseconds: FUNCTION A B ARG... prints two numbers, of A and of B.
pair_row_turns() { # LABEL FUNCTION A B [ARG...]
	local label=$1 function=$2 a=$3 b=$4 round
	shift 4
	for ((round = 1; round <= ROUNDS; round++)); do
		progress "$label, round $round of $ROUNDS"
		"$function" "$a" "$b" "$@" | awk -v a="$a" -v b="$b" '{ print a, $1; print b, $2 }'
	done | pair_report "$label" "$a" "$b" || die "$label could not be measured"
	progress ""
}

pair_report() { # LABEL A B; reads lines NAME NUMBER
	awk -v label="$1" -v a="$2" -v b="$3" '
		{ v[$1, ++n[$1]] = $2 + 0; if ($2 + 0 <= 0) bad = 1 }
		function sort(s,  i, j, t) {
			for (i = 2; i <= n[s]; i++)
				for (j = i; j > 1 && v[s, j - 1] > v[s, j]; j--) {
					t = v[s, j]; v[s, j] = v[s, j - 1]; v[s, j - 1] = t
				}
		}
		function at(s, f,  x, i) { # a quantile
			x = 1 + f * (n[s] - 1); i = int(x)
			return i == n[s] ? v[s, i] : v[s, i] + (x - i) * (v[s, i + 1] - v[s, i])
		}
		function text(x) { return sprintf(x < 1000 ? "%.2f" : "%.0f", x) }
		function cell(s) { return text(at(s, .5)) " [" text(at(s, 0)) ".." text(at(s, 1)) "]" }
		END {
			if (bad || n[a] != n[b]) { print label ": a measurement failed" >"/dev/stderr"; exit 1 }
			for (i = 1; i <= n[a]; i++)
				v["/", ++n["/"]] = v[b, i] / v[a, i]
			sort(a); sort(b); sort("/")
			printf "%-44s %-24s %-24s %8.3f %-14s %4d\n", label, cell(a), cell(b),
				at(b, .5) / at(a, .5), sprintf("%.3f [%.2f..%.2f]", at("/", .5),
				at("/", .25), at("/", .75)), n[a]
		}'
}
