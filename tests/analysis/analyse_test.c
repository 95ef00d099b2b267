/* Analysts on a real PostgreSQL: claim, load, understand, store. Two never take the same call; a
 * lost lease stores nothing; a bad call fails alone; late news is analysed once more; rules that
 * changed, too. */
#include "tests/store/store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analyse.h"
#include "analysis/understand.h"

#define PROJECT "20000000-0000-7000-8000-000000000001"
#define SECOND_PROJECT "20000000-0000-7000-8000-000000000002"
#define VERSION "21000000-0000-7000-8000-000000000001"

static struct store_link *db;

static struct job_context context_of(struct store_link *link, const char *owner)
{
	return (struct job_context){ .db = link, .owner = owner, .lease_ms = 60000 };
}

static unsigned analyse(const char *owner)
{
	struct job_context job = context_of(db, owner);
	unsigned done = 0;
	assert_ok(analyse_batch(&job, ANALYSE_BATCH, &done, &oops));
	return done;
}

static void analyse_all(void)
{
	while (analyse("a1"))
		;
}

/* --- data --- */

static const char *call_id(unsigned i)
{
	static _Thread_local char id[4][40];
	static _Thread_local unsigned next;
	next = (next + 1) % 4;
	snprintf(id[next], sizeof(id[next]), "10000000-0000-5000-8000-%012u", i);
	return id[next];
}

/* A caller who is asked for the email address and gives it, or not. */
static void add_call(unsigned i, const char *answer)
{
	const char *id = call_id(i);
	sql("insert into calls (id, org_id, project_id, conversation_id, provider_call_id, status, "
	    "live, "
	    "started_at, ended_at, duration_ms, ended_reason, ended_class, customer_number, "
	    "last_seq) "
	    "values ('%s', '" DEFAULT_ORG "', '" PROJECT
	    "', '%s', 'vapi-%u', 'ended', false, now() - "
	    "interval '5 minutes', now(), 60000, 'customer-ended-call', 'customer', '+1555%u', "
	    "100)",
	    id, id, i, i);
	sql("insert into call_events (call_id, seq, day, org_id, type, speaker, text, is_final, "
	    "at, "
	    "offset_ms, data, arrived_at) select '%s', s, (now() at time zone 'UTC')::date, "
	    "'" DEFAULT_ORG "', t, p, x, true, now(), s * 100, d::jsonb, now() from (values "
	    "(10, 'turn', 'ai', 'Hello, what is your email address?', '{\"turn\": 0, \"revision\": "
	    "0}'),"
	    "(20, 'transcript.partial', 'user', 'It is', '{}'),"
	    "(30, 'turn', 'user', $$Uh$$, '{\"turn\": 1, \"revision\": 0}'),"
	    "(40, 'turn', 'user', $$%s$$, '{\"turn\": 1, \"revision\": 1}'),"
	    "(50, 'signal', 'user', null, '{\"signal\": \"frustration\", \"score\": 70, \"state\": "
	    "\"raised\", \"evidence\": [{\"seq\": 40, \"at_ms\": 4000, \"text\": \"x\"}]}'),"
	    "(60, 'signal', 'user', null, '{\"signal\": \"frustration\", \"score\": 10, \"state\": "
	    "\"cleared\", \"evidence\": []}')) v(s, t, p, x, d)",
	    id, answer);
}

static void due(void)
{
	sql("update jobs set run_at = now() - interval '1 second' where kind = 'analyse' and state "
	    "= "
	    "'queued'");
}

static int empty_tables(void **state)
{
	(void)state;
	sql("truncate calls, call_events, messages, tool_calls, interventions, jobs, "
	    "call_outcomes, "
	    "call_analyses, captured_values, call_tags, search_failures, webhook_deliveries, "
	    "notifications");
	sql("update projects set fields = '[{\"name\": \"email\", \"label\": \"email address\", "
	    "\"type\": "
	    "\"email\"}]', success_rule = '{}', tags = '[]', language = 'en'");
	return 0;
}

