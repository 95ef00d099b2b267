/* Pieces of several lines become one, in time. */
#include "media/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NOW = 1000 * JOIN_SAMPLES };

static struct join *join_new(unsigned parts)
{
	struct join *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	for (unsigned i = 0; i < parts; i++)
		join_begin(j, i);
	return j;
}

static void drop(struct join *j)
{
	join_fini(j);
	free(j);
}

static bool put_ranked(struct join *j, unsigned part, int64_t nth, int16_t loud, uint8_t rank,
		       uint8_t sides)
{
	struct join_piece *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->at = NOW + nth * JOIN_SAMPLES;
	p->part = part;
	p->rank = rank;
	p->sides = sides;
	for (unsigned i = 0; i < JOIN_SAMPLES; i++)
		p->samples[i] = loud;
	bool good = join_put(j, p);
	if (!good)
		free(p);
	return good;
}

static bool put(struct join *j, unsigned part, int64_t nth, int16_t loud, bool dropped)
{
	struct join_piece *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->at = NOW + nth * JOIN_SAMPLES;
	p->part = part;
	p->dropped = dropped;
	for (unsigned i = 0; i < JOIN_SAMPLES; i++)
		p->samples[i] = loud;
	bool good = join_put(j, p);
	if (!good)
		free(p);
	return good;
}

static void takes(struct join *j, int64_t nth, uint32_t number, int16_t loud)
{
	struct join_piece *p = join_next(j);

	assert_non_null(p);
	assert_int_equal(nth, p->at / JOIN_SAMPLES - NOW / JOIN_SAMPLES);
	assert_int_equal(number, p->number);
	assert_int_equal(loud, p->samples[0]);
	assert_int_equal(loud, p->samples[JOIN_SAMPLES - 1]);
	free(p);
}

static void one_line_waits_for_nobody(void **state)
{
	struct join *j = join_new(1);

	(void)state;
	for (unsigned i = 0; i < 3 * JOIN_PIECES; i++) {
		assert_true(put(j, 0, i, (int16_t)i, false));
		takes(j, i, i, (int16_t)i);
		assert_null(join_next(j));
	}
	drop(j);
}

static void what_the_line_left_out_is_missing_in_the_numbers(void **state)
{
	struct join *j = join_new(1);

	(void)state;
	assert_true(put(j, 0, 0, 1, false));
	takes(j, 0, 0, 1);
	assert_true(put(j, 0, 5, 1, true));
	takes(j, 5, 5, 1);
	assert_true(put(j, 0, 9, 1, false)); /* a pause: nothing was left out */
	takes(j, 9, 6, 1);
	drop(j);
}

static void two_lines_are_added(void **state)
{
	struct join *j = join_new(2);

	(void)state;
	assert_true(put(j, 0, 0, 100, false));
	assert_null(join_next(j));
	assert_true(put(j, 1, 0, -30, false));
	takes(j, 0, 0, 70);
	assert_true(put(j, 1, 1, 32000, false));
	assert_true(put(j, 1, 2, -32000, false));
	assert_true(put(j, 0, 1, 32000, false));
	takes(j, 1, 1, INT16_MAX);
	assert_true(put(j, 0, 2, -32000, false));
	takes(j, 2, 2, INT16_MIN);
	assert_null(join_next(j));
	drop(j);
}

static void whom_several_lines_bring_is_heard_once(void **state)
{
	enum { BOTH = JOIN_CUSTOMER | JOIN_ASSISTANT };
	struct join *j = join_new(3);

	(void)state;
	/* In whatever order: the customer of the first, the assistant of the second alone. */
	assert_true(put_ranked(j, 1, 0, 100, 2, JOIN_CUSTOMER));
	assert_true(put_ranked(j, 0, 0, 20, 0, JOIN_CUSTOMER));
	assert_true(put_ranked(j, 2, 0, 3, 2, JOIN_ASSISTANT));
	takes(j, 0, 0, 23);
	assert_true(put_ranked(j, 0, 1, 20, 0, BOTH));
	assert_true(put_ranked(j, 1, 1, 100, 2, JOIN_CUSTOMER));
	assert_true(put_ranked(j, 2, 1, 3, 2, JOIN_ASSISTANT));
	takes(j, 1, 1, 20);
	/* The first brings nothing more: they are heard instead. */
	join_end(j, 0);
	assert_true(put_ranked(j, 1, 2, 100, 2, JOIN_CUSTOMER));
	assert_true(put_ranked(j, 2, 2, 3, 2, JOIN_ASSISTANT));
	takes(j, 2, 2, 103);
	assert_true(put_ranked(j, 1, 3, 100, 2, BOTH));
	assert_true(put_ranked(j, 2, 3, 3, 1, BOTH));
	drop(j);
}

