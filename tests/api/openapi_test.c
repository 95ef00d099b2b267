/* /openapi.json against the routes, both ways; and is it a document that a client generator can
 * use? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_kit.h"

#include "api/endpoint.h"
#include "api/internal.h"
#include "base/file.h"
#include "schema.h"

static struct http_route routes[200];
static size_t routes_n;
static struct api_common *common;
static struct json document;

static int begin(void **state)
{
	static struct buf text;
	struct api_config config = { 0 };
	struct fault f = { 0 };
	(void)state;
	routes_n = api_routes(NULL, 0);
	assert_true(routes_n <= 200);
	api_routes(routes, 200);
	assert_int_equal(0, api_common_new(&common, &config, &f));
	buf_add(&text, buf_span(&common->openapi));
	assert_int_equal(0, json_check(buf_span(&text), &f));
	document = json_of(buf_span(&text));
	return 0;
}

static int end(void **state)
{
	(void)state;
	api_common_free(common);
	return 0;
}

static const struct endpoint *endpoint_of(struct span path, struct span method)
{
	for (size_t i = 0; i < routes_n; i++) {
		const struct endpoint *e = routes[i].info;
		if (span_is(path, e->path) && method.n == strlen(http_method_name(e->method)) &&
		    strncasecmp(method.p, http_method_name(e->method), method.n) == 0)
			return e;
	}
	return NULL;
}

static struct json operation_of(const struct endpoint *e)
{
	char lower[16] = "";
	const char *method = http_method_name(e->method);
	for (size_t i = 0; method[i]; i++)
		lower[i] = (char)(method[i] | 0x20);
	return json_get(json_get(json_get(document, "paths"), e->path), lower);
}

/* --- both ways ------------------------------------------------------------------- */

static void test_every_route_is_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_n; i++) {
		const struct endpoint *e = routes[i].info;
		if (operation_of(e).kind != JSON_OBJECT)
			fail_msg("%s %s is not in openapi.json", http_method_name(e->method),
				 e->path);
	}
}

static void test_every_documented_operation_is_a_route(void **state)
{
	struct json_iter paths = json_iter(json_get(document, "paths"));
	struct span path, method;
	struct json item, operation;
	size_t n = 0;
	(void)state;
	while (json_next(&paths, &path, &item)) {
		struct json_iter operations = json_iter(item);
		for (; json_next(&operations, &method, &operation); n++)
			if (!endpoint_of(path, method))
				fail_msg("%.*s %.*s is no route", SPAN_ARG(method), SPAN_ARG(path));
	}
	assert_int_equal(routes_n, n);
}

/* The paths that REQUIREMENTS name (A6, B4) exist exactly so. */
static void test_paths_asked_for(void **state)
{
	static const struct {
		const char *method, *path;
	} asked[] = {
		{ "post", "/api/v1/vapi/call/{callId}/inject" },
		{ "post", "/api/v1/vapi/call/{callId}/mute" },
		{ "post", "/api/v1/vapi/call/{callId}/unmute" },
		{ "post", "/api/v1/vapi/call/{callId}/end" },
		{ "get", "/api/v1/vapi/analytics/calls" },
		{ "get", "/api/v1/vapi/analytics/tools" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		assert_non_null(endpoint_of(span_of(asked[i].path), span_of(asked[i].method)));
}

static struct json parameter_of(struct json operation, const char *in, const char *name)
{
	struct json_iter it = json_iter(json_get(operation, "parameters"));
	struct span key;
	struct json p;
	while (json_next(&it, &key, &p))
		if (json_is_text(json_get(p, "in"), in) && json_is_text(json_get(p, "name"), name))
			return p;
	return (struct json){ 0 };
}

static size_t check_row(const struct endpoint *e, const struct param *p)
{
	struct json operation = operation_of(e);
	struct json body = json_path(operation, "requestBody.content");
	body = json_get(json_get(body, "application/json"), "schema");
	struct json found;
	switch (p->in) {
	case PARAM_IN_PATH:
		found = parameter_of(operation, "path", p->name);
		break;
	case PARAM_IN_QUERY:
		found = parameter_of(operation, "query", p->name);
		break;
	case PARAM_IN_BODY:
		found = json_get(json_get(body, "properties"), p->name);
		break;
	case PARAM_IN_WHOLE:
	case PARAM_IN_CALLER:
	default:
		return 0;
	}
	if (found.kind != JSON_OBJECT)
		fail_msg("%s: %s is not documented", e->path, p->name);
	return 1;
}

static void test_parameters_match(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_n; i++) {
		const struct endpoint *e = routes[i].info;
		struct json operation = operation_of(e);
		struct json body =
			json_get(json_path(operation, "requestBody.content"), "application/json");
		size_t rows = 0, documented = json_count(json_get(operation, "parameters"));
		for (size_t p = 0; p < e->params_n; p++)
			rows += check_row(e, &e->params[p]);
		documented += json_count(json_path(body, "schema.properties"));
		assert_int_equal(rows + (e->keyed ? 1 : 0), documented);
	}
}

/* --- the tables themselves ------------------------------------------------------- */

/* "/a/{id}" and the IN_PATH rows name the same parts; statements get $1..$n without a hole; nothing
 * is too long. */
static void test_rows_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_n; i++) {
		const struct endpoint *e = routes[i].info;
		unsigned bound = 0, most = 0;
		size_t parts = 0, path_rows = 0;
		assert_true(e->params_n <= PARAMS_MAX);
		for (const char *at = e->path; (at = strchr(at, '{')); at++) {
			char name[64];
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 1, "}"), at + 1);
			if (params_find(e->params, e->params_n, PARAM_IN_PATH, span_of(name)) < 0)
				fail_msg("%s: no row for {%s}", e->path, name);
			parts++;
		}
		for (size_t p = 0; p < e->params_n; p++) {
			path_rows += e->params[p].in == PARAM_IN_PATH;
			assert_true(e->params[p].sql == 0 || e->query);
			assert_false(e->params[p].sql && bound & 1U << e->params[p].sql);
			bound |= e->params[p].sql ? 1U << e->params[p].sql : 0;
			most = (unsigned)e->params[p].sql > most ? (unsigned)e->params[p].sql
								 : most;
			assert_int_equal(e->params[p].type == PARAM_ENUM,
					 e->params[p].values != NULL);
			assert_non_null(e->params[p].doc);
		}
		assert_int_equal(parts, path_rows);
		assert_int_equal((2U << most) - 2, bound);
		assert_true(e->query || e->run || e->ws);
		assert_true(e->id && e->tag && e->summary);
		/* whatever changes something needs more than a viewer, and says who did it */
		if (e->method != HTTP_GET) {
			assert_true(e->role >= ROLE_SUPERVISOR);
			assert_true(!e->query || params_find(e->params, e->params_n,
							     PARAM_IN_CALLER, SPAN("actor")) >= 0);
			assert_true(!e->query || params_find(e->params, e->params_n, PARAM_IN_QUERY,
							     SPAN("reason")) >= 0);
		}
		/* whatever reads stays within its organisation */
		if (e->query && strcmp(e->query, "api_whoami") != 0)
			assert_int_equal(0, params_find(e->params, e->params_n, PARAM_IN_CALLER,
							SPAN("org")));
	}
}

