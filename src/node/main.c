#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/simple_client.h"
#include "node/analyst.h"
#include "node/core.h"
#include "node/export.h"
#include "node/help.h"
#include "node/import.h"
#include "node/parent.h"
#include "node/usage.h"

extern char **environ;

static int verb_up(const struct verb_call *v)
{
	return parent_main(v->config, v->config_file);
}

static int verb_core(const struct verb_call *v)
{
	return core_main(v->config);
}

static const struct verb_option analyst_options[] = {
	{ "--once", NULL, "do what is due, and what comes of it at once, then end" },
	{ 0 },
};

static int verb_analyst(const struct verb_call *v)
{
	return verb_option(v, "--once") ? analyst_once(v->config) : analyst_main(v->config);
}

static const struct verb verbs[] = {
	{ "up", "", 0, 0,
	  "run everything: bind the port, a private PostgreSQL if none is configured, the core",
	  verb_up, .help = HELP_UP },
	{ "core", "", 0, 0, "only the core (started by `up`, or by a supervisor of yours)",
	  verb_core, .help = HELP_CORE },
	{ "analyst", "", 0, 0,
	  "understand finished calls, look for what goes wrong, deliver notifications (started by "
	  "`up`)",
	  verb_analyst, .options = analyst_options, .help = HELP_ANALYST },
	{ "check", "", 0, 0,
	  "read the configuration, report every mistake, ask the database what its calls show",
	  verb_check, .needs = NEEDS_ANY_CONFIG, .help = HELP_CHECK },
	{ "migrate", "", 0, 0, "bring the database schema up to date", verb_migrate,
	  .options = migrate_options, .help = HELP_MIGRATE },
	{ "token", "create NAME", 2, 2, "make an API token; it is shown once", verb_token,
	  .options = token_options, .help = HELP_TOKEN },
	{ "import", "[FILE...]", 0, INT_MAX,
	  "bring in finished calls from files, or (--pull) from the provider", verb_import,
	  .options = import_options, .help = HELP_IMPORT },
	{ "export", "WHAT", 1, 1, "calls, analyses or events as JSON lines or CSV", verb_export,
	  .options = export_options, .help = HELP_EXPORT },
	{ "watch", "", 0, 0, "live calls in the terminal, like top; or line by line", verb_watch,
	  .options = watch_options, .help = HELP_WATCH, .talks = TALKS_TO_NODE },
	{ "say", "CALL TEXT", 2, 2,
	  "speak a text into a running call, or add a message for its model", verb_say,
	  .options = say_options, .help = HELP_SAY, .talks = TALKS_TO_NODE },
	{ "mute", "CALL", 1, 1, "mute the assistant, or the customer", verb_mute,
	  .options = mute_options, .help = HELP_MUTE, .talks = TALKS_TO_NODE },
	{ "unmute", "CALL", 1, 1, "undo mute", verb_unmute, .options = mute_options,
	  .help = HELP_UNMUTE, .talks = TALKS_TO_NODE },
	{ "end", "CALL", 1, 1, "end a running call", verb_end, .options = end_options,
	  .help = HELP_END, .talks = TALKS_TO_NODE },
	{ "transfer", "CALL", 1, 1,
	  "transfer a running call to a number, SIP address, extension or queue", verb_transfer,
	  .options = transfer_options, .help = HELP_TRANSFER, .talks = TALKS_TO_NODE },
	{ "hold", "CALL", 1, 1, "put our side of a running call on hold, or the customer",
	  verb_hold, .options = mute_options, .help = HELP_HOLD, .talks = TALKS_TO_NODE },
	{ "unhold", "CALL", 1, 1, "undo hold", verb_hold, .options = mute_options,
	  .help = HELP_UNHOLD, .talks = TALKS_TO_NODE },
	{ "monitor", "CALL", 1, 1,
	  "connect a supervisor's telephone that hears both and is heard by nobody", verb_supervise,
	  .options = supervise_options, .help = HELP_MONITOR, .talks = TALKS_TO_NODE },
	{ "coach", "CALL", 1, 1,
	  "connect a supervisor's telephone that hears both and is heard by our side only",
	  verb_supervise, .options = supervise_options, .help = HELP_COACH,
	  .talks = TALKS_TO_NODE },
	{ "barge", "CALL", 1, 1,
	  "connect a supervisor's telephone that hears both and is heard by both", verb_supervise,
	  .options = supervise_options, .help = HELP_BARGE, .talks = TALKS_TO_NODE },
	{ "send-text", "CALL TEXT", 2, 2, "send a text in a running conversation by text",
	  verb_send_text, .options = end_options, .help = HELP_SEND_TEXT, .talks = TALKS_TO_NODE },
	{ "record-pause", "CALL", 1, 1, "leave what comes out of a running call's recording",
	  verb_command, .options = end_options, .help = HELP_RECORD_PAUSE, .talks = TALKS_TO_NODE },
	{ "record-resume", "CALL", 1, 1, "undo record-pause", verb_command, .options = end_options,
	  .help = HELP_RECORD_RESUME, .talks = TALKS_TO_NODE },
	{ "replay", "[JOURNAL-FOLDER]", 0, 1,
	  "print the events of a journal, one JSON object a line", verb_replay,
	  .options = replay_options, .help = HELP_REPLAY },
	{ "demo", "[words]", 0, INT_MAX,
	  "a whole session with simulated calls, explained step by step", verb_demo,
	  .help = HELP_DEMO, .reads = READS_NOTHING },
};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

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

