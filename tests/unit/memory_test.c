/* Arena, buffer and fault: what everything else stands on. */
#include "base/arena.h"
#include "base/buf.h"
#include "tests/unit/cmocka_all.h"

static void arena_pieces(void **state)
{
	(void)state;
	struct arena a = { 0 };
	for (size_t n = 0; n < 3000; n += 7) {
		unsigned char *p = arena_alloc(&a, n);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	size_t total = a.total;
	assert_true(total > 3000 * 200);
	arena_reset(&a);
	assert_true(a.total < total && a.total > 0);
	/* Reused memory is zeroed, too. */
	unsigned char *p = arena_alloc(&a, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	arena_fini(&a);
	arena_fini(&a);
	arena_reset(&a);
	arena_fini(NULL);
}

static void arena_large_pieces(void **state)
{
	(void)state;
	struct arena a = { 0 };
	char *small = arena_alloc(&a, 10);
	char *large = arena_alloc(&a, 5 << 20);
	memset(large, 1, 5 << 20);
	assert_int_equal(small[9], 0);
	assert_true(a.total < 7 << 20);
	arena_fini(&a);
}

static void arena_texts(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct span s = arena_copy(&a, SPAN("a\0b"));
	assert_true(span_eq(s, SPAN("a\0b")));
	assert_int_equal(s.p[3], 0);
	assert_int_equal(arena_copy(&a, (struct span){ 0 }).n, 0);
	assert_string_equal(arena_printf(&a, "%s-%05000d", "x", 1) + 5000, "01");
	arena_fini(&a);
}

static void buf_grows(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_string_equal(buf_z(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	buf_addz(&b, "xyz");
	buf_add(&b, (struct span){ 0 });
	assert_int_equal(b.n, 1003);
	assert_string_equal(buf_z(&b) + 1000, "xyz");
	buf_clear(&b);
	for (size_t n = 0; n < 200; n++) {
		buf_clear(&b);
		buf_printf(&b, "%*s", (int)n, "");
		assert_int_equal(b.n, n);
	}
	buf_printf(&b, "%05000d", 1);
	assert_int_equal(b.n, 199 + 5000);
	buf_free(&b);
	assert_null(b.p);
	buf_free(&b);
	buf_free(NULL);
}

static int refuse(struct fault *f)
{
	return fault(f, E_FULL, "queue %d", 3);
}

static void faults(void **state)
{
	(void)state;
	struct fault f = { 0 };
	assert_int_equal(refuse(&f), E_FULL);
	assert_string_equal(f.text, "queue 3");
	assert_int_equal(fault_wrap(&f, "append %s", "x"), E_FULL);
	assert_string_equal(f.text, "append x: queue 3");
	assert_int_equal(fault(&f, E_IO, "again: %s", f.text), E_IO);
	assert_string_equal(f.text, "again: append x: queue 3");
	assert_int_equal(refuse(NULL), E_FULL);
	/* A wrapped failure never turns into success. */
	assert_int_not_equal(fault_wrap(NULL, "x"), 0);
	for (int i = 0; i < 100; i++)
		fault_wrap(&f, "0123456789");
	assert_int_equal(strlen(f.text), sizeof(f.text) - 1);
	assert_string_equal(fault_name(E_NOT_FOUND), "not found");
	assert_string_equal(fault_name(0), "success");
	assert_string_equal(fault_name(-99), "unknown error");
}

static void buf_percent(void **state)
{
	static const struct {
		struct span text;
		const char *value, *path;
	} rows[] = {
		{ { "", 0 }, "", "" },
		{ { "AZaz09-_~", 9 }, "AZaz09-_~", "AZaz09-_~" },
		{ { "..", 2 }, "..", "%2E%2E" },
		{ { "a/b?c#d", 7 }, "a%2Fb%3Fc%23d", "a%2Fb%3Fc%23d" },
		{ { "@[`{%&+= ", 9 },
		  "%40%5B%60%7B%25%26%2B%3D%20",
		  "%40%5B%60%7B%25%26%2B%3D%20" },
		{ { "\0\xc3\xbc", 3 }, "%00%C3%BC", "%00%C3%BC" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf value AUTO_BUF = { 0 }, path AUTO_BUF = { 0 };
		buf_add_percent(&value, rows[i].text, BUF_IN_VALUE);
		buf_add_percent(&path, rows[i].text, BUF_IN_PATH);
		assert_string_equal(buf_z(&value), rows[i].value);
		assert_string_equal(buf_z(&path), rows[i].path);
	}
}

static void spans(void **state)
{
	(void)state;
	assert_true(span_eq((struct span){ 0 }, SPAN("")));
	assert_true(span_starts(SPAN("abc"), SPAN("ab")));
	assert_false(span_starts(SPAN("a"), SPAN("ab")));
	assert_true(span_is(span_from(SPAN("abc"), 1), "bc"));
	assert_int_equal(span_from(SPAN("abc"), 9).n, 0);
	assert_int_equal(span_of(NULL).n, 0);
	assert_true(span_is(span_trim(SPAN(" \t\r\na b\n")), "a b"));
	assert_int_equal(span_trim(SPAN(" \n")).n, 0);
	struct span rest = SPAN("a\r\n\nb");
	assert_true(span_is(span_line(&rest), "a\r"));
	assert_true(span_is(span_line(&rest), ""));
	assert_true(span_is(span_line(&rest), "b"));
	assert_int_equal(rest.n + span_line(&rest).n, 0);
	static const char *const words[] = { "a", "b", NULL };
	assert_true(span_in(SPAN("b"), words));
	assert_false(span_in(SPAN("ab"), words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_pieces), cmocka_unit_test(arena_large_pieces),
		cmocka_unit_test(arena_texts),	cmocka_unit_test(buf_grows),
		cmocka_unit_test(buf_percent),	cmocka_unit_test(faults),
		cmocka_unit_test(spans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
