/* Hashes, MACs, encodings and comparisons in constant time: thin and fixed-purpose over OpenSSL and
 * libxxhash. */
#ifndef CALLMEND_BASE_CRYPTO_H
#define CALLMEND_BASE_CRYPTO_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/fault.h"
#include "callmend/span.h"

enum { MAC_MAX = 64 };
enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

/* Time depends on the lengths only, never on where the bytes differ. */
bool crypto_equal(struct span a, struct span b);
/* Returns the length written to out. */
size_t crypto_hmac(enum digest d, struct span key, struct span data, uint8_t out[MAC_MAX]);
void crypto_sha256(struct span data, uint8_t out[32]);
void crypto_hex(struct span bytes, struct buf *out);
void crypto_base64(struct span bytes, struct buf *out);
MUST int crypto_unbase64(struct span text, struct buf *out);
void crypto_random(void *out, size_t n);
uint64_t hash64(struct span s); /* XXH3, not for secrets */
uint64_t hash64_seeded(struct span s, uint64_t seed);

/* Does this text hold a certificate in PEM form that can be read? */
bool crypto_has_certificate(struct span pem);

#endif
