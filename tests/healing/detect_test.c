/* Detection on a real PostgreSQL (C1): every kind of cause opens at its evidence and not a call
 * earlier, is put down to what it belongs to, is open once, rests after a decision, and closes. */
#include "heal_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "healing/thresholds.h"

static const struct shown good = { 0 };
static const struct shown no_email = { .failed = true,
				       .point = "field:email",
				       .email = "never_asked" };

static int issues(void)
{
	return atoi(sql("select count(*) from issues where project_id = '%s'", kit_project));
}

/* --- nothing wrong --- */

static void good_calls_open_nothing(void **state)
{
	(void)state;
	kit_calls(200, 20, good);
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("missing_data", "email", "verdict"), "good");
	assert_string_equal(kit_detection("success_rate", "", "rate"), "100");
	assert_string_equal(
		sql("select calls from detections where project_id = '%s'", kit_project), "200");
}

static void no_calls_no_issue(void **state)
{
	(void)state;
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("missing_data", "email", "verdict"), "few_calls");
	assert_string_equal(
		sql("select doc->>'looks' from detections where project_id = '%s'", kit_project),
		"0");
}

/* --- each cause: at its evidence, not a call earlier --- */

static void opens_at_30_calls_and_not_at_29(const char *cause, const char *subject, struct shown s)
{
	kit_calls(29, 10, s);
	kit_detect();
	assert_int_equal(issues(), 0);
	kit_calls(1, 1, s);
	kit_detect();
	assert_open(cause, subject);
	assert_int_equal(issues(), 1);
	assert_string_equal(kit_detection(cause, subject, "state"), "opened");
	assert_int_equal(kit_quotes(cause, subject), 5);
}

static void missing_data_opens(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("missing_data", "email", no_email);
	/* The calls fail at this and by this: neither is opened beside it. */
	assert_string_equal(kit_detection("failure_point", "field:email", "state"), "explained");
	assert_string_equal(kit_detection("success_rate", "", "state"), "explained");
	assert_string_equal(sql("select evidence->'reasons'->0->>'reason' from issues where "
				"project_id = '%s'",
				kit_project),
			    "never_asked");
}

static void missing_data_of_calls_that_succeed_opens_too(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("missing_data", "email",
					(struct shown){ .email = "refused" });
}

static void tool_failure_opens_and_is_no_instructions_fault(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("tool_failure", "book",
					(struct shown){ .failed = true,
							.cause = "tool",
							.ineligible = true,
							.point = "tool:book",
							.email = "never_asked",
							.tool = "error" });
	assert_string_equal(kit_detection("missing_data", "email", "eligible"), "0");
	assert_string_equal(kit_detection("success_rate", "", "eligible"), "0");
	assert_string_equal(sql("select count(*) from notifications where project_id = '%s' and "
				"type = 'tool_failure'",
				kit_project),
			    "1");
}

static void a_search_that_finds_nothing_is_no_broken_tool(void **state)
{
	(void)state;
	kit_calls(60, 10, (struct shown){ .tool = "empty" });
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("tool_failure", "book", "events"), "0");
}

static void failure_point_opens(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("failure_point", "silence",
					(struct shown){ .failed = true, .point = "silence" });
}

static void the_callers_own_doing_is_no_failure_point(void **state)
{
	(void)state;
	kit_calls(60, 10, (struct shown){ .failed = true, .cause = "caller", .point = "price" });
	kit_detect();
	assert_not_open("failure_point", "price");
	assert_open("success_rate", "");
}

static void frustration_opens(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("frustration", "", (struct shown){ .frustrated = true });
}

static void unanswered_question_opens(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("unanswered_question", "car park",
					(struct shown){ .question = "car park" });
}

/* Asked in different words, it is one question; another one is another. */
static void questions_are_grouped(void **state)
{
	(void)state;
	kit_calls(12, 6, (struct shown){ .question = "car free park" });
	kit_calls(20, 9, (struct shown){ .question = "car park" });
	kit_calls(8, 8, (struct shown){ .question = "dog terrace" });
	kit_detect();
	assert_open("unanswered_question", "car park");
	assert_string_equal(kit_detection("unanswered_question", "car park", "events"), "32");
	assert_not_open("unanswered_question", "dog terrace");
}

static void success_rate_opens_when_nothing_more_telling_does(void **state)
{
	(void)state;
	opens_at_30_calls_and_not_at_29("success_rate", "", (struct shown){ .failed = true });
}

