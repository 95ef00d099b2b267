/* Duplicate keys: 64 bits mixed from what identifies a message. Start with key_start("family"), add
 * what tells two messages of the family apart, end with key_end(). Equal parts in equal order give
 * equal keys, on every machine and in every version: replay depends on it. */
#ifndef CALLMEND_DIALECT_KEY_H
#define CALLMEND_DIALECT_KEY_H

#include "base/crypto.h"
#include "callmend/span.h"

static inline uint64_t key_number(uint64_t key, int64_t part)
{
	key = (key ^ (uint64_t)part) * UINT64_C(0x9FB21C651E98DF25);
	key ^= key >> 28;
	key *= UINT64_C(0x9E3779B97F4A7C15);
	return key ^ key >> 32;
}

static inline uint64_t key_text(uint64_t key, struct span part)
{
	return key_number(key_number(key, (int64_t)part.n), (int64_t)hash64(part));
}

static inline uint64_t key_start(const char *family)
{
	return key_text(0, span_of(family));
}

/* 0 means "never a duplicate", so no key may be it by chance. */
static inline uint64_t key_end(uint64_t key)
{
	return key ? key : 1;
}

#endif
