/* Edges of the table of jobs on a real PostgreSQL (F3): what is asked for while a job runs, whose
 * holder dies, one order of locks, whole projects page by page. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#define PROJECT "20000000-0000-7000-8000-000000000001"
#define SOURCE "30000000-0000-7000-8000-000000000001"
#define ISSUE "40000000-0000-7000-8000-000000000001"

static int begin(void **state)
{
	if (fixture_start_migrated(state))
		return -1;
	sql("insert into projects (id, org_id, name) values ('" PROJECT "', '" DEFAULT_ORG
	    "', 'p')");
	sql("insert into sources (id, org_id, project_id, dialect, name, private_key) values "
	    "('" SOURCE "', '" DEFAULT_ORG "', '" PROJECT
	    "', 'vapi', 'puller', '{\"env\":\"KEY\"}')");
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	sql("truncate calls, jobs, issues, suggestions, suggestion_changes, suggestion_sources, "
	    "detections, activities, notifications, webhook_deliveries");
	return 0;
}

static void put(const char *kind, const char *key, const char *payload)
{
	sql("select callmend_job('%s', '%s', '" DEFAULT_ORG "', '%s', 0)", kind, key, payload);
}

static const char *claim(const char *kind)
{
	return sql("select coalesce(string_agg(payload::text, ' '), '') from "
		   "callmend_job_claim('{%s}', 'me', 1, 60000)",
		   kind);
}

static const char *job_is(const char *columns)
{
	return sql("select concat_ws(' ', %s) from jobs", columns);
}

static void let_its_holder_die(void)
{
	sql("update jobs set lease_until = now() - interval '1 ms' where state = 'running'");
}

static void is_due(void)
{
	sql("update jobs set run_at = now() where state = 'queued'");
}

/* --- asked for while it runs --- */

static void a_force_holds_on_whatever_is_asked_behind_it(void **state)
{
	(void)state;
	put("apply", SOURCE, "{}");
	assert_string_equal(claim("apply"), "{}");
	put("apply", SOURCE, "{\"force\": true}");
	put("apply", SOURCE, "{\"force\": false}");
	assert_string_equal(job_is("state, payload, next"), "running {} {\"force\": true}");
	/* What runs was not forced and is given up: what was asked for is not. */
	assert_string_equal(
		sql("select callmend_job_failed('apply', '" SOURCE "', 'me', 'edited', 1)"),
		"queued");
	assert_string_equal(job_is("attempts, payload, run_at <= now()"), "0 {\"force\": true} t");
	assert_string_equal(claim("apply"), "{\"force\": true}");
	assert_string_equal(sql("select count(*) from notifications"), "0");
}

static void a_forced_one_stays_forced_when_its_holder_dies(void **state)
{
	(void)state;
	put("apply", SOURCE, "{\"force\": true}");
	claim("apply");
	put("apply", SOURCE, "{}");
	let_its_holder_die();
	assert_string_equal(claim("apply"), "{\"force\": true}");
	/* Gives it back, without having begun. */
	put("apply", SOURCE, "{\"force\": false}");
	const char *params[] = { "apply", SOURCE, "me" };
	struct buf out AUTO_BUF = { 0 };
	assert_ok(store_query_once(fixture_url(), "job_return", params, 3, &out, &oops));
	assert_string_equal(job_is("state, payload, next is null"), "queued {\"force\": true} t");
}

/* Else the text that somebody edits afterwards would be overwritten. */
static void a_force_that_was_done_is_over(void **state)
{
	(void)state;
	put("apply", SOURCE, "{\"force\": true}");
	claim("apply");
	put("apply", SOURCE, "{\"by\": \"you\"}");
	sql("select callmend_job_done('apply', '" SOURCE "', 'me', 1)");
	assert_string_equal(job_is("state, payload"), "queued {\"by\": \"you\"}");
}

static int pull(const char *since)
{
	const char *params[] = { DEFAULT_ORG, "token:me", SOURCE, since, NULL, NULL, NULL };
	struct buf out AUTO_BUF = { 0 };
	return store_query_once(fixture_url(), "api_source_pull", params, 7, &out, &oops);
}

