/* Rows of eight floats or whole numbers, which every processor can work on, some at once. Only for
 * the inner loops of the speech detector. */
#ifndef CALLMEND_LEG_VAD_ROW_H
#define CALLMEND_LEG_VAD_ROW_H

#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif
#include <stdint.h>
#include <string.h>

/* Functions of rows are made part of their callers: how rows are passed is no matter then. */
#define VAD_PART static inline __attribute__((always_inline))

typedef float row __attribute__((vector_size(32)));
typedef int32_t row_bits __attribute__((vector_size(32)));
enum { ROW = 8 };

VAD_PART row row_at(const float *from)
{
	row x;
	memcpy(&x, from, sizeof(x));
	return x;
}

VAD_PART void row_put(float *to, row x)
{
	memcpy(to, &x, sizeof(x));
}

VAD_PART row either(row_bits which, row yes, row no)
{
#ifdef __AVX__
	return __builtin_ia32_blendvps256(no, yes, (row)which);
#else
	return (row)((which & (row_bits)yes) | (~which & (row_bits)no));
#endif
}

VAD_PART row lower(row a, row b)
{
#ifdef __AVX__
	return __builtin_ia32_minps256(a, b);
#else
	return either(a < b, a, b);
#endif
}

VAD_PART row higher(row a, row b)
{
#ifdef __AVX__
	return __builtin_ia32_maxps256(a, b);
#else
	return either(a > b, a, b);
#endif
}

VAD_PART row clamp(row x, float least, float most)
{
	return lower(higher(x, (row){ 0 } + least), (row){ 0 } + most);
}

/* As many whole numbers as a register holds; sums of two products each. */
#if defined(__AVX512VNNI__)
enum { PARTS = 16 };
#elif defined(__AVX2__)
enum { PARTS = 8 };
#else
enum { PARTS = 4 };
#endif
typedef int32_t part __attribute__((vector_size(4 * PARTS)));

VAD_PART part part_at(const void *from)
{
	part x;
	memcpy(&x, from, sizeof(x));
	return x;
}

VAD_PART void part_put(void *to, part x)
{
	memcpy(to, &x, sizeof(x));
}

#ifdef __AVX512VNNI__
VAD_PART part add_products(part sum, part a, part b)
{
	return (part)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}
#else
VAD_PART part add_products(part sum, part a, part b)
{
	typedef int16_t pairs __attribute__((vector_size(4 * PARTS)));
#if defined(__AVX2__)
	return sum + (part)__builtin_ia32_pmaddwd256((pairs)a, (pairs)b);
#elif defined(__SSE2__)
	return sum + (part)__builtin_ia32_pmaddwd128((pairs)a, (pairs)b);
#else
	return sum + (a >> 16) * (b >> 16) + (a << 16 >> 16) * (b << 16 >> 16);
#endif
}
#endif

#endif
