/* Happy path: open once, then send, wait, take the result.
 *
 * Failure modes.
 *  - Server unreachable: pg_open fails after at most PG_CONNECT_S per address; refused connections
 * fail at once.
 *  - Server stopped or network gone: the deadline of pg_wait; the connection is closed,
 * E_UNAVAILABLE.
 *  - Server closed the connection while it was idle: pg_alive() sees it before anything is sent.
 *  - Server answers and lets nobody in (password, no such database): as above, with the SQLSTATE in
 * `state`.
 *  - Statement refused: by the table in sqlstate.c; PostgreSQL's message; the connection stays. A
 * statement that does not fit the schema: the connection is closed, its prepared statements may be
 * of an older one. */
#include "store/pg.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/sqlstate.h"

/* A server that refuses does so within this; one that is slower is not asked twice. */
enum { REFUSES_WITHIN_MS = 1000 };

static const char session_settings[] =
	"set timezone = 'UTC'; set datestyle = 'ISO'; set statement_timeout = '10s';"
	"set idle_in_transaction_session_timeout = '30s'; set lock_timeout = '8s'";

static void ignore_notice(void *user, const char *message)
{
	(void)user;
	(void)message;
}

/* libpq's messages have several lines and end in one. */
static struct span first_line(const char *text)
{
	size_t n = strcspn(text, "\n");
	return (struct span){ text, n };
}

void pg_note_state(struct pg *pg, struct span state)
{
	size_t n = state.n < sizeof(pg->state) ? state.n : sizeof(pg->state) - 1;

	if (n)
		memcpy(pg->state, state.p, n);
	pg->state[n] = 0;
	const struct sqlstate *means = sqlstate_find(pg->state);
	if (state.n && means->code == E_UNAVAILABLE)
		metric_add_label(METRIC_DATABASE_ERRORS, means->name, 1);
}

int pg_lost(struct pg *pg, struct fault *f)
{
	pg_note_state(pg, (struct span){ 0 });
	struct span why = first_line(pg->conn ? PQerrorMessage(pg->conn) : "");
	int rc = why.n ? fault(f, E_UNAVAILABLE, "PostgreSQL: %.*s", SPAN_ARG(why))
		       : fault(f, E_UNAVAILABLE, "PostgreSQL: the connection was lost");
	pg_close(pg);
	return rc;
}

void pg_close(struct pg *pg)
{
	if (pg->conn)
		PQfinish(pg->conn);
	pg->conn = NULL;
	free(pg->prepared);
	pg->prepared = NULL;
}

/* "FATAL:  3D000: database ...", whatever the language of the first word. */
static struct span state_in(const char *message)
{
	static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (const char *at = message; (at = strstr(at, ":  ")); at += 3)
		if (strspn(at + 3, allowed) == 5 && at[8] == ':')
			return (struct span){ at + 3, 5 };
	return (struct span){ 0 };
}

/* The SQLSTATE of a refused connection is only in libpq's verbose messages, and those can only be
 * asked for when there is a connection object. So it is tried once more. 0: now it was let in. */
static int not_connected(struct pg *pg, int64_t since_us, struct fault *f)
{
	struct span why = first_line(PQerrorMessage(pg->conn)), state = { 0 };
	int rc = fault(f, E_UNAVAILABLE, "PostgreSQL: %.*s", SPAN_ARG(why));
	if (clock_monotonic_us() - since_us < REFUSES_WITHIN_MS * MS_US) {
		PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
		PQreset(pg->conn);
		PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
		if (PQstatus(pg->conn) == CONNECTION_OK)
			return 0;
		state = state_in(PQerrorMessage(pg->conn));
	}
	if (!state.n && PQconnectionNeedsPassword(pg->conn))
		state = SPAN("28P01"); /* libpq itself gave up */
	pg_note_state(pg, state);
	pg_close(pg);
	return rc;
}

int pg_open(struct pg *pg, const char *url, struct fault *f)
{
	static const char *const keys[] = { "fallback_application_name",
					    "connect_timeout",
					    "client_encoding",
					    "keepalives_idle",
					    "keepalives_interval",
					    "keepalives_count",
					    "tcp_user_timeout",
					    "dbname",
					    NULL };
	/* The URL comes last: what it says itself wins. */
	const char *const values[] = { "callmend", "3", "UTF8", "5", "3", "3", "10000", url, NULL };
	_Static_assert(PG_CONNECT_S == 3, "connect_timeout above");
	int64_t since_us = clock_monotonic_us();
	pg_close(pg);
	pg->conn = PQconnectdbParams(keys, values, 1);
	pg->prepared = calloc(sql_queries_n, sizeof(*pg->prepared));
	CHECK(pg->conn && pg->prepared);
	if (PQstatus(pg->conn) != CONNECTION_OK)
		TRY(not_connected(pg, since_us, f));
	PQsetNoticeProcessor(pg->conn, ignore_notice, NULL);
	if (PQsetnonblocking(pg->conn, 1))
		return pg_lost(pg, f);
	PGresult *result = NULL;
	TRY(pg_exec(pg, session_settings, &result, f));
	PQclear(result);
	pg->state[0] = 0;
	return 0;
}