static void a_pull_is_not_changed_by_another(void **state)
{
	static const char window[] = "2026-01-01T00:00:00.000Z";
	(void)state;
	assert_ok(pull("2026-01-01T00:00:00Z"));
	assert_int_equal(pull("2026-02-01T00:00:00Z"), E_CONFLICT);
	assert_non_null(strstr(oops.text, "wait for it"));
	assert_string_equal(job_is("state, wanted, payload->>'since'"),
			    sql("select 'queued 1 ' || callmend_time('%s')", window));
	claim("pull");
	assert_int_equal(pull("2026-02-01T00:00:00Z"), E_CONFLICT);
	assert_string_equal(job_is("state, wanted, payload->>'since', next"),
			    sql("select 'running 1 ' || callmend_time('%s')", window));
	sql("select callmend_job_failed('pull', '" SOURCE "', 'me', 'refused', 1)");
	assert_ok(pull("2026-02-01T00:00:00Z"));
	assert_string_equal(job_is("state, payload->>'since' like '2026-02-01%%'"), "queued t");
}

/* --- calls that a session has missed --- */

static int missed_with(const char *source, const char *since, const char *until, const char *looks)
{
	const char *params[] = { source, since, until, looks };
	struct buf out AUTO_BUF = { 0 };
	return store_query_once(fixture_url(), "calls_missed", params, 4, &out, &oops);
}

static int missed(const char *source, const char *since, const char *until)
{
	return missed_with(source, since, until, "2");
}

static int missed_done(const char *wanted)
{
	const char *params[] = { SOURCE, "me", wanted };
	struct buf out AUTO_BUF = { 0 };
	return store_query_once(fixture_url(), "missed_done", params, 3, &out, &oops);
}

#define HOUR(h) "2026-01-01T0" h ":00:00Z"
#define WINDOW \
	"substr(payload->>'since', 12, 2), substr(payload->>'until', 12, 2), payload->>'looks'"

static void windows_of_losses_become_one(void **state)
{
	(void)state;
	assert_int_equal(missed(SOURCE, HOUR("3"), HOUR("4")), E_NOT_FOUND); /* no session */
	sql("update sources set dialect = 'ringcentral', connect = '{\"after_s\": 60}' where id = "
	    "'" SOURCE "'");
	assert_ok(missed(SOURCE, HOUR("3"), HOUR("4")));
	assert_string_equal(job_is("kind, state, " WINDOW), "missed queued 03 04 2");
	assert_string_equal(job_is("run_at > now() + interval '50 s'"), "t"); /* the log is late */
	assert_ok(missed(SOURCE, HOUR("4"), HOUR("5")));
	assert_string_equal(job_is("state, " WINDOW), "queued 03 05 2");
	/* While it runs, it is for the next time, and nothing of this one is forgotten. */
	is_due();
	claim("missed");
	assert_ok(missed(SOURCE, HOUR("1"), HOUR("2")));
	assert_string_equal(job_is("state, " WINDOW), "running 03 05 2");
	assert_ok(missed_done("2"));
	assert_string_equal(job_is("state, " WINDOW), "queued 01 05 2");
	/* Looked at twice. */
	is_due();
	claim("missed");
	assert_ok(missed_done("3"));
	assert_string_equal(job_is("state, " WINDOW ", run_at > now() + interval '29 min'"),
			    "queued 01 05 1 t");
	is_due();
	claim("missed");
	assert_ok(missed_done("3"));
	assert_string_equal(sql("select count(*) from jobs"), "0");
}

/* The first has been looked for once: what its second look would have brought, those of both do. */
static void a_loss_between_two_looks_of_another(void **state)
{
	(void)state;
	sql("update sources set dialect = 'ringcentral', connect = '{}' where id = '" SOURCE "'");
	assert_ok(missed(SOURCE, HOUR("3"), HOUR("4")));
	is_due();
	claim("missed");
	assert_ok(missed_done("1"));
	assert_string_equal(job_is("state, " WINDOW ", run_at > now() + interval '1 hour' - "
				   "interval '1 min'"),
			    "queued 03 04 1 t");
	assert_ok(missed(SOURCE, HOUR("5"), HOUR("6")));
	assert_string_equal(job_is("state, " WINDOW ", run_at < now() + interval '3 min'"),
			    "queued 03 06 2 t");
	is_due();
	claim("missed");
	assert_ok(missed_done("2"));
	assert_string_equal(job_is("state, " WINDOW), "queued 03 06 1");
}