static int start(void **state)
{
	if (fixture_start_migrated(state))
		return -1;
	sql("select callmend_partition((now() at time zone 'UTC')::date)");
	sql("insert into projects (id, org_id, name) values ('" PROJECT "', '" DEFAULT_ORG
	    "', 'p')");
	sql("insert into instructions (id, org_id, project_id) values ('" VERSION "', '" DEFAULT_ORG
	    "', '" PROJECT "')");
	sql("insert into instruction_versions (id, org_id, project_id, instruction_id, number, "
	    "sections, "
	    "text, author) values ('" VERSION "', '" DEFAULT_ORG "', '" PROJECT "', '" VERSION
	    "', 1, '[]', E'Be nice to {{name}}, whoever that may be.\n', 'cli')");
	return store_link_new(&db, fixture_url(), &oops);
}

static int stop(void **state)
{
	store_link_free(db);
	return fixture_stop(state);
}

/* --- what is stored --- */

static void a_finished_call_is_analysed(void **state)
{
	(void)state;
	add_call(1, "It is anna@example.com, for a birthday");
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "1");
	assert_int_equal(analyse("a1"), 0); /* the grace for its report is not over */
	due();
	assert_int_equal(analyse("a1"), 1);
	assert_string_equal(sql("select concat_ws(' ', outcome, outcome_by, cause_class, eligible, "
				"fields_wanted, fields_captured, frustrated, caller, last_seq) "
				"from call_analyses where call_id = '%s'",
				call_id(1)),
			    "success fields none t 1 1 t +15551 100");
	assert_string_equal(sql("select concat_ws(' ', state, value, how, seq, offset_ms) from "
				"captured_values where field = 'email'"),
			    "captured anna@example.com answer 40 3000");
	assert_string_equal(
		sql("select concat_ws(' ', confidence, seq) from call_tags where category = "
		    "'occasion' and tag = 'birthday'"),
		"0.9 40");
	assert_string_equal(sql("select doc->'signals'->0->>'score' from call_analyses"), "70");
	assert_string_equal(sql("select jsonb_array_length(doc->'signals') from call_analyses"),
			    "1");
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
	assert_string_equal(
		sql("select concat_ws(' ', kind, key, run_at > now() + interval '1 second') "
		    "from jobs"),
		"detect " PROJECT " t");
	assert_int_equal(analyse("a1"), 0);
}

static void rules_versions_agree_with_the_database(void **state)
{
	(void)state;
	sql("insert into tool_definitions (org_id, project_id, name, url, search_argument) values "
	    "('" DEFAULT_ORG "', '" PROJECT "', 'stock', 'http://127.0.0.1/', 'what')");
	sql("update projects set success_rule = '{\"success\": [{\"field\": \"email\"}], "
	    "\"failure\": "
	    "[{\"phrase\": \"ñandú «x»\"}]}', tags = '[{\"tag\": \"a\", \"phrases\": [\"b\"]}]'");
	add_call(1, "anna@example.com");
	due();
	analyse_all();
	assert_string_equal(sql("select a.rules_version = '%d-' || callmend_rules_hash(p) from "
				"call_analyses a, projects p",
				UNDERSTAND_VERSION),
			    "t");
	sql("delete from tool_definitions");
}

static void tools_searches_and_versions_are_loaded(void **state)
{
	(void)state;
	add_call(1, "Do you have tofu?");
	sql("insert into tool_definitions (org_id, project_id, name, url, search_argument) values "
	    "('" DEFAULT_ORG "', '" PROJECT "', 'stock', 'http://127.0.0.1/', 'what')");
	sql("insert into tool_calls (id, org_id, project_id, call_id, tool, arguments, "
	    "arguments_before, "
	    "requested_at, success, error, requested_seq) select "
	    "'40000000-0000-5000-8000-000000000001', '" DEFAULT_ORG "', '" PROJECT
	    "', id, 'stock', '{\"what\": \"bean curd\"}', '{\"what\": \"Tofu, please\"}', "
	    "started_at + interval '4 s', false, 'nothing found', 45 from calls");
	sql("insert into messages (conversation_id, call_id, seq, org_id, role, text, at) select "
	    "id, id, 5, '" DEFAULT_ORG
	    "', 'system', 'Be nice to Mike, whoever that may be.', now() from calls");
	due();
	analyse_all();
	assert_string_equal(sql("select concat_ws('|', tool, term, query, context, empty) from "
				"search_failures"),
			    "stock|tofu please|Tofu, please|Do you have tofu?|t");
	assert_string_equal(sql("select instruction_version from call_analyses"), VERSION);
	assert_string_equal(sql("select tool_failures from call_analyses"), "1");
	sql("delete from tool_definitions");
}

