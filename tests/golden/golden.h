/* Inputs as lines of JSON, for comparing and for reading. */
#ifndef CALLMEND_GOLDEN_H
#define CALLMEND_GOLDEN_H

#include "callmend/dialect.h"

/* One line per input: members that are empty are left out, keys as 16 hex digits. */
void golden_write_inputs(const struct inputs *inputs, struct buf *out);
/* First line of what classify says. */
void golden_write_envelope(const struct envelope *e, struct buf *out);

#endif
