/* Audio sent <-> the call's clock: whatever was left out, a time that a provider counts comes back
 * to where the sound was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/clock.h"

#include <stdlib.h>

#define BASE_US INT64_C(1700000000000000)

static struct stt_clock c;

static void test_nothing_sent(void **state)
{
	(void)state;
	stt_clock_init(&c, 8000);
	assert_int_equal(0, stt_clock_at(&c, 1000));
	assert_int_equal(0, stt_clock_sent_us(&c));
}

static void test_a_pause_that_was_not_sent(void **state)
{
	(void)state;
	stt_clock_init(&c, 8000);
	stt_clock_sent(&c, 8000, BASE_US);
	stt_clock_sent(&c, 8000, BASE_US + 5000000); /* 4 s later */
	assert_int_equal(2, c.n);
	assert_int_equal(BASE_US + 500000, stt_clock_at(&c, 500000));
	assert_int_equal(BASE_US + 5500000, stt_clock_at(&c, 1500000));
	/* The border: an end is that of the first, a beginning that of the second. */
	assert_int_equal(BASE_US + 1000000, stt_clock_end(&c, 1000000));
	assert_int_equal(BASE_US + 5000000, stt_clock_at(&c, 1000000));
}

static void test_audio_without_a_gap_is_one_span(void **state)
{
	(void)state;
	stt_clock_init(&c, 8000);
	for (int i = 0; i < 10000; i++)
		stt_clock_sent(&c, 161, BASE_US + (int64_t)i * 161 * 125);
	assert_int_equal(1, c.n);
}

/* Any sequence of pieces and gaps, forwards and (after jitter) a little backwards: each sample sent
 * is found again within the slack, as long as its span is known. */
static void test_property(void **state)
{
	enum { PIECES = 60 };
	int64_t at[PIECES], sent[PIECES], samples[PIECES];

	(void)state;
	srandom(7);
	for (int round = 0; round < 500; round++) {
		int64_t now_us = BASE_US, total = 0;
		uint32_t rate = random() % 2 ? 8000 : 16000;

		stt_clock_init(&c, rate);
		for (int i = 0; i < PIECES; i++) {
			samples[i] = 1 + random() % 3000;
			now_us += random() % 3 ? 0 : random() % 20000000 - 50000;
			at[i] = now_us;
			sent[i] = total;
			stt_clock_sent(&c, samples[i], now_us);
			now_us += samples[i] * 1000000 / rate;
			total += samples[i];
		}
		for (int i = 0; i < PIECES; i++) {
			int64_t k = random() % samples[i];
			int64_t sent_us = ((sent[i] + k) * 1000000 + rate - 1) / rate;
			int64_t off = stt_clock_at(&c, sent_us) - (at[i] + k * 1000000 / rate);

			assert_in_range(off + STT_SPAN_SLACK_US + 3, 0, 2 * STT_SPAN_SLACK_US + 6);
		}
		assert_int_equal(total * 1000000 / rate, stt_clock_sent_us(&c));
	}
}

static void test_more_spans_than_are_kept(void **state)
{
	(void)state;
	stt_clock_init(&c, 8000);
	for (int i = 0; i < 3 * STT_SPANS; i++)
		stt_clock_sent(&c, 800, BASE_US + i * INT64_C(1000000));
	assert_int_equal(STT_SPANS, c.n);
	int64_t last = 3 * STT_SPANS - 1;
	assert_int_equal(BASE_US + last * 1000000 + 50000, stt_clock_at(&c, last * 100000 + 50000));
	/* Forgotten: as if it had gone on without a pause into the first that is known. */
	int64_t known = 2 * STT_SPANS;
	assert_int_equal(BASE_US + known * 1000000 - 50000,
			 stt_clock_at(&c, known * 100000 - 50000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_sent),
		cmocka_unit_test(test_a_pause_that_was_not_sent),
		cmocka_unit_test(test_audio_without_a_gap_is_one_span),
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_more_spans_than_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
