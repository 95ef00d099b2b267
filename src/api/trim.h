/* A call's snapshot that is larger than a watcher's queue, made smaller. Pure. */
#ifndef CALLMEND_API_TRIM_H
#define CALLMEND_API_TRIM_H

#include "base/json.h"

/* Appends the call with every member of more than an eighth of `room` cut: of an array the last
 * elements that fit are kept, anything else becomes null. {"trimmed": true} is added. The REST API
 * has the whole. */
void trim_call(struct json call, size_t room, struct buf *out);

#endif
