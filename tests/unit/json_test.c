#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "tests/unit/cmocka_all.h"

static struct json parse(const char *z)
{
	struct fault f = { 0 };
	if (json_check(span_of(z), &f))
		fail_msg("%s: %s", z, f.text);
	return json_of(span_of(z));
}

static void assert_span(struct span got, const char *want)
{
	if (!span_is(got, want))
		fail_msg("got \"%.*s\", want \"%s\"", SPAN_ARG(got), want);
}

/* --- json_check --- */

static const char *const accepted[] = {
	"null",
	"true",
	"false",
	"0",
	"-0",
	"1e5",
	"-1.5E-3",
	"123456789012345678901234567890",
	"1e999",
	"\"\"",
	"\"a\"",
	"[]",
	"{}",
	" [ ] ",
	"\t\n\r{ \"a\" : 1 , \"b\" : [ 1 , 2 ] }\n",
	"{\"a\":{\"b\":{\"c\":[[[]]]}}}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
	"\"\\u0000\"",
	"\"\\ud800\"",
	"\"\\udc00\\ud800\"",
	"\"\\ud83d\\ude00\"", /* legal syntax, mended later */
	"\"\x7f\"",
	"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
	"\"\xef\xbf\xbf\"",
	"\"\xf4\x8f\xbf\xbf\"",
	"{\"a\":1,\"a\":2}",
	"\"0123456789abcdef0123456789abcdef\"",
};

static void accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		assert_int_not_equal(parse(accepted[i]).kind, JSON_NONE);
}

struct refusal {
	const char *text, *fault;
};

static const struct refusal refused[] = {
	{ "", "line 1, byte 0: expected a value, the text ends" },
	{ " \n ", "line 2, byte 3: expected a value, the text ends" },
	{ "[1,]", "line 1, byte 3: expected a value, found ']'" },
	{ "[,1]", "line 1, byte 1: expected a value, found ','" },
	{ "[1 2]", "line 1, byte 3: expected ',' or ']', found '2'" },
	{ "[1}", "line 1, byte 2: expected ',' or ']', found '}'" },
	{ "{\"a\":1]", "line 1, byte 6: expected ',' or '}', found ']'" },
	{ "{\"a\":1,}", "line 1, byte 7: expected a name, found '}'" },
	{ "{\"a\" 1}", "line 1, byte 5: expected ':', found '1'" },
	{ "{a:1}", "line 1, byte 1: expected a name or '}', found 'a'" },
	{ "{\"a\":\n}", "line 2, byte 6: expected a value, found '}'" },
	{ "[", "line 1, byte 1: expected the rest of a container, the text ends" },
	{ "[1]]", "line 1, byte 3: expected nothing behind the value, found ']'" },
	{ "1 2", "line 1, byte 2: expected nothing behind the value, found '2'" },
	{ "tru", "line 1, byte 3: expected true, false or null, the text ends" },
	{ "nulL", "line 1, byte 3: expected true, false or null, found 'L'" },
	{ "truely", "line 1, byte 4: expected nothing behind the value, found 'l'" },
	{ "01", "line 1, byte 1: expected nothing behind the value, found '1'" },
	{ "-", "line 1, byte 1: expected a digit, the text ends" },
	{ "1.", "line 1, byte 2: expected a digit, the text ends" },
	{ ".5", "line 1, byte 0: expected a value, found '.'" },
	{ "1e", "line 1, byte 2: expected a digit, the text ends" },
	{ "1e+", "line 1, byte 3: expected a digit, the text ends" },
	{ "+1", "line 1, byte 0: expected a value, found '+'" },
	{ "NaN", "line 1, byte 0: expected a value, found 'N'" },
	{ "'a'", "line 1, byte 0: expected a value, found '''" },
	{ "\"a", "line 1, byte 2: expected the end of a string, the text ends" },
	{ "\"a\nb\"",
	  "line 1, byte 2: expected an escape for a control character, found byte 0x0a" },
	{ "\"\x1f\"",
	  "line 1, byte 1: expected an escape for a control character, found byte 0x1f" },
	{ "\"\\x\"", "line 1, byte 2: expected one of \"\\/bfnrtu behind a backslash, found 'x'" },
	{ "\"\\", "line 1, byte 2: expected one of \"\\/bfnrtu behind a backslash, the text ends" },
	{ "\"\\u12g4\"", "line 1, byte 5: expected four hexadecimal digits behind \\u, found 'g'" },
	{ "\"\x80\"", "line 1, byte 1: expected valid UTF-8, found byte 0x80" },
	{ "\"a\xc0\x80\"", "line 1, byte 2: expected valid UTF-8, found byte 0xc0" },
	{ "\"\xe0\x80\x80\"", "line 1, byte 1: expected valid UTF-8, found byte 0xe0" },
	{ "\"\xed\xa0\x80\"", "line 1, byte 1: expected valid UTF-8, found byte 0xed" },
	{ "\"\xf4\x90\x80\x80\"", "line 1, byte 1: expected valid UTF-8, found byte 0xf4" },
	{ "\"\xc3\"", "line 1, byte 1: expected valid UTF-8, found byte 0xc3" },
	{ "\xef\xbb\xbf{}", "line 1, byte 0: expected a value, found byte 0xef" },
	{ "[1,/* */2]", "line 1, byte 3: expected a value, found '/'" },
};

