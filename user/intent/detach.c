/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints of this node go. */
#include "room.h"

#include <errno.h>
#include <string.h>

bool is_own_endpoint(const struct intent *in, const struct view_endpoint *ve)
{
	return id_equal(&ve->ep->node, self_id(in));
}

static int find_endpoint(const struct intent *in, const char *ref,
			 const struct view_endpoint **ret_endpoint, struct err *e)
{
	const struct view *v = store_view(in->store);
	const struct view_endpoint *own = NULL, *any;
	struct id id;

	for (size_t i = 0; i < v->endpoint_count && id_parse(ref, &id) < 0; i++) {
		const struct view_endpoint *ve = &v->endpoint[i];

		if (!*ref || strcmp(ve->ep->name, ref) || !is_own_endpoint(in, ve))
			continue;
		if (own)
			return err_set(e, -EINVAL,
				       "there is an endpoint %s on network %s and on "
				       "network %s; say which one by its id from `overlayctl "
				       "endpoint ls`",
				       ref, own->net->display, ve->net->display);
		own = ve;
	}
	any = own ? own : view_endpoint_find(v, ref);
	if (!any)
		return err_set(e, -ENOENT,
			       "there is no endpoint \"%.80s\"; `overlayctl endpoint ls` "
			       "shows the endpoints",
			       ref);
	*ret_endpoint = any;
	return 0;
}

int find_own_endpoint(const struct intent *in, const char *ref, const char *command,
		      const struct view_endpoint **ret_endpoint, struct err *e)
{
	char id[ID_TEXT_MAX], node[ID_TEXT_MAX];
	int r = find_endpoint(in, ref, ret_endpoint, e);

	if (r < 0 || is_own_endpoint(in, *ret_endpoint))
		return r;
	return err_set(e, -EPERM, "endpoint %s lives on node %s; run `overlayctl %s` there",
		       endpoint_text((*ret_endpoint)->ep, id),
		       node_text(store_view(in->store), &(*ret_endpoint)->ep->node, node), command);
}

static int release(struct intent *in, const struct view_endpoint *ve, uint64_t wall_ms,
		   struct err *e)
{
	struct id id = ve->ep->id; /* the view ends with the write */
	int r = bury_endpoint(in, &id, wall_ms, e);

	return r < 0 ? r : store_commit(in->store, e);
}

int intent_detach(struct intent *in, const char *ref, uint64_t wall_ms, struct err *e)
{
	const struct view_endpoint *ve = NULL;
	int r = find_own_endpoint(in, ref, "endpoint detach", &ve, e);

	return r < 0 ? r : release(in, ve, wall_ms, e);
}

int intent_endpoint_vanished(struct intent *in, const struct id *id, uint64_t wall_ms,
			     struct err *e)
{
	const struct view_endpoint *ve = view_endpoint_by_id(store_view(in->store), id);
	char text[ID_TEXT_MAX];

	if (!ve || !is_own_endpoint(in, ve))
		return err_set(e, -ENOENT, "endpoint %.12s is none of this node's",
			       id_format(id, text));
	return release(in, ve, wall_ms, e);
}
