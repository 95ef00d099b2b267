/* Contacts, context, mappings and analyses over a real PostgreSQL: every answer is one that
 * openapi.json promises, organisations are apart, roles hold, changes are audited (A8, B2-B5, D1).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stored_kit.h"

#define CALL "11111111-1111-5111-8111-111111111111"
#define RUNNING "22222222-2222-5222-8222-222222222222"
#define TOOL_CALL "33333333-3333-5333-8333-333333333333"
#define NOBODY "99999999-9999-7999-8999-999999999999"
#define ANN "+15550101"
#define ANN_PATH "%2B15550101"

static void expect_refused(const char *method, const char *path, const char *token,
			   const char *body, int status, const char *slug, const char *part)
{
	struct reply r = { 0 };
	kit_ask(kit, method, path, token, body, &r);
	kit_expect_problem(&r, status, slug);
	if (part && !reply_has(&r, part))
		fail_msg("%s %s: no \"%s\" in %.*s", method, path, part,
			 SPAN_ARG(buf_span(&r.body)));
	reply_free(&r);
}

static bool is(struct json v, const char *path, const char *raw)
{
	return span_is(json_path(v, path).raw, raw);
}

static void seed(void)
{
	sql("insert into projects (id, org_id, name, fields) values ('" KIT_PROJECT "', '" KIT_ORG
	    "', 'one', '[{\"name\":\"email\",\"label\":\"e-mail\",\"type\":\"email\"}]');"
	    "insert into tool_definitions (org_id, project_id, name, url, search_argument) values "
	    "('" KIT_ORG "', '" KIT_PROJECT "', 'search', 'http://x/', 'filter.q')");
	sql("insert into calls (id, org_id, project_id, provider_call_id, status, live, "
	    "started_at, "
	    "customer, customer_number, last_seq) values ('" CALL "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'vapi-1', 'ended', false, '2026-11-20T10:00:00Z', '{\"name\":\"Ann\"}', '" ANN
	    "', 7), ('" RUNNING "', '" KIT_ORG "', '" KIT_PROJECT
	    "', 'vapi-2', 'in-progress', true, '2026-11-21T10:00:00Z', null, '" ANN "', 7)");
	sql("insert into tool_calls (id, org_id, project_id, call_id, tool, arguments, "
	    "requested_at, "
	    "success, requested_seq) values ('" TOOL_CALL "', '" KIT_ORG "', '" KIT_PROJECT
	    "', '" CALL "', 'search', '{\"filter\":{\"q\":\"Ramen\"}}', now(), false, 3);"
	    "insert into search_failures (tool_call_id, org_id, project_id, call_id, tool, term, "
	    "query, context, empty, at) values ('" TOOL_CALL "', '" KIT_ORG "', '" KIT_PROJECT
	    "', '" CALL "', 'search', 'ramen', 'Ramen', 'Do you have it?', true, now())");
	sql("insert into call_analyses (call_id, org_id, project_id, rules_version, last_seq, "
	    "started_at, outcome, outcome_by, cause_class, eligible, doc) values ('" CALL
	    "', '" KIT_ORG "', '" KIT_PROJECT
	    "', '1', 7, '2026-11-20T10:00:00Z', 'failure', 'fields', 'instructions', true, '{}');"
	    "insert into captured_values (call_id, field, org_id, project_id, required, state) "
	    "values ('" CALL "', 'email', '" KIT_ORG "', '" KIT_PROJECT "', true, 'never_asked');"
	    "insert into call_tags (call_id, category, tag, org_id, project_id, confidence) values "
	    "('" CALL "', 'topic', 'soup', '" KIT_ORG "', '" KIT_PROJECT "', 0.8)");
}

static int begin(void **state)
{
	return stored_begin(state, seed);
}

static void contacts_are_promised(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(&r, "GET", "/api/v1/contacts", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "contacts")));
	v = ask(&r, "GET", "/api/v1/contacts/" ANN_PATH, "/api/v1/contacts/{number}", KIT_VIEWER,
		NULL, 200);
	assert_true(is(v, "name", "\"Ann\"") && is(v, "calls", "2"));
	assert_int_equal(2, json_count(json_get(v, "latest_calls")));
	v = ask(&r, "GET", "/api/v1/contacts", NULL, KIT_OTHER_ORG, NULL, 200);
	assert_int_equal(0, json_count(json_get(v, "contacts")));
	expect_refused("GET", "/api/v1/contacts/" ANN_PATH, KIT_OTHER_ORG, NULL, 404, "not-found",
		       NULL);
	expect_refused("GET", "/api/v1/contacts/1", KIT_VIEWER, NULL, 404, "not-found", NULL);
	expect_refused("DELETE", "/api/v1/contacts/" ANN_PATH, KIT_MANAGER, NULL, 403, "forbidden",
		       NULL);
	expect_refused("DELETE", "/api/v1/contacts/" ANN_PATH, KIT_OTHER_ORG, NULL, 404,
		       "not-found", NULL);
	expect_refused("GET", "/api/v1/contacts?cursor=x", KIT_VIEWER, NULL, 400, "bad-parameter",
		       "cursor");
	reply_free(&r);
}

static void posted_context_is_told_to_the_live_side(void **state)
{
	struct reply r = { 0 };
	char id[64], path[200];
	(void)state;
	struct json v =
		ask(&r, "POST", "/api/v1/context?reason=phone", NULL, KIT_SUPERVISOR,
		    "{\"contact_number\":\"" ANN
		    "\",\"kind\":\"order\",\"title\":\"Order 1\",\"text\":\"is \\\"late\\\"\","
		    "\"expires_at\":\"2099-01-01T00:00:00Z\",\"data\":{\"n\":1}}",
		    201);
	kit_text(v, "id", id, sizeof(id));
	assert_true(is(v, "created_by", "\"token:supervisor\""));
	pthread_mutex_lock(&kit->live.lock);
	char expected[400];
	snprintf(expected, sizeof(expected),
		 ANN " 00000000-0000-0000-0000-000000000000 [{\"id\":\"%s\",\"kind\":\"order\","
		     "\"title\":\"Order 1\",\"text\":\"is \\\"late\\\"\"}]",
		 id);
	assert_string_equal(kit->live.last_context, expected);
	pthread_mutex_unlock(&kit->live.lock);
	/* as a call that begins later finds it: the same bytes, or it would be told it twice */
	assert_string_equal("t", sql("select strpos(callmend_context_open('" KIT_ORG "', '" ANN
				     "', null)::text, '\"text\" : \"is \\\"late\\\"\"') > 0"));
	v = ask(&r, "GET", "/api/v1/contacts/" ANN_PATH, "/api/v1/contacts/{number}", KIT_VIEWER,
		NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "context")));
	ask(&r, "GET", "/api/v1/context?contact_number=" ANN_PATH, NULL, KIT_VIEWER, NULL, 200);
	under(path, "/api/v1/context/%s", id);
	ask(&r, "GET", path, "/api/v1/context/{id}", KIT_VIEWER, NULL, 200);
	expect_refused("GET", path, KIT_OTHER_ORG, NULL, 404, "not-found", NULL);
	expect_refused("PATCH", path, KIT_OTHER_ORG, "{\"closed\":true}", 404, "not-found", NULL);
	expect_refused("PATCH", path, KIT_VIEWER, "{\"closed\":true}", 403, "forbidden", NULL);
	expect_refused("PATCH", path, KIT_SUPERVISOR, "{}", 422, "invalid-body", NULL);
	expect_refused("PATCH", path, KIT_SUPERVISOR, "{\"contact_number\":\"1\"}", 422,
		       "invalid-body", "contact_number");
	v = ask(&r, "PATCH", path, "/api/v1/context/{id}", KIT_SUPERVISOR,
		"{\"closed\":true,\"expires_at\":null}", 200);
	assert_false(json_get(v, "closed_at").kind == JSON_NULL);
	assert_string_equal("2", sql("select count(*) from audit_log where object_id = '%s'", id));
	expect_refused("POST", "/api/v1/context", KIT_SUPERVISOR, "{\"title\":\"x\"}", 422,
		       "invalid-body", "contact_number");
	reply_free(&r);
}

