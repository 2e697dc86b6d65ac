/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control.h"
#include "json.h"
#include "show.h"

static json_t *id_or_empty(const struct id *id)
{
	return id_is_zero(id) ? json_string("") : json_id(id);
}

static json_t *mended_row(const struct repair_line *l)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "Kind", repair_kind_to_str(l->kind),
			 "Name", json_text(l->name), "What", json_text(l->what),
			 "Network", id_or_empty(&l->network), "Endpoint", id_or_empty(&l->endpoint));
}

json_t *show_repair(const struct repair_report *report)
{
	json_t *mended = json_array(), *failed = json_array();

	for (size_t i = 0; i < report->line_count; i++)
		json_push(&mended, mended_row(&report->line[i]));
	for (size_t i = 0; i < report->failed_count; i++)
		json_push(&failed, json_text(report->failed[i].text));
	return json_pack("{s:o, s:o, s:o}", "Count", json_count(report->mended), "Mended", mended,
			 "Failed", failed);
}

json_t *show_repairs(const struct repair_tally *t)
{
	json_t *kinds = json_object();
	uint64_t total = 0;
	int bad = 0;

	for (int i = 0; i < REPAIR_KIND_COUNT; i++) {
		total += t->count[i];
		bad |= json_object_set_new(kinds, repair_kind_to_str((enum repair_kind)i),
					   json_count(t->count[i]));
	}
	if (bad) {
		json_decref(kinds);
		kinds = NULL;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "Total", json_count(total), "Kinds", kinds,
			 "Last", t->last_ms ? json_time(t->last_ms) : json_string(""),
			 "Looks", json_count(t->looks),
			 "Looked", t->looked_ms ? json_time(t->looked_ms) : json_string(""));
}
