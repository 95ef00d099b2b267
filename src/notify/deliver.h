/* Jobs of kind `deliver`: one notification to one webhook endpoint (docs/notifications.md). */
#ifndef CALLMEND_NOTIFY_DELIVER_H
#define CALLMEND_NOTIFY_DELIVER_H

#include "callmend/job.h"

/* The key is the delivery's id. Blocks for up to webhooks.timeout_ms. */
enum { DELIVER_ANSWER_LIMIT = 64 * 1024 };
int deliver_job(struct job_context *, const struct job *, struct fault *f);

#endif
