/* One HTTP request on its way through the API: checked parameters, the caller, and the one answer.
 * Lives on its shard. */
#ifndef CALLMEND_API_REQUEST_H
#define CALLMEND_API_REQUEST_H

#include "api/auth.h"
#include "api/endpoint.h"
#include "api/internal.h"

struct request {
	struct api *api;    /* NULL: the api has stopped; the request was answered then */
	struct exchange *x; /* NULL: answered */
	const struct endpoint *endpoint;
	struct caller caller;
	struct arena arena;
	struct json body;		/* checked; JSON_NONE: none */
	const char *values[PARAMS_MAX]; /* by row of endpoint->params; NULL: absent */
	struct request *prev, *next;	/* all requests of the api */
	void *more;			/* the resource's own, in the arena */
};

/* The route's handler: admits, checks, runs. */
void request_handle(struct exchange *);
/* The value of a row by name (any place); NULL: absent or no such row. */
const char *request_value(const struct request *, const char *name);
void request_set(struct request *, const char *name, const char *value);
/* Runs the endpoint's statement; the answer goes to endpoint->answered or straight to the client.
 */
void request_query(struct request *);

/* Each answers and frees the request. */
void request_answer(struct request *, int status, struct span json);
void request_answer_as(struct request *, int status, const char *content_type, struct span body);
/* Bytes of an open file, which is closed afterwards (exchange_answer_file). */
void request_answer_file(struct request *, int status, const char *content_type, int fd,
			 uint64_t from, uint64_t n);
void request_problem(struct request *, const struct problem *);
void request_fail(struct request *, int code, struct span detail); /* E_* */

/* For callbacks that may come after the api has stopped: true: free and forget (was done). */
bool request_is_orphan(struct request *);
/* Answers all open ones with 503. */
void request_stop_all(struct api *);

#endif
