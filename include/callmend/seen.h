/* A bounded set of 64-bit keys that a call has seen: of inputs (duplicates), of the parts of bodies
 * (repeats.h).
 *
 * When `limit` keys are held the oldest go first, so that behaviour stays a pure function of the
 * insertions. Not thread safe. */
#ifndef CALLMEND_SEEN_H
#define CALLMEND_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEEN_LIMIT_MAX = 32768 };

struct seen {
	uint64_t *ring;			/* heap, of size / 2; grows in powers of two up to limit */
	uint16_t *table;		/* heap, of size: places in the ring, from 1 */
	uint32_t size, n, first, limit; /* limit: at most SEEN_LIMIT_MAX */
};

bool seen_has(const struct seen *, uint64_t key);
/* True when the key was not there before. Key 0 is never kept. */
bool seen_add(struct seen *, uint64_t key);
size_t seen_bytes(const struct seen *); /* on the heap */
void seen_fini(struct seen *);		/* tolerates zeroed */

#endif
