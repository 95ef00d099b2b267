/* Happy path: one pipeline per batch: begin, move the position, every row, commit, one sync; then
 * the answers.
 *
 * Failure modes.
 *  - A row is refused: all is rolled back and done again, this time the rows in groups under
 * savepoints; a group that fails is halved until the refused row stands alone, and that one goes to
 * quarantine. Same transaction, same position.
 *  - The position is not `from`: E_CONFLICT, nothing is written. Another projector is at work.
 *  - The connection is lost: E_UNAVAILABLE. Whether a commit that was on its way arrived is not
 * known then; the caller tries the same again, and a position that already is `upto` says that it
 * did. When that position cannot be read either, the doubt stays: E_UNAVAILABLE again. An old
 * server process that still has our statements before it can come in between at any point: its move
 * or ours finds the position changed, so only one of them commits.
 *  - Anything else that PostgreSQL refuses (sqlstate.c: a right, a column, a server that takes no
 * writes): no row is to blame and none goes to quarantine; E_UNAVAILABLE, and the trouble is told
 * (store_troubles) until a batch gets through.
 *  - Partition of an event's day missing: made first when the day is within what is kept, else the
 * row is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "callmend/store.h"
#include "store/schema.h"
#include "store/store_internal.h"

enum { DAY_TEXT = 10, DEFAULT_KEEP_DAYS = 30, KEY_TEXT = 24 };

/* What the projector may write. `call` is the parameter with the call id, -1: none; `arrived`
 * likewise. */
static const struct row_kind {
	const char *file;
	int params, call, arrived;
} row_kinds[STORE_ROW_KINDS] = {
	[STORE_ROW_EVENT] = { "row_event", 13, 0, 12 },
	[STORE_ROW_CALL] = { "row_call", 2, -1, -1 },
	[STORE_ROW_MESSAGE] = { "row_message", 5, 2, -1 },
	[STORE_ROW_TOOL] = { "row_tool", 5, 2, -1 },
	[STORE_ROW_COMMAND] = { "row_command", 4, 1, -1 },
	[STORE_ROW_FACT] = { "row_fact", 6, 2, -1 },
	[STORE_ROW_SERVED] = { "row_served", 3, -1, -1 },
	[STORE_ROW_INSIGHT] = { "row_insight", 3, 1, -1 },
	[STORE_ROW_IMPORT] = { "row_import", 2, -1, -1 },
	[STORE_ROW_IMPORT_CALL] = { "row_import_call", 2, 1, -1 },
	[STORE_ROW_ANEW] = { "row_anew", 1, 0, -1 },
	[STORE_ROW_WORDS] = { "row_words", 3, 0, -1 },
	[STORE_ROW_RECORDING] = { "row_recording", 3, 0, -1 },
	[STORE_ROW_QUARANTINE] = { "row_quarantine", 7, 2, 6 },
};
enum { EVENT_DAY_PARAM = 2 };

struct store_writer {
	struct pg pg;
	struct store *told; /* of troubles; NULL: nobody */
	char *url;
	char journal[UUID_TEXT + 1];
	unsigned keep_days;
	char day[DAY_TEXT + 1]; /* the last one whose partition was seen to */
	/* A commit whose fate is not known. */
	bool doubt;
	uint64_t doubt_from, doubt_upto;
};

/* The batch being written. */
struct batch {
	struct store_writer *w;
	const struct store_row *rows;
	size_t n;
	char from[KEY_TEXT], upto[KEY_TEXT];
	size_t refused;
};

int store_writer_new(struct store_writer **out, const char *url, const struct uuid *journal,
		     struct fault *f)
{
	struct store_writer *w = calloc(1, sizeof(*w));
	if (!w || !(w->url = strdup(url))) {
		free(w);
		return fault(f, E_NOMEM, "store writer");
	}
	uuid_format(journal, w->journal);
	w->keep_days = DEFAULT_KEEP_DAYS;
	*out = w;
	return 0;
}