static void refuses_with_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct fault f = { 0 };
		assert_int_equal(json_check(span_of(refused[i].text), &f), E_INVALID);
		assert_int_equal(f.code, E_INVALID);
		assert_string_equal(f.text, refused[i].fault);
		assert_int_equal(json_check(span_of(refused[i].text), NULL), E_INVALID);
	}
}

/* A zero byte is no end of text. */
static void refuses_nul(void **state)
{
	(void)state;
	assert_int_equal(json_check(SPAN("1\0"), NULL), E_INVALID);
	assert_int_equal(json_check(SPAN("\"\\\0\""), NULL), E_INVALID);
	assert_int_equal(json_check(SPAN("\"a\0b\""), NULL), E_INVALID);
}

static void add_nested(struct buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_addz(b, i % 2 ? "[" : "{\"k\":");
	buf_addz(b, "1");
	for (int i = depth - 1; i >= 0; i--)
		buf_addz(b, i % 2 ? "]" : "}");
}

static void depth_is_bounded(void **state)
{
	(void)state;
	struct buf most AUTO_BUF = { 0 }, more AUTO_BUF = { 0 };
	struct fault f = { 0 };
	add_nested(&most, JSON_MAX_DEPTH);
	add_nested(&more, JSON_MAX_DEPTH + 1);
	assert_int_equal(json_check(buf_span(&most), NULL), 0);
	assert_int_equal(json_count(json_of(buf_span(&most))), 1);
	assert_int_equal(json_check(buf_span(&more), &f), E_INVALID);
	assert_non_null(strstr(f.text, "at most 128"));
}

static void every_prefix_is_refused(void **state)
{
	(void)state;
	static const char whole[] =
		"{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\xc3\xa9\\n\"],\"b\":{\"c\":[]},"
		"\"long\":\"0123456789012345678901234567890123456789\"}";
	parse(whole);
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *exact = malloc(n + 1);
		memcpy(exact, whole, n);
		assert_int_equal(json_check((struct span){ exact, n }, NULL), E_INVALID);
		free(exact);
	}
}

/* --- walking --- */

static void walks_in_order(void **state)
{
	(void)state;
	struct json_iter it = json_iter(
		parse(" { \"a\" : [ 1 , {\"x\":\"]}\"} ] ,\n\"b\\\"\":\"s\", \"c\":-1e3 } "));
	static const char *const want[][2] = { { "a", "[ 1 , {\"x\":\"]}\"} ]" },
					       { "b\\\"", "\"s\"" },
					       { "c", "-1e3" } };
	struct span key;
	struct json v;
	for (size_t i = 0; i < 3; i++) {
		assert_true(json_next(&it, &key, &v));
		assert_span(key, want[i][0]);
		assert_span(v.raw, want[i][1]);
	}
	assert_false(json_next(&it, &key, &v));
	assert_false(json_next(&it, &key, &v));
}

static void scalars_have_no_members(void **state)
{
	(void)state;
	assert_int_equal(json_count(parse("\"[1,2]\"")), 0);
	assert_int_equal(json_count(parse("12")), 0);
	assert_true(span_is(json_first(parse("[{\"a\":1},2]")).raw, "{\"a\":1}"));
	assert_int_equal(json_first(parse("[]")).kind, JSON_NONE);
	assert_int_equal(json_first(parse("{\"a\":1}")).kind, JSON_NONE);
	assert_int_equal(json_first((struct json){ 0 }).kind, JSON_NONE);
	assert_int_equal(json_count((struct json){ 0 }), 0);
	assert_int_equal(json_count(parse("[ ]")), 0);
	assert_int_equal(json_count(parse("[[],[],{}]")), 3);
	assert_int_equal(json_of(SPAN("  ")).kind, JSON_NONE);
}

