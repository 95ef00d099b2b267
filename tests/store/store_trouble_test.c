/* What PostgreSQL's errors mean: every class, and on a real server that nothing which is no row's
 * fault ends in quarantine or stays untold (A2, I2). */
#include "store_fixture.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "callmend/record.h"
#include "store/sqlstate.h"
#include "store/trouble.h"

/* --- the table --- */

/* Appendix A of PostgreSQL 15; without 00 to 03, which are no errors. */
static const char *const classes[] = {
	"08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23", "24",
	"25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F",
	"40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
};

static void every_class_means_something(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		char any[6];
		snprintf(any, sizeof(any), "%s999", classes[i]);
		if (sqlstate_find(any)->prefix[0] == 0)
			fail_msg("class %s is not in the table", classes[i]);
	}
	assert_string_equal(sqlstate_find("ZZ000")->name, "unexpected");
	assert_string_equal(sqlstate_find("")->name, "unexpected");
}

static void what_counts_is_what_it_means(void **state)
{
	(void)state;
	static const struct {
		const char *sqlstate;
		enum sqlstate_kind kind;
		int code;
	} cases[] = {
		{ "22P02", SQLSTATE_ROW, E_INVALID },
		{ "23514", SQLSTATE_ROW, E_INVALID }, /* also: no partition */
		{ "23505", SQLSTATE_ROW, E_CONFLICT },
		{ "54000", SQLSTATE_ROW, E_INVALID },
		{ "P0001", SQLSTATE_ROW, E_INVALID },
		{ "CM001", SQLSTATE_CONFLICT, E_CONFLICT },
		{ "CM002", SQLSTATE_CONFLICT, E_LOST },
		{ "08006", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "25006", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "40P01", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "53100", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "55P03", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "57P01", SQLSTATE_PASSING, E_UNAVAILABLE },
		{ "0A000", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "28P01", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "3D000", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "42501", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "42703", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "42804", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "P0002", SQLSTATE_DEGRADED, E_UNAVAILABLE },
		{ "XX001", SQLSTATE_DEGRADED, E_UNAVAILABLE },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sqlstate *s = sqlstate_find(cases[i].sqlstate);
		if (s->kind != cases[i].kind || s->code != cases[i].code)
			fail_msg("%s: kind %d, code %d", cases[i].sqlstate, s->kind, s->code);
	}
	assert_string_equal(sqlstate_find("42501")->name, "permission");
	assert_string_equal(sqlstate_find("42703")->name, "schema");
}

/* Names are labels of a metric, which has room for so many; docs/operations.md has each. */
static void names_are_few_and_documented(void **state)
{
	(void)state;
	const char *names[METRIC_LABEL_VALUES];
	size_t n, distinct = 0;
	struct buf docs AUTO_BUF = { 0 };
	char line[100];
	FILE *file = fopen(DOCS_OPERATIONS, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		buf_addz(&docs, line);
	fclose(file);
	const struct sqlstate *rows = sqlstate_table(&n);
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;
		assert_true(rows[i].advice[0]);
		assert_int_equal(rows[i].code == E_UNAVAILABLE, rows[i].kind >= SQLSTATE_PASSING);
		if (rows[i].kind < SQLSTATE_PASSING)
			continue;
		while (at < distinct && strcmp(names[at], rows[i].name) != 0)
			at++;
		if (at < distinct)
			continue;
		assert_true(distinct < METRIC_LABEL_VALUES);
		names[distinct++] = rows[i].name;
		snprintf(line, sizeof(line), "| `%s` |", rows[i].name);
		if (!strstr(buf_z(&docs), line))
			fail_msg("docs/operations.md lacks %s", line);
	}
}

/* --- the board --- */