void store_writer_free(struct store_writer *w)
{
	if (!w)
		return;
	pg_close(&w->pg);
	free(w->url);
	free(w);
}

void store_writer_report(struct store_writer *w, struct store *store)
{
	w->told = store;
}

static void tell(struct store_writer *w, enum store_part part, int rc, const struct fault *why)
{
	if (!w->told)
		return;
	if (rc == 0)
		trouble_clear(&w->told->troubles, part, "");
	else
		trouble_report(&w->told->troubles, part, "", w->pg.state, why->text,
			       clock_now_us());
}

static const struct sql_file *query(const char *name)
{
	const struct sql_file *file = sql_find(name);
	CHECK(file);
	return file;
}

/* Everything the pipeline uses is prepared beforehand: a statement that does not fit the schema
 * shows up here. */
static int connect_writer(struct store_writer *w, struct fault *f)
{
	if (pg_alive(&w->pg))
		return 0;
	w->day[0] = 0;
	TRY(schema_open(&w->pg, w->url, f));
	int rc = pg_prepare(&w->pg, query("writer_move"), f);
	for (size_t i = 0; i < STORE_ROW_KINDS && rc == 0; i++)
		rc = pg_prepare(&w->pg, query(row_kinds[i].file), f);
	if (rc)
		pg_close(&w->pg);
	return rc;
}

static int run(struct store_writer *w, const char *sql, struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_exec(&w->pg, sql, &result, f));
	PQclear(result);
	return 0;
}

static int run_query(struct store_writer *w, const char *name, const char *const *params, size_t n,
		     struct fault *f)
{
	PGresult *result = NULL;
	TRY(pg_query(&w->pg, query(name), params, n, &result, f));
	PQclear(result);
	return 0;
}

static int read_position(struct store_writer *w, uint64_t *position, struct fault *f)
{
	TRY(connect_writer(w, f));
	const char *params[] = { w->journal };
	PGresult *result = NULL;
	TRY(pg_query(&w->pg, query("writer_position"), params, 1, &result, f));
	*position = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return 0;
}

int store_writer_position(struct store_writer *w, uint64_t *position, struct fault *f)
{
	struct fault why = { 0 };
	int rc = read_position(w, position, &why);
	tell(w, STORE_PART_PROJECTOR, rc, &why);
	return rc ? fault(f, rc, "%s", why.text) : 0;
}

/* --- partitions --- */

int store_writer_partitions(struct store_writer *w, unsigned keep_days, struct fault *f)
{
	char days[KEY_TEXT];
	struct fault why = { 0 };
	snprintf(days, sizeof(days), "%u", keep_days);
	const char *params[] = { days };
	int rc = connect_writer(w, &why);
	if (rc == 0)
		rc = run_query(w, "writer_partitions", params, 1, &why);
	tell(w, STORE_PART_RETENTION, rc, &why);
	if (rc)
		return fault(f, rc, "%s", why.text);
	w->keep_days = keep_days;
	w->day[0] = 0;
	return 0;
}

/* A day that is no day is left to the row itself. */
static int ensure_day(struct store_writer *w, const char *day, struct fault *f)
{
	if (!day || strlen(day) != DAY_TEXT || strcmp(w->day, day) == 0)
		return 0;
	char days[KEY_TEXT];
	snprintf(days, sizeof(days), "%u", w->keep_days);
	const char *params[] = { day, days };
	int rc = run_query(w, "writer_partition", params, 2, f);
	if (rc && rc != E_INVALID)
		return E_UNAVAILABLE;
	memcpy(w->day, day, DAY_TEXT + 1);
	return 0;
}

static int ensure_partitions(struct batch *b, struct fault *f)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->rows[i].kind == STORE_ROW_EVENT)
			TRY(ensure_day(b->w, b->rows[i].params[EVENT_DAY_PARAM], f));
	return 0;
}

/* --- pipeline --- */

