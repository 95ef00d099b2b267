/* Happy path: advisory lock; every migration not yet in schema_migrations runs in a transaction of
 * its own, with its row.
 *
 * Failure modes.
 *  - Several processes at once: the lock lets one after the other in; the later ones find nothing
 * left to do.
 *  - A migration fails: its transaction is rolled back, the earlier ones stay, the fault names it.
 *  - The database knows a migration that this program does not: it belongs to a newer Callmend;
 * refused.
 *  - A migration that has run was changed afterwards: its checksum differs; refused. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/log.h"
#include "callmend/store.h"
#include "store/schema.h"

#define LOCK_SQL                                                         \
	"set statement_timeout = '10min'; set lock_timeout = 0; select " \
	"pg_advisory_lock(" SCHEMA_LOCK ")"
#define TABLE_SQL                                                                            \
	"create table if not exists schema_migrations ("                                     \
	"version int primary key, name text not null, checksum text not null,"               \
	" applied_at timestamptz not null default now());"                                   \
	"comment on table schema_migrations is 'Migrations that have run in this database';" \
	"comment on column schema_migrations.version is 'Number of the migration';"          \
	"comment on column schema_migrations.name is 'Name of its file';"                    \
	"comment on column schema_migrations.checksum is 'SHA-256 of its text';"             \
	"comment on column schema_migrations.applied_at is 'When it ran'"
#define KNOWN_SQL "select version, name, checksum from schema_migrations order by version"

static void checksum(const struct sql_file *m, struct buf *out)
{
	uint8_t hash[32];
	crypto_sha256(span_of(m->text), hash);
	crypto_hex((struct span){ (const char *)hash, sizeof(hash) }, out);
}

static int run(struct pg *pg, const char *sql, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_exec(pg, sql, &result, f));
	PQclear(result);
	return 0;
}

static const struct sql_file *migration(int number)
{
	for (size_t i = 0; i < sql_migrations_n; i++)
		if (sql_migration_number(&sql_migrations[i]) == number)
			return &sql_migrations[i];
	return NULL;
}

static int version_of(const PGresult *known, int row)
{
	return (int)strtol(PQgetvalue(known, row, 0), NULL, 10);
}

static int check_known(const PGresult *known, int row, struct fault *f)
{
	const struct sql_file *ours = migration(version_of(known, row));
	if (!ours)
		return fault(f, E_CONFLICT,
			     "the database has migration %s, which this Callmend (%s) does not "
			     "know: it was used by a newer "
			     "Callmend; use that one, or another database",
			     PQgetvalue(known, row, 1), CALLMEND_VERSION);
	struct buf sum AUTO_BUF = { 0 };
	checksum(ours, &sum);
	if (!span_is(buf_span(&sum), PQgetvalue(known, row, 2)))
		return fault(f, E_CONFLICT,
			     "migration %s has run in this database with another content than this "
			     "Callmend has",
			     ours->name);
	return 0;
}

static int apply(struct pg *pg, const struct sql_file *m, struct fault *f)
{
	struct buf sql AUTO_BUF = { 0 }, sum AUTO_BUF = { 0 };
	checksum(m, &sum);
	buf_printf(&sql,
		   "begin;\n%s;\ninsert into schema_migrations (version, name, checksum) values "
		   "(%d, '%s', '%s');\ncommit",
		   m->text, sql_migration_number(m), m->name, buf_z(&sum));
	int rc = run(pg, buf_z(&sql), f);
	if (rc) {
		fault_wrap(f, "migration %s", m->name);
		return rc;
	}
	log_info("store", "migration %s applied", m->name);
	return 0;
}

static int migrate(struct pg *pg, unsigned *applied, struct fault *f)
{
	TRY(run(pg, LOCK_SQL, f));
	TRY(run(pg, TABLE_SQL, f));
	PGresult *known = NULL;
	TRY(pg_exec(pg, KNOWN_SQL, &known, f));
	int n = PQntuples(known), rc = 0;
	for (int i = 0; i < n && rc == 0; i++)
		rc = check_known(known, i, f);
	int newest = n ? version_of(known, n - 1) : 0;
	PQclear(known);
	for (size_t i = 0; i < sql_migrations_n && rc == 0; i++) {
		if (sql_migration_number(&sql_migrations[i]) <= newest)
			continue;
		rc = apply(pg, &sql_migrations[i], f);
		if (rc == 0)
			*applied += 1;
	}
	return rc;
}

int store_migrate(const char *url, unsigned *applied, struct fault *f)
{
	struct pg pg = { .patience_ms = 10 * 60 * 1000 };
	unsigned count = 0;
	TRY(pg_open(&pg, url, f));
	int rc = migrate(&pg, &count, f);
	pg_close(&pg); /* ends the lock and, after a failure, the transaction */
	if (applied)
		*applied = count;
	return rc;
}
