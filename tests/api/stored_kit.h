/* The kit over a PostgreSQL of its own, for one test program: organisations KIT_ORG and KIT_ORG_2,
 * their tokens, and what the test's seed adds. */
#ifndef TESTS_STORED_KIT_H
#define TESTS_STORED_KIT_H

#include "api_kit.h"
#include "tests/store/store_fixture.h"

extern struct kit *kit;

/* Group set-up: database, rows, the API, and all tokens are known to it; and tear-down. */
int stored_begin(void **state, void (*seed)(void));
int stored_end(void **state);

/* Asks as `token`; the answer must have this status and fit openapi.json. `pattern` NULL: the path
 * itself, without its query. */
struct json ask(struct reply *r, const char *method, const char *path, const char *pattern,
		const char *token, const char *body, int status);
/* Fails the test when there is none. */
struct json item(struct json list, size_t i);
/* The id put into a path. */
const char *under(char out[200], const char *fmt, const char *id);

#endif
