/* `callmend watch` line by line: what an event says, for people. Pure. */
#ifndef CALLMEND_NODE_WATCH_PLAIN_H
#define CALLMEND_NODE_WATCH_PLAIN_H

#include "node/watch_model.h"

enum watch_detail {
	WATCH_SETTLED, /* no partial transcripts, model output and the like */
	WATCH_ALL,
};

/* "14:03:07.120 3f2a91c8 user: I need to change my booking" without line end; time in the local
 * zone. False: nothing at this detail. */
bool watch_plain_event(struct buf *out, struct json event, enum watch_detail);
/* "14:03:07.120 3f2a91c8 is live: +14155550123 with Anna by main (vapi), 2:31", and who is in it.
 */
void watch_plain_call(struct buf *out, const struct watch_call *, int64_t now_us);

#endif