static int refuse_config(const struct config *c, const struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };

	config_write_mistakes(c, &text);
	if (c->mistakes_n)
		fputs(buf_z(&text), stderr);
	else
		fprintf(stderr, "callmend: %s\n", f->text);
	fprintf(stderr, "callmend: the configuration has mistakes; `callmend check` explains\n");
	return EXIT_FAILED;
}

static int run(const struct verb *verb, struct verb_call *v)
{
	struct config c = { 0 };
	struct fault f = { 0 };
	int rc, status;

	if (!v->config_file)
		v->config_file = default_file();
	rc = config_load(&c, v->config_file, environ, &f);
	v->config = &c;
	if (rc && !(verb->needs == NEEDS_ANY_CONFIG && rc == E_INVALID)) {
		status = refuse_config(&c, &f);
	} else {
		log_init((enum log_level)c.log_level, (enum log_format)c.log_format);
		simple_client_trust(c.tls_ca_file);
		status = verb->run(v);
	}
	config_fini(&c);
	v->config = NULL;
	return status;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct verb_call v = { 0 };
	struct command_line line = { .words = calloc((size_t)argc + 1, sizeof(*line.words)) };

	CHECK(line.words);
	int status = usage_read(verb, argc, argv, &v, &line);
	if (status == EXIT_DONE && line.help)
		usage_verb(stdout, verb);
	else if (status == EXIT_DONE)
		status = run(verb, &v);
	free(line.words);
	return status;
}

static int no_verb(const char *first)
{
	static const char *const helps[] = { "--help", "-h", "help" };

	for (size_t i = 0; first && i < sizeof(helps) / sizeof(helps[0]); i++) {
		if (strcmp(first, helps[i]) != 0)
			continue;
		usage_all(stdout, verbs, VERBS);
		return EXIT_DONE;
	}
	if (first && strcmp(first, "--version") == 0) {
		printf("callmend %s\n", CALLMEND_VERSION);
		return EXIT_DONE;
	}
	if (first)
		usage_unknown(verbs, VERBS, first);
	else
		usage_all(stderr, verbs, VERBS);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? usage_find(verbs, VERBS, argv[1]) : NULL;

	if (argc == 3 && strcmp(argv[1], "help") == 0 && usage_find(verbs, VERBS, argv[2])) {
		usage_verb(stdout, usage_find(verbs, VERBS, argv[2]));
		return EXIT_DONE;
	}
	return verb ? run_verb(verb, argc - 2, argv + 2) : no_verb(argc > 1 ? argv[1] : NULL);
}
