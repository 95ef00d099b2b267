/* What came of a suggestion (C7), on a real PostgreSQL. */
#include "heal_kit.h"

#include <stdlib.h>

static const struct shown good = { 0 };
static const struct shown no_email = { .failed = true,
				       .point = "field:email",
				       .email = "never_asked" };

static const char *impact(const char *member)
{
	return sql("select actual_impact%s from suggestions where project_id = '%s'", member,
		   kit_project);
}

/* 40 calls open the issue; so many more come before its suggestion is accepted. */
static void accepted_after(unsigned more)
{
	kit_calls(40, 10, no_email);
	kit_detect();
	kit_suggest_all();
	if (more)
		kit_calls(more, 40, no_email);
	kit_accept(sql("select id from suggestions where project_id = '%s'", kit_project));
}

static void nothing_is_measured_before_a_call(void **state)
{
	(void)state;
	accepted_after(60);
	kit_detect();
	assert_string_equal(impact("::text"), "");
}

static void what_worked_is_seen_and_learned(void **state)
{
	(void)state;
	accepted_after(60);
	kit_calls(60, 40, good);
	kit_detect();
	assert_string_equal(impact("->>'method'"), "observational");
	assert_string_equal(impact("->>'state'"), "worked");
	/* The 40 that triggered it are left out. */
	assert_string_equal(impact("->'before'->>'calls'"), "60");
	assert_string_equal(impact("->'after'->>'calls'"), "60");
	assert_string_equal(impact("->>'successRateChange'"), "100");
	assert_string_equal(impact("->>'missingDataChange'"), "-100");
	assert_string_equal(impact("->>'actualROI'"), "Save 300 minutes per 100 calls");
	assert_true(atof(impact("->'interval'->'successRateChange'->>'lower'")) > 80);
	assert_string_equal(
		sql("select type || ' ' || cause || ' ' || subject || ' ' || occurrences from "
		    "feedback_patterns where project_id = '%s'",
		    kit_project),
		"worked missing_data email 1");
	kit_detect();
	kit_calls(10, 10, good);
	kit_detect();
	assert_string_equal(sql("select occurrences from feedback_patterns where project_id = '%s'",
				kit_project),
			    "1");
	assert_string_equal(
		sql("select count(*) from activities where project_id = '%s' and kind = "
		    "'impact.measured'",
		    kit_project),
		"1");
}

static void what_did_not_work_is_learned_too(void **state)
{
	(void)state;
	accepted_after(60);
	kit_calls(60, 40, no_email);
	kit_detect();
	assert_string_equal(impact("->>'state'"), "did_not_work");
	assert_string_equal(impact("->>'successRateChange'"), "0");
	assert_string_equal(impact("->>'actualROI'"), "Save 0 minutes per 100 calls");
	assert_string_equal(
		sql("select type from feedback_patterns where project_id = '%s'", kit_project),
		"did_not_work");
}

static void without_other_calls_before_it_cannot_be_told(void **state)
{
	(void)state;
	accepted_after(0);
	kit_calls(60, 40, good);
	kit_detect();
	assert_string_equal(impact("->>'state'"), "inconclusive");
	assert_string_equal(impact("->>'successRateChange'"), "");
	assert_non_null(strstr(impact("->>'note'"), "too few calls before"));
	assert_string_equal(
		sql("select count(*) from feedback_patterns where project_id = '%s'", kit_project),
		"0");
}

static void few_calls_are_inconclusive_and_say_how_many_are_needed(void **state)
{
	(void)state;
	accepted_after(60);
	kit_calls(6, 6, good);
	kit_detect();
	assert_string_equal(impact("->>'state'"), "inconclusive");
	assert_true(atof(impact("->>'needsCalls'")) > 0);
	assert_non_null(strstr(impact("->>'note'"), "more calls"));
}

/* What was learned too early is taken back. */
static void a_verdict_that_turns_is_unlearned(void **state)
{
	(void)state;
	accepted_after(60);
	kit_calls(30, 30, good);
	kit_detect();
	assert_string_equal(impact("->>'state'"), "worked");
	kit_calls(400, 40, no_email);
	kit_detect();
	assert_string_equal(impact("->>'state'"), "did_not_work");
	assert_string_equal(
		sql("select string_agg(type, ' ') from feedback_patterns where project_id = "
		    "'%s'",
		    kit_project),
		"did_not_work");
}

int main(void)
{
#define on_project(fn) cmocka_unit_test_setup_teardown(fn, kit_begin, kit_end)
	const struct CMUnitTest tests[] = {
		on_project(nothing_is_measured_before_a_call),
		on_project(what_worked_is_seen_and_learned),
		on_project(what_did_not_work_is_learned_too),
		on_project(without_other_calls_before_it_cannot_be_told),
		on_project(few_calls_are_inconclusive_and_say_how_many_are_needed),
		on_project(a_verdict_that_turns_is_unlearned),
	};
	return cmocka_run_group_tests(tests, fixture_start_migrated, fixture_stop);
}
