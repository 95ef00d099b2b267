/* Search mappings at call time (B3): what a tool's arguments become, and what is noted of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callmend/call_host.h"
#include "callmend/mapping.h"
#include "ingest/rewrite.h"

#define ID "{\"mapping_id\":\"00000000-0000-0000-0000-000000000000\",\"argument\":\""

static const struct dir_mapping mappings[] = { { .term = SPAN("ramen"),
						 .mapped = SPAN("noodle \"soup\"") } };
static const struct dir_project project = { .mappings = mappings, .mappings_n = 1 };

static void expect(const char *path, const char *method, const char *arguments, const char *after,
		   const char *noted)
{
	struct arena a = { 0 };
	struct dir_tool tool = { .search_argument = span_of(path), .method = span_of(method) };
	struct rewrite w = { .tool = &tool, .project = &project, .arena = &a };
	struct span got = rewrite_arguments(&w, span_of(arguments));
	if (!span_is(got, after))
		fail_msg("%s: %.*s, expected %s", arguments, SPAN_ARG(got), after);
	if (noted)
		assert_true(span_is(w.rewritten.raw, noted));
	else
		assert_int_equal(w.rewritten.kind, JSON_NONE);
	arena_fini(&a);
}

static void a_mapped_search_is_rewritten_and_noted(void **state)
{
	(void)state;
	expect("q", "POST", "{\"n\":1,\"q\":\"Ramen!\",\"z\":[1,2]}",
	       "{\"n\":1,\"q\":\"noodle \\\"soup\\\"\",\"z\":[1,2]}",
	       ID "q\",\"from\":\"Ramen!\",\"to\":\"noodle \\\"soup\\\"\"}");
	expect("a.b", "POST", "{\"b\":\"ramen\",\"a\":{\"b\":\" RAMEN \",\"c\":null}}",
	       "{\"b\":\"ramen\",\"a\":{\"b\":\"noodle \\\"soup\\\"\",\"c\":null}}",
	       ID "a.b\",\"from\":\" RAMEN \",\"to\":\"noodle \\\"soup\\\"\"}");
	expect("q", "GET", "{\"q\":\"ramen\",\"page\":null}", "{\"q\":\"noodle \\\"soup\\\"\"}",
	       ID "q\",\"from\":\"ramen\",\"to\":\"noodle \\\"soup\\\"\"}");
}

static void everything_else_stays_as_it_is(void **state)
{
	static const char *const cases[] = {
		"{}",
		"{\"q\":\"sushi\"}",
		"{\"q\":\"\"}",
		"{\"q\":7}",
		"{\"q\":[\"ramen\"]}",
		"{\"q\":{\"q\":\"ramen\"}}",
		"{\"p\":\"ramen\"}",
		"{\"q\":null}",
		"{ \"q\" : \"ramens\" }",
	};
	struct buf huge AUTO_BUF = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect("q", "POST", cases[i], cases[i], NULL);
	expect("", "POST", "{\"q\":\"ramen\"}", "{\"q\":\"ramen\"}", NULL);
	expect("q.q", "POST", "{\"q\":\"ramen\"}", "{\"q\":\"ramen\"}", NULL);
	expect("q", "GET", "{\"q\":\"sushi\",\"p\":null}", "{\"q\":\"sushi\"}", NULL);
	expect("q", "GET", "{\"q\":\"sushi\",\"tel\\u00e9fono\":1,\"p\":null}",
	       "{\"q\":\"sushi\",\"tel\xc3\xa9"
	       "fono\":1}",
	       NULL);
	/* what cannot be noted is not done */
	buf_addz(&huge, "{\"q\":\"ramen");
	for (int i = 0; i < OUTCOME_REWRITTEN_LIMIT; i++)
		buf_addc(&huge, '!');
	buf_addz(&huge, "\"}");
	expect("q", "POST", buf_z(&huge), buf_z(&huge), NULL);
}

static void without_a_project_nothing_is_mapped(void **state)
{
	struct arena a = { 0 };
	struct dir_tool tool = { .search_argument = SPAN("q"), .method = SPAN("POST") };
	struct rewrite w = { .tool = &tool, .arena = &a };
	(void)state;
	assert_true(span_is(rewrite_arguments(&w, SPAN("{\"q\":\"ramen\"}")), "{\"q\":\"ramen\"}"));
	assert_int_equal(w.rewritten.kind, JSON_NONE);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapped_search_is_rewritten_and_noted),
		cmocka_unit_test(everything_else_stays_as_it_is),
		cmocka_unit_test(without_a_project_nothing_is_mapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
