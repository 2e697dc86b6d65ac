/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "table.h"

static void meta_free(struct meta *m)
{
	if (m->data)
		explicit_bzero(m->data, m->len); /* a token, perhaps */
	free(m->data);
	free(m->name);
	free(m);
}

void metas_free(struct store *s)
{
	struct meta *m, *next;

	LL_FOREACH_SAFE(s->metas, m, next)
		meta_free(m);
	s->metas = NULL;
}

const struct meta *meta_find(const struct store *s, const char *name)
{
	const struct meta *m;

	LL_FOREACH(s->metas, m)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

int meta_put(struct store *s, const char *name, const void *data, size_t len)
{
	struct meta *old = (struct meta *)meta_find(s, name), *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->name = strdup(name);
	m->data = malloc(len ? len : 1);
	if (!m->name || !m->data) {
		m->len = 0;
		meta_free(m);
		return -ENOMEM;
	}
	m->len = len;
	if (len)
		memcpy(m->data, data, len);
	if (old) {
		LL_DELETE(s->metas, old);
		meta_free(old);
	}
	LL_PREPEND(s->metas, m);
	return 0;
}

int store_meta_set(struct store *s, const char *name, const void *data, size_t len, struct err *e)
{
	int err;

	if (!name[0] || name[0] == '.')
		return err_set(e, -EINVAL, "\"%s\" is not a name for a value of the store", name);
	err = s->db ? db_put_meta(s->db, name, data, len, e) : 0;
	if (err)
		return err;
	err = meta_put(s, name, data, len);
	return err ? err_set(e, err, "out of memory while saving \"%s\"", name) : 0;
}

int store_meta_get(struct store *s, const char *name, struct buf *out)
{
	const struct meta *m = name[0] == '.' ? NULL : meta_find(s, name);

	if (!m)
		return -ENOENT;
	buf_put(out, m->data, m->len);
	return 0;
}
