/* Happy path: page after page by key (start and id of the last call), each written before the next
 * is asked for: memory does not grow with what is exported. Events are walked call by call.
 *
 * Failure modes: PostgreSQL away, output full - what was written stands, exit status 1; the last
 * line may be cut. Calls that change meanwhile appear as they are when their page is read. */
#include "node/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "callmend/store.h"
#include "node/database.h"

const struct verb_option export_options[] = {
	{ "--format", "FORMAT", "jsonl (default) or csv" },
	{ "--org", "NAME",
	  "only this organisation: name or id; needed when there are several and no project is "
	  "named" },
	{ "--project", "NAME", "only this project: name or id" },
	{ "--from", "TIME", "calls that began then or later: 2026-01-31T00:00:00Z" },
	{ "--to", "TIME", "calls that began before" },
	{ "--output", "FILE", "instead of standard output" },
	{ 0 },
};

enum { PAGE_CALLS = 200, PAGE_EVENTS = 2000 };

/* --- what there is --- */

/* Columns of the CSV form: members of the JSON form. Objects and arrays are JSON in their cell. */
static const char *const call_columns[] = {
	"id",
	"provider_call_id",
	"source",
	"project",
	"conversation_id",
	"kind",
	"status",
	"started_at",
	"ended_at",
	"duration_ms",
	"ended_reason",
	"ended_class",
	"customer_number",
	"customer_name",
	"assistant_name",
	"phone_number",
	"user_sentiment",
	"ai_sentiment",
	"turns",
	"messages",
	"tool_calls",
	"tool_errors",
	"interruptions",
	"interventions",
	"cost",
	"outcome",
	"summary",
	"instruction_version",
	"imported",
	"flags",
	NULL,
};
static const char *const analysis_columns[] = {
	"id",
	"provider_call_id",
	"project",
	"instruction_version",
	"rules_version",
	"caller",
	"started_at",
	"duration_ms",
	"outcome",
	"outcome_by",
	"ended_class",
	"cause_class",
	"eligible",
	"failure_point",
	"fields_wanted",
	"fields_captured",
	"tool_calls",
	"tool_failures",
	"frustrated",
	"unanswered",
	"captured",
	"tags",
	"analysed_at",
	NULL,
};
static const char *const event_columns[] = {
	"call_id", "seq", "at", "offset_ms", "type", "speaker", "text", "is_final", "data", NULL,
};

struct export;

struct kind {
	const char *name, *query;
	const char *const *columns;
	int (*row)(struct export *, struct json row, struct fault *f);
};

struct export
{
	const struct verb_call *verb;
	const struct kind *kind;
	void (*write)(struct export *, struct json row);
	struct store_link *link;
	FILE *to;
	struct arena arena; /* of one row */
	const char *org, *project, *from, *until;
	char org_id[UUID_TEXT + 1]; /* empty: any */
	uint64_t rows;
};

/* --- rows --- */

static void write_jsonl(struct export *x, struct json row)
{
	fwrite(row.raw.p, 1, row.raw.n, x->to);
	fputc('\n', x->to);
}

/* RFC 4180: in quotes when it needs them, quotes doubled. */
static void write_cell(FILE *to, struct span text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.n && !quoted; i++)
		quoted = strchr(",\"\r\n", text.p[i]) != NULL;
	if (!quoted) {
		fwrite(text.p, 1, text.n, to);
		return;
	}
	fputc('"', to);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"')
			fputc('"', to);
		fputc(text.p[i], to);
	}
	fputc('"', to);
}

static void write_csv(struct export *x, struct json row)
{
	for (size_t i = 0; x->kind->columns[i]; i++) {
		struct json v = json_get(row, x->kind->columns[i]);

		if (i)
			fputc(',', x->to);
		if (v.kind == JSON_STRING)
			write_cell(x->to, json_text(v, &x->arena));
		else if (json_has(v))
			write_cell(x->to, v.raw);
	}
	fputs("\r\n", x->to);
}

static void write_head(struct export *x)
{
	if (x->write != write_csv)
		return;
	for (size_t i = 0; x->kind->columns[i]; i++)
		fprintf(x->to, "%s%s", i ? "," : "", x->kind->columns[i]);
	fputs("\r\n", x->to);
}

static int put_row(struct export *x, struct json row, struct fault *f)
{
	x->write(x, row);
	x->rows++;
	arena_reset(&x->arena);
	return ferror(x->to) ? fault(f, E_IO, "writing: %s", strerror(errno)) : 0;
}

/* --- pages --- */

static const char *text_of(struct json v, char *out, size_t size)
{
	struct arena a = { 0 };
	struct span text = v.kind == JSON_STRING ? json_text(v, &a) : v.raw;

	snprintf(out, size, "%.*s", SPAN_ARG(text));
	arena_fini(&a);
	return out;
}

static int put_events(struct export *x, struct json call, struct fault *f)
{
	struct buf page AUTO_BUF = { 0 };
	char id[UUID_TEXT + 1], after[24] = "-1", most[16];
	const char *params[] = { id, after, most };
	size_t n = PAGE_EVENTS;

	text_of(json_get(call, "id"), id, sizeof(id));
	snprintf(most, sizeof(most), "%d", PAGE_EVENTS);
	while (n == PAGE_EVENTS) {
		TRY(store_link_query(x->link, "export_events", params, 3, &page, f));
		struct json_iter it = json_iter(json_of(buf_span(&page)));
		struct span key;
		struct json row;

		for (n = 0; json_next(&it, &key, &row); n++) {
			TRY(put_row(x, row, f));
			text_of(json_get(row, "seq"), after, sizeof(after));
		}
	}
	return 0;
}

