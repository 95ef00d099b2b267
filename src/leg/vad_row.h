/* Rows of eight floats or whole numbers, which every processor can work on, some at once. Only for
 * the inner loops of the speech detector. */
#ifndef CALLMEND_LEG_VAD_ROW_H
#define CALLMEND_LEG_VAD_ROW_H

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

/* As many whole numbers as a register holds; sums of two products each. */
#if defined(__AVX2__)
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

VAD_PART part products(part a, part b)
{
	typedef int16_t pairs __attribute__((vector_size(4 * PARTS)));
#if defined(__AVX2__)
	return (part)__builtin_ia32_pmaddwd256((pairs)a, (pairs)b);
#elif defined(__SSE2__)
	return (part)__builtin_ia32_pmaddwd128((pairs)a, (pairs)b);
#else
	return (a >> 16) * (b >> 16) + (a << 16 >> 16) * (b << 16 >> 16);
#endif
}

#endif
