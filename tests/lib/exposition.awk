# SPDX-License-Identifier: GPL-2.0-or-later
# Whether a page is Prometheus' text format, strictly, and as its conventions have it: all that
# `promtool check metrics` says, and what it lets pass (samples told twice, empty lines).
# Prints a line for each mistake; exit status 1 when there is one.
function wrong(what) { print FILENAME ":" FNR ": " what ": " $0; bad = 1 }
function family_ends() {
	if (family != "" && !(family in typed)) wrong("no TYPE of the family before")
}
# Buckets in ascending order, each with all that is in the ones before; +Inf's is the count.
function histogram(    bound) {
	if (name == family "_bucket") {
		bound = $0; sub(/.*le="/, "", bound); sub(/".*/, "", bound)
		if (bound == "+Inf") bound = 1e300
		if (bound + 0 <= le + 0) wrong("a bucket out of order")
		if (le != -1 && $NF + 0 < below + 0) wrong("a bucket with less than the one before")
		le = bound; below = $NF
	} else if (name == family "_count") {
		if (le != 1e300 || $NF != below) wrong("a count that is not that of +Inf")
	} else if (name != family "_sum") {
		wrong("a sample outside its family")
	}
}
/^# HELP / {
	family_ends()
	if ($3 in helped) wrong("a second HELP")
	if (NF < 4) wrong("an empty HELP")
	family = $3; helped[$3] = 1; next
}
/^# TYPE / {
	if ($3 != family) wrong("TYPE without its HELP before it")
	if (NF != 4 || $4 !~ /^(counter|gauge|histogram)$/) wrong("an unknown type")
	if ($3 !~ /^overlayd_[a-z0-9_]+$/) wrong("a name that is not overlayd_ and lower case")
	if (($4 == "counter") != ($3 ~ /_total$/)) wrong("_total is for counters, and for them alone")
	if ($3 ~ /_(milliseconds|ms|kilobytes|kib)(_|$)/) wrong("not a base unit")
	if ($4 == "histogram" && $3 !~ /_seconds$/) wrong("not a base unit")
	typed[$3] = $4; le = -1; next
}
/^#/ { wrong("a comment of no use"); next }
/^$/ { wrong("an empty line"); next }
{
	name = $0; sub(/[{ ].*/, "", name)
	if (typed[family] == "histogram") histogram()
	else if (name != family) wrong("a sample outside its family")
	labels = $0; value = $0
	if (!match(labels, /^[a-z0-9_]+(\{[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\\\|\\"|\\n)*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\\\|\\"|\\n)*")*\})? /))
		wrong("labels that do not parse")
	value = substr($0, RLENGTH + 1)
	labels = substr($0, 1, RLENGTH)
	if (value !~ /^[0-9]+(\.[0-9]+)?$/) wrong("a value that is no number")
	if (labels in seen) wrong("a sample that was there before")
	seen[labels] = 1
	samples++
}
END { family_ends(); if (!samples) { print "no sample"; bad = 1 } exit bad }