static void messages_serve_when_events_are_gone(void **state)
{
	(void)state;
	add_call(1, "x");
	sql("delete from call_events");
	sql("insert into messages (conversation_id, call_id, seq, org_id, role, speaker, text, at) "
	    "select id, "
	    "id, s, '" DEFAULT_ORG
	    "', r, null, x, now() from calls, (values (7, 'assistant', 'Your email "
	    "address please?'), (8, 'user', 'anna@example.com'), (9, 'tool-result', '{}')) v(s, r, "
	    "x)");
	sql("update messages set at = started_at + seq * interval '1 s' from calls where id = "
	    "call_id");
	due();
	analyse_all();
	assert_string_equal(
		sql("select concat_ws(' ', value, seq, offset_ms) from captured_values"),
		"anna@example.com 8 8000");
}

/* A quote of a failed tool is where its error is told, not where it was asked. */
static void failures_are_placed_where_they_are_told(void **state)
{
	(void)state;
	add_call(1, "x");
	sql("insert into tool_calls (id, org_id, project_id, call_id, tool, requested_at, success, "
	    "error, requested_seq, finished_seq) select gen_random_uuid(), '" DEFAULT_ORG
	    "', '" PROJECT "', id, 'book', started_at + s * interval '100 ms', false, e, s, s + 7 "
	    "from calls, (values (41, 'HTTP 500'), (45, 'HTTP 501')) v(s, e)");
	sql("insert into call_events (call_id, seq, day, org_id, type, at, offset_ms, data, "
	    "arrived_at) select call_id, 48, day, org_id, 'tool.finished', at, 5500, '{}', now() "
	    "from call_events where seq = 10");
	due();
	analyse_all();
	assert_string_equal(sql("select string_agg(concat_ws(' ', f->>'error', f->>'seq', "
				"f->>'offset_ms'), ',' order by f->>'seq') from call_analyses, "
				"jsonb_array_elements(doc->'tool_failures') f"),
			    "HTTP 500 48 5500,HTTP 501 52 4500");
}

/* --- once more --- */

static void a_late_report_is_analysed_again(void **state)
{
	(void)state;
	add_call(1, "I would rather not say");
	due();
	analyse_all();
	assert_string_equal(sql("select outcome from call_analyses"), "failure");
	assert_string_equal(sql("select count(*) from call_tags where tag = 'lost'"), "1");
	sql("update calls set report = '{\"structured_data\": {\"email\": \"anna@example.com\"}, "
	    "\"success_evaluation\": \"true\"}', last_seq = 110");
	sql("update projects set fields = '[{\"name\": \"mail\", \"label\": \"email\", \"type\": "
	    "\"email\", "
	    "\"report\": \"email\"}]'");
	due();
	analyse_all();
	assert_string_equal(
		sql("select concat_ws(' ', outcome, outcome_by, last_seq) from call_analyses"),
		"success evaluation 110");
	assert_string_equal(sql("select string_agg(field || ' ' || how, ',') from captured_values"),
			    "mail report"); /* the row of the old field is gone */
	assert_string_equal(sql("select count(*) from call_tags where tag = 'lost'"), "0");
}

