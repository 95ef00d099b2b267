/* Work of an analyst: one row of table jobs, claimed with a lease
 * (migrations/0010_understanding.sql).
 *
 * A handler does the work and stores its result with a statement that ends the job in the same
 * transaction (callmend_job_done): so a job is done once in effect, however many analysts there are
 * and whenever one of them dies. */
#ifndef CALLMEND_JOB_H
#define CALLMEND_JOB_H

#include <stdint.h>

#include "base/config.h"
#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/store.h"

struct job {
	struct span kind, key; /* with a zero byte behind, for statements */
	struct uuid org;
	struct json payload; /* object */
	int64_t wanted;	     /* for callmend_job_done */
	int64_t attempts;    /* this one included */
};

struct job_context {
	struct store_link *db; /* of this thread */
	const char *owner;     /* of the claims */
	const struct config *config;
	int64_t lease_ms; /* how long claims are held */
	/* Ask between steps of long work; true: give up, E_UNAVAILABLE. */
	bool (*stopping)(void *user);
	void *user;
};

/* 0: done, and its statement has ended the job. E_LOST: the lease was lost, nothing was stored.
 * E_INVALID: it can never succeed: dead at once. Anything else: tried again later (bounded). */
typedef int job_fn(struct job_context *, const struct job *, struct fault *f);

/* One element of what job_claim.sql gives; its texts live in the arena. E_INVALID: none of ours. */
MUST int job_read(struct json, struct arena *, struct job *out, struct fault *f);
/* For work that may take longer than lease_ms: holds the job for another lease_ms from now on.
 * E_LOST: the lease was lost, stop. */
MUST int job_prolong(struct job_context *, const struct job *, struct fault *f);
/* Ends a job that has nothing to store. E_LOST: the lease was lost. */
MUST int job_done(struct job_context *, const struct job *, struct fault *f);

#endif