/* Quotes, backslashes and brackets at every position of a 64-byte block and over its edge. */
static void skips_containers_at_every_offset(void **state)
{
	(void)state;
	static const char *const hard[] = {
		"{\"k\":\"\\\"]}\"}",
		"[\"\\\\\",\"\\\\\\\"]\"]",
		"{\"a\":[\"}\"],\"b\\\\\":\"[\"}",
		"[\"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"]"
		"\"]",
		"[\"                                                              \\\"\"]",
	};
	for (size_t h = 0; h < sizeof(hard) / sizeof(hard[0]); h++) {
		for (int pad = 0; pad < 140; pad++) {
			struct buf b AUTO_BUF = { 0 };
			buf_printf(&b, "[[\"%*s\",%s],%s,7]", pad, "", hard[h], hard[h]);
			struct json_iter it = json_iter(parse(buf_z(&b)));
			struct span key;
			struct json v;
			assert_true(json_next(&it, &key, &v) && json_count(v) == 2);
			assert_true(json_next(&it, &key, &v));
			assert_span(v.raw, hard[h]);
			assert_true(json_next(&it, &key, &v));
			assert_span(v.raw, "7");
			assert_false(json_next(&it, &key, &v));
		}
	}
}

static void finds_members(void **state)
{
	(void)state;
	struct json o = parse("{\"a\":1,\"a\":2,\"\\u0062\":3,\"x\\u002ey\":4,\"\\n\":5,\"\\\\\":6,"
			      "\"c\":{\"d\":{\"e\":7}},\"\":8}");
	assert_span(json_get(o, "a").raw, "1");
	assert_span(json_get(o, "b").raw, "3");
	assert_span(json_get(o, "x.y").raw, "4");
	assert_span(json_get(o, "\n").raw, "5");
	assert_span(json_get(o, "\\").raw, "6");
	assert_span(json_get(o, "").raw, "8");
	assert_span(json_path(o, "c.d.e").raw, "7");
	assert_int_equal(json_path(o, "c.d.e.f").kind, JSON_NONE);
	assert_int_equal(json_path(o, "a.b").kind, JSON_NONE);
	/* The raw form of a name is not its name. */
	assert_int_equal(json_get(o, "\\u0062").kind, JSON_NONE);
	assert_int_equal(json_get(o, "\\\\").kind, JSON_NONE);
	assert_int_equal(json_get(parse("[\"a\"]"), "a").kind, JSON_NONE);
	assert_false(json_has(json_get(parse("{\"a\":null}"), "a")));
}

/* --- values --- */

static void texts_are_mended(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "\"plain\"", "plain" },
		{ "\"\"", "" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"a\\u0000b\"", "a\xef\xbf\xbd"
				   "b" },
		{ "\"\\ud800x\"", "\xef\xbf\xbdx" },
		{ "\"\\udc00\"", "\xef\xbf\xbd" },
		{ "\"\\ud800\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
		{ "\"\\ud800\\n\"", "\xef\xbf\xbd\n" },
		{ "\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf" },
		{ "12", "" },
	};
	struct arena a = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_span(json_text(parse(cases[i][0]), &a), cases[i][1]);
	/* No copy where none is needed. */
	struct json v = parse("\"plain\"");
	assert_ptr_equal(json_text(v, NULL).p, v.raw.p + 1);
	arena_fini(&a);
}

struct integer {
	const char *text;
	int64_t value;
};

