/* Live calls from memory as an answer: for /api/v1/live/calls, for a call that PostgreSQL does not
 * have (yet), and for what it does not have of one that runs. */
#ifndef CALLMEND_API_LIVE_CALLS_H
#define CALLMEND_API_LIVE_CALLS_H

#include "callmend/span.h"

struct request;
struct problem;

/* `found` is called with the live snapshot of the call that `id` (ours or the provider's) names,
 * and answers; where there is none the answer is `otherwise` (copied). */
void live_calls_find(struct request *, const char *id, const struct problem *otherwise,
		     void (*found)(struct request *, struct span call));
/* Answers with the live snapshot of the call that `id` (ours or the provider's) names, else with
 * `otherwise` (copied). */
void live_calls_answer_one(struct request *, const char *id, const struct problem *otherwise);
/* Answers with this call as it is stored (checked JSON), and, as long as it runs, with `can` and
 * `parties` of its snapshot. */
void live_calls_answer_stored(struct request *, struct span call);

#endif