static void troubles_are_told_until_they_are_over(void **state)
{
	(void)state;
	struct trouble_board b;
	struct store_trouble out[STORE_PART_COUNT];
	trouble_init(&b);
	assert_int_equal(trouble_list(&b, 1, out), 0);
	trouble_report(&b, STORE_PART_PROJECTOR, "", "", "nobody answers", 100);
	assert_int_equal(trouble_list(&b, 100, out), 0);
	trouble_report(&b, STORE_PART_PROJECTOR, "", "25006", "no", 100);
	trouble_report(&b, STORE_PART_QUERIES, "api_a", "42501", "no", 200);
	trouble_report(&b, STORE_PART_QUERIES, "api_a", "42501", "no", 300);
	assert_int_equal(trouble_list(&b, 300, out), 2);
	assert_string_equal(out[0].part, "projector");
	assert_string_equal(out[0].name, "read-only");
	assert_false(out[0].degraded);
	assert_string_equal(out[1].part, "queries");
	assert_string_equal(out[1].sqlstate, "42501");
	assert_true(out[1].degraded);
	assert_int_equal(out[1].since_us, 200);
	/* Another query that works says nothing about this one. */
	trouble_clear(&b, STORE_PART_QUERIES, "api_b");
	assert_int_equal(trouble_list(&b, 300, out), 2);
	trouble_clear(&b, STORE_PART_QUERIES, "api_a");
	assert_int_equal(trouble_list(&b, 300, out), 1);
	/* What nobody meets any more is over; what changes begins anew. */
	assert_int_equal(trouble_list(&b, 99 + TROUBLE_KEPT_US, out), 1);
	assert_int_equal(trouble_list(&b, 100 + TROUBLE_KEPT_US, out), 0);
	trouble_report(&b, STORE_PART_PROJECTOR, "", "25006", "no", 500 + TROUBLE_KEPT_US);
	trouble_report(&b, STORE_PART_PROJECTOR, "", "42703", "no", 600 + TROUBLE_KEPT_US);
	assert_int_equal(trouble_list(&b, 600 + TROUBLE_KEPT_US, out), 1);
	assert_int_equal(out[0].since_us, 600 + TROUBLE_KEPT_US);
	trouble_fini(&b);
}

/* What stderr is given while `say` runs. */
static void logged(void (*say)(struct trouble_board *, int64_t), struct trouble_board *b,
		   int64_t at_us, char *out, size_t size)
{
	int ends[2], real = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_init(LOG_INFO, LOG_TEXT);
	say(b, at_us);
	log_init(LOG_ERROR, LOG_TEXT);
	dup2(real, STDERR_FILENO);
	close(real);
	close(ends[1]);
	ssize_t n = read(ends[0], out, size - 1);
	out[n > 0 ? n : 0] = 0;
	close(ends[0]);
}

static void say_no_table(struct trouble_board *b, int64_t at_us)
{
	trouble_report(b, STORE_PART_PROJECTOR, "", "42P01", "no such table", at_us);
}

static void say_no_database(struct trouble_board *b, int64_t at_us)
{
	trouble_report(b, STORE_PART_DIRECTORY, "", "3D000", "no such database", at_us);
}

static void say_starting(struct trouble_board *b, int64_t at_us)
{
	trouble_report(b, STORE_PART_QUERIES, "", "57P03", "the database system is starting up",
		       at_us);
}

/* But one that has been there and starts again was away. */
static void a_server_that_starts_is_no_trouble(void **state)
{
	(void)state;
	struct trouble_board b;
	char text[512];
	trouble_init(&b);
	logged(say_starting, &b, 100, text, sizeof(text));
	assert_non_null(strstr(text, " info "));
	trouble_clear(&b, STORE_PART_QUERIES, "");
	logged(say_starting, &b, 200, text, sizeof(text));
	assert_non_null(strstr(text, " warn "));
	trouble_fini(&b);
}

static void a_schema_in_the_making_is_no_error(void **state)
{
	(void)state;
	struct trouble_board b;
	char text[512];
	trouble_init(&b);
	logged(say_no_table, &b, 100, text, sizeof(text));
	assert_non_null(strstr(text, " info "));
	assert_non_null(strstr(text, "database and schema are made"));
	logged(say_no_table, &b, 99 + TROUBLE_MADE_US, text, sizeof(text));
	assert_string_equal(text, "");
	logged(say_no_database, &b, 200, text, sizeof(text));
	assert_non_null(strstr(text, " info "));
	/* Nobody makes it. */
	logged(say_no_table, &b, 100 + TROUBLE_MADE_US, text, sizeof(text));
	assert_non_null(strstr(text, " error "));
	logged(say_no_table, &b, 101 + TROUBLE_MADE_US, text, sizeof(text));
	assert_string_equal(text, "");
	trouble_fini(&b);
}

