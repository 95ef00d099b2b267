#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/text.h"

static void same(struct buf *b, const char *wanted)
{
	assert_string_equal(buf_z(b), wanted);
	buf_free(b);
}

static void test_clip(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(text_clip(&b, SPAN("abc"), 3), 3);
	same(&b, "abc");
	assert_int_equal(text_clip(&b, SPAN("abcd"), 3), 3);
	same(&b, "ab…");
	assert_int_equal(text_clip(&b, SPAN("客服部"), 5), 5);
	same(&b, "客服…");
	assert_int_equal(text_clip(&b, SPAN("客服部"), 4), 3);
	same(&b, "客…");
	assert_int_equal(text_clip(&b, SPAN("abc"), 0), 0);
	same(&b, "");
	text_pad(&b, SPAN("é"), 3);
	same(&b, "é  ");
}

/* What a caller's words or a provider's error could do to a terminal. */
static void test_harmless(void **state)
{
	static const struct {
		struct span in;
		const char *out;
	} rows[] = {
		{ SPAN("a\x1b[2Jb"), "a?[2Jb" },
		{ SPAN("a\nb\tc\rd"), "a b c d" },
		{ SPAN("\x00x"), "?x" },
		{ SPAN("\xc2\x9b"
		       "31m"),
		  "?31m" },
		{ SPAN("\xff\xfe"), "??" },
		{ SPAN("a\xe2\x80\xae"
		       "b"),
		  "a?b" },
		{ SPAN("\xe2\x81\xa6x"), "?x" },
		{ SPAN("\xf0\x9f\x98"), "?" },
		{ SPAN("e\xcc\x81"), "e\xcc\x81" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = { 0 };
		text_clean(&b, rows[i].in);
		same(&b, rows[i].out);
	}
}

static void test_wrap(void **state)
{
	struct span rest = SPAN("the quick 客服 extraordinarily");
	static const char *const lines[] = { "the quick", "客服", "extraordin", "arily" };
	struct span line;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(text_wrap(&rest, 10, &line));
		assert_true(span_is(line, lines[i]));
	}
	assert_false(text_wrap(&rest, 10, &line));
	rest = SPAN("客");
	assert_true(text_wrap(&rest, 1, &line));
	assert_int_equal(rest.n, 0);
}

static void test_times(void **state)
{
	struct buf b = { 0 };

	(void)state;
	text_duration(&b, 0);
	same(&b, "0:00");
	text_duration(&b, 3599999);
	same(&b, "59:59");
	text_duration(&b, 3600000);
	same(&b, "1:00:00");
	text_duration(&b, -5);
	same(&b, "0:00");
	text_latency(&b, 999);
	same(&b, "999 ms");
	text_latency(&b, 1240);
	same(&b, "1.24 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clip),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_times),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
