/* Every other tap of a half-band filter is zero, but for the middle one: the even samples meet
 * eight pairs of taps, the odd ones only the middle. Taken apart first, both are plain rows of
 * numbers. Processors with AVX2 multiply and add pairs of neighbours at once: three times as
 * fast, and the same sums to the bit. */
#include "codecs/halve.h"
#include "base/wide.h"

#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

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

#ifdef __x86_64__
enum { AT_ONCE = 16 };

/* What the tap `k` and its neighbour bring to eight outputs, every other one from `at` on. */
__attribute__((target("avx2"))) static inline __m256i two_taps(__m256i sum, const int16_t *at,
							       size_t k)
{
	size_t other = 2 * PAIRS - 1;
	int32_t first = taps[k < PAIRS ? k : other - k];
	int32_t second = taps[k + 1 < PAIRS ? k + 1 : other - k - 1];
	__m256i both = _mm256_set1_epi32((int32_t)((uint32_t)second << 16 | (uint16_t)first));
	__m256i samples = _mm256_loadu_si256((const __m256i *)(at + k));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(samples, both));
}

__attribute__((target("avx2"))) static inline __m256i rounded_eight(__m256i sum)
{
	__m256i v = _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(HALF)), 15);
	v = _mm256_min_epi32(v, _mm256_set1_epi32(INT16_MAX));
	return _mm256_max_epi32(v, _mm256_set1_epi32(INT16_MIN));
}

/* Gives how many of n outputs were made. Sixteen at a time: those at even places in the lower
 * halves of 32 bits, at odd ones in the upper. */
__attribute__((target("avx2"))) static size_t filter_at_once(const int16_t *restrict even,
							     const int16_t *restrict odd, size_t n,
							     int16_t *restrict out)
{
	const __m256i upper = _mm256_set1_epi32((int32_t)0xffff0000);
	size_t i = 0;
	for (; i + AT_ONCE <= n; i += AT_ONCE) {
		/* The middle tap is half of 2^15. */
		__m256i middle = _mm256_loadu_si256((const __m256i *)(odd + i + PAIRS - 1));
		__m256i a = _mm256_srai_epi32(_mm256_slli_epi32(middle, 16), 2);
		__m256i b = _mm256_srai_epi32(_mm256_and_si256(middle, upper), 2);
		for (size_t k = 0; k < 2 * PAIRS; k += 2) {
			a = two_taps(a, even + i, k);
			b = two_taps(b, even + i + 1, k);
		}
		a = _mm256_andnot_si256(upper, rounded_eight(a));
		b = _mm256_slli_epi32(rounded_eight(b), 16);
		_mm256_storeu_si256((__m256i *)(out + i), _mm256_or_si256(a, b));
	}
	return i;
}
#endif

static size_t filter_wide(const int16_t *even, const int16_t *odd, size_t n, int16_t *out)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return filter_at_once(even, odd, n, out);
#endif
	(void)even, (void)odd, (void)n, (void)out;
	return 0;
}

static void filter(const int16_t *even, const int16_t *odd, size_t n, int16_t *out)
{
	for (size_t i = filter_wide(even, odd, n, out); i < n; i++) {
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
