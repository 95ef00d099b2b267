/* The operator's verbs. Each is one row of the table in main.c: name, words, options, help,
 * function. A verb gets the configuration (already read), the words after its name and its options
 * (already checked against its table), prints its result on stdout (JSON with
 * --json), mistakes on stderr, and returns the exit status. */
#ifndef CALLMEND_NODE_VERBS_H
#define CALLMEND_NODE_VERBS_H

#include "base/config.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* also: a command was rejected, or its effect was not seen */
	EXIT_USAGE = 2,	      /* what was typed makes no sense */
	EXIT_UNREACHABLE = 3, /* no node answers there */
};

enum { VERB_OPTIONS_MAX = 16 };

struct verb_option {
	const char *name;  /* "--role" */
	const char *value; /* what to write behind it, for the help: "NAME"; NULL: a flag */
	const char *doc;
};

struct verb_call;

struct verb {
	const char *name;
	const char *words; /* "CALL TEXT", for the help */
	int words_min, words_max;
	const char *line; /* what it does, for the list of verbs */
	int (*run)(const struct verb_call *);
	const struct verb_option
		*options; /* ends with a row without name; NULL: none but the common ones */
	const char *help; /* paragraphs and examples for --help */
	enum verb_needs { NEEDS_GOOD_CONFIG, NEEDS_ANY_CONFIG } needs;
	enum verb_reads {
		READS_OPTIONS,
		READS_NOTHING
	} reads; /* READS_NOTHING: all it gets are words for somebody else */
	enum verb_talks {
		TALKS_TO_NOBODY,
		TALKS_TO_NODE
	} talks; /* TALKS_TO_NODE: --url and --token make sense */
};

struct verb_call {
	const struct verb *verb;
	const struct config *config;
	const char *config_file; /* NULL: none */
	const char *const *words;
	int words_n;
	bool json;
	const char *url;   /* --url: a running node; NULL: from the configuration */
	const char *token; /* --token; NULL: not given */
	const char *values[VERB_OPTIONS_MAX]; /* by row of verb->options; NULL: not given, "" for a
						 flag */
};

/* The value of one of the verb's own options ("" for a flag); NULL when it was not given. */
const char *verb_option(const struct verb_call *, const char *name);
/* "callmend: VERB: ..." on stderr, and a hint at --help; EXIT_USAGE. */
int verb_misused(const struct verb_call *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same without the hint; EXIT_FAILED. */
int verb_failed(const struct verb_call *, const char *fmt, ...) PRINTF_LIKE(2, 3);

int verb_check(const struct verb_call *);
int verb_migrate(const struct verb_call *);
int verb_token(const struct verb_call *);
int verb_replay(const struct verb_call *);
int verb_watch(const struct verb_call *);
int verb_say(const struct verb_call *);
int verb_mute(const struct verb_call *);
int verb_unmute(const struct verb_call *);
int verb_end(const struct verb_call *);
int verb_transfer(const struct verb_call *);
int verb_hold(const struct verb_call *);
int verb_supervise(const struct verb_call *);
int verb_send_text(const struct verb_call *);
/* A command without members, whose name is the verb's: record-pause, record-resume. */
int verb_command(const struct verb_call *);
int verb_demo(const struct verb_call *);

extern const struct verb_option migrate_options[], token_options[], replay_options[],
	watch_options[], say_options[], mute_options[], end_options[], transfer_options[],
	supervise_options[];

#endif
