/* The bounded set and the input list. */
#include "callmend/input.h"
#include "callmend/seen.h"
#include "tests/unit/cmocka_all.h"

static void test_zeroed_knows_nothing(void **state)
{
	struct seen s = { 0 };
	(void)state;
	assert_false(seen_has(&s, 7));
	seen_fini(&s);
}

static void test_add_tells_new_from_old(void **state)
{
	struct seen s = { .limit = 1000 };
	(void)state;
	for (uint64_t k = 1; k <= 1000; k++)
		assert_true(seen_add(&s, k * 977));
	for (uint64_t k = 1; k <= 1000; k++) {
		assert_false(seen_add(&s, k * 977));
		assert_true(seen_has(&s, k * 977));
		assert_false(seen_has(&s, k * 977 + 1));
	}
	assert_int_equal(s.n, 1000);
	seen_fini(&s);
}

static void test_zero_is_never_kept(void **state)
{
	struct seen s = { .limit = 4 };
	(void)state;
	assert_true(seen_add(&s, 0));
	assert_true(seen_add(&s, 0));
	assert_false(seen_has(&s, 0));
	assert_int_equal(s.n, 0);
	seen_fini(&s);
}

/* Keys that crowd around a few places, so that removal has to close gaps. */
static uint64_t crowded(uint64_t i)
{
	return (i << 40) + i * i % 7 + 1;
}

static void check_newest(const struct seen *s, uint64_t newest)
{
	for (uint64_t i = 1; i <= newest; i++)
		assert_int_equal(seen_has(s, crowded(i)), i + s->limit > newest);
}

static void test_oldest_go_first(void **state)
{
	struct seen s = { .limit = 100 };
	(void)state;
	for (uint64_t i = 1; i <= 700; i++) {
		assert_true(seen_add(&s, crowded(i)));
		check_newest(&s, i);
	}
	assert_int_equal(s.n, 100);
	assert_true(s.size <= 256);
	seen_fini(&s);
}

static void test_limit_of_one(void **state)
{
	struct seen s = { .limit = 1 };
	(void)state;
	for (uint64_t i = 1; i < 200; i++) {
		assert_true(seen_add(&s, i));
		assert_true(seen_has(&s, i));
		assert_false(seen_has(&s, i - 1));
	}
	seen_fini(&s);
}

static void test_fini_can_be_used_again(void **state)
{
	struct seen s = { .limit = 10 };
	(void)state;
	assert_true(seen_add(&s, 3));
	seen_fini(&s);
	assert_false(seen_has(&s, 3));
	assert_true(seen_add(&s, 3));
	seen_fini(&s);
}

static void test_inputs_grow(void **state)
{
	struct arena arena = { 0 };
	struct inputs list = { 0 };
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct input *in = inputs_add(&list, &arena, INPUT_HANG);
		assert_int_equal(in->turn, -1);
		assert_int_equal(in->key, 0);
		in->turn = i;
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(list.items[i].turn, i);
	assert_string_equal(input_name(INPUT_RAW), "raw");
	assert_string_equal(speaker_name(SPEAKER_AI), "ai");
	assert_string_equal(speaker_name(SPEAKER_NONE), "");
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_knows_nothing),
		cmocka_unit_test(test_add_tells_new_from_old),
		cmocka_unit_test(test_zero_is_never_kept),
		cmocka_unit_test(test_oldest_go_first),
		cmocka_unit_test(test_limit_of_one),
		cmocka_unit_test(test_fini_can_be_used_again),
		cmocka_unit_test(test_inputs_grow),
	};
	return cmocka_run_group_tests_name("dialect_seen", tests, NULL, NULL);
}
