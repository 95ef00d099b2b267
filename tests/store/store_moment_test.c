/* What two do at the same moment (migrations/0028): the first holds its transaction open until the
 * second waits for it. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/sql.h"

#define PROJECT "20000000-0000-7000-8000-000000000001"
#define SOURCE "30000000-0000-7000-8000-000000000001"
#define CALL "10000000-0000-5000-8000-000000000001"
#define ENDPOINT "40000000-0000-7000-8000-000000000001"
#define OTHER_ENDPOINT "40000000-0000-7000-8000-000000000002"
#define DELIVERY "50000000-0000-7000-8000-000000000001"
#define OTHER_DELIVERY "50000000-0000-7000-8000-000000000002"
#define NOTE "60000000-0000-7000-8000-000000000001"

static int begin(void **state)
{
	if (fixture_start_migrated(state))
		return -1;
	sql("select callmend_partition((now() at time zone 'UTC')::date)");
	sql("insert into projects (id, org_id, name) values ('" PROJECT "', '" DEFAULT_ORG
	    "', 'p')");
	return 0;
}

/* An ended call without words, whose source is followed up by "me"; two endpoints, a delivery to
 * each. */
static int fresh(void **state)
{
	(void)state;
	sql("truncate calls, call_events, messages, call_insights, call_follow_ups, jobs, "
	    "sources, notifications, webhook_endpoints, webhook_deliveries");
	sql("update projects set archived_at = null");
	sql("insert into sources (id, org_id, project_id, dialect, name) values ('" SOURCE
	    "', '" DEFAULT_ORG "', '" PROJECT "', 'ringcentral', 'rc')");
	sql("insert into calls (id, org_id, source_id, provider_call_id, status, live, started_at, "
	    "last_seq) values ('" CALL "', '" DEFAULT_ORG "', '" SOURCE
	    "', 'c', 'ended', false, '2026-11-20T10:00:00Z', 65536)");
	sql("insert into webhook_endpoints (id, org_id, url, secret) values ('" ENDPOINT
	    "', '" DEFAULT_ORG "', 'http://one', '{}'), ('" OTHER_ENDPOINT "', '" DEFAULT_ORG
	    "', 'http://other', '{}')");
	sql("insert into notifications (id, org_id, type, title, message, priority) values ('" NOTE
	    "', '" DEFAULT_ORG "', 'issue_opened', 't', 'm', 'low')");
	sql("insert into webhook_deliveries (id, endpoint_id, notification_id, org_id, type, body) "
	    "values ('" DELIVERY "', '" ENDPOINT "', '" NOTE "', '" DEFAULT_ORG "', 't', '{}'), "
	    "('" OTHER_DELIVERY "', '" OTHER_ENDPOINT "', '" NOTE "', '" DEFAULT_ORG
	    "', 't', '{}')");
	sql("select callmend_job(k, i, '" DEFAULT_ORG
	    "', null, 0) from (values ('followup', '" SOURCE "'), ('deliver', '" DELIVERY
	    "'), ('deliver', '" OTHER_DELIVERY "')) v(k, i)");
	sql("update jobs set state = 'running', owner = 'me', lease_until = now() + interval '1 "
	    "h'");
	return 0;
}

struct second {
	const char *statement;
	char result[200];
};

static void *run(void *arg)
{
	struct second *s = arg;
	snprintf(s->result, sizeof(s->result), "%s", sql("%s", s->statement));
	return NULL;
}

/* What the second gives when the first, on which it waits, is committed; `meanwhile` is asked while
 * it waits and must give "t" (NULL: nothing). */
static const char *at_once(const char *first, const char *second, const char *meanwhile)
{
	static struct second s;
	pthread_t thread;
	s = (struct second){ .statement = second };
	struct held_lock *held = sql_hold(first);
	pthread_create(&thread, NULL, run, &s);
	bool waits = sql_becomes_true("select count(*) > 0 from pg_locks where not granted");
	bool right = !meanwhile || strcmp(sql("%s", meanwhile), "t") == 0;
	sql_commit(held);
	pthread_join(thread, NULL);
	assert_true(waits);
	assert_true(right);
	return s.result;
}