bool pg_alive(struct pg *pg)
{
	if (!pg->conn)
		return false;
	struct pollfd p = { .fd = PQsocket(pg->conn), .events = POLLIN };
	/* The reason for closing comes first, the end after it: read until there is nothing more.
	 */
	while (poll(&p, 1, 0) > 0)
		if (!PQconsumeInput(pg->conn)) {
			pg_close(pg);
			return false;
		}
	return true;
}

static bool stopped(const struct pg *pg)
{
	return pg->stop && atomic_load_explicit(pg->stop, memory_order_relaxed);
}

int pg_wait(struct pg *pg, struct fault *f)
{
	int patience_ms = pg->patience_ms ? pg->patience_ms : PG_ANSWER_MS;
	int64_t deadline = clock_monotonic_us() + patience_ms * MS_US;
	for (;;) {
		int unsent = PQflush(pg->conn);
		if (unsent < 0)
			return pg_lost(pg, f);
		if (!PQisBusy(pg->conn))
			return 0;
		if (stopped(pg) || clock_monotonic_us() > deadline) {
			pg_note_state(pg, (struct span){ 0 });
			pg_close(pg);
			return fault(f, E_UNAVAILABLE, "PostgreSQL: no answer within %d ms",
				     patience_ms);
		}
		struct pollfd p = { .fd = PQsocket(pg->conn),
				    .events = (short)(POLLIN | (unsent ? POLLOUT : 0)) };
		/* Short, so that `stop` is noticed. */
		if (poll(&p, 1, 100) > 0 && !PQconsumeInput(pg->conn))
			return pg_lost(pg, f);
	}
}

const char *pg_sqlstate(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return state ? state : "";
}

bool pg_refused(const PGresult *result)
{
	return sqlstate_find(pg_sqlstate(result))->kind == SQLSTATE_ROW;
}

int pg_verdict(struct pg *pg, const PGresult *result, struct fault *f)
{
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE &&
	    status != PGRES_PIPELINE_ABORTED)
		return 0;
	const char *state = pg_sqlstate(result);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	struct span line = first_line(text ? text : PQerrorMessage(pg->conn));
	const struct sqlstate *means = sqlstate_find(state);
	pg_note_state(pg, span_of(state));
	if (means->code == E_UNAVAILABLE)
		return fault(f, E_UNAVAILABLE, "PostgreSQL: %s %.*s", state, SPAN_ARG(line));
	return fault(f, means->code, "%.*s", SPAN_ARG(line));
}

static bool is_no_good(const struct pg *pg)
{
	return PQstatus(pg->conn) != CONNECTION_OK ||
	       sqlstate_find(pg->state)->kind == SQLSTATE_DEGRADED;
}

/* The last result of what was sent; an error among them wins. */
static int take_result(struct pg *pg, PGresult **out, struct fault *f)
{
	PGresult *last = NULL, *next;
	for (;;) {
		int rc = pg_wait(pg, f);
		if (rc) {
			PQclear(last);
			return rc;
		}
		next = PQgetResult(pg->conn);
		if (!next)
			break;
		PQclear(last);
		last = next;
	}
	if (!last)
		return pg_lost(pg, f);
	int rc = pg_verdict(pg, last, f);
	if (rc == 0) {
		*out = last;
		return 0;
	}
	PQclear(last);
	if (is_no_good(pg))
		pg_close(pg);
	return rc;
}

int pg_exec(struct pg *pg, const char *sql, PGresult **out, struct fault *f)
{
	if (!PQsendQuery(pg->conn, sql))
		return pg_lost(pg, f);
	return take_result(pg, out, f);
}

int pg_prepare(struct pg *pg, const struct sql_file *file, struct fault *f)
{
	size_t at = (size_t)(file - sql_queries);
	if (pg->prepared[at])
		return 0;
	if (!PQsendPrepare(pg->conn, file->name, file->text, 0, NULL))
		return pg_lost(pg, f);
	PGresult *result = NULL;
	int rc = take_result(pg, &result, f);
	PQclear(result);
	/* A statement that cannot be prepared does not fit this schema: nobody's input is to blame.
	 */
	if (rc) {
		fault_wrap(f, "%s.sql", file->name);
		if (f)
			f->code = E_UNAVAILABLE;
		return E_UNAVAILABLE;
	}
	pg->prepared[at] = true;
	return 0;
}

int pg_query(struct pg *pg, const struct sql_file *file, const char *const *params, size_t n,
	     PGresult **out, struct fault *f)
{
	TRY(pg_prepare(pg, file, f));
	if (!PQsendQueryPrepared(pg->conn, file->name, (int)n, params, NULL, NULL, 0))
		return pg_lost(pg, f);
	return take_result(pg, out, f);
}

static int take_json(PGresult *result, struct buf *out, struct fault *f)
{
	if (PQntuples(result) && PQnfields(result) > 1 && !PQgetisnull(result, 0, 1))
		return fault(f, E_INVALID, "%s", PQgetvalue(result, 0, 1));
	if (PQntuples(result) == 0 || PQgetisnull(result, 0, 0))
		return fault(f, E_NOT_FOUND, "not found");
	struct span json = { PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0) };
	if (span_is(json, "null"))
		return fault(f, E_NOT_FOUND, "not found");
	buf_add(out, json);
	return 0;
}

int pg_ask(struct pg *pg, const struct sql_file *file, const char *const *params, size_t n,
	   struct buf *out, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_query(pg, file, params, n, &result, f));
	int rc = take_json(result, out, f);
	PQclear(result);
	return rc;
}
