/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables by libsmartcols, in the manner of Docker's: headings in capitals, three spaces between. */
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define ID_SHOWN 12 /* as Docker */

static const char *status_colour(const char *status)
{
	if (!strcmp(status, "alive"))
		return "green";
	return !strcmp(status, "suspect") ? "yellow" : "red";
}

static int fill_cell(struct libscols_line *line, size_t at, const json_t *row, const struct column *col)
{
	const char *text = ctl_text(row, col->field);
	char made[320] = "";

	if (col->kind == COLUMN_NUMBER)
		snprintf(made, sizeof(made), "%" JSON_INTEGER_FORMAT, ctl_number(row, col->field));
	else if (col->kind == COLUMN_ID)
		snprintf(made, sizeof(made), "%.*s", ID_SHOWN, text);
	else if (col->kind == COLUMN_YES)
		text = json_is_true(json_object_get(row, col->field)) ? "yes" : "no";
	else if (col->kind == COLUMN_NODE) /* Docker marks the node that answers with a star */
		snprintf(made, sizeof(made), "%s%s", text,
			 json_is_true(json_object_get(row, "Self")) ? " *" : "");
	if (col->kind == COLUMN_STATUS)
		scols_cell_set_color(scols_line_get_cell(line, at), status_colour(text));
	return scols_line_set_data(line, at, *made ? made : text); /* a list of ports may be long */
}

static int fill_table(struct libscols_table *t, const json_t *rows, const struct column *columns,
		      size_t count)
{
	const json_t *row;
	size_t i;

	for (size_t n = 0; n < count; n++)
		if (!scols_table_new_column(t, columns[n].heading, 0,
					    columns[n].kind == COLUMN_NUMBER ? SCOLS_FL_RIGHT : 0))
			return -1;
	json_array_foreach(rows, i, row) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		for (size_t n = 0; n < count; n++)
			if (!line || fill_cell(line, n, row, &columns[n]))
				return -1;
	}
	return 0;
}

int ctl_print_table(struct ctl *c, const json_t *rows, const struct column *columns, size_t count)
{
	struct libscols_table *t = scols_new_table();
	int r;

	if (!t)
		return ctl_error(c, "out of memory");
	scols_table_set_stream(t, c->out);
	scols_table_set_column_separator(t, "   ");
	/* Whole values always: a terminal too narrow wraps the line, and a script sees no difference. */
	scols_table_set_termforce(t, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_colors(t, c->colour);
	r = fill_table(t, rows, columns, count);
	if (!r && !json_array_size(rows)) { /* libsmartcols prints nothing at all for no lines */
		for (size_t n = 0; n < count; n++)
			fprintf(c->out, "%s%s", n ? "   " : "", columns[n].heading);
		fputc('\n', c->out);
	} else if (!r) {
		r = scols_print_table(t);
	}
	scols_unref_table(t);
	return r ? ctl_error(c, "out of memory") : EXIT_SUCCESS;
}

int ctl_print_rows(struct ctl *c, const json_t *rows, const struct column *columns, size_t count)
{
	if (!c->json)
		return ctl_print_table(c, rows, columns, count);
	ctl_print_json(c, rows);
	return EXIT_SUCCESS;
}