static void a_missing_practice_needs_no_calls(void **state)
{
	(void)state;
	kit_instructions(
		"[{\"name\": \"\", \"text\": \"You take bookings. Keep answers short. Ask one "
		"question at a time. Say goodbye. Transfer upset callers. If a tool fails, "
		"try again. If you do not know, say so.\"}]");
	kit_detect();
	assert_open("best_practice", "confirm_details");
	assert_int_equal(issues(), 1);
	kit_detect();
	assert_int_equal(issues(), 1);
	kit_instructions(
		"[{\"name\": \"\", \"text\": \"You take bookings. Keep answers short. Ask one "
		"question at a time. Say goodbye. Transfer upset callers. If a tool fails, "
		"try again. If you do not know, say so. Confirm the details.\"}]");
	kit_detect();
	assert_not_open("best_practice", "confirm_details");
	assert_int_equal(issues(), 1);
}

static void practices_can_be_switched_off(void **state)
{
	(void)state;
	sql("update projects set thresholds = '{\"practices\": 0}' where id = '%s'", kit_project);
	kit_instructions("[{\"name\": \"\", \"text\": \"You take bookings.\"}]");
	kit_detect();
	assert_int_equal(issues(), 0);
}

static void the_latest_calls_are_looked_at(void **state)
{
	(void)state;
	sql("update projects set thresholds = '{\"window_calls\": 60}' where id = '%s'",
	    kit_project);
	kit_calls(300, 20, no_email);
	kit_calls(60, 20, good);
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("missing_data", "email", "eligible"), "60");
	assert_string_equal(kit_detection("missing_data", "email", "events"), "0");
	assert_string_equal(
		sql("select doc->>'calls_of_version' from detections where project_id = "
		    "'%s'",
		    kit_project),
		"360");
}

/* --- quotes --- */

static const char *quoted(const char *what)
{
	return sql("select string_agg(distinct q->>'%s', ',') from issues i, "
		   "jsonb_array_elements(i.evidence->'quotes') q where i.project_id = '%s'",
		   what, kit_project);
}

static void alter_fields(const char *which, const char *how)
{
	sql("update call_analyses set doc = jsonb_set(doc, '{fields,0}', doc->'fields'->0 || '%s') "
	    "where project_id = '%s' and %s",
	    how, kit_project, which);
}

/* Words of their own come first, however old; of the others the caller's last ones. */
static void calls_with_words_are_quoted_first(void **state)
{
	(void)state;
	kit_calls(40, 20, (struct shown){ .email = "asked_not_captured" });
	alter_fields("caller not in ('+15551', '+15552', '+15553')", "{\"passage\": null}");
	kit_detect();
	assert_int_equal(kit_quotes("missing_data", "email"), 5);
	assert_string_equal(quoted("text"), "bye then,words of the passage");
	assert_string_equal(sql("select count(*) from issues i, jsonb_array_elements(i.evidence->"
				"'quotes') q where i.project_id = '%s' and q->>'text' <> 'bye "
				"then'",
				kit_project),
			    "3");
}

static void what_lacks_anything_is_not_quoted(void **state)
{
	(void)state;
	static const char *const lacks[] = {
		"{\"seq\": null}",     "{\"offset_ms\": null}", "{\"offset_ms\": -1}",
		"{\"speaker\": null}", "{\"passage\": \"\"}",
	};
	kit_calls(40, 20, (struct shown){ .email = "refused" });
	sql("update call_analyses set doc = doc - 'last_words' where project_id = '%s'",
	    kit_project);
	for (unsigned i = 0; i < sizeof(lacks) / sizeof(*lacks); i++) {
		char which[40];
		snprintf(which, sizeof(which), "caller = '+1555%u'", i);
		alter_fields(which, lacks[i]);
	}
	alter_fields("right(caller, 2) >= '57'", "{\"passage\": null}");
	kit_detect();
	assert_int_equal(kit_quotes("missing_data", "email"), 5);
	alter_fields("caller not in ('+15555', '+15556')", "{\"passage\": null}");
	kit_detect();
	assert_int_equal(kit_quotes("missing_data", "email"), 2);
}

static void frustration_without_words_is_quoted_all_the_same(void **state)
{
	(void)state;
	kit_calls(40, 10, (struct shown){ .frustrated = true });
	sql("update call_analyses set doc = doc || '{\"signals\": []}' where project_id = '%s'",
	    kit_project);
	kit_detect();
	assert_int_equal(kit_quotes("frustration", ""), 5);
	assert_string_equal(quoted("text"), "bye then");
}