static void a_late_outcome_beats_what_was_understood(void **state)
{
	(void)state;
	add_call(1, "I would rather not say");
	due();
	analyse_all();
	sql("insert into call_outcomes (call_id, org_id, outcome, label, actor) values ('%s', "
	    "'" DEFAULT_ORG "', 'success', 'booked', 'token:crm')",
	    call_id(1));
	analyse_all();
	assert_string_equal(sql("select concat_ws(' ', outcome, outcome_by) from call_analyses"),
			    "success posted");
	sql("update call_outcomes set outcome = 'failure', label = 'lost'");
	analyse_all();
	assert_string_equal(sql("select outcome from call_analyses"), "failure");
	sql("insert into call_outcomes (call_id, org_id, outcome, actor) values "
	    "(gen_random_uuid(), '" DEFAULT_ORG "', 'success', 'cli')"); /* of nobody's call */
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
}

/* What comes while the call is being analysed is not lost: the job runs once more. */
static void news_during_an_analysis(void **state)
{
	(void)state;
	struct buf out AUTO_BUF = { 0 };
	char result[200];
	add_call(1, "anna@example.com");
	due();
	sql("select callmend_job_claim('{analyse}', 'a1', 50, 60000)");
	sql("update calls set last_seq = 120");
	snprintf(result, sizeof(result), "[{\"key\": \"%s\", \"wanted\": 1, \"doc\": null}]",
		 call_id(1));
	assert_ok(store_link_query(db, "analyst_store", (const char *const[]){ "a1", result }, 2,
				   &out, &oops));
	assert_string_equal(
		sql("select concat_ws(' ', state, owner is null, attempts) from jobs where kind "
		    "= 'analyse'"),
		"queued t 0");
	due();
	analyse_all();
	assert_string_equal(sql("select last_seq from call_analyses"), "120");
}

static void reanalyse(void)
{
	struct job_context ctx = context_of(db, "a1");
	struct job job = { .kind = SPAN("reanalyse"), .key = SPAN(PROJECT), .wanted = 1 };
	sql("select callmend_job_claim('{reanalyse}', 'a1', 1, 60000)");
	assert_ok(reanalyse_job(&ctx, &job, &oops));
	assert_string_equal(sql("select count(*) from jobs where kind = 'reanalyse'"), "0");
	assert_int_equal(reanalyse_job(&ctx, &job, &oops), E_LOST);
}

static void asking_again(void **state)
{
	(void)state;
	struct buf out AUTO_BUF = { 0 };
	const char *one[] = { DEFAULT_ORG, "token:me", "vapi-1", NULL, NULL, "why not" };
	const char *all[] = { DEFAULT_ORG, "token:me", NULL, PROJECT, NULL, NULL };
	const char *none[] = { DEFAULT_ORG, "token:me", "vapi-9", NULL, NULL, NULL };
	const char *foreign[] = {
		"00000000-0000-7000-8000-0000000000ff", "t", NULL, PROJECT, NULL, NULL
	};
	const char *recent[] = { DEFAULT_ORG, "token:me", NULL, PROJECT, "2999-01-01T00:00:00Z",
				 NULL };
	add_call(1, "x");
	add_call(2, "y");
	due();
	analyse_all();
	sql("update call_analyses set outcome = 'unknown'");
	assert_ok(store_link_query(db, "api_reanalyse", one, 6, &out, &oops));
	assert_string_equal(buf_z(&out), "{\"jobs\": 1}");
	assert_int_equal(analyse("a1"), 1);
	assert_string_equal(sql("select count(*) from call_analyses where outcome = 'failure'"),
			    "1");
	assert_ok(store_link_query(db, "api_reanalyse", recent, 6, &out, &oops));
	assert_string_equal(buf_z(&out), "{\"jobs\": 0}");
	assert_ok(store_link_query(db, "api_reanalyse", all, 6, &out, &oops));
	assert_string_equal(buf_z(&out), "{\"jobs\": 2}");
	assert_int_equal(analyse("a1"), 0);
	reanalyse();
	assert_int_equal(analyse("a1"), 2);
	assert_string_equal(sql("select count(*) from call_analyses where outcome = 'failure'"),
			    "2");
	assert_int_equal(store_link_query(db, "api_reanalyse", none, 6, &out, &oops), E_NOT_FOUND);
	assert_int_equal(store_link_query(db, "api_reanalyse", foreign, 6, &out, &oops),
			 E_NOT_FOUND);
	assert_string_equal(
		sql("select string_agg(object_kind || ' ' || (new->>'jobs'), ',' order by id) from "
		    "audit_log where action = 'reanalyse'"),
		"call 1,project 0,project 2");
}

