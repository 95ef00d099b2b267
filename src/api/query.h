/* Statements on behalf of the API, counted, so that a shard does not end before its answers are in.
 */
#ifndef CALLMEND_API_QUERY_H
#define CALLMEND_API_QUERY_H

#include "api/internal.h"

/* As store_query. `done` may come after api_stop(): whoever asked must know by itself. */
MUST int query_run(struct api *, const char *name, const char *const *params, size_t n,
		   store_done_fn *done, void *user);

/* For api_start and api_stop. query_linger() closes the handle when the last answer is in, then
 * frees the api. */
void query_start(struct api *);
void query_linger(struct api *);

#endif