static void test_operation_ids_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_n; i++)
		for (size_t j = i + 1; j < routes_n; j++) {
			const struct endpoint *a = routes[i].info, *b = routes[j].info;
			assert_string_not_equal(a->id, b->id);
		}
}

/* --- references ------------------------------------------------------------------ */

static size_t check_refs(struct json v)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json member;
	size_t n = 0;
	while ((v.kind == JSON_OBJECT || v.kind == JSON_ARRAY) && json_next(&it, &key, &member)) {
		n += check_refs(member);
		if (!span_is(key, "$ref"))
			continue;
		struct span ref = { member.raw.p + 1, member.raw.n - 2 };
		if (schema_ref(document, ref).kind != JSON_OBJECT)
			fail_msg("%.*s leads nowhere", SPAN_ARG(ref));
		n++;
	}
	return n;
}

static void test_references_lead_somewhere(void **state)
{
	(void)state;
	assert_true(check_refs(document) > 100);
}

/* The checker must be able to say no. */
static void test_the_checker_refuses(void **state)
{
	static const struct {
		const char *schema, *value;
		bool fits;
	} cases[] = {
		{ "{\"type\":\"string\"}", "1", false },
		{ "{\"type\":[\"string\",\"null\"]}", "null", true },
		{ "{\"type\":\"integer\"}", "1.5", false },
		{ "{\"enum\":[\"a\",null]}", "\"b\"", false },
		{ "{\"enum\":[\"a\",null]}", "null", true },
		{ "{\"type\":\"object\",\"required\":[\"a\"]}", "{}", false },
		{ "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}", false },
		{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"b\":1}",
		  false },
		{ "{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"b\":\"1\"}", false },
		{ "{\"items\":{\"type\":\"integer\"}}", "[1,\"2\"]", false },
		{ "{\"type\":\"string\",\"format\":\"uuid\"}", "\"x\"", false },
		{ "{\"type\":\"string\",\"format\":\"date-time\"}", "\"2026\"", false },
		{ "{\"minimum\":3}", "2", false },
		{ "{\"maxLength\":1}", "\"ab\"", false },
		{ "{\"allOf\":[{\"type\":\"object\"},{\"required\":[\"a\"]}]}", "{}", false },
		{ "{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"null\"}]}", "1", false },
		{ "{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"null\"}]}", "null", true },
		{ "{\"$ref\":\"#/components/schemas/Health\"}", "{\"status\":\"bad\"}", false },
		{ "{\"$ref\":\"#/components/schemas/Health\"}", "{\"status\":\"ok\"}", true },
		{ "{\"$ref\":\"#/components/schemas/Nothing\"}", "{}", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf why AUTO_BUF = { 0 };
		bool fits = schema_fits(document, json_of(span_of(cases[i].schema)),
					json_of(span_of(cases[i].value)), &why);
		if (fits != cases[i].fits)
			fail_msg("%s against %s", cases[i].value, cases[i].schema);
	}
}

/* docs/api.md lists every operation. */
static void test_docs_name_every_path(void **state)
{
	struct buf docs AUTO_BUF = { 0 };
	struct fault f = { 0 };
	(void)state;
	if (file_read(DOCS_API, 1 << 20, &docs, &f))
		fail_msg("%s", f.text);
	for (size_t i = 0; i < routes_n; i++) {
		const struct endpoint *e = routes[i].info;
		char line[256];
		snprintf(line, sizeof(line), "| `%s %s` |", http_method_name(e->method), e->path);
		if (!strstr(buf_z(&docs), line))
			fail_msg("docs/api.md lacks %s", line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_route_is_documented),
		cmocka_unit_test(test_every_documented_operation_is_a_route),
		cmocka_unit_test(test_paths_asked_for),
		cmocka_unit_test(test_parameters_match),
		cmocka_unit_test(test_rows_are_sound),
		cmocka_unit_test(test_operation_ids_are_unique),
		cmocka_unit_test(test_references_lead_somewhere),
		cmocka_unit_test(test_the_checker_refuses),
		cmocka_unit_test(test_docs_name_every_path),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
