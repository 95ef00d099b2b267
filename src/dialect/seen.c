/* Keys stand in a ring in order of insertion; a table with open addressing and linear probing says
 * where. It is twice as large as the ring, so that probes stay short and always meet an empty slot
 * (0). */
#include "callmend/seen.h"

#include <stdlib.h>

#include "callmend/fault.h"

enum { FIRST_SIZE = 64 };

static uint32_t slot_of(uint64_t key, uint32_t size)
{
	return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (size - 1);
}

static uint64_t key_at(const struct seen *s, uint32_t slot)
{
	return s->ring[s->table[slot] - 1];
}

/* The slot that holds the key, or the empty one where it would go. */
static uint32_t probe(const struct seen *s, uint64_t key)
{
	uint32_t at = slot_of(key, s->size);
	while (s->table[at] && key_at(s, at) != key)
		at = (at + 1) & (s->size - 1);
	return at;
}

bool seen_has(const struct seen *s, uint64_t key)
{
	return key && s->size && s->table[probe(s, key)];
}

/* There is room for it. */
static void keep(struct seen *s, uint64_t key)
{
	uint32_t places = s->size / 2;
	CHECK(places);
	uint32_t place = (s->first + s->n) % places;
	s->table[probe(s, key)] = (uint16_t)(place + 1);
	s->ring[place] = key;
	s->n++;
}

static void grow(struct seen *s)
{
	struct seen bigger = { .size = s->size ? s->size * 2 : FIRST_SIZE, .limit = s->limit };
	CHECK(bigger.size / 2 <= SEEN_LIMIT_MAX);
	bigger.table = calloc(bigger.size, sizeof(*bigger.table));
	bigger.ring = calloc(bigger.size / 2, sizeof(*bigger.ring));
	CHECK(bigger.table && bigger.ring);
	for (uint32_t i = 0; i < s->n; i++)
		keep(&bigger, s->ring[(s->first + i) % (s->size / 2)]);
	seen_fini(s);
	*s = bigger;
}

/* Empties a slot and closes the gap: keys behind it that would no longer be found move up. */
static void drop_slot(struct seen *s, uint32_t gap)
{
	uint32_t mask = s->size - 1;
	for (uint32_t at = (gap + 1) & mask; s->table[at]; at = (at + 1) & mask) {
		uint32_t home = slot_of(key_at(s, at), s->size);
		if (((at - home) & mask) >= ((at - gap) & mask)) {
			s->table[gap] = s->table[at];
			gap = at;
		}
	}
	s->table[gap] = 0;
}

static void drop_oldest(struct seen *s)
{
	drop_slot(s, probe(s, s->ring[s->first]));
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
	keep(s, key);
	return true;
}

size_t seen_bytes(const struct seen *s)
{
	return s->size * sizeof(*s->table) + s->size / 2 * sizeof(*s->ring);
}

void seen_fini(struct seen *s)
{
	free(s->table);
	free(s->ring);
	*s = (struct seen){ .limit = s->limit };
}
