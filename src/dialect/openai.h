/* Message lists in OpenAI's form as a dialect: a finished call is one body
 *   {"id": "..", "messages": [..], and what docs/import.md lists besides}. */
#ifndef CALLMEND_DIALECT_OPENAI_H
#define CALLMEND_DIALECT_OPENAI_H

#include "callmend/dialect.h"

extern const struct dialect openai_dialect;

/* The list of a record: under "messages" or "traj", or the record itself; JSON_NONE: there is none.
 */
struct json openai_messages(struct json record);
/* When the call began and ended, 0 where the record does not say. */
void openai_times(struct json record, struct arena *arena, int64_t *started_us, int64_t *ended_us);
/* Where the time of a list without times would end: as long as its words take to say. */
int64_t openai_end(struct json record, int64_t started_us, struct arena *arena);

#endif