static unsigned stale(unsigned most)
{
	struct job_context job = context_of(db, "a1");
	unsigned asked = 0;
	assert_ok(analyse_stale(&job, most, &asked, &oops));
	return asked;
}

static void changed_rules_are_noticed(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		add_call(i, "anna@example.com");
	due();
	analyse_all();
	assert_int_equal(stale(10), 0);
	sql("update projects set settings = '{\"frustration_score\": 50}'"); /* decides nothing here
									      */
	assert_int_equal(stale(10), 0);
	sql("update projects set success_rule = '{\"success\": [{\"tool\": \"book\"}]}'");
	assert_int_equal(stale(2), 2);
	assert_int_equal(stale(10), 1); /* those that are asked for already are not again */
	analyse_all();
	assert_string_equal(sql("select count(*) from call_analyses where outcome_by = 'rule'"),
			    "3");
	assert_int_equal(stale(10), 0);
	sql("update call_analyses set rules_version = '0-0'");
	assert_int_equal(stale(10), 3); /* of an older program */
	sql("truncate jobs");
	sql("update call_analyses set rules_version = '999-' || callmend_rules_hash(p) from "
	    "projects p where p.id = project_id");
	assert_int_equal(stale(10), 0); /* a newer one knows better */
	sql("update call_analyses set rules_version = '999-0'");
	assert_int_equal(stale(10), 3); /* but not of these settings */
	sql("truncate jobs");
	sql("update call_analyses set started_at = now() - interval '40 days'");
	assert_int_equal(stale(10), 0);
}

/* --- alone --- */

static void a_bad_call_fails_alone(void **state)
{
	(void)state;
	add_call(1, "anna@example.com");
	add_call(2, "anna@example.com");
	add_call(3, "anna@example.com");
	/* An outcome that understand() does not know, past the table's check. */
	sql("alter table call_outcomes drop constraint call_outcomes_outcome_check");
	sql("insert into call_outcomes (call_id, org_id, outcome, actor) values ('%s', "
	    "'" DEFAULT_ORG "', 'splendid', 'cli')",
	    call_id(2));
	due();
	assert_int_equal(analyse("a1"), 3);
	assert_string_equal(sql("select count(*) from call_analyses"), "2");
	assert_string_equal(
		sql("select concat_ws(' ', key, state, error) from jobs where kind = 'analyse'"),
		"10000000-0000-5000-8000-000000000002 queued posted.outcome: expected success, "
		"failure or unknown");
	sql("truncate call_outcomes");
	sql("alter table call_outcomes add constraint call_outcomes_outcome_check check (outcome "
	    "in "
	    "('success', 'failure', 'unknown'))");
}

/* What makes the loading of all too slow is found, fails alone and is given up in the end. */
static void a_call_that_cannot_be_loaded_fails_alone(void **state)
{
	(void)state;
	char *before = strdup(sql("select pg_get_functiondef('callmend_time'::regproc)"));
	for (unsigned i = 1; i <= 5; i++)
		add_call(i, "anna@example.com");
	sql("update calls set started_at = '2001-01-01' where id = '%s'", call_id(4));
	sql("create or replace function callmend_time(t timestamptz) returns text language plpgsql "
	    "as $$ begin if t < '2002-01-01' then raise exception 'too slow' using errcode = "
	    "'57014'; end if; return t::text; end $$");
	due();
	assert_int_equal(analyse("a1"), 5);
	assert_string_equal(sql("select count(*) from call_analyses"), "4");
	assert_string_equal(sql("select concat_ws(' ', key, state, attempts, error like '%%too "
				"slow') from jobs where kind = 'analyse'"),
			    "10000000-0000-5000-8000-000000000004 queued 1 t");
	add_call(6, "anna@example.com");
	for (unsigned i = 1; i < ANALYSE_ATTEMPTS; i++) {
		due();
		analyse_all();
	}
	assert_string_equal(sql("select count(*) from call_analyses"), "5");
	assert_string_equal(sql("select concat_ws(' ', key, state, attempts) from jobs where kind "
				"= 'analyse'"),
			    "10000000-0000-5000-8000-000000000004 dead 5");
	sql("%s", before);
	free(before);
}

