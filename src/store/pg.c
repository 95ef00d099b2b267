/* Happy path: open once, then send, wait, take the result.
 *
 * Failure modes.
 *  - Server unreachable: pg_open fails after at most PG_CONNECT_S per address; refused connections
 * fail at once.
 *  - Server stopped or network gone: the deadline of pg_wait; the connection is closed,
 * E_UNAVAILABLE.
 *  - Server closed the connection while it was idle: pg_alive() sees it before anything is sent.
 *  - Statement refused: E_INVALID or E_CONFLICT with PostgreSQL's message; the connection stays. */
#include "store/pg.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

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

static int lost(struct pg *pg, struct fault *f)
{
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
	pg_close(pg);
	pg->conn = PQconnectdbParams(keys, values, 1);
	pg->prepared = calloc(sql_queries_n, sizeof(*pg->prepared));
	CHECK(pg->conn && pg->prepared);
	if (PQstatus(pg->conn) != CONNECTION_OK)
		return lost(pg, f);
	PQsetNoticeProcessor(pg->conn, ignore_notice, NULL);
	if (PQsetnonblocking(pg->conn, 1))
		return lost(pg, f);
	PGresult *result = NULL;
	TRY(pg_exec(pg, session_settings, &result, f));
	PQclear(result);
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
			return lost(pg, f);
		if (!PQisBusy(pg->conn))
			return 0;
		if (stopped(pg) || clock_monotonic_us() > deadline) {
			pg_close(pg);
			return fault(f, E_UNAVAILABLE, "PostgreSQL: no answer within %d ms",
				     patience_ms);
		}
		struct pollfd p = { .fd = PQsocket(pg->conn),
				    .events = (short)(POLLIN | (unsent ? POLLOUT : 0)) };
		/* Short, so that `stop` is noticed. */
		if (poll(&p, 1, 100) > 0 && !PQconsumeInput(pg->conn))
			return lost(pg, f);
	}
}

const char *pg_sqlstate(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return state ? state : "";
}

static bool in_class(const char *state, const char *class)
{
	return strncmp(state, class, strlen(class)) == 0;
}

bool pg_refused(const PGresult *result)
{
	const char *state = pg_sqlstate(result);
	return in_class(state, "22") || in_class(state, "23") || in_class(state, "54");
}

int pg_verdict(const struct pg *pg, const PGresult *result, struct fault *f)
{
	/* By class of SQLSTATE (PostgreSQL, appendix A), first match. All else is no fault of the
	 * asker. */
	static const struct {
		const char *class;
		int code;
	} verdicts[] = {
		{ "23505", E_CONFLICT }, { "22", E_INVALID },	 { "23", E_INVALID },
		{ "54", E_INVALID },	 { "P0001", E_INVALID }, { "CM001", E_CONFLICT },
	};
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE &&
	    status != PGRES_PIPELINE_ABORTED)
		return 0;
	const char *state = pg_sqlstate(result);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	struct span line = first_line(text ? text : PQerrorMessage(pg->conn));
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (in_class(state, verdicts[i].class))
			return fault(f, verdicts[i].code, "%.*s", SPAN_ARG(line));
	return fault(f, E_UNAVAILABLE, "PostgreSQL: %s %.*s", state, SPAN_ARG(line));
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
		return lost(pg, f);
	int rc = pg_verdict(pg, last, f);
	if (rc == 0) {
		*out = last;
		return 0;
	}
	PQclear(last);
	if (PQstatus(pg->conn) != CONNECTION_OK)
		pg_close(pg);
	return rc;
}

int pg_exec(struct pg *pg, const char *sql, PGresult **out, struct fault *f)
{
	if (!PQsendQuery(pg->conn, sql))
		return lost(pg, f);
	return take_result(pg, out, f);
}

int pg_prepare(struct pg *pg, const struct sql_file *file, struct fault *f)
{
	size_t at = (size_t)(file - sql_queries);
	if (pg->prepared[at])
		return 0;
	if (!PQsendPrepare(pg->conn, file->name, file->text, 0, NULL))
		return lost(pg, f);
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
		return lost(pg, f);
	return take_result(pg, out, f);
}
