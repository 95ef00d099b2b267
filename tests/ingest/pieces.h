/* A text that is read in pieces, for the cutter: struct cutter_config.read and its user. */
#ifndef TESTS_PIECES_H
#define TESTS_PIECES_H

#include <sys/types.h>

#include "callmend/span.h"

struct pieces {
	struct span rest;
	size_t most; /* at a time */
};

static inline ssize_t pieces_read(void *user, char *out, size_t n)
{
	struct pieces *s = user;
	n = n < s->most ? n : s->most;
	n = n < s->rest.n ? n : s->rest.n;
	if (n)
		memcpy(out, s->rest.p, n);
	s->rest = span_from(s->rest, n);
	return (ssize_t)n;
}

#endif
