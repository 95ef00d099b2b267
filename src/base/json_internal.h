/* Shared by the json_*.c files only. */
#ifndef CALLMEND_BASE_JSON_INTERNAL_H
#define CALLMEND_BASE_JSON_INTERNAL_H

#include "base/buf.h"
#include "base/json.h"
#include "callmend/span.h"

/* Appends the text that the inside of a checked string means; \u0000 and lone surrogates become
 * U+FFFD. */
void json_unescape(struct span raw, struct buf *out);
/* Is this raw key (of json_next) the plain `name`? */
bool json_key_is(struct span raw, struct span name);
/* The comma, when one is due, and the key of the value that comes next. */
void json_place(struct json_out *o, const char *key);

#endif
