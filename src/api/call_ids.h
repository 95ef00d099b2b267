/* From the id a client gives - ours, or the provider's - to the UUIDs that it can stand for. */
#ifndef CALLMEND_API_CALL_IDS_H
#define CALLMEND_API_CALL_IDS_H

#include "callmend/directory.h"

/* In the arena: the text itself when it is a UUID of version 5 (all of ours are), and the call of
 * that name of every source of the organisation. */
struct uuid *call_ids_candidates(const struct directory *, const struct uuid *org, struct span text,
				 struct arena *, size_t *n);

#endif
