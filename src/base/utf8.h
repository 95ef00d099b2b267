/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CALLMEND_BASE_UTF8_H
#define CALLMEND_BASE_UTF8_H

#include <stdint.h>

#include "callmend/span.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Looks at the character at `p` (p < end). Positive: the length of a well formed one. Negative: how
 * many bytes of an ill-formed one to replace by a single U+FFFD (as Unicode and WHATWG recommend).
 */
static inline int utf8_step(const char *p, const char *end)
{
	const uint8_t *u = (const uint8_t *)p;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return -1;
	int length = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	/* Only the second byte's range depends on the first. */
	uint8_t least = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80;
	uint8_t most = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
	for (int i = 1; i < length; i++) {
		if (end - p <= i || u[i] < least || u[i] > most)
			return -i;
		least = 0x80;
		most = 0xbf;
	}
	return length;
}

/* Writes 1 to 4 bytes for a code point that is no surrogate; returns how many. */
static inline size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	out[0] = (char)(lead[more] | c >> (6 * more));
	for (size_t i = 1; i <= more; i++)
		out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
	return more + 1;
}

#endif
