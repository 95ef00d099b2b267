/* Suggestions and issues over a real PostgreSQL: accepted, rejected, previewed, conflicting, taken
 * back, seen (C3, C5, C6, F3, I1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stored_kit.h"

#define ISSUE "44444444-4444-7444-8444-444444444444"
#define PATCHED "00000000-0000-7000-8000-0000000000b2"
#define ROOT "/api/projects/" KIT_PROJECT "/suggestions"
#define PATTERN "/api/projects/{id}/suggestions"
#define INSTRUCTIONS "/api/v1/projects/" KIT_PROJECT "/instructions"

static struct reply r;

/* --- asking --- */

static bool is(struct json v, const char *path, const char *text)
{
	return json_is_text(json_path(v, path), text);
}

static bool has_error(const char *part)
{
	buf_z(&r.body);
	return strstr(r.body.p, part) != NULL;
}

/* "<root>/<id>/<verb>" */
static const char *at(const char *id, const char *verb)
{
	static char path[300];

	snprintf(path, sizeof(path), ROOT "/%s%s%s", id, *verb ? "/" : "", verb);
	return path;
}

static void expect_conflict(const char *method, const char *path, const char *body,
			    const char *part)
{
	kit_ask(kit, method, path, KIT_MANAGER, body, &r);
	kit_expect_problem(&r, 409, "conflict");
	if (!has_error(part))
		fail_msg("%s not in %s", part, r.body.p);
}

/* --- the data --- */

static void seed(void)
{
	sql("insert into projects (id, org_id, name) values ('" KIT_PROJECT "', '" KIT_ORG
	    "', 'one')");
}

static int begin(void **state)
{
	return stored_begin(state, seed);
}

static int end(void **state)
{
	reply_free(&r);
	return stored_end(state);
}

/* Each test begins with version n: Greeting "Hi.", Rules "- Be kind."; no sources. */
static int fresh(void **state)
{
	(void)state;
	sql("delete from suggestion_sources; delete from suggestion_changes; delete from "
	    "suggestions; delete from feedback_patterns; delete from issues; delete from jobs; "
	    "delete from webhook_deliveries; delete from notifications; delete from activities; "
	    "delete from detections; delete from sources");
	sql("select callmend_instruction_create('" KIT_ORG "', 'test', '" KIT_PROJECT
	    "', '{\"sections\":[{\"name\":\"Greeting\",\"text\":\"Hi.\"},{\"name\":\"Rules\","
	    "\"text\":\"- Be kind.\"}]}', null)");
	sql("delete from jobs");
	return 0;
}

/* Texts of sql() are soon gone. */
static const char *keep(const char *text)
{
	static char kept[16][64];
	static unsigned next;
	char *slot = kept[next++ % 16];

	snprintf(slot, sizeof(kept[0]), "%s", text);
	return slot;
}

static const char *suggestion(const char *issue)
{
	return keep(
		sql("insert into suggestions (org_id, project_id, issue_id, type, priority, title, "
		    "base_version, current_instruction, current_metrics, expected_impact, "
		    "generated_by) select '" KIT_ORG "', '" KIT_PROJECT
		    "', %s, 'missing_data', 'high', 'Ask for the e-mail', v.id, v.text, "
		    "'{\"successRate\":40}', '{\"missingDataReduction\":20}', 'rules' from "
		    "instructions i join instruction_versions v on v.id = i.current_version "
		    "where i.project_id = '" KIT_PROJECT "' returning id",
		    issue));
}

static void change(const char *id, const char *section, const char *current, const char *suggested)
{
	sql("insert into suggestion_changes (suggestion_id, org_id, position, section, "
	    "current, suggested, reason) select '%s', '" KIT_ORG
	    "', count(*), '%s', '%s', '%s', 'it is missing' from "
	    "suggestion_changes where suggestion_id = '%s'",
	    id, section, current, suggested, id);
}

/* One that adds a line to Rules. */
static const char *usual(void)
{
	const char *id = suggestion("null");

	change(id, "Rules", "- Be kind.", "- Be kind.\n- Ask for the e-mail.");
	return id;
}

static void put_sections(const char *greeting, const char *rules)
{
	char body[500];

	snprintf(body, sizeof(body),
		 "{\"sections\":[{\"name\":\"Greeting\",\"text\":\"%s\"},{\"name\":\"Rules\","
		 "\"text\":\"%s\"}]}",
		 greeting, rules);
	ask(&r, "PUT", INSTRUCTIONS, "/api/v1/projects/{id}/instructions", KIT_MANAGER, body, 201);
}

static void add_sources(void)
{
	sql("insert into sources (id, org_id, project_id, dialect, name, assistant_mode, "
	    "assistant) values ('" KIT_SOURCE "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'vapi', 'inline', 'inline', '{}')");
	sql("insert into sources (id, org_id, project_id, dialect, name, private_key, "
	    "assistant_id) values ('" PATCHED "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'vapi', 'patched', '{\"file\":\"key\"}', 'as-1')");
	sql("insert into sources (org_id, project_id, dialect, name) values ('" KIT_ORG
	    "', '" KIT_PROJECT "', 'vapi', 'plain')");
}

