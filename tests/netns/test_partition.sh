#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One node is cut off, both sides attach endpoints, it returns: all agree, and no
# address was given twice.
. "$(dirname "$0")/lib.sh"
topo_init part
cluster 3
network 3 app --subnet 10.10.0.0/24
attach 1 app a1 && attach 3 app a3 || die "attach"
all_know 3 a1 a3
pings a1 "$(ip_of 1 a3)" || die "no ping to begin with"

at fab ip link set h3 down
await 30 alive 1 2 || die "h1 never noticed that h3 is gone"
for i in 1 2 3 4 5; do
	attach 1 app "left$i" || die "attach left$i while cut"
	attach 3 app "right$i" || die "attach right$i while cut"
done
attach 2 app left6 || die "attach left6 while cut"
check "the cut-off side gives addresses" knows 3 right1 right5
check_not "and is not heard across the cut" knows 1 right1
pair=$(ip_of 3 right1)
check "it talks on its own side" pings right1 "$(ip_of 3 a3)"

at fab ip link set h3 up
for n in 1 2 3; do
	check "h$n sees all nodes again" await 60 alive "$n" 3
	check "h$n knows all endpoints" await 60 knows "$n" left1 left5 left6 right1 right5 a1 a3
done
list() { ctl "$1" --json endpoint ls | jq -r '.[] | "\(.ID) \(.IP) \(.Node) \(.MAC)"' | sort; }
agree() { same "$(list 1)" "$(list 2)" && same "$(list 1)" "$(list 3)"; }
check "all three agree" await 20 agree
check "no address is double" same "$(list 1 | awk '{print $2}' | sort | uniq -d)" ""
check "13 endpoints in all" same "$(list 1 | wc -l)" 13
talk() { pings left1 "$pair" && pings right5 "$(ip_of 1 left6)"; }
check "across the healed cut they talk" await 20 talk
