/* What needs no socket: parameters, problems, roles and rates, call ids, coalescing. */
#include <stdlib.h>

#include "api_kit.h"

#include "api/auth.h"
#include "api/call_ids.h"
#include "api/coalesce.h"
#include "api/params.h"
#include "api/trim.h"

static const char *const colours[] = { "red", "green", NULL };
static const struct param text_row = {
	.name = "t", .in = PARAM_IN_QUERY, .type = PARAM_TEXT, .min = 1, .max = 5
};
static const struct param int_row = {
	.name = "n", .in = PARAM_IN_QUERY, .type = PARAM_INT, .min = 1, .max = 500
};
static const struct param cap_row = {
	.name = "m", .in = PARAM_IN_QUERY, .type = PARAM_INT, .min = 1, .max = 500, .cap = 200
};
static const struct param bool_row = { .name = "b", .in = PARAM_IN_QUERY, .type = PARAM_BOOL };
static const struct param time_row = { .name = "at", .in = PARAM_IN_QUERY, .type = PARAM_TIME };
static const struct param uuid_row = { .name = "u", .in = PARAM_IN_QUERY, .type = PARAM_UUID };
static const struct param enum_row = {
	.name = "e", .in = PARAM_IN_QUERY, .type = PARAM_ENUM, .values = colours
};
static const struct param call_row = { .name = "c", .in = PARAM_IN_PATH, .type = PARAM_CALL };

