/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"
#include "show.h"

static json_t *show_finding(const struct finding *f)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "Step", doctor_step_to_str(f->step), "Result",
			 doctor_level_to_str(f->level), "Seen", json_text(f->seen), "Mend",
			 json_text(f->mend));
}

json_t *show_doctor(const struct findings *f)
{
	json_t *all = json_array();

	for (size_t i = 0; all && i < f->count; i++)
		if (json_array_append_new(all, show_finding(&f->list[i]))) {
			json_decref(all);
			return NULL;
		}
	return json_pack("{s:b, s:o}", "Healthy", !findings_failed(f), "Findings", all);
}
