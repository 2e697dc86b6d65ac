/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- what is said ---- */

/* Sentences may quote what came from elsewhere: nothing in them may steer a terminal. */
void ctl_say(FILE *f, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, f);
	fputc('\n', f);
}

int ctl_error(struct ctl *c, const char *sentence)
{
	fputs("overlayctl: ", c->err);
	ctl_say(c->err, sentence);
	return EXIT_FAILURE;
}

static int usage_error(struct ctl *c, const struct err *e)
{
	ctl_error(c, e->text);
	return EXIT_WRONG_USAGE;
}

static void print_option(FILE *f, const char *name, const char *metavar, const char *help)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", name, metavar ? " " : "", metavar ? metavar : "");
	fprintf(f, "  %-28s %s\n", left, help);
}

static void print_globals(FILE *f)
{
	fputs("\nAnywhere in the line:\n", f);
	print_option(f, "run-dir", "DIR", "where the daemon's socket is (default: /run/overlayd)");
	print_option(f, "json", NULL, "print JSON");
	print_option(f, "help", NULL, "what a command takes");
	print_option(f, "version", NULL, "of overlayctl");
}

/* Does the command begin with that word, with more to follow? */
static bool is_of_group(const struct ctl_command *cmd, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(cmd->name, word, len) && cmd->name[len] == ' ';
}

/* All commands, or those of one group ("network"). */
static void print_commands(FILE *f, const char *group)
{
	for (size_t i = 0; i < ctl_command_count; i++) {
		const struct ctl_command *cmd = &ctl_commands[i];
		char left[64];

		if (group && !is_of_group(cmd, group))
			continue;
		snprintf(left, sizeof(left), "%s %s", cmd->name, cmd->operands);
		fprintf(f, "  %-30s %s\n", left, cmd->summary);
	}
}

static int print_help(struct ctl *c)
{
	fputs("Usage: overlayctl [--run-dir DIR] [--json] COMMAND\n\n", c->out);
	print_commands(c->out, NULL);
	print_globals(c->out);
	return EXIT_SUCCESS;
}

static int print_command_help(struct ctl *c, const struct ctl_command *cmd)
{
	fprintf(c->out, "Usage: overlayctl %s%s%s%s\n\n%s\n", cmd->name,
		cmd->option_count ? " [OPTION]..." : "", *cmd->operands ? " " : "", cmd->operands,
		cmd->summary);
	if (cmd->option_count)
		fputc('\n', c->out);
	for (size_t i = 0; i < cmd->option_count; i++)
		print_option(c->out, cmd->options[i].name, cmd->options[i].metavar, cmd->options[i].help);
	print_globals(c->out);
	return EXIT_SUCCESS;
}

/* ---- reading the line ---- */

struct line {
	bool help, version, no_more_options;
	const struct ctl_command *command;
	json_t *fields;
	int argc;     /* operands, gathered at the front of argv */
	char **argv;
};

static int set_map(json_t *fields, const struct ctl_option *o, const char *text, struct err *e)
{
	json_t *map = json_object_get(fields, o->field);
	_cleanup_(freep) char *key = strdup(text);
	char *equals = key ? strchr(key, '=') : NULL;

	if (!key || (!map && json_object_set_new(fields, o->field, map = json_object())))
		return err_set(e, -ENOMEM, "out of memory");
	if (equals)
		*equals = '\0';
	if (json_object_get(map, key))
		return err_set(e, -EINVAL, "--%s %s is given twice", o->name, key);
	if (!*key || json_object_set_new(map, key, json_string(equals ? equals + 1 : "")))
		return err_set(e, -EINVAL, "--%s \"%s\" is not %s in UTF-8", o->name, text, o->metavar);
	return 0;
}

static int set_list(json_t *fields, const struct ctl_option *o, const char *text, struct err *e)
{
	json_t *list = json_object_get(fields, o->field);

	if (!list && json_object_set_new(fields, o->field, list = json_array()))
		return err_set(e, -ENOMEM, "out of memory");
	if (json_array_append_new(list, json_string(text)))
		return err_set(e, -EINVAL, "--%s is not UTF-8", o->name);
	return 0;
}

/* The daemon has another working directory, and its own idea of /proc/self. */
static int set_netns(json_t *fields, const struct ctl_option *o, const char *text, struct err *e)
{
	_cleanup_(freep) char *cwd = NULL, *path = NULL;

	if (!strncmp(text, "/proc/self/", 11) || !strncmp(text, "/proc/thread-self/", 18))
		return err_set(e, -EINVAL, "--netns %s would be this command itself: give the PID of a "
			       "process in the namespace", text);
	if (text[0] != '/' && strchr(text, '/')) {
		cwd = getcwd(NULL, 0);
		if (!cwd || asprintf(&path, "%s/%s", cwd, text) < 0)
			return err_set(e, -errno, "cannot tell the working directory: %s", strerror(errno));
		text = path;
	}
	if (json_object_set_new(fields, o->field, json_string(text)))
		return err_set(e, -EINVAL, "--%s is not UTF-8", o->name);
	return 0;
}

