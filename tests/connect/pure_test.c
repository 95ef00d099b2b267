/* The parts of a session that need no session: budgets, pauses, tokens, frames, heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "connect/budget.h"
#include "connect/head.h"
#include "connect/oauth.h"
#include "connect/wsg.h"

#define S *SECOND_US

static const struct rate_answer silent = { .status = 200,
					   .group = RATE_NONE,
					   .limit = -1,
					   .remaining = -1,
					   .window_s = -1,
					   .retry_after_s = -1 };

static struct rate_answer answer(int status, struct rate_answer with)
{
	with.status = status;
	return with;
}

static bool open_at(struct budget *b, enum rate_group g, int64_t now_us)
{
	return budget_when(b, g, true, now_us) <= now_us;
}

static void use(struct budget *b, enum rate_group g, unsigned n, int64_t now_us)
{
	for (unsigned i = 0; i < n; i++) {
		budget_sent(b, g);
		budget_answered(b, g, &silent, now_us);
	}
}

/* --- budgets --- */

static void a_window_slides(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b);
	use(&b, RATE_AUTH, 3, 100 S);
	use(&b, RATE_AUTH, 2, 130 S);
	assert_false(open_at(&b, RATE_AUTH, 130 S));
	assert_true(open_at(&b, RATE_LIGHT, 130 S));
	assert_int_equal(budget_when(&b, RATE_AUTH, true, 130 S), 160 S + RATE_MARGIN_MS * MS_US);
	assert_false(open_at(&b, RATE_AUTH, 160 S));
	assert_true(open_at(&b, RATE_AUTH, 161 S));
	use(&b, RATE_AUTH, 3, 161 S);
	assert_false(open_at(&b, RATE_AUTH, 190 S));
	assert_true(open_at(&b, RATE_AUTH, 191 S));
}

static void what_is_under_way_counts(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b);
	for (int i = 0; i < 5; i++)
		budget_sent(&b, RATE_AUTH);
	assert_int_equal(budget_when(&b, RATE_AUTH, true, 1000 S), INT64_MAX);
	budget_unsent(&b, RATE_AUTH);
	assert_true(open_at(&b, RATE_AUTH, 1000 S));
	budget_sent(&b, RATE_AUTH);
	budget_answered(&b, RATE_AUTH, NULL, 1001 S); /* no answer came: it may have been counted */
	assert_false(open_at(&b, RATE_AUTH, 1002 S));
	assert_true(open_at(&b, RATE_AUTH, 1062 S));
}

static void the_last_part_is_for_urgent_ones(void **state)
{
	struct budget b;

	(void)state;
	budget_init(&b);
	use(&b, RATE_LIGHT, 40, 0);
	assert_true(budget_when(&b, RATE_LIGHT, false, 1 S) > 1 S);
	assert_true(open_at(&b, RATE_LIGHT, 1 S));
	use(&b, RATE_LIGHT, 10, 1 S);
	assert_false(open_at(&b, RATE_LIGHT, 2 S));
}

static void limits_come_from_answers(void **state)
{
	struct budget b;
	struct rate_answer a = silent;

	(void)state;
	budget_init(&b);
	a.limited = true;
	a.limit = 3;
	a.window_s = 10;
	a.group = RATE_HEAVY; /* not the one we thought */
	budget_sent(&b, RATE_LIGHT);
	budget_answered(&b, RATE_LIGHT, &a, 0);
	use(&b, RATE_HEAVY, 3, 0);
	assert_false(open_at(&b, RATE_HEAVY, 9 S));
	assert_true(open_at(&b, RATE_HEAVY, 11 S));
	/* Others use the same user: what is left is less than we think. */
	budget_init(&b);
	a = silent;
	a.limited = true;
	a.remaining = 1;
	budget_sent(&b, RATE_LIGHT);
	budget_answered(&b, RATE_LIGHT, &a, 0);
	assert_true(open_at(&b, RATE_LIGHT, 1 S));
	use(&b, RATE_LIGHT, 1, 1 S);
	assert_false(open_at(&b, RATE_LIGHT, 2 S));
	/* More than we can count. */
	a.limit = 1000000;
	a.remaining = -1;
	budget_sent(&b, RATE_MEDIUM);
	budget_answered(&b, RATE_MEDIUM, &a, 0);
	use(&b, RATE_MEDIUM, RATE_LIMIT_MAX - 1, 0);
	assert_false(open_at(&b, RATE_MEDIUM, 1 S));
}

