/* The API's queries (A2, A3, B1, B4, I1): every file of src/store/sql/api_*.sql, with data,
 * refusals, and without PostgreSQL. */
#include "store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "store/sql.h"

#define OTHER_ORG "00000000-0000-7000-8000-0000000000ff"
#define CALL_1 "10000000-0000-5000-8000-000000000001"
#define CALL_2 "10000000-0000-5000-8000-000000000002"
#define CALL_3 "10000000-0000-5000-8000-000000000003"
#define NOBODY "99999999-0000-7000-8000-000000000009"
#define TOOL_CALL "40000000-0000-5000-8000-000000000001"

static struct shards *shards;
static struct store *store;
static struct arena arena;

/* --- asking --- */

struct question {
	sem_t done;
	int code;
	bool on_shard;
	struct buf text;
};
static struct question answered; /* the last one */

static void on_done(void *user, const struct store_answer *a)
{
	struct question *q = user;
	q->code = a->code;
	q->on_shard = shard_here(shards_at(shards, 0));
	buf_add(&q->text, a->code ? a->detail : a->json);
	sem_post(&q->done);
}

static void wait_for(struct question *q)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (sem_timedwait(&q->done, &until))
		if (errno != EINTR)
			fail_msg("no answer");
}

static int ask_n(const char *name, const char *const *params, size_t n)
{
	buf_free(&answered.text);
	answered = (struct question){ 0 };
	sem_init(&answered.done, 0, 0);
	assert_int_equal(
		store_query(store, shards_at(shards, 0), name, params, n, on_done, &answered), 0);
	wait_for(&answered);
	assert_true(answered.on_shard);
	return answered.code;
}
#define ask(name, ...)                                    \
	ask_n(name, (const char *const[]){ __VA_ARGS__ }, \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* What the last answer holds at "calls.0.id"; texts without quotes, "-" when there is nothing. */
static const char *at(const char *path)
{
	struct json v = json_of(buf_span(&answered.text));
	assert_int_equal(json_check(buf_span(&answered.text), &oops), 0);
	for (const char *p = path; *p;) {
		char part[64];
		size_t n = strcspn(p, ".");
		snprintf(part, sizeof(part), "%.*s", (int)n, p);
		if (v.kind == JSON_ARRAY) {
			struct json_iter it = json_iter(v);
			struct span key;
			struct json item;
			v = (struct json){ 0 };
			for (int i = atoi(part); json_next(&it, &key, &item); i--)
				if (i == 0)
					v = item;
		} else {
			v = json_get(v, part);
		}
		p += n + (p[n] == '.');
	}
	if (v.kind == JSON_NONE)
		return "-";
	struct span text = v.kind == JSON_STRING ? json_text(v, &arena) : v.raw;
	return arena_printf(&arena, "%.*s", SPAN_ARG(text));
}

#define expect(path, text) assert_string_equal(at(path), text)
#define expect_ok(call)                                                                     \
	do {                                                                                \
		if (call)                                                                   \
			fail_msg("%s: %d %s", #call, answered.code, buf_z(&answered.text)); \
	} while (0)

static const char *keep(const char *text)
{
	return arena_printf(&arena, "%s", text);
}

/* --- data --- */

static char project[40];

static void fill_calls(void)
{
	sql("insert into organisations (id, name) values ('" OTHER_ORG "', 'other')");
	sql("insert into calls (id, org_id, project_id, provider_call_id, status, live, "
	    "started_at, duration_ms, ended_class, outcome,"
	    " customer, customer_number, user_sentiment, tool_call_count, tool_error_count, "
	    "summary, cost, last_seq) values"
	    " ('" CALL_1 "', '" DEFAULT_ORG "', '%s', 'vapi-1', 'ended', false, "
	    "'2026-11-20T10:00:00Z', 60000, 'customer', 'booked',"
	    "  '{\"number\": \"+15550001\", \"name\": \"Ann\"}', '+15550001', 'positive', 2, 1, "
	    "'Wanted a table', 0.10, 9),"
	    " ('" CALL_2 "', '" DEFAULT_ORG
	    "', '%s', 'vapi-2', 'ended', false, '2026-11-21T10:00:00Z', 120000, 'assistant', null,"
	    "  '{\"number\": \"+15550002\"}', '+15550002', 'frustrated', 1, 0, null, 0.30, 9),"
	    " ('" CALL_3 "', '" DEFAULT_ORG
	    "', null, 'vapi-3', 'in-progress', true, '2026-11-21T10:00:00Z', null, null, null,"
	    "  null, null, null, 0, 0, null, null, 9),"
	    " (gen_random_uuid(), '" OTHER_ORG
	    "', null, 'foreign', 'ended', false, '2026-11-21T10:00:00Z', 1, null, null,"
	    "  null, null, null, 0, 0, null, null, 9)",
	    project, project);
}

static void fill_events(void)
{
	sql("select callmend_partition((now() at time zone 'UTC')::date)");
	sql("insert into call_events (call_id, seq, day, org_id, type, speaker, text, is_final, "
	    "at, offset_ms, data, arrived_at)"
	    " select '" CALL_1 "', s, (now() at time zone 'UTC')::date, '" DEFAULT_ORG
	    "', t, p, x, true, '2026-11-20T10:00:05Z', 5000,"
	    " d::jsonb, now() from (values"
	    " (1, 'call.started', null, null, '{}'),"
	    " (2, 'turn', 'ai', 'Hello', '{\"turn\": 1, \"revision\": 0}'),"
	    " (3, 'turn', 'user', 'A tabel', '{\"turn\": 2, \"revision\": 0}'),"
	    " (4, 'turn', 'user', 'A table', '{\"turn\": 2, \"revision\": 1}'),"
	    " (5, 'call.ended', null, null, '{}')) v(s, t, p, x, d)");
	sql("insert into messages (conversation_id, call_id, seq, org_id, role, speaker, position, "
	    "text, at) values"
	    " (gen_random_uuid(), '" CALL_2 "', 1, '" DEFAULT_ORG
	    "', 'system', null, 0, 'Be nice', now()),"
	    " (gen_random_uuid(), '" CALL_2 "', 2, '" DEFAULT_ORG
	    "', 'assistant', 'ai', 1, 'Good day', now()),"
	    " (gen_random_uuid(), '" CALL_2 "', 3, '" DEFAULT_ORG
	    "', 'user', 'user', 2, 'Cancel it', now())");
}

static void fill_tools(void)
{
	sql("insert into tool_calls (id, org_id, project_id, call_id, tool_call_id, tool, "
	    "requested_at, duration_ms, success, error,"
	    " fallback, requested_seq) values"
	    " ('" TOOL_CALL "', '" DEFAULT_ORG "', '%s', '" CALL_1
	    "', 'a', 'search', '2026-11-20T10:00:10Z', 100, false, 'found nothing',"
	    "  true, 3),"
	    " (gen_random_uuid(), '" DEFAULT_ORG "', '%s', '" CALL_1
	    "', 'b', 'search', '2026-11-20T10:00:20Z', 300, true, null, false, 4),"
	    " (gen_random_uuid(), '" DEFAULT_ORG "', '%s', '" CALL_2
	    "', 'c', 'book', '2026-11-21T10:00:20Z', null, null, null, false, 4)",
	    project, project, project);
	sql("insert into interventions (id, org_id, call_id, verb, target, state, text, actor, "
	    "requested_at, latency_ms, last_seq)"
	    " values (gen_random_uuid(), '" DEFAULT_ORG "', '" CALL_1
	    "', 'say', 'assistant', 'effect_seen', 'hi', 'cli', now(), 40, 8)");
	sql("insert into quarantine (journal, record, kind, reason, body, arrived_at) values"
	    " (gen_random_uuid(), 7, 'refused', 'not JSON', '\\x7bff', now()),"
	    " (gen_random_uuid(), 8, 'row_event', 'bad text', 'abc', now())");
}

static int start(void **state)
{
	struct shard_hooks hooks = { 0 };
	struct store_config config = { .max_waiting = 4 };
	if (fixture_start_migrated(state))
		return -1;
	config.url = fixture_url();
	config.state_dir = fixture.dir;
	snprintf(project, sizeof(project), "%s",
		 sql("insert into projects (org_id, name) values ('" DEFAULT_ORG
		     "', 'tables') returning id"));
	fill_calls();
	fill_events();
	fill_tools();
	return shards_start(&shards, 1, 1000, &hooks, &oops) || store_new(&store, &config, &oops);
}

static int stop(void **state)
{
	store_free(store);
	shards_stop(shards);
	buf_free(&answered.text);
	arena_fini(&arena);
	return fixture_stop(state);
}

/* --- calls --- */

static int list_calls(const char *name, const char *value)
{
	static const char *const filters[] = { "org",	  "project", "status",	 "live",
					       "outcome", "class",   "customer", "from",
					       "to",	  "text",    "cursor",	 "limit" };
	const char *params[13] = { DEFAULT_ORG };
	for (size_t i = 1; i < 12; i++)
		if (strcmp(filters[i], name) == 0)
			params[i] = value;
	return ask_n("api_calls_list", params, 13);
}

static void calls_are_listed_newest_first(void **state)
{
	(void)state;
	expect_ok(list_calls("", NULL));
	expect("calls.0.id", CALL_3);
	expect("calls.1.id", CALL_2);
	expect("calls.2.id", CALL_1);
	expect("calls.3", "-");
	expect("next_cursor", "null");
	static const char *const members[] = { "provider_call_id",
					       "status",
					       "live",
					       "transcript_live",
					       "customer.name",
					       "sentiment.user",
					       "counts.tool_errors",
					       "counts.interventions",
					       "duration_ms",
					       "outcome",
					       "cost",
					       "summary",
					       "flags",
					       "last_seq" };
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		assert_string_not_equal(at(arena_printf(&arena, "calls.2.%s", members[i])), "-");
	expect("calls.2.started_at", "2026-11-20T10:00:00.000000Z");
}

static void calls_are_filtered(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *first, *second;
	} cases[] = {
		{ "project", NULL, CALL_3, CALL_2 },
		{ "status", "in-progress", CALL_3, "-" },
		{ "live", "true", CALL_3, "-" },
		{ "live", "false", CALL_2, CALL_1 },
		{ "outcome", "booked", CALL_1, "-" },
		{ "class", "assistant", CALL_2, "-" },
		{ "customer", "5550002", CALL_2, "-" },
		{ "customer", "ann", CALL_1, "-" },
		{ "from", "2026-11-21T00:00:00Z", CALL_3, CALL_2 },
		{ "to", "2026-11-21T10:00:00Z", CALL_1, "-" },
		{ "text", "WANTED", CALL_1, "-" },
		{ "text", "cancel", CALL_2, "-" },
		{ "text", "100%_", "-", "-" },
		{ "status", "' or true --", "-", "-" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_ok(list_calls(cases[i].name, cases[i].value));
		expect("calls.0.id", cases[i].first);
		expect("calls.1.id", cases[i].second);
	}
	expect_ok(list_calls("project", project));
	expect("calls.0.id", CALL_2);
	expect("calls.2", "-");
}

static void pages_of_calls_follow_each_other(void **state)
{
	(void)state;
	const char *expected[] = { CALL_3, CALL_2, CALL_1 };
	const char *params[13] = { DEFAULT_ORG };
	params[11] = "1";
	for (int i = 0; i < 3; i++) {
		expect_ok(ask_n("api_calls_list", params, 13));
		expect("calls.0.id", expected[i]);
		expect("calls.1", "-");
		params[10] = at("next_cursor");
	}
	assert_string_equal(params[10], "null");
}

static void bad_filters_are_refused_with_a_reason(void **state)
{
	(void)state;
	assert_int_equal(list_calls("cursor", "nonsense"), E_INVALID);
	assert_non_null(strstr(buf_z(&answered.text), "cursor"));
	assert_int_equal(list_calls("cursor", "!!"), E_INVALID);
	assert_int_equal(list_calls("limit", "0"), E_INVALID);
	assert_int_equal(list_calls("limit", "201"), E_INVALID);
	assert_int_equal(list_calls("from", "yesterday-ish"), E_INVALID);
	assert_int_equal(list_calls("project", "x"), E_INVALID);
	assert_int_equal(list_calls("live", "maybe"), E_INVALID);
}

static void a_call_is_found_by_either_id(void **state)
{
	(void)state;
	expect_ok(ask("api_call_get", DEFAULT_ORG, CALL_1));
	expect("provider_call_id", "vapi-1");
	expect_ok(ask("api_call_get", DEFAULT_ORG, "vapi-1"));
	expect("id", CALL_1);
	assert_int_equal(ask("api_call_get", DEFAULT_ORG, "vapi-9"), E_NOT_FOUND);
	/* I1: of another organisation. */
	assert_int_equal(ask("api_call_get", DEFAULT_ORG, "foreign"), E_NOT_FOUND);
	assert_int_equal(ask("api_call_get", OTHER_ORG, CALL_1), E_NOT_FOUND);
}

static void events_come_in_pages(void **state)
{
	(void)state;
	expect_ok(ask("api_call_events", DEFAULT_ORG, "vapi-1", NULL, "2", NULL));
	expect("call_id", CALL_1);
	expect("events.0.type", "call.started");
	expect("events.1.speaker", "ai");
	expect("events.1.data.turn", "1");
	expect("events.2", "-");
	expect("next_after", "2");
	expect_ok(ask("api_call_events", DEFAULT_ORG, "vapi-1", "2", "50", NULL));
	expect("events.0.seq", "3");
	expect("next_after", "null");
	expect_ok(
		ask("api_call_events", DEFAULT_ORG, CALL_1, NULL, NULL, "call.ended,call.started"));
	expect("events.1.type", "call.ended");
	expect("events.2", "-");
	expect_ok(ask("api_call_events", DEFAULT_ORG, CALL_3, NULL, NULL, NULL));
	expect("events", "[]");
	assert_int_equal(ask("api_call_events", OTHER_ORG, CALL_1, NULL, NULL, NULL), E_NOT_FOUND);
}

static void transcripts_hold_the_latest_revision(void **state)
{
	(void)state;
	expect_ok(ask("api_call_transcript", DEFAULT_ORG, CALL_1));
	expect("from", "turns");
	expect("turns.0.text", "Hello");
	expect("turns.1.text", "A table");
	expect("turns.1.revision", "1");
	expect("turns.2", "-");
	/* Its events are gone, its messages are kept. */
	expect_ok(ask("api_call_transcript", DEFAULT_ORG, CALL_2));
	expect("from", "messages");
	expect("turns.0.text", "Good day");
	expect("turns.0.speaker", "ai");
	expect("turns.1.text", "Cancel it");
	expect("turns.2", "-");
	expect_ok(ask("api_call_transcript", DEFAULT_ORG, CALL_3));
	expect("turns", "[]");
	assert_int_equal(ask("api_call_transcript", DEFAULT_ORG, "none"), E_NOT_FOUND);
}

static void tools_and_commands_of_a_call(void **state)
{
	(void)state;
	expect_ok(ask("api_call_tools", DEFAULT_ORG, CALL_1));
	expect("tool_calls.0.error", "found nothing");
	expect("tool_calls.1.success", "true");
	expect("tool_calls.2", "-");
	expect_ok(ask("api_call_commands", DEFAULT_ORG, "vapi-1"));
	expect("commands.0.verb", "say");
	expect("commands.0.state", "effect_seen");
	assert_int_equal(ask("api_call_tools", OTHER_ORG, CALL_1), E_NOT_FOUND);
	assert_int_equal(ask("api_call_commands", OTHER_ORG, CALL_1), E_NOT_FOUND);
}

/* --- changes, each of them audited --- */

static void expect_audit(const char *action, const char *kind, const char *id)
{
	const char *last = sql(
		"select actor || ' ' || action || ' ' || object_kind || ' ' || object_id || ' ' ||"
		" coalesce(reason, '') from audit_log order by id desc limit 1");
	assert_string_equal(last, arena_printf(&arena, "cli %s %s %s because", action, kind, id));
}

static void tool_calls_take_feedback(void **state)
{
	(void)state;
	expect_ok(ask("api_tool_call_get", DEFAULT_ORG, TOOL_CALL));
	expect("user_feedback", "null");
	expect_ok(ask("api_tool_call_patch", DEFAULT_ORG, "cli", TOOL_CALL,
		      "{\"user_feedback\":\"not_helpful\"}", "because"));
	expect("user_feedback", "not_helpful");
	expect_audit("feedback", "tool_call", TOOL_CALL);
	expect_ok(ask("api_tool_call_patch", DEFAULT_ORG, "cli", TOOL_CALL,
		      "{\"correction\":{\"q\":\"sofa\"}}", "because"));
	expect("user_feedback", "not_helpful");
	expect("correction.q", "sofa");
	assert_string_equal(
		sql("select old::text || ' ' || new::text from audit_log order by id desc limit 1"),
		"{\"correction\": null, \"user_feedback\": \"not_helpful\"} "
		"{\"correction\": {\"q\": \"sofa\"}, \"user_feedback\": \"not_helpful\"}");
	expect_ok(ask("api_tool_call_patch", DEFAULT_ORG, "cli", TOOL_CALL,
		      "{\"user_feedback\":null}", "because"));
	expect("user_feedback", "null");
	assert_int_equal(ask("api_tool_call_patch", DEFAULT_ORG, "cli", TOOL_CALL,
			     "{\"user_feedback\":\"great\"}", NULL),
			 E_INVALID);
	assert_int_equal(ask("api_tool_call_patch", DEFAULT_ORG, "cli", NOBODY, "{}", NULL),
			 E_NOT_FOUND);
	assert_int_equal(ask("api_tool_call_patch", OTHER_ORG, "cli", TOOL_CALL, "{}", NULL),
			 E_NOT_FOUND);
	assert_int_equal(ask("api_tool_call_get", OTHER_ORG, TOOL_CALL), E_NOT_FOUND);
}

static void projects_live_and_go(void **state)
{
	(void)state;
	expect_ok(ask("api_projects_create", DEFAULT_ORG, "cli",
		      "{\"name\":\"p\",\"language\":\"es\"}", "because"));
	const char *id = keep(at("id"));
	expect("settings", "{}");
	expect_audit("create", "project", id);
	assert_int_equal(ask("api_projects_create", DEFAULT_ORG, "cli", "{\"name\":\"p\"}", NULL),
			 E_CONFLICT);
	assert_int_equal(ask("api_projects_create", DEFAULT_ORG, "cli", "{}", NULL), E_INVALID);
	assert_int_equal(ask("api_projects_create", DEFAULT_ORG, "cli",
			     "{\"name\":\"q\",\"language\":\"xx\"}", NULL),
			 E_INVALID);
	expect_ok(ask("api_projects_update", DEFAULT_ORG, "cli", id,
		      "{\"settings\":{\"silence_ms\":5}}", "because"));
	expect("name", "p");
	expect("settings.silence_ms", "5");
	expect_audit("update", "project", id);
	assert_string_equal(sql("select (old #>> '{settings}') || (new #>> '{settings}') from "
				"audit_log order by id desc limit 1"),
			    "{}{\"silence_ms\": 5}");
	expect_ok(ask("api_projects_get", DEFAULT_ORG, id));
	expect("language", "es");
	assert_int_equal(ask("api_projects_get", OTHER_ORG, id), E_NOT_FOUND);
	assert_int_equal(ask("api_projects_get", DEFAULT_ORG, "x"), E_NOT_FOUND);
	expect_ok(ask("api_projects_delete", DEFAULT_ORG, "cli", id, "because"));
	assert_string_not_equal(at("archived_at"), "null");
	expect_audit("archive", "project", id);
	assert_int_equal(ask("api_projects_delete", DEFAULT_ORG, "cli", id, NULL), E_NOT_FOUND);
	assert_int_equal(ask("api_projects_update", DEFAULT_ORG, "cli", id, "{}", NULL),
			 E_NOT_FOUND);
	expect_ok(ask("api_projects_list", DEFAULT_ORG, NULL));
	expect("projects.0.name", "tables");
	expect("projects.1", "-");
	expect_ok(ask("api_projects_list", DEFAULT_ORG, "true"));
	expect("projects.0.name", "p");
}

static void instructions_have_versions(void **state)
{
	(void)state;
	expect_ok(ask("api_instructions_get", DEFAULT_ORG, project));
	expect("current", "null");
	expect_ok(ask("api_instruction_create_version", DEFAULT_ORG, "cli", project,
		      "{\"text\":\"Be kind.\",\"note\":\"first\"}", "because"));
	const char *first = keep(at("id"));
	expect("number", "1");
	expect("sections", "[{\"name\": \"\", \"text\": \"Be kind.\"}]");
	expect("parent", "null");
	expect_audit("create", "instruction_version", first);
	expect_ok(ask("api_instruction_create_version", DEFAULT_ORG, "cli", project,
		      "{\"sections\":[{\"name\":\"Role\",\"text\":\"You "
		      "sell.\"},{\"name\":\"\",\"text\":\"Be quick.\"}]}",
		      "because"));
	const char *second = keep(at("id"));
	expect("number", "2");
	expect("text", "# Role\n\nYou sell.\n\nBe quick.");
	expect("parent", first);
	expect("author", "cli");
	expect_ok(ask("api_instructions_get", DEFAULT_ORG, project));
	expect("current.id", second);
	/* F3: back with one step, by number or id. */
	expect_ok(ask("api_instruction_activate", DEFAULT_ORG, "cli", project, "1", "because"));
	expect("id", first);
	expect_audit("activate", "instruction_version", first);
	expect_ok(ask("api_instruction_versions", DEFAULT_ORG, project, NULL, "1"));
	expect("current", first);
	expect("versions.0.number", "2");
	expect_ok(ask("api_instruction_versions", DEFAULT_ORG, project, at("next_cursor"), "1"));
	expect("versions.0.number", "1");
	expect("next_cursor", "null");
	expect_ok(ask("api_instruction_activate", DEFAULT_ORG, "cli", project, second, "because"));
	assert_int_equal(ask("api_instruction_activate", DEFAULT_ORG, "cli", project, "3", NULL),
			 E_NOT_FOUND);
	assert_int_equal(
		ask("api_instruction_create_version", DEFAULT_ORG, "cli", project, "{}", NULL),
		E_INVALID);
	assert_int_equal(ask("api_instruction_create_version", DEFAULT_ORG, "cli", project,
			     "{\"sections\":[{\"name\":\"x\"}]}", NULL),
			 E_INVALID);
	assert_int_equal(ask("api_instruction_create_version", OTHER_ORG, "cli", project,
			     "{\"text\":\"\"}", NULL),
			 E_NOT_FOUND);
	assert_int_equal(ask("api_instructions_get", OTHER_ORG, project), E_NOT_FOUND);
	assert_int_equal(ask("api_instruction_versions", OTHER_ORG, project, NULL, NULL),
			 E_NOT_FOUND);
}

static void sources_live_and_go(void **state)
{
	(void)state;
	const char *body = arena_printf(
		&arena,
		"{\"name\":\"main\",\"project_id\":\"%s\",\"auth\":[{\"type\":\"open\"}],"
		"\"private_key\":{\"env\":\"CALLMEND_SECRET_K\"},\"assistant_mode\":\"id\","
		"\"assistant_id\":\"a1\"}",
		project);
	expect_ok(ask("api_sources_create", DEFAULT_ORG, "cli", body, "because"));
	const char *id = keep(at("id"));
	expect("dialect", "vapi");
	expect("api_base", "https://api.vapi.ai");
	expect("private_key.env", "CALLMEND_SECRET_K");
	expect_audit("create", "source", id);
	assert_int_equal(ask("api_sources_create", DEFAULT_ORG, "cli", body, NULL), E_CONFLICT);
	assert_int_equal(ask("api_sources_create", OTHER_ORG, "cli", body, NULL), E_INVALID);
	assert_non_null(strstr(buf_z(&answered.text), "project_id"));
	assert_int_equal(ask("api_sources_create", DEFAULT_ORG, "cli", "{\"name\":\"x\"}", NULL),
			 E_INVALID);
	expect_ok(ask("api_sources_update", DEFAULT_ORG, "cli", id,
		      "{\"private_key\":null,\"upstream_url\":\"http://u/"
		      "\",\"settings\":{\"silence_ms\":1}}",
		      "because"));
	expect("private_key", "null");
	expect("upstream_url", "http://u/");
	expect("assistant_id", "a1");
	expect("auth.0.type", "open");
	expect_audit("update", "source", id);
	sql("update calls set source_id = '%s' where id = '" CALL_1 "'", id);
	sql("insert into call_events (call_id, seq, day, org_id, type, at, data, arrived_at) "
	    "values ('" CALL_1 "', 99,"
	    " (now() at time zone 'UTC')::date, '" DEFAULT_ORG "', 'provider.warning', now(),"
	    " '{\"warning\": \"no transcript\", \"advice\": \"subscribe\"}', now())");
	expect_ok(ask("api_sources_get", DEFAULT_ORG, id));
	expect("last_call_at", "2026-11-20T10:00:00.000000Z");
	expect("warnings.0.warning", "no transcript");
	expect("warnings.0.advice", "subscribe");
	sql("delete from call_events where seq = 99");
	/* A project in use stays. */
	assert_int_equal(ask("api_projects_delete", DEFAULT_ORG, "cli", project, NULL), E_INVALID);
	expect_ok(ask("api_sources_list", DEFAULT_ORG, NULL));
	expect("sources.0.name", "main");
	assert_int_equal(ask("api_sources_get", OTHER_ORG, id), E_NOT_FOUND);
	assert_int_equal(ask("api_sources_update", OTHER_ORG, "cli", id, "{}", NULL), E_NOT_FOUND);
	assert_int_equal(ask("api_sources_delete", OTHER_ORG, "cli", id, NULL), E_NOT_FOUND);
	expect_ok(ask("api_sources_delete", DEFAULT_ORG, "cli", id, "because"));
	expect_audit("archive", "source", id);
	expect_ok(ask("api_sources_list", DEFAULT_ORG, NULL));
	expect("sources", "[]");
	/* The name is free again. */
	expect_ok(ask("api_sources_create", DEFAULT_ORG, "cli", body, NULL));
	expect("connect", "null");
	/* A session with the platform, whose API is its dialect's unless said otherwise. */
	expect_ok(ask("api_sources_create", DEFAULT_ORG, "cli",
		      arena_printf(&arena,
				   "{\"name\":\"main\",\"dialect\":\"ringcentral\",\"project_id\":"
				   "\"%s\",\"connect\":{\"client_id\":\"c\"}}",
				   project),
		      NULL));
	const char *other = keep(at("id"));
	expect("api_base", "https://platform.ringcentral.com");
	expect("connect.client_id", "c");
	expect_ok(ask("api_sources_update", DEFAULT_ORG, "cli", other, "{\"name\":\"b\"}", NULL));
	expect("connect.client_id", "c");
	expect_ok(ask("api_sources_update", DEFAULT_ORG, "cli", other, "{\"connect\":null}", NULL));
	expect("connect", "null");
	expect_ok(ask("api_sources_delete", DEFAULT_ORG, "cli", other, NULL));
	expect_ok(ask("api_sources_list", DEFAULT_ORG, NULL));
	expect_ok(ask("api_sources_delete", DEFAULT_ORG, "cli", keep(at("sources.0.id")), NULL));
}

static void tools_live_and_go(void **state)
{
	(void)state;
	const char *body = arena_printf(
		&arena,
		"{\"name\":\"search\",\"project_id\":\"%s\",\"url\":\"http://t/"
		"\",\"headers\":[{\"name\":\"a\",\"value\":"
		"\"b\"}],\"success\":{\"empty_path\":\"items\"},\"fallback\":\"Sorry.\"}",
		project);
	expect_ok(ask("api_tools_create", DEFAULT_ORG, "cli", body, "because"));
	const char *id = keep(at("id"));
	expect("method", "POST");
	expect("timeout_ms", "10000");
	expect_audit("create", "tool", id);
	assert_int_equal(ask("api_tools_create", DEFAULT_ORG, "cli", body, NULL), E_CONFLICT);
	/* B1: never longer than 15 s. */
	assert_int_equal(
		ask("api_tools_update", DEFAULT_ORG, "cli", id, "{\"timeout_ms\":15001}", NULL),
		E_INVALID);
	expect_ok(ask("api_tools_update", DEFAULT_ORG, "cli", id,
		      "{\"timeout_ms\":15000,\"headers\":[]}", "because"));
	expect("timeout_ms", "15000");
	expect("headers", "[]");
	expect("success.empty_path", "items");
	expect_audit("update", "tool", id);
	expect_ok(ask("api_tools_list", DEFAULT_ORG, project, NULL));
	expect("tools.0.id", id);
	expect_ok(ask("api_tools_list", DEFAULT_ORG, NULL, NULL));
	expect("tools.0.id", id);
	expect_ok(ask("api_tools_list", DEFAULT_ORG, NOBODY, NULL));
	expect("tools", "[]");
	expect_ok(ask("api_tools_get", DEFAULT_ORG, id));
	assert_int_equal(ask("api_tools_get", OTHER_ORG, id), E_NOT_FOUND);
	expect_ok(ask("api_tools_delete", DEFAULT_ORG, "cli", id, "because"));
	expect_audit("archive", "tool", id);
	assert_int_equal(ask("api_tools_delete", DEFAULT_ORG, "cli", id, NULL), E_NOT_FOUND);
}

static int make_tool(const char *owner, const char *name)
{
	return ask("api_tools_create", DEFAULT_ORG, "cli",
		   arena_printf(&arena,
				"{\"name\":\"%s\",\"project_id\":\"%s\",\"url\":\"http://t/\"}",
				name, owner),
		   NULL);
}

/* More than a BIND record takes would make the project's calls unreadable. */
static void a_project_has_so_many_tools_and_no_more(void **state)
{
	(void)state;
	const char *limit = arena_printf(&arena, "%d", SETTINGS_TOOLS_MAX);
	const char *full = keep(sql("insert into projects (org_id, name) values ('" DEFAULT_ORG
				    "', 'full') returning id"));
	sql("insert into tool_definitions (org_id, project_id, name, url) select '" DEFAULT_ORG
	    "', '%s', 'tool ' || n, 'http://t/' from generate_series(2, %d) n",
	    full, SETTINGS_TOOLS_MAX);
	expect_ok(make_tool(full, "the last"));
	const char *id = keep(at("id"));
	const char *audited = keep(sql("select count(*) from audit_log"));
	assert_int_equal(make_tool(full, "one more"), E_INVALID);
	assert_non_null(strstr(buf_z(&answered.text), "project_id: "));
	assert_non_null(strstr(buf_z(&answered.text), limit));
	assert_string_equal(
		sql("select count(*) from tool_definitions where project_id = '%s'", full), limit);
	assert_string_equal(sql("select count(*) from audit_log"), audited);
	/* Neither those put away nor those of others count. */
	expect_ok(make_tool(project, "elsewhere"));
	expect_ok(ask("api_tools_delete", DEFAULT_ORG, "cli", id, NULL));
	expect_ok(make_tool(full, "one more"));
	assert_int_equal(make_tool(full, "and another"), E_INVALID);
	assert_int_equal(make_tool(NOBODY, "lost"), E_INVALID);
	assert_non_null(strstr(buf_z(&answered.text), "no such project"));
}

/* Two askers at the last free place: the second waits for the first and then sees its tool. */
struct maker {
	pthread_t thread;
	const char *url, *body;
	int code;
	struct fault why;
};

static void *make_in_thread(void *arg)
{
	struct maker *m = arg;
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { DEFAULT_ORG, "cli", m->body, NULL };
	m->code = store_query_once(m->url, "api_tools_create", params, 4, &out, &m->why);
	return NULL;
}

static void two_makers_of_the_last_tool(void **state)
{
	(void)state;
	struct maker makers[2] = { 0 };
	char name[8];
	const char *almost = keep(sql("insert into projects (org_id, name) values ('" DEFAULT_ORG
				      "', 'almost full') returning id"));
	sql("insert into tool_definitions (org_id, project_id, name, url) select '" DEFAULT_ORG
	    "', '%s', 'tool ' || n, 'http://t/' from generate_series(2, %d) n",
	    almost, SETTINGS_TOOLS_MAX);
	/* Whoever inserts has counted before, and is held at a gate until both have come this far:
	 * as far as they get. */
	sql("create table gate (); create function at_gate() returns trigger language plpgsql as "
	    "$$ begin lock table gate in share mode; return new; end $$;"
	    " create trigger at_gate before insert on tool_definitions for each row execute "
	    "function at_gate()");
	struct held_lock *lock = sql_lock("gate");
	for (size_t i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "t%zu", i);
		makers[i].url = fixture_url();
		makers[i].body = arena_printf(
			&arena, "{\"name\":\"%s\",\"project_id\":\"%s\",\"url\":\"http://t/\"}",
			name, almost);
		assert_int_equal(
			pthread_create(&makers[i].thread, NULL, make_in_thread, &makers[i]), 0);
	}
	assert_true(
		sql_becomes_true("select count(*) = 2 from pg_stat_activity where wait_event_type "
				 "= 'Lock' and query like '-- write: makes a tool%'"));
	sql_unlock(lock);
	for (size_t i = 0; i < 2; i++)
		pthread_join(makers[i].thread, NULL);
	sql("drop trigger at_gate on tool_definitions; drop function at_gate; drop table gate");
	const struct maker *second = makers[0].code ? &makers[0] : &makers[1];
	assert_int_equal(makers[0].code + makers[1].code, E_INVALID);
	assert_non_null(strstr(second->why.text, "it may have no more"));
	assert_string_equal(
		sql("select count(*) from tool_definitions where project_id = '%s'", almost),
		arena_printf(&arena, "%d", SETTINGS_TOOLS_MAX));
}

/* --- a part of a text among many calls --- */

#define MANY_ORG "00000000-0000-7000-8000-0000000000ee"

static void fill_many_calls(void)
{
	sql("insert into organisations (id, name) values ('" MANY_ORG "', 'many')");
	sql("insert into calls (id, org_id, conversation_id, provider_call_id, status, live, "
	    "started_at, customer, customer_number, summary, last_seq)"
	    " select md5('call' || n)::uuid, '" MANY_ORG "', md5('conversation' || n)::uuid, "
	    "'many-' || n, 'ended', false, '2026-01-01Z'::timestamptz + n * interval '1 minute',"
	    " jsonb_build_object('name', 'Name ' || md5('name' || n)), '+1' || 5550000000 + n,"
	    " 'About ' || md5('summary' || n), n from generate_series(1, 20000) n");
	sql("insert into conversations (id, org_id, customer_number, started_at, last_at)"
	    " select conversation_id, org_id, customer_number, started_at, started_at from calls "
	    "where org_id = '" MANY_ORG "'");
	sql("insert into messages (conversation_id, call_id, seq, org_id, role, text, at)"
	    " select md5('conversation' || n)::uuid, md5('call' || n)::uuid, m, '" MANY_ORG "', "
	    "'user', 'They said ' || md5('text' || n || m), now()"
	    " from generate_series(1, 20000) n, generate_series(1, 3) m");
	/* What autovacuum does: without it the indexes are lists of what is still to be put in. */
	sql("vacuum analyze calls, messages, conversations");
	sql("create function plan_of(what text) returns text language plpgsql as $$ declare line "
	    "text; whole text := ''; begin"
	    " for line in execute 'explain ' || what loop whole := whole || line; end loop;"
	    " return whole; end $$");
}

static const char *plan(const char *name, const char *params)
{
	return sql("set plan_cache_mode = force_custom_plan; prepare q as %s; select "
		   "plan_of($$execute q(%s)$$)",
		   sql_find(name)->text, params);
}

static void a_part_of_a_text_uses_its_index(void **state)
{
	(void)state;
	static const struct {
		const char *query, *params, *indexes[3];
	} cases[] = {
		{ "api_calls_list",
		  "'" MANY_ORG
		  "',null,null,null,null,null,'5550012345',null,null,null,null,null,null",
		  { "calls_customer_part", "calls_customer_name_part" } },
		{ "api_calls_list",
		  "'" MANY_ORG
		  "',null,null,null,null,null,null,null,null,'0f3c9a2b77',null,null,null",
		  { "calls_summary_part", "messages_text_part" } },
		{ "api_conversations_list",
		  "'" MANY_ORG "',null,'5550012345',null,null,null,null",
		  { "conversations_customer_part" } },
	};
	fill_many_calls();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = plan(cases[i].query, cases[i].params);
		for (const char *const *index = cases[i].indexes; *index; index++)
			if (!strstr(got, *index))
				fail_msg("%s does not use %s: %s", cases[i].params, *index, got);
	}
	/* The test can say no: nothing asked for, nothing used. */
	assert_null(
		strstr(plan("api_calls_list", "'" MANY_ORG "',null,null,null,null,null,null,null,"
					      "null,null,null,null,null"),
		       "_part"));
}

