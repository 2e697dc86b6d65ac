/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP between the client outside and blue_far, which lives on node b, one segment at a time. */
#pragma once

#include "mesh.h"

/* blue_far alone is behind the port. */
extern const struct mesh mesh_far;

/* To the published port of that node; what its uplink made of it. */
struct outcome conn_enter(struct env *env, const struct mesh *m, enum node entry, uint8_t flags);
/* And on to node b; what that made of it. */
struct outcome conn_call(struct env *env, const struct mesh *m, enum node entry, uint8_t flags);
/* The same, asserting that it reaches blue_far; and its answer, that the client gets it. */
void conn_call_well(struct env *env, enum node entry, uint8_t flags);
void conn_answer_well(struct env *env, enum node entry, uint8_t flags);
/* A connection by node c. We are node b then. */
void conn_establish(struct env *env);

/* A TCP reset to the client, from the published port of node c. */
void expect_client_reset(struct outcome *o);
