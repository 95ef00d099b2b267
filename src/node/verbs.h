/* The operator's verbs. Each is one row of the table in main.c: name, arguments, one line, function. A verb gets the configuration (already
 * read) and the words after its name, prints its result on stdout (JSON with --json), mistakes on stderr, and returns the exit
 * status: 0 done, 1 failed, 2 wrong usage. */
#ifndef CALLMEND_NODE_VERBS_H
#define CALLMEND_NODE_VERBS_H

#include "base/config.h"

struct verb_call {
	const struct config *config;
	const char *config_file; /* NULL: none */
	const char *const *words;
	int words_n;
	bool json;
	const char *url;   /* --url: the API of a running node; NULL: from the configuration */
	const char *token; /* --token or CALLMEND_TOKEN */
};

int verb_check(const struct verb_call *);
int verb_migrate(const struct verb_call *);
int verb_token(const struct verb_call *);
int verb_replay(const struct verb_call *);

#endif
