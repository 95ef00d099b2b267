/* Blocks of one size in slabs. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "cmocka_all.h"

static void blocks_are_apart_and_aligned(void **state)
{
	static const size_t sizes[] = { 1, 64, 5700, 8000, 240000, POOL_BLOCK_MAX };
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		enum { N = 70 };
		struct pool *p = pool_new(sizes[i]);
		unsigned char *blocks[N];

		assert_true(pool_block_bytes(p) >= sizes[i] &&
			    pool_block_bytes(p) % POOL_ALIGN == 0);
		for (unsigned k = 0; k < N; k++) {
			blocks[k] = pool_take(p);
			assert_int_equal((uintptr_t)blocks[k] % POOL_ALIGN, 0);
			memset(blocks[k], (int)k, pool_block_bytes(p));
		}
		for (unsigned k = 0; k < N; k++) {
			assert_int_equal(blocks[k][0], k);
			assert_int_equal(blocks[k][pool_block_bytes(p) - 1], k);
		}
		pool_free(p); /* with all of them */
	}
}

static void fresh_blocks_are_zero(void **state)
{
	struct pool *p = pool_new(4096);
	(void)state;
	for (int i = 0; i < 1000; i++) {
		const unsigned char *b = pool_take(p);

		for (int k = 0; k < 4096; k += 512)
			assert_int_equal(b[k], 0);
	}
	pool_free(p);
}

/* Taken and given back in any order, they are never handed out twice. */
static void no_block_is_handed_out_twice(void **state)
{
	enum { N = 1200, SIZE = 30000 };
	struct pool *p = pool_new(SIZE);
	static uint32_t *out[N];
	uint64_t seed = 3;
	(void)state;
	for (uint32_t i = 0; i < 40000; i++) {
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		uint32_t at = (uint32_t)(seed >> 33) % N;

		if (out[at]) {
			assert_int_equal(out[at][0], at);
			assert_int_equal(out[at][SIZE / 4 - 1], at);
			pool_give(out[at]);
			out[at] = NULL;
		} else {
			out[at] = pool_take(p);
			out[at][0] = out[at][SIZE / 4 - 1] = at;
		}
	}
	/* No more slabs than the most that were out at once need, and one. */
	assert_true(pool_slabs(p) <= N / (POOL_SLAB_BYTES / SIZE) + 2);
	pool_free(p);
}

static void what_is_empty_goes_back_by_and_by(void **state)
{
	enum { N = 64, SIZE = POOL_BLOCK_MAX / 2 }; /* three of a slab */
	struct pool *p = pool_new(SIZE);
	void *blocks[N];
	(void)state;
	for (int i = 0; i < N; i++)
		blocks[i] = pool_take(p);
	size_t all = pool_slabs(p);
	pool_trim(p); /* nothing is empty */
	assert_int_equal(pool_slabs(p), all);
	for (int i = 0; i < N; i++)
		pool_give(blocks[i]);
	assert_int_equal(pool_slabs(p), all); /* the next ones need not wait for the system */
	for (size_t before = all; before > 1; before = pool_slabs(p)) {
		pool_trim(p);
		assert_true(pool_slabs(p) < before);
		assert_true(before - pool_slabs(p) <= before / 8 + 1);
	}
	pool_trim(p);
	assert_int_equal(pool_slabs(p), 1);
	assert_non_null(pool_take(p));
	pool_free(p);
	pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_apart_and_aligned),
		cmocka_unit_test(fresh_blocks_are_zero),
		cmocka_unit_test(no_block_is_handed_out_twice),
		cmocka_unit_test(what_is_empty_goes_back_by_and_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
