#include "base/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/base64.h"

bool crypto_equal(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

static const EVP_MD *digest_of(enum digest d)
{
	static const EVP_MD *(*const makers[])(void) = {
		[DIGEST_SHA1] = EVP_sha1,
		[DIGEST_SHA256] = EVP_sha256,
		[DIGEST_SHA512] = EVP_sha512,
	};
	return makers[d]();
}

size_t crypto_hmac(enum digest d, struct span key, struct span data, uint8_t out[MAC_MAX])
{
	unsigned n = 0;
	CHECK(key.n <= INT_MAX);
	/* An empty key is legal, a NULL one would mean "the one before" to OpenSSL. */
	const char *k = key.n ? key.p : "";
	CHECK(HMAC(digest_of(d), k, (int)key.n, (const uint8_t *)data.p, data.n, out, &n));
	return n;
}

void crypto_sha256(struct span data, uint8_t out[32])
{
	SHA256((const uint8_t *)(data.n ? data.p : ""), data.n, out);
}

void crypto_hex(struct span bytes, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	buf_reserve(out, bytes.n * 2);
	for (size_t i = 0; i < bytes.n; i++) {
		uint8_t b = (uint8_t)bytes.p[i];
		out->p[out->n++] = digits[b >> 4];
		out->p[out->n++] = digits[b & 15];
	}
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void crypto_base64(struct span bytes, struct buf *out)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	buf_reserve(out, (bytes.n + 2) / 3 * 4);
	char *o = out->p + out->n;
	for (size_t left = bytes.n; left > 0;) {
		size_t take_n = left < 3 ? left : 3;
		uint32_t v = (uint32_t)p[0] << 16;
		v |= take_n > 1 ? (uint32_t)p[1] << 8 : 0;
		v |= take_n > 2 ? (uint32_t)p[2] : 0;
		*o++ = alphabet[v >> 18];
		*o++ = alphabet[v >> 12 & 63];
		*o++ = take_n > 1 ? alphabet[v >> 6 & 63] : '=';
		*o++ = take_n > 2 ? alphabet[v & 63] : '=';
		p += take_n;
		left -= take_n;
	}
	out->n += (bytes.n + 2) / 3 * 4;
}

int crypto_unbase64(struct span text, struct buf *out)
{
	size_t n;
	if (text.n == 0)
		return 0;
	buf_reserve(out, text.n);
	TRY(base64_decode(text, (uint8_t *)out->p + out->n, &n));
	out->n += n;
	return 0;
}

void crypto_random(void *out, size_t n)
{
	uint8_t *p = out;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		CHECK(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

uint64_t hash64(struct span s)
{
	return XXH3_64bits(s.n ? s.p : "", s.n);
}

uint64_t hash64_seeded(struct span s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.n ? s.p : "", s.n, seed);
}

bool crypto_has_certificate(struct span pem)
{
	BIO *in = BIO_new_mem_buf(pem.n ? pem.p : "", pem.n < INT_MAX ? (int)pem.n : INT_MAX);
	X509 *first = in ? PEM_read_bio_X509_AUX(in, NULL, NULL, NULL) : NULL;
	bool found = first != NULL;
	X509_free(first);
	BIO_free(in);
	ERR_clear_error();
	return found;
}