static void a_refused_row_fails_alone(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 5; i++)
		add_call(i, "anna@example.com");
	sql("alter table captured_values add constraint picky check (call_id <> '%s')", call_id(4));
	due();
	assert_int_equal(analyse("a1"), 5);
	assert_string_equal(sql("select count(*) from call_analyses"), "4");
	assert_string_equal(sql("select count(*) from captured_values"), "4");
	assert_string_equal(
		sql("select concat_ws(' ', key, state, error like '%%picky%%') from jobs where "
		    "kind = 'analyse'"),
		"10000000-0000-5000-8000-000000000004 queued t");
	for (unsigned i = 0; i < ANALYSE_ATTEMPTS - 1; i++) {
		due();
		assert_int_equal(analyse("a1"), 1);
	}
	assert_string_equal(sql("select state from jobs where kind = 'analyse'"), "dead");
	assert_string_equal(sql("select count(*) from notifications where type = 'analysis_dead'"),
			    "1");
	due();
	assert_int_equal(analyse("a1"), 0);
	/* Asked for again when the cause is gone, it comes back to life. */
	sql("alter table captured_values drop constraint picky");
	sql("update calls set last_seq = last_seq + 10 where id = '%s'", call_id(4));
	due();
	assert_int_equal(analyse("a1"), 1);
	assert_string_equal(sql("select count(*) from call_analyses"), "5");
}

static void bad_rules_fail_their_calls_only(void **state)
{
	(void)state;
	sql("insert into projects (id, org_id, name, success_rule) values "
	    "('" SECOND_PROJECT "', '" DEFAULT_ORG
	    "', 'q', '{\"success\": [{\"wat\": 1}]}') on conflict do nothing");
	add_call(1, "anna@example.com");
	add_call(2, "anna@example.com");
	sql("update calls set project_id = '" SECOND_PROJECT "' where id = '%s'", call_id(2));
	due();
	analyse("a1");
	assert_string_equal(sql("select string_agg(project_id::text, ',') from call_analyses"),
			    PROJECT);
	assert_string_equal(
		sql("select error like 'project: success_rule: success[0]: expected one of%%' "
		    "from jobs where kind = 'analyse'"),
		"t");
}

static void calls_that_are_gone_end_their_jobs(void **state)
{
	(void)state;
	add_call(1, "x");
	add_call(2, "x");
	add_call(3, "anna@example.com");
	sql("delete from calls where id = '%s'", call_id(1));
	sql("update calls set live = true where id = '%s'", call_id(2));
	sql("select callmend_job('analyse', 'no uuid', '" DEFAULT_ORG "', null, 0)");
	due();
	assert_int_equal(analyse("a1"), 4);
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
	assert_string_equal(sql("select count(*) from call_analyses"), "1");
	sql("update calls set live = false where id = '%s'", call_id(2));
	due();
	assert_int_equal(analyse("a1"), 1);
}

/* --- leases --- */

static bool take_over(void *user)
{
	unsigned *asked = user;
	/* After the first call of the batch: somebody else has claimed call 1 meanwhile. */
	if ((*asked)++ == 1)
		sql("update jobs set owner = 'a2' where kind = 'analyse' and key = '%s'",
		    call_id(1));
	return false;
}

