/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"

#define TOKEN_PREFIX "ov1-" /* "1" is the format; another one is another kind of secret */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *name)
{
	size_t len = strnlen(name, NAME_MAX_LEN + 1);

	if (!len || len > NAME_MAX_LEN || !is_alnum(name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_alnum(name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

int name_check(const char *what, const char *name, struct err *e)
{
	if (!name[0])
		return err_set(e, -EINVAL, "the %s is empty; give it one", what);
	if (strnlen(name, NAME_MAX_LEN + 1) > NAME_MAX_LEN)
		return err_set(e, -EINVAL, "%s \"%.20s...\" is longer than %d characters; shorten it",
			       what, name, NAME_MAX_LEN);
	if (!name_is_valid(name))
		return err_set(e, -EINVAL,
			       "%s \"%s\" is not allowed; use letters, digits, '-', '_' and '.', "
			       "and begin with a letter or digit", what, name);
	return 0;
}

const char *token_format(const uint8_t secret[TOKEN_SECRET_LEN], char out[TOKEN_TEXT_MAX])
{
	memcpy(out, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
	hex_format(secret, TOKEN_SECRET_LEN, out + sizeof(TOKEN_PREFIX) - 1);
	return out;
}

int token_parse(const char *text, uint8_t ret_secret[TOKEN_SECRET_LEN])
{
	if (strncmp(text, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1))
		return -EINVAL;
	return hex_parse(text + sizeof(TOKEN_PREFIX) - 1, ret_secret, TOKEN_SECRET_LEN);
}
