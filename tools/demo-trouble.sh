# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The demo's parts about who may call whom, and about finding what is broken. Need tools/demo's
# words, its network app-net with service api, and containers c1 on host 1 and c2 on host 2.

judged() { # HOST: it knows the rules
	ctl "$1" --json policy ls --network app-net |
		jq -e 'any(.[]; .ID == "default" and .Action == "deny") and length == 2' >/dev/null
}
open_again() { named c2 curl -sS -m 1 http://api/ >/dev/null 2>&1; }

policy_part() {
	part "Policy: on app-net c1 may call api's port 80, and nobody may do anything else"
	show "overlayctl policy default --network app-net deny" \
		ctl 1 policy default --network app-net deny || die "no default"
	show "overlayctl policy allow --network app-net --from endpoint=c1 --to service=api --port 80" \
		ctl 1 policy allow --network app-net --from endpoint=c1 --to service=api --port 80 | tee "$WORK/rule"
	for n in 1 2 3; do await 10 judged "$n" || die "host $n does not know the rule"; done
	show "curl http://api/                    (in c1)" fetch c1 || die "c1 got no answer from api"
	printf '%s$ curl http://api/                    (in c2)%s\n' "$bold" "$plain"
	if named c2 curl -sS -m 2 http://api/ 2>&1; then die "c2 called api"; fi
	say "   ... what would become of a packet, without sending one"
	show "overlayctl trace --from c2 --to api:80/tcp     (on host 2)" ctl 2 trace --from c2 --to api:80/tcp
	show "overlayctl policy ls                (on host 2: how often each was asked)" ctl 2 policy ls
	ctl 1 policy rm "$(tail -n 1 "$WORK/rule")" >/dev/null &&
		ctl 1 policy default --network app-net allow >/dev/null || die "the rules do not go"
	await 10 open_again || die "c2 does not reach api without rules"
}

# Exits with 1 where a step fails, and that is what is shown.
doctor() { ctl 1 doctor >"$WORK/doctor"; }

trouble_part() {
	part "Something is broken: a firewall between the hosts drops VXLAN to host 2, and says nothing"
	at fab nft -f - <<-'END' || die "no firewall on the fabric"
		table bridge fault {
			chain between {
				type filter hook forward priority 0
				oifname "h2" udp dport 4789 drop
			}
		}
	END
	if doctor; then die "doctor finds nothing: $(cat "$WORK/doctor")"; fi
	show "overlayctl doctor | grep -A 1 ^fail  (on host 1)" grep -A 1 ^fail "$WORK/doctor" ||
		die "doctor names no step: $(cat "$WORK/doctor")"
	at fab nft delete table bridge fault || die "the firewall stays"
	await 20 doctor || die "doctor still finds a fault: $(cat "$WORK/doctor")"
	look "the firewall is gone:"
	show "overlayctl doctor" cat "$WORK/doctor"
}