static void integers(void **state)
{
	(void)state;
	static const struct integer good[] = {
		{ "12", 12 },
		{ "\"12\"", 12 },
		{ "12.0", 12 },
		{ "1.2e3", 1200 },
		{ "-0", 0 },
		{ "0e99999999999", 0 },
		{ "1200e-2", 12 },
		{ "0.0012e4", 12 },
		{ "\"-7\"", -7 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
		{ "-9.223372036854775808e18", INT64_MIN },
		{ "1E+2", 100 },
		{ "0.000e-5", 0 },
	};
	static const char *const bad[] = {
		"1.5",
		"9223372036854775808",
		"-9223372036854775809",
		"1e19",
		"1e999999999999999999",
		"1e-1",
		"\"\"",
		"\"abc\"",
		"\"12a\"",
		"\" 12\"",
		"\"+1\"",
		"\"0x10\"",
		"\"nan\"",
		"\"inf\"",
		"\"1.\"",
		"\"01\"",
		"null",
		"true",
		"[1]",
		"\"-\"",
		"\"1e\"",
	};
	int64_t v;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!json_i64(parse(good[i].text), &v) || v != good[i].value)
			fail_msg("%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (json_i64(parse(bad[i]), &v))
			fail_msg("%s", bad[i]);
	assert_false(json_i64((struct json){ 0 }, &v));
}

static void floats(void **state)
{
	(void)state;
	double v;
	assert_true(json_f64(parse("\"1.5\""), &v) && v == 1.5);
	assert_true(json_f64(parse("-2e-3"), &v) && v == -2e-3);
	assert_true(json_f64(
		parse("0.1000000000000000055511151231257827021181583404541015625000000000000"),
		&v));
	assert_true(v == 0.1);
	assert_false(json_f64(parse("1e999"), &v));
	assert_false(json_f64(parse("\"NaN\""), &v));
	assert_false(json_f64(parse("\"Infinity\""), &v));
	assert_false(json_f64(parse("\"1.5 \""), &v));
	assert_false(json_f64(parse("null"), &v));
}

static void truths(void **state)
{
	(void)state;
	assert_true(json_true(parse("true")));
	assert_true(json_true(parse("\"true\"")));
	assert_false(json_true(parse("\"yes\"")));
	assert_false(json_true(parse("1")));
	assert_false(json_true(parse("false")));
	assert_true(json_is_text(parse("\"\\u0061b\""), "ab"));
	assert_false(json_is_text(parse("\"ab\""), "a"));
	assert_false(json_is_text(parse("12"), "12"));
}

/* --- field tables --- */

#define MEDIA(F, T)                                       \
	F(T, TEXT, payload, "media.payload", REQUIRED)    \
	F(T, I64, timestamp, "media.timestamp", OPTIONAL) \
	F(T, F64, gain, "media.format.gain", OPTIONAL)    \
	F(T, BOOL, last, "last", OPTIONAL)                \
	F(T, RAW, format, "media.format", OPTIONAL)       \
	F(T, TEXT, event, "event", OPTIONAL)
JSON_STRUCT(media, MEDIA)
JSON_FIELDS(media, MEDIA)

static void reads_fields(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct media m = { 0 };
	struct fault f = { 0 };
	struct json o = parse("{\"x\":{\"media\":1},\"media\":{\"format\":{\"gain\":\"0.5\"},"
			      "\"payload\":\"p\\n\","
			      "\"timestamp\":\"1e3\"},\"last\":\"false\",\"event\":null,\"media\":{"
			      "\"payload\":\"no\"}}");
	assert_int_equal(JSON_READ(media, o, &a, &m, &f), 0);
	assert_span(m.payload, "p\n");
	assert_int_equal(m.timestamp, 1000);
	assert_true(m.gain == 0.5);
	assert_false(m.last);
	assert_span(m.format.raw, "{\"gain\":\"0.5\"}");
	assert_int_equal(m.event.n, 0);
	arena_fini(&a);
}

/* First member counts, as with json_path(): a second "media" does not fill what the first one
 * lacks. */
static void fields_and_paths_agree_on_duplicates(void **state)
{
	(void)state;
	struct media m = { 0 };
	struct fault f = { 0 };
	struct json o = parse("{\"media\":{},\"media\":{\"payload\":\"p\"}}");
	assert_int_equal(json_path(o, "media.payload").kind, JSON_NONE);
	assert_int_equal(JSON_READ(media, o, NULL, &m, &f), E_INVALID);
	assert_string_equal(f.text, "media.payload: missing");
}

static void refuses_fields(void **state)
{
	(void)state;
	static const struct refusal cases[] = {
		{ "[]", "expected object, found array" },
		{ "{}", "media.payload: missing" },
		{ "{\"media\":{\"payload\":null}}", "media.payload: missing" },
		{ "{\"media\":\"payload\"}", "media.payload: missing" },
		{ "{\"media\":{\"payload\":12}}", "media.payload: expected string, found number" },
		{ "{\"media\":{\"payload\":\"\",\"timestamp\":1.5}}",
		  "media.timestamp: expected integer, found number" },
		{ "{\"media\":{\"payload\":\"\",\"timestamp\":[]}}",
		  "media.timestamp: expected integer, found array" },
		{ "{\"media\":{\"payload\":\"\",\"format\":{\"gain\":{}}}}",
		  "media.format.gain: expected number, found object" },
		{ "{\"media\":{\"payload\":\"\"},\"last\":1}",
		  "last: expected boolean, found number" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena a = { 0 };
		struct media m = { 0 };
		struct fault f = { 0 };
		assert_int_equal(JSON_READ(media, parse(cases[i].text), &a, &m, &f), E_INVALID);
		assert_string_equal(f.text, cases[i].fault);
		arena_fini(&a);
	}
}

/* --- writing --- */

static void writes(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	json_put_text(&o, "a\"", SPAN("x\"\\\n\x01\x7f\xc3\xa9"));
	json_put_z(&o, "b", NULL);
	json_begin_array(&o, "c");
	json_put_i64(&o, NULL, INT64_MIN);
	json_put_bool(&o, NULL, true);
	json_begin(&o, NULL);
	json_end(&o);
	json_put_null(&o, NULL);
	json_end_array(&o);
	json_put_raw(&o, "d", SPAN("[1]"));
	json_put_raw(&o, "e", (struct span){ 0 });
	json_end(&o);
	assert_span(buf_span(&b),
		    "{\"a\\\"\":\"x\\\"\\\\\\n\\u0001\x7f\xc3\xa9\",\"b\":null,"
		    "\"c\":[-9223372036854775808,true,{},null],\"d\":[1],\"e\":null}");
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
}

/* What PostgreSQL refuses leaves neither as text nor as raw JSON. */
static void copies_members_under_their_names(void **state)
{
	static const char text[] = "{\"a\\\"\\u00e9\":[1, 2],\"\":null}";
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct json_iter it = json_iter(json_of(SPAN(text)));
	struct span key;
	struct json v;
	(void)state;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &v))
		json_put_member(&o, key, v.raw);
	json_end(&o);
	assert_span(buf_span(&b), "{\"a\\\"\xc3\xa9\":[1, 2],\"\":null}");
}