static void end_import(int n, const char *name, int imported)
{
	char id[40];
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { id, "done" };
	snprintf(id, sizeof(id), "70000000-0000-7000-8000-00000000000%d", n);
	sql("insert into imports (id, org_id, source_id, name, format, imported) values ('%s', "
	    "'" DEFAULT_ORG "', '" SOURCE "', '%s', 'ringcentral', %d)",
	    id, name, imported);
	assert_ok(store_query_once(fixture_url(), "import_end", params, 2, &out, &oops));
	assert_non_null(strstr(buf_z(&out), "\"imported\""));
}

static void of_sweeps_that_bring_nothing_the_last_stays(void **state)
{
	(void)state;
	end_import(1, "missed", 2);
	end_import(2, "missed", 0);
	end_import(3, "pull", 0);
	assert_string_equal(sql("select count(*) from imports"), "3");
	end_import(4, "missed", 0);
	assert_string_equal(
		sql("select string_agg(right(id::text, 1), ' ' order by id) from imports"),
		"1 3 4");
}

/* Windows of a sweep an hour do not grow into each other; a loss has both of its looks. */
static void a_sweep_is_looked_for_once(void **state)
{
	(void)state;
	sql("update sources set dialect = 'ringcentral', connect = '{}' where id = '" SOURCE "'");
	assert_ok(missed_with(SOURCE, HOUR("1"), HOUR("3"), "1"));
	assert_string_equal(job_is("state, " WINDOW), "queued 01 03 1");
	is_due();
	claim("missed");
	assert_ok(missed_done("1"));
	assert_string_equal(sql("select count(*) from jobs"), "0");
	assert_ok(missed_with(SOURCE, HOUR("3"), HOUR("4"), "2"));
	assert_ok(missed_with(SOURCE, HOUR("2"), HOUR("4"), "1"));
	assert_string_equal(job_is("state, " WINDOW), "queued 02 04 2");
}

static void what_was_given_up_comes_with_the_next_loss(void **state)
{
	(void)state;
	sql("update sources set dialect = 'ringcentral', connect = '{}' where id = '" SOURCE "'");
	assert_ok(missed(SOURCE, HOUR("1"), HOUR("2")));
	is_due();
	claim("missed");
	sql("select callmend_job_failed('missed', '" SOURCE "', 'me', 'refused', 1)");
	assert_string_equal(job_is("state"), "dead");
	assert_ok(missed(SOURCE, HOUR("4"), HOUR("5")));
	assert_string_equal(job_is("state, attempts, " WINDOW), "queued 0 01 05 2");
}

/* --- dead --- */

static void crash_until_dead(const char *kind)
{
	for (int i = 0; i < 10; i++) {
		is_due();
		assert_string_not_equal(claim(kind), "");
		let_its_holder_die();
	}
	claim(kind);
	assert_string_equal(job_is("state, attempts"), "dead 10");
}

static void a_dead_pull_is_told_each_time(void **state)
{
	(void)state;
	sql("select callmend_job_dead(j) from jsonb_populate_record(null::jobs, '{\"kind\": "
	    "\"detect\", \"key\": \"" PROJECT "\", \"org_id\": \"" DEFAULT_ORG "\"}') j");
	assert_string_equal(sql("select count(*) from notifications"), "1");
	for (int times = 1; times <= 2; times++) {
		assert_ok(pull("2026-01-01T00:00:00Z"));
		crash_until_dead("pull");
		assert_int_equal(atoi(sql("select count(*) from notifications where priority = "
					  "'high' and metadata->>'kind' = 'pull' and message like "
					  "'%%ended before it was done%%'")),
				 times);
		assert_int_equal(atoi(sql("select count(*) from activities where kind = "
					  "'pull.failed' and object_id = '" SOURCE "'")),
				 times);
	}
}

/* Without a suggestion, too: the assistant is not as it should be. */
static void a_dead_apply_is_told(void **state)
{
	(void)state;
	put("apply", SOURCE, "{}");
	crash_until_dead("apply");
	assert_string_equal(sql("select string_agg(type, ' ') from notifications"),
			    "suggestion_failed");
}

