#include "callmend/uuid.h"

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/crypto.h"

bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool uuid_is_nil(const struct uuid *u)
{
	static const struct uuid nil = { 0 };
	return uuid_eq(u, &nil);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A hyphen stands before these bytes of the text form. */
static bool hyphen_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

int uuid_parse(struct uuid *out, struct span text)
{
	if (text.n != UUID_TEXT)
		return E_INVALID;
	struct uuid u;
	const char *p = text.p;
	for (size_t i = 0; i < sizeof(u.b); i++) {
		if (hyphen_before(i) && *p++ != '-')
			return E_INVALID;
		int high = nibble(p[0]), low = nibble(p[1]);
		if (high < 0 || low < 0)
			return E_INVALID;
		u.b[i] = (uint8_t)(high << 4 | low);
		p += 2;
	}
	*out = u;
	return 0;
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < sizeof(u->b); i++) {
		if (hyphen_before(i))
			*out++ = '-';
		*out++ = digits[u->b[i] >> 4];
		*out++ = digits[u->b[i] & 15];
	}
	*out = '\0';
}

static void stamp(struct uuid *u, int version)
{
	u->b[6] = (uint8_t)((u->b[6] & 0x0f) | version << 4);
	u->b[8] = (uint8_t)((u->b[8] & 0x3f) | 0x80);
}

struct uuid uuid_v5(const struct uuid *space, struct span name)
{
	struct buf text AUTO_BUF = { 0 };
	buf_add(&text, (struct span){ (const char *)space->b, sizeof(space->b) });
	buf_add(&text, name);
	uint8_t sha[SHA_DIGEST_LENGTH];
	SHA1((const uint8_t *)text.p, text.n, sha);
	struct uuid u;
	memcpy(u.b, sha, sizeof(u.b));
	stamp(&u, 5);
	return u;
}

/* The 12 bits beside the time count within a millisecond (RFC 9562, 6.2 method 1), so that the ids
 * of one thread sort as they were made, also when the wall clock steps back. */
struct uuid uuid_v7(void)
{
	static __thread int64_t last_ms;
	static __thread unsigned count;
	struct uuid u;
	crypto_random(u.b, sizeof(u.b));
	int64_t ms = clock_now_us() / 1000;
	if (ms > last_ms) {
		last_ms = ms;
		/* The top bit stays free: room to count. */
		count = ((unsigned)u.b[6] << 8 | u.b[7]) & 0x7ff;
	} else if (++count > 0xfff) {
		last_ms++;
		count = 0;
	}
	for (int i = 0; i < 6; i++)
		u.b[i] = (uint8_t)(last_ms >> (40 - 8 * i));
	u.b[6] = (uint8_t)(count >> 8);
	u.b[7] = (uint8_t)count;
	stamp(&u, 7);
	return u;
}

uint64_t uuid_hash(const struct uuid *u)
{
	return hash64((struct span){ (const char *)u->b, sizeof(u->b) });
}