static void say_migrating(struct trouble_board *b, int64_t at_us)
{
	trouble_report(b, STORE_PART_PROJECTOR, "", SQLSTATE_MIGRATING, "the others are running",
		       at_us);
}

/* However long they take; and what comes between two of them is none either. */
static void migrations_that_run_are_no_error(void **state)
{
	(void)state;
	struct trouble_board b;
	struct store_trouble out[STORE_PART_COUNT];
	char text[512];
	trouble_init(&b);
	say_no_table(&b, 100);
	int64_t late_us = 100 + 10 * TROUBLE_MADE_US;
	logged(say_migrating, &b, late_us, text, sizeof(text));
	assert_non_null(strstr(text, " info "));
	assert_int_equal(trouble_list(&b, late_us, out), 1);
	assert_string_equal(out[0].name, "migrating");
	assert_false(out[0].degraded);
	logged(say_no_table, &b, late_us + TROUBLE_MADE_US - 1, text, sizeof(text));
	assert_non_null(strstr(text, " info "));
	logged(say_no_table, &b, late_us + TROUBLE_MADE_US, text, sizeof(text));
	assert_non_null(strstr(text, " error "));
	trouble_fini(&b);
}

static void a_schema_that_was_good_is_an_error_at_once(void **state)
{
	(void)state;
	struct trouble_board b;
	char text[512];
	trouble_init(&b);
	say_no_table(&b, 100);
	trouble_clear(&b, STORE_PART_PROJECTOR, "");
	logged(say_no_table, &b, 200, text, sizeof(text));
	assert_non_null(strstr(text, " error "));
	trouble_fini(&b);
}

/* --- a real server --- */

#define CALL "10000000-0000-5000-8000-000000000001"
#define AT "2026-11-21T04:53:00.123456Z"

static struct store *store;
static struct shards *shards;
static struct store_writer *writer;
static char today[11];

/* As somebody who owns nothing: the cluster's own user may do anything. */
static const char *limited_url(void)
{
	static char url[300];
	const char *base = fixture_url();
	const char *user = strstr(base, "user=");
	assert_non_null(user);
	snprintf(url, sizeof(url), "%.*suser=limited%s", (int)(user - base), base,
		 user + strcspn(user, " "));
	return url;
}

static void drop_directory(void *user, const struct directory *d)
{
	(void)user;
	directory_unref(d);
}

static int nothing_to_start(struct shard *s, void *user, struct fault *f)
{
	(void)s;
	(void)user;
	(void)f;
	return 0;
}

static void nothing_to_end(struct shard *s, void *user)
{
	(void)s;
	(void)user;
}

static int begin(void **state)
{
	if (fixture_start_migrated(state))
		return -1;
	sql("create role limited login; grant all on all tables in schema public to limited");
	sql("select callmend_partition((now() at time zone 'UTC')::date)");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	struct shard_hooks hooks = { nothing_to_start, nothing_to_end, NULL };
	struct uuid journal = uuid_v7();
	struct store_config config = { .url = limited_url(),
				       .state_dir = fixture.dir,
				       .connections = 1,
				       .on_directory = drop_directory };
	snprintf(today, sizeof(today), "%s", sql("select (now() at time zone 'UTC')::date"));
	sql("truncate call_events, quarantine");
	if (shards_start(&shards, 1, 100, &hooks, &oops) || store_new(&store, &config, &oops) ||
	    store_writer_new(&writer, limited_url(), &journal, &oops))
		return -1;
	store_writer_report(writer, store);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_writer_free(writer);
	store_close(store);
	shards_stop(shards);
	store_free(store);
	return 0;
}

