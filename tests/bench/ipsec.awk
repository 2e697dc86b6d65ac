# SPDX-License-Identifier: GPL-2.0-or-later
# The table of the part "ipsec". Input: WIRE ROW PATH VALUE, one sample a line, by rounds.
# -v head=1 prints its head, -v want=WIRE/ROW that row and what was sampled with it.

BEGIN {
	text["tcp"] = "TCP one stream, Gb/s"
	text["cpu"] = "  CPU seconds a GB (lower is better)"
	text["udp1"] = "UDP 64 bytes, one CPU, k/s"
	text["rr"] = "TCP request/response, k/s"
	text["rrp99"] = "  99th percentile, us (lower is better)"
	text["tcp4"] = "TCP 4 streams, Gb/s"
	text["busiest"] = "  share of ESP that one CPU decrypted"
	more["tcp"] = "cpu"
	more["rr"] = "rrp99"
	more["tcp4"] = "busiest"
	if (head)
		line("median (of bare)", "bare veth", "ESP alone", "ours, plain", "ours, ESP",
		     "Docker, ESP", "ours: ESP/plain", "ESP: ours/Docker", "n")
}

function line(label, a, b, c, d, e, plain, docker, n) {
	printf "%-39s %-9s %-15s %-15s %-15s %-15s %-18s %-18s %2s\n", label, a, b, c, d, e, plain,
		docker, n
}

{
	value[$1 "/" $2, $3, ++count[$1 "/" $2, $3]] = $4
	rounds[$1 "/" $2] = count[$1 "/" $2, $3]
}

# The middle one of v[1..n], which is sorted.
function median(v, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function middle(row, path,    i, n, v) {
	n = count[row, path]
	for (i = 1; i <= n; i++)
		v[i] = value[row, path, i]
	return n ? median(v, n) : 0
}

function figure(x) {
	return sprintf(x < 10 ? "%.3f" : x < 1000 ? "%.1f" : "%.0f", x)
}

function cell(row, path,    m, bare) {
	m = middle(row, path)
	bare = middle(row, "bare")
	if (!m)
		return "-"
	return figure(m) (bare && path != "bare" ? sprintf(" (%.3f)", m / bare) : "")
}

# Of each round, because they were measured right after one another.
function ratio(row, a, b,    i, n, v, m) {
	n = count[row, a] < count[row, b] ? count[row, a] : count[row, b]
	if (!n)
		return "-"
	for (i = 1; i <= n; i++)
		v[i] = value[row, a, i] / value[row, b, i]
	m = median(v, n)
	return sprintf("%.2f [%.2f..%.2f]", m, v[1], v[n])
}

function row_line(row, name) {
	if (!(row in rounds))
		return
	line(text[name], cell(row, "bare"), cell(row, "esp"), cell(row, "ours"), cell(row, "oursx"),
	     cell(row, "dockerx"), ratio(row, "oursx", "ours"), ratio(row, "oursx", "dockerx"),
	     rounds[row])
}

END {
	split(want, part, "/")
	if (want) {
		row_line(want, part[2])
		if (part[2] in more)
			row_line(part[1] "/" more[part[2]], more[part[2]])
	}
}