static int send_text(PGconn *conn, const char *sql)
{
	return PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static int send_row(PGconn *conn, const struct store_row *row)
{
	const struct row_kind *kind = &row_kinds[row->kind];
	return PQsendQueryPrepared(conn, kind->file, kind->params, row->params, NULL, NULL, 0);
}

static int send_move(struct batch *b, PGconn *conn)
{
	const char *params[] = { b->w->journal, b->from, b->upto };
	return PQsendQueryPrepared(conn, "writer_move", 3, params, NULL, NULL, 0);
}

/* What a pipeline came to: 0, or the first verdict and whether a row is to blame. */
struct pipeline_end {
	int code;
	bool refused;
};

/* Answers up to the sync. Nonzero: the connection is gone. */
static int take_answers(struct pg *pg, struct pipeline_end *end, struct fault *f)
{
	for (;;) {
		TRY(pg_wait(pg, f));
		PGresult *result = PQgetResult(pg->conn);
		if (!result)
			continue; /* between two statements */
		bool last = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
		if (end->code == 0) {
			end->code = pg_verdict(pg, result, f);
			end->refused = end->code && pg_refused(result);
		}
		bool broken = end->code && PQstatus(pg->conn) != CONNECTION_OK;
		PQclear(result);
		if (last)
			return 0;
		if (broken)
			return end->code;
	}
}

/* Sends what `fill` puts in and waits for the answers. Nonzero: the connection is gone (and
 * closed). */
static int pipeline(struct batch *b, int (*fill)(struct batch *, size_t, size_t), size_t from,
		    size_t to, struct pipeline_end *end, struct fault *f)
{
	struct pg *pg = &b->w->pg;
	*end = (struct pipeline_end){ 0 };
	int ok = PQenterPipelineMode(pg->conn) && fill(b, from, to) && PQpipelineSync(pg->conn);
	int rc = ok ? take_answers(pg, end, f) : pg_lost(pg, f);
	if (rc == 0 && !PQexitPipelineMode(pg->conn))
		rc = pg_lost(pg, f);
	if (rc)
		pg_close(pg);
	return rc;
}

static int fill_rows(struct batch *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!send_row(b->w->pg.conn, &b->rows[i]))
			return 0;
	return 1;
}

static int fill_all(struct batch *b, size_t from, size_t to)
{
	PGconn *conn = b->w->pg.conn;
	return send_text(conn, "begin") && send_move(b, conn) && fill_rows(b, from, to) &&
	       send_text(conn, "commit");
}

static int fill_group(struct batch *b, size_t from, size_t to)
{
	PGconn *conn = b->w->pg.conn;
	return send_text(conn, "savepoint rows") && fill_rows(b, from, to) &&
	       send_text(conn, "release rows");
}

/* --- refused rows --- */

static void params_json(const struct store_row *row, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin_array(&o, NULL);
	for (int i = 0; i < row_kinds[row->kind].params; i++)
		json_put_z(&o, NULL, row->params[i]);
	json_end_array(&o);
}

static const char *param(const struct store_row *row, int at)
{
	return at < 0 ? NULL : row->params[at];
}

/* A row whose own quarantine form is refused too (a time that is none) goes in without call and
 * time. */
static int quarantine(struct batch *b, const struct store_row *row, const struct fault *why,
		      struct fault *f)
{
	const struct row_kind *kind = &row_kinds[row->kind];
	struct buf json AUTO_BUF = { 0 }, hex AUTO_BUF = { 0 };
	char number[KEY_TEXT];
	params_json(row, &json);
	crypto_hex(buf_span(&json), &hex);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)row->record);
	const char *params[] = { b->w->journal, number,	     param(row, kind->call),   kind->file,
				 why->text,	buf_z(&hex), param(row, kind->arrived) };
	TRY(run(b->w, "savepoint quarantine", f));
	int rc = run_query(b->w, "row_quarantine", params, 7, f);
	if (rc == E_INVALID) {
		TRY(run(b->w, "rollback to quarantine", f));
		params[2] = params[6] = NULL;
		rc = run_query(b->w, "row_quarantine", params, 7, f);
	}
	if (rc)
		return rc;
	b->refused++;
	log_warn("store", "record %s: %s refused, now in quarantine: %s", number, kind->file,
		 why->text);
	return run(b->w, "release quarantine", f);
}

