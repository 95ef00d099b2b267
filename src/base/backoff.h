/* Pauses between tries, which double. With jitter, so that many sources (and many nodes) do not
 * come back at once, where there is a seed. Pure: randomness is the caller's. */
#ifndef CALLMEND_BASE_BACKOFF_H
#define CALLMEND_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t least_ms, most_ms;
	unsigned tries;
	uint64_t random; /* the seed, then what follows from it; 0: no jitter */
};
/* The next pause: least_ms * 2^tries, at most most_ms; with jitter between a half of it and the
 * whole. */
int64_t backoff_next_ms(struct backoff *);
void backoff_reset(struct backoff *);

#endif