static int set_option(json_t *fields, const struct ctl_option *o, const char *text, struct err *e)
{
	bool again = o->kind == OPTION_LIST || o->kind == OPTION_MAP;

	if (!again && json_object_get(fields, o->field))
		return err_set(e, -EINVAL, "--%s is given twice", o->name);
	switch (o->kind) {
	case OPTION_LIST:
		return set_list(fields, o, text, e);
	case OPTION_MAP:
		return set_map(fields, o, text, e);
	case OPTION_NETNS:
		return set_netns(fields, o, text, e);
	case OPTION_FLAG:
		return json_object_set_new(fields, o->field, json_true());
	default:
		if (json_object_set_new(fields, o->field, json_string(text)))
			return err_set(e, -EINVAL, "--%s is not UTF-8", o->name);
		return 0;
	}
}

static const struct ctl_option *find_option(const struct ctl_command *cmd, const char *name, size_t len)
{
	for (size_t i = 0; cmd && i < cmd->option_count; i++)
		if (strlen(cmd->options[i].name) == len && !memcmp(cmd->options[i].name, name, len))
			return &cmd->options[i];
	return NULL;
}

static bool take_global_flag(struct ctl *c, struct line *l, const char *arg)
{
	if (!strcmp(arg, "--json"))
		c->json = true;
	else if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
		l->help = true;
	else if (!strcmp(arg, "--version"))
		l->version = true;
	else
		return false;
	return true;
}

/* One argument that begins with a dash; *i moves on when it takes the next one too. */
static int take_option(struct ctl *c, struct line *l, int argc, char **argv, int *i, struct err *e)
{
	/* -w is what every program that captures calls it. */
	bool is_w = !strcmp(argv[*i], "-w") && find_option(l->command, "write", 5);
	const char *name = is_w ? "write" : argv[*i] + 2, *equals = strchr(name, '='), *value = NULL;
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	bool run_dir = len == 7 && !memcmp(name, "run-dir", 7);
	const struct ctl_option *o = find_option(l->command, name, len);

	if (take_global_flag(c, l, argv[*i]))
		return 0;
	if ((strncmp(argv[*i], "--", 2) && !is_w) || (!o && !run_dir))
		return err_set(e, -EINVAL, "unknown option %s: `overlayctl %s%s--help` lists them",
			       argv[*i], l->command ? l->command->name : "", l->command ? " " : "");
	if (o && o->kind == OPTION_FLAG) {
		if (equals)
			return err_set(e, -EINVAL, "--%s takes no value", o->name);
		return set_option(l->fields, o, NULL, e);
	}
	if (equals)
		value = equals + 1;
	else if (*i + 1 < argc)
		value = argv[++*i];
	if (!value)
		return err_set(e, -EINVAL, "--%.*s needs a value", (int)len, name);
	if (o)
		return set_option(l->fields, o, value, e);
	*c->run_dir = value;
	return 0;
}

/* Does `name` begin with these words, and how many of its own has it? 0: no. */
static int words_match(const char *name, char *const *words, int count)
{
	int n = 0;

	while (n < count) {
		size_t len = strlen(words[n]);

		if (strncmp(name, words[n], len) || (name[len] && name[len] != ' '))
			return 0;
		n++;
		if (!name[len])
			return n;
		name += len + 1;
	}
	return 0;
}

/* The command that the operands so far begin with; they are cut off. */
static void find_command(struct line *l)
{
	for (size_t i = 0; i < ctl_command_count && !l->command; i++) {
		int n = words_match(ctl_commands[i].name, l->argv, l->argc);

		if (!n)
			continue;
		l->command = &ctl_commands[i];
		l->argv += n;
		l->argc -= n;
	}
}

static int read_line(struct ctl *c, int argc, char **argv, struct line *l, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		int r = 0;

		if (!l->no_more_options && !strcmp(argv[i], "--"))
			l->no_more_options = true;
		else if (!l->no_more_options && argv[i][0] == '-' && argv[i][1])
			r = take_option(c, l, argc, argv, &i, e);
		else
			l->argv[l->argc++] = argv[i];
		if (r)
			return r;
		if (!l->command)
			find_command(l);
	}
	return 0;
}

static bool is_group(const char *word)
{
	for (size_t i = 0; i < ctl_command_count; i++)
		if (is_of_group(&ctl_commands[i], word))
			return true;
	return false;
}

