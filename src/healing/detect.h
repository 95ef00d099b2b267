/* The work `detect` of an analyst: is anything going wrong in a project? (docs/healing.md) */
#ifndef CALLMEND_HEALING_DETECT_H
#define CALLMEND_HEALING_DETECT_H

#include "base/buf.h"
#include "callmend/job.h"

/* Key: project id. A job_fn. */
MUST int detect_job(struct job_context *, const struct job *, struct fault *f);
/* The pure part: what heal_detect_load.sql gave into what heal_detect_store.sql takes. E_INVALID:
 * not of that form, or thresholds that are none. */
MUST int detect_decide(struct json loaded, struct buf *out, struct fault *f);

#endif
