/* A stage of the pipeline that every event of a call passes: transcript, turns, tools, sentiment,
 * signals ...
 *
 *   input ─► base event ─► stage 1 ─► stage 2 ─► ... ─► stage n        (src/call/stages.c, in this
 * order) │ published     └─ may emit further events: published, then seen by the stages after it
 *
 * Each event is published first, then shown to the stages in order; events that a stage emits are
 * queued, so every stage sees events in the order in which watchers do. Adding a stage = one file,
 * one line in stages.c.
 *
 * Everything here is pure and called from within session_apply(), on the caller's thread. Event
 * spans are valid during the call. A stage keeps its state in struct session (src/call/state.h) and
 * cleans it up in fini. */
#ifndef CALLMEND_STAGE_H
#define CALLMEND_STAGE_H

#include "callmend/event.h"

struct session;

struct stage {
	const char *name;
	uint64_t wants; /* STAGE_WANTS bits: other events are not shown */
	void (*event)(struct session *, const struct event *); /* NULL when it wants none */
	/* When the stage's next timer is due, in arrival time; INT64_MAX: none. NULL: the stage has
	 * no timers. */
	int64_t (*deadline)(const struct session *);
	/* Time has come: session now stands at the deadline. Must move the deadline on. */
	void (*timer)(struct session *);
	size_t (*bytes)(const struct session *); /* heap held; NULL: none */
	void (*fini)(struct session *);		 /* NULL: nothing to give back */
};

#define STAGE_WANTS(type) (UINT64_C(1) << EVENT_##type)

extern const struct stage *const stages[]; /* NULL at the end */

#endif
