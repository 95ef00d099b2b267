#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* wants the ones above */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/detect.h"

enum { SECOND = 1000 * 1000 };

/* Two voices of their own. */
static size_t make(uint32_t rate, unsigned channels, int ms, bool same, char *out)
{
	size_t n = rate * (size_t)ms / 1000;

	for (size_t i = 0; i < n; i++) {
		double t = (double)i / rate;
		int16_t v[2] = { (int16_t)(7000 * sin(6.2832 * 210 * t) * (1 + sin(9 * t)) / 2),
				 (int16_t)(5000 * sin(6.2832 * 330 * t + 1)) };

		if (same)
			v[1] = v[0];
		for (unsigned c = 0; c < channels; c++)
			out[2 * (i * channels + c)] = (char)v[c],
						out[2 * (i * channels + c) + 1] = (char)(v[c] >> 8);
	}
	return n * channels * 2;
}

static void expect(uint32_t rate, unsigned channels, bool same, double clock, struct detected given)
{
	static char bytes[DETECT_BYTES_MAX];
	size_t n = make(rate, channels, 1500, same, bytes);
	struct detected d =
		detect_format((struct span){ bytes, n }, n, (int64_t)(1.5 * SECOND * clock),
			      given.rate_hz, given.channels);

	assert_int_equal(rate, d.rate_hz);
	assert_int_equal(channels, d.channels);
}

static void rates_and_channels_are_found(void **state)
{
	(void)state;
	static const struct {
		uint32_t rate_hz;
		unsigned channels;
	} formats[] = { { 8000, 1 },  { 16000, 1 }, { 8000, 2 }, { 16000, 2 },
			{ 24000, 1 }, { 48000, 1 }, { 24000, 2 } };
	static const double clocks[] = { 0.92, 1.0, 1.08 };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		for (size_t k = 0; k < 3; k++)
			expect(formats[i].rate_hz, formats[i].channels, false, clocks[k],
			       (struct detected){ 0 });
}

static void one_voice_twice_is_two_channels(void **state)
{
	(void)state;
	expect(16000, 2, true, 1, (struct detected){ 0 });
	expect(8000, 2, true, 1, (struct detected){ 0 });
}

static struct detected after_hiccup(uint32_t rate, unsigned channels, double clock)
{
	static char bytes[DETECT_BYTES_MAX];
	size_t n = make(rate, channels, 1500, false, bytes);

	return detect_format((struct span){ bytes, n }, n, (int64_t)(1.5 * SECOND * clock), 0, 0);
}

static void a_hiccup_is_noticed(void **state)
{
	(void)state;
	assert_true(after_hiccup(16000, 2, 1.08).sure);
	assert_false(after_hiccup(16000, 2, 1.2).sure);
	assert_false(after_hiccup(16000, 1, 0.83).sure);
}

static void two_voices_are_never_one_at_another_rate(void **state)
{
	struct detected d = after_hiccup(16000, 2, 1.3); /* nearer to 24 kHz, one channel */

	(void)state;
	assert_int_equal(16000, d.rate_hz);
	assert_int_equal(2, d.channels);
}

static void what_is_known_stays(void **state)
{
	(void)state;
	expect(16000, 1, false, 1, (struct detected){ .rate_hz = 16000 });
	expect(16000, 2, false, 1, (struct detected){ .rate_hz = 16000 });
	expect(8000, 2, false, 1, (struct detected){ .channels = 2 });
	expect(16000, 1, false, 1, (struct detected){ .channels = 1 });
}

static void silence_and_nothing_have_an_answer(void **state)
{
	(void)state;
	static const char zeroes[48000];
	struct detected d =
		detect_format((struct span){ zeroes, 48000 }, 48000, 3 * SECOND / 2, 0, 0);

	assert_int_equal(16000, d.rate_hz);
	assert_int_equal(1, d.channels);
	d = detect_format((struct span){ zeroes, 0 }, 0, 0, 0, 0);
	assert_int_equal(16000, d.rate_hz);
}

/* A message of 20 ms of 16 kHz stereo whenever `comes` says so, until it is known, or 4 s are over.
 */
static uint32_t heard(bool (*comes)(int ms), int at_once, int *until_ms)
{
	static struct detect d;
	struct detected as = { 0 };
	bool known = false;
	int owed = at_once;

	memset(&d, 0, sizeof(d));
	make(16000, 2, 4000 + at_once, false, d.bytes);
	for (*until_ms = 0; !known && *until_ms < 4000; *until_ms += 20) {
		int64_t now_us = (int64_t)(*until_ms + 1) * 1000;

		for (owed += 20; owed >= 20 && comes(*until_ms); owed -= 20)
			detect_count(&d, 20 * 64, now_us);
		as = detect_format((struct span){ d.bytes, d.n }, d.n - d.base_n,
				   now_us - d.base_us, 0, 0);
		known = now_us - d.first_us >= DETECT_US && detect_is_steady(&d, now_us) && as.sure;
	}
	assert_int_equal(2, as.channels);
	return as.rate_hz;
}

static bool always(int ms)
{
	(void)ms;
	return true;
}

/* Nothing for 0.75 s: by then half as much has come as would have. */
static bool but_for_a_stall(int ms)
{
	return ms < 760 || ms >= 1540;
}

static void a_sender_that_hiccups_is_waited_for(void **state)
{
	int ms;

	(void)state;
	assert_int_equal(16000, heard(always, 0, &ms));
	assert_in_range(ms, 1480, 1540);
	assert_int_equal(16000, heard(but_for_a_stall, 0, &ms));
	assert_in_range(ms, 3500, 4000);
}

static void what_a_sender_has_kept_does_not_count(void **state)
{
	int ms;

	(void)state;
	assert_int_equal(16000, heard(always, 1000, &ms));
	assert_in_range(ms, 1480, 1540);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_and_channels_are_found),
		cmocka_unit_test(a_sender_that_hiccups_is_waited_for),
		cmocka_unit_test(what_a_sender_has_kept_does_not_count),
		cmocka_unit_test(one_voice_twice_is_two_channels),
		cmocka_unit_test(a_hiccup_is_noticed),
		cmocka_unit_test(two_voices_are_never_one_at_another_rate),
		cmocka_unit_test(what_is_known_stays),
		cmocka_unit_test(silence_and_nothing_have_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