static void a_penalty_closes_the_group(void **state)
{
	struct budget b;
	struct rate_answer a = silent;

	(void)state;
	a.limited = true;
	budget_init(&b);
	a = answer(429, a);
	budget_sent(&b, RATE_HEAVY);
	budget_answered(&b, RATE_HEAVY, &a, 0);
	assert_false(open_at(&b, RATE_HEAVY, 60 S));
	assert_true(open_at(&b, RATE_HEAVY, 61 S));
	assert_true(open_at(&b, RATE_LIGHT, 1 S));
	assert_int_equal(budget_closed(&b, RATE_LIGHT, 0), 0);
	assert_true(budget_closed(&b, RATE_HEAVY, 0) > 60 S);
	a.retry_after_s = 7;
	budget_init(&b);
	budget_sent(&b, RATE_HEAVY);
	budget_answered(&b, RATE_HEAVY, &a, 0);
	assert_false(open_at(&b, RATE_HEAVY, 7 S));
	assert_true(open_at(&b, RATE_HEAVY, 8 S));
}

static void a_penalty_without_a_group_closes_all(void **state)
{
	struct budget b;
	struct rate_answer a = answer(429, silent);

	(void)state;
	budget_init(&b);
	budget_sent(&b, RATE_LIGHT);
	budget_answered(&b, RATE_LIGHT, &a, 0);
	for (enum rate_group g = RATE_LIGHT; g < RATE_GROUP_COUNT; g++) {
		assert_false(open_at(&b, g, 30 S));
		assert_true(open_at(&b, g, 31 S));
	}
	assert_true(open_at(&b, RATE_NONE, 0));
}

/* --- pauses --- */

static void pauses_grow_and_differ(void **state)
{
	struct backoff one = { .least_ms = 1000, .most_ms = 60000, .random = 1 };
	struct backoff steady = { .least_ms = 1000, .most_ms = 60000 };
	struct backoff two = { .least_ms = 1000, .most_ms = 60000, .random = 77 };
	bool differ = false;

	(void)state;
	for (int i = 0, most = 1000; i < 40; i++, most = most < 60000 ? most * 2 : most) {
		int whole = most < 60000 ? most : 60000;
		int64_t a = backoff_next_ms(&one), c = backoff_next_ms(&two);

		assert_int_equal(backoff_next_ms(&steady), whole);
		assert_in_range(a, whole / 2, whole);
		assert_in_range(c, whole / 2, whole);
		differ |= a != c;
	}
	assert_true(differ);
	backoff_reset(&one);
	assert_in_range(backoff_next_ms(&one), 500, 1000);
}

/* --- tokens --- */

static void token_requests_are_forms(void **state)
{
	struct buf b AUTO_BUF = { 0 };

	(void)state;
	oauth_put_jwt(&b, SPAN("aa.b+/=.c\n"));
	assert_string_equal(buf_z(&b), "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%"
				       "3Ajwt-bearer&assertion=aa.b%2B%2F%3D.c");
	buf_clear(&b);
	oauth_put_refresh(&b, SPAN("r&x"));
	assert_string_equal(buf_z(&b), "grant_type=refresh_token&refresh_token=r%26x");
	buf_clear(&b);
	oauth_put_basic(&b, SPAN("id"), SPAN("secret\n"));
	assert_string_equal(buf_z(&b), "Basic aWQ6c2VjcmV0");
	buf_clear(&b);
	oauth_put_exchange(&b, SPAN("t"));
	assert_string_equal(buf_z(&b), "rcTokenType=Bearer&rcAccessToken=t");
}

static void token_answers(void **state)
{
	struct arena a = { 0 };
	struct oauth_token t;
	struct fault f;

	(void)state;
	assert_int_equal(oauth_read(SPAN("{\"access_token\":\"A\",\"expires_in\":7199,"
					 "\"refresh_token\":\"R\",\"refresh_token_expires_in\":"
					 "604800,\"scope\":\"x\"}"),
				    &a, &t, &f),
			 0);
	assert_true(span_is(t.access, "A") && span_is(t.refresh, "R"));
	assert_int_equal(t.lives_s, 7199);
	assert_int_equal(t.refresh_lives_s, 604800);
	assert_int_equal(
		oauth_read(SPAN("{\"accessToken\":\"C\",\"agentDetails\":[]}"), &a, &t, &f), 0);
	assert_int_equal(t.lives_s, OAUTH_CX_LIVES_S);
	assert_int_equal(oauth_read(SPAN("{\"token\":\"A\"}"), &a, &t, &f), E_INVALID);
	assert_int_equal(oauth_read(SPAN("<html>"), &a, &t, &f), E_INVALID);
	assert_int_equal(oauth_ahead_s(300), 60);
	assert_int_equal(oauth_ahead_s(3600), 120);
	struct oauth_ws w;
	assert_int_equal(oauth_read_ws(SPAN("{\"ws_access_token\":\"W\",\"uri\":\"wss://h/ws\","
					    "\"expires_in\":30}"),
				       &a, &w, &f),
			 0);
	assert_true(span_is(w.uri, "wss://h/ws"));
	assert_int_equal(oauth_read_ws(SPAN("{\"ws_access_token\":\"W\"}"), &a, &w, &f), 0);
	assert_int_equal(w.uri.n, 0);
	assert_int_equal(oauth_read_ws(SPAN("{\"uri\":\"wss://h/ws\"}"), &a, &w, &f), E_INVALID);
	arena_fini(&a);
}

