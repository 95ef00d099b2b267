/* A slab begins with its header, which a block finds by its own address. Blocks that came back are
 * a list through their first bytes; those that were never taken follow from `fresh` on, so that
 * nothing is touched before it is needed. */
#include "base/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <utlist.h>

#include "callmend/fault.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define FORBID(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define PERMIT(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define FORBID(p, n) ((void)(p), (void)(n))
#define PERMIT(p, n) ((void)(p), (void)(n))
#endif

/* Linux 6.1; older C libraries do not name it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* With so many slabs one that is not full is a small part. */
enum { MANY = 8, PART = 8 };

struct given {
	struct given *next;
};

struct slab {
	struct pool *pool;
	struct slab *prev, *next; /* of the pool's, with room or full */
	struct given *back;	  /* blocks that came back */
	size_t taken, fresh;	  /* blocks that are out; first that was never taken */
	bool huge;		  /* the kernel has been asked */
};

struct pool {
	size_t block_bytes, blocks; /* of a slab */
	struct slab *room, *full;
	size_t slabs, empty;
};

static char *block_at(const struct slab *s, size_t i)
{
	return (char *)s + POOL_ALIGN + i * s->pool->block_bytes;
}

struct pool *pool_new(size_t block_bytes)
{
	struct pool *p = calloc(1, sizeof(*p));

	_Static_assert(sizeof(struct slab) <= POOL_ALIGN, "the header is one line");
	CHECK(p && block_bytes && block_bytes <= POOL_BLOCK_MAX);
	p->block_bytes = (block_bytes + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
	p->blocks = (POOL_SLAB_BYTES - POOL_ALIGN) / p->block_bytes;
	return p;
}

size_t pool_block_bytes(const struct pool *p)
{
	return p->block_bytes;
}

/* Twice as much is mapped, and what lies around the aligned half given back. */
static void *map_aligned(void)
{
	char *all = mmap(NULL, 2 * POOL_SLAB_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(all != MAP_FAILED);
	size_t before = -(size_t)all & (POOL_SLAB_BYTES - 1);
	if (before)
		munmap(all, before);
	munmap(all + before + POOL_SLAB_BYTES, POOL_SLAB_BYTES - before);
	return all + before;
}

static struct slab *slab_new(struct pool *p)
{
	struct slab *s = map_aligned();

	if (p->slabs >= MANY)
		madvise(s, POOL_SLAB_BYTES, MADV_HUGEPAGE);
	*s = (struct slab){ .pool = p, .huge = p->slabs >= MANY };
	FORBID(block_at(s, 0), p->blocks * p->block_bytes);
	DL_PREPEND(p->room, s);
	p->slabs++;
	p->empty++;
	return s;
}

static void slab_free(struct slab *s)
{
	PERMIT(s, POOL_SLAB_BYTES);
	s->pool->slabs--;
	munmap(s, POOL_SLAB_BYTES);
}

static void filled(struct pool *p, struct slab *s)
{
	DL_DELETE(p->room, s);
	DL_PREPEND(p->full, s);
	if (!s->huge)
		madvise(s, POOL_SLAB_BYTES, MADV_COLLAPSE);
	s->huge = true;
}

void *pool_take(struct pool *p)
{
	struct slab *s = p->room ? p->room : slab_new(p);
	struct given *g = s->back;
	void *block = g ? (void *)g : block_at(s, s->fresh);

	PERMIT(block, p->block_bytes);
	if (g)
		s->back = g->next;
	else
		s->fresh++;
	p->empty -= s->taken == 0;
	if (++s->taken == p->blocks)
		filled(p, s);
	return block;
}

void pool_give(void *block)
{
	struct slab *s = (struct slab *)((size_t)block & ~(size_t)(POOL_SLAB_BYTES - 1));
	struct pool *p = s->pool;

	*(struct given *)block = (struct given){ s->back };
	s->back = block;
	FORBID(block, p->block_bytes);
	if (s->taken == p->blocks) {
		DL_DELETE(p->full, s);
		DL_APPEND(p->room, s);
	}
	p->empty += --s->taken == 0;
}

void pool_trim(struct pool *p)
{
	size_t most = p->empty > 1 ? (p->empty - 1 + PART - 1) / PART : 0;
	struct slab *s, *next;

	DL_FOREACH_SAFE(p->room, s, next)
	{
		if (s->taken || !most)
			continue;
		most--;
		p->empty--;
		DL_DELETE(p->room, s);
		slab_free(s);
	}
}

static void free_all(struct slab *list)
{
	struct slab *s, *next;

	DL_FOREACH_SAFE(list, s, next)
	slab_free(s);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	free_all(p->room);
	free_all(p->full);
	free(p);
}

size_t pool_slabs(const struct pool *p)
{
	return p->slabs;
}
