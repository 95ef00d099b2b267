#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/core.h"
#include "node/parent.h"
#include "node/verbs.h"

extern char **environ;

static int verb_up(const struct verb_call *v)
{
	return parent_main(v->config, v->config_file);
}

static int verb_core(const struct verb_call *v)
{
	return core_main(v->config);
}

static const struct verb {
	const char *name, *words, *doc;
	int (*run)(const struct verb_call *);
	bool checks; /* runs although the configuration has mistakes */
} verbs[] = {
	{ "up", "", "run everything: bind the port, private PostgreSQL if none is configured, the core", verb_up, false },
	{ "core", "", "only the core (started by `up`, or by a supervisor of yours)", verb_core, false },
	{ "check", "", "read the configuration, report every mistake, ask the database what its calls show", verb_check, true },
	{ "migrate", "", "bring the database schema up to date", verb_migrate, false },
	{ "token", "create NAME [--role viewer|supervisor|manager|admin]", "make an API token; it is shown once", verb_token, false },
	{ "replay", "[JOURNAL-FOLDER] [--call ID]", "print the events of a journal, one JSON object a line", verb_replay, false },
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void usage(FILE *to)
{
	fprintf(to, "callmend %s - live voice calls, streamed, steered, stored\n\n"
		    "usage: callmend VERB [words] [--config FILE] [--json] [--url URL] [--token TOKEN]\n\n", CALLMEND_VERSION);
	for (size_t i = 0; i < VERBS; i++)
		fprintf(to, "  %-8s %s\n           %s\n", verbs[i].name, verbs[i].words, verbs[i].doc);
	fprintf(to, "\nThe configuration file is --config, else $CALLMEND_CONFIG, else ./callmend.yaml if there is one. Every option can\n"
		    "be given as an environment variable too (docs/configuration.md).\n");
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* Options may stand anywhere; what is left are the verb's words. 0, or 2. */
static int read_options(int argc, char **argv, struct verb_call *v, const char **words)
{
	const struct {
		const char *name;
		const char **value;
	} options[] = { { "--config", &v->config_file }, { "--url", &v->url }, { "--token", &v->token } };

	for (int i = 2; i < argc; i++) {
		size_t k = 0;

		while (k < 3 && strcmp(argv[i], options[k].name) != 0)
			k++;
		if (strcmp(argv[i], "--json") == 0) {
			v->json = true;
		} else if (k == 3) {
			words[v->words_n++] = argv[i];
		} else if (++i < argc) {
			*options[k].value = argv[i];
		} else {
			fprintf(stderr, "callmend: %s needs a value\n", options[k].name);
			return 2;
		}
	}
	v->words = words;
	return 0;
}

static const char *default_file(void)
{
	const char *env = getenv("CALLMEND_CONFIG");
	FILE *f;

	if (env && *env)
		return env;
	f = fopen("callmend.yaml", "r");
	if (!f)
		return NULL;
	fclose(f);
	return "callmend.yaml";
}

static int run(const struct verb *verb, struct verb_call *v)
{
	struct config c = { 0 };
	struct fault f = { 0 };
	int rc, status = 1;

	if (!v->config_file)
		v->config_file = default_file();
	rc = config_load(&c, v->config_file, environ, &f);
	v->config = &c;
	if (rc && !(verb->checks && rc == E_INVALID)) {
		struct buf text AUTO_BUF = { 0 };

		config_write_mistakes(&c, &text);
		fprintf(stderr, "%s", c.mistakes_n ? buf_z(&text) : "");
		if (!c.mistakes_n)
			fprintf(stderr, "callmend: %s\n", f.text);
		fprintf(stderr, "callmend: the configuration has mistakes; `callmend check` explains\n");
	} else {
		log_init((enum log_level)c.log_level, (enum log_format)c.log_format);
		status = verb->run(v);
	}
	config_fini(&c);
	return status;
}

int main(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? find(argv[1]) : NULL;
	const char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct verb_call v = { .token = getenv("CALLMEND_TOKEN") };
	int status;

	CHECK(words);
	if (verb) {
		status = read_options(argc, argv, &v, words);
		if (!status)
			status = run(verb, &v);
	} else {
		bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0);

		if (argc > 1 && !asked)
			fprintf(stderr, "callmend: no verb `%s`\n\n", argv[1]);
		usage(asked ? stdout : stderr);
		status = asked ? 0 : 2;
	}
	free(words);
	return status;
}
