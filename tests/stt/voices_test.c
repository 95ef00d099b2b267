/* Whose voices are: results of an answer in, speakers out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/voices.h"

enum { RESULTS_MAX = 40 };

/* Results one second after the other: 'a' is voice 0 with a text of ten bytes, 'A' with one of a
 * hundred; '-' has no voice, ' ' is a second in which nobody speaks. */
static size_t make(const char *said, struct stt_result *r)
{
	static const char text[100] = "..........";
	size_t n = 0;

	for (int64_t s = 0; said[s]; s++) {
		bool much = said[s] >= 'A' && said[s] <= 'Z';
		struct stt_result one = { .words = true,
					  .voice = said[s] == '-' ? -1 : (said[s] | 32) - 'a',
					  .from_us = s * 1000000,
					  .to_us = (s + 1) * 1000000,
					  .text = { text, much ? 100 : 10 } };

		if (said[s] != ' ')
			r[n++] = one;
	}
	return n;
}

/* Who says them as letters: 'o' ours, 'c' the customer, '-' nobody. */
static void expect(const char *said, enum speaker first, unsigned voices, const char *who)
{
	static const char letters[] = {
		[SPEAKER_NONE] = '-', [SPEAKER_AI] = 'o', [SPEAKER_USER] = 'c'
	};
	struct stt_result r[RESULTS_MAX] = { 0 };
	enum speaker speakers[RESULTS_MAX];
	char found[RESULTS_MAX + 1] = "";
	size_t n = make(said, r);
	struct voices v = voices_name(r, n, first, speakers);

	for (size_t i = 0; i < n; i++)
		found[i] = letters[speakers[i]];
	assert_string_equal(who, found);
	assert_int_equal(voices, v.n);
	assert_int_equal(strspn(who, "-") == strlen(who), v.unnamed != NULL);
}

static void test_two(void **state)
{
	(void)state;
	expect("abab", SPEAKER_AI, 2, "ococ");
	expect("abab", SPEAKER_USER, 2, "coco");
	expect("bab", SPEAKER_AI, 2, "oco"); /* numbers say nothing about who is first */
	expect("aaab", SPEAKER_AI, 2, "oooc");
	expect("ABa", SPEAKER_AI, 2, "oco"); /* nor how much anybody says */
}

static void test_none_and_one(void **state)
{
	(void)state;
	expect("", SPEAKER_AI, 0, "");
	expect("--", SPEAKER_AI, 0, "--");
	expect("aaa", SPEAKER_AI, 1, "---");
	expect("a-a", SPEAKER_AI, 1, "---");
}

static void test_an_announcement(void **state)
{
	(void)state;
	expect("Abcbc", SPEAKER_AI, 3, "-ococ");
	expect("aaBCBC", SPEAKER_USER, 3, "--coco");
	expect("Abcbca", SPEAKER_AI, 3,
	       "------"); /* it comes again: no announcement, and it says much */
	expect("abacbc", SPEAKER_AI, 3, "------");
	expect("Ababa", SPEAKER_AI, 2, "ococo"); /* of two voices none is one */
}

static void test_a_third_voice(void **state)
{
	(void)state;
	expect("ABca", SPEAKER_AI, 3, "oc-o");
	/* First is who begins first of the two, not of all. */
	expect("cABcAB", SPEAKER_AI, 3, "-oc-oc");
	expect("abcabc", SPEAKER_AI, 3, "------");
	/* 20 of 210, and 20 of 200: no less than a tenth. */
	expect("bAbbbbbbbbcc", SPEAKER_AI, 3, "ocoooooooo--");
	expect("bAbbbbbbbcc", SPEAKER_AI, 3, "-----------");
	/* Several small ones count together: 20 of 230, 30 of 240. */
	expect("ABcda", SPEAKER_AI, 4, "oc--o");
	expect("ABcdea", SPEAKER_AI, 5, "------");
	/* Who of two that say as much is one of the two that say most. */
	expect("AbcA", SPEAKER_AI, 3, "oc-o");
	/* An announcement and a small one. */
	expect("ABCdB", SPEAKER_AI, 4, "-oc-o");
}

static void test_ties(void **state)
{
	struct stt_result r[RESULTS_MAX];
	enum speaker who[RESULTS_MAX];
	size_t n = make("ba", r);

	(void)state;
	r[0].from_us = r[1].from_us; /* at the same time: the first in the answer */
	assert_null(voices_name(r, n, SPEAKER_AI, who).unnamed);
	assert_int_equal(SPEAKER_AI, who[0]);
	r[0].from_us = r[1].from_us + 1; /* an answer out of order */
	assert_null(voices_name(r, n, SPEAKER_AI, who).unnamed);
	assert_int_equal(SPEAKER_USER, who[0]);
	assert_int_equal(SPEAKER_AI, who[1]);
}

static void test_what_counts_for_nothing(void **state)
{
	struct stt_result r[RESULTS_MAX];
	enum speaker who[RESULTS_MAX];
	size_t n = make("cabd", r);

	(void)state;
	r[0].text.n = 0;
	r[3].from_us = -1;
	struct voices v = voices_name(r, n, SPEAKER_AI, who);
	assert_int_equal(2, v.n);
	assert_true(who[0] == SPEAKER_NONE && who[3] == SPEAKER_NONE);
	assert_true(who[1] == SPEAKER_AI && who[2] == SPEAKER_USER);
	r[2].voice = STT_VOICES_MAX;
	assert_int_equal(1, voices_name(r, n, SPEAKER_AI, who).n);
}

static void test_as_many_as_there_may_be(void **state)
{
	struct stt_result r[STT_VOICES_MAX + 1];
	enum speaker who[STT_VOICES_MAX + 1];

	(void)state;
	for (int i = 0; i <= STT_VOICES_MAX; i++)
		r[i] = (struct stt_result){ .voice = i, .from_us = i, .text = SPAN("x") };
	struct voices v = voices_name(r, STT_VOICES_MAX + 1, SPEAKER_AI, who);
	assert_int_equal(STT_VOICES_MAX, v.n);
	assert_non_null(v.unnamed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_none_and_one),
		cmocka_unit_test(test_an_announcement),
		cmocka_unit_test(test_a_third_voice),
		cmocka_unit_test(test_ties),
		cmocka_unit_test(test_what_counts_for_nothing),
		cmocka_unit_test(test_as_many_as_there_may_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