/* --- the project first --- */

static void *detected(void *unused)
{
	(void)unused;
	sql("select callmend_heal_detected('me', '" PROJECT "', 1, '{\"org\": \"" DEFAULT_ORG
	    "\", \"calls\": 1, \"detection\": {}, \"open\": [], \"close\": [], \"suggest\": [], "
	    "\"impacts\": [], \"renew\": [{\"id\": \"" ISSUE
	    "\", \"title\": \"new\", \"evidence\": {}}]}')");
	return NULL;
}

/* Who dismisses an issue has its project and then wants the issue. */
static void detection_waits_for_the_project_with_empty_hands(void **state)
{
	pthread_t thread;
	(void)state;
	sql("insert into issues (id, org_id, project_id, cause, title, evidence) values ('" ISSUE
	    "', '" DEFAULT_ORG "', '" PROJECT "', 'frustration', 'old', '{}')");
	put("detect", PROJECT, "{}");
	claim("detect");
	struct held_lock *dismisser =
		sql_hold("select from projects where id = '" PROJECT "' for update");
	pthread_create(&thread, NULL, detected, NULL);
	bool waits = sql_becomes_true("select count(*) > 0 from pg_locks where not granted");
	const char *left =
		sql("select concat_ws(' ', (select count(*) from (select from issues for "
		    "update skip locked) x), (select count(*) from (select from jobs for "
		    "update skip locked) x))");
	sql_unlock(dismisser);
	pthread_join(thread, NULL);
	assert_true(waits);
	assert_string_equal(left, "1 1");
	assert_string_equal(sql("select title from issues"), "new");
	assert_string_equal(sql("select count(*) from jobs"), "0");
}

/* Who accepts has the project and then wants the job: whoever gives that up must not wait for him.
 */
static void giving_up_an_apply_waits_for_nobody(void **state)
{
	(void)state;
	put("apply", SOURCE, "{}");
	claim("apply");
	sql("update jobs set attempts = 10");
	let_its_holder_die();
	struct held_lock *accepter =
		sql_hold("select from projects where id = '" PROJECT "' for update");
	const char *waited = sql("set lock_timeout = '5s'; select count(*) from "
				 "callmend_job_claim('{apply}', 'me', 1, 60000)");
	const char *left = job_is("state");
	sql_unlock(accepter);
	assert_string_equal(waited, "0");
	assert_string_equal(left, "running");
	assert_string_equal(claim("apply"), "");
	assert_string_equal(job_is("state"), "dead");
}

/* --- a whole project again --- */

enum { CALLS = 30000, PAGE = 1000 };

static void add_calls(int n)
{
	sql("set session_replication_role = replica; insert into calls (id, org_id, project_id, "
	    "conversation_id, provider_call_id, status, live, started_at, last_seq) select "
	    "callmend_uuid_v7(), '" DEFAULT_ORG "', '" PROJECT "', callmend_uuid_v7(), 'c' || i, "
	    "'ended', i = 1, now() - (i / 7) * interval '1 s', 1 from generate_series(1, %d) i",
	    n + 1);
}

static const char *reanalyse(const char *since)
{
	static _Thread_local char text[64];
	const char *params[] = { DEFAULT_ORG, "token:me", NULL, PROJECT, since, NULL };
	struct buf out AUTO_BUF = { 0 };
	assert_ok(store_query_once(fixture_url(), "api_reanalyse", params, 6, &out, &oops));
	snprintf(text, sizeof(text), "%s", buf_z(&out));
	return text;
}

/* One claim of an analyst; how many calls were asked for, -1: there is no such job any more. */
static int page(void)
{
	return atoi(sql("select coalesce(max(callmend_reanalyse_page(j.key, 'me', j.wanted, %d)), "
			"-1) from callmend_job_claim('{reanalyse}', 'me', 1, 60000) j",
			PAGE));
}

/* As if the analyses had been done. */
static int done(void)
{
	return atoi(sql("with d as (delete from jobs where kind = 'analyse' returning key) insert "
			"into analysed select key from d; select count(*) from analysed"));
}

