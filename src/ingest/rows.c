#include "ingest/rows.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"

static struct store_row *add(struct rows *rows, enum store_row_kind kind, uint64_t record)
{
	if (rows->n == rows->cap) {
		rows->cap = rows->cap ? rows->cap * 2 : 256;
		rows->items = realloc(rows->items, rows->cap * sizeof(*rows->items));
		CHECK(rows->items);
	}
	struct store_row *r = &rows->items[rows->n++];
	*r = (struct store_row){ .kind = kind, .record = record };
	return r;
}

static const char *text(struct rows *rows, struct span s)
{
	return arena_printf(&rows->arena, "%.*s", SPAN_ARG(s));
}

static const char *id_text(struct rows *rows, const struct uuid *id)
{
	char *z = arena_alloc(&rows->arena, UUID_TEXT + 1);

	if (uuid_is_nil(id))
		return NULL;
	uuid_format(id, z);
	return z;
}

static const char *time_text(struct rows *rows, int64_t us)
{
	char *z = arena_alloc(&rows->arena, CLOCK_ISO + 1);

	clock_format(us, z);
	return z;
}

static const char *number_text(struct rows *rows, int64_t v)
{
	return arena_printf(&rows->arena, "%" PRId64, v);
}

static const char *event_json(struct rows *rows, const struct event *e)
{
	struct buf b AUTO_BUF = { 0 };

	event_write(e, &b);
	return text(rows, buf_span(&b));
}

static void message_row(struct rows *rows, const struct event *e, const struct settings *s,
			const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_MESSAGE, record);
	struct uuid conversation = session_conversation(session);

	r->params[0] = id_text(rows, &s->org);
	r->params[1] = id_text(rows, &conversation);
	r->params[2] = id_text(rows, &e->call);
	r->params[3] = number_text(rows, (int64_t)e->seq);
	r->params[4] = event_json(rows, e);
}

static void tool_row(struct rows *rows, const struct event *e, const struct settings *s,
		     const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_TOOL, record);

	(void)session;
	r->params[0] = id_text(rows, &s->org);
	r->params[1] = id_text(rows, &s->project);
	r->params[2] = id_text(rows, &e->call);
	r->params[3] = number_text(rows, (int64_t)e->seq);
	r->params[4] = event_json(rows, e);
}

static void command_row(struct rows *rows, const struct event *e, const struct settings *s,
			const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_COMMAND, record);

	(void)session;
	r->params[0] = id_text(rows, &s->org);
	r->params[1] = id_text(rows, &e->call);
	r->params[2] = number_text(rows, (int64_t)e->seq);
	r->params[3] = event_json(rows, e);
}

/* The number of whom the call is with. */
static const char *contact_number(struct rows *rows, const struct session *session)
{
	struct buf b AUTO_BUF = { 0 };

	session_summary(session, &b);
	struct json number = json_get(json_get(json_of(buf_span(&b)), "customer"), "number");
	return number.kind == JSON_STRING ? text(rows, json_text(number, &rows->arena)) : NULL;
}

static void fact_row(struct rows *rows, const struct event *e, const struct settings *s,
		     const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_FACT, record);

	r->params[0] = id_text(rows, &s->org);
	r->params[1] = id_text(rows, &s->project);
	r->params[2] = id_text(rows, &e->call);
	r->params[3] = number_text(rows, (int64_t)e->seq);
	r->params[4] = event_json(rows, e);
	r->params[5] = contact_number(rows, session);
}

static void served_row(struct rows *rows, const struct event *e, const struct settings *s,
		       const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_SERVED, record);

	(void)session;
	r->params[0] = id_text(rows, &s->project);
	r->params[1] = id_text(rows, &s->source);
	r->params[2] = event_json(rows, e);
}

static void insight_row(struct rows *rows, const struct event *e, const struct settings *s,
			const struct session *session, uint64_t record)
{
	struct store_row *r = add(rows, STORE_ROW_INSIGHT, record);

	(void)session;
	r->params[0] = id_text(rows, &s->org);
	r->params[1] = id_text(rows, &e->call);
	r->params[2] = event_json(rows, e);
}

/* No row of its own: goes with the next row of its call. */
static void keep_report(struct rows *rows, const struct event *e, const struct settings *s,
			const struct session *session, uint64_t record)
{
	struct rows_report *kept = arena_alloc(&rows->arena, sizeof(*kept));

	(void)s;
	(void)session;
	(void)record;
	*kept = (struct rows_report){ rows->reports, e->call, text(rows, e->data) };
	rows->reports = kept;
}