/* --- words of a call --- */

#define INSIGHT(record, text)                                                         \
	"select 'stored' from (select callmend_insight_put('" DEFAULT_ORG "', '" CALL \
	"', 'transcript', '{\"record_id\": \"" record "\", \"recorded_at\": "         \
	"\"2026-11-20T10:00:0" record "Z\", \"value\": [{\"text\": \"" text "\"}]}', now())) done"
#define TOLD                                                     \
	"select callmend_words_put('" CALL                       \
	"', '[{\"seq\": 65536, \"type\": \"transcript.final\", " \
	"\"at\": \"2026-11-20T10:00:04Z\", \"text\": \"told\", \"data\": {}}]', '{}')"
#define FOLLOWED_UP                                                                        \
	"select 'stored' from (select callmend_follow_up_store('" SOURCE "', 'me', '" CALL \
	"', '{\"state\": \"done\", \"words\": [{\"role\": \"user\", \"text\": \"again\", " \
	"\"at\": \"2026-11-20T10:00:04Z\"}]}')) done"

static const char *words(void)
{
	return sql("select coalesce(string_agg(text, ' ' order by position), '') from messages");
}

static void words_of_two_insights_are_all_kept(void **state)
{
	(void)state;
	assert_string_equal(at_once(INSIGHT("1", "one"), INSIGHT("2", "two"), NULL), "stored");
	assert_string_equal(words(), "one two");
}

static void an_insight_adds_no_words_to_those_being_told(void **state)
{
	(void)state;
	assert_string_equal(at_once(TOLD, INSIGHT("1", "again"), NULL), "stored");
	assert_string_equal(words(), "");
}

/* The projector has the call and then wants the follow-up's job; and whoever has a call's row its
 * insights. */
static void a_follow_up_waits_for_the_call_with_empty_hands(void **state)
{
	(void)state;
	assert_string_equal(at_once(TOLD, FOLLOWED_UP,
				    "select count(*) = 1 from (select from jobs where kind = "
				    "'followup' for update skip locked) free"),
			    "stored");
	assert_string_equal(words(), "");
	assert_string_equal(sql("select state from call_follow_ups"), "");
}

static void an_insight_waits_for_the_call_with_empty_hands(void **state)
{
	(void)state;
	sql(INSIGHT("1", "old"));
	at_once("select from calls for no key update", INSIGHT("1", "new"),
		"select count(*) = 1 from (select from call_insights for update skip locked) free");
	assert_string_equal(words(), "new");
}

static void a_record_changes_no_end_that_is_being_told(void **state)
{
	(void)state;
	sql("update calls set ended_class = 'lost', ended_reason = 'lost'");
	at_once("update calls set ended_class = 'customer', ended_reason = 'hung up'",
		"select callmend_log_put('" CALL "', '{\"reason\": \"completed\"}')",
		"select count(*) = 0 from pg_locks where relation = 'call_follow_ups'::regclass");
	assert_string_equal(sql("select concat_ws(' ', ended_class, ended_reason) from calls"),
			    "customer hung up");
}

/* --- segments of a dialog, hour by hour --- */

#define SEGMENT(id, from, to)                                     \
	"{\"id\": \"" id "\", \"started_at\": \"2026-11-20T" from \
	":00.000000Z\", \"ended_at\": \"2026-11-20T" to ":00.000000Z\"}"
#define REPORTED(segments) "select callmend_log_put('" CALL "', '{\"segments\": [" segments "]}')"

static const char *segments(void)
{
	return sql("select string_agg(s->>'id', ' ' order by o) from call_follow_ups, "
		   "jsonb_array_elements(log->'segments') with ordinality x(s, o)");
}

