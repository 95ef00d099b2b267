/* Open addressing with linear probing beside a ring in order of insertion. The table is at least
 * twice as large as the ring, so that probes stay short and always meet an empty slot (0). */
#include "callmend/seen.h"

#include <stdlib.h>

#include "callmend/fault.h"

enum { FIRST_SIZE = 64 };

static uint32_t slot_of(uint64_t key, uint32_t size)
{
	return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (size - 1);
}

/* The slot that holds the key, or the empty one where it would go. */
static uint32_t probe(const uint64_t *table, uint32_t size, uint64_t key)
{
	uint32_t at = slot_of(key, size);
	while (table[at] && table[at] != key)
		at = (at + 1) & (size - 1);
	return at;
}

bool seen_has(const struct seen *s, uint64_t key)
{
	return key && s->size && s->table[probe(s->table, s->size, key)] == key;
}

static void grow(struct seen *s)
{
	uint32_t size = s->size ? s->size * 2 : FIRST_SIZE;
	uint64_t *table = calloc(size, sizeof(*table));
	uint64_t *ring = calloc(size / 2, sizeof(*ring));
	CHECK(table && ring);
	for (uint32_t i = 0; i < s->n; i++) {
		ring[i] = s->ring[(s->first + i) % (s->size / 2)];
		table[probe(table, size, ring[i])] = ring[i];
	}
	free(s->table);
	free(s->ring);
	s->table = table;
	s->ring = ring;
	s->size = size;
	s->first = 0;
}

/* Empties a slot and closes the gap: keys behind it that would no longer be found move up. */
static void drop_slot(struct seen *s, uint32_t gap)
{
	uint32_t mask = s->size - 1;
	for (uint32_t at = (gap + 1) & mask; s->table[at]; at = (at + 1) & mask) {
		uint32_t home = slot_of(s->table[at], s->size);
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			s->table[gap] = s->table[at];
			gap = at;
		}
	}
	s->table[gap] = 0;
}

static void drop_oldest(struct seen *s)
{
	drop_slot(s, probe(s->table, s->size, s->ring[s->first]));
	s->first = (s->first + 1) % (s->size / 2);
	s->n--;
}

bool seen_add(struct seen *s, uint64_t key)
{
	if (seen_has(s, key))
		return false;
	if (key == 0 || s->limit == 0)
		return true;
	if (s->n == s->limit)
		drop_oldest(s);
	if (s->n == s->size / 2)
		grow(s);
	s->ring[(s->first + s->n) % (s->size / 2)] = key;
	s->table[probe(s->table, s->size, key)] = key;
	s->n++;
	return true;
}

void seen_fini(struct seen *s)
{
	free(s->table);
	free(s->ring);
	*s = (struct seen){ .limit = s->limit };
}