/* Wrong usage: what was typed, and what there is. */
static int no_command(struct ctl *c, const struct line *l)
{
	const char *word = l->argc ? l->argv[0] : NULL, *group = word && is_group(word) ? word : NULL;

	if (!word)
		fputs("overlayctl: give a command:\n", c->err);
	else if (!group)
		fprintf(c->err, "overlayctl: unknown command \"%s\"; there are:\n", word);
	else if (l->argc > 1)
		fprintf(c->err, "overlayctl: unknown command \"%s %s\"; there are:\n", word, l->argv[1]);
	else
		fprintf(c->err, "overlayctl: \"%s\" needs one word more; there are:\n", word);
	print_commands(c->err, group);
	return EXIT_WRONG_USAGE;
}

static int check_line(const struct line *l, struct err *e)
{
	const struct ctl_command *cmd = l->command;

	for (size_t i = 0; i < cmd->option_count; i++)
		if (cmd->options[i].required && !json_object_get(l->fields, cmd->options[i].field))
			return err_set(e, -EINVAL, "%s needs --%s %s", cmd->name, cmd->options[i].name,
				       cmd->options[i].metavar);
	if (l->argc < cmd->min_args)
		return err_set(e, -EINVAL, "%s needs %s", cmd->name, cmd->operands);
	if (cmd->max_args >= 0 && l->argc > cmd->max_args)
		return err_set(e, -EINVAL, "%s does not take \"%s\"", cmd->name, l->argv[cmd->max_args]);
	return 0;
}

/* "help network create" is "network create --help". */
static int run_help(struct ctl *c, const struct line *l)
{
	struct line about = { .argc = l->argc - 1, .argv = l->argv + 1 };

	if (l->argc > 1)
		find_command(&about);
	return about.command ? print_command_help(c, about.command) : print_help(c);
}

static int run_line(struct ctl *c, const struct line *l)
{
	struct ctl_input in = { l->command, l->fields, l->argc, l->argv };
	struct err e = { 0 };

	if (l->version) {
		fputs("overlayctl " OV_VERSION "\n", c->out);
		return EXIT_SUCCESS;
	}
	if (!l->command && l->argc && !strcmp(l->argv[0], "help"))
		return run_help(c, l);
	if (!l->command && l->help)
		return print_help(c);
	if (!l->command)
		return no_command(c, l);
	if (l->help)
		return print_command_help(c, l->command);
	if (check_line(l, &e))
		return usage_error(c, &e);
	return l->command->run(c, &in);
}

int ctl_run(struct ctl *c, int argc, char **argv)
{
	_cleanup_(freep) char **operands = calloc((size_t)argc + 1, sizeof(*operands));
	struct line l = { .argv = operands, .fields = json_object() };
	struct err e = { 0 };
	int status;

	if (!operands || !l.fields)
		status = ctl_error(c, "out of memory");
	else if (read_line(c, argc, argv, &l, &e))
		status = usage_error(c, &e);
	else
		status = run_line(c, &l);
	json_decref(l.fields);
	return status;
}

/* ---- for handlers ---- */

int ctl_refused(struct ctl *c, int status, json_t *value)
{
	if (*ctl_text(value, "Error"))
		ctl_error(c, ctl_text(value, "Error"));
	else
		fprintf(c->err, "overlayctl: overlayd answered with status %d and no reason\n", status);
	json_decref(value);
	return EXIT_FAILURE;
}

int ctl_ask(struct ctl *c, const char *method, const char *path, const json_t *body,
	    json_t **ret_value)
{
	json_t *value = NULL;
	struct err e = { 0 };
	int status, r = c->call(c->ctx, method, path, body, &status, &value, &e);

	if (r)
		return r == -EINTR ? EXIT_FAILURE : ctl_error(c, e.text);
	if (status >= 200 && status < 300) {
		*ret_value = value;
		return 0;
	}
	return ctl_refused(c, status, value);
}

char *ctl_escape(const char *text)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *out = malloc(3 * strlen(text) + 1), *at = out;

	for (; out && *text; text++) {
		if (strchr(unreserved, *text))
			*at++ = *text;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*text);
	}
	if (out)
		*at = '\0';
	return out;
}

int ctl_ask_one(struct ctl *c, const char *method, const char *collection, const char *ref,
		json_t **ret_value)
{
	_cleanup_(freep) char *escaped = ctl_escape(ref), *path = NULL;

	if (!escaped || asprintf(&path, "/v1/%s/%s", collection, escaped) < 0)
		return ctl_error(c, "out of memory");
	return ctl_ask(c, method, path, NULL, ret_value);
}

const char *ctl_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

json_int_t ctl_number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

void ctl_print_json(struct ctl *c, const json_t *value)
{
	json_dumpf(value, c->out, JSON_INDENT(4));
	fputc('\n', c->out);
}