static void mappings_go_their_way(void **state)
{
	static const char pattern[] = "/api/v1/vapi/mappings/{id}";
	struct reply r = { 0 };
	char id[64], other[64], path[200], review[200];
	(void)state;
	struct json v =
		ask(&r, "PATCH", "/api/v1/tool-calls/" TOOL_CALL, "/api/v1/tool-calls/{id}",
		    KIT_SUPERVISOR,
		    "{\"correction\":{\"arguments\":{\"filter\":{\"q\":\"Noodle soup\"}}}}", 200);
	kit_text(v, "proposed_mapping", id, sizeof(id));
	v = ask(&r, "GET", under(path, "/api/v1/vapi/mappings/%s", id), pattern, KIT_VIEWER, NULL,
		200);
	assert_true(is(v, "active", "false") && is(v, "search_term", "\"ramen\"") &&
		    is(v, "source", "\"auto_learned\"") && is(v, "confidence", "0.5"));
	expect_refused("GET", path, KIT_OTHER_ORG, NULL, 404, "not-found", NULL);
	under(review, "/api/v1/vapi/mappings/%s/review", id);
	expect_refused("PUT", review, KIT_SUPERVISOR, "{\"approved\":true}", 403, "forbidden",
		       NULL);
	expect_refused("PUT", review, KIT_OTHER_ORG, "{\"approved\":true}", 404, "not-found", NULL);
	v = ask(&r, "PUT", review, "/api/v1/vapi/mappings/{id}/review", KIT_MANAGER,
		"{\"approved\":true}", 200);
	assert_true(is(v, "active", "true") && is(v, "reviewed_by", "\"token:manager\""));
	v = ask(&r, "POST", "/api/v1/vapi/mappings", NULL, KIT_SUPERVISOR,
		"{\"search_term\":\"RAMEN\",\"mapped_terms\":[\"udon\"],\"source\":\"ai_"
		"suggested\"}",
		201);
	kit_text(v, "id", other, sizeof(other));
	expect_refused("PUT", under(review, "/api/v1/vapi/mappings/%s/review", other), KIT_MANAGER,
		       "{\"approved\":true}", 409, "conflict", id);
	ask(&r, "POST", under(path, "/api/v1/vapi/mappings/%s/deactivate", id),
	    "/api/v1/vapi/mappings/{id}/deactivate", KIT_MANAGER, NULL, 200);
	ask(&r, "PUT", review, "/api/v1/vapi/mappings/{id}/review", KIT_MANAGER,
	    "{\"approved\":true}", 200);
	assert_string_equal("1", sql("select count(*) from search_term_mappings where active"));
	ask(&r, "PUT", review, "/api/v1/vapi/mappings/{id}/review", KIT_MANAGER,
	    "{\"approved\":false}", 200);
	v = ask(&r, "GET", "/api/v1/vapi/mappings?limit=1", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "mappings")));
	assert_true(json_has(json_get(v, "next_cursor")));
	v = ask(&r, "GET", "/api/v1/vapi/failed-searches", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "searches")));
	v = ask(&r, "GET", "/api/v1/vapi/failed-searches", NULL, KIT_OTHER_ORG, NULL, 200);
	assert_int_equal(0, json_count(json_get(v, "searches")));
	assert_string_equal("t", sql("select count(*) = 5 from audit_log where object_kind = "
				     "'mapping'"));
	reply_free(&r);
}

