/* Every other tap of a half-band filter is zero, but for the middle one: the even samples meet
 * eight pairs of taps, the odd ones only the middle. Taken apart first, both are plain rows of
 * numbers, and the compiler makes wide instructions of them. */
#include "codecs/halve.h"
#include "base/wide.h"

#include <string.h>

#include "codecs/codecs.h"

enum { KEPT = HALVE_TAPS - 1, PIECE = 640, PAIRS = 8, HALF = 1 << 14 };

/* Least largest error from 4.6 kHz on, in units of 2^-15; the sum of all taps is 1. */
static const int32_t taps[PAIRS] = { -179, 257, -436, 701, -1108, 1798, -3298, 10457 };

/* The sum of magnitudes of all taps is 1.62: no sum of products leaves 32 bits. */
static inline int16_t rounded(int32_t sum)
{
	int32_t v = (sum + HALF) >> 15;
	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

WIDE static void filter(const int16_t *restrict even, const int16_t *restrict odd, size_t n,
			int16_t *restrict out)
{
	for (size_t i = 0; i < n; i++) {
		int32_t sum = odd[i + PAIRS - 1] * HALF;
		for (size_t k = 0; k < PAIRS; k++)
			sum += taps[k] * (even[i + k] + even[i + 2 * PAIRS - 1 - k]);
		out[i] = rounded(sum);
	}
}

WIDE static void take_apart(const int16_t *restrict in, size_t pairs, int16_t *restrict even,
			    int16_t *restrict odd)
{
	for (size_t i = 0; i < pairs; i++) {
		even[i] = in[2 * i];
		odd[i] = in[2 * i + 1];
	}
}

/* At most PIECE samples. What is kept of before comes first; an odd sample of it makes a pair with
 * the first one now. */
static size_t piece(struct halve *h, const int16_t *in, size_t n, int16_t *out)
{
	int16_t even[(KEPT + PIECE) / 2 + 1], odd[(KEPT + PIECE) / 2 + 1];
	size_t kept = KEPT + (size_t)h->odd, have = kept + n, makes = (have - KEPT) / 2;
	size_t pairs = KEPT / 2, from = 0, gone = 2 * makes;
	take_apart(h->past, pairs, even, odd);
	if (h->odd) {
		even[pairs] = h->past[KEPT];
		odd[pairs++] = in[from++];
	}
	take_apart(in + from, (n - from) / 2, even + pairs, odd + pairs);
	size_t stays = gone < kept ? kept - gone : 0;
	h->odd = (uint16_t)((have - KEPT) % 2);
	memmove(h->past, h->past + kept - stays, stays * sizeof(*in));
	memcpy(h->past + stays, in + gone + stays - kept,
	       (KEPT + (size_t)h->odd - stays) * sizeof(*in));
	filter(even, odd, makes, out); /* `out` may be `in` */
	return makes;
}

size_t halve_run(struct halve *h, const int16_t *in, size_t n, int16_t *out)
{
	size_t made = 0;
	for (size_t at = 0; at < n; at += PIECE)
		made += piece(h, in + at, n - at < PIECE ? n - at : PIECE, out + made);
	return made;
}
