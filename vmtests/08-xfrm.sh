#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SAs and policies of this kernel's XFRM, and the drivers of them (tests/xfrm).
. "$(dirname "$0")/lib.sh"
take "$BUILD" build/tests/test_xfrm
criterion "$BUILD/test_xfrm"
