/* UUIDs (RFC 9562) as 16 bytes. A call's id is version 5 of (source id, provider's call id), so
 * that any shard or node can compute it; all other ids are version 7. Random and clock live in
 * base/uuid.c only. */
#ifndef CALLMEND_UUID_H
#define CALLMEND_UUID_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct uuid {
	uint8_t b[16];
};

enum { UUID_TEXT = 36 };

bool uuid_eq(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *u);
/* Accepts the 36 character form in either case. */
MUST int uuid_parse(struct uuid *out, struct span text);
/* Writes 36 characters and a zero byte. */
void uuid_format(const struct uuid *u, char out[UUID_TEXT + 1]);
/* Version 5 (SHA-1) of a name within a name space. Pure. */
struct uuid uuid_v5(const struct uuid *space, struct span name);
/* Version 7: time and randomness. Not for the pure core. */
struct uuid uuid_v7(void);
/* A well mixed hash for tables and shard choice. */
uint64_t uuid_hash(const struct uuid *u);

#endif