static const struct kind kinds[] = {
	{ "calls", "export_calls", call_columns, put_row },
	{ "analyses", "export_analyses", analysis_columns, put_row },
	{ "events", "export_calls", event_columns, put_events },
};

static const char *org_of(const struct export *x)
{
	return x->org_id[0] ? x->org_id : NULL;
}

static int put_pages(struct export *x, struct fault *f)
{
	struct buf page AUTO_BUF = { 0 };
	char start[CLOCK_ISO + 1], id[UUID_TEXT + 1], most[16];
	const char *params[] = { x->project, x->from, x->until, NULL, NULL, most, org_of(x) };
	size_t n = PAGE_CALLS;

	snprintf(most, sizeof(most), "%d", PAGE_CALLS);
	while (n == PAGE_CALLS) {
		TRY(store_link_query(x->link, x->kind->query, params, 7, &page, f));
		struct json_iter it = json_iter(json_of(buf_span(&page)));
		struct span key;
		struct json row, last = { 0 };

		for (n = 0; json_next(&it, &key, &row); n++) {
			TRY(x->kind->row(x, row, f));
			last = row;
		}
		params[3] = text_of(json_get(last, "started_at"), start, sizeof(start));
		params[4] = text_of(json_get(last, "id"), id, sizeof(id));
	}
	return 0;
}

/* --- the verb --- */

static bool read_kind(struct export *x)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, x->verb->words[0]) == 0)
			x->kind = &kinds[i];
	return x->kind != NULL;
}

static bool read_format(struct export *x)
{
	const char *format = verb_option(x->verb, "--format");

	if (!format || strcmp(format, "jsonl") == 0)
		x->write = write_jsonl;
	else if (strcmp(format, "csv") == 0)
		x->write = write_csv;
	return x->write != NULL;
}

static bool is_time(const char *text)
{
	int64_t us;

	return !text || clock_parse(span_of(text), &us);
}

/* What belongs to different people is not mixed by accident: which one must be said, or follow from
 * the project. */
static int find_org(struct export *x, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	const char *params[] = { x->org };

	if (!x->org && x->project)
		return 0;
	TRY(store_link_query(x->link, "export_org", params, 1, &answer, f));
	struct json ids = json_get(json_of(buf_span(&answer)), "ids");
	struct json_iter it = json_iter(ids);
	struct span key, names = json_get(json_of(buf_span(&answer)), "names").raw;
	struct json id;
	if (json_count(ids) > 1)
		return fault(f, E_INVALID, "there are several organisations; say --org: %.*s",
			     SPAN_ARG(names));
	if (!json_next(&it, &key, &id))
		return fault(f, E_NOT_FOUND, "there is no organisation %s", x->org ? x->org : "");
	text_of(id, x->org_id, sizeof(x->org_id));
	return 0;
}

/* A name may be that of several organisations' projects. */
static int find_project(struct export *x, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	const char *params[] = { x->project, org_of(x) };

	if (!x->project)
		return 0;
	TRY(store_link_query(x->link, "export_project", params, 2, &answer, f));
	struct json ids = json_get(json_of(buf_span(&answer)), "ids");
	return json_count(ids) <= 1
		       ? 0
		       : fault(f, E_INVALID, "several projects are called %s; say the id: %.*s",
			       x->project, SPAN_ARG(ids.raw));
}

static int open_all(struct export *x, struct buf *url, struct fault *f)
{
	const char *path = verb_option(x->verb, "--output");

	TRY(database_url(x->verb->config, url, f));
	TRY(store_link_new(&x->link, buf_z(url), f));
	TRY(find_org(x, f));
	TRY(find_project(x, f));
	x->to = path ? fopen(path, "w") : stdout;
	return x->to ? 0 : fault(f, E_IO, "%s: %s", path, strerror(errno));
}

static int close_output(struct export *x, struct fault *f)
{
	bool bad = x->to == stdout ? fflush(x->to) != 0 : fclose(x->to) != 0;

	return bad ? fault(f, E_IO, "writing: %s", strerror(errno)) : 0;
}

static int run(struct export *x, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	int rc = open_all(x, &url, f), end = 0;

	if (!rc) {
		write_head(x);
		rc = put_pages(x, f);
	}
	if (x->to)
		end = close_output(x, rc ? NULL : f);
	store_link_free(x->link);
	arena_fini(&x->arena);
	return rc ? rc : end;
}

int verb_export(const struct verb_call *v)
{
	struct export x = { .verb = v,
			    .org = verb_option(v, "--org"),
			    .project = verb_option(v, "--project"),
			    .from = verb_option(v, "--from"),
			    .until = verb_option(v, "--to") };
	struct fault f = { 0 };

	if (!read_kind(&x))
		return verb_misused(v, "cannot export `%s`; there are calls, analyses, events",
				    v->words[0]);
	if (!read_format(&x))
		return verb_misused(v, "--format: jsonl or csv");
	if (!is_time(x.from) || !is_time(x.until))
		return verb_misused(v, "--from, --to: times like 2026-01-31T00:00:00Z");
	if (run(&x, &f))
		return verb_failed(v, "%s", f.text);
	if (verb_option(v, "--output"))
		fprintf(stderr, "%" PRIu64 " rows\n", x.rows);
	return EXIT_DONE;
}
