#include "net/router.h"

#include "rig.h"

static void handle(struct exchange *x)
{
	(void)x;
}

#define R(method, pattern)                                      \
	{                                                       \
		HTTP_##method, pattern, 100, handle, NULL, NULL \
	}

static const struct http_route routes[] = {
	R(GET, "/"),
	R(GET, "/calls"),
	R(POST, "/calls"),
	R(GET, "/calls/{call}"),
	R(DELETE, "/calls/{call}"),
	R(GET, "/calls/live"),
	R(POST, "/calls/{call}/commands/{command}"),
	R(GET, "/files/{rest*}"),
	R(HEAD, "/own"),
	R(GET, "/own"),
	R(GET, "/{any}/x"),
};
enum { N = sizeof(routes) / sizeof(routes[0]) };

static struct router *router;

static struct route_match find(enum http_method method, const char *path)
{
	struct route_match m;

	router_find(router, method, span_of(path), &m);
	return m;
}

static const char *pattern_of(enum http_method method, const char *path)
{
	struct route_match m = find(method, path);

	return m.route ? m.route->pattern : "none";
}

static int setup(void **state)
{
	(void)state;
	return router_new(&router, routes, N, NULL);
}

static int teardown(void **state)
{
	(void)state;
	router_free(router);
	return 0;
}

static void literal_parts_win(void **state)
{
	(void)state;
	assert_string_equal("/calls/live", pattern_of(HTTP_GET, "/calls/live"));
	assert_string_equal("/calls/{call}", pattern_of(HTTP_GET, "/calls/life"));
	assert_string_equal("/", pattern_of(HTTP_GET, "/"));
	assert_string_equal("/{any}/x", pattern_of(HTTP_GET, "/a/x"));
	assert_string_equal("/files/{rest*}", pattern_of(HTTP_GET, "/files/x"));
}

static void parameters_are_parts_of_the_path(void **state)
{
	(void)state;
	struct route_match m = find(HTTP_POST, "/calls/c 1/commands/say");

	assert_int_equal(2, m.params_n);
	assert_true(span_is(m.params[0].name, "call"));
	assert_true(span_is(m.params[0].value, "c 1"));
	assert_true(span_is(m.params[1].name, "command"));
	assert_true(span_is(m.params[1].value, "say"));
	m = find(HTTP_GET, "/files/a/b/c");
	assert_true(span_is(m.params[0].name, "rest"));
	assert_true(span_is(m.params[0].value, "a/b/c"));
	m = find(HTTP_GET, "/files/");
	assert_non_null(m.route);
	assert_int_equal(0, m.params[0].value.n);
}

static void unknown_paths_have_no_methods(void **state)
{
	(void)state;
	static const char *const unknown[] = {
		"/cal",	   "/calls/", "/calls/a/b", "/calls/a/commands/", "//",	   "/files",
		"/callsx", "",	      "calls",	    "/calls//x",	  "/CALLS"
	};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct route_match m = find(HTTP_GET, unknown[i]);
		assert_null(m.route);
		assert_int_equal(0, m.allow);
	}
}

static void other_methods_are_named(void **state)
{
	(void)state;
	struct route_match m = find(HTTP_PUT, "/calls");

	assert_null(m.route);
	assert_int_equal(1u << HTTP_GET | 1u << HTTP_POST, m.allow);
	m = find(HTTP_POST, "/calls/live"); /* also matches {call}, which is GET and DELETE */
	assert_null(m.route);
	assert_int_equal(1u << HTTP_GET | 1u << HTTP_DELETE, m.allow);
	assert_string_equal("/calls/{call}", pattern_of(HTTP_DELETE, "/calls/live"));
}

static void head_falls_back_to_get(void **state)
{
	(void)state;
	assert_int_equal(HTTP_GET, find(HTTP_HEAD, "/calls").route->method);
	assert_int_equal(HTTP_HEAD, find(HTTP_HEAD, "/own").route->method);
	assert_int_equal(HTTP_GET, find(HTTP_GET, "/own").route->method);
}

static void bad_patterns_are_refused(void **state)
{
	(void)state;
	static const struct http_route bad[] = {
		R(GET, "calls"),
		R(GET, ""),
		R(GET, "/{rest*}/more"),
		R(GET, "/{a}/{b}/{c}/{d}/{e}"),
		R(GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13"),
		{ HTTP_GET, "/nobody", 0, NULL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fault f = { 0 };
		struct router *r = NULL;
		assert_int_equal(E_INVALID, router_new(&r, &bad[i], 1, &f));
		assert_null(r);
		assert_non_null(strstr(f.text, bad[i].pattern));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_parts_win),
		cmocka_unit_test(parameters_are_parts_of_the_path),
		cmocka_unit_test(unknown_paths_have_no_methods),
		cmocka_unit_test(other_methods_are_named),
		cmocka_unit_test(head_falls_back_to_get),
		cmocka_unit_test(bad_patterns_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