static void errors_name_the_most_specific(void **state)
{
	static const struct {
		const char *body, *code, *text;
	} cases[] = {
		{ "{\"errorCode\":\"InsufficientPermissions\",\"message\":\"no\",\"errors\":[{"
		  "\"errorCode\":\"CMN-401\",\"message\":\"needs [ReadPresence]\"}]}",
		  "CMN-401", "CMN-401: needs [ReadPresence]" },
		{ "{\"error\":\"invalid_grant\",\"error_description\":\"JWT is expired\"}",
		  "invalid_grant", "invalid_grant: JWT is expired" },
		{ "{\"errorCode\":\"unauthorized\",\"generalMessage\":\"Bad\",\"details\":\"d\"}",
		  "unauthorized", "unauthorized: Bad" },
		{ "{\"errorCode\":\"WSG-902\",\"message\":\"idle\"}", "WSG-902", "WSG-902: idle" },
		{ "Bad Gateway\r\nx", "", "Bad Gateway  x" },
		{ "", "", "" },
		{ "[]", "", "" },
	};
	struct platform_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		platform_error_read(span_of(cases[i].body), &e);
		assert_string_equal(e.code, cases[i].code);
		assert_string_equal(e.text, cases[i].text);
	}
}

/* --- frames --- */

static void read_frame(struct arena *a, const char *text, struct wsg_frame *w)
{
	struct fault f = { 0 };

	if (wsg_read(span_of(text), a, w, &f))
		fail_msg("%s: %s", text, f.text);
}

static void frames_are_shown_without_secrets(void **state)
{
	static const struct {
		const char *frame, *shown;
	} cases[] = {
		{ "[{\"type\":\"X\",\"wsc\":{\"token\" : \"T1\",\"sequence\":7}},{\"a\":\"b",
		  "[{\"type\":\"X\",\"wsc\":{\"token\" : \"***\",\"sequence\":7}},{\"a\":\"b" },
		{ "{\"voiceCallToken\":\"a\\\"b\",\"tokens\":[\"c\",\"d\"],\"fromTag\":\"e",
		  "{\"voiceCallToken\":\"***\",\"tokens\":[\"***\",\"***\"],\"fromTag\":\"***\"" },
		{ "nonsense \xc3\xa9 \xff", "nonsense \xc3\xa9 \xef\xbf\xbd" },
		{ "\"token\"", "\"token\"" },
		{ "\"a\\", "\"a\\" },
		{ "", "" },
	};
	struct buf b AUTO_BUF = { 0 };
	char longer[2 * WSG_SHOWN_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&b);
		wsg_show(span_of(cases[i].frame), &b);
		assert_string_equal(buf_z(&b), cases[i].shown);
	}
	buf_clear(&b);
	memset(longer, 'x', sizeof(longer));
	wsg_show((struct span){ longer, sizeof(longer) }, &b);
	assert_int_equal(b.n, WSG_SHOWN_BYTES);
}

static void frames_are_arrays(void **state)
{
	struct arena a = { 0 };
	struct wsg_frame w;
	struct wsg_details d;

	(void)state;
	read_frame(&a,
		   "[{\"type\":\"ConnectionDetails\",\"messageId\":\"m1\",\"status\":200,\"wsc\":{"
		   "\"token\":\"T1\",\"sequence\":7},\"headers\":{\"RCRequestId\":\"r1\"}},"
		   "{\"recoveryState\":\"Successful\",\"recoveryTimeout\":90,\"absoluteTimeout\":"
		   "86400,\"maxActiveRequests\":10,\"recoveryBufferSize\":50}]",
		   &w);
	assert_int_equal(w.type, WSG_DETAILS);
	assert_true(span_is(w.wsc, "T1") && span_is(w.id, "m1"));
	assert_int_equal(w.sequence, 7);
	assert_int_equal(w.status, 200);
	wsg_details_read(w.body, &d);
	assert_int_equal(d.recovery, WSG_RECOVERED);
	assert_int_equal(d.recovery_s, 90);
	assert_int_equal(d.idle_s, WSG_IDLE_S);
	assert_int_equal(d.kept, 50);
	read_frame(&a, "[{\"type\":\"Heartbeat\",\"messageId\":\"h\"}]", &w);
	assert_int_equal(w.type, WSG_HEARTBEAT);
	assert_int_equal(w.body.kind, JSON_NONE);
	read_frame(&a, "[{\"type\":\"ServerNotification\"},{\"uuid\":\"1\"}]", &w);
	assert_int_equal(w.type, WSG_NOTIFICATION);
	read_frame(&a, "[{\"type\":\"Tomorrow\"}]", &w);
	assert_int_equal(w.type, WSG_OTHER);
	read_frame(&a, "[{\"type\":\"Error\",\"status\":403},{\"errorCode\":\"WSG-902\"}]", &w);
	assert_int_equal(w.type, WSG_ERROR);
	wsg_details_read((struct json){ 0 }, &d);
	assert_int_equal(d.recovery, WSG_FRESH);
	assert_int_equal(d.recovery_s, WSG_RECOVERY_S);
	assert_int_equal(d.kept, WSG_KEPT);
	arena_fini(&a);
}

