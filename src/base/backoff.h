/* Pauses between tries: doubling, with jitter, so that many sources (and many nodes) do not come
 * back at once. Pure: randomness is the caller's seed. */
#ifndef CALLMEND_CONNECT_BACKOFF_H
#define CALLMEND_CONNECT_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t least_ms, most_ms;
	unsigned tries;
	uint64_t random; /* the seed, then what follows from it; not 0 */
};
/* The next pause: between a half of it and the whole of least_ms * 2^tries, at most most_ms. */
int64_t backoff_next_ms(struct backoff *);
void backoff_reset(struct backoff *);

#endif