static void tools_speak_for_themselves(void **state)
{
	(void)state;
	kit_calls(40, 10, (struct shown){ .failed = true, .point = "search:stock" });
	sql("update call_analyses set doc = jsonb_set(doc, '{failure_point,speaker}', 'null') "
	    "where "
	    "project_id = '%s'",
	    kit_project);
	kit_detect();
	assert_int_equal(kit_quotes("failure_point", "search:stock"), 5);
	assert_string_equal(quoted("speaker"), "tool");
}

/* --- the gate --- */

static void few_callers_prove_nothing(void **state)
{
	(void)state;
	kit_calls(100, 4, no_email);
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("missing_data", "email", "verdict"), "few_callers");
}

/* 4 of 12 callers have it all the time: many calls, but few callers concerned. */
static void events_of_few_callers_prove_nothing(void **state)
{
	(void)state;
	kit_calls(96, 4, no_email);
	kit_calls(30, 12, good);
	kit_detect();
	assert_int_equal(issues(), 0);
}

static void beyond_the_limit_but_not_proven(void **state)
{
	(void)state;
	kit_calls(14, 14, no_email);
	kit_calls(26, 26, good);
	kit_detect();
	assert_int_equal(issues(), 0);
	assert_string_equal(kit_detection("missing_data", "email", "verdict"), "not_proven");
	assert_true(atof(kit_detection("missing_data", "email", "distance")) > 0);
}

static void between_looks_nothing_opens(void **state)
{
	(void)state;
	kit_calls(40, 20, good);
	kit_detect();
	kit_calls(9, 9, no_email);
	kit_detect();
	assert_string_equal(
		sql("select doc->>'looks' from detections where project_id = '%s'", kit_project),
		"1");
	kit_calls(1, 1, no_email);
	kit_detect();
	assert_string_equal(
		sql("select doc->>'looks' from detections where project_id = '%s'", kit_project),
		"2");
}

/* A posted outcome, or a new threshold, is something new to look at. */
static void outcomes_that_come_late_are_looked_at(void **state)
{
	(void)state;
	kit_calls(60, 20, (struct shown){ .unknown = true });
	kit_detect();
	assert_int_equal(issues(), 0);
	sql("update call_analyses set outcome = 'failure', cause_class = 'instructions' where "
	    "project_id = '%s'",
	    kit_project);
	kit_detect();
	assert_open("success_rate", "");
}

static void a_new_threshold_is_looked_at(void **state)
{
	(void)state;
	kit_calls(60, 20, (struct shown){ .frustrated = true });
	sql("update projects set thresholds = '{\"frustration_max\": 100}' where id = '%s'",
	    kit_project);
	kit_detect();
	assert_int_equal(issues(), 0);
	sql("update projects set thresholds = '{}' where id = '%s'", kit_project);
	kit_detect();
	assert_open("frustration", "");
}

static void calls_of_another_version_do_not_count(void **state)
{
	(void)state;
	kit_calls(60, 20, no_email);
	kit_instructions(
		"[{\"name\": \"\", \"text\": \"Confirm the details. If you do not know, say so. "
		"Transfer. One question at a time. If a tool fails, try again. Goodbye. "
		"Short.\"}]");
	kit_detect();
	assert_int_equal(issues(), 0);
}

static void old_calls_do_not_count(void **state)
{
	(void)state;
	kit_calls(60, 20, no_email);
	sql("update call_analyses set started_at = started_at - interval '40 days' where "
	    "project_id "
	    "= '%s'",
	    kit_project);
	kit_detect();
	assert_int_equal(issues(), 0);
}

/* --- once, renewed, closed --- */

static void one_open_issue_and_its_evidence_is_renewed(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	char id[40];
	snprintf(id, sizeof(id), "%s", kit_issue("missing_data", "email"));
	kit_calls(40, 10, no_email);
	kit_detect();
	assert_string_equal(kit_issue("missing_data", "email"), id);
	assert_int_equal(issues(), 1);
	assert_string_equal(sql("select evidence->>'events' from issues where id = '%s'", id),
			    "80");
	assert_string_equal(
		sql("select evidence->'trigger'->>'calls' from issues where id = '%s'", id), "40");
	assert_string_equal(
		sql("select jsonb_array_length(evidence->'quotes') from issues where id "
		    "= '%s'",
		    id),
		"5");
	assert_string_equal(
		sql("select count(*) from activities where project_id = '%s' and kind = "
		    "'issue.opened'",
		    kit_project),
		"1");
}

