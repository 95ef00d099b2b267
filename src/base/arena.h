/* A bump allocator: many small pieces, freed together. Not thread safe. Every piece is aligned to
 * 16 bytes. Allocation failure aborts (CHECK): sizes are bounded by the caller before they reach
 * the arena. */
#ifndef CALLMEND_BASE_ARENA_H
#define CALLMEND_BASE_ARENA_H

#include <stdarg.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used, size;	    /* of the newest chunk */
	size_t total;		    /* bytes of all chunks */
	size_t first;		    /* bytes of the first; 0: a size for what goes soon */
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed */
struct span arena_copy(struct arena *a, struct span s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Forgets every piece but keeps the first chunk for reuse. */
void arena_reset(struct arena *a);
/* Gives everything back; tolerates a zeroed arena. */
void arena_fini(struct arena *a);

#endif
