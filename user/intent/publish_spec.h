/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One published port as it was typed. What was not said is zero, and no bit of `said`. */
#pragma once

#include "room.h"

enum publish_word { WORD_MODE, WORD_PUBLISHED, WORD_TARGET, WORD_PROTOCOL, WORD_ALLOW, WORD_COUNT };

struct publish_spec {
	const char *text; /* borrowed */
	struct publish p;
	unsigned int said; /* a bit for each enum publish_word */
};

static inline bool publish_spec_says(const struct publish_spec *s, enum publish_word w)
{
	return s->said & 1u << w;
}

/* "KEY=VALUE,..." or Docker's short form, "[[IP:]PORT:]TARGET[/PROTOCOL]". */
int publish_spec_parse(const char *text, struct publish_spec *ret_spec, struct err *e);
/* Whether it says enough to publish it. */
int publish_spec_check(const struct publish_spec *s, struct err *e);