/* Also when the same connection has asked often, and PostgreSQL would rather keep one plan. */
static void the_index_is_used_again_and_again(void **state)
{
	enum { TIMES = 12 };
	struct store *all = store;
	struct store_config config = { .connections = 1,
				       .url = fixture_url(),
				       .state_dir = fixture.dir };
	const char *params[13] = { MANY_ORG };
	(void)state;
	sql("select pg_stat_reset()");
	assert_ok(store_new(&store, &config, &oops));
	params[6] = "5550012345";
	for (int i = 0; i < TIMES; i++) {
		expect_ok(ask_n("api_calls_list", params, 13));
		expect("calls.0.provider_call_id", "many-12345");
		expect("calls.1", "-");
	}
	store_free(store);
	store = all;
	assert_true(sql_becomes_true("select idx_scan >= 12 from pg_stat_user_indexes where "
				     "indexrelname = 'calls_customer_part'"));
}

static void a_part_is_taken_as_it_is(void **state)
{
	(void)state;
	static const char *const wild[] = { "%", "_", "\\", "%5550012345", "555001234_" };
	const char *params[13] = { MANY_ORG };
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		params[6] = wild[i];
		expect_ok(ask_n("api_calls_list", params, 13));
		expect("calls", "[]");
	}
	params[6] = NULL;
	params[9] = "THEY said"; /* no regard to case; every call has it */
	params[11] = "2";
	expect_ok(ask_n("api_calls_list", params, 13));
	expect("calls.1.provider_call_id", "many-19999");
	expect("calls.2", "-");
}

