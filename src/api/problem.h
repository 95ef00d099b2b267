/* Refusals as RFC 9457 problem details: every kind once, with its status and title. */
#ifndef CALLMEND_API_PROBLEM_H
#define CALLMEND_API_PROBLEM_H

#include "base/buf.h"
#include "callmend/fault.h"
#include "callmend/span.h"

/* X(name, status, "slug", "title"); the type member is "urn:callmend:problem:<slug>" */
#define PROBLEMS(X)                                                                               \
	X(BAD_PARAMETER, 400, "bad-parameter", "A parameter is missing, unknown or wrong")        \
	X(BAD_JSON, 400, "bad-json", "The body is not valid JSON")                                \
	X(TOKEN_IN_URL, 400, "token-in-url", "Tokens are not taken from the URL")                 \
	X(UNAUTHORIZED, 401, "unauthorized", "A valid token is needed")                           \
	X(FORBIDDEN, 403, "forbidden", "The token's role does not allow this")                    \
	X(NOT_FOUND, 404, "not-found", "There is no such thing")                                  \
	X(CONFLICT, 409, "conflict", "In conflict with the present state")                        \
	X(COMMAND_REJECTED, 409, "command-rejected", "The command was rejected")                  \
	X(NOT_JSON, 415, "not-json", "The body must be application/json")                         \
	X(OUT_OF_RANGE, 416, "out-of-range", "There are no such bytes")                           \
	X(INVALID_BODY, 422, "invalid-body", "A member of the body is missing, unknown or wrong") \
	X(RATE_LIMITED, 429, "rate-limited", "Too many requests with this token")                 \
	X(INTERNAL, 500, "internal", "Something went wrong on our side")                          \
	X(UNAVAILABLE, 503, "unavailable", "Not available now")

enum problem_kind {
#define X(name, status, slug, title) PROBLEM_##name,
	PROBLEMS(X)
#undef X
		PROBLEM_COUNT
};

enum { PROBLEM_DETAIL = 300 };

struct problem {
	enum problem_kind kind;
	char detail[PROBLEM_DETAIL];
	/* The parameter or member at fault; empty name: none. `where` is "query", "path" or "body".
	 */
	const char *where;
	char name[64];
	int retry_after_s;	/* 0: no Retry-After header */
	const char *extra_name; /* one more member, or NULL */
	struct span extra;	/* its JSON */
};

/* Sets kind and detail, returns false: `return problem(p, PROBLEM_NOT_FOUND, "no call %s", id);` */
bool problem(struct problem *p, enum problem_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with the place that is wrong. */
bool problem_at(struct problem *p, enum problem_kind kind, const char *where, struct span name,
		const char *fmt, ...) PRINTF_LIKE(5, 6);
int problem_status(enum problem_kind kind);
const char *problem_slug(enum problem_kind kind);
const char *problem_title(enum problem_kind kind);
/* {"type","title","status","detail","instance"[,"errors":[{"in","name","detail"}]][,extra]} */
void problem_write(const struct problem *p, struct span instance, struct buf *out);
/* What a failed query or live operation (E_*) is to the client. */
void problem_from_code(struct problem *p, int code, struct span detail);

#endif
