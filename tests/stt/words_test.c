/* What a provider says -> what the call is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/words.h"

#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000)

static struct stt_words w;
static char told[16][STT_TEXT_MAX + 64];
static struct heard facts[16];
static int told_n;
static int64_t now_us;

static void on_told(void *user, const struct heard *h)
{
	(void)user;
	assert_true(told_n < 16);
	assert_int_equal(HEARD_TRANSCRIPT, h->kind);
	facts[told_n] = *h;
	snprintf(told[told_n++], sizeof(told[0]), "%s%.*s", h->final ? "" : "~", SPAN_ARG(h->text));
}

static int setup(void **state)
{
	(void)state;
	stt_words_init(&w, on_told, NULL);
	told_n = 0;
	now_us = 1000000 * MS;
	return 0;
}

enum { PARTIAL, FINAL, ENDS };
static void say(const char *text, int how, int64_t from_ms, int64_t to_ms)
{
	const struct stt_said said = {
		.text = span_of(text),
		.final = how != PARTIAL,
		.ends = how == ENDS,
		.confidence = how == PARTIAL ? -1 : 900,
		.from_us = from_ms * MS,
		.to_us = to_ms * MS,
	};

	now_us += 1000 * MS;
	stt_words_hear(&w, &said, now_us);
}

static void expect(int n, ...)
{
	va_list ap;

	va_start(ap, n);
	assert_int_equal(n, told_n);
	for (int i = 0; i < n; i++)
		assert_string_equal(va_arg(ap, const char *), told[i]);
	va_end(ap);
	told_n = 0;
}

static void test_partial_then_final(void **state)
{
	(void)state;
	say("good", PARTIAL, 1000, 1300);
	say("good morning", PARTIAL, 1000, 1600);
	say("Good morning.", ENDS, 1000, 1700);
	expect(3, "~good", "~good morning", "Good morning.");
	assert_int_equal(1000 * MS, facts[2].at_us);
	assert_int_equal(700, facts[2].ms);
	assert_int_equal(900, facts[2].value);
}

static void test_one_final_an_utterance(void **state)
{
	(void)state;
	say("I would like", FINAL, 1000, 1500);
	say("to", PARTIAL, 1600, 1700);
	say("to book", FINAL, 1600, 1900);
	say("", ENDS, 1900, 2500);
	say("", ENDS, 2500, 3000); /* there is none */
	expect(2, "~I would like to", "I would like to book");
	assert_int_equal(1000 * MS, facts[1].at_us);
	assert_int_equal(900, facts[1].ms);
	assert_int_equal(2500 * MS > w.settled_us, false);
}

static void test_partials_are_thinned(void **state)
{
	char text[20];

	(void)state;
	for (int i = 0; i < 10; i++) { /* 50 ms apart */
		snprintf(text, sizeof(text), "word %d", i);
		now_us -= 950 * MS;
		say(text, PARTIAL, 1000, 1100 + i);
		stt_words_tick(&w, now_us);
	}
	expect(2, "~word 0", "~word 6");
	stt_words_tick(&w, now_us + 400 * MS);
	stt_words_tick(&w, now_us + 800 * MS);
	expect(1, "~word 9");
	say("word 9", PARTIAL, 1000, 1200); /* no news */
	expect(0);
}

static void test_a_partial_that_waits_is_forgotten_with_the_final(void **state)
{
	(void)state;
	say("a", PARTIAL, 1000, 1100);
	now_us -= 950 * MS;
	say("a b", PARTIAL, 1000, 1200);
	say("A, b.", ENDS, 1000, 1300);
	stt_words_tick(&w, now_us + 5000 * MS);
	expect(2, "~a", "A, b.");
}

static void test_nothing_twice_after_a_reconnect(void **state)
{
	(void)state;
	say("one two three", ENDS, 1000, 2000);
	stt_words_again(&w);
	say("three", PARTIAL, 1700, 2000); /* heard again */
	say("Three.", FINAL, 1700, 2010);
	say("two, three, four", FINAL, 1400, 2400); /* only the end of it is new */
	say("five", ENDS, 2400, 2800);
	expect(2, "one two three", "four five");
	assert_int_equal(3, w.repeats);
}

static void test_the_same_words_again_are_news_where_nothing_was_repeated(void **state)
{
	(void)state;
	say("no", ENDS, 1000, 1200);
	say("no", ENDS, 1100, 1200); /* items may be told in any order within a connection */
	stt_words_again(&w);
	say("no", ENDS, 1500, 1700);
	expect(3, "no", "no", "no");
}

static void test_an_utterance_goes_on_over_a_reconnect(void **state)
{
	(void)state;
	say("one two", FINAL, 1000, 1500);
	stt_words_again(&w);
	say("three", ENDS, 1600, 1900);
	expect(1, "one two three");
	assert_int_equal(1000 * MS, facts[0].at_us);
	say("four", FINAL, 3000, 3100);
	stt_words_end(&w);
	stt_words_end(&w);
	expect(1, "four");
}

static void test_too_long(void **state)
{
	struct buf b = { 0 };
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%s\xc3\xa4%d", i ? " " : "", i);
	say(buf_z(&b), ENDS, 1000, 60000);
	assert_true(told_n > 3);
	for (int i = 0; i < told_n; i++) {
		assert_in_range(strlen(told[i]), 1, STT_TEXT_MAX);
		assert_memory_equal(told[i], b.p + n,
				    strlen(told[i])); /* nothing lost, no word cut */
		n += strlen(told[i]) + 1;
	}
	assert_int_equal(b.n + 1, n);
	buf_free(&b);
}

static void test_anything(void **state)
{
	static const char *const words[] = {
		"", "a", " ", "\xc3\xa4", "no no", "...", "A b c d e f g h"
	};

	(void)state;
	srandom(3);
	for (int i = 0; i < 100000; i++) {
		if (random() % 20 == 0)
			stt_words_again(&w);
		say(words[random() % 7], (int)(random() % 3), random() % 5000, random() % 5000);
		told_n = 0;
		assert_in_range(w.text.n, 0, STT_TEXT_MAX);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(test_partial_then_final),
		TEST(test_one_final_an_utterance),
		TEST(test_partials_are_thinned),
		TEST(test_a_partial_that_waits_is_forgotten_with_the_final),
		TEST(test_nothing_twice_after_a_reconnect),
		TEST(test_the_same_words_again_are_news_where_nothing_was_repeated),
		TEST(test_an_utterance_goes_on_over_a_reconnect),
		TEST(test_too_long),
		TEST(test_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