/* --- conversations --- */

static void conversations_are_listed_and_found(void **state)
{
	(void)state;
	const char *params[7] = { MANY_ORG };
	params[6] = "1";
	expect_ok(ask_n("api_conversations_list", params, 7));
	expect("conversations.0.customer_number", "+15550020000");
	expect("conversations.0.call_count", "1");
	expect("conversations.0.message_count", "3");
	expect("conversations.1", "-");
	params[5] = keep(at("next_cursor"));
	expect_ok(ask_n("api_conversations_list", params, 7));
	expect("conversations.0.customer_number", "+15550019999");
	params[5] = "nonsense";
	assert_int_equal(ask_n("api_conversations_list", params, 7), E_INVALID);
	params[5] = NULL;
	params[2] = "5550012345";
	expect_ok(ask_n("api_conversations_list", params, 7));
	expect("next_cursor", "null");
	const char *id = keep(at("conversations.0.id"));
	expect_ok(ask("api_conversation_get", MANY_ORG, id, NULL, "2"));
	expect("id", id);
	expect("calls.0.provider_call_id", "many-12345");
	expect("calls.1", "-");
	expect("messages.1.seq", "2");
	expect("messages.2", "-");
	expect_ok(ask("api_conversation_get", MANY_ORG, id, keep(at("next_cursor")), "2"));
	expect("messages.0.seq", "3");
	expect("next_cursor", "null");
	assert_int_equal(ask("api_conversation_get", MANY_ORG, id, "!!", "2"), E_INVALID);
	assert_int_equal(ask("api_conversation_get", DEFAULT_ORG, id, NULL, NULL), E_NOT_FOUND);
	assert_int_equal(ask("api_conversation_get", MANY_ORG, NOBODY, NULL, NULL), E_NOT_FOUND);
	params[0] = DEFAULT_ORG;
	expect_ok(ask_n("api_conversations_list", params, 7));
	expect("conversations", "[]");
}

