/* RingCX's reports of segments, for the job and for pulls. */
#ifndef CALLMEND_NODE_FOLLOWUP_CX_H
#define CALLMEND_NODE_FOLLOWUP_CX_H

#include "base/json.h"
#include "node/platform.h"

enum { FOLLOWUP_CX_REPORT_S = 3600 };
/* Segments that ended within the hour from then on (whole seconds): an array of rows; nothing:
 * there are none. */
MUST int followup_cx_segments(struct platform *, const struct dir_source *, int64_t from_us,
			      struct platform_answer *, struct fault *f);
/* Member "segments" [{id, name, started_at, ended_at, recorded (false: the platform has no
 * recording, else left out)}] of one dialog: those that are `kept` already (such an array, or
 * none), then the others of the report's; *n counts these. */
void followup_cx_put(struct json rows, struct span dialog, struct json kept, struct json_out *,
		     size_t *n);

#endif
