/* Finished calls from the provider's API: GET {api_base}/call in windows of time. */
#ifndef CALLMEND_NODE_PULL_H
#define CALLMEND_NODE_PULL_H

#include "callmend/job.h"
#include "node/verbs.h"

/* Job `pull`: key is the source's id; payload {"since", "until": time or absent, "rate"}. */
job_fn pull_job;
/* Job `missed`: the same for what a source's session has missed, payload {"since", "until"} (of the
 * platform's clock), "looks": how many times, this one included. It counts for no later pull. */
job_fn missed_job;
/* `callmend import --pull`. */
int pull_verb(const struct verb_call *);

#endif