static struct store_row event(uint64_t record)
{
	static char seq[4][24];
	snprintf(seq[record % 4], sizeof(seq[0]), "%llu", (unsigned long long)seq_of(record, 0));
	return (struct store_row){
		STORE_ROW_EVENT,
		record,
		{ CALL, seq[record % 4], today, NULL, "transcript.final", "user", "hello", "true",
		  AT, "1500", "{}", DEFAULT_ORG, AT },
	};
}

static bool has_trouble(const char *part, const char *name, struct store_trouble *out)
{
	struct store_trouble all[STORE_PART_COUNT];
	size_t n = store_troubles(store, all);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].part, part) != 0 || strcmp(all[i].name, name) != 0)
			continue;
		*out = all[i];
		return true;
	}
	return false;
}

/* While `broken`, nothing is stored and nothing put aside, and it is told by name; after `mended`
 * the same batch goes through and nothing is told any more. */
static void expect_held(const char *broken, const char *mended, const char *name, bool degraded)
{
	struct store_row row = event(1);
	struct store_trouble t = { 0 }, all[STORE_PART_COUNT];
	int64_t counted = metric_value(METRIC_DATABASE_ERRORS);
	size_t refused = 99;
	sql("%s", broken);
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_write(writer, &row, 1, 0, 1, &refused, &oops),
				 E_UNAVAILABLE);
	assert_int_equal(refused, 0);
	if (!has_trouble("projector", name, &t))
		fail_msg("%s is not told: %s", name, oops.text);
	assert_int_equal(t.degraded, degraded);
	assert_true(t.advice[0]);
	assert_true(metric_value(METRIC_DATABASE_ERRORS) >= counted + 3);
	assert_string_equal(sql("select count(*) from quarantine"), "0");
	assert_string_equal(sql("select count(*) from call_events"), "0");
	sql("%s", mended);
	assert_ok(store_write(writer, &row, 1, 0, 1, &refused, &oops));
	assert_int_equal(refused, 0);
	assert_string_equal(sql("select count(*) from call_events"), "1");
	for (size_t i = 0, n = store_troubles(store, all); i < n; i++)
		assert_string_not_equal(all[i].part, "projector");
}

static void a_right_that_was_taken(void **state)
{
	(void)state;
	expect_held("revoke insert on call_events from limited",
		    "grant insert on call_events to limited", "permission", true);
}

static void a_column_with_another_name(void **state)
{
	(void)state;
	expect_held("alter table call_events rename column text to said",
		    "alter table call_events rename column said to text", "schema", true);
}

static void a_column_of_another_type(void **state)
{
	(void)state;
	expect_held("alter table call_events alter column is_final drop default, alter column "
		    "is_final type integer using is_final::integer",
		    "alter table call_events alter column is_final type boolean using "
		    "is_final::integer::boolean, alter column is_final set default false",
		    "schema", true);
}

static void a_server_that_takes_no_writes(void **state)
{
	(void)state;
	expect_held("alter role limited set default_transaction_read_only = on",
		    "alter role limited reset default_transaction_read_only", "read-only", false);
}

static void a_role_that_may_not_log_in(void **state)
{
	(void)state;
	expect_held("alter role limited nologin", "alter role limited login", "login", true);
}

/* With statements prepared before: those of the old table's shape must not stay. */
static void a_column_renamed_under_a_running_writer(void **state)
{
	struct store_row row = event(2);
	(void)state;
	a_right_that_was_taken(state); /* record 1 */
	sql("alter table call_events rename column text to said");
	assert_int_equal(store_write(writer, &row, 1, 1, 2, NULL, &oops), E_UNAVAILABLE);
	sql("alter table call_events rename column said to text");
	assert_ok(store_write(writer, &row, 1, 1, 2, NULL, &oops));
}

/* What a trigger on the table refuses is that row's: the others are stored. */
static void a_trigger_that_raises_refuses_its_row(void **state)
{
	(void)state;
	struct store_row rows[] = { event(1), event(2), event(3) };
	size_t refused = 0;
	rows[1].params[6] = "forbidden";
	sql("create function deny() returns trigger language plpgsql as $$ begin if new.text = "
	    "'forbidden' then raise exception 'not that'; end if; return new; end $$");
	sql("create trigger deny before insert on call_events for each row execute function "
	    "deny()");
	assert_ok(store_write(writer, rows, 3, 0, 3, &refused, &oops));
	sql("drop trigger deny on call_events; drop function deny");
	assert_int_equal(refused, 1);
	assert_string_equal(sql("select string_agg(record || reason, '') from quarantine"),
			    "2not that");
	assert_string_equal(sql("select count(*) from call_events"), "2");
}

