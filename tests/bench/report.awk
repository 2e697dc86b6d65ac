# SPDX-License-Identifier: GPL-2.0-or-later
# Samples in, a line a row out. Input: WIRE ROW PATH VALUE, one sample a line.
# -v want=WIRE/ROW prints that row of the table; -v verdict=1 the closing lines.

BEGIN {
	define("tcp", "TCP one stream, Gb/s", 1, 1)
	define("cpu", "  CPU seconds a GB (lower is better)", 2, -1)
	define("udp1", "UDP 64 bytes, one CPU, k/s", 1, 1)
	define("udp2", "UDP 64 bytes, two hosts, k/s", 1, 1)
	define("rr", "TCP request/response, k/s", 1, 1)
	define("rrmed", "  median, us (lower is better)", 1, -1)
	define("rrp99", "  99th percentile, us (lower is better)", 1, -1)
	define("crr", "connect/request/close, k/s", 2, 1)
	wire_text["super"] = "super-packets"
	wire_text["nic"] = "NIC-like"
}

function define(row, text, digits, better) {
	order[++row_count] = row
	label[row] = text
	places[row] = digits
	sense[row] = better
}

{
	k = $1 SUBSEP $2 SUBSEP $3
	value[k, ++count[k]] = $4 + 0
	seen[$1, $2] = 1
	if (!($1 in wire_seen)) {
		wire_seen[$1] = 1
		wire_order[++wire_count] = $1
	}
}

# Fills med, low and high; false when there is no sample.
function summary(wire, row, path,    k, n, i, j, t, v) {
	k = wire SUBSEP row SUBSEP path
	n = count[k]
	if (!n)
		return 0
	for (i = 1; i <= n; i++) {
		t = value[k, i]
		for (j = i - 1; j > 0 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	med = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	low = v[1]
	high = v[n]
	rounds = n
	return 1
}

function cell(wire, row, path, bare,    f, range) {
	if (!summary(wire, row, path))
		return "-"
	f = "%." places[row] "f"
	range = sprintf("[" f ".." f "]", low, high)
	if (path == "bare" || !bare)
		return sprintf(f " %s", med, range)
	return sprintf(f " (%.2f) %s", med, med / bare, range)
}

function print_row(wire, row,    bare, docker, ratio) {
	bare = summary(wire, row, "bare") ? med : 0
	docker = summary(wire, row, "docker") ? med : 0
	ratio = summary(wire, row, "ours") && docker ? sprintf("%.2f", med / docker) : "-"
	printf "%-40s %-24s %-30s %-30s %8s %4d\n", label[row], cell(wire, row, "bare", bare),
		cell(wire, row, "docker", bare), cell(wire, row, "ours", bare), ratio, rounds
}

function print_verdict(wire, row,    dm, dl, dh, better, overlap, text) {
	if (!summary(wire, row, "docker"))
		return
	dm = med
	dl = low
	dh = high
	if (!summary(wire, row, "ours") || !dm)
		return
	better = sense[row] > 0 ? med > dm : med < dm
	overlap = low <= dh && dl <= high
	text = label[row]
	gsub(/^ +| \(lower is better\)/, "", text)
	if (row == "rrmed" || row == "rrp99")
		text = "TCP request/response, " text
	else if (row == "cpu")
		text = "TCP one stream, " text
	printf "  %-8s %s, %s wire: %.2f of Docker-style%s\n", better ? "better" : "NOT", text,
		wire_text[wire], med / dm, overlap ? " (ranges overlap)" : ""
	total++
	won += better
}

END {
	if (want) {
		split(want, part, "/")
		if ((part[1], part[2]) in seen)
			print_row(part[1], part[2])
	}
	if (verdict) {
		for (w = 1; w <= wire_count; w++)
			for (r = 1; r <= row_count; r++)
				print_verdict(wire_order[w], order[r])
		if (total)
			printf "overlayd beat Docker-style in %d of %d rows\n", won, total
	}
}
