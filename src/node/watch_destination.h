/* Where `callmend watch` may transfer a call to, as somebody types it: "+1...", "sip:...", "101".
 * Pure. */
#ifndef CALLMEND_NODE_WATCH_DESTINATION_H
#define CALLMEND_NODE_WATCH_DESTINATION_H

#include "base/json.h"

/* "+1... or 101 (extension)": the forms that calls of this dialect take, for people. */
void watch_destination_forms(const char *dialect, struct buf *out);
/* Is this text one of them? */
bool watch_destination_fits(const char *dialect, const char *text);
/* The command's member `destination`. Nothing is written for a text that fits no form at all. */
void watch_destination_write(const char *text, struct json_out *);

#endif
