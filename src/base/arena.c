#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, FIRST_CHUNK = 4096, LARGEST_STEP = 1 << 20 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* of data */
	_Alignas(ALIGN) char data[];
};

static size_t round_up(size_t n)
{
	CHECK(n <= SIZE_MAX / 2);
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Chunks double up to a step, so that an arena of n bytes has few of them and wastes at most a
 * step. */
static size_t next_size(const struct arena *a, size_t need)
{
	size_t size = a->total ? a->total : a->first ? a->first : FIRST_CHUNK;
	if (size > LARGEST_STEP)
		size = LARGEST_STEP;
	return size < need ? need : size;
}

static void add_chunk(struct arena *a, size_t need)
{
	size_t size = next_size(a, need);
	struct arena_chunk *c = malloc(sizeof(*c) + size);
	CHECK(c);
	c->older = a->chunks;
	c->size = size;
	a->chunks = c;
	a->used = 0;
	a->size = size;
	a->total += size;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need = round_up(n ? n : 1);
	if (need > a->size - a->used)
		add_chunk(a, need);
	char *p = a->chunks->data + a->used;
	a->used += need;
	return memset(p, 0, need);
}

struct span arena_copy(struct arena *a, struct span s)
{
	/* One more byte, zero: handy for C strings, promised to nobody. */
	char *p = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct span){ p, s.n };
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	char *p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks;
	while (c && c->older) {
		struct arena_chunk *older = c->older;
		free(c);
		c = older;
	}
	a->chunks = c;
	a->used = 0;
	a->size = c ? c->size : 0;
	a->total = a->size;
}

void arena_fini(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->chunks);
	*a = (struct arena){ 0 };
}
