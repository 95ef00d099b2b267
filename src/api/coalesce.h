/* Partial transcripts that wait to be sent: the latest per (call, speaker), in the order in which
 * they came. Pure. */
#ifndef CALLMEND_API_COALESCE_H
#define CALLMEND_API_COALESCE_H

#include "callmend/live.h"

struct coalesce_entry;
struct coalesce {
	struct coalesce_entry *entries; /* hash; zeroed is empty */
};

typedef void coalesce_fn(void *user, struct live_event *);

/* Keeps a reference; a partial of the same speaker of the same call that still waits is forgotten.
 */
void coalesce_put(struct coalesce *, struct live_event *);
size_t coalesce_count(const struct coalesce *);
/* Hands out and forgets what waits: of one call, or all. The reference is given back after `fn`. */
void coalesce_take_call(struct coalesce *, const struct uuid *call, coalesce_fn *fn, void *user);
void coalesce_take_all(struct coalesce *, coalesce_fn *fn, void *user);
void coalesce_clear(struct coalesce *);

#endif