static int write_group(struct batch *b, size_t from, size_t to, struct fault *f)
{
	if (from == to)
		return 0;
	struct pipeline_end end;
	struct fault why = { 0 };
	int rc = pipeline(b, fill_group, from, to, &end, &why);
	if (rc || (end.code && !end.refused)) {
		if (f)
			*f = why;
		return rc ? rc : end.code;
	}
	if (end.code == 0)
		return 0;
	TRY(run(b->w, "rollback to rows; release rows", f));
	if (to - from == 1)
		return quarantine(b, &b->rows[from], &why, f);
	size_t middle = from + (to - from) / 2;
	TRY(write_group(b, from, middle, f));
	return write_group(b, middle, to, f);
}

static int write_isolating(struct batch *b, struct fault *f)
{
	const char *params[] = { b->w->journal, b->from, b->upto };
	TRY(run(b->w, "begin", f));
	TRY(run_query(b->w, "writer_move", params, 3, f));
	TRY(write_group(b, 0, b->n, f));
	return run(b->w, "commit", f);
}

/* --- the batch --- */

static int write_batch(struct batch *b, struct fault *f)
{
	struct pipeline_end end;
	TRY(ensure_partitions(b, f));
	TRY(pipeline(b, fill_all, 0, b->n, &end, f));
	if (end.code == 0)
		return 0;
	TRY(run(b->w, "rollback", NULL));
	return end.refused ? write_isolating(b, f) : end.code;
}

/* The position was not `from`. 0: our own commit, whose answer was lost, moved it; E_CONFLICT: it
 * was somebody else; E_UNAVAILABLE: which of the two cannot be seen now, the doubt stays. */
static int whose_move(struct store_writer *w, uint64_t from, uint64_t upto, struct fault *f)
{
	uint64_t position;
	if (!w->doubt || w->doubt_from != from || w->doubt_upto != upto)
		return E_CONFLICT;
	if (read_position(w, &position, f))
		return E_UNAVAILABLE;
	return position == upto ? 0 : E_CONFLICT;
}

static void count(const struct batch *b)
{
	metric_add(METRIC_PROJECTOR_ROWS, (int64_t)(b->n - b->refused));
	metric_add(METRIC_PROJECTOR_REFUSED, (int64_t)b->refused);
}

int store_write(struct store_writer *w, const struct store_row *rows, size_t n, uint64_t from,
		uint64_t upto, size_t *refused, struct fault *f)
{
	struct batch b = { .w = w, .rows = rows, .n = n };
	struct fault why = { 0 };
	snprintf(b.from, sizeof(b.from), "%llu", (unsigned long long)from);
	snprintf(b.upto, sizeof(b.upto), "%llu", (unsigned long long)upto);
	int rc = connect_writer(w, &why);
	if (rc == 0)
		rc = write_batch(&b, &why);
	if (rc == E_CONFLICT)
		rc = whose_move(w, from, upto, &why);
	if (rc && rc != E_CONFLICT) {
		/* Whatever it was: a fresh connection, and the position decides. */
		pg_close(&w->pg);
		rc = E_UNAVAILABLE;
	}
	if (rc == 0)
		count(&b);
	if (rc != E_CONFLICT)
		tell(w, STORE_PART_PROJECTOR, rc, &why);
	w->doubt = rc == E_UNAVAILABLE;
	w->doubt_from = from;
	w->doubt_upto = upto;
	if (refused)
		*refused = rc ? 0 : b.refused;
	return rc ? fault(f, rc, "%s", why.text) : 0;
}