/* Nothing can make one active that nobody has approved. */
static void never_active_before_a_review(void **state)
{
	(void)state;
	assert_string_equal("",
			    sql("update search_term_mappings set active = true, approved = null "
				"where source = 'ai_suggested' returning 'changed'"));
	assert_string_equal(
		"",
		sql("insert into search_term_mappings (org_id, project_id, "
		    "search_term, mapped_terms, source, active, created_by) values ('" KIT_ORG
		    "', '" KIT_PROJECT "', 'x', '[\"y\"]', 'manual', true, 'x') returning 'made'"));
}

/* B5 by hand: 4 searches in the period, 1 found nothing; 2 before, 2 found nothing. */
static void learning_is_counted_by_its_formulas(void **state)
{
	struct reply r = { 0 };
	(void)state;
	sql("delete from search_failures; delete from tool_calls; "
	    "update search_term_mappings set created_at = '2026-10-08T00:00:00Z';"
	    "insert into tool_calls (id, org_id, project_id, call_id, tool, requested_at, success, "
	    "requested_seq, mapping_id) select gen_random_uuid(), '" KIT_ORG "', '" KIT_PROJECT
	    "', '" CALL
	    "', 'search', t::timestamptz, s, 1, (select m.id from search_term_mappings m "
	    "where mapped and m.source = 'auto_learned') from (values "
	    "('2026-10-02', false, false), ('2026-10-03', false, false), "
	    "('2026-10-09', false, true), ('2026-10-10', true, true), ('2026-10-11', true, true), "
	    "('2026-10-12', true, false)) x(t, s, mapped);"
	    "insert into search_failures (tool_call_id, org_id, project_id, call_id, tool, term, "
	    "query, empty, at) select t.id, t.org_id, t.project_id, t.call_id, t.tool, 'pho', "
	    "'pho', "
	    "true, t.requested_at from tool_calls t where not t.success");
	struct json v = ask(&r, "GET",
			    "/api/v1/vapi/analytics/"
			    "learnings?from=2026-10-08T00:00:00Z&to=2026-10-15T00:00:00Z",
			    NULL, KIT_VIEWER, NULL, 200);
	assert_true(is(v, "accuracy.used", "3") && is(v, "accuracy.successful", "2"));
	assert_true(is(v, "accuracy.rate", "0.6667") && is(v, "accuracy.met", "false"));
	assert_true(is(v, "learned", "2") && is(v, "learned_per_week", "2.00"));
	assert_true(is(v, "found_nothing.before.searches", "2"));
	assert_true(is(v, "found_nothing.before.rate", "1.0000"));
	assert_true(is(v, "found_nothing.after.rate", "0.2500"));
	assert_true(is(v, "found_nothing.change", "-0.7500"));
	assert_true(is(v, "found_nothing.halved", "true"));
	v = ask(&r, "GET", "/api/v1/vapi/analytics/learnings", NULL, KIT_OTHER_ORG, NULL, 200);
	assert_true(is(v, "learned", "0") && is(v, "accuracy.met", "null"));
	reply_free(&r);
}

