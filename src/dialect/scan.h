/* Moving over JSON in one pass: unlike with json_next(), a container is entered without finding its
 * end first. Nothing here allocates or looks beyond `end`. Every step moves forward, also over
 * bytes that json_check() has not seen and that may be anything: what is found then means something
 * only if the check passes later. */
#ifndef CALLMEND_DIALECT_SCAN_H
#define CALLMEND_DIALECT_SCAN_H

#include "base/json.h"

struct scan {
	const char *p, *end;
	bool object;
};

/* The value that begins at p. */
struct json scan_at(const char *p, const char *end);
/* What is behind it. */
const char *scan_value(const char *p, const char *end);
/* Enters the container that begins at p. */
struct scan scan_open(const char *p, const char *end);
/* Stands the scan before the next value (`key` is its raw name, empty in arrays), of which there is
 * at least one byte; the caller moves s->p behind that value before the next turn. False at the
 * end: s->p is then behind the container. */
bool scan_next(struct scan *s, struct span *key);
/* Which of n names this is; n: none. */
size_t scan_index(struct span key, const char *const *names, size_t n);
/* First members of the object at p with the n given names, JSON_NONE when absent; gives what is
 * behind the object. */
const char *scan_pick(const char *p, const char *end, const char *const *names, size_t n,
		      struct json *out);

#endif
