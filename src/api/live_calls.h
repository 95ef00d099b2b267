/* Live calls from memory as an answer: for /api/v1/live/calls, and for a call that PostgreSQL does
 * not have (yet). */
#ifndef CALLMEND_API_LIVE_CALLS_H
#define CALLMEND_API_LIVE_CALLS_H

struct request;
struct problem;

/* Answers with the live snapshot of the call that `id` (ours or the provider's) names, else with
 * `otherwise` (copied). */
void live_calls_answer_one(struct request *, const char *id, const struct problem *otherwise);

#endif