static void closes_after_a_change_when_it_is_gone(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	kit_instructions(
		"[{\"name\": \"\", \"text\": \"Ask for the e-mail. Confirm the details. If you "
		"do not know, say so. Transfer. One question at a time. If a tool fails, try "
		"again. Goodbye. Short.\"}]");
	kit_calls(29, 10, good);
	kit_detect();
	assert_open("missing_data", "email");
	kit_calls(30, 10, good);
	kit_detect();
	assert_not_open("missing_data", "email");
	assert_string_equal(sql("select status from issues where project_id = '%s'", kit_project),
			    "resolved");
	assert_string_equal(
		sql("select count(*) from activities where project_id = '%s' and kind = "
		    "'issue.closed'",
		    kit_project),
		"1");
}

static void stays_open_after_a_change_that_did_not_help(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	kit_instructions(
		"[{\"name\": \"\", \"text\": \"Confirm the details. If you do not know, say so. "
		"Transfer. One question at a time. If a tool fails, try again. Goodbye. "
		"Short.\"}]");
	kit_calls(60, 10, no_email);
	kit_detect();
	assert_open("missing_data", "email");
	assert_string_equal(sql("select evidence->'since_change'->>'events' from issues where "
				"project_id = '%s'",
				kit_project),
			    "60");
	assert_int_equal(issues(), 1);
}

static void a_repaired_tool_closes_its_issue(void **state)
{
	(void)state;
	kit_calls(40, 10,
		  (struct shown){
			  .failed = true, .cause = "tool", .ineligible = true, .tool = "error" });
	kit_detect();
	assert_open("tool_failure", "book");
	kit_calls(60, 20, good);
	kit_detect();
	assert_not_open("tool_failure", "book");
}

static void a_field_no_longer_wanted_closes_its_issue(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	sql("update projects set fields = '[]' where id = '%s'", kit_project);
	kit_detect();
	assert_not_open("missing_data", "email");
}

/* --- resting --- */

static void not_again_while_a_suggestion_is_recent(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	kit_suggest_all();
	const char *suggestion =
		sql("select id from suggestions where project_id = '%s'", kit_project);
	sql("update issues set status = 'dismissed', closed_at = now() where project_id = '%s'",
	    kit_project);
	kit_reject(suggestion);
	kit_calls(40, 10, no_email);
	kit_detect();
	assert_not_open("missing_data", "email");
	assert_string_equal(kit_detection("missing_data", "email", "state"), "resting");
	sql("update suggestions set rejected_at = now() - interval '15 days' where project_id = "
	    "'%s'",
	    kit_project);
	sql("update issues set closed_at = now() - interval '15 days' where project_id = '%s'",
	    kit_project);
	kit_calls(40, 10, no_email);
	kit_detect();
	assert_open("missing_data", "email");
}

/* Nobody has to decide about the suggestion of an issue that went away by itself. */
static void a_cause_that_came_back_does_not_wait_for_an_old_suggestion(void **state)
{
	(void)state;
	kit_calls(40, 10, no_email);
	kit_detect();
	kit_suggest_all();
	sql("update issues set status = 'resolved', closed_at = now() where project_id = '%s'",
	    kit_project);
	assert_string_equal(
		sql("select status from suggestions where project_id = '%s'", kit_project),
		"pending");
	kit_calls(40, 10, no_email);
	kit_detect();
	assert_open("missing_data", "email");
}

/* What was rejected must be shown ten times as surely. */
static void a_rejected_cause_needs_clearly_more_evidence(void **state)
{
	(void)state;
	kit_calls(24, 24, no_email);
	kit_calls(22, 22, good);
	kit_detect();
	double before = atof(kit_detection("missing_data", "email", "bound"));
	sql("with i as (insert into issues (org_id, project_id, cause, subject, status, title, "
	    "evidence, closed_at) values ('" DEFAULT_ORG "', '%s', 'missing_data', 'email', "
	    "'dismissed', 't', '{}', now() - interval '30 days') returning id) insert into "
	    "suggestions (org_id, project_id, issue_id, type, priority, status, title, "
	    "current_instruction, current_metrics, expected_impact, generated_by, rejected_at) "
	    "select '" DEFAULT_ORG
	    "', '%s', id, 'missing_data', 'high', 'rejected', 't', '', '{}', "
	    "'{}', 'rules', now() - interval '30 days' from i",
	    kit_project, kit_project);
	kit_detect();
	assert_string_equal(kit_detection("missing_data", "email", "rejections"), "1");
	assert_true(atof(kit_detection("missing_data", "email", "bound")) < before);
}

/* --- refusals --- */

