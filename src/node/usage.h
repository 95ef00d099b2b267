/* The help of the command line, and reading it by the tables of verbs. */
#ifndef CALLMEND_NODE_USAGE_H
#define CALLMEND_NODE_USAGE_H

#include <stdio.h>

#include "node/verbs.h"

struct command_line {
	bool help;
	const char **words; /* room for every argument */
};

const struct verb *usage_find(const struct verb *verbs, size_t n, const char *name);
/* Options may stand anywhere, "--name value" or "--name=value"; after "--" everything is a word.
 * EXIT_DONE or, with a message on stderr, EXIT_USAGE. `argv` begins behind the verb. */
int usage_read(const struct verb *, int argc, char **argv, struct verb_call *,
	       struct command_line *);
void usage_all(FILE *to, const struct verb *verbs, size_t n);
void usage_verb(FILE *to, const struct verb *);
/* "callmend: no such verb ..." with the one that was probably meant. */
void usage_unknown(const struct verb *verbs, size_t n, const char *name);

#endif
