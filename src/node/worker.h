/* Takes jobs and has them done, one after the other: the engine of an analyst's lane. Which kinds
 * there are and who does them is a table; a worker knows nothing about them.
 *
 * One worker has a link to PostgreSQL and a name of its own and belongs to one thread. */
#ifndef CALLMEND_NODE_WORKER_H
#define CALLMEND_NODE_WORKER_H

#include <stdatomic.h>

#include "callmend/job.h"

/* Claims and does up to `most` jobs; *done counts them. Its statements end the jobs or give them
 * back. */
typedef int batch_fn(struct job_context *, unsigned most, unsigned *done, struct fault *f);

struct work {
	const char *kind;
	job_fn *handler; /* one job at a time ... */
	batch_fn *batch; /* ... or many at once */
	unsigned leases; /* how many times the usual lease one job may take; 0: one */
};

/* When nothing is due: looks whether something should be done anew, and asks for it; *asked counts.
 */
typedef int stale_fn(struct job_context *, unsigned most, unsigned *asked, struct fault *f);

/* Cleans up what others have left. */
typedef int tidy_fn(struct job_context *, struct fault *f);

enum { WORKER_ATTEMPTS = 5, WORKER_BATCH = 50 };

struct worker_config {
	const char *name; /* in log lines */
	const char *url, *owner;
	const struct config *config;
	const struct work *works; /* in order of urgency */
	size_t works_n;
	bool schedules;	 /* also asks for the hourly checks */
	stale_fn *stale; /* at most once a minute; NULL: none */
	tidy_fn *tidy;	 /* once, before the first look for what is stale; NULL: nothing */
	const atomic_bool *stop;
};

struct worker;
/* Keeps the pointers; does not connect yet. */
MUST int worker_new(struct worker **out, const struct worker_config *, struct fault *f);
void worker_free(struct worker *);
/* Until *stop: works, waits for more, and waits for PostgreSQL while it is away. */
void worker_run(struct worker *);
/* Takes each kind once; *done counts the jobs taken, whatever became of them, and those it asked
 * for because nothing was due. E_UNAVAILABLE: PostgreSQL is away; what was begun will be anybody's
 * when its lease is over. */
MUST int worker_round(struct worker *, unsigned *done, struct fault *f);

#endif
