/* The API over a real PostgreSQL: every answer is one that openapi.json promises, every change is
 * audited, organisations are apart (A2, A3, B1, B4, I1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stored_kit.h"

#include "api/endpoint.h"

#define CALL "11111111-1111-5111-8111-111111111111"
#define CALL_2 "22222222-2222-5222-8222-222222222222"
#define TOOL_CALL "33333333-3333-5333-8333-333333333333"
#define CONVERSATION "55555555-5555-5555-8555-555555555551"

/* --- asking ---------------------------------------------------------------------- */

static bool path_is(struct json v, const char *path, const char *text)
{
	return json_is_text(json_path(v, path), text);
}

static int64_t whole(struct json v, const char *path)
{
	int64_t n = -1;
	if (!json_i64(json_path(v, path), &n))
		fail_msg("no number %s in %.*s", path, SPAN_ARG(v.raw));
	return n;
}

/* The newest entry about an object. */
static void expect_audit(const char *object, const char *action, const char *actor,
			 const char *reason)
{
	struct reply r = { 0 };
	char path[200];
	struct json page = ask(&r, "GET", under(path, "/api/v1/audit?limit=1&object_id=%s", object),
			       NULL, KIT_ADMIN, NULL, 200);
	struct json entry = item(json_get(page, "entries"), 0);
	if (!path_is(entry, "action", action) || !path_is(entry, "actor", actor) ||
	    (reason && !path_is(entry, "reason", reason)))
		fail_msg("expected %s by %s (%s): %.*s", action, actor, reason ? reason : "-",
			 SPAN_ARG(entry.raw));
	reply_free(&r);
}

/* --- the data -------------------------------------------------------------------- */

static void seed(void)
{
	sql("insert into projects (id, org_id, name) values ('" KIT_PROJECT "', '" KIT_ORG
	    "', 'one');"
	    "insert into sources (id, org_id, project_id, dialect, name) values ('" KIT_SOURCE
	    "', '" KIT_ORG "', '" KIT_PROJECT "', 'vapi', 'main')");
	sql("select callmend_partition((now() at time zone 'UTC')::date)");
	for (int i = 0; i < 5; i++)
		sql("insert into calls (id, org_id, source_id, project_id, provider_call_id, "
		    "status, live, started_at, ended_at, duration_ms,"
		    " customer, customer_number, user_sentiment, tool_call_count, outcome, "
		    "ended_class, cost, last_seq) values ("
		    "'%d1111111-1111-5111-8111-111111111111', '" KIT_ORG "', '" KIT_SOURCE
		    "', '" KIT_PROJECT "', 'vapi-%d', '%s', %s,"
		    " '2026-11-2%dT10:00:00Z', %s, 60000, '{\"number\":\"+1555010%d\"}', "
		    "'+1555010%d', 'neutral', 1, %s, 'customer', 0.25, %d)",
		    i + 1, i + 1, i ? "ended" : "in-progress", i ? "false" : "true", i,
		    i ? "'2026-11-25T10:00:00Z'" : "null", i, i, i ? "'booked'" : "null", 100 + i);
	for (int i = 0; i < 7; i++)
		sql("insert into call_events (call_id, seq, day, type, speaker, text, is_final, "
		    "at, offset_ms, data, org_id, arrived_at) values ('" CALL
		    "', %d, (now() at time zone 'UTC')::date, '%s', 'user', 'text %d', true, "
		    "now(), %d, '{\"turn\": %d}', '" KIT_ORG "', now())",
		    i + 1, i % 2 ? "turn" : "transcript.final", i, i * 100, i);
	sql("insert into tool_calls (id, org_id, project_id, call_id, tool_call_id, tool, "
	    "arguments, run_by, requested_at, started_at, duration_ms,"
	    " success, result, error, fallback, unknown, requested_seq, finished_seq) values "
	    "('" TOOL_CALL "', '" KIT_ORG "', '" KIT_PROJECT "', '" CALL
	    "', 'tc-1', 'search_products', '{\"q\":\"table\"}', 'callmend', now(), now(), 120, "
	    "false, null, 'nothing found', true, false, 3, 4)");
	sql("insert into interventions (id, org_id, call_id, verb, target, state, text, actor, "
	    "requested_at, accepted_at, latency_ms, last_seq) values ("
	    "'44444444-4444-7444-8444-444444444444', '" KIT_ORG "', '" CALL
	    "', 'say', 'assistant', 'effect_seen', 'hello', 'token:supervisor',"
	    " now(), now(), 12, 5)");
	for (int i = 0; i < 3; i++)
		sql("insert into conversations (id, org_id, source_id, project_id, "
		    "customer_number, "
		    "started_at, last_at) values ('55555555-5555-5555-8555-55555555555%d', "
		    "'" KIT_ORG "', '" KIT_SOURCE "', %s, '+1555010%d', '2026-11-20T10:00:00Z', "
		    "'2026-11-2%dT11:00:00Z')",
		    i + 1, i < 2 ? "'" KIT_PROJECT "'" : "null", i, i);
	sql("update calls set conversation_id = '" CONVERSATION
	    "' where provider_call_id in ('vapi-1', 'vapi-2')");
	sql("insert into messages (conversation_id, call_id, seq, org_id, role, speaker, position, "
	    "text, at) select '" CONVERSATION "', c.id, 10 * c.last_seq + n, c.org_id, 'user', "
	    "'user', n, 'message ' || n, now() from "
	    "calls c, generate_series(1, 3) n where c.conversation_id is not null");
	sql("insert into quarantine (org_id, journal, record, call_id, kind, reason, body, "
	    "arrived_at) values ('" KIT_ORG "', '" CALL "', 7, '" CALL
	    "', 'webhook', 'no JSON', '\\x7b00ff', now())");
}

static int begin(void **state)
{
	return stored_begin(state, seed);
}

/* --- calls ----------------------------------------------------------------------- */

static void test_whoami(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json who = ask(&r, "GET", "/api/v1/whoami", NULL, KIT_SUPERVISOR, NULL, 200);
	assert_true(path_is(who, "token.name", "supervisor"));
	assert_true(path_is(who, "org.name", "default"));
	assert_int_equal(200, kit_ask(kit, "GET", "/readyz", NULL, NULL, &r));
	assert_true(path_is(kit_json(&r), "database", "connected"));
	reply_free(&r);
}

