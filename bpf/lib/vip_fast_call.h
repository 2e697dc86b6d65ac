/* SPDX-License-Identifier: GPL-2.0 */
/* The short way (vip_fast.h) from a client of this host to a VIP. */
#pragma once

#include "lib/service.h"
#include "lib/vip_fast.h"

/* The backend's port for a call. 0 or VIP_GENERAL. */
static __always_inline int plain_target_port(const struct plain *p, __u32 vni, __u16 vip_flags,
					     __be16 *ret_port)
{
	const struct ov_service *svc;

	*ret_port = p->dport;
	if (!(vip_flags & OV_ENDPOINT_PORTS))
		return 0;
	svc = service_lookup_v4(p->dst, vni, p->dport, p->protocol);
	if (!svc)
		return VIP_GENERAL;
	if (svc->target_port)
		*ret_port = svc->target_port;
	return 0;
}

/* To a VIP. 0 and the backend at *ret_backend, VIP_GENERAL or a verdict. */
static __always_inline int vip_call_plain(struct __sk_buff *skb, const struct ov_device *dev,
					  const struct ov_endpoint *vip,
					  const struct ov_endpoint **ret_backend)
{
	const struct ov_endpoint *backend;
	struct ov_flow *f;
	__be16 port;
	struct plain p;
	__u32 now;

	if (plain_parse(skb, &p) || plain_target_port(&p, dev->vni, vip->flags, &port))
		return VIP_GENERAL;
	f = plain_flow(dev->vni, p.src, p.dst, p.protocol, p.sport, port);
	now = flow_now();
	if (!f || f->vip_port != p.dport || flow_is_expired(f, p.protocol, now))
		return VIP_GENERAL;

	backend = endpoint_lookup_v4(dev->vni, addr_v4(&f->backend));
	if (!backend || !(backend->flags & OV_ENDPOINT_BACKEND) ||
	    backend->incarnation != f->incarnation || !addr_equals_v4(&backend->service, p.dst) ||
	    backend->ifindex == skb->ifindex || (backend->flags & OV_ENDPOINT_AWAY))
		return VIP_GENERAL;

	struct end to = { addr_v4(&f->backend), port };

	flow_touch(f, now);
	*ret_backend = backend;
	return plain_rewrite(skb, &p, SIDE_DST, &to, backend->mac);
}
