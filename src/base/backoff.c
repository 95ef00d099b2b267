#include "base/backoff.h"

enum { DOUBLINGS_MAX = 30 };

/* xorshift64*: spreads, no more. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}

int64_t backoff_next_ms(struct backoff *b)
{
	int64_t whole = b->least_ms;

	for (unsigned i = 0; i < b->tries && whole < b->most_ms; i++)
		whole *= 2;
	if (whole > b->most_ms)
		whole = b->most_ms;
	if (b->tries < DOUBLINGS_MAX)
		b->tries++;
	int64_t half = whole / 2;
	if (!b->random || !half)
		return whole;
	return whole - half + (int64_t)(next_random(&b->random) % (uint64_t)half);
}

void backoff_reset(struct backoff *b)
{
	b->tries = 0;
}
