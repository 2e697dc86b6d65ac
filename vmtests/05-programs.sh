#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The packet tests of tests/bpf, on this kernel's verifier, JIT and test-run facility.
# Those of the suite "wire" send megabytes over devices: here, 02 and 04 do that. "trace" compares
# our own model with programs, thousands of times: it is the same on every kernel.
# VM_ENV=FILTER=watch/* runs one suite.
. "$(dirname "$0")/lib.sh"
take "$BUILD" build/tests/test_bpf
export OV_TEST_PINS=/sys/fs/bpf/tests
mkdir "$OV_TEST_PINS"
criterion "$BUILD/test_bpf" --filter "${FILTER:-!(wire|trace)/*}"