static void segments_of_two_reports_are_all_kept(void **state)
{
	(void)state;
	sql("update calls set imported = true, ended_at = '2026-11-20T10:20:00Z'");
	sql(REPORTED(SEGMENT("b", "10:10", "10:20") "," SEGMENT("a", "10:00", "10:05")));
	at_once(REPORTED(SEGMENT("c", "10:20", "11:30")),
		REPORTED(SEGMENT("d", "11:30", "11:40") "," SEGMENT("b", "10:10", "10:21")), NULL);
	assert_string_equal(segments(), "a b c d");
	assert_string_equal(sql("select log->'segments'->1->>'ended_at' from call_follow_ups"),
			    "2026-11-20T10:21:00.000000Z");
	assert_string_equal(sql("select to_char(ended_at at time zone 'UTC', 'HH24:MI ') || "
				"duration_ms from calls"),
			    "11:40 6000000");
}

static void segments_that_come_later_are_fetched_too(void **state)
{
	(void)state;
	sql(REPORTED(SEGMENT("a", "10:00", "10:05")));
	sql("update call_follow_ups set state = 'done', tries = 2; delete from jobs");
	sql(REPORTED(SEGMENT("a", "10:00", "10:05")));
	assert_string_equal(sql("select state from call_follow_ups"), "done");
	sql(REPORTED(SEGMENT("b", "10:05", "11:05")));
	assert_string_equal(sql("select state || ' ' || tries from call_follow_ups"), "waiting 0");
	assert_string_equal(
		sql("select count(*) from jobs where kind = 'followup' and key = '" SOURCE "'"),
		"1");
	assert_string_equal(sql("select ended_at is null from calls"), "t");
}

/* --- a project that is being put away --- */

static const char *prepared(const char *name, const char *params)
{
	static _Thread_local char text[8000];
	snprintf(text, sizeof(text), "prepare q as %s; execute q(%s)", sql_find(name)->text,
		 params);
	return text;
}

#define ARCHIVED "select callmend_project_archive('" DEFAULT_ORG "', 'cli', '" PROJECT "', null)"

static void no_source_comes_into_a_project_that_is_being_put_away(void **state)
{
	(void)state;
	sql("delete from sources");
	assert_string_equal(at_once(ARCHIVED,
				    prepared("api_sources_create",
					     "'" DEFAULT_ORG "', 'cli', '{\"name\": \"s\", "
					     "\"project_id\": \"" PROJECT "\"}', null"),
				    NULL),
			    "");
	assert_string_equal(sql("select count(*) from sources"), "0");
}

static void no_source_is_moved_into_one_either(void **state)
{
	char from[40];
	(void)state;
	snprintf(from, sizeof(from), "%s",
		 sql("insert into projects (org_id, name) values ('" DEFAULT_ORG
		     "', 'from') returning id"));
	sql("update sources set project_id = '%s'", from);
	assert_string_equal(at_once(ARCHIVED,
				    prepared("api_sources_update",
					     "'" DEFAULT_ORG "', 'cli', '" SOURCE
					     "', '{\"project_id\": \"" PROJECT "\"}', null"),
				    NULL),
			    "");
	assert_string_equal(sql("select project_id from sources"), from);
}

/* --- partitions --- */

static void a_partition_is_made_and_dropped_once(void **state)
{
	static const char make[] = "select callmend_partition('2001-01-01')";
	static const char drop[] = "select callmend_partitions_drop('2001-01-02')";
	(void)state;
	assert_string_equal(at_once(make, make, NULL), "f");
	assert_string_equal(at_once(drop, drop, NULL), "0");
	assert_string_equal(sql("select to_regclass('call_events_20010101') is null"), "t");
}

/* --- deliveries --- */

#define DONE(delivery, verdict)                                            \
	"select callmend_delivery_done('" delivery "', 'me', 1, '" verdict \
	"', 500, 'answered 500', 1000)"

