#include "store_fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

struct fixture fixture;
struct fault oops;

static int make_folder(void)
{
	log_init(LOG_ERROR, LOG_TEXT);
	snprintf(fixture.dir, sizeof(fixture.dir), "/tmp/callmend-store-XXXXXX");
	return mkdtemp(fixture.dir) ? 0 : -1;
}

static int start_cluster(void)
{
	struct fault f = { 0 };
	int rc = cluster_start(&fixture.cluster, fixture.dir, &f);
	if (rc)
		print_error("cluster: %s\n", f.text);
	return rc;
}

/* What make_cluster.c has made, where there is such a thing. */
static int copy_made(void)
{
	struct buf command AUTO_BUF = { 0 };
	const char *made = getenv("CALLMEND_TEST_CLUSTER");
	if (!made)
		return 0;
	buf_printf(&command,
		   "mkdir -m 700 '%s/postgres' && "
		   "cp -a --reflink=auto '%s/postgres/data' '%s/postgres/'",
		   fixture.dir, made, fixture.dir);
	return system(buf_z(&command));
}

int fixture_start(void **state)
{
	(void)state;
	return make_folder() || start_cluster() ? -1 : 0;
}

int fixture_start_migrated(void **state)
{
	struct fault f = { 0 };
	(void)state;
	if (make_folder() || copy_made() || start_cluster())
		return -1;
	int rc = store_migrate(fixture_url(), NULL, &f);
	if (rc)
		print_error("migrate: %s\n", f.text);
	return rc;
}

int fixture_stop(void **state)
{
	(void)state;
	struct buf command AUTO_BUF = { 0 };
	cluster_stop(fixture.cluster);
	buf_printf(&command, "rm -rf '%s'", fixture.dir);
	return system(buf_z(&command));
}

const char *fixture_url(void)
{
	return cluster_url(fixture.cluster);
}

static void run_sql(const char *text, char *out, size_t size)
{
	PGconn *conn = PQconnectdb(fixture_url());
	PGresult *result = PQexec(conn, text);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		print_error("%s: %s", text, PQerrorMessage(conn));
	bool value = status == PGRES_TUPLES_OK && PQntuples(result);
	snprintf(out, size, "%s", value ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(conn);
}

const char *sql(const char *fmt, ...)
{
	static _Thread_local char kept[8][4096];
	static _Thread_local unsigned next;
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	CHECK(n >= 0);
	next = (next + 1) % 8;
	run_sql(text, kept[next], sizeof(kept[next]));
	free(text);
	return kept[next];
}

const char *fresh_database(const char *name)
{
	static char url[300];
	const char *base = fixture_url();
	const char *cut = strstr(base, " dbname=");
	CHECK(cut);
	sql("create database %s", name);
	snprintf(url, sizeof(url), "%.*s dbname=%s", (int)(cut - base), base, name);
	return url;
}

bool sql_becomes_true(const char *query)
{
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	while (clock_monotonic_us() < until) {
		if (strcmp(sql("%s", query), "t") == 0)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 5 * 1000000 }, NULL);
	}
	return false;
}

/* The connection itself, seen from outside as something else. */
struct held_lock *sql_hold(const char *statement)
{
	PGconn *conn = PQconnectdb(fixture_url());
	struct buf text AUTO_BUF = { 0 };
	buf_printf(&text, "begin; %s", statement);
	PGresult *result = PQexec(conn, buf_z(&text));
	ExecStatusType status = PQresultStatus(result);
	CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
	PQclear(result);
	return (struct held_lock *)conn;
}

struct held_lock *sql_lock(const char *table)
{
	char text[128];
	snprintf(text, sizeof(text), "lock table %s in access exclusive mode", table);
	return sql_hold(text);
}

void sql_unlock(struct held_lock *lock)
{
	PQfinish((PGconn *)lock);
}

void sql_commit(struct held_lock *lock)
{
	PQclear(PQexec((PGconn *)lock, "commit"));
	sql_unlock(lock);
}
