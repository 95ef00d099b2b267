/* The byte scanners under the json_*.c files (private to them): SSE2 where the machine has it,
 * plain C elsewhere, with the same results. None reads a byte at or behind `end`. */
#ifndef CALLMEND_BASE_JSON_SCAN_H
#define CALLMEND_BASE_JSON_SCAN_H

#include <stdint.h>

#include "callmend/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool json_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline const char *json_skip_space(const char *p, const char *end)
{
	while (p < end && json_is_space(*p))
		p++;
	return p;
}

/* The first byte of a string's inside that is not plain: quote, backslash, control or not ASCII. */
static inline const char *json_scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(' ');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		/* The comparison is signed: bytes from 0x80 on are below the space, too. */
		__m128i hit = _mm_or_si128(
			_mm_cmplt_epi8(v, space),
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		int mask = _mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Inside a string of a checked text: the first quote or backslash. */
static inline const char *json_scan_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
		int mask = _mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* From behind a string's opening quote to behind its closing one. */
static inline const char *json_skip_string(const char *p, const char *end)
{
	for (;;) {
		p = json_scan_quote(p, end);
		if (p == end || *p == '"')
			return p == end ? end : p + 1;
		p = end - p > 2 ? p + 2 : end;
	}
}

/* 64 bytes at once: one bit per byte, the first byte's lowest. */
struct json_block {
	uint64_t quote, slash;
	uint64_t bracket; /* maybe: the letters y and Y, '_' and 0x7f look alike */
};

/* What '[' ']' '{' '}' have in common, when these bits are set. */
enum { JSON_BRACKET_FREE = 0x26, JSON_BRACKET = 0x7f };

#ifdef __SSE2__
static inline struct json_block json_block_of(const char *p)
{
	struct json_block b = { 0 };
	for (int i = 0; i < 4; i++) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + 16 * i));
		__m128i folded = _mm_or_si128(v, _mm_set1_epi8(JSON_BRACKET_FREE));
#define BITS(x, c) \
	((uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c))) << 16 * i)
		b.quote |= BITS(v, '"');
		b.slash |= BITS(v, '\\');
		b.bracket |= BITS(folded, JSON_BRACKET);
#undef BITS
	}
	return b;
}
#else
static inline struct json_block json_block_of(const char *p)
{
	struct json_block b = { 0 };
	for (int i = 0; i < 64; i++) {
		b.quote |= (uint64_t)(p[i] == '"') << i;
		b.slash |= (uint64_t)(p[i] == '\\') << i;
		b.bracket |= (uint64_t)((p[i] | JSON_BRACKET_FREE) == JSON_BRACKET) << i;
	}
	return b;
}
#endif

#endif
