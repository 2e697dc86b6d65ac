#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The packet tests of tests/bpf, on this kernel's verifier, JIT and test-run facility.
# Those of the suite "wire" send megabytes over devices: here, 02 and 04 do that.
. "$(dirname "$0")/lib.sh"
cp build/tests/test_bpf "$BUILD"
export OV_TEST_PINS=/sys/fs/bpf/tests
mkdir "$OV_TEST_PINS"
"$BUILD/test_bpf" -j1 --filter '!(wire)/*' --tap=/run/tap >/run/said 2>&1
status=$?
# "ok - suite::name  (0.01s)", "not ok - ...", and below it where it failed; SKIP: filtered out.
sed -n -E '/# SKIP/d; s/^(ok|not ok) - ([^ ]*)::([^ ]*).*/\1 \2: \3/; T; y/_/ /; p' /run/tap
grep -E '^not ok' -A 4 /run/tap
# 1: tests have failed, and each of them is told above.
[ "$status" = 0 ] || tail -n 30 /run/said
check "the tests ran to their end" test "$status" -le 1 -a -s /run/tap
