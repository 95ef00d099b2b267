/* I2: migrations - once, by whoever comes first, and never on a database from the future. */
#include "store_fixture.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "store/schema.h"

static int ask(struct store_link *link)
{
	struct buf out AUTO_BUF = { 0 };
	return store_link_query(link, "job_schedule", NULL, 0, &out, &oops);
}

/* Whether somebody migrates just now, or nobody does, is told apart. */
static void nobody_uses_a_schema_that_is_not_ready(void **state)
{
	(void)state;
	struct store_link *link = NULL;
	assert_ok(store_link_new(&link, fixture_url(), &oops));
	assert_int_equal(ask(link), E_UNAVAILABLE);
	assert_non_null(strstr(oops.text, "migration 0 of"));
	assert_false(store_link_migrating(link));
	struct held_lock *migrating = sql_hold("select pg_advisory_lock(" SCHEMA_LOCK ")");
	assert_int_equal(ask(link), E_UNAVAILABLE);
	assert_true(store_link_migrating(link));
	sql_unlock(migrating);
	assert_ok(store_migrate(fixture_url(), NULL, &oops));
	assert_ok(ask(link));
	store_link_free(link);
	/* The last one is missing; then one of a newer program is there. */
	assert_ok(store_link_new(&link, fixture_url(), &oops));
	sql("delete from schema_migrations where version = %zu", sql_migrations_n);
	assert_int_equal(ask(link), E_UNAVAILABLE);
	sql("insert into schema_migrations values (%zu, 'newer', '')", sql_migrations_n + 1);
	assert_ok(ask(link));
	store_link_free(link);
	sql("drop schema public cascade; create schema public");
}

static void runs_everything_once(void **state)
{
	(void)state;
	unsigned applied = 99;
	assert_ok(store_migrate(fixture_url(), &applied, &oops));
	assert_int_equal(applied, sql_migrations_n);
	assert_ok(store_migrate(fixture_url(), &applied, &oops));
	assert_int_equal(applied, 0);
	char expected[16];
	snprintf(expected, sizeof(expected), "%zu", sql_migrations_n);
	assert_string_equal(sql("select count(*) from schema_migrations"), expected);
}

static void four_processes_at_once(void **state)
{
	(void)state;
	enum { PROCESSES = 4 };
	pid_t pids[PROCESSES];
	unsigned total = 0;
	const char *url = fresh_database("together");
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			unsigned applied = 0;
			_exit(store_migrate(url, &applied, NULL) ? 100 : (int)applied);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_not_equal(WEXITSTATUS(status), 100);
		total += (unsigned)WEXITSTATUS(status);
	}
	assert_int_equal(total, sql_migrations_n);
}

/* A database of one's own suffices, extension and all: nobody needs a superuser. */
static void an_owner_without_other_rights(void **state)
{
	(void)state;
	char url[300];
	unsigned applied = 0;
	const char *base = fixture_url();
	const char *user = strstr(base, "user=");
	assert_non_null(user);
	sql("create role plain login nosuperuser");
	sql("create database plain owner plain");
	snprintf(url, sizeof(url), "%.*suser=plain dbname=plain", (int)(user - base), base);
	assert_ok(store_migrate(url, &applied, &oops));
	assert_int_equal(applied, sql_migrations_n);
	assert_string_equal(sql("select rolsuper from pg_roles where rolname = 'plain'"), "f");
}

static void every_table_and_column_is_described(void **state)
{
	(void)state;
	assert_string_equal(
		sql("select coalesce(string_agg(c.relname, ' '), '') from pg_class c"
		    " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
		    " and obj_description(c.oid, 'pg_class') is null"),
		"");
	assert_string_equal(
		sql("select coalesce(string_agg(c.relname || '.' || a.attname, ' '), '') from "
		    "pg_class c"
		    " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not "
		    "a.attisdropped"
		    " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
		    " and col_description(c.oid, a.attnum) is null"),
		"");
}

static void rows_belong_to_an_organisation(void **state)
{
	(void)state;
	/* All but what is about the database itself. */
	assert_string_equal(sql("select coalesce(string_agg(c.relname, ' ' order by c.relname), "
				"'') from pg_class c"
				" where c.relnamespace = 'public'::regnamespace and c.relkind in "
				"('r', 'p') and not exists"
				" (select from pg_attribute a where a.attrelid = c.oid and "
				"a.attname = 'org_id')"),
			    "directory_version organisations schema_migrations");
}

static void refuses_a_newer_schema(void **state)
{
	(void)state;
	sql("insert into schema_migrations (version, name, checksum) values (9999, '9999_future', "
	    "'x')");
	assert_int_equal(store_migrate(fixture_url(), NULL, &oops), E_CONFLICT);
	assert_non_null(strstr(oops.text, "9999_future"));
	assert_non_null(strstr(oops.text, "newer"));
	sql("delete from schema_migrations where version = 9999");
	assert_ok(store_migrate(fixture_url(), NULL, &oops));
}

static void refuses_a_changed_migration(void **state)
{
	(void)state;
	sql("update schema_migrations set checksum = 'other' where version = 1");
	assert_int_equal(store_migrate(fixture_url(), NULL, &oops), E_CONFLICT);
	assert_non_null(strstr(oops.text, "0001"));
}

static void unreachable(void **state)
{
	(void)state;
	assert_int_equal(store_migrate("host=/nowhere dbname=x", NULL, &oops), E_UNAVAILABLE);
	assert_true(oops.text[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_uses_a_schema_that_is_not_ready),
		cmocka_unit_test(runs_everything_once),
		cmocka_unit_test(four_processes_at_once),
		cmocka_unit_test(an_owner_without_other_rights),
		cmocka_unit_test(every_table_and_column_is_described),
		cmocka_unit_test(rows_belong_to_an_organisation),
		cmocka_unit_test(refuses_a_newer_schema),
		cmocka_unit_test(refuses_a_changed_migration),
		cmocka_unit_test(unreachable),
	};
	return cmocka_run_group_tests_name("store_migrate", tests, fixture_start, fixture_stop);
}