static const char *report_of(const struct rows *rows, const struct uuid *call)
{
	for (const struct rows_report *r = rows->reports; r; r = r->next) {
		if (uuid_eq(&r->call, call))
			return r->data;
	}
	return NULL;
}

/* Beside the row every event gets. */
static const struct {
	enum event_type type;
	void (*row)(struct rows *, const struct event *, const struct settings *,
		    const struct session *, uint64_t);
} more_rows[] = {
	{ EVENT_MESSAGE, message_row },	   { EVENT_TOOL_REQUESTED, tool_row },
	{ EVENT_TOOL_FINISHED, tool_row }, { EVENT_COMMAND, command_row },
	{ EVENT_FACT, fact_row },	   { EVENT_SERVED, served_row },
	{ EVENT_INSIGHT, insight_row },	   { EVENT_CALL_REPORT, keep_report },
};

void rows_event(struct rows *rows, const struct event *e, const struct session *session,
		uint64_t record)
{
	const struct settings *s = session_settings(session);
	struct uuid conversation = session_conversation(session);
	struct store_row *r = add(rows, STORE_ROW_EVENT, record);
	const char *arrived = time_text(rows, e->arrived_us);

	r->params[0] = id_text(rows, &e->call);
	r->params[1] = number_text(rows, (int64_t)e->seq);
	r->params[2] =
		arena_printf(&rows->arena, "%.10s", arrived); /* UTC day of the journaled arrival */
	r->params[3] = id_text(rows, &conversation);
	r->params[4] = event_name(e->type);
	r->params[5] = e->speaker == SPEAKER_NONE ? NULL : speaker_name(e->speaker);
	r->params[6] = e->text.n ? text(rows, e->text) : NULL;
	r->params[7] = e->is_final ? "true" : "false";
	r->params[8] = time_text(rows, e->at_us);
	r->params[9] = e->offset_ms < 0 ? NULL : number_text(rows, e->offset_ms);
	r->params[10] = text(rows, e->data);
	r->params[11] = id_text(rows, &s->org);
	r->params[12] = arrived;
	for (size_t i = 0; i < sizeof(more_rows) / sizeof(more_rows[0]); i++) {
		if (more_rows[i].type == e->type)
			more_rows[i].row(rows, e, s, session, record);
	}
}

void rows_call(struct rows *rows, const struct session *session, uint64_t record)
{
	struct buf b AUTO_BUF = { 0 };
	struct store_row *r = add(rows, STORE_ROW_CALL, record);

	session_summary(session, &b);
	struct json id = json_get(json_of(buf_span(&b)), "id");
	struct uuid call;
	r->params[0] = text(rows, buf_span(&b));
	if (uuid_parse(&call, json_text(id, &rows->arena)) == 0)
		r->params[1] = report_of(rows, &call);
}

void rows_quarantine(struct rows *rows, const struct uuid *journal, const struct record *rec,
		     const char *reason)
{
	struct buf hex AUTO_BUF = { 0 };
	struct store_row *r = add(rows, STORE_ROW_QUARANTINE, rec->number);

	crypto_hex(rec->body, &hex);
	r->params[0] = id_text(rows, journal);
	r->params[1] = number_text(rows, (int64_t)rec->number);
	r->params[2] = id_text(rows, &rec->call);
	r->params[3] = record_kind_name(rec->kind);
	r->params[4] = arena_printf(&rows->arena, "%s", reason);
	r->params[5] = text(rows, buf_span(&hex));
	r->params[6] = time_text(rows, rec->at_us);
}

void rows_add(struct rows *rows, enum store_row_kind kind, uint64_t record,
	      const char *const *params, size_t n)
{
	struct store_row *r = add(rows, kind, record);

	CHECK(n <= STORE_ROW_MAX_PARAMS);
	for (size_t i = 0; i < n; i++)
		r->params[i] = params[i];
}

void rows_reset(struct rows *rows)
{
	rows->n = 0;
	rows->reports = NULL;
	arena_reset(&rows->arena);
}

void rows_fini(struct rows *rows)
{
	free(rows->items);
	arena_fini(&rows->arena);
	*rows = (struct rows){ 0 };
}