static void tokens_live_and_go(void **state)
{
	(void)state;
	static const char hash[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	expect_ok(ask("api_tokens_create", DEFAULT_ORG, "cli", "ops", "admin", hash,
		      "2030-01-01T00:00:00Z", "because"));
	const char *id = keep(at("id"));
	expect("role", "admin");
	expect("expires_at", "2030-01-01T00:00:00.000000Z");
	expect_audit("create", "token", id);
	/* Neither answer nor audit log holds the hash. */
	assert_null(strstr(buf_z(&answered.text), "0123456789abcdef"));
	assert_string_equal(
		sql("select count(*) from audit_log where new::text like '%%0123456789abcdef%%'"),
		"0");
	assert_int_equal(
		ask("api_tokens_create", DEFAULT_ORG, "cli", "ops2", "admin", hash, NULL, NULL),
		E_CONFLICT);
	assert_int_equal(ask("api_tokens_create", DEFAULT_ORG, "cli", "x", "god", "00", NULL, NULL),
			 E_INVALID);
	assert_int_equal(
		ask("api_tokens_create", DEFAULT_ORG, "cli", "x", "admin", "zz", NULL, NULL),
		E_INVALID);
	expect_ok(ask("api_whoami", id));
	expect("token.name", "ops");
	expect("org.name", "default");
	expect_ok(ask("api_tokens_used", id));
	expect("noted", "true");
	expect_ok(ask("api_tokens_used", id));
	expect("noted", "false");
	expect_ok(ask("api_tokens_list", DEFAULT_ORG, NULL));
	expect("tokens.0.name", "ops");
	assert_int_equal(ask("api_tokens_revoke", OTHER_ORG, "cli", id, NULL), E_NOT_FOUND);
	expect_ok(ask("api_tokens_revoke", DEFAULT_ORG, "cli", id, "because"));
	expect_audit("revoke", "token", id);
	assert_int_equal(ask("api_tokens_revoke", DEFAULT_ORG, "cli", id, NULL), E_NOT_FOUND);
	assert_int_equal(ask("api_whoami", id), E_NOT_FOUND);
	expect_ok(ask("api_tokens_list", DEFAULT_ORG, NULL));
	expect("tokens", "[]");
	expect_ok(ask("api_tokens_list", DEFAULT_ORG, "true"));
	expect("tokens.0.name", "ops");
}

static void audit_and_quarantine_are_listed(void **state)
{
	(void)state;
	expect_ok(ask("api_audit_list", DEFAULT_ORG, "tool_call", TOOL_CALL, "cli", NULL, NULL,
		      NULL, "2"));
	expect("entries.0.action", "feedback");
	expect("entries.0.new.user_feedback", "null");
	expect("entries.1.object_kind", "tool_call");
	expect_ok(ask("api_audit_list", DEFAULT_ORG, "tool_call", NULL, NULL, NULL, NULL,
		      at("next_cursor"), "2"));
	expect("entries.0.old.user_feedback", "null");
	expect("entries.1", "-");
	expect_ok(ask("api_audit_list", OTHER_ORG, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
	expect("entries", "[]");
	expect_ok(ask("api_quarantine_list", DEFAULT_ORG, NULL, NULL, NULL, "1"));
	expect("entries.0.body", "abc");
	expect_ok(ask("api_quarantine_list", DEFAULT_ORG, NULL, NULL, at("next_cursor"), "1"));
	expect("entries.0.body", "{\\377");
	expect("entries.0.bytes", "2");
	expect_ok(ask("api_quarantine_list", DEFAULT_ORG, "row_event", NULL, NULL, NULL));
	expect("entries.1", "-");
}

static void nobody_edits_the_audit_log(void **state)
{
	(void)state;
	const char *before = sql(
		"select count(*) || ' ' || count(*) filter (where actor = 'cli') from audit_log");
	assert_string_equal(
		sql("do $$ begin update audit_log set actor = 'x'; exception when others then "
		    "null; end $$;"
		    "do $$ begin delete from audit_log; exception when others then null; end $$;"
		    "select count(*) || ' ' || count(*) filter (where actor = 'cli') from "
		    "audit_log"),
		before);
}

/* --- analytics (B4) --- */

static void analytics_of_calls(void **state)
{
	(void)state;
	expect_ok(ask("api_analytics_calls", DEFAULT_ORG, NULL, NULL, NULL, NULL, NULL));
	expect("total.calls", "3");
	expect("total.live", "1");
	expect("total.average_duration_ms", "90000");
	expect("total.by_status.ended", "2");
	expect("total.by_outcome.booked", "1");
	expect("total.by_ended_class.customer", "1");
	expect("total.by_sentiment.frustrated", "1");
	expect("total.tool_errors", "1");
	expect("days.0.day", "2026-11-20");
	expect("days.0.calls", "1");
	expect("days.1.by_status.in-progress", "1");
	expect("days.2", "-");
	expect_ok(ask("api_analytics_calls", DEFAULT_ORG, "2026-11-21T00:00:00Z", NULL, "ended",
		      NULL, NULL));
	expect("total.calls", "1");
	expect("total.by_outcome", "{}");
	expect_ok(ask("api_analytics_calls", DEFAULT_ORG, NULL, NULL, NULL, "search", NULL));
	expect("total.calls", "1");
	expect_ok(ask("api_analytics_calls", DEFAULT_ORG, NULL, NULL, NULL, NULL, project));
	expect("total.calls", "2");
	/* No calls at all: zeros, not nothing. */
	expect_ok(ask("api_analytics_calls", NOBODY, NULL, NULL, NULL, NULL, NULL));
	expect("total.calls", "0");
	expect("total.average_duration_ms", "null");
	expect("days", "[]");
}

static void analytics_of_tools(void **state)
{
	(void)state;
	expect_ok(ask("api_analytics_tools", DEFAULT_ORG, NULL, NULL, NULL, NULL, NULL));
	expect("total.calls", "3");
	expect("total.finished", "2");
	expect("total.success_rate", "0.5000");
	expect("total.errors.found nothing", "1");
	expect("tools.0.tool", "book");
	expect("tools.0.success_rate", "null");
	expect("tools.1.tool", "search");
	expect("tools.1.fallback", "1");
	expect("tools.1.p50_ms", "200");
	expect("tools.1.p95_ms", "290");
	expect("tools.1.corrected", "1");
	expect("tools.1.feedback.helpful", "0");
	expect_ok(ask("api_analytics_tools", DEFAULT_ORG, NULL, NULL, "ended", "book", project));
	expect("total.calls", "1");
	expect("tools.1", "-");
	expect_ok(ask("api_analytics_tools", NOBODY, NULL, NULL, NULL, NULL, NULL));
	expect("total.calls", "0");
	expect("total.errors", "{}");
	expect("tools", "[]");
}

/* --- the asking itself --- */

/* Whatever is in the folder is at least valid SQL for this schema. */
static void every_query_can_be_prepared(void **state)
{
	(void)state;
	for (size_t i = 0; i < sql_queries_n; i++) {
		const char *failed = sql("prepare q as %s; select 'ok'", sql_queries[i].text);
		if (strcmp(failed, "ok") != 0)
			fail_msg("%s", sql_queries[i].name);
	}
	assert_non_null(sql_find("api_calls_list"));
	assert_null(sql_find("api_nothing"));
	assert_true(sql_is_read(sql_find("api_calls_list")));
	assert_false(sql_is_read(sql_find("api_projects_create")));
}

static void one_query_without_threads(void **state)
{
	(void)state;
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { DEFAULT_ORG, "vapi-1" };
	assert_ok(store_query_once(fixture_url(), "api_call_get", params, 2, &out, &oops));
	assert_non_null(strstr(buf_z(&out), CALL_1));
	params[1] = "none";
	assert_int_equal(store_query_once(fixture_url(), "api_call_get", params, 2, &out, &oops),
			 E_NOT_FOUND);
	assert_int_equal(store_query_once("host=/nowhere", "api_call_get", params, 2, &out, &oops),
			 E_UNAVAILABLE);
}

static void connections_that_were_ended_are_replaced(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		sql("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where "
		    "application_name = 'callmend'");
		expect_ok(ask("api_call_get", DEFAULT_ORG, CALL_1));
	}
}

/* A connection ended while the query runs: a reading one is asked again, a changing one is not. */
static void connection_ended_during_a_query(void **state)
{
	(void)state;
	sql("create function cut_once() returns trigger language plpgsql as $$ begin"
	    " perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(5); return new; end "
	    "$$");
	sql("create trigger cut before insert on projects for each row execute function "
	    "cut_once()");
	assert_int_equal(
		ask("api_projects_create", DEFAULT_ORG, "cli", "{\"name\":\"never\"}", NULL),
		E_UNAVAILABLE);
	sql("drop trigger cut on projects");
	expect_ok(ask("api_projects_list", DEFAULT_ORG, NULL));
	assert_string_equal(sql("select count(*) from projects where name = 'never'"), "0");
}

/* The table is locked by somebody else: the connections hold one query each, the queue fills up
 * behind them. */
static void too_many_waiting_are_refused(void **state)
{
	(void)state;
	enum { MANY = 20, MOST = 2 + 4 }; /* connections and max_waiting */
	static struct question questions[MANY];
	const char *params[] = { DEFAULT_ORG, CALL_1 };
	int taken = 0, full = 0;
	struct held_lock *lock = sql_lock("calls");
	for (int i = 0; i < MANY; i++) {
		sem_init(&questions[taken].done, 0, 0);
		int rc = store_query(store, shards_at(shards, 0), "api_call_get", params, 2,
				     on_done, &questions[taken]);
		taken += rc == 0;
		full += rc == E_FULL;
	}
	assert_int_equal(taken + full, MANY);
	assert_in_range(taken, 4, MOST);
	sql_unlock(lock);
	for (int i = 0; i < taken; i++) {
		wait_for(&questions[i]);
		assert_int_equal(questions[i].code, 0);
		buf_free(&questions[i].text);
	}
}

static void away_is_told_at_once(void **state)
{
	(void)state;
	kill(cluster_pid(fixture.cluster), SIGKILL);
	while (cluster_alive(fixture.cluster))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	cluster_stop(fixture.cluster);
	fixture.cluster = NULL;
	int64_t until = clock_monotonic_us() + 20 * SECOND_US;
	/* A server process may outlive its postmaster by a moment and go on answering one of the
	 * connections. */
	for (int in_a_row = 0; in_a_row < 200;) {
		int code = ask("api_call_get", DEFAULT_ORG, CALL_1);
		assert_true(code == 0 || code == E_UNAVAILABLE);
		assert_true(answered.text.n > 0);
		assert_true(clock_monotonic_us() < until);
		in_a_row = code == 0 ? 0 : in_a_row + 1;
	}
	/* And it comes back by itself. */
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	while (ask("api_call_get", DEFAULT_ORG, CALL_1) == E_UNAVAILABLE)
		assert_true(clock_monotonic_us() < until + 20 * SECOND_US);
	expect("id", CALL_1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_query_can_be_prepared),
		cmocka_unit_test(calls_are_listed_newest_first),
		cmocka_unit_test(calls_are_filtered),
		cmocka_unit_test(pages_of_calls_follow_each_other),
		cmocka_unit_test(bad_filters_are_refused_with_a_reason),
		cmocka_unit_test(a_call_is_found_by_either_id),
		cmocka_unit_test(events_come_in_pages),
		cmocka_unit_test(transcripts_hold_the_latest_revision),
		cmocka_unit_test(tools_and_commands_of_a_call),
		cmocka_unit_test(tool_calls_take_feedback),
		cmocka_unit_test(projects_live_and_go),
		cmocka_unit_test(instructions_have_versions),
		cmocka_unit_test(sources_live_and_go),
		cmocka_unit_test(tools_live_and_go),
		cmocka_unit_test(a_project_has_so_many_tools_and_no_more),
		cmocka_unit_test(two_makers_of_the_last_tool),
		cmocka_unit_test(tokens_live_and_go),
		cmocka_unit_test(audit_and_quarantine_are_listed),
		cmocka_unit_test(nobody_edits_the_audit_log),
		cmocka_unit_test(analytics_of_calls),
		cmocka_unit_test(analytics_of_tools),
		cmocka_unit_test(a_part_of_a_text_uses_its_index),
		cmocka_unit_test(the_index_is_used_again_and_again),
		cmocka_unit_test(a_part_is_taken_as_it_is),
		cmocka_unit_test(conversations_are_listed_and_found),
		cmocka_unit_test(one_query_without_threads),
		cmocka_unit_test(connections_that_were_ended_are_replaced),
		cmocka_unit_test(connection_ended_during_a_query),
		cmocka_unit_test(too_many_waiting_are_refused),
		cmocka_unit_test(away_is_told_at_once),
	};
	return cmocka_run_group_tests_name("store_query", tests, start, stop);
}
