/* One connection to PostgreSQL with deadlines, prepared statements and our error codes. For one
 * thread at a time; blocks it.
 *
 * libpq's own blocking calls wait for ever on a server that has stopped without closing its
 * sockets, so every wait here goes through poll() with a deadline. */
#ifndef CALLMEND_STORE_PG_H
#define CALLMEND_STORE_PG_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "callmend/fault.h"
#include "callmend/span.h"
#include "store/sql.h"

enum { PG_MAX_PARAMS = 16, PG_CONNECT_S = 3, PG_ANSWER_MS = 12000 };

struct pg {
	PGconn *conn;		 /* NULL: not connected */
	bool *prepared;		 /* by index into sql_queries */
	int patience_ms;	 /* how long an answer may take; 0: PG_ANSWER_MS */
	const atomic_bool *stop; /* gives up waiting when it becomes true; NULL: never */
	char state[6];		 /* SQLSTATE of the last failure since pg_open; "": it had none */
};

/* Connects and sets time zone, statement timeout (10 s) and the like. E_UNAVAILABLE. */
MUST int pg_open(struct pg *, const char *url, struct fault *f);
void pg_close(struct pg *); /* tolerates zeroed and closed; keeps `stop` */
/* False when closed, or when the server has closed its end meanwhile (then it is closed here too).
 */
bool pg_alive(struct pg *);

/* One statement, or several separated by semicolons when there are no parameters to it; its last
 * result. E_INVALID, E_CONFLICT: refused by the statement's data; E_UNAVAILABLE: everything else
 * (sqlstate.h), and the connection is closed when it is no good any more or prepared statements may
 * not fit the schema any more. The result is the caller's (PQclear). */
MUST int pg_exec(struct pg *, const char *sql, PGresult **out, struct fault *f);
/* A query of sql_queries, prepared at its first use. */
MUST int pg_query(struct pg *, const struct sql_file *, const char *const *params, size_t n,
		  PGresult **out, struct fault *f);
/* As pg_query, of one row and one column: its JSON is appended to `out`. No row or JSON null:
 * E_NOT_FOUND. A second column, not null, says why the query did nothing: E_INVALID. */
MUST int pg_ask(struct pg *, const struct sql_file *, const char *const *params, size_t n,
		struct buf *out, struct fault *f);
MUST int pg_prepare(struct pg *, const struct sql_file *, struct fault *f);

/* Waits until PQgetResult would not block, sending what is still to be sent. E_UNAVAILABLE. */
MUST int pg_wait(struct pg *, struct fault *f);
/* The connection is no good: closes it; E_UNAVAILABLE with libpq's reason. */
int pg_lost(struct pg *, struct fault *f);
/* The SQLSTATE of a failure that is no result; counted like those of results. */
void pg_note_state(struct pg *, struct span state);
/* What an error result means for us; sets the fault to PostgreSQL's message. 0 for results that are
 * no error. */
int pg_verdict(struct pg *, const PGresult *, struct fault *f);
/* SQLSTATE of a result, "" when it has none. */
const char *pg_sqlstate(const PGresult *);
/* The row's own fault: it would be refused again. */
bool pg_refused(const PGresult *);

#endif
