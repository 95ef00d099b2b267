/* Where a call may be transferred to, as somebody types it in `callmend watch` or `callmend
 * transfer`: "+1...", "sip:...", "101", "queue:7". Pure. */
#ifndef CALLMEND_NODE_DESTINATION_H
#define CALLMEND_NODE_DESTINATION_H

#include "base/json.h"

#define DESTINATION_QUEUE "queue:" /* before a queue's id, which may look like an extension */

/* "+1... or 101 (extension)": the forms that calls of this dialect take, for people. */
void destination_forms(const char *dialect, struct buf *out);
/* Is this text one of them? */
bool destination_fits(const char *dialect, const char *text);
/* Is it of this type (number, sip, extension, queue), whatever the dialect takes? */
bool destination_is(const char *type, const char *text);
/* The command's member `destination`. Nothing is written for a text that fits no form at all. */
void destination_write(const char *text, struct json_out *);

#endif