static void test_calls_are_listed_in_pages(void **state)
{
	struct reply r = { 0 };
	char cursor[300] = "", path[400], id[64];
	size_t n = 0;
	(void)state;
	do {
		snprintf(path, sizeof(path), "/api/v1/calls?limit=2%s%s",
			 cursor[0] ? "&cursor=" : "", cursor);
		struct json page = ask(&r, "GET", path, NULL, KIT_VIEWER, NULL, 200);
		struct json calls = json_get(page, "calls");
		for (size_t i = 0; i < json_count(calls); i++, n++) {
			/* the newest first */
			kit_text(item(calls, i), "id", id, sizeof(id));
			assert_int_equal('5' - (int)n, id[0]);
		}
		cursor[0] = '\0';
		if (json_get(page, "next_cursor").kind == JSON_STRING)
			kit_text(page, "next_cursor", cursor, sizeof(cursor));
	} while (cursor[0]);
	assert_int_equal(5, n);
	kit_ask(kit, "GET", "/api/v1/calls?cursor=bogus", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 400, "bad-parameter");
	reply_free(&r);
}

static void test_calls_are_filtered(void **state)
{
	static const struct {
		const char *query;
		size_t n;
	} cases[] = {
		{ "live=true", 1 },
		{ "live=false", 4 },
		{ "status=ended", 4 },
		{ "outcome=booked", 4 },
		{ "customer=0103", 1 },
		{ "from=2026-11-22T00:00:00Z", 3 },
		{ "to=2026-11-22T00:00:00%2B00:00", 2 },
		{ "project_id=" KIT_PROJECT, 5 },
		{ "project_id=" KIT_PROJECT_2, 0 },
		{ "q=nobody-said-this", 0 },
	};
	struct reply r = { 0 };
	char path[300];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json page = ask(&r, "GET", under(path, "/api/v1/calls?%s", cases[i].query),
				       NULL, KIT_VIEWER, NULL, 200);
		if (json_count(json_get(page, "calls")) != cases[i].n)
			fail_msg("%s: %zu", cases[i].query, json_count(json_get(page, "calls")));
	}
	reply_free(&r);
}