static void who_stands_still_holds_nobody_up(void **state)
{
	struct join *j = join_new(2);

	(void)state;
	assert_true(put(j, 0, 0, 1, false));
	assert_true(put(j, 1, 0, 2, false));
	takes(j, 0, 0, 3);
	assert_true(put(j, 0, 1, 1, false));
	assert_true(put(j, 0, 2, 1, false));
	assert_null(join_next(j)); /* 40 ms */
	assert_true(put(j, 0, 3, 1, false));
	takes(j, 1, 1, 1); /* 80 ms */
	assert_null(join_next(j));
	join_end(j, 1);
	takes(j, 2, 2, 1);
	takes(j, 3, 3, 1);
	drop(j);
}

static void who_is_behind_is_heard_later(void **state)
{
	struct join *j = join_new(2);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(put(j, 0, i, 1, false));
	takes(j, 0, 0, 1);
	for (int i = 3; i < 50; i++) { /* 120 ms, always */
		assert_true(put(j, 1, i - 3, 2, false));
		takes(j, i - 2, (uint32_t)i - 2, 3);
		assert_true(put(j, 0, i, 1, false));
		assert_null(join_next(j));
	}
	/* It catches up, all at once: what was before is left out, and it is in time again. */
	assert_true(put(j, 1, 47, 4, false));
	assert_true(put(j, 1, 48, 4, false));
	assert_false(put(j, 1, 49, 4, false));
	takes(j, 48, 48, 5);
	takes(j, 49, 49, 5);
	assert_true(put(j, 1, 50, 2, false));
	assert_true(put(j, 0, 50, 1, false));
	takes(j, 50, 50, 3);
	drop(j);
}

static void what_was_before_may_come_line_by_line(void **state)
{
	struct join *j = join_new(2);

	(void)state;
	for (int i = 0; i < 750; i++)
		assert_true(put(j, 0, i, 1, false));
	for (int i = -3; i < 749; i++)
		assert_true(put(j, 1, i, 2, false));
	for (int i = -3; i < 0; i++)
		takes(j, i, (uint32_t)(i + 3), 2);
	for (int i = 0; i < 749; i++)
		takes(j, i, (uint32_t)(i + 3), 3);
	assert_null(join_next(j));
	drop(j);
}

static void nobody_takes_and_time_jumps(void **state)
{
	struct join *j = join_new(1);
	const int64_t year = INT64_C(365) * 24 * 3600 * 25;

	(void)state;
	for (unsigned i = 0; i < 2 * JOIN_PIECES; i++)
		assert_true(put(j, 0, i, 1, false));
	takes(j, JOIN_PIECES, 0, 1); /* the window's oldest */
	assert_true(put(j, 0, year, 2, false));
	takes(j, year, 1, 2);
	assert_false(put(j, 0, 5, 1, false));
	drop(j);
}

static void more_lines_than_are_waited_for(void **state)
{
	struct join *j = join_new(JOIN_PARTS_MAX + 2);

	(void)state;
	assert_true(put(j, JOIN_PARTS_MAX + 1, 0, 5, false));
	for (unsigned i = 0; i < JOIN_PARTS_MAX; i++) {
		assert_null(join_next(j));
		assert_true(put(j, i, 0, 1, false));
	}
	takes(j, 0, 0, JOIN_PARTS_MAX + 5);
	drop(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_waits_for_nobody),
		cmocka_unit_test(what_the_line_left_out_is_missing_in_the_numbers),
		cmocka_unit_test(two_lines_are_added),
		cmocka_unit_test(whom_several_lines_bring_is_heard_once),
		cmocka_unit_test(who_stands_still_holds_nobody_up),
		cmocka_unit_test(who_is_behind_is_heard_later),
		cmocka_unit_test(what_was_before_may_come_line_by_line),
		cmocka_unit_test(nobody_takes_and_time_jumps),
		cmocka_unit_test(more_lines_than_are_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