static void a_lost_lease_stores_nothing(void **state)
{
	(void)state;
	unsigned asked = 0, done = 0;
	struct job_context job = context_of(db, "a1");
	job.stopping = take_over;
	job.user = &asked;
	for (unsigned i = 1; i <= 3; i++)
		add_call(i, "anna@example.com");
	due();
	assert_ok(analyse_batch(&job, ANALYSE_BATCH, &done, &oops));
	assert_string_equal(
		sql("select string_agg(call_id::text, ',') from call_analyses where call_id = '%s'",
		    call_id(1)),
		"");
	assert_string_equal(sql("select count(*) from call_analyses"), "2");
	assert_string_equal(
		sql("select concat_ws(' ', state, owner) from jobs where kind = 'analyse'"),
		"running a2");
}

static bool note_lease(void *user)
{
	bool *held = user;
	*held = strcmp(sql("select lease_until between now() + interval '50 s' * 60 and now() + "
			   "interval '1 hour' from jobs where kind = 'analyse'"),
		       "t") == 0;
	return false;
}

static void claims_are_held_as_long_as_configured(void **state)
{
	(void)state;
	unsigned done = 0;
	bool held = false;
	struct job_context job = context_of(db, "a1");
	job.lease_ms = 3600000;
	job.stopping = note_lease;
	job.user = &held;
	add_call(1, "anna@example.com");
	due();
	assert_ok(analyse_batch(&job, ANALYSE_BATCH, &done, &oops));
	assert_int_equal(done, 1);
	assert_true(held);
}

static bool always(void *user)
{
	(void)user;
	return true;
}

static void a_stopping_analyst_gives_the_rest_back(void **state)
{
	(void)state;
	unsigned done = 0;
	struct job_context job = context_of(db, "a1");
	job.stopping = always;
	add_call(1, "x");
	due();
	assert_ok(analyse_batch(&job, ANALYSE_BATCH, &done, &oops));
	assert_string_equal(sql("select count(*) from call_analyses"), "0");
	assert_string_equal(sql("select concat_ws(' ', state, attempts, owner) from jobs where "
				"kind = 'analyse'"),
			    "queued 0");
	while (strcmp(sql("select count(*) from jobs where kind = 'analyse'"), "0") != 0) {
		due();
		analyse("a2");
	}
	assert_string_equal(sql("select count(*) from call_analyses"), "1");
}

/* The job row of one call is locked by a projector that has late news of it: the others are stored
 * without waiting, that one when the lock is gone. */
struct latecomer {
	pthread_t thread;
	struct held_lock *lock;
	unsigned asked;
	bool others_first;
};

static void *let_go(void *user)
{
	struct latecomer *l = user;
	l->others_first = sql_becomes_true("select count(*) = 2 from call_analyses");
	sql_unlock(l->lock);
	return NULL;
}

static bool lock_row(void *user)
{
	struct latecomer *l = user;
	char statement[200];
	if (l->asked++ != 1)
		return false;
	snprintf(statement, sizeof(statement),
		 "select from jobs where kind = 'analyse' and key = '%s' for update", call_id(2));
	l->lock = sql_hold(statement);
	CHECK(pthread_create(&l->thread, NULL, let_go, l) == 0);
	return false;
}

static void a_locked_row_holds_up_nobody_else(void **state)
{
	(void)state;
	struct latecomer l = { 0 };
	unsigned done = 0;
	struct job_context job = context_of(db, "a1");
	job.stopping = lock_row;
	job.user = &l;
	for (unsigned i = 1; i <= 3; i++)
		add_call(i, "anna@example.com");
	due();
	assert_ok(analyse_batch(&job, ANALYSE_BATCH, &done, &oops));
	pthread_join(l.thread, NULL);
	assert_true(l.others_first);
	assert_string_equal(sql("select count(*) from call_analyses"), "3");
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
}

/* --- two analysts --- */

enum { CALLS = 400, ANALYSTS = 3 };

struct analyst {
	pthread_t thread;
	char owner[16];
	unsigned done;
	int rc;
	struct fault f;
};