static void thresholds_that_are_none_are_named(void **state)
{
	(void)state;
	struct thresholds t;
	static const struct {
		const char *json, *says;
	} bad[] = {
		{ "{\"missing_rate_max\": 101}", "missing_rate_max: must be 0 to 100" },
		{ "{\"missing\": 1}", "missing: no such threshold" },
		{ "{\"min_calls\": \"many\"}", "min_calls: expected number" },
		{ "[]", "expected object" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(thresholds_read(json_of(span_of(bad[i].json)), &t, &oops),
				 E_INVALID);
		assert_non_null(strstr(oops.text, bad[i].says));
	}
	assert_ok(thresholds_read(json_of(SPAN("{\"min_calls\": 50}")), &t, &oops));
	assert_true(t.min_calls == 50 && t.missing_rate_max == 30);
}

/* The database refuses what the program would. */
static void thresholds_have_the_same_limits_in_the_database(void **state)
{
	(void)state;
#define wrong(name, value) sql("select callmend_thresholds_wrong('{\"%s\": %.4f}')", name, value)
#define X(name, standard, least, most, doc)                              \
	assert_string_equal(wrong(#name, (double)(standard)), "");       \
	assert_string_equal(wrong(#name, (double)(least)), "");          \
	assert_string_equal(wrong(#name, (double)(most)), "");           \
	assert_non_null(strstr(wrong(#name, (least)-0.05), "must be ")); \
	assert_non_null(strstr(wrong(#name, (most) + 0.05), "must be "));
	THRESHOLDS(X)
#undef X
#undef wrong
	assert_string_equal(sql("select callmend_thresholds_wrong('{\"nothing\": 1}')"),
			    "nothing: no such threshold");
	assert_string_equal(sql("select callmend_thresholds_wrong('{\"min_calls\": \"9\"}')"),
			    "min_calls: must be a number");
	sql("do $$ begin update projects set thresholds = '{\"min_calls\": 1}'; exception when "
	    "raise_exception then null; end $$");
	assert_string_equal(sql("select thresholds from projects where id = '%s'", kit_project),
			    "{}");
}

static void a_project_that_is_gone_ends_the_job(void **state)
{
	(void)state;
	sql("update projects set archived_at = now() where id = '%s'", kit_project);
	kit_detect();
	assert_string_equal(
		sql("select count(*) from detections where project_id = '%s'", kit_project), "0");
}

int main(void)
{
#define on_project(fn) cmocka_unit_test_setup_teardown(fn, kit_begin, kit_end)
	const struct CMUnitTest tests[] = {
		on_project(good_calls_open_nothing),
		on_project(no_calls_no_issue),
		on_project(missing_data_opens),
		on_project(missing_data_of_calls_that_succeed_opens_too),
		on_project(tool_failure_opens_and_is_no_instructions_fault),
		on_project(a_search_that_finds_nothing_is_no_broken_tool),
		on_project(failure_point_opens),
		on_project(the_callers_own_doing_is_no_failure_point),
		on_project(frustration_opens),
		on_project(unanswered_question_opens),
		on_project(questions_are_grouped),
		on_project(success_rate_opens_when_nothing_more_telling_does),
		on_project(a_missing_practice_needs_no_calls),
		on_project(practices_can_be_switched_off),
		on_project(the_latest_calls_are_looked_at),
		on_project(calls_with_words_are_quoted_first),
		on_project(what_lacks_anything_is_not_quoted),
		on_project(frustration_without_words_is_quoted_all_the_same),
		on_project(tools_speak_for_themselves),
		on_project(few_callers_prove_nothing),
		on_project(events_of_few_callers_prove_nothing),
		on_project(beyond_the_limit_but_not_proven),
		on_project(between_looks_nothing_opens),
		on_project(outcomes_that_come_late_are_looked_at),
		on_project(a_new_threshold_is_looked_at),
		on_project(calls_of_another_version_do_not_count),
		on_project(old_calls_do_not_count),
		on_project(one_open_issue_and_its_evidence_is_renewed),
		on_project(closes_after_a_change_when_it_is_gone),
		on_project(stays_open_after_a_change_that_did_not_help),
		on_project(a_repaired_tool_closes_its_issue),
		on_project(a_field_no_longer_wanted_closes_its_issue),
		on_project(not_again_while_a_suggestion_is_recent),
		on_project(a_cause_that_came_back_does_not_wait_for_an_old_suggestion),
		on_project(a_rejected_cause_needs_clearly_more_evidence),
		on_project(thresholds_that_are_none_are_named),
		on_project(thresholds_have_the_same_limits_in_the_database),
		on_project(a_project_that_is_gone_ends_the_job),
	};
	return cmocka_run_group_tests(tests, fixture_start_migrated, fixture_stop);
}