static void test_texts(void **state)
{
	static const struct {
		const struct param *row;
		struct span text;
		const char *value; /* NULL: refused */
	} cases[] = {
		{ &text_row, SPAN("abc"), "abc" },
		{ &text_row, SPAN(""), NULL },
		{ &text_row, SPAN("abcdef"), NULL },
		{ &text_row, SPAN("a\0b"), NULL },
		{ &text_row, SPAN("\xff"), NULL },
		{ &text_row, SPAN("\xc3\xa9"), "\xc3\xa9" },
		{ &int_row, SPAN("1"), "1" },
		{ &int_row, SPAN("007"), "7" },
		{ &int_row, SPAN("500"), "500" },
		{ &int_row, SPAN("501"), NULL },
		{ &int_row, SPAN("0"), NULL },
		{ &int_row, SPAN("-1"), NULL },
		{ &int_row, SPAN("-"), NULL },
		{ &int_row, SPAN("1.5"), NULL },
		{ &int_row, SPAN("1e2"), NULL },
		{ &int_row, SPAN(" 1"), NULL },
		{ &int_row, SPAN("9999999999999999999999"), NULL },
		{ &cap_row, SPAN("199"), "199" },
		{ &cap_row, SPAN("500"), "200" },
		{ &cap_row, SPAN("501"), NULL },
		{ &bool_row, SPAN("true"), "true" },
		{ &bool_row, SPAN("1"), NULL },
		{ &time_row, SPAN("2026-11-21T05:53:00+01:00"), "2026-11-21T04:53:00.000000Z" },
		{ &time_row, SPAN("2026-11-21"), NULL },
		{ &time_row, SPAN("yesterday"), NULL },
		{ &uuid_row, SPAN("0190ABCD-0000-7000-8000-000000000001"),
		  "0190abcd-0000-7000-8000-000000000001" },
		{ &uuid_row, SPAN("0190abcd"), NULL },
		{ &enum_row, SPAN("green"), "green" },
		{ &enum_row, SPAN("Green"), NULL },
		{ &call_row, SPAN("call_1:x"), "call_1:x" },
		{ &call_row, SPAN("a b"), NULL },
		{ &call_row, SPAN(""), NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena a = { 0 };
		struct problem p = { 0 };
		const char *value = NULL;
		bool ok = params_text(cases[i].row, cases[i].text, &a, &value, &p);
		if (ok != (cases[i].value != NULL))
			fail_msg("case %zu: %s", i, ok ? "accepted" : p.detail);
		if (ok)
			assert_string_equal(cases[i].value, value);
		else
			assert_string_equal(cases[i].row->name, p.name);
		arena_fini(&a);
	}
}

static const struct param body_rows[] = {
	{ .name = "name",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .max = 8 },
	{ .name = "n", .in = PARAM_IN_BODY, .type = PARAM_INT, .max = 10, .fallback = "3" },
	{ .name = "on", .in = PARAM_IN_BODY, .type = PARAM_BOOL },
	{ .name = "more", .in = PARAM_IN_BODY, .type = PARAM_OBJECT, .max = 32 },
	{ .name = "q", .in = PARAM_IN_QUERY, .type = PARAM_TEXT },
};

static void test_bodies(void **state)
{
	static const struct {
		const char *body, *wrong; /* NULL: accepted */
	} cases[] = {
		{ "{\"name\":\"a\"}", NULL },
		{ "{\"name\":\"a\",\"n\":10,\"on\":false,\"more\":{\"x\":[1]}}", NULL },
		{ "{\"name\":\"a\",\"n\":null}", NULL },
		{ "{}", "name" },
		{ "{\"name\":null}", "name" },
		{ "{\"name\":\"\"}", "name" },
		{ "{\"name\":1}", "name" },
		{ "{\"name\":\"a\",\"n\":\"1\"}", "n" },
		{ "{\"name\":\"a\",\"n\":11}", "n" },
		{ "{\"name\":\"a\",\"n\":1.5}", "n" },
		{ "{\"name\":\"a\",\"on\":\"true\"}", "on" },
		{ "{\"name\":\"a\",\"more\":[]}", "more" },
		{ "{\"name\":\"a\",\"more\":{\"x\":\"0123456789012345678901234567890\"}}", "more" },
		{ "{\"name\":\"a\",\"q\":\"x\"}", "q" },
		{ "{\"name\":\"a\",\"other\":1}", "other" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", "name" },
		{ "[]", "" },
		{ "3", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena a = { 0 };
		struct problem p = { 0 };
		const char *values[5] = { 0 };
		bool ok =
			params_body(body_rows, 5, json_of(span_of(cases[i].body)), &a, values, &p);
		if (ok != (cases[i].wrong == NULL))
			fail_msg("%s: %s", cases[i].body, ok ? "accepted" : p.detail);
		if (!ok) {
			assert_int_equal(PROBLEM_INVALID_BODY, p.kind);
			assert_string_equal(cases[i].wrong, p.name);
		}
		arena_fini(&a);
	}
}

static void test_values_of_a_body(void **state)
{
	struct arena a = { 0 };
	struct problem p;
	const char *values[5] = { 0 };
	static const char body[] =
		"{\"name\":\"\\u0000\\u00e9\",\"more\":{\"x\":\"\\u0000\"},\"on\":true}";
	(void)state;
	assert_true(params_body(body_rows, 5, json_of(SPAN(body)), &a, values, &p));
	/* what jsonb and text refuse is mended on the way in */
	assert_string_equal("\xef\xbf\xbd\xc3\xa9", values[0]);
	assert_string_equal("3", values[1]);
	assert_string_equal("true", values[2]);
	assert_null(strstr(values[3], "\\u0000"));
	assert_null(values[4]);
	arena_fini(&a);
}

static void test_problem_document(void **state)
{
	struct buf b AUTO_BUF = { 0 };
	struct problem p;
	(void)state;
	problem_at(&p, PROBLEM_BAD_PARAMETER, "query", SPAN("li\"mit"), "limit: %d is too many", 7);
	p.extra_name = "command";
	p.extra = SPAN("{\"x\":1}");
	problem_write(&p, SPAN("/api/v1/calls"), &b);
	assert_string_equal(
		"{\"type\":\"urn:callmend:problem:bad-parameter\",\"title\":\"A parameter is "
		"missing, "
		"unknown or wrong\",\"status\":400,\"detail\":\"limit: 7 is too "
		"many\",\"instance\":"
		"\"/api/v1/calls\",\"errors\":[{\"in\":\"query\",\"name\":\"li\\\"mit\",\"detail\":"
		"\"limit: 7 is too many\"}],\"command\":{\"x\":1}}",
		buf_z(&b));
}

static void test_codes_become_problems(void **state)
{
	static const struct {
		int code, status;
	} cases[] = {
		{ E_NOT_FOUND, 404 },	{ E_DENIED, 404 }, { E_CONFLICT, 409 }, { E_INVALID, 422 },
		{ E_UNAVAILABLE, 503 }, { E_FULL, 503 },   { E_IO, 500 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct problem p;
		problem_from_code(&p, cases[i].code, SPAN("because"));
		assert_int_equal(cases[i].status, problem_status(p.kind));
		assert_int_equal(cases[i].status == 503, p.retry_after_s > 0);
	}
	/* I1: nobody learns from the answer that a thing exists in another organisation */
	struct problem denied, missing;
	problem_from_code(&denied, E_DENIED, SPAN("belongs to another organisation"));
	problem_from_code(&missing, E_NOT_FOUND, (struct span){ 0 });
	assert_string_equal(missing.detail, denied.detail);
}

/* --- auth ------------------------------------------------------------------------ */

static void test_where_tokens_are_found(void **state)
{
	(void)state;
	assert_true(span_is(auth_bearer(SPAN("Bearer cm_x")), "cm_x"));
	assert_true(span_is(auth_bearer(SPAN("bearer cm_x")), "cm_x"));
	assert_int_equal(0, auth_bearer(SPAN("Bearer ")).n);
	assert_int_equal(0, auth_bearer(SPAN("Basic cm_x")).n);
	assert_int_equal(0, auth_bearer(SPAN("")).n);
	assert_true(span_is(auth_subprotocol(SPAN("callmend, bearer.cm_x")), "cm_x"));
	assert_true(span_is(auth_subprotocol(SPAN("callmend,bearer.cm_x , other")), "cm_x"));
	assert_int_equal(0, auth_subprotocol(SPAN("callmend")).n);
	assert_int_equal(0, auth_subprotocol(SPAN("")).n);
}

static void test_identity_and_role(void **state)
{
	const struct directory *d = kit_directory(NULL), *later = kit_directory(KIT_SUPERVISOR);
	struct caller c;
	struct problem p;
	int64_t now_us = 1790000000 * INT64_C(1000000);
	(void)state;
	assert_true(auth_identify(d, SPAN(KIT_SUPERVISOR), now_us, &c, &p));
	assert_string_equal("token:supervisor", c.actor);
	assert_true(auth_role(&c, ROLE_VIEWER, &p));
	assert_true(auth_role(&c, ROLE_SUPERVISOR, &p));
	assert_false(auth_role(&c, ROLE_MANAGER, &p));
	assert_int_equal(PROBLEM_FORBIDDEN, p.kind);
	assert_true(auth_still_valid(d, &c, now_us));
	assert_false(auth_still_valid(later, &c, now_us));
	assert_false(auth_still_valid(NULL, &c, now_us));
	assert_false(auth_identify(d, SPAN(KIT_EXPIRED), now_us, &c, &p));
	assert_false(auth_identify(d, SPAN("cm_nobody"), now_us, &c, &p));
	assert_false(auth_identify(d, SPAN(""), now_us, &c, &p));
	assert_false(auth_identify(NULL, SPAN(KIT_ADMIN), now_us, &c, &p));
	assert_int_equal(PROBLEM_UNAUTHORIZED, p.kind);
	directory_unref(d);
	directory_unref(later);
}

static void test_rate(void **state)
{
	static struct auth_rate r;
	struct caller a = { .token = { .b = { 1 } } }, b = { .token = { .b = { 2 } } };
	struct problem p;
	int64_t now_us = 5000000;
	(void)state;
	auth_rate_init(&r, 10, 5);
	for (int i = 0; i < 5; i++)
		assert_true(auth_rate_take(&r, &a, now_us, &p));
	assert_false(auth_rate_take(&r, &a, now_us, &p));
	assert_int_equal(PROBLEM_RATE_LIMITED, p.kind);
	assert_int_equal(1, p.retry_after_s);
	assert_true(auth_rate_take(&r, &b, now_us, &p)); /* a bucket of its own */
	assert_false(auth_rate_take(&r, &a, now_us + 99999, &p));
	assert_true(auth_rate_take(&r, &a, now_us + 100000, &p));
	assert_false(auth_rate_take(&r, &a, now_us + 100000, &p));
	auth_rate_init(&r, 0, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(auth_rate_take(&r, &a, now_us, &p));
}

static void test_call_ids(void **state)
{
	const struct directory *d = kit_directory(NULL);
	struct arena a = { 0 };
	struct uuid org = kit_uuid(KIT_ORG), other = kit_uuid(KIT_ORG_2),
		    source = kit_uuid(KIT_SOURCE);
	struct uuid ours = uuid_v5(&source, SPAN("call-1"));
	char text[UUID_TEXT + 1];
	size_t n;
	(void)state;
	struct uuid *ids = call_ids_candidates(d, &org, SPAN("call-1"), &a, &n);
	assert_int_equal(KIT_SOURCES, n);
	assert_true(uuid_eq(&ours, &ids[0]));
	uuid_format(&ours, text);
	ids = call_ids_candidates(d, &org, span_of(text), &a, &n);
	assert_int_equal(1 + KIT_SOURCES, n);
	assert_true(uuid_eq(&ours, &ids[0]));
	call_ids_candidates(d, &other, SPAN("call-1"), &a, &n);
	assert_int_equal(0, n);
	arena_fini(&a);
	directory_unref(d);
}

/* --- coalescing (A4) ------------------------------------------------------------- */

struct taken {
	uint64_t seq[16];
	size_t n;
	struct coalesce *clear; /* while being handed out */
};

static void take_one(void *user, struct live_event *e)
{
	struct taken *t = user;
	t->seq[t->n++] = e->seq;
	if (t->clear)
		coalesce_clear(t->clear);
}

static struct live_event *partial(uint8_t call, enum speaker speaker, uint64_t seq)
{
	struct live_event *e = calloc(1, sizeof(*e));
	*e = (struct live_event){ .refs = 1,
				  .type = EVENT_TRANSCRIPT_PARTIAL,
				  .speaker = speaker,
				  .seq = seq,
				  .call = { .b = { call } },
				  .message = message_new(SPAN("{}")) };
	return e;
}

static void put(struct coalesce *c, uint8_t call, enum speaker speaker, uint64_t seq)
{
	struct live_event *e = partial(call, speaker, seq);
	coalesce_put(c, e);
	live_event_unref(e);
}

static void test_coalesce_latest_per_speaker(void **state)
{
	struct coalesce c = { 0 };
	struct taken t = { 0 };
	(void)state;
	put(&c, 1, SPEAKER_USER, 1);
	put(&c, 2, SPEAKER_USER, 2);
	put(&c, 1, SPEAKER_AI, 3);
	put(&c, 1, SPEAKER_USER, 4); /* replaces 1 */
	assert_int_equal(3, coalesce_count(&c));
	coalesce_take_all(&c, take_one, &t);
	assert_int_equal(3, t.n);
	assert_int_equal(2, t.seq[0]);
	assert_int_equal(3, t.seq[1]);
	assert_int_equal(4, t.seq[2]);
	assert_int_equal(0, coalesce_count(&c));
}

static void test_coalesce_flush_of_one_call(void **state)
{
	struct coalesce c = { 0 };
	struct taken t = { 0 };
	struct uuid one = { .b = { 1 } };
	(void)state;
	put(&c, 1, SPEAKER_USER, 7);
	put(&c, 2, SPEAKER_AI, 8);
	put(&c, 1, SPEAKER_NONE, 6);
	put(&c, 1, SPEAKER_AI, 5);
	coalesce_take_call(&c, &one, take_one, &t);
	assert_int_equal(3, t.n);
	assert_int_equal(5, t.seq[0]);
	assert_int_equal(6, t.seq[1]);
	assert_int_equal(7, t.seq[2]);
	assert_int_equal(1, coalesce_count(&c));
	coalesce_take_call(&c, &one, take_one, &t);
	assert_int_equal(3, t.n);
	coalesce_clear(&c);
	assert_int_equal(0, coalesce_count(&c));
}

static void test_coalesce_cleared_while_handed_out(void **state)
{
	struct coalesce c = { 0 };
	struct taken t = { .clear = &c };
	struct uuid one = { .b = { 1 } };
	(void)state;
	put(&c, 1, SPEAKER_USER, 1);
	put(&c, 1, SPEAKER_AI, 2);
	put(&c, 2, SPEAKER_AI, 3);
	coalesce_take_call(&c, &one, take_one, &t);
	assert_int_equal(2, t.n);
	assert_int_equal(0, coalesce_count(&c));
	put(&c, 1, SPEAKER_USER, 4);
	put(&c, 2, SPEAKER_USER, 5);
	coalesce_take_all(&c, take_one, &t);
	assert_int_equal(4, t.n);
}

/* --- trimming --------------------------------------------------------------------- */

static void test_trim(void **state)
{
	struct buf b AUTO_BUF = { 0 };
	static const char call[] =
		"{\"id\":\"x\",\"turns\":[\"aaaaaaaaaa\",\"bbbbbbbbbb\",\"cc\",3],"
		"\"summary\":\"0123456789012345678901234567890123456789\",\"tools\":[]}";
	(void)state;
	trim_call(json_of(SPAN(call)), 160, &b); /* 20 for each */
	assert_string_equal("{\"id\":\"x\",\"turns\":[\"cc\",3],\"summary\":null,\"tools\":[],"
			    "\"trimmed\":true}",
			    buf_z(&b));
	b.n = 0;
	trim_call(json_of(SPAN("{\"turns\":[\"one that is too large all by itself\"]}")), 160, &b);
	assert_string_equal("{\"turns\":[],\"trimmed\":true}", buf_z(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_values_of_a_body),
		cmocka_unit_test(test_problem_document),
		cmocka_unit_test(test_codes_become_problems),
		cmocka_unit_test(test_where_tokens_are_found),
		cmocka_unit_test(test_identity_and_role),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_call_ids),
		cmocka_unit_test(test_coalesce_latest_per_speaker),
		cmocka_unit_test(test_coalesce_flush_of_one_call),
		cmocka_unit_test(test_coalesce_cleared_while_handed_out),
		cmocka_unit_test(test_trim),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