static void *work(void *user)
{
	struct analyst *a = user;
	struct store_link *link = NULL;
	unsigned done = 1;
	CHECK(store_link_new(&link, fixture_url(), &a->f) == 0);
	struct job_context job = context_of(link, a->owner);
	while (!a->rc && done) {
		a->rc = analyse_batch(&job, 20, &done, &a->f);
		a->done += done;
	}
	store_link_free(link);
	return NULL;
}

static void analysts_share_the_work(void **state)
{
	(void)state;
	struct analyst analysts[ANALYSTS] = { 0 };
	unsigned done = 0;
	for (unsigned i = 1; i <= CALLS; i++)
		add_call(i, "anna@example.com");
	/* Every storing of an analysis leaves a line. */
	sql("create table stored (call_id uuid)");
	sql("create function note_stored() returns trigger language plpgsql as $$ begin insert "
	    "into stored "
	    "values (new.call_id); return new; end $$");
	sql("create trigger note_stored after insert or update on call_analyses for each row "
	    "execute "
	    "function note_stored()");
	due();
	for (unsigned i = 0; i < ANALYSTS; i++) {
		snprintf(analysts[i].owner, sizeof(analysts[i].owner), "a%u", i);
		CHECK(pthread_create(&analysts[i].thread, NULL, work, &analysts[i]) == 0);
	}
	for (unsigned i = 0; i < ANALYSTS; i++) {
		pthread_join(analysts[i].thread, NULL);
		if (analysts[i].rc)
			fail_msg("%s", analysts[i].f.text);
		done += analysts[i].done;
	}
	assert_int_equal(done, CALLS);
	assert_string_equal(sql("select count(*) || ' ' || count(distinct call_id) from stored"),
			    "400 400");
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
	sql("drop trigger note_stored on call_analyses");
	sql("drop table stored");
}

static void the_database_goes_away(void **state)
{
	(void)state;
	struct store_link *link = NULL;
	unsigned done = 7;
	assert_ok(store_link_new(&link, "host=127.0.0.1 port=1 dbname=none", &oops));
	struct job_context job = context_of(link, "a1");
	assert_int_equal(analyse_batch(&job, 10, &done, &oops), E_UNAVAILABLE);
	assert_int_equal(done, 0);
	assert_int_equal(analyse_stale(&job, 10, &done, &oops), E_UNAVAILABLE);
	store_link_free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_finished_call_is_analysed, empty_tables),
		cmocka_unit_test_setup(rules_versions_agree_with_the_database, empty_tables),
		cmocka_unit_test_setup(tools_searches_and_versions_are_loaded, empty_tables),
		cmocka_unit_test_setup(messages_serve_when_events_are_gone, empty_tables),
		cmocka_unit_test_setup(failures_are_placed_where_they_are_told, empty_tables),
		cmocka_unit_test_setup(a_late_report_is_analysed_again, empty_tables),
		cmocka_unit_test_setup(a_late_outcome_beats_what_was_understood, empty_tables),
		cmocka_unit_test_setup(news_during_an_analysis, empty_tables),
		cmocka_unit_test_setup(asking_again, empty_tables),
		cmocka_unit_test_setup(changed_rules_are_noticed, empty_tables),
		cmocka_unit_test_setup(a_bad_call_fails_alone, empty_tables),
		cmocka_unit_test_setup(a_call_that_cannot_be_loaded_fails_alone, empty_tables),
		cmocka_unit_test_setup(a_refused_row_fails_alone, empty_tables),
		cmocka_unit_test_setup(bad_rules_fail_their_calls_only, empty_tables),
		cmocka_unit_test_setup(calls_that_are_gone_end_their_jobs, empty_tables),
		cmocka_unit_test_setup(claims_are_held_as_long_as_configured, empty_tables),
		cmocka_unit_test_setup(a_lost_lease_stores_nothing, empty_tables),
		cmocka_unit_test_setup(a_stopping_analyst_gives_the_rest_back, empty_tables),
		cmocka_unit_test_setup(analysts_share_the_work, empty_tables),
		cmocka_unit_test_setup(a_locked_row_holds_up_nobody_else, empty_tables),
		cmocka_unit_test(the_database_goes_away),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
