/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cross-owner claims: who keeps what two records claim. Private to model/. */
#pragma once

#include "view.h"

/* Each marks the losers in v; all are functions of the records alone. 0 or -ENOMEM. */
int view_settle_nodes(struct view *v);
int view_settle_networks(struct view *v);
int view_settle_services(struct view *v); /* names */
int view_settle_addrs(struct view *v);    /* of endpoints and services */
int view_settle_ports(struct view *v);    /* published ones: view_ports.c */
