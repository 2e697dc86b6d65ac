#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The demo's part about encryption (`sudo make demo-vm`), for machines whose own kernel has no
# ESP. No scenario: it checks nothing, it shows.
. "$(dirname "$0")/lib.sh"
echo "Linux $(uname -r), in a virtual machine: some steps take a while"
cp build/wire "$BUILD"
modprobe -a esp4 xfrm_user gcm seqiv ghash-generic || die "no ESP"
exec tools/demo encrypted