static const char *resend(void)
{
	return prepared("api_webhooks_resend",
			"'" DEFAULT_ORG "', 'cli', '" ENDPOINT "', '" DELIVERY "', null");
}

static const char *delivery(void)
{
	return sql("select concat_ws(' ', d.state, d.attempts, d.next_at <= now(), j.state, "
		   "e.disabled_at is null) from webhook_deliveries d join webhook_endpoints e on "
		   "e.id = d.endpoint_id left join jobs j on j.key = d.id::text where d.id = "
		   "'" DELIVERY "'");
}

/* Each tells the other that it is switched off. */
static void of_two_endpoints_that_are_gone_none_waits_for_the_other(void **state)
{
	(void)state;
	struct held_lock *held = sql_hold(DONE(DELIVERY, "gone"));
	const char *second = sql("set lock_timeout = '5s'; " DONE(OTHER_DELIVERY, "gone"));
	sql_commit(held);
	assert_string_equal(second, "gone");
	assert_string_equal(
		sql("select count(*) from webhook_endpoints where disabled_at is not null"), "2");
}

static void who_sends_again_waits_for_an_attempt_with_empty_hands(void **state)
{
	(void)state;
	at_once("select callmend_job_held('deliver', '" DELIVERY "', 'me')", resend(),
		"select count(*) = 2 from (select from webhook_deliveries for update skip locked) "
		"free");
	assert_string_equal(delivery(), "pending 0 t running t");
}

static void sent_again_after_the_last_attempt_it_begins_anew(void **state)
{
	(void)state;
	at_once(DONE(DELIVERY, "dead"), resend(), NULL);
	assert_string_equal(delivery(), "pending 0 t queued t");
}

static void sent_again_during_the_last_attempt_it_is_not_given_up(void **state)
{
	(void)state;
	sql("insert into webhook_deliveries (id, endpoint_id, notification_id, org_id, type, body, "
	    "state) select gen_random_uuid(), '" ENDPOINT "', '" NOTE "', '" DEFAULT_ORG
	    "', 't', '{}', 'dead' from generate_series(1, 5)");
	assert_string_equal(at_once(resend(), DONE(DELIVERY, "dead"), NULL), "again");
	assert_string_equal(delivery(), "pending 0 t queued t");
}

/* --- work given up --- */

static void work_given_up_at_the_same_moment_is_told_once(void **state)
{
	static const char dead[] =
		"select callmend_job_dead(j) from jsonb_populate_record(null::jobs, '{\"kind\": "
		"\"detect\", \"key\": \"" PROJECT "\", \"org_id\": \"" DEFAULT_ORG "\"}') j";
	(void)state;
	at_once(dead, dead, NULL);
	assert_string_equal(sql("select count(*) from notifications where type = 'analysis_dead'"),
			    "1");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
	const struct CMUnitTest tests[] = {
		TEST(words_of_two_insights_are_all_kept),
		TEST(an_insight_adds_no_words_to_those_being_told),
		TEST(a_follow_up_waits_for_the_call_with_empty_hands),
		TEST(an_insight_waits_for_the_call_with_empty_hands),
		TEST(a_record_changes_no_end_that_is_being_told),
		TEST(segments_of_two_reports_are_all_kept),
		TEST(segments_that_come_later_are_fetched_too),
		TEST(no_source_comes_into_a_project_that_is_being_put_away),
		TEST(no_source_is_moved_into_one_either),
		TEST(a_partition_is_made_and_dropped_once),
		TEST(of_two_endpoints_that_are_gone_none_waits_for_the_other),
		TEST(who_sends_again_waits_for_an_attempt_with_empty_hands),
		TEST(sent_again_after_the_last_attempt_it_begins_anew),
		TEST(sent_again_during_the_last_attempt_it_is_not_given_up),
		TEST(work_given_up_at_the_same_moment_is_told_once),
	};
	return cmocka_run_group_tests(tests, begin, fixture_stop);
}
