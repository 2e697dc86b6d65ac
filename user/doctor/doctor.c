// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "inside.h"

static const struct {
	const char *word, *passed;
} steps[DOCTOR_STEP_COUNT] = {
#define X(symbol, word_, passed_) { word_, passed_ },
	DOCTOR_STEPS(X)
#undef X
};

const char *doctor_step_to_str(enum doctor_step step)
{
	return (size_t)step < DOCTOR_STEP_COUNT ? steps[step].word : "unknown";
}

const char *doctor_level_to_str(enum doctor_level level)
{
	static const char *const word[] = { "pass", "warn", "fail" };

	return (size_t)level < ARRAY_SIZE(word) ? word[level] : "unknown";
}

static struct finding *add(struct findings *f)
{
	if (f->count == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 32;
		struct finding *grown = reallocarray(f->list, cap, sizeof(*grown));

		if (!grown) {
			f->out_of_memory = true;
			return NULL;
		}
		f->list = grown;
		f->cap = cap;
	}
	return &f->list[f->count++];
}

void tell(struct findings *f, enum doctor_step step, enum doctor_level level, const char *mend,
	  const char *fmt, ...)
{
	struct finding *one = add(f);
	va_list ap;

	if (!one)
		return;
	*one = (struct finding){ .step = step, .level = level };
	snprintf(one->mend, sizeof(one->mend), "%s", mend);
	va_start(ap, fmt);
	vsnprintf(one->seen, sizeof(one->seen), fmt, ap);
	va_end(ap);
}

/* Steps that say something of their own when they pass. */
static void passed(const struct doctor_seen *s, enum doctor_step step, struct findings *f)
{
	if (step == DOCTOR_KERNEL)
		tell(f, step, DOCTOR_PASS, "", "Linux %s; programs by %s; XDP %s: %s; %s", s->release,
		     s->attach_mode, s->xdp_mode, s->xdp_why,
		     s->can_encrypt ? "ESP with AES-GCM" : "no ESP, and no network needs it");
	else if (step == DOCTOR_UPLINK)
		tell(f, step, DOCTOR_PASS, "", "%s is up, MTU %u", s->uplink, s->uplink_mtu);
	else
		tell(f, step, DOCTOR_PASS, "", "%s", steps[step].passed);
}

static bool is_told(const struct findings *f, enum doctor_step step)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].step == step)
			return true;
	return false;
}

static int by_step(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return strcmp(x->seen, y->seen);
}

void doctor_check(const struct doctor_seen *s, struct findings *out)
{
	check_kernel(s, out);
	check_uplink(s, out);
	check_objects(s, out);
	check_pressure(s, out);
	check_inside(s, out);
	check_skipped(s, out);
	for (size_t i = 0; i < s->peer_count; i++) {
		check_member(s, &s->peer[i], out);
		check_gossip(s, &s->peer[i], out);
		check_vxlan(s, &s->peer[i], out);
		check_path(s, &s->peer[i], out);
		check_esp(s, &s->peer[i], out);
		check_answer(s, &s->peer[i], out);
	}
	out->out_of_memory |= s->out_of_memory;
	for (int step = 0; step < DOCTOR_STEP_COUNT; step++)
		if (!is_told(out, (enum doctor_step)step))
			passed(s, (enum doctor_step)step, out);
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_step);
}

bool findings_failed(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].level == DOCTOR_FAIL)
			return true;
	return false;
}

void findings_fini(struct findings *f)
{
	free(f->list);
	*f = (struct findings){ 0 };
}
