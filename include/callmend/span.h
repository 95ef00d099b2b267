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

/* Without blanks, tabs and line ends around it. */
static inline struct span span_trim(struct span s)
{
	while (s.n && memchr(" \t\r\n", s.p[0], 4))
		s = span_from(s, 1);
	while (s.n && memchr(" \t\r\n", s.p[s.n - 1], 4))
		s.n--;
	return s;
}

/* Takes the first line off `rest`, and gives it without its \n. */
static inline struct span span_line(struct span *rest)
{
	const char *end = rest->n ? (const char *)memchr(rest->p, '\n', rest->n) : NULL;
	struct span line = { rest->p, end ? (size_t)(end - rest->p) : rest->n };
	*rest = span_from(*rest, line.n + 1);
	return line;
}

/* Is it one of the words? NULL ends them. */
static inline bool span_in(struct span a, const char *const *words)
{
	while (*words && !span_is(a, *words))
		words++;
	return *words;
}

#endif
