/* Failure modes: no migration has run, or not all of them - the connection is closed again, the
 * fault says how far it is; our user may not read what tells it - as with any table, a permission
 * is missing. */
#include "store/schema.h"

#include <stdlib.h>

#include "store/sqlstate.h"

/* pg_locks has the two halves of an advisory lock's number apart. */
#define LOOK_SQL                                                                              \
	"select to_regclass('schema_migrations') is not null, exists (select from pg_locks l" \
	" join pg_database d on d.oid = l.database and d.datname = current_database()"        \
	" where l.locktype = 'advisory' and l.objsubid = 1"                                   \
	" and (l.classid::bigint << 32 | l.objid::bigint) = " SCHEMA_LOCK ")"
#define NEWEST_SQL "select coalesce(max(version), 0) from schema_migrations"

static int newest_in(struct pg *pg, int *out, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_exec(pg, NEWEST_SQL, &result, f));
	*out = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

static int look(struct pg *pg, bool *begun, bool *migrating, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_exec(pg, LOOK_SQL, &result, f));
	*begun = PQgetvalue(result, 0, 0)[0] == 't';
	*migrating = PQgetvalue(result, 0, 1)[0] == 't';
	PQclear(result);
	return 0;
}

/* Migrations run in their order. */
static int newest_known(void)
{
	return sql_migration_number(&sql_migrations[sql_migrations_n - 1]);
}

static int check_ready(struct pg *pg, struct fault *f)
{
	bool begun = false, migrating = false;
	int newest = 0;
	TRY(look(pg, &begun, &migrating, f));
	if (begun)
		TRY(newest_in(pg, &newest, f));
	if (newest >= newest_known())
		return 0;
	pg_note_state(pg, span_of(migrating ? SQLSTATE_MIGRATING : SQLSTATE_UNMIGRATED));
	return fault(f, E_UNAVAILABLE, "the schema is at migration %d of %d%s", newest,
		     newest_known(), migrating ? ", the others are running" : "");
}

int schema_open(struct pg *pg, const char *url, struct fault *f)
{
	TRY(pg_open(pg, url, f));
	int rc = check_ready(pg, f);
	if (rc)
		pg_close(pg);
	return rc;
}
