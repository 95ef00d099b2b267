#include "heal_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "healing/detect.h"
#include "healing/suggest.h"

char kit_project[40];
static struct store_link *link_;
static unsigned calls_made;
static struct config config;

static const char good_instructions[] =
	"[{\"name\": \"Role\", \"text\": \"You take bookings. Keep answers short.\"},"
	"{\"name\": \"Booking\", \"text\": \"1. Greet the caller.\\n2. Ask one question at a "
	"time.\\n"
	"3. Confirm the details.\\n4. Say goodbye.\"},"
	"{\"name\": \"Trouble\", \"text\": \"If a tool fails, try again. If you do not know, say "
	"so. "
	"Transfer upset callers to a colleague. Never give medical advice.\"}]";

void kit_instructions(const char *sections)
{
	sql("select callmend_instruction_create('" DEFAULT_ORG "', 'test', '%s', "
	    "jsonb_build_object('sections', $json$%s$json$::jsonb), null)",
	    kit_project, sections);
}

int kit_begin(void **state)
{
	(void)state;
	snprintf(kit_project, sizeof(kit_project), "%s",
		 sql("insert into projects (org_id, name, fields) values ('" DEFAULT_ORG
		     "', 'p-' || gen_random_uuid(), '[{\"name\": \"email\", \"label\": \"e-mail "
		     "address\", \"type\": \"email\"}]') returning id"));
	sql("insert into tool_definitions (org_id, project_id, name, url) values ('" DEFAULT_ORG
	    "', '%s', 'book', 'http://127.0.0.1:1/')",
	    kit_project);
	kit_instructions(good_instructions);
	calls_made = 0;
	assert_ok(config_load(&config, NULL, (char *[]){ NULL }, &oops));
	return store_link_new(&link_, fixture_url(), &oops);
}

int kit_end(void **state)
{
	(void)state;
	store_link_free(link_);
	link_ = NULL;
	config_fini(&config);
	sql("delete from jobs");
	return 0;
}

/* --- calls --- */