static void partitions_that_may_not_be_made(void **state)
{
	struct store_trouble t;
	(void)state;
	/* limited does not own call_events */
	assert_int_equal(store_writer_partitions(writer, 30, &oops), E_UNAVAILABLE);
	assert_true(has_trouble("retention", "permission", &t) && t.degraded);
}

/* --- queries and directory --- */

struct question {
	sem_t done;
	int code;
};

static void on_done(void *user, const struct store_answer *a)
{
	struct question *q = user;
	q->code = a->code;
	sem_post(&q->done);
}

static int ask_projects(void)
{
	struct question q = { 0 };
	const char *params[] = { DEFAULT_ORG, NULL };
	struct timespec until;
	sem_init(&q.done, 0, 0);
	assert_int_equal(store_query(store, shards_at(shards, 0), "api_projects_list", params, 2,
				     on_done, &q),
			 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (sem_timedwait(&q.done, &until))
		if (errno != EINTR)
			fail_msg("no answer");
	sem_destroy(&q.done);
	return q.code;
}

static void queries_that_may_not_be_asked(void **state)
{
	struct store_trouble t;
	(void)state;
	assert_int_equal(ask_projects(), 0);
	sql("revoke select on projects from limited");
	assert_int_equal(ask_projects(), E_UNAVAILABLE);
	assert_true(has_trouble("queries", "permission", &t) && t.degraded);
	sql("grant select on projects to limited");
	assert_int_equal(ask_projects(), 0);
	assert_false(has_trouble("queries", "permission", &t));
}

static bool comes_to(const char *part, const char *name)
{
	struct store_trouble t;
	int64_t until = clock_monotonic_us() + 20 * SECOND_US;
	while (clock_monotonic_us() < until) {
		if (has_trouble(part, name, &t))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 5 * 1000000 }, NULL);
	}
	return false;
}

static void a_directory_that_may_not_be_read(void **state)
{
	(void)state;
	sql("revoke select on api_tokens from limited");
	tear_down(state);
	assert_int_equal(set_up(state), 0);
	assert_true(comes_to("directory", "permission"));
	sql("grant select on api_tokens to limited");
}

static void a_database_that_is_not_there(void **state)
{
	struct store *nowhere;
	char url[400];
	struct store_config config = { .url = url,
				       .state_dir = fixture.dir,
				       .connections = 1,
				       .on_directory = drop_directory };
	(void)state;
	snprintf(url, sizeof(url), "%s dbname=nothing", fixture_url());
	assert_ok(store_new(&nowhere, &config, &oops));
	struct store *mine = store;
	store = nowhere;
	assert_true(comes_to("directory", "login"));
	store = mine;
	store_free(nowhere);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_class_means_something),
		cmocka_unit_test(what_counts_is_what_it_means),
		cmocka_unit_test(names_are_few_and_documented),
		cmocka_unit_test(troubles_are_told_until_they_are_over),
		cmocka_unit_test(a_server_that_starts_is_no_trouble),
		cmocka_unit_test(a_schema_in_the_making_is_no_error),
		cmocka_unit_test(migrations_that_run_are_no_error),
		cmocka_unit_test(a_schema_that_was_good_is_an_error_at_once),
		T(a_right_that_was_taken),
		T(a_column_with_another_name),
		T(a_column_of_another_type),
		T(a_server_that_takes_no_writes),
		T(a_role_that_may_not_log_in),
		T(a_column_renamed_under_a_running_writer),
		T(a_trigger_that_raises_refuses_its_row),
		T(partitions_that_may_not_be_made),
		T(queries_that_may_not_be_asked),
		T(a_directory_that_may_not_be_read),
		T(a_database_that_is_not_there),
	};
	return cmocka_run_group_tests_name("store_trouble", tests, begin, fixture_stop);
}