static void analyses_are_promised(void **state)
{
	struct reply r = { 0 };
	(void)state;
	struct json v = ask(&r, "GET", "/api/v1/calls/vapi-1/analysis",
			    "/api/v1/calls/{id}/analysis", KIT_VIEWER, NULL, 200);
	assert_true(is(v, "outcome", "\"failure\"") && is(v, "up_to_date", "true") &&
		    is(v, "posted", "null"));
	expect_refused("GET", "/api/v1/calls/" RUNNING "/analysis", KIT_VIEWER, NULL, 404,
		       "not-found", NULL);
	expect_refused("GET", "/api/v1/calls/" CALL "/analysis", KIT_OTHER_ORG, NULL, 404,
		       "not-found", NULL);
	sql("delete from jobs");
	v = ask(&r, "POST", "/api/v1/calls/vapi-1/outcome", "/api/v1/calls/{id}/outcome",
		KIT_SUPERVISOR, "{\"outcome\":\"success\",\"value\":12.5,\"label\":\"booked\"}",
		200);
	assert_true(is(v, "value", "12.5") && is(v, "actor", "\"token:supervisor\""));
	assert_string_equal(CALL, sql("select key from jobs where kind = 'analyse'"));
	expect_refused("POST", "/api/v1/calls/vapi-1/outcome", KIT_VIEWER,
		       "{\"outcome\":\"success\"}", 403, "forbidden", NULL);
	expect_refused("POST", "/api/v1/calls/vapi-1/outcome", KIT_OTHER_ORG,
		       "{\"outcome\":\"success\"}", 404, "not-found", NULL);
	expect_refused("POST", "/api/v1/calls/vapi-1/outcome", KIT_SUPERVISOR,
		       "{\"outcome\":\"success\",\"value\":1e300}", 422, "invalid-body", "value");
	v = ask(&r, "POST", "/api/v1/calls/" CALL "/reanalyse", "/api/v1/calls/{id}/reanalyse",
		KIT_SUPERVISOR, NULL, 202);
	assert_true(is(v, "jobs", "1"));
	expect_refused("POST", "/api/v1/calls/" RUNNING "/reanalyse", KIT_SUPERVISOR, NULL, 404,
		       "not-found", NULL);
	v = ask(&r, "POST", "/api/v1/projects/" KIT_PROJECT "/reanalyse",
		"/api/v1/projects/{id}/reanalyse", KIT_MANAGER, NULL, 202);
	assert_true(is(v, "jobs", "1"));
	expect_refused("POST", "/api/v1/projects/" KIT_PROJECT "/reanalyse", KIT_OTHER_ORG, NULL,
		       404, "not-found", NULL);
	v = ask(&r, "GET", "/api/v1/projects/" KIT_PROJECT "/captured",
		"/api/v1/projects/{id}/captured", KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "fields")));
	assert_true(is(v, "calls", "1"));
	expect_refused("GET", "/api/v1/projects/" NOBODY "/captured", KIT_VIEWER, NULL, 404,
		       "not-found", NULL);
	v = ask(&r, "GET", "/api/v1/calls?tag=soup", NULL, KIT_VIEWER, NULL, 200);
	assert_int_equal(1, json_count(json_get(v, "calls")));
	v = ask(&r, "GET", "/api/v1/calls?tag=topic:soup&status=in-progress", NULL, KIT_VIEWER,
		NULL, 200);
	assert_int_equal(0, json_count(json_get(v, "calls")));
	reply_free(&r);
}

