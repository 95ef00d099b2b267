#include "store/sqlstate.h"

#include <string.h>

#include "callmend/fault.h"

#define NOTHING "nothing: it is kept with the reason"
#define REFUSED(prefix)                                             \
	{                                                           \
		prefix, SQLSTATE_ROW, E_INVALID, "refused", NOTHING \
	}
#define PASSING(prefix, name, advice)                                 \
	{                                                             \
		prefix, SQLSTATE_PASSING, E_UNAVAILABLE, name, advice \
	}
#define DEGRADED(prefix, name, advice)                                 \
	{                                                              \
		prefix, SQLSTATE_DEGRADED, E_UNAVAILABLE, name, advice \
	}

#define GRANT                                                                              \
	"give the user of database.url the ownership of Callmend's tables, or the rights " \
	"docs/operations.md lists"
#define MIGRATE                                                                          \
	"the schema is not the one of this Callmend: undo changes made by hand, or run " \
	"`callmend migrate` with this version"
#define LOGIN "correct user, password and database in database.url, or pg_hba.conf"
#define TRIGGERS "look for triggers or functions that were added to Callmend's tables"
#define SERVER "read PostgreSQL's own log; check its disk and memory"
#define POOLER                                                                            \
	"a pooler between Callmend and PostgreSQL must keep a session on one connection " \
	"(session mode)"

static const struct sqlstate table[] = {
	/* the row's own */
	REFUSED("21"), /* cardinality violation */
	REFUSED("22"), /* data exception */
	REFUSED("23"), /* integrity constraint violation; 23514 is also "no partition" */
	{ "23505", SQLSTATE_ROW, E_CONFLICT, "refused", NOTHING }, /* there already */
	REFUSED("44"),						   /* with check option violation */
	REFUSED("54"),						   /* program limit exceeded */
	REFUSED("P0001"), /* raise exception: a check of ours */
	{ "CM001", SQLSTATE_CONFLICT, E_CONFLICT, "position",
	  "end the other process that stores this journal" },
	{ "CM002", SQLSTATE_CONFLICT, E_LOST, "lease", "nothing: another analyst has the job now" },

	/* passes */
	PASSING(SQLSTATE_MIGRATING, "migrating",
		"nothing: it goes on when the migrations have run; or end what they wait for "
		"(pg_stat_activity)"),
	PASSING("08", "connection", "check network and server"),
	PASSING("25", "transaction", "nothing: the connection is made anew"),
	PASSING("25006", "read-only",
		"connect to a server that takes writes: this is a standby, or "
		"default_transaction_read_only is on"),
	PASSING("40", "serialization", "nothing: it is tried again"),
	PASSING("53", "resources", "free disk space, memory or connections of PostgreSQL"),
	PASSING("55", "locks", "end what locks Callmend's tables (pg_stat_activity)"),
	PASSING("57", "operator",
		"wait for PostgreSQL to start; or find what is slow or ends sessions"),
	PASSING("58", "system", SERVER),

	/* does not pass */
	DEGRADED("09", "trigger", TRIGGERS),
	DEGRADED("0A", "schema",
		 MIGRATE), /* feature not supported: an older server, a changed table */
	DEGRADED("0B", "session", POOLER),
	DEGRADED("0F", "trigger", TRIGGERS),
	DEGRADED("0L", "permission", GRANT),
	DEGRADED("0P", "permission", GRANT),
	DEGRADED("0Z", "trigger", TRIGGERS),
	DEGRADED("20", "trigger", TRIGGERS),
	DEGRADED("24", "session", POOLER),
	DEGRADED("26", "session", POOLER), /* our prepared statements are gone */
	DEGRADED("27", "trigger", TRIGGERS),
	DEGRADED("28", "login", LOGIN),
	DEGRADED("2B", "permission", GRANT),
	DEGRADED("2D", "session", POOLER),
	DEGRADED("2F", "trigger", TRIGGERS),
	DEGRADED("34", "session", POOLER),
	DEGRADED("38", "trigger", TRIGGERS),
	DEGRADED("39", "trigger", TRIGGERS),
	DEGRADED("3B", "session", POOLER),
	DEGRADED("3D", "login", LOGIN), /* no such database */
	DEGRADED("3F", "schema", MIGRATE),
	DEGRADED(SQLSTATE_UNMIGRATED, "schema", MIGRATE),
	DEGRADED("42", "schema", MIGRATE), /* no such table, column, function; another type */
	DEGRADED("42501", "permission", GRANT),
	DEGRADED("72", "server", SERVER),
	DEGRADED("F0", "server", SERVER),
	DEGRADED("HV", "trigger", TRIGGERS),
	DEGRADED("P0", "trigger", TRIGGERS),
	DEGRADED("XX", "server", SERVER),
	DEGRADED("", "unexpected", SERVER),
};
enum { ROWS = sizeof(table) / sizeof(table[0]) };

const struct sqlstate *sqlstate_find(const char *state)
{
	const struct sqlstate *best = &table[ROWS - 1];
	for (size_t i = 0; i < ROWS; i++) {
		size_t n = strlen(table[i].prefix);
		if (n > strlen(best->prefix) && strncmp(state, table[i].prefix, n) == 0)
			best = &table[i];
	}
	return best;
}

const struct sqlstate *sqlstate_table(size_t *n)
{
	*n = ROWS;
	return table;
}
