/* Base64 text (RFC 4648, section 4) into memory of the caller: for media frames, a hundred a second
 * and call. Strict: the standard alphabet, padded to whole groups, no white space, spare bits zero;
 * what crypto_unbase64() takes. Allocates nothing; any thread. */
#ifndef CALLMEND_BASE_BASE64_H
#define CALLMEND_BASE_BASE64_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

/* Room that decoding such a text may need. */
static inline size_t base64_room(struct span text)
{
	return text.n / 4 * 3;
}

/* *n bytes at `out`, at most base64_room(text). E_INVALID: not such text; *n is 0 then and what is
 * at `out` means nothing. */
MUST int base64_decode(struct span text, uint8_t *out, size_t *n);

#endif
