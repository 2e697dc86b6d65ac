/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sk_lookup.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "base/cleanup.h"
#include "maps/dns.h"
#include "objects.h"

#include "dns_lookup.skel.h"

static void destroyp(struct dns_lookup_bpf **skel)
{
	dns_lookup_bpf__destroy(*skel);
}

static int put(int map, uint32_t key, int socket)
{
	uint64_t value = (uint64_t)socket;

	return bpf_map_update_elem(map, &key, &value, BPF_ANY);
}

int sk_lookup_attach(int netns, int udp, int tcp, int *ret_link)
{
	_cleanup_(destroyp) struct dns_lookup_bpf *skel = NULL;
	int r, map;

	bpf_listen();
	skel = dns_lookup_bpf__open_and_load();
	if (!skel)
		return -errno;
	map = bpf_map__fd(skel->maps.dns_sockets);
	r = put(map, OV_DNS_UDP, udp);
	if (!r)
		r = put(map, OV_DNS_TCP, tcp);
	if (r)
		return r;
	/* The link holds the program and the program the map: nothing else needs to stay open. */
	r = bpf_link_create(bpf_program__fd(skel->progs.ov_dns), netns, BPF_SK_LOOKUP, NULL);
	if (r < 0)
		return r;
	*ret_link = r;
	return 0;
}

bool sk_lookup_is_attached(int link)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(link, &info, &len) && info.netns.netns_ino;
}
