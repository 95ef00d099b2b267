/* The work `analyse` of an analyst: finished calls are claimed in batches, understood, stored.
 *
 * Any number of analysts may do this at the same time. Each call has a job of its own with a lease:
 * two never take the same call, a result is stored only while the lease holds, in the transaction
 * that ends the job. What one call does wrong touches no other. */
#ifndef CALLMEND_ANALYSIS_ANALYSE_H
#define CALLMEND_ANALYSIS_ANALYSE_H

#include "callmend/job.h"

enum {
	ANALYSE_BATCH = 50,
	ANALYSE_ATTEMPTS = 5, /* then the job is dead, and people are told */
	ANALYSE_STALE_DAYS = 30,
	REANALYSE_PAGE = 1000,
};

/* Claims up to `most` jobs that are due and deals with them; `done` (0 when nothing was due) counts
 * the claimed ones. E_UNAVAILABLE: the database was lost in between; what was not stored is claimed
 * again when its lease is over. */
MUST int analyse_batch(struct job_context *, unsigned most, unsigned *done, struct fault *f);

/* Work `reanalyse`: the key is a project; asks for the analysis of up to REANALYSE_PAGE calls of it
 * and gives the job back to be gone on with. Nothing as long as a page of them waits already. */
job_fn reanalyse_job;

/* Asks for up to `most` calls again that were understood by other rules than those of today: of
 * this program, or of their project. The newest first, at most ANALYSE_STALE_DAYS old. For when
 * there is nothing else to do. */
MUST int analyse_stale(struct job_context *, unsigned most, unsigned *asked, struct fault *f);

#endif
