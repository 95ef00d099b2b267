#include <stdlib.h>

#include "net/grpc_internal.h"

enum { STEP = 64, KEPT_OF_A_SIZE = 512 };

/* In front of what nghttp2 gets; as large as its alignment wants. */
struct grpc_pool_block {
	struct grpc_pool_block *next; /* while it is kept */
	size_t room;
};
_Static_assert(sizeof(struct grpc_pool_block) % _Alignof(max_align_t) == 0, "memory is aligned");

static struct grpc_pool_block *block_of(void *p)
{
	return (struct grpc_pool_block *)p - 1;
}

static void *pool_malloc(size_t n, void *user)
{
	struct grpc_pool *pool = user;
	size_t size = n ? (n - 1) / STEP : 0;
	struct grpc_pool_block *b;

	if (size < GRPC_POOL_SIZES && pool->kept[size]) {
		b = pool->kept[size];
		pool->kept[size] = b->next;
		pool->kept_n[size]--;
		return b + 1;
	}
	b = malloc(sizeof(*b) + (size + 1) * STEP);
	CHECK(b);
	b->room = (size + 1) * STEP;
	return b + 1;
}

static void pool_free(void *p, void *user)
{
	struct grpc_pool *pool = user;

	if (!p)
		return;
	struct grpc_pool_block *b = block_of(p);
	size_t size = b->room / STEP - 1;
	if (size >= GRPC_POOL_SIZES || pool->kept_n[size] >= KEPT_OF_A_SIZE) {
		free(b);
		return;
	}
	b->next = pool->kept[size];
	pool->kept[size] = b;
	pool->kept_n[size]++;
}

static void *pool_calloc(size_t n, size_t size, void *user)
{
	size_t bytes;

	CHECK(!__builtin_mul_overflow(n, size, &bytes));
	return memset(pool_malloc(bytes, user), 0, bytes);
}

static void *pool_realloc(void *p, size_t n, void *user)
{
	if (p && block_of(p)->room >= n)
		return p;
	void *larger = pool_malloc(n, user);
	if (p)
		memcpy(larger, p, block_of(p)->room);
	pool_free(p, user);
	return larger;
}

nghttp2_mem grpc_pool_mem(struct grpc_pool *pool)
{
	return (nghttp2_mem){ pool, pool_malloc, pool_free, pool_calloc, pool_realloc };
}

void grpc_pool_fini(struct grpc_pool *pool)
{
	for (size_t i = 0; i < GRPC_POOL_SIZES; i++) {
		while (pool->kept[i]) {
			struct grpc_pool_block *b = pool->kept[i];
			pool->kept[i] = b->next;
			free(b);
		}
	}
}
