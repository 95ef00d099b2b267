/* What a platform knows of calls after they ended: its log, recordings and analysis
 * (docs/ringcentral.md, "After the call"). */
#ifndef CALLMEND_NODE_FOLLOWUP_H
#define CALLMEND_NODE_FOLLOWUP_H

#include "callmend/job.h"

/* Job `followup`, key: the source. Takes all of its calls that are due (call_follow_ups). */
job_fn followup_job;

#endif