static void test_one_call(void **state)
{
	struct reply r = { 0 };
	struct uuid id;
	(void)state;
	struct json call =
		ask(&r, "GET", "/api/v1/calls/" CALL, "/api/v1/calls/{id}", KIT_VIEWER, NULL, 200);
	assert_true(path_is(call, "provider_call_id", "vapi-1"));
	call = ask(&r, "GET", "/api/v1/calls/vapi-1", "/api/v1/calls/{id}", KIT_VIEWER, NULL, 200);
	assert_true(path_is(call, "id", CALL));
	kit_ask(kit, "GET", "/api/v1/calls/nobody", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	/* it runs, but was not projected yet */
	kit_add_call(kit, KIT_ORG, KIT_PROJECT, "just-now", 0, &id);
	assert_int_equal(200, kit_ask(kit, "GET", "/api/v1/calls/just-now", KIT_VIEWER, NULL, &r));
	assert_true(path_is(kit_json(&r), "provider_call_id", "just-now"));
	reply_free(&r);
}

/* Ended so long ago that only PostgreSQL remembers it (issue: bad input, "command on an ended
 * call"). */
static void test_command_on_an_ended_call(void **state)
{
	struct reply r = { 0 };
	(void)state;
	kit_ask(kit, "POST", "/api/v1/vapi/call/vapi-3/end", KIT_SUPERVISOR, NULL, &r);
	kit_expect_problem(&r, 409, "command-rejected");
	kit_expect_promised(kit, &r, "POST", "/api/v1/vapi/call/{callId}/end");
	assert_true(path_is(kit_json(&r), "detail", "the call has ended"));
	kit_ask(kit, "POST", "/api/v1/vapi/call/nobody/end", KIT_SUPERVISOR, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "POST", "/api/v1/vapi/call/vapi-3/end", KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

static void test_what_happened_in_a_call(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(&r, "GET", "/api/v1/calls/" CALL "/events?limit=3",
			    "/api/v1/calls/{id}/events", KIT_VIEWER, NULL, 200);
	assert_int_equal(3, json_count(json_get(v, "events")));
	assert_int_equal(3, whole(v, "next_after"));
	v = ask(&r, "GET", "/api/v1/calls/vapi-1/events?after=3&types=turn,call.ended",
		"/api/v1/calls/{id}/events", KIT_VIEWER, NULL, 200);
	assert_int_equal(2, json_count(json_get(v, "events")));
	assert_int_equal(JSON_NULL, json_get(v, "next_after").kind);
	v = ask(&r, "GET", "/api/v1/calls/" CALL "/transcript", "/api/v1/calls/{id}/transcript",
		KIT_VIEWER, NULL, 200);
	assert_int_equal(3, json_count(json_get(v, "turns")));
	v = ask(&r, "GET", "/api/v1/calls/" CALL "/tools", "/api/v1/calls/{id}/tools", KIT_VIEWER,
		NULL, 200);
	assert_true(path_is(item(json_get(v, "tool_calls"), 0), "tool", "search_products"));
	v = ask(&r, "GET", "/api/v1/calls/" CALL "/commands", "/api/v1/calls/{id}/commands",
		KIT_VIEWER, NULL, 200);
	assert_true(path_is(item(json_get(v, "commands"), 0), "state", "effect_seen"));
	static const char *const parts[] = { "events", "transcript", "tools", "commands" };
	for (size_t i = 0; i < 4; i++) {
		char path[200];
		kit_ask(kit, "GET", under(path, "/api/v1/calls/nobody/%s", parts[i]), KIT_VIEWER,
			NULL, &r);
		kit_expect_problem(&r, 404, "not-found");
	}
	reply_free(&r);
}

/* A2: conversations with their calls and messages. */
static void test_conversations(void **state)
{
	static const struct {
		const char *query;
		size_t n;
	} cases[] = {
		{ "", 3 },
		{ "?customer=0101", 1 },
		{ "?customer=%25", 0 },
		{ "?project_id=" KIT_PROJECT, 2 },
		{ "?from=2026-11-21T11:00:00Z", 2 },
		{ "?to=2026-11-21T11:00:00Z", 1 },
		{ "?customer=0199", 0 },
	};
	static const char one[] = "/api/v1/conversations/{id}";
	struct reply r = { 0 };
	char path[400], cursor[130];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json page =
			ask(&r, "GET", under(path, "/api/v1/conversations%s", cases[i].query), NULL,
			    KIT_VIEWER, NULL, 200);
		if (json_count(json_get(page, "conversations")) != cases[i].n)
			fail_msg("%s: %.*s", cases[i].query, SPAN_ARG(page.raw));
	}
	struct json v =
		ask(&r, "GET", "/api/v1/conversations?limit=2", NULL, KIT_VIEWER, NULL, 200);
	assert_true(path_is(item(json_get(v, "conversations"), 0), "customer_number", "+15550102"));
	kit_text(v, "next_cursor", cursor, sizeof(cursor));
	v = ask(&r, "GET", under(path, "/api/v1/conversations?limit=2&cursor=%s", cursor), NULL,
		KIT_VIEWER, NULL, 200);
	assert_true(path_is(item(json_get(v, "conversations"), 0), "id", CONVERSATION));
	assert_int_equal(2, whole(item(json_get(v, "conversations"), 0), "call_count"));
	assert_int_equal(JSON_NULL, json_get(v, "next_cursor").kind);
	v = ask(&r, "GET", "/api/v1/conversations/" CONVERSATION "?limit=4", one, KIT_VIEWER, NULL,
		200);
	assert_true(path_is(item(json_get(v, "calls"), 1), "provider_call_id", "vapi-2"));
	assert_int_equal(4, json_count(json_get(v, "messages")));
	assert_true(path_is(item(json_get(v, "messages"), 3), "text", "message 1"));
	assert_int_equal(6, whole(v, "message_count"));
	kit_text(v, "next_cursor", cursor, sizeof(cursor));
	v = ask(&r, "GET", under(path, "/api/v1/conversations/" CONVERSATION "?cursor=%s", cursor),
		one, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, json_count(json_get(v, "messages")));
	assert_int_equal(JSON_NULL, json_get(v, "next_cursor").kind);
	kit_ask(kit, "GET", "/api/v1/conversations/" CALL, KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

/* A cursor is opaque, so anything may stand there; but only what the query itself gave is taken. */
static void test_every_cursor_is_checked(void **state)
{
	static const char *const wrong[] = {
		"bogus",
		"%21%21",
		"%2B%2F%3D%3D",
		"eHx5",
		/* x|y */ "eA", /* x */
		"fHx8fA",
		/* ||||| */ "MjAyNi0xMS0yMVQwMDowMDowMC4wMDAwMDBa", /* a time alone */
	};
	struct reply r = { 0 };
	size_t checked = 0;
	(void)state;
	for (size_t i = 0; i < kit->routes_n; i++) {
		const struct endpoint *e = kit->routes[i].info;
		char path[256] = "", asked[400];
		if (params_find(e->params, e->params_n, PARAM_IN_QUERY, SPAN("cursor")) < 0)
			continue;
		for (const char *at = e->path; *at; at++) {
			size_t n = strlen(path);
			bool part = *at == '{';
			snprintf(path + n, sizeof(path) - n, "%.*s", part ? 36 : 1,
				 !part					? at
				 : strncmp(e->path, "/api/v1/conv", 12) ? KIT_PROJECT
									: CONVERSATION);
			if (part)
				at = strchr(at, '}');
		}
		for (size_t w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++, checked++) {
			snprintf(asked, sizeof(asked), "%s?cursor=%s", path, wrong[w]);
			if (kit_ask(kit, "GET", asked, KIT_ADMIN, NULL, &r) != 400)
				fail_msg("%s: %d: %.*s", asked, r.status,
					 SPAN_ARG(buf_span(&r.body)));
			kit_expect_problem(&r, 400, "bad-parameter");
		}
	}
	assert_true(checked >= 6 * sizeof(wrong) / sizeof(wrong[0]));
	reply_free(&r);
}

/* PostgreSQL is there and refuses something: told by name until it does it again. */
static void test_readyz_tells_what_postgresql_refuses(void **state)
{
	struct reply r = { 0 };
	(void)state;
	sql("alter table quarantine rename column body to bytes");
	kit_ask(kit, "GET", "/api/v1/quarantine", KIT_ADMIN, NULL, &r);
	kit_expect_problem(&r, 503, "unavailable");
	struct json v = ask(&r, "GET", "/readyz", NULL, NULL, NULL, 200);
	assert_true(path_is(v, "database", "degraded"));
	struct json trouble = item(json_get(v, "troubles"), 0);
	assert_true(path_is(trouble, "part", "queries"));
	assert_true(path_is(trouble, "error", "schema"));
	assert_true(path_is(trouble, "sqlstate", "42703"));
	assert_false(reply_has(&r, "column"));
	kit_ask(kit, "GET", "/metrics", NULL, NULL, &r);
	assert_true(reply_has(&r, "callmend_database_errors_total{error=\"schema\"}"));
	sql("alter table quarantine rename column bytes to body");
	ask(&r, "GET", "/api/v1/quarantine", NULL, KIT_ADMIN, NULL, 200);
	v = ask(&r, "GET", "/readyz", NULL, NULL, NULL, 200);
	assert_true(path_is(v, "database", "connected"));
	assert_int_equal(0, json_count(json_get(v, "troubles")));
	reply_free(&r);
}

static void test_feedback_on_a_tool_call(void **state)
{
	static const char path[] = "/api/v1/tool-calls/" TOOL_CALL,
			  pattern[] = "/api/v1/tool-calls/{id}";
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(
		&r, "PATCH", "/api/v1/tool-calls/" TOOL_CALL "?reason=checked", pattern,
		KIT_SUPERVISOR,
		"{\"user_feedback\":\"not_helpful\",\"correction\":{\"q\":\"dining table\"}}", 200);
	assert_true(path_is(v, "user_feedback", "not_helpful"));
	assert_true(path_is(v, "correction.q", "dining table"));
	expect_audit(TOOL_CALL, "feedback", "token:supervisor", "checked");
	v = ask(&r, "PATCH", path, pattern, KIT_SUPERVISOR, "{\"user_feedback\":null}", 200);
	assert_int_equal(JSON_NULL, json_get(v, "user_feedback").kind);
	assert_true(path_is(v, "correction.q", "dining table"));
	ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);
	kit_ask(kit, "PATCH", "/api/v1/tool-calls/" CALL, KIT_SUPERVISOR,
		"{\"user_feedback\":\"helpful\"}", &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

static void test_analytics(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(&r, "GET", "/api/v1/vapi/analytics/calls", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(5, whole(v, "total.calls"));
	assert_int_equal(5, json_count(json_get(v, "days")));
	v = ask(&r, "GET",
		"/api/v1/vapi/analytics/"
		"calls?status=ended&from=2026-11-22T00:00:00Z&to=2026-11-24T00:00:00Z",
		NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, whole(v, "total.calls"));
	v = ask(&r, "GET", "/api/v1/vapi/analytics/calls?tool_name=search_products", NULL,
		KIT_VIEWER, NULL, 200);
	assert_int_equal(1, whole(v, "total.calls"));
	v = ask(&r, "GET", "/api/v1/vapi/analytics/tools?tool_name=search_products", NULL,
		KIT_VIEWER, NULL, 200);
	assert_int_equal(1, whole(v, "total.failed"));
	v = ask(&r, "GET", "/api/v1/vapi/analytics/tools?tool_name=none", NULL, KIT_VIEWER, NULL,
		200);
	assert_int_equal(0, whole(v, "total.calls"));
	reply_free(&r);
}

static void test_quarantine(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(&r, "GET", "/api/v1/quarantine", NULL, KIT_ADMIN, NULL, 200);
	assert_true(path_is(item(json_get(v, "entries"), 0), "reason", "no JSON"));
	reply_free(&r);
}

/* --- what is configured ---------------------------------------------------------- */

static void test_projects(void **state)
{
	static const char pattern[] = "/api/v1/projects/{id}";
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	struct json v = ask(
		&r, "POST", "/api/v1/projects?reason=new%20shop", NULL, KIT_MANAGER,
		"{\"name\":\"shop\",\"language\":\"es\",\"settings\":{\"silence_ms\":5000}}", 201);
	kit_text(v, "id", id, sizeof(id));
	expect_audit(id, "create", "token:manager", "new shop");
	kit_ask(kit, "POST", "/api/v1/projects", KIT_MANAGER, "{\"name\":\"shop\"}", &r);
	kit_expect_problem(&r, 409, "conflict");
	kit_ask(kit, "POST", "/api/v1/projects", KIT_MANAGER,
		"{\"name\":\"x\",\"settings\":{\"colour\":1}}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	under(path, "/api/v1/projects/%s", id);
	v = ask(&r, "PATCH", path, pattern, KIT_MANAGER, "{\"name\":\"shop 2\"}", 200);
	assert_true(path_is(v, "language", "es"));
	expect_audit(id, "update", "token:manager", NULL);
	v = ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);
	assert_true(path_is(v, "name", "shop 2"));
	assert_int_equal(2, json_count(json_get(
				    ask(&r, "GET", "/api/v1/projects", NULL, KIT_VIEWER, NULL, 200),
				    "projects")));
	ask(&r, "DELETE", path, pattern, KIT_MANAGER, NULL, 200);
	expect_audit(id, "archive", "token:manager", NULL);
	assert_int_equal(1, json_count(json_get(
				    ask(&r, "GET", "/api/v1/projects", NULL, KIT_VIEWER, NULL, 200),
				    "projects")));
	v = ask(&r, "GET", "/api/v1/projects?archived=true", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, json_count(json_get(v, "projects")));
	/* in use */
	int status = kit_ask(kit, "DELETE", "/api/v1/projects/" KIT_PROJECT, KIT_MANAGER, NULL, &r);
	if (status < 400 || status >= 500)
		fail_msg("a project that sources use was put away: %d", status);
	reply_free(&r);
}

#define INSTRUCTIONS "/api/v1/projects/" KIT_PROJECT "/instructions"

static void test_instructions(void **state)
{
	static const char one[] = "/api/v1/projects/{id}/instructions",
			  many[] = "/api/v1/projects/{id}/instructions/versions";
	struct reply r = { 0 };
	char cursor[200], path[400];
	(void)state;
	struct json v = ask(&r, "GET", INSTRUCTIONS, one, KIT_VIEWER, NULL, 200);
	assert_int_equal(JSON_NULL, json_get(v, "current").kind);
	v = ask(&r, "PUT", INSTRUCTIONS "?reason=first", one, KIT_MANAGER,
		"{\"text\":\"Be kind.\",\"note\":\"n\"}", 201);
	assert_int_equal(1, whole(v, "number"));
	char id[64];
	expect_audit(kit_text(v, "id", id, sizeof(id)), "create", "token:manager", "first");
	v = ask(&r, "PUT", INSTRUCTIONS, one, KIT_MANAGER,
		"{\"sections\":[{\"name\":\"Tone\",\"text\":\"Be "
		"kind.\"},{\"name\":\"Price\",\"text\":\"Ask first.\"}]}",
		201);
	assert_int_equal(2, whole(v, "number"));
	kit_ask(kit, "PUT", INSTRUCTIONS, KIT_MANAGER, "{\"note\":\"nothing\"}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	kit_ask(kit, "PUT", INSTRUCTIONS, KIT_MANAGER, "{\"sections\":[{\"name\":\"Tone\"}]}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	v = ask(&r, "GET", INSTRUCTIONS "/versions?limit=1", many, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, whole(item(json_get(v, "versions"), 0), "number"));
	kit_text(v, "next_cursor", cursor, sizeof(cursor));
	snprintf(path, sizeof(path), INSTRUCTIONS "/versions?limit=1&cursor=%s", cursor);
	v = ask(&r, "GET", path, many, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, whole(item(json_get(v, "versions"), 0), "number"));
	v = ask(&r, "POST", INSTRUCTIONS "/versions/1/activate",
		"/api/v1/projects/{id}/instructions/versions/{version}/activate", KIT_MANAGER, NULL,
		200);
	expect_audit(kit_text(v, "id", id, sizeof(id)), "activate", "token:manager", NULL);
	v = ask(&r, "GET", INSTRUCTIONS, one, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, whole(v, "current.number"));
	kit_ask(kit, "POST", INSTRUCTIONS "/versions/99/activate", KIT_MANAGER, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

static void test_tools(void **state)
{
	static const char of_project[] = "/api/v1/projects/{id}/tools",
			  pattern[] = "/api/v1/tools/{id}";
	static const char here[] = "/api/v1/projects/" KIT_PROJECT "/tools";
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	struct json v = ask(
		&r, "POST", here, of_project, KIT_MANAGER,
		"{\"name\":\"search\",\"url\":\"http://127.0.0.1:9/s\",\"timeout_ms\":3000,"
		"\"headers\":[{\"name\":\"X-Key\",\"secret\":{\"env\":\"CALLMEND_SECRET_SHOP\"}}],"
		"\"success\":{\"status_min\":200,\"status_max\":299,\"pattern\":\"ok\"}}",
		201);
	kit_text(v, "id", id, sizeof(id));
	assert_true(path_is(v, "project_id", KIT_PROJECT));
	expect_audit(id, "create", "token:manager", NULL);
	static const char *const wrong[] = {
		"{\"name\":\"a\",\"url\":\"ftp://x\"}",
		"{\"name\":\"a\",\"url\":\"http://x\",\"success\":{\"pattern\":\"(\"}}",
		"{\"name\":\"a\",\"url\":\"http://x\",\"timeout_ms\":15001}",
		"{\"name\":\"a\",\"url\":\"http://x\",\"headers\":[{\"value\":\"v\"}]}",
		"{\"url\":\"http://x\"}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		kit_ask(kit, "POST", here, KIT_MANAGER, wrong[i], &r);
		kit_expect_problem(&r, 422, "invalid-body");
		assert_int_equal(1, json_count(json_get(kit_json(&r), "errors")));
	}
	under(path, "/api/v1/tools/%s", id);
	v = ask(&r, "PATCH", path, pattern, KIT_MANAGER,
		"{\"fallback\":\"Let me check that for you.\"}", 200);
	assert_int_equal(3000, whole(v, "timeout_ms"));
	ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);
	assert_int_equal(
		1, json_count(json_get(ask(&r, "GET", "/api/v1/tools", NULL, KIT_VIEWER, NULL, 200),
				       "tools")));
	assert_int_equal(
		1, json_count(json_get(ask(&r, "GET", here, of_project, KIT_VIEWER, NULL, 200),
				       "tools")));
	ask(&r, "DELETE", path, pattern, KIT_MANAGER, NULL, 200);
	assert_int_equal(
		0, json_count(json_get(ask(&r, "GET", here, of_project, KIT_VIEWER, NULL, 200),
				       "tools")));
	reply_free(&r);
}

static void test_sources(void **state)
{
	static const char pattern[] = "/api/v1/sources/{id}";
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	struct json v = ask(&r, "POST", "/api/v1/sources", NULL, KIT_ADMIN,
			    "{\"name\":\"second\",\"project_id\":\"" KIT_PROJECT
			    "\",\"auth\":[{\"type\":\"secret\",\"secret\":"
			    "{\"env\":\"CALLMEND_SECRET_VAPI\"}}],\"upstream_url\":\"https://"
			    "example.com/hook\"}",
			    201);
	kit_text(v, "id", id, sizeof(id));
	expect_audit(id, "create", "token:admin", NULL);
	/* a secret given instead of named */
	kit_ask(kit, "POST", "/api/v1/sources", KIT_ADMIN,
		"{\"name\":\"third\",\"project_id\":\"" KIT_PROJECT
		"\",\"auth\":[{\"type\":\"secret\",\"secret\":\"hunter2\"}]}",
		&r);
	kit_expect_problem(&r, 422, "invalid-body");
	assert_false(reply_has(&r, "hunter2"));
	kit_ask(kit, "POST", "/api/v1/sources", KIT_ADMIN,
		"{\"name\":\"third\",\"project_id\":\"" KIT_PROJECT_2 "\"}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	kit_ask(kit, "POST", "/api/v1/sources", KIT_ADMIN,
		"{\"name\":\"second\",\"project_id\":\"" KIT_PROJECT "\"}", &r);
	kit_expect_problem(&r, 409, "conflict");
	/* the page: what to set, from memory as well */
	v = ask(&r, "GET", under(path, "/api/v1/sources/%s", id), pattern, KIT_VIEWER, NULL, 200);
	struct json warning = item(json_get(v, "warnings"), 0);
	assert_true(path_is(warning, "advice", "add it to serverMessages"));
	assert_int_equal(1, json_count(json_get(v, "warnings")));
	/* how its session with the platform stands */
	assert_int_equal(json_get(v, "session").kind, JSON_NULL);
	atomic_store(&kit->denied, true);
	v = ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);
	atomic_store(&kit->denied, false);
	assert_true(path_is(v, "session.state", "denied"));
	assert_true(path_is(v, "session.why", "token: 400 invalid_grant"));
	kit_ask(kit, "PATCH", path, KIT_ADMIN,
		"{\"connect\":{\"client_id\":\"c\",\"client_secret\":\"hunter3\"}}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	assert_true(reply_has(&r, "connect.client_secret"));
	assert_false(reply_has(&r, "hunter3"));
	v = ask(&r, "PATCH", path, pattern, KIT_ADMIN,
		"{\"connect\":{\"client_id\":\"c\",\"client_secret\":{\"file\":\"s\"},"
		"\"jwt\":{\"file\":\"j\"},\"events\":\"webhook\"}}",
		200);
	assert_true(path_is(v, "connect.jwt.file", "j"));
	v = ask(&r, "PATCH", path, pattern, KIT_ADMIN,
		"{\"upstream_url\":null,\"name\":\"renamed\"}", 200);
	assert_true(path_is(v, "upstream_url", ""));
	assert_true(path_is(item(json_get(v, "auth"), 0), "type", "secret"));
	assert_int_equal(2, json_count(json_get(
				    ask(&r, "GET", "/api/v1/sources", NULL, KIT_VIEWER, NULL, 200),
				    "sources")));
	ask(&r, "DELETE", path, pattern, KIT_ADMIN, NULL, 200);
	expect_audit(id, "archive", "token:admin", NULL);
	reply_free(&r);
}

/* Shown once, kept as a hash, good at once, and not at all once taken back. */
static void test_tokens(void **state)
{
	static const char pattern[] = "/api/v1/tokens/{id}";
	struct reply r = { 0 };
	char id[64], token[100], path[200];
	(void)state;
	struct json v = ask(&r, "POST", "/api/v1/tokens?reason=wall", NULL, KIT_ADMIN,
			    "{\"name\":\"wall\",\"role\":\"viewer\",\"expires_at\":\"2099-01-01T00:"
			    "00:00+01:00\"}",
			    201);
	kit_text(v, "id", id, sizeof(id));
	kit_text(v, "token", token, sizeof(token));
	assert_int_equal(46, strlen(token));
	assert_int_equal(0, strncmp(token, "cm_", 3));
	assert_int_equal(
		43, strspn(token + 3,
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"));
	assert_string_equal("t", sql("select hash = sha256('%s') and expires_at = "
				     "'2098-12-31T23:00:00Z' from api_tokens where id = '%s'",
				     token, id));
	assert_string_equal(
		"0",
		sql("select count(*) from audit_log where old::text || new::text like '%%%s%%'",
		    token));
	expect_audit(id, "create", "token:admin", "wall");
	kit_ask(kit, "POST", "/api/v1/tokens", KIT_ADMIN, "{\"name\":\"wall\",\"role\":\"viewer\"}",
		&r);
	kit_expect_problem(&r, 409, "conflict");
	time_t until = time(NULL) + 20;
	while (kit_ask(kit, "GET", "/api/v1/whoami", token, NULL, &r) != 200)
		assert_true(time(NULL) < until);
	ask(&r, "GET", "/api/v1/tokens", NULL, KIT_ADMIN, NULL, 200);
	assert_true(reply_has(&r, id));
	assert_false(reply_has(&r, token));
	assert_false(reply_has(&r, "hash"));
	assert_true(sql_becomes_true(
		"select last_used_at is not null from api_tokens where name = 'wall'"));
	ask(&r, "DELETE", under(path, "/api/v1/tokens/%s", id), pattern, KIT_ADMIN, NULL, 200);
	expect_audit(id, "revoke", "token:admin", NULL);
	while (kit_ask(kit, "GET", "/api/v1/whoami", token, NULL, &r) != 401)
		assert_true(time(NULL) < until);
	kit_ask(kit, "DELETE", path, KIT_ADMIN, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

#define TOOL "66666666-6666-7666-8666-666666666666"
#define TOKEN "77777777-7777-7777-8777-777777777777"

/* --- I1: organisations are apart ------------------------------------------------- */

static void test_another_organisation_sees_nothing(void **state)
{
	static const char *const single[] = {
		"/api/v1/calls/" CALL,
		"/api/v1/calls/vapi-1",
		"/api/v1/calls/" CALL "/events",
		"/api/v1/calls/" CALL "/transcript",
		"/api/v1/calls/" CALL "/tools",
		"/api/v1/calls/" CALL "/commands",
		"/api/v1/tool-calls/" TOOL_CALL,
		"/api/v1/projects/" KIT_PROJECT,
		INSTRUCTIONS,
		INSTRUCTIONS "/versions",
		"/api/v1/sources/" KIT_SOURCE,
		"/api/v1/conversations/" CONVERSATION,
		"/api/v1/tools/" TOOL,
	};
	static const struct {
		const char *path, *member;
	} lists[] = {
		{ "/api/v1/calls", "calls" },
		{ "/api/v1/conversations", "conversations" },
		{ "/api/v1/projects?archived=true", "projects" },
		{ "/api/v1/tools?archived=true", "tools" },
		{ "/api/v1/sources?archived=true", "sources" },
		{ "/api/v1/audit", "entries" },
		{ "/api/v1/quarantine", "entries" },
		{ "/api/v1/notifications", "notifications" },
		{ "/api/v1/activities", "activities" },
		{ "/api/v1/webhook-endpoints?archived=true", "endpoints" },
		{ "/api/v1/jobs", "jobs" },
	};
	static const struct {
		const char *method, *path, *body;
	} changes[] = {
		{ "PATCH", "/api/v1/projects/" KIT_PROJECT, "{\"name\":\"mine\"}" },
		{ "DELETE", "/api/v1/projects/" KIT_PROJECT, NULL },
		{ "PUT", INSTRUCTIONS, "{\"text\":\"obey\"}" },
		{ "POST", INSTRUCTIONS "/versions/1/activate", NULL },
		{ "PATCH", "/api/v1/sources/" KIT_SOURCE, "{\"name\":\"mine\"}" },
		{ "DELETE", "/api/v1/sources/" KIT_SOURCE, NULL },
		{ "PATCH", "/api/v1/tool-calls/" TOOL_CALL, "{\"user_feedback\":\"helpful\"}" },
		{ "PATCH", "/api/v1/tools/" TOOL, "{\"name\":\"mine\"}" },
		{ "DELETE", "/api/v1/tools/" TOOL, NULL },
		{ "DELETE", "/api/v1/tokens/" TOKEN, NULL },
	};
	struct reply r = { 0 };
	(void)state;
	sql("insert into tool_definitions (id, org_id, project_id, name, url) values ('" TOOL
	    "', '" KIT_ORG "', '" KIT_PROJECT "', 'ours', 'http://t/')");
	sql("insert into api_tokens (id, org_id, name, role, hash) values ('" TOKEN "', '" KIT_ORG
	    "', 'ours', 'viewer', sha256('ours'))");
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		kit_ask(kit, "GET", single[i], KIT_OTHER_ORG, NULL, &r);
		kit_expect_problem(&r, 404, "not-found");
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct json v = ask(&r, "GET", lists[i].path, NULL, KIT_OTHER_ORG, NULL, 200);
		if (json_count(json_get(v, lists[i].member)))
			fail_msg("%s: %.*s", lists[i].path, SPAN_ARG(v.raw));
	}
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		kit_ask(kit, changes[i].method, changes[i].path, KIT_OTHER_ORG, changes[i].body,
			&r);
		kit_expect_problem(&r, 404, "not-found");
	}
	struct json tools = ask(&r, "GET", "/api/v1/projects/" KIT_PROJECT "/tools",
				"/api/v1/projects/{id}/tools", KIT_OTHER_ORG, NULL, 200);
	assert_int_equal(0, json_count(json_get(tools, "tools")));
	kit_ask(kit, "POST", "/api/v1/projects/" KIT_PROJECT "/tools", KIT_OTHER_ORG,
		"{\"name\":\"x\",\"url\":\"http://x\"}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	assert_string_equal("t", sql("select archived_at is null and name = 'ours' from "
				     "tool_definitions where id = '" TOOL "'"));
	assert_string_equal(
		"t", sql("select revoked_at is null from api_tokens where id = '" TOKEN "'"));
	reply_free(&r);
}

/* --- the loop: notifications, webhooks, jobs, activities -------------------------- */

static void notify(const char *type, const char *title)
{
	sql("select callmend_notify('" KIT_ORG "', '" KIT_PROJECT
	    "', '%s', '%s', 'look at it', 'high', '/api/v1/x', '{\"n\": 1}')",
	    type, title);
}

static void test_notifications(void **state)
{
	static const char list[] = "/api/v1/notifications",
			  pattern[] = "/api/v1/notifications/{id}/read";
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	notify("tool_failure", "first");
	notify("analysis_dead", "second");
	struct json page = ask(&r, "GET", list, NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, whole(page, "unread"));
	struct json v = item(json_get(page, "notifications"), 0);
	assert_true(path_is(v, "title", "second") && path_is(v, "priority", "high"));
	assert_int_equal(1, whole(v, "metadata.n"));
	kit_text(v, "id", id, sizeof(id));
	under(path, "/api/v1/notifications/%s/read", id);
	kit_ask(kit, "POST", path, KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 403, "forbidden");
	kit_ask(kit, "POST", path, KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	v = ask(&r, "POST", path, pattern, KIT_SUPERVISOR, NULL, 200);
	assert_true(path_is(v, "read_by", "token:supervisor"));
	/* Who was first stays. */
	v = ask(&r, "POST", path, pattern, KIT_ADMIN, NULL, 200);
	assert_true(path_is(v, "read_by", "token:supervisor"));
	expect_audit(id, "read", "token:supervisor", NULL);
	page = ask(&r, "GET", "/api/v1/notifications?unread=true", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(page, "notifications")));
	assert_true(path_is(item(json_get(page, "notifications"), 0), "title", "first"));
	page = ask(&r, "GET", "/api/v1/notifications?type=analysis_dead&project_id=" KIT_PROJECT,
		   NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(page, "notifications")));
	/* page by page */
	page = ask(&r, "GET", "/api/v1/notifications?limit=1", NULL, KIT_VIEWER, NULL, 200);
	char cursor[130];
	kit_text(page, "next_cursor", cursor, sizeof(cursor));
	page = ask(&r, "GET", under(path, "/api/v1/notifications?limit=1&cursor=%s", cursor), NULL,
		   KIT_VIEWER, NULL, 200);
	assert_true(path_is(item(json_get(page, "notifications"), 0), "title", "first"));
	assert_int_equal(JSON_NULL, json_get(page, "next_cursor").kind);
	reply_free(&r);
}

static void test_activities(void **state)
{
	struct reply r = { 0 };
	(void)state;
	for (int i = 0; i < 3; i++)
		sql("select callmend_activity('" KIT_ORG "', %s, 'issue.opened', 'analyst', "
		    "'issue', 'i%d', 'title %d', null)",
		    i ? "'" KIT_PROJECT "'" : "null", i, i);
	struct json page =
		ask(&r, "GET", "/api/v1/activities?project_id=" KIT_PROJECT "&kind=issue.opened",
		    NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(2, json_count(json_get(page, "activities")));
	assert_true(path_is(item(json_get(page, "activities"), 0), "object_id", "i2"));
	page = ask(&r, "GET", "/api/v1/activities?object_id=i0", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(page, "activities")));
	page = ask(&r, "GET", "/api/v1/activities", NULL, KIT_OTHER_ORG, NULL, 200);
	assert_int_equal(0, json_count(json_get(page, "activities")));
	reply_free(&r);
}

#define WEBHOOKS "/api/v1/webhook-endpoints"
#define HOOK_SECRET "{\"env\":\"CALLMEND_SECRET_HOOK\"}"

static void test_webhook_endpoints(void **state)
{
	static const char pattern[] = WEBHOOKS "/{id}";
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	static const char *const wrong[] = {
		"{\"url\":\"ftp://x\",\"secret\":" HOOK_SECRET "}",
		"{\"url\":\"http://x\"}",
		"{\"url\":\"http://x\",\"secret\":\"whsec_aHVudGVyMg==\"}",
		"{\"url\":\"http://x\",\"secret\":{\"env\":\"PATH\"}}",
		"{\"url\":\"http://x\",\"secret\":[" HOOK_SECRET "]}",
		"{\"url\":\"http://x\",\"secret\":[" HOOK_SECRET "," HOOK_SECRET "," HOOK_SECRET
		"]}",
		"{\"url\":\"http://x\",\"secret\":" HOOK_SECRET ",\"types\":[\"everything\"]}",
		"{\"url\":\"http://x\",\"secret\":" HOOK_SECRET ",\"disabled\":true}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		kit_ask(kit, "POST", WEBHOOKS, KIT_ADMIN, wrong[i], &r);
		kit_expect_problem(&r, 422, "invalid-body");
		assert_false(reply_has(&r, "aHVudGVyMg"));
	}
	kit_ask(kit, "POST", WEBHOOKS, KIT_MANAGER,
		"{\"url\":\"http://x\",\"secret\":" HOOK_SECRET "}", &r);
	kit_expect_problem(&r, 403, "forbidden");
	struct json v = ask(&r, "POST", WEBHOOKS "?reason=chat", NULL, KIT_ADMIN,
			    "{\"url\":\"http://127.0.0.1:9/hook\",\"secret\":" HOOK_SECRET
			    ",\"types\":[\"tool_failure\"]}",
			    201);
	kit_text(v, "id", id, sizeof(id));
	expect_audit(id, "create", "token:admin", "chat");
	under(path, WEBHOOKS "/%s", id);
	v = ask(&r, "PATCH", path, pattern, KIT_ADMIN,
		"{\"secret\":[" HOOK_SECRET ",{\"file\":\"old\"}],\"disabled\":true}", 200);
	assert_true(path_is(v, "disabled_because", "by token:admin"));
	assert_int_equal(2, json_count(json_get(v, "secret")));
	v = ask(&r, "PATCH", path, pattern, KIT_ADMIN, "{\"disabled\":false}", 200);
	assert_int_equal(JSON_NULL, json_get(v, "disabled_at").kind);
	v = ask(&r, "GET", path, pattern, KIT_ADMIN, NULL, 200);
	assert_int_equal(0, whole(v, "deliveries.dead"));
	kit_ask(kit, "GET", path, KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	ask(&r, "DELETE", path, pattern, KIT_ADMIN, NULL, 200);
	expect_audit(id, "archive", "token:admin", NULL);
	v = ask(&r, "GET", WEBHOOKS, NULL, KIT_ADMIN, NULL, 200);
	assert_int_equal(0, json_count(json_get(v, "endpoints")));
	reply_free(&r);
}

/* Only wanted types, only to endpoints that are on; sent again on demand. */
static void test_webhook_deliveries(void **state)
{
	struct reply r = { 0 };
	char id[64], delivery[64], path[300];
	(void)state;
	struct json v = ask(&r, "POST", WEBHOOKS, NULL, KIT_ADMIN,
			    "{\"url\":\"http://127.0.0.1:9/hook\",\"secret\":" HOOK_SECRET
			    ",\"types\":[\"tool_failure\"]}",
			    201);
	kit_text(v, "id", id, sizeof(id));
	notify("tool_failure", "wanted");
	notify("mapping_proposed", "not wanted");
	snprintf(path, sizeof(path), WEBHOOKS "/%s/deliveries", id);
	v = ask(&r, "GET", path, WEBHOOKS "/{id}/deliveries", KIT_ADMIN, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "deliveries")));
	v = item(json_get(v, "deliveries"), 0);
	assert_true(path_is(v, "state", "pending") && path_is(v, "body.type", "tool_failure"));
	assert_true(path_is(v, "body.data.title", "wanted"));
	kit_text(v, "id", delivery, sizeof(delivery));
	assert_string_equal(sql("select state from jobs where key = '%s'", delivery), "queued");
	sql("delete from jobs where key = '%s'; update webhook_deliveries set state = 'dead', "
	    "attempts = 10 where id = '%s'",
	    delivery, delivery);
	snprintf(path, sizeof(path), WEBHOOKS "/%s/deliveries/%s/resend?reason=fixed", id,
		 delivery);
	v = ask(&r, "POST", path, WEBHOOKS "/{id}/deliveries/{delivery}/resend", KIT_ADMIN, NULL,
		200);
	assert_true(path_is(v, "state", "pending"));
	assert_int_equal(0, whole(v, "attempts"));
	assert_string_equal(sql("select state from jobs where key = '%s'", delivery), "queued");
	expect_audit(delivery, "resend", "token:admin", "fixed");
	sql("update webhook_endpoints set disabled_at = now() where id = '%s'", id);
	kit_ask(kit, "POST", path, KIT_ADMIN, NULL, &r);
	kit_expect_problem(&r, 409, "conflict");
	assert_true(reply_has(&r, "switched off"));
	notify("tool_failure", "while off");
	assert_string_equal(
		sql("select count(*) from webhook_deliveries where endpoint_id = '%s'", id), "1");
	reply_free(&r);
}

static void test_jobs(void **state)
{
	static const char pattern[] = "/api/v1/jobs/{kind}/{key}/retry";
	struct reply r = { 0 };
	(void)state;
	sql("select callmend_job('suggest', 'issue:7', '" KIT_ORG "', '{\"a\": 1}', 0);"
	    "update jobs set state = 'dead', attempts = 5, error = 'why' where key = 'issue:7'");
	kit_ask(kit, "GET", "/api/v1/jobs", KIT_MANAGER, NULL, &r);
	kit_expect_problem(&r, 403, "forbidden");
	struct json page = ask(&r, "GET", "/api/v1/jobs?state=dead", NULL, KIT_ADMIN, NULL, 200);
	assert_int_equal(1, json_count(json_get(page, "jobs")));
	struct json v = item(json_get(page, "jobs"), 0);
	assert_true(path_is(v, "error", "why") && path_is(v, "key", "issue:7"));
	kit_ask(kit, "POST", "/api/v1/jobs/suggest/issue:7/retry", KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "POST", "/api/v1/jobs/dance/issue:7/retry", KIT_ADMIN, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	v = ask(&r, "POST", "/api/v1/jobs/suggest/issue:7/retry?reason=again", pattern, KIT_ADMIN,
		NULL, 200);
	assert_true(path_is(v, "state", "queued"));
	assert_int_equal(0, whole(v, "attempts"));
	assert_string_equal(sql("select action || reason from audit_log where object_id = "
				"'suggest issue:7'"),
			    "retryagain");
	sql("select callmend_job_claim('{suggest}', 'me', 1, 60000)");
	kit_ask(kit, "POST", "/api/v1/jobs/suggest/issue:7/retry", KIT_ADMIN, NULL, &r);
	kit_expect_problem(&r, 409, "conflict");
	assert_true(reply_has(&r, "running"));
	for (int i = 0; i < 3; i++)
		sql("select callmend_job('apply', 'a%d', '" KIT_ORG "', null, 0)", i);
	char cursor[200], path[300];
	page = ask(&r, "GET", "/api/v1/jobs?kind=apply&limit=2", NULL, KIT_ADMIN, NULL, 200);
	assert_int_equal(2, json_count(json_get(page, "jobs")));
	kit_text(page, "next_cursor", cursor, sizeof(cursor));
	snprintf(path, sizeof(path), "/api/v1/jobs?kind=apply&limit=2&cursor=%s", cursor);
	page = ask(&r, "GET", path, NULL, KIT_ADMIN, NULL, 200);
	assert_int_equal(1, json_count(json_get(page, "jobs")));
	assert_true(path_is(item(json_get(page, "jobs"), 0), "key", "a0"));
	reply_free(&r);
}

/* Every statement that an endpoint names exists and takes what the rows bind: asked with nothing
 * but what is required. */
static void test_every_statement_answers(void **state)
{
	struct reply r = { 0 };
	size_t asked = 0;
	(void)state;
	for (size_t i = 0; i < kit->routes_n; i++) {
		const struct endpoint *e = kit->routes[i].info;
		char path[256] = "";
		if (!e->query || e->method != HTTP_GET)
			continue;
		for (const char *at = e->path; *at; at++) {
			size_t n = strlen(path);
			snprintf(path + n, sizeof(path) - n, "%.*s", *at == '{' ? 36 : 1,
				 *at == '{' ? KIT_PROJECT : at);
			if (*at == '{')
				at = strchr(at, '}');
		}
		int status = kit_ask(kit, "GET", path, KIT_ADMIN, NULL, &r);
		if (status != 200 && status != 404)
			fail_msg("%s: %d: %.*s", path, status, SPAN_ARG(buf_span(&r.body)));
		kit_expect_promised(kit, &r, "GET", e->path);
		asked++;
	}
	assert_true(asked > 15);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whoami),
		cmocka_unit_test(test_calls_are_listed_in_pages),
		cmocka_unit_test(test_calls_are_filtered),
		cmocka_unit_test(test_one_call),
		cmocka_unit_test(test_command_on_an_ended_call),
		cmocka_unit_test(test_what_happened_in_a_call),
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_every_cursor_is_checked),
		cmocka_unit_test(test_readyz_tells_what_postgresql_refuses),
		cmocka_unit_test(test_feedback_on_a_tool_call),
		cmocka_unit_test(test_analytics),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_projects),
		cmocka_unit_test(test_instructions),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_activities),
		cmocka_unit_test(test_webhook_endpoints),
		cmocka_unit_test(test_webhook_deliveries),
		cmocka_unit_test(test_jobs),
		cmocka_unit_test(test_another_organisation_sees_nothing),
		cmocka_unit_test(test_every_statement_answers),
	};
	return cmocka_run_group_tests(tests, begin, stored_end);
}