static void writes_mended(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin_array(&o, NULL);
	json_put_text(&o, NULL, SPAN("a\0b\x80\xed\xa0\x80\xe2\x82"));
	json_put_clean(&o, NULL, SPAN("{\"\\u0000k\":\"\\ud800\\ud83d\\ude00\\udc00\\\\u0000\"}"));
	json_put_clean(&o, NULL, SPAN("1"));
	json_put_clean(&o, NULL, (struct span){ 0 });
	json_end_array(&o);
#define FFFD "\xef\xbf\xbd"
	assert_span(buf_span(&b),
		    "[\"a" FFFD "b" FFFD FFFD FFFD FFFD FFFD "\","
		    "{\"\\ufffdk\":\"\\ufffd\\ud83d\\ude00\\ufffd\\\\u0000\"},1,null]");
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
}

static void writes_floats(void **state)
{
	(void)state;
	struct {
		double v;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1, "1" },
		{ 0.1, "0.1" },
		{ -1.5, "-1.5" },
		{ 1.0 / 3, "0.333333" },
		{ 123456789.125, "123456789.125" },
		{ 1e-9, "0" },
		{ -1e-9, "0" },
		{ 1e15, "1000000000000000" },
		{ 1e300, "1e+300" },
		{ NAN, "null" },
		{ INFINITY, "null" },
		{ 0.30000000000000004, "0.3" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b AUTO_BUF = { 0 };
		struct json_out o = { .b = &b };
		json_put_f64(&o, NULL, cases[i].v);
		assert_span(buf_span(&b), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses_with_place),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(walks_in_order),
		cmocka_unit_test(scalars_have_no_members),
		cmocka_unit_test(skips_containers_at_every_offset),
		cmocka_unit_test(finds_members),
		cmocka_unit_test(texts_are_mended),
		cmocka_unit_test(integers),
		cmocka_unit_test(floats),
		cmocka_unit_test(truths),
		cmocka_unit_test(reads_fields),
		cmocka_unit_test(fields_and_paths_agree_on_duplicates),
		cmocka_unit_test(refuses_fields),
		cmocka_unit_test(writes),
		cmocka_unit_test(copies_members_under_their_names),
		cmocka_unit_test(writes_mended),
		cmocka_unit_test(writes_floats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
