/* What the two jobs share of their dealings with PostgreSQL. */
#ifndef CALLMEND_HEALING_STORED_H
#define CALLMEND_HEALING_STORED_H

#include "base/buf.h"
#include "callmend/job.h"

/* A loading statement: $1 key, $2 and $3 the default window. E_NOT_FOUND: what the job is about is
 * gone. */
MUST int stored_load(struct job_context *, const struct job *, const char *name, struct buf *out,
		     struct fault *f);
/* A storing statement, which also ends the job: $1 owner, $2 key, $3 wanted, $4 result. */
MUST int stored_put(struct job_context *, const struct job *, const char *name, struct buf *result,
		    struct fault *f);

#endif
