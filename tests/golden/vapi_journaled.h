/* What stands in the journal of a Vapi body: reduced, checked and masked as ingest does it. */
#ifndef CALLMEND_TESTS_VAPI_JOURNALED_H
#define CALLMEND_TESTS_VAPI_JOURNALED_H

#include "base/buf.h"
#include "callmend/repeats.h"

/* Appends to `out`, and gives the provider's time (0: unknown). `known` learns what the body
 * brought; NULL: nothing is left out. Ends the program for what is no message. */
int64_t vapi_journaled(struct span body, struct repeats *known, struct buf *out);

#endif
