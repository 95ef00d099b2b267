#include "node/usage.h"

#include <stdarg.h>
#include <string.h>

enum { HELP_COLUMN = 26, VERB_COLUMN = 13 /* wider than any verb */ };

static const struct verb_option common[] = {
	{ "--config", "FILE",
	  "the configuration file; else $CALLMEND_CONFIG, else ./callmend.yaml if there is one" },
	{ "--json", NULL, "results for machines: one JSON object per line" },
	{ "--help", NULL, "this text" },
	{ 0 },
};
static const struct verb_option to_node[] = {
	{ "--url", "URL",
	  "the running node; else $CALLMEND_URL, else http://<listen.host>:<listen.port> of the "
	  "configuration" },
	{ "--token", "TOKEN",
	  "an API token; else $CALLMEND_TOKEN, else the file cli.token in state_dir if there is "
	  "one" },
	{ 0 },
};
static const struct verb_option nothing[] = { { 0 } };

static const struct verb_option *own(const struct verb *v)
{
	return v->options ? v->options : nothing;
}

const struct verb *usage_find(const struct verb *verbs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* --- reading --- */

static bool is_named(const char *arg, const char *name)
{
	size_t n = strlen(name);

	return strncmp(arg, name, n) == 0 && (arg[n] == '\0' || arg[n] == '=');
}

static const struct verb_option *row_of(const struct verb_option *rows, const char *arg)
{
	while (rows->name && !is_named(arg, rows->name))
		rows++;
	return rows->name ? rows : NULL;
}

/* Where the value of an option goes; NULL: this verb has no such option. */
static const char **place_of(const struct verb *verb, struct verb_call *v, const char *arg,
			     const struct verb_option **row)
{
	static const char *ignored;
	const struct verb_option *o = row_of(own(verb), arg);

	*row = o;
	if (o)
		return &v->values[o - own(verb)];
	*row = verb->talks == TALKS_TO_NODE ? row_of(to_node, arg) : NULL;
	if (*row)
		return *row == &to_node[0] ? &v->url : &v->token;
	*row = row_of(common, arg);
	return !*row ? NULL : *row == &common[0] ? &v->config_file : &ignored;
}

static int read_option(const struct verb *verb, struct verb_call *v, struct command_line *line,
		       int left, char **arg, int *used)
{
	const struct verb_option *row;
	const char **place = place_of(verb, v, arg[0], &row);
	const char *equals = strchr(arg[0], '=');

	*used = 1;
	if (!place)
		return verb_misused(v, "no option `%.*s`", (int)strcspn(arg[0], "="), arg[0]);
	if (!row->value && equals)
		return verb_misused(v, "%s takes no value", row->name);
	if (row->value && !equals && left < 2)
		return verb_misused(v, "%s needs a value: %s %s", row->name, row->name, row->value);
	v->json |= row == &common[1];
	line->help |= row == &common[2];
	*place = !row->value ? "" : equals ? equals + 1 : arg[1];
	*used = row->value && !equals ? 2 : 1;
	return EXIT_DONE;
}

static int check_words(const struct verb *verb, const struct verb_call *v)
{
	if (v->words_n < verb->words_min)
		return verb_misused(v, "needs %s", verb->words);
	if (v->words_n > verb->words_max)
		return verb_misused(v, "do not understand `%s`%s", v->words[verb->words_max],
				    verb->words_max ? " (quote a text of several words)" : "");
	return EXIT_DONE;
}

static bool passes_on(const struct verb *verb, const char *arg)
{
	return verb->reads == READS_NOTHING && strcmp(arg, "--help") != 0 && strcmp(arg, "-h") != 0;
}

int usage_read(const struct verb *verb, int argc, char **argv, struct verb_call *v,
	       struct command_line *line)
{
	bool only_words = false;
	int used;

	v->verb = verb;
	v->words = line->words;
	for (int i = 0; i < argc; i += used) {
		used = 1;
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (only_words || passes_on(verb, argv[i]) ||
			   strncmp(argv[i], "-", 1) != 0 || argv[i][1] == '\0') {
			line->words[v->words_n++] = argv[i];
		} else if (strcmp(argv[i], "-h") == 0) {
			line->help = true;
		} else {
			int status = read_option(verb, v, line, argc - i, argv + i, &used);
			if (status)
				return status;
		}
	}
	return line->help ? EXIT_DONE : check_words(verb, v);
}

const char *verb_option(const struct verb_call *v, const char *name)
{
	const struct verb_option *rows = own(v->verb);

	for (size_t i = 0; rows[i].name; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return v->values[i];
	}
	CHECK(false && "an option of this verb");
	return NULL;
}

/* --- complaining --- */

static void complain(const struct verb_call *v, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
static void complain(const struct verb_call *v, const char *fmt, va_list args)
{
	fprintf(stderr, "callmend %s: ", v->verb->name);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

int verb_misused(const struct verb_call *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(v, fmt, args);
	va_end(args);
	fprintf(stderr, "`callmend %s --help` explains.\n", v->verb->name);
	return EXIT_USAGE;
}

int verb_failed(const struct verb_call *v, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(v, fmt, args);
	va_end(args);
	return EXIT_FAILED;
}

static bool near(const char *a, const char *b)
{
	size_t same = 0;

	while (a[same] && a[same] == b[same])
		same++;
	return same >= 2 || (same == 1 && strlen(a) == strlen(b));
}

void usage_unknown(const struct verb *verbs, size_t n, const char *name)
{
	fprintf(stderr, "callmend: no verb `%s`", name);
	for (size_t i = 0; i < n; i++) {
		if (!near(name, verbs[i].name))
			continue;
		fprintf(stderr, "; did you mean `%s`?", verbs[i].name);
		break;
	}
	fprintf(stderr, "\n`callmend --help` lists them.\n");
}

/* --- help --- */

void usage_all(FILE *to, const struct verb *verbs, size_t n)
{
	fprintf(to,
		"callmend %s - live voice calls: streamed, steered, stored\n\n"
		"usage: callmend VERB [words] [options]\n\n",
		CALLMEND_VERSION);
	for (size_t i = 0; i < n; i++) {
		if (verbs[i].line)
			fprintf(to, "  %-*s %s\n", VERB_COLUMN, verbs[i].name, verbs[i].line);
	}
	fprintf(to, "\n`callmend VERB --help` explains a verb, with examples.\n\n"
		    "first steps:\n"
		    "  callmend demo                             calls from a simulated provider, "
		    "live\n"
		    "  callmend up                               start a node (and its private "
		    "PostgreSQL)\n"
		    "  callmend token create me --role supervisor\n"
		    "  export CALLMEND_TOKEN=cm_...\n"
		    "  callmend watch                            live calls, like top\n"
		    "  callmend say CALL \"One moment, please.\"   speak into a call\n\n"
		    "exit status: 0 done; 1 failed, rejected, or the effect was not seen; 2 wrong "
		    "usage; 3 no node answers\n");
}

static void print_options(FILE *to, const struct verb_option *rows)
{
	char left[64];

	for (; rows->name; rows++) {
		int n = snprintf(left, sizeof(left), "  %s%s%s", rows->name, rows->value ? " " : "",
				 rows->value ? rows->value : "");
		if (n < HELP_COLUMN)
			fprintf(to, "%-*s%s\n", HELP_COLUMN, left, rows->doc);
		else
			fprintf(to, "%s\n%*s%s\n", left, HELP_COLUMN, "", rows->doc);
	}
}

void usage_verb(FILE *to, const struct verb *v)
{
	fprintf(to, "usage: callmend %s%s%s [options]\n\n%s\n", v->name, *v->words ? " " : "",
		v->words, v->line ? v->line : "");
	if (v->help)
		fprintf(to, "\n%s", v->help);
	if (v->reads == READS_NOTHING)
		return;
	fprintf(to, "\noptions:\n");
	print_options(to, own(v));
	if (v->talks == TALKS_TO_NODE)
		print_options(to, to_node);
	print_options(to, common);
}
