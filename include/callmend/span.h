/* Bytes that somebody else owns: a pointer and a length, never terminated by a zero byte.
 *
 * A span is valid as long as its owner says so (the comment at the field or parameter names the
 * owner). Passing spans by value is the rule; nothing here allocates. */
#ifndef CALLMEND_SPAN_H
#define CALLMEND_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

/* A span over a string literal, usable in static initialisers. */
#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })
/* For printf: ("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).n, (s).p

static inline struct span span_of(const char *z)
{
	return (struct span){ z, z ? strlen(z) : 0 };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *z)
{
	return span_eq(a, span_of(z));
}

static inline bool span_starts(struct span a, struct span prefix)
{
	return a.n >= prefix.n && memcmp(a.p, prefix.p, prefix.n) == 0;
}

/* The part of `a` from byte `from` on; empty when there is none. */
static inline struct span span_from(struct span a, size_t from)
{
	return from >= a.n ? (struct span){ a.n ? a.p + a.n : a.p, 0 }
			   : (struct span){ a.p + from, a.n - from };
}

#endif