static void multipart_replies_are_no_json(void **state)
{
	struct arena a = { 0 };
	struct wsg_frame w;

	(void)state;
	read_frame(
		&a,
		"[{\"type\":\"ClientRequest\",\"messageId\":\"a1\",\"status\":207},--Boundary_1\r\n"
		"Content-Type: application/json\r\n\r\n{\"id\":1}\r\n--Boundary_1--]",
		&w);
	assert_int_equal(w.type, WSG_REPLY);
	assert_true(span_is(w.id, "a1"));
	assert_int_equal(w.body.kind, JSON_NONE);
	assert_true(span_starts(w.parts, SPAN("--Boundary_1")));
	arena_fini(&a);
}

static void rubbish_is_no_frame(void **state)
{
	static const char *const texts[] = { "",      "{}",    "[]",	 "[1]", "[{\"type\":1}",
					     "[,--B", "x,--B", "[{,--B", "[[]]" };
	struct arena a = { 0 };
	struct wsg_frame w;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(wsg_read(span_of(texts[i]), &a, &w, NULL), E_INVALID);
	arena_fini(&a);
}

static void frames_are_written(void **state)
{
	struct buf b AUTO_BUF = { 0 };

	(void)state;
	wsg_put_request(&b, SPAN("a1"), "POST", "/restapi/v1.0/subscription", SPAN("{\"x\":1}"));
	assert_string_equal(buf_z(&b),
			    "[{\"type\":\"ClientRequest\",\"messageId\":\"a1\",\"method\":\"POST\","
			    "\"path\":\"/restapi/v1.0/subscription\"},{\"x\":1}]");
	buf_clear(&b);
	wsg_put_heartbeat(&b, SPAN("h1"));
	assert_string_equal(buf_z(&b), "[{\"type\":\"Heartbeat\",\"messageId\":\"h1\"}]");
}

/* --- heads --- */

static void heads_tell_time_and_budget(void **state)
{
	const struct span head = SPAN("HTTP/1.1 429 Too Many\r\nDate: Sun, 06 Nov 1994 08:49:37 "
				      "GMT\r\nx-rate-limit-GROUP: Heavy\r\n"
				      "X-Rate-Limit-Limit: 10\r\nX-Rate-Limit-Remaining: 0\r\n"
				      "X-Rate-Limit-Window: 60\r\nRetry-After: 42\r\n\r\n");
	struct rate_answer a;

	(void)state;
	assert_int_equal(head_date_us(head), 784111777 S);
	head_rate(head, 429, &a);
	assert_int_equal(a.group, RATE_HEAVY);
	assert_true(a.limited);
	assert_int_equal(a.limit, 10);
	assert_int_equal(a.remaining, 0);
	assert_int_equal(a.window_s, 60);
	assert_int_equal(a.retry_after_s, 42);
	head_rate(SPAN("HTTP/1.1 429 x\r\nRetry-After: soon\r\n"), 429, &a);
	assert_false(a.limited);
	assert_int_equal(a.group, RATE_NONE);
	assert_int_equal(a.retry_after_s, -1);
	assert_int_equal(head_date_us(SPAN("Dates: x\r\nDate: yesterday\r\n")), 0);
	assert_int_equal(head_time_us(SPAN("Mon, 31 Foo 2026 00:00:00 GMT")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_slides),
		cmocka_unit_test(what_is_under_way_counts),
		cmocka_unit_test(the_last_part_is_for_urgent_ones),
		cmocka_unit_test(limits_come_from_answers),
		cmocka_unit_test(a_penalty_closes_the_group),
		cmocka_unit_test(a_penalty_without_a_group_closes_all),
		cmocka_unit_test(pauses_grow_and_differ),
		cmocka_unit_test(token_requests_are_forms),
		cmocka_unit_test(token_answers),
		cmocka_unit_test(errors_name_the_most_specific),
		cmocka_unit_test(frames_are_arrays),
		cmocka_unit_test(frames_are_shown_without_secrets),
		cmocka_unit_test(multipart_replies_are_no_json),
		cmocka_unit_test(rubbish_is_no_frame),
		cmocka_unit_test(frames_are_written),
		cmocka_unit_test(heads_tell_time_and_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