static void a_large_project_is_analysed_again_page_by_page(void **state)
{
	int pages = 0, asked;
	(void)state;
	sql("drop table if exists analysed");
	sql("create table analysed (key text)");
	add_calls(CALLS);
	assert_string_equal(reanalyse(NULL), "{\"jobs\": 30000}");
	assert_string_equal(sql("select count(*) from jobs where kind = 'analyse'"), "0");
	while ((asked = page()) >= 0) {
		assert_true(asked <= PAGE);
		/* As long as a page waits there is no other. */
		if (asked == PAGE)
			assert_int_equal(page(), 0);
		assert_true(done() <= CALLS);
		pages++;
	}
	assert_true(pages <= CALLS / PAGE + 1);
	assert_string_equal(sql("select concat_ws(' ', count(*), count(distinct key)) from "
				"analysed"),
			    "30000 30000");
	assert_string_equal(sql("select count(*) from jobs"), "0");
}

static void it_goes_on_where_its_holder_died(void **state)
{
	(void)state;
	sql("drop table if exists analysed");
	sql("create table analysed (key text)");
	add_calls(2 * PAGE + 10);
	reanalyse(NULL);
	assert_int_equal(page(), PAGE);
	done();
	sql("select callmend_job_claim('{reanalyse}', 'the dead', 1, 60000)");
	let_its_holder_die();
	assert_int_equal(page(), PAGE);
	done();
	assert_int_equal(page(), 10);
	assert_int_equal(done(), 2 * PAGE + 10);
	assert_int_equal(page(), -1);
}

static void asked_for_again_it_begins_anew_as_far_back_as_anybody_wants(void **state)
{
	(void)state;
	sql("drop table if exists analysed");
	sql("create table analysed (key text)");
	add_calls(PAGE + 10);
	reanalyse("2001-01-01T00:00:00Z");
	assert_int_equal(page(), PAGE);
	done();
	reanalyse("2026-01-01T00:00:00Z");
	assert_string_equal(job_is("payload->>'since' like '2001-01-01%%', payload->'after'"),
			    "t null");
	/* While a page is read, too. */
	assert_string_equal(sql("select count(*) from callmend_job_claim('{reanalyse}', 'me', 1, "
				"60000)"),
			    "1");
	reanalyse(NULL);
	assert_string_equal(sql("select callmend_reanalyse_page('" PROJECT "', 'me', 2, %d)", PAGE),
			    "1000");
	done();
	assert_string_equal(job_is("payload->'since', payload->'after', next is null"),
			    "null null t");
	assert_int_equal(page(), PAGE);
	done();
	assert_int_equal(page(), 10);
	assert_string_equal(reanalyse("2999-01-01T00:00:00Z"), "{\"jobs\": 0}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_force_holds_on_whatever_is_asked_behind_it, fresh),
		cmocka_unit_test_setup(a_forced_one_stays_forced_when_its_holder_dies, fresh),
		cmocka_unit_test_setup(a_force_that_was_done_is_over, fresh),
		cmocka_unit_test_setup(a_pull_is_not_changed_by_another, fresh),
		cmocka_unit_test_setup(windows_of_losses_become_one, fresh),
		cmocka_unit_test_setup(a_loss_between_two_looks_of_another, fresh),
		cmocka_unit_test_setup(a_sweep_is_looked_for_once, fresh),
		cmocka_unit_test_setup(of_sweeps_that_bring_nothing_the_last_stays, fresh),
		cmocka_unit_test_setup(what_was_given_up_comes_with_the_next_loss, fresh),
		cmocka_unit_test_setup(a_dead_pull_is_told_each_time, fresh),
		cmocka_unit_test_setup(a_dead_apply_is_told, fresh),
		cmocka_unit_test_setup(detection_waits_for_the_project_with_empty_hands, fresh),
		cmocka_unit_test_setup(giving_up_an_apply_waits_for_nobody, fresh),
		cmocka_unit_test_setup(a_large_project_is_analysed_again_page_by_page, fresh),
		cmocka_unit_test_setup(it_goes_on_where_its_holder_died, fresh),
		cmocka_unit_test_setup(asked_for_again_it_begins_anew_as_far_back_as_anybody_wants,
				       fresh),
	};
	return cmocka_run_group_tests(tests, begin, fixture_stop);
}