static const char *outcome_of(struct shown s)
{
	return s.unknown ? "unknown" : s.failed ? "failure" : "success";
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

void kit_calls(unsigned n, unsigned callers, struct shown s)
{
	bool mailed = !s.email || strcmp(s.email, "captured") == 0;
	sql("with made as ("
	    "insert into call_analyses (call_id, org_id, project_id, instruction_version, "
	    "rules_version, last_seq, caller, started_at, duration_ms, outcome, outcome_by, "
	    "cause_class, eligible, fields_wanted, fields_captured, tool_calls, frustrated, "
	    "unanswered, doc) "
	    "select gen_random_uuid(), '" DEFAULT_ORG "', '%s', (select current_version from "
	    "instructions where project_id = '%s'), 'test', 1, '+1555' || i %% %u, "
	    "now() - interval '1 day' + (%u + i) * interval '1 second', 60000, '%s', 'rule', '%s', "
	    "%s, 1, %d, %d, %s, %d, "
	    "jsonb_build_object('ineligible_because', %s, 'failure_point', %s, "
	    "'fields', jsonb_build_array(jsonb_build_object('field', 'email', 'required', true, "
	    "'state', '%s', 'seq', 7, 'offset_ms', 20000, 'speaker', 'ai', 'passage', 'words of "
	    "the passage')), "
	    "'unanswered', %s, 'signals', %s, 'tool_failures', %s, 'last_words', "
	    "jsonb_build_object('seq', 10, 'offset_ms', 55000, 'speaker', 'user', 'text', 'bye "
	    "then')) "
	    "from generate_series(0, %u) i returning call_id, started_at, tool_calls) "
	    "insert into tool_calls (id, org_id, call_id, tool, requested_at, requested_seq) "
	    "select gen_random_uuid(), '" DEFAULT_ORG "', call_id, 'book', started_at, 1 from made "
	    "where tool_calls > 0",
	    kit_project, kit_project, callers, calls_made, outcome_of(s),
	    s.failed ? text_or(s.cause, "instructions") : "none", s.ineligible ? "false" : "true",
	    mailed, !s.no_tool, s.frustrated ? "true" : "false", s.question != NULL,
	    s.ineligible ? text_or(sql("select quote_literal('%s')", text_or(s.cause, "tool")), "")
			 : "null",
	    s.failed ? sql("select quote_literal('{\"key\": \"%s\", \"title\": \"at the %s\", "
			   "\"seq\": 9, \"offset_ms\": 50000, \"speaker\": \"user\", \"text\": "
			   "\"hm well then\"}') || '::jsonb'",
			   text_or(s.point, "end"), text_or(s.point, "end"))
		     : "null",
	    text_or(s.email, "captured"),
	    s.question ? sql("select quote_literal('[{\"question\": \"%s?\", \"key\": \"%s\", "
			     "\"seq\": 5, \"offset_ms\": 9000}]') || '::jsonb'",
			     s.question, s.question)
		       : "'[]'::jsonb",
	    s.frustrated ? "'[{\"signal\": \"frustration\", \"score\": 80, \"seq\": 8, "
			   "\"offset_ms\": 30000, \"text\": \"this is useless\"}]'::jsonb"
			 : "'[]'::jsonb",
	    s.tool ? sql("select quote_literal('[{\"tool\": \"book\", \"kind\": \"%s\", \"error\": "
			 "\"HTTP 500\", \"seq\": 6, \"offset_ms\": 15000}]') || '::jsonb'",
			 s.tool)
		   : "'[]'::jsonb",
	    n - 1);
	calls_made += n;
}

/* --- jobs --- */

static void run(const char *kind, job_fn *handler)
{
	struct buf jobs AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct job job;
	char kinds[32];
	struct span key;
	struct json v;
	struct job_context ctx = {
		.db = link_, .owner = "kit", .config = &config, .lease_ms = 60000
	};
	snprintf(kinds, sizeof(kinds), "{%s}", kind);
	const char *params[] = { kinds, "kit", "1", "60000" };
	assert_ok(store_link_query(link_, "job_claim", params, 4, &jobs, &oops));
	struct json_iter it = json_iter(json_of(buf_span(&jobs)));
	assert_true(json_next(&it, &key, &v));
	assert_ok(job_read(v, &a, &job, &oops));
	assert_ok(handler(&ctx, &job, &oops));
	arena_fini(&a);
}

void kit_detect(void)
{
	sql("select callmend_job('detect', '%s', '" DEFAULT_ORG "', null, 0)", kit_project);
	run("detect", detect_job);
	assert_string_equal(sql("select count(*) from jobs where kind = 'detect'"), "0");
}

void kit_suggest(const char *key)
{
	sql("select callmend_job('suggest', '%s', '" DEFAULT_ORG "', null, 0)", key);
	run("suggest", suggest_job);
}

void kit_suggest_all(void)
{
	while (strcmp(sql("select count(*) from jobs where kind = 'suggest'"), "0") != 0)
		run("suggest", suggest_job);
}

/* --- looking --- */

const char *kit_issue(const char *cause, const char *subject)
{
	return sql("select id from issues where project_id = '%s' and cause = '%s' and subject = "
		   "'%s' and status = 'open'",
		   kit_project, cause, subject);
}

unsigned kit_quotes(const char *cause, const char *subject)
{
	/* Of the analysis of the very call it names. */
	const char *good = sql(
		"select concat_ws(' ', count(*), count(*) filter (where q->>'speaker' in ('ai', "
		"'user', 'tool') and q->>'text' <> '' and exists (select from call_analyses a, "
		"jsonb_path_query(a.doc, 'strict $.**') x where a.call_id = (q->>'call_id')::uuid "
		"and a.project_id = i.project_id and jsonb_typeof(x) = 'object' and x->'seq' = "
		"q->'seq' and x->'offset_ms' = q->'offset_ms' and q->>'text' in (x->>'text', "
		"x->>'passage', x->>'question', x->>'error')))) from issues i, "
		"jsonb_array_elements(i.evidence->'quotes') q where i.project_id = '%s' and "
		"i.cause = '%s' and i.subject = '%s'",
		kit_project, cause, subject);
	unsigned quotes = 0, whole = 0;
	assert_int_equal(sscanf(good, "%u %u", &quotes, &whole), 2);
	assert_int_equal(whole, quotes);
	return quotes;
}

const char *kit_detection(const char *cause, const char *subject, const char *member)
{
	return sql("select c->>'%s' from detections d, jsonb_array_elements(d.doc->'causes') c "
		   "where d.project_id = '%s' and c->>'cause' = '%s' and c->>'subject' = '%s'",
		   member, kit_project, cause, subject);
}

/* --- deciding --- */

void kit_accept(const char *suggestion)
{
	sql("with base as (select v.sections from suggestions s join instruction_versions v on "
	    "v.id "
	    "= s.base_version where s.id = '%s'), change as (select * from suggestion_changes "
	    "where "
	    "suggestion_id = '%s'), edited as (select jsonb_agg(case when c.section is null then e "
	    "else e || jsonb_build_object('text', c.suggested) end order by n) as s from base, "
	    "jsonb_array_elements(base.sections) with ordinality as x(e, n) left join change c on "
	    "c.section = e->>'name'), whole as (select s || (select "
	    "coalesce(jsonb_agg(jsonb_build_object('name', c.section, 'text', c.suggested)), '[]') "
	    "from change c where c.current = '') as s from edited), made as (select "
	    "callmend_instruction_create('" DEFAULT_ORG "', 'test', '%s', "
	    "jsonb_build_object('sections', (select s from whole)), null)->>'id' as id) update "
	    "suggestions set status = 'accepted', accepted_at = now(), result_version = (select id "
	    "from made)::uuid where id = '%s'",
	    suggestion, suggestion, kit_project, suggestion);
}

void kit_reject(const char *suggestion)
{
	sql("update suggestions set status = 'rejected', rejected_at = now(), rejected_because = "
	    "'no' where id = '%s'",
	    suggestion);
}