/* --- reading --- */

static void test_the_names_of_c3(void **state)
{
	static const char *const names[] = {
		"projectId",	    "projectName",	  "type",
		"priority",	    "currentInstruction", "currentMetrics",
		"suggestedChanges", "expectedImpact",	  "status",
		"createdAt",	    "acceptedAt",	  "appliedAt",
		"actualImpact",
	};
	const char *id = usual();
	struct json page, one;

	(void)state;
	page = ask(&r, "GET", ROOT, PATTERN, KIT_VIEWER, NULL, 200);
	one = item(json_get(page, "suggestions"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (json_get(one, names[i]).kind == JSON_NONE)
			fail_msg("%s", names[i]);
	assert_true(is(one, "projectName", "one"));
	assert_true(is(item(json_get(one, "suggestedChanges"), 0), "reason", "it is missing"));
	one = ask(&r, "GET", at(id, ""), PATTERN "/{sid}", KIT_VIEWER, NULL, 200);
	assert_true(is(one, "status", "pending"));
	ask(&r, "GET", "/api/v1/projects/" KIT_PROJECT "/suggestions",
	    "/api/v1/projects/{id}/suggestions", KIT_VIEWER, NULL, 200);
	page = ask(&r, "GET", ROOT "?status=accepted", PATTERN, KIT_VIEWER, NULL, 200);
	assert_int_equal(0, json_count(json_get(page, "suggestions")));
	kit_ask(kit, "GET", ROOT "?status=odd", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 400, "bad-parameter");
}

static void test_pages(void **state)
{
	char cursor[300] = "", path[400];
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		usual();
	do {
		snprintf(path, sizeof(path), ROOT "?limit=2%s%s", cursor[0] ? "&cursor=" : "",
			 cursor);
		struct json page = ask(&r, "GET", path, PATTERN, KIT_VIEWER, NULL, 200);
		n += (unsigned)json_count(json_get(page, "suggestions"));
		cursor[0] = '\0';
		if (json_get(page, "next_cursor").kind == JSON_STRING)
			kit_text(page, "next_cursor", cursor, sizeof(cursor));
	} while (cursor[0]);
	assert_int_equal(5, n);
}

static void test_preview(void **state)
{
	const char *id = usual();
	struct json v;

	(void)state;
	v = ask(&r, "GET", at(id, "preview"), PATTERN "/{sid}/preview", KIT_VIEWER, NULL, 200);
	assert_true(is(v, "diff",
		       "@@ -4,4 +4,5 @@\n \n # Rules\n \n - Be kind.\n+- Ask for the e-mail.\n") ||
		    is(v, "diff",
		       "@@ -5,3 +5,4 @@\n # Rules\n \n - Be kind.\n+- Ask for the e-mail.\n"));
	assert_true(
		is(item(json_get(v, "sections"), 1), "after", "- Be kind.\n- Ask for the e-mail."));
	assert_int_equal(JSON_FALSE, json_get(item(json_get(v, "sections"), 0), "changed").kind);
	assert_int_equal(JSON_FALSE, json_get(v, "rebased").kind);
	/* Nothing has changed by looking. */
	assert_string_equal("pending", sql("select status from suggestions"));
	/* After a change elsewhere it shows what accepting would do now. */
	put_sections("Hello!", "- Be kind.");
	v = ask(&r, "GET", at(id, "preview"), PATTERN "/{sid}/preview", KIT_VIEWER, NULL, 200);
	assert_int_equal(JSON_TRUE, json_get(v, "rebased").kind);
	assert_int_equal(0, json_count(json_get(v, "conflicts")));
	assert_true(is(item(json_get(v, "sections"), 0), "before", "Hello!"));
	put_sections("Hello!", "- Be strict.");
	v = ask(&r, "GET", at(id, "preview"), PATTERN "/{sid}/preview", KIT_VIEWER, NULL, 200);
	assert_true(is(item(json_get(v, "conflicts"), 0), "section", "Rules"));
	assert_true(is(v, "diff", ""));
}

/* --- deciding --- */

static void test_accept(void **state)
{
	const char *id = usual();
	struct json v;

	(void)state;
	add_sources();
	v = ask(&r, "POST", at(id, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER,
		"{\"reason\":\"yes\"}", 200);
	assert_int_equal(JSON_TRUE, json_get(v, "success").kind);
	assert_true(is(v, "suggestion.status", "accepted"));
	assert_true(is(v, "suggestion.acceptedBy", "token:manager"));
	assert_int_equal(JSON_NULL, json_path(v, "suggestion.applyError").kind);
	assert_int_equal(2, json_count(json_path(v, "suggestion.sources")));
	assert_string_equal(
		"# Greeting\n\nHi.\n\n# Rules\n\n- Be kind.\n- Ask for the e-mail.",
		sql("select v.text from instructions i join instruction_versions v on v.id = "
		    "i.current_version join suggestions s on s.result_version = v.id where "
		    "v.author = 'token:manager' and v.parent = s.base_version and v.note like "
		    "'%%' || s.id || '%%'"));
	assert_string_equal(
		"assistant-request,patch",
		sql("select string_agg(how, ',' order by how) from suggestion_sources"));
	assert_string_equal(PATCHED, sql("select string_agg(key, ',') from jobs where kind = "
					 "'apply'"));
	assert_string_equal("1", sql("select count(*) from activities where kind = "
				     "'suggestion.accepted' and actor = 'token:manager'"));
	assert_string_equal("yes", sql("select reason from audit_log where object_id = '%s' and "
				       "action = 'accept'",
				       id));
	expect_conflict("POST", at(id, "accept"), NULL, "accepted");
	expect_conflict("POST", at(id, "reject"), NULL, "accepted");
}

static void test_accepting_without_a_source_says_so(void **state)
{
	struct json v;

	(void)state;
	v = ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	assert_true(is(v, "suggestion.status", "accepted"));
	assert_true(has_error("No source of the project serves its instructions"));
	/* A source that came later is found when it is tried again. */
	add_sources();
	v = ask(&r, "POST", at(sql("select id from suggestions"), "apply"), PATTERN "/{sid}/apply",
		KIT_MANAGER, NULL, 202);
	assert_int_equal(JSON_NULL, json_path(v, "suggestion.applyError").kind);
	assert_string_equal("1", sql("select count(*) from jobs where kind = 'apply' and "
				     "payload->>'force' = 'false'"));
	ask(&r, "POST", at(sql("select id from suggestions"), "apply?force=true"),
	    PATTERN "/{sid}/apply", KIT_MANAGER, NULL, 202);
	assert_string_equal("1", sql("select count(*) from jobs where kind = 'apply' and "
				     "payload->>'force' = 'true'"));
}

static void test_sections_that_still_match_are_rebased(void **state)
{
	const char *id = usual();

	(void)state;
	put_sections("Hello!", "- Be kind.");
	ask(&r, "POST", at(id, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	assert_string_equal("# Greeting\n\nHello!\n\n# Rules\n\n- Be kind.\n- Ask for the e-mail.",
			    sql("select v.text from instructions i join instruction_versions v on "
				"v.id = i.current_version"));
}

static void test_a_conflict_names_the_section_and_changes_nothing(void **state)
{
	const char *id = usual();

	(void)state;
	change(id, "Greeting", "Hi.", "Hello.");
	put_sections("Hi.", "- Be strict.");
	const char *before = keep(sql("select current_version from instructions"));
	expect_conflict("POST", at(id, "accept"), NULL, "Rules");
	assert_string_equal(before, sql("select current_version from instructions"));
	assert_string_equal("pending", sql("select status from suggestions"));
	assert_string_equal("0", sql("select count(*) from activities"));
	/* The section is gone. */
	ask(&r, "PUT", INSTRUCTIONS, "/api/v1/projects/{id}/instructions", KIT_MANAGER,
	    "{\"text\":\"other\"}", 201);
	expect_conflict("POST", at(id, "accept"), NULL, "not there any more");
}

static void test_new_sections(void **state)
{
	const char *first = suggestion("null"), *second = suggestion("null");

	(void)state;
	change(first, "Closing", "", "Say goodbye.");
	change(second, "Closing", "", "Say farewell.");
	ask(&r, "POST", at(first, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	assert_string_equal("Say goodbye.",
			    sql("select v.sections->2->>'text' from instructions i join "
				"instruction_versions v on v.id = i.current_version"));
	expect_conflict("POST", at(second, "accept"), NULL, "added meanwhile");
}

static void test_reject_is_learned_from(void **state)
{
	const char *id = usual();
	struct json v;

	(void)state;
	v = ask(&r, "POST", at(id, "reject"), PATTERN "/{sid}/reject", KIT_MANAGER,
		"{\"reason\":\"too long\"}", 200);
	assert_true(is(v, "suggestion.status", "rejected"));
	assert_true(is(v, "suggestion.rejectedBecause", "too long"));
	assert_string_equal("rejected|missing_data|too long",
			    sql("select concat_ws('|', type, cause, examples->0->>'reason') from "
				"feedback_patterns"));
	assert_string_equal("1", sql("select count(*) from activities where kind = "
				     "'suggestion.rejected'"));
	expect_conflict("POST", at(id, "accept"), NULL, "rejected");
	expect_conflict("POST", at(id, "apply"), NULL, "rejected");
	/* The same once more is counted, not repeated. */
	ask(&r, "POST", at(usual(), "reject?reason=again"), PATTERN "/{sid}/reject", KIT_MANAGER,
	    NULL, 200);
	assert_string_equal("again", sql("select examples->0->>'reason' from feedback_patterns"));
	assert_string_equal("2", sql("select occurrences from feedback_patterns"));
}

static void test_generate(void **state)
{
	struct json v =
		ask(&r, "POST", ROOT "/generate", PATTERN "/generate", KIT_MANAGER, NULL, 202);

	(void)state;
	assert_true(is(v, "job.key", "project:" KIT_PROJECT));
	sql("insert into issues (id, org_id, project_id, cause, title, evidence) values ('" ISSUE
	    "', '" KIT_ORG "', '" KIT_PROJECT "', 'success_rate', 't', '{}')");
	v = ask(&r, "POST", ROOT "/generate", PATTERN "/generate", KIT_MANAGER,
		"{\"issueId\":\"" ISSUE "\"}", 202);
	assert_true(is(v, "job.key", "issue:" ISSUE));
	kit_ask(kit, "POST", ROOT "/generate", KIT_MANAGER, "{\"issueId\":\"" KIT_SOURCE "\"}", &r);
	kit_expect_problem(&r, 422, "invalid-body");
	assert_string_equal("2", sql("select count(*) from jobs where kind = 'suggest'"));
}

/* --- who may --- */

static void test_roles_and_organisations(void **state)
{
	static const char *const verbs[] = { "accept", "reject", "apply" };
	const char *id = usual();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		kit_ask(kit, "POST", at(id, verbs[i]), KIT_SUPERVISOR, NULL, &r);
		kit_expect_problem(&r, 403, "forbidden");
		kit_ask(kit, "POST", at(id, verbs[i]), KIT_OTHER_ORG, NULL, &r);
		kit_expect_problem(&r, 404, "not-found");
		kit_ask(kit, "POST", at(ISSUE, verbs[i]), KIT_MANAGER, NULL, &r);
		kit_expect_problem(&r, 404, "not-found");
	}
	kit_ask(kit, "POST", ROOT "/generate", KIT_SUPERVISOR, NULL, &r);
	kit_expect_problem(&r, 403, "forbidden");
	kit_ask(kit, "POST", ROOT "/generate", KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "GET", at(id, ""), KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "GET", at(id, "preview"), KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "POST", INSTRUCTIONS "/rollback", KIT_SUPERVISOR, NULL, &r);
	kit_expect_problem(&r, 403, "forbidden");
	kit_ask(kit, "POST", INSTRUCTIONS "/rollback", KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(kit, "POST", INSTRUCTIONS "/apply", KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	assert_string_equal("pending", sql("select status from suggestions"));
}

/* --- seen to be served --- */

static void seen(const char *version, const char *source)
{
	sql("select callmend_suggestion_seen('" KIT_PROJECT "', %s, '%s', '2026-11-21T10:00:00Z')",
	    version, source);
}

#define IN_FORCE "(select current_version from instructions)"

static void test_seen_once_however_often_it_is_said(void **state)
{
	(void)state;
	add_sources();
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	/* The version before, and none: that is no sign of it. */
	seen("(select base_version from suggestions)", KIT_SOURCE);
	seen("null", KIT_SOURCE);
	assert_string_equal("accepted", sql("select status from suggestions"));
	for (int i = 0; i < 3; i++)
		seen(IN_FORCE, KIT_SOURCE);
	assert_string_equal("applied|t", sql("select concat_ws('|', status, applied_at = "
					     "'2026-11-21T10:00:00Z') from suggestions"));
	assert_string_equal("1|token", sql("select count(*) || '|token' from notifications where "
					   "type = 'suggestion_applied' and priority = 'high' and "
					   "metadata ?& array['projectId', 'suggestionId', "
					   "'priority', 'expectedImpact']"));
	assert_string_equal("1", sql("select count(*) from activities where kind = "
				     "'suggestion.applied'"));
	/* The other source, later: noted, told no more. */
	assert_string_equal("1", sql("select count(*) from suggestion_sources where seen_at is "
				     "null"));
	seen(IN_FORCE, PATCHED);
	assert_string_equal("0|1", sql("select (select count(*) from suggestion_sources where "
				       "seen_at is null) || '|' || (select count(*) from "
				       "notifications)"));
}

/* Two accepted one after the other: the second version holds the first one's change. */
static void test_a_later_version_that_keeps_the_change_counts(void **state)
{
	const char *first = usual(), *second = suggestion("null"), *third = suggestion("null");

	(void)state;
	change(second, "Greeting", "Hi.", "Hello.");
	change(third, "Rules", "- Be kind.\n- Ask for the e-mail.", "- Only listen.");
	add_sources();
	ask(&r, "POST", at(first, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	ask(&r, "POST", at(second, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	seen(IN_FORCE, KIT_SOURCE);
	assert_string_equal("2", sql("select count(*) from suggestions where status = 'applied'"));
	sql("update suggestions set status = 'accepted', applied_at = null where id = '%s'", first);
	ask(&r, "POST", at(third, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	seen(IN_FORCE, KIT_SOURCE);
	assert_string_equal("accepted",
			    sql("select status from suggestions where id = '%s'", first));
}

/* --- bringing it to the provider: how results are stored --- */

static const char *store(const char *verdict, const char *why, int most)
{
	sql("update jobs set state = 'running', owner = 'me', lease_until = now() + interval '1 "
	    "minute', attempts = attempts + 1 where kind = 'apply'");
	return sql("select callmend_apply_store('" PATCHED "', 'me', 1, '%s', " IN_FORCE
		   ", %s, %d)",
		   verdict, why, most);
}

static void test_failed_attempts(void **state)
{
	(void)state;
	add_sources();
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	assert_string_equal("queued", store("failed", "'answered 500'", 2));
	assert_string_equal("accepted|patched: answered 500|1",
			    sql("select concat_ws('|', s.status, s.apply_error, u.attempts) from "
				"suggestions s join suggestion_sources u on u.suggestion_id = s.id "
				"where u.how = 'patch'"));
	assert_string_equal("0", sql("select count(*) from notifications"));
	assert_string_equal("dead", store("failed", "'answered 500'", 2));
	assert_string_equal("1", sql("select count(*) from notifications where type = "
				     "'suggestion_failed' and priority = 'high'"));
	assert_string_equal("1", sql("select count(*) from activities where kind = "
				     "'suggestion.failed'"));
	/* Served elsewhere it is applied, and still says what is wrong. */
	seen(IN_FORCE, KIT_SOURCE);
	assert_string_equal("applied|patched: answered 500",
			    sql("select concat_ws('|', status, apply_error) from suggestions"));
	/* And at last. */
	ask(&r, "POST", at(sql("select id from suggestions"), "apply"), PATTERN "/{sid}/apply",
	    KIT_MANAGER, NULL, 202);
	sql("update jobs set wanted = 1 where kind = 'apply'");
	assert_string_equal("seen", store("seen", "null", 2));
	assert_string_equal("", sql("select apply_error from suggestions"));
	assert_string_equal("0", sql("select count(*) from jobs where kind = 'apply'"));
}

static void add_asking(const char *mode, const char *key)
{
	sql("insert into sources (id, org_id, project_id, dialect, name, assistant_mode, "
	    "private_key, assistant_id) values ('" PATCHED "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'vapi', 'asking', '%s', %s, 'as-1')",
	    mode, key);
}

static const char *accepted_with(const char *mode, const char *key)
{
	add_asking(mode, key);
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	return sql("select concat_ws('|', (select string_agg(how, ',') from suggestion_sources), "
		   "(select count(*) from jobs where kind = 'apply'), (select apply_error is null "
		   "from suggestions))");
}

/* By id the text is only a variable: what the provider has proves it, or nothing does. */
static void test_by_id_the_patch_is_the_proof(void **state)
{
	(void)state;
	assert_string_equal("patch|1|t", accepted_with("id", "'{\"file\":\"key\"}'"));
	assert_string_equal("seen", store("seen", "null", 2));
	assert_string_equal("applied", sql("select status from suggestions"));
}

#define SERVED(member)                                           \
	"select callmend_served('" KIT_PROJECT                   \
	"', callmend_uuid(e->>'instruction_version'), '" PATCHED \
	"', now()), callmend_served_as_variable('" KIT_PROJECT   \
	"', callmend_uuid(e->>'variable_version'), '" PATCHED    \
	"', now()) from jsonb_build_object('" member "', " IN_FORCE ") e"

/* The provider's prompt takes the text as a variable: what is served proves it, nothing is sent. */
static void test_by_a_variable_the_next_request_is_the_proof(void **state)
{
	(void)state;
	accepted_with("id", "'{\"file\":\"key\"}'");
	/* Not known yet what the prompt takes. */
	sql(SERVED("variable_version"));
	assert_string_equal("accepted", sql("select status from suggestions"));
	assert_string_equal("variable", store("variable", "null", 2));
	assert_string_equal("accepted|variable|0|0",
			    sql("select concat_ws('|', s.status, u.how, (select count(*) from jobs "
				"where kind = 'apply'), (select count(*) from notifications)) from "
				"suggestions s join suggestion_sources u on true"));
	sql("select callmend_served_as_variable('" KIT_PROJECT
	    "', (select base_version from suggestions), '" PATCHED "', now())");
	assert_string_equal("accepted", sql("select status from suggestions"));
	sql(SERVED("variable_version"));
	assert_string_equal("applied|t",
			    sql("select concat_ws('|', s.status, u.seen_at is not null) from "
				"suggestions s join suggestion_sources u on true"));
	ask(&r, "GET", at(sql("select id from suggestions"), ""), PATTERN "/{sid}", KIT_VIEWER,
	    NULL, 200);
}

/* Somebody has written a text of his own instead, meanwhile. */
static void test_no_variable_any_more(void **state)
{
	(void)state;
	accepted_with("id", "'{\"file\":\"key\"}'");
	store("variable", "null", 2);
	sql("select callmend_apply_wanted('" KIT_PROJECT "', null)");
	assert_string_equal("dead", store("failed", "'edited'", 1));
	assert_string_equal("patch|asking: edited|1",
			    sql("select concat_ws('|', u.how, s.apply_error, (select count(*) from "
				"notifications)) from suggestions s join suggestion_sources u on "
				"true"));
	sql(SERVED("variable_version"));
	assert_string_equal("accepted", sql("select status from suggestions"));
}

/* Used up by analysts that died instead of by answers. */
static void test_an_attempt_that_kills_its_analyst(void **state)
{
	(void)state;
	add_sources();
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	sql("update jobs set state = 'running', owner = 'the dead', attempts = 10, lease_until = "
	    "now() - interval '1 s' where kind = 'apply'");
	sql("select callmend_job_claim('{apply}', 'me', 1, 60000)");
	assert_string_equal("dead|t|1|1|0",
			    sql("select concat_ws('|', j.state, s.apply_error like 'patched: "
				"whoever ran it%%', (select count(*) from notifications where type "
				"= 'suggestion_failed'), (select count(*) from activities where "
				"kind = 'suggestion.failed'), (select count(*) from notifications "
				"where type = 'analysis_dead')) from suggestions s, jobs j where "
				"j.kind = 'apply'"));
}

static void test_by_id_without_a_key_nothing_serves_it(void **state)
{
	(void)state;
	assert_string_equal("0|f", accepted_with("id", "null"));
}

static void test_a_fetched_one_is_patched_and_not_waited_for(void **state)
{
	(void)state;
	assert_string_equal("assistant-request|1|t",
			    accepted_with("fetch", "'{\"file\":\"key\"}'"));
	assert_string_equal("1", sql("select count(*) from callmend_apply_load('" PATCHED
				     "') x where x is not null"));
	assert_string_equal("dead", store("failed", "'answered 500'", 1));
	assert_string_equal("t|0|1",
			    sql("select concat_ws('|', apply_error is null, (select attempts from "
				"suggestion_sources), (select count(*) from notifications where "
				"title like 'Instructions not applied%%')) from suggestions"));
	sql("update jobs set state = 'queued', wanted = 1 where kind = 'apply'");
	assert_string_equal("seen", store("seen", "null", 2));
	assert_string_equal("accepted", sql("select status from suggestions"));
	seen(IN_FORCE, PATCHED);
	assert_string_equal("applied", sql("select status from suggestions"));
}

static void test_what_was_rolled_back_is_not_awaited(void **state)
{
	(void)state;
	add_sources();
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	sql("update suggestions set rolled_back_at = now()");
	seen(IN_FORCE, KIT_SOURCE);
	assert_string_equal("accepted", sql("select status from suggestions"));
}

static void test_a_lost_lease_stores_nothing(void **state)
{
	(void)state;
	add_sources();
	ask(&r, "POST", at(usual(), "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	sql("update jobs set state = 'running', owner = 'another' where kind = 'apply'");
	assert_string_equal(
		"CM002",
		sql("do $$ begin perform callmend_apply_store('" PATCHED
		    "', 'me', 1, 'seen', " IN_FORCE
		    ", null, 2); exception when sqlstate 'CM002' then "
		    "update jobs set error = 'CM002'; end $$; select error from jobs where kind = "
		    "'apply'"));
	assert_string_equal("accepted", sql("select status from suggestions"));
}

/* Any change of the version in force goes to the provider, suggestion or not. */
static void test_every_change_is_brought_there(void **state)
{
	(void)state;
	add_sources();
	put_sections("Hello!", "- Be kind.");
	assert_string_equal("1", sql("select wanted from jobs where kind = 'apply'"));
	ask(&r, "POST", INSTRUCTIONS "/rollback", "/api/v1/projects/{id}/instructions/rollback",
	    KIT_MANAGER, NULL, 200);
	assert_string_equal("2", sql("select wanted from jobs where kind = 'apply'"));
	sql("update jobs set wanted = 1 where kind = 'apply'");
	store("failed", "'edited'", 1);
	assert_string_equal("Instructions not applied: patched",
			    sql("select title from notifications"));
	ask(&r, "POST", INSTRUCTIONS "/apply?force=true",
	    "/api/v1/projects/{id}/instructions/apply", KIT_MANAGER,
	    "{\"reason\":\"ours is right\"}", 202);
	assert_string_equal("queued|true", sql("select state || '|' || (payload->>'force') from "
					       "jobs where kind = 'apply'"));
	sql("update sources set archived_at = now()");
	assert_string_equal("", sql("select callmend_apply_load('" PATCHED "')"));
}

/* --- taking it back --- */

static void test_rollback(void **state)
{
	const char *id = usual();
	struct json v;

	(void)state;
	add_sources();
	ask(&r, "POST", at(id, "accept"), PATTERN "/{sid}/accept", KIT_MANAGER, NULL, 200);
	v = ask(&r, "POST", INSTRUCTIONS "/rollback", "/api/v1/projects/{id}/instructions/rollback",
		KIT_MANAGER, "{\"reason\":\"callers complain\"}", 200);
	assert_int_equal(JSON_TRUE, json_get(v, "success").kind);
	assert_true(json_is_text(item(json_get(v, "suggestions"), 0), id));
	assert_string_equal("t", sql("select i.current_version = s.base_version from instructions "
				     "i, suggestions s"));
	v = ask(&r, "GET", at(id, ""), PATTERN "/{sid}", KIT_VIEWER, NULL, 200);
	assert_int_equal(JSON_STRING, json_get(v, "rolledBackAt").kind);
	assert_true(is(v, "rolledBackBy", "token:manager"));
	assert_true(is(v, "rolledBackBecause", "callers complain"));
	assert_string_equal("callers complain",
			    sql("select data->>'reason' from activities where kind = "
				"'instructions.rolled_back'"));
	assert_string_equal("callers complain", sql("select reason from audit_log where action = "
						    "'activate' order by id desc limit 1"));
	expect_conflict("POST", at(id, "apply"), NULL, "rolled back");
	/* In force again: no longer taken back. */
	char path[200];
	snprintf(path, sizeof(path), INSTRUCTIONS "/versions/%s/activate",
		 sql("select result_version from suggestions"));
	ask(&r, "POST", path, "/api/v1/projects/{id}/instructions/versions/{version}/activate",
	    KIT_MANAGER, NULL, 200);
	v = ask(&r, "GET", at(id, ""), PATTERN "/{sid}", KIT_VIEWER, NULL, 200);
	assert_int_equal(JSON_NULL, json_get(v, "rolledBackAt").kind);
	assert_int_equal(JSON_NULL, json_get(v, "rolledBackBecause").kind);
}

static void test_rollback_to_a_version(void **state)
{
	char body[100];

	(void)state;
	put_sections("A", "a");
	put_sections("B", "b");
	const char *third = keep(sql("select max(number) from instruction_versions"));
	put_sections("C", "c");
	snprintf(body, sizeof(body), "{\"version\":\"%s\"}", third);
	struct json v = ask(&r, "POST", INSTRUCTIONS "/rollback",
			    "/api/v1/projects/{id}/instructions/rollback", KIT_MANAGER, body, 200);
	assert_true(is(item(json_path(v, "version.sections"), 0), "text", "B"));
	expect_conflict("POST", INSTRUCTIONS "/rollback", body, "is in force");
	kit_ask(kit, "POST", INSTRUCTIONS "/rollback", KIT_MANAGER, "{\"version\":\"99999\"}", &r);
	kit_expect_problem(&r, 404, "not-found");
	char first[300];
	snprintf(first, sizeof(first), INSTRUCTIONS "/versions/1/activate");
	ask(&r, "POST", first, "/api/v1/projects/{id}/instructions/versions/{version}/activate",
	    KIT_MANAGER, NULL, 200);
	expect_conflict("POST", INSTRUCTIONS "/rollback", NULL, "nothing to go back to");
}

static void test_versions_side_by_side(void **state)
{
	char path[300];

	(void)state;
	put_sections("Hello!", "- Be kind.");
	snprintf(path, sizeof(path), INSTRUCTIONS "/versions/%s/diff/%s",
		 sql("select parent from instruction_versions order by number desc limit 1"),
		 sql("select max(number) from instruction_versions"));
	struct json v =
		ask(&r, "GET", path, "/api/v1/projects/{id}/instructions/versions/{a}/diff/{b}",
		    KIT_VIEWER, NULL, 200);
	assert_true(
		is(v, "diff", "@@ -1,6 +1,6 @@\n # Greeting\n \n-Hi.\n+Hello!\n \n # Rules\n \n"));
	assert_true(is(item(json_get(v, "sections"), 0), "after", "Hello!"));
	assert_int_equal(JSON_FALSE, json_get(item(json_get(v, "sections"), 1), "changed").kind);
	kit_ask(kit, "GET", INSTRUCTIONS "/versions/1/diff/99999", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
}

/* --- issues --- */

static void test_issues(void **state)
{
	static const char one[] = "/api/v1/issues/" ISSUE, pattern[] = "/api/v1/issues/{id}";
	struct json v;

	(void)state;
	sql("insert into issues (id, org_id, project_id, cause, subject, title, evidence) values "
	    "('" ISSUE "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'missing_data', 'email', 'E-mail missing', '{\"rate\":90}')");
	const char *id = suggestion("'" ISSUE "'");
	change(id, "Rules", "- Be kind.", "- Be kind.\n- Ask.");
	v = ask(&r, "GET", "/api/v1/projects/" KIT_PROJECT "/issues?status=open&cause=missing_data",
		"/api/v1/projects/{id}/issues", KIT_VIEWER, NULL, 200);
	assert_true(is(item(json_get(v, "issues"), 0), "subject", "email"));
	v = ask(&r, "GET", one, pattern, KIT_VIEWER, NULL, 200);
	assert_true(json_is_text(json_get(item(json_get(v, "suggestions"), 0), "id"), id));
	kit_ask(kit, "POST", "/api/v1/issues/" ISSUE "/dismiss", KIT_SUPERVISOR, NULL, &r);
	kit_expect_problem(&r, 403, "forbidden");
	kit_ask(kit, "GET", one, KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	v = ask(&r, "POST", "/api/v1/issues/" ISSUE "/dismiss", "/api/v1/issues/{id}/dismiss",
		KIT_MANAGER, "{\"reason\":\"a test line\"}", 200);
	assert_true(is(v, "status", "dismissed"));
	assert_true(is(v, "closed_because", "a test line"));
	assert_string_equal("rejected", sql("select status from suggestions"));
	assert_string_equal("0", sql("select count(*) from feedback_patterns"));
	/* Nothing is learned: its changes are not among what people rejected. */
	assert_string_equal("[]|[\"dismissed\"]|[0]",
			    sql("select b->>'rejected' || '|' || jsonb_path_query_array(b, "
				"'$.window.decided[*].status') || '|' || jsonb_path_query_array(b, "
				"'$.window.decided[*].rejections') from (select "
				"callmend_heal_bundle('" KIT_PROJECT "', '" ISSUE
				"', 30, 100)::jsonb as b) x"));
	sql("update suggestions set learn = true");
	assert_string_equal("1", sql("select json_array_length(callmend_heal_bundle('" KIT_PROJECT
				     "', '" ISSUE "', 30, 100)->'rejected')"));
	expect_conflict("POST", "/api/v1/issues/" ISSUE "/dismiss", NULL, "dismissed");
}

static void test_detections(void **state)
{
	static const char path[] = "/api/v1/projects/" KIT_PROJECT "/detections",
			  pattern[] = "/api/v1/projects/{id}/detections";
	struct json v = ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);

	(void)state;
	assert_int_equal(JSON_NULL, json_get(v, "checked_at").kind);
	sql("insert into detections (project_id, org_id, checked_at, calls, doc) values "
	    "('" KIT_PROJECT "', '" KIT_ORG "', now(), 12, '{\"causes\":[]}')");
	v = ask(&r, "GET", path, pattern, KIT_VIEWER, NULL, 200);
	assert_int_equal(JSON_STRING, json_get(v, "checked_at").kind);
	kit_ask(kit, "GET", path, KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
}

/* --- the model's money --- */

static void test_the_cap_of_the_day(void **state)
{
	(void)state;
	sql("delete from model_usage");
	assert_string_equal("t",
			    sql("select callmend_model_reserve('" KIT_ORG "', 'm', 0.6, 1, 10)"));
	assert_string_equal("f",
			    sql("select callmend_model_reserve('" KIT_ORG "', 'm', 0.6, 1, 10)"));
	/* Another model is no way around it, another organisation is another cap. */
	assert_string_equal("f",
			    sql("select callmend_model_reserve('" KIT_ORG "', 'n', 0.6, 1, 10)"));
	assert_string_equal("t",
			    sql("select callmend_model_reserve('" KIT_ORG_2 "', 'm', 0.6, 1, 10)"));
	sql("select callmend_model_settle('" KIT_ORG
	    "', 'm', (now() at time zone 'UTC')::date, 0.6, 1000, 200, 0.1)");
	assert_string_equal("1|1000|200|0.1",
			    sql("select concat_ws('|', calls, prompt_tokens, completion_tokens, "
				"cost) from model_usage where org_id = '" KIT_ORG
				"' and model = 'm'"));
	assert_string_equal("t",
			    sql("select callmend_model_reserve('" KIT_ORG "', 'm', 0.6, 1, 10)"));
	assert_string_equal("f",
			    sql("select callmend_model_reserve('" KIT_ORG "', 'm', 0, 100, 2)"));
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_names_of_c3),
		TEST(test_pages),
		TEST(test_preview),
		TEST(test_accept),
		TEST(test_accepting_without_a_source_says_so),
		TEST(test_sections_that_still_match_are_rebased),
		TEST(test_a_conflict_names_the_section_and_changes_nothing),
		TEST(test_new_sections),
		TEST(test_reject_is_learned_from),
		TEST(test_generate),
		TEST(test_roles_and_organisations),
		TEST(test_seen_once_however_often_it_is_said),
		TEST(test_a_later_version_that_keeps_the_change_counts),
		TEST(test_failed_attempts),
		TEST(test_by_id_the_patch_is_the_proof),
		TEST(test_by_a_variable_the_next_request_is_the_proof),
		TEST(test_no_variable_any_more),
		TEST(test_an_attempt_that_kills_its_analyst),
		TEST(test_by_id_without_a_key_nothing_serves_it),
		TEST(test_a_fetched_one_is_patched_and_not_waited_for),
		TEST(test_what_was_rolled_back_is_not_awaited),
		TEST(test_a_lost_lease_stores_nothing),
		TEST(test_every_change_is_brought_there),
		TEST(test_rollback),
		TEST(test_rollback_to_a_version),
		TEST(test_versions_side_by_side),
		TEST(test_issues),
		TEST(test_detections),
		TEST(test_the_cap_of_the_day),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
