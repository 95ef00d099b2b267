/* Jobs of kind `apply`: one source whose provider has the assistant is brought to the instructions
 * in force (docs/suggestions.md). */
#ifndef CALLMEND_HEALING_APPLY_H
#define CALLMEND_HEALING_APPLY_H

#include "callmend/job.h"

/* The key is the source's id; payload {"force": true}: over whatever text is there. Blocks for up
 * to a minute: claim it for two leases. */
enum {
	APPLY_TIMEOUT_MS = 10000,
	APPLY_ANSWER_LIMIT = 4 * 1024 * 1024,
	APPLY_LOOKS = 3,     /* at what a PATCH has done ... */
	APPLY_LOOK_MS = 500, /* ... so far apart */
	APPLY_ATTEMPTS = 10, /* about an hour and a half in all */
};
int apply_job(struct job_context *, const struct job *, struct fault *f);

#endif