/* The last: it is gone then. */
static void a_contact_is_forgotten(void **state)
{
	struct reply r = { 0 };
	char id[64];
	(void)state;
	struct json v = ask(&r, "DELETE", "/api/v1/contacts/" ANN_PATH, "/api/v1/contacts/{number}",
			    KIT_ADMIN, NULL, 200);
	kit_text(v, "id", id, sizeof(id));
	assert_string_equal("0", sql("select count(*) from contacts"));
	assert_string_equal("0", sql("select count(*) from context_items"));
	assert_string_equal("0", sql("select count(*) from audit_log where object_id = '%s' and "
				     "concat(old, new) like '%%" ANN "%%'",
				     id));
	expect_refused("DELETE", "/api/v1/contacts/" ANN_PATH, KIT_ADMIN, NULL, 404, "not-found",
		       NULL);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contacts_are_promised),
		cmocka_unit_test(posted_context_is_told_to_the_live_side),
		cmocka_unit_test(mappings_go_their_way),
		cmocka_unit_test(never_active_before_a_review),
		cmocka_unit_test(analyses_are_promised),
		cmocka_unit_test(learning_is_counted_by_its_formulas),
		cmocka_unit_test(a_contact_is_forgotten),
	};
	return cmocka_run_group_tests(tests, begin, stored_end);
}
