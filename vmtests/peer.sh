# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the second guest runs (vmrun): a machine that is no member of anything, and does what
# it is told by `peer` of lib.sh until it is ended. Told over a wire that is tried: it has
# no other, and what tells it stands beside the nodes, not behind one. With several wires
# it is the switch between them, too.
modprobe -a virtio_net sctp bridge
ip link add br0 type bridge
for dev in /sys/bus/virtio/drivers/virtio_net/virtio*/net/*; do
	ip link set "$(basename "$dev")" master br0 up
done
ip addr add 10.99.0.100/24 dev br0
ip link set br0 up
mkdir -p /run/peer
cp build/tests/load /run/peer
cd /run/peer || exit
echo ready
exec busybox nc -ll -p 99 -e /bin/sh
