/* Outcome by the project's success rule (C1, D1): every kind of condition with what fits and what
 * does not, the order of deciders, and rules that are refused. */
#include "tests/analysis/finished_kit.h"

#include <stdio.h>
#include <string.h>

#define RULE(json) ",\"language\":\"en\",\"success_rule\":" json
#define REGLA(json) ",\"language\":\"es\",\"success_rule\":" json
#define REPORT(json) ",\"report\":" json
#define TALK "a Hello\nu Hello there\n"

struct row {
	struct script s;
	const char *outcome, *by;
};

#define STRUCTURED RULE("{\"success\":[{\"structured\":\"booking.status\",\"equals\":\"Booked\"}]}")
#define PHRASE RULE("{\"success\":[{\"phrase\":\"you are booked\",\"speaker\":\"ai\"}]}")
#define FRASE REGLA("{\"success\":[{\"phrase\":\"queda reservada\",\"speaker\":\"ai\"}]}")
#define TOOL RULE("{\"success\":[{\"tool\":\"book\",\"success\":true}]}")
#define TOOL_FAILED RULE("{\"failure\":[{\"tool\":\"book\",\"success\":false}]}")
#define EVALUATION RULE("{\"success\":[{\"evaluation\":true,\"threshold\":6}]}")
#define REASON RULE("{\"success\":[{\"ended_reason\":[\"assistant-ended-call\"]}]}")
#define CLASS \
	RULE("{\"failure\":[{\"ended_class\":[\"limit\"]}],\"success\":[{\"fields\":\"all\"}]}")
#define EMAIL "\"fields\":[{\"name\":\"email\",\"label\":\"email address\",\"type\":\"email\"}]"
#define FIELD RULE("{\"success\":[{\"field\":\"email\"}]}," EMAIL)
#define FIELDS ",\"language\":\"en\"," EMAIL
#define GAVE "a What is your email address?\nu It is anna@example.com\n"
#define GAVE_NOT "a What is your email address?\nu Never mind\n"

static const struct row rows[] = {
	/* structured output of the report */
	{ { TALK, .project = STRUCTURED,
	    .call = REPORT("{\"structured_data\":{\"booking\":{\"status\":\"booked\"}}}") },
	  "success",
	  "rule" },
	{ { TALK, .project = STRUCTURED,
	    .call = REPORT("{\"structured_data\":{\"booking\":{\"status\":\"open\"}}}") },
	  "failure",
	  "rule" },
	{ { TALK, .project = STRUCTURED }, "failure", "rule" },
	{ { TALK, .project = RULE("{\"success\":[{\"structured\":\"sold\",\"equals\":true}]}"),
	    .call = REPORT(
		    "{\"structured_outputs\":{\"x-1\":{\"name\":\"sold\",\"result\":true}}}") },
	  "success",
	  "rule" },
	{ { TALK, .project = RULE("{\"success\":[{\"structured\":\"sale.n\",\"in\":[1,2]}]}"),
	    .call = REPORT("{\"structured_outputs\":{\"x\":{\"name\":\"sale\",\"result\":{\"n\":2."
			   "0}}}}") },
	  "success",
	  "rule" },
	{ { TALK, .project = RULE("{\"success\":[{\"structured\":\"sale.n\",\"in\":[1,2]}]}"),
	    .call = REPORT("{\"structured_data\":{\"sale\":{\"n\":3}}}") },
	  "failure",
	  "rule" },
	{ { TALK, .project = RULE("{\"success\":[{\"structured\":\"date\",\"present\":true}]}"),
	    .call = REPORT("{\"structured_data\":{\"date\":\"Friday\"}}") },
	  "success",
	  "rule" },
	{ { TALK, .project = RULE("{\"success\":[{\"structured\":\"date\",\"present\":true}]}"),
	    .call = REPORT("{\"structured_data\":{\"date\":null}}") },
	  "failure",
	  "rule" },
	/* the provider's evaluation */
	{ { TALK, .project = EVALUATION, .call = REPORT("{\"success_evaluation\":\"6\"}") },
	  "success",
	  "rule" },
	{ { TALK, .project = EVALUATION, .call = REPORT("{\"success_evaluation\":\"50%\"}") },
	  "failure",
	  "rule" },
	{ { TALK, .project = EVALUATION, .call = REPORT("{\"success_evaluation\":\"true\"}") },
	  "success",
	  "rule" },
	{ { TALK, .project = EVALUATION, .call = REPORT("{\"success_evaluation\":\"who knows\"}") },
	  "failure",
	  "rule" },
	/* a tool */
	{ { TALK "t book ok {}", .project = TOOL }, "success", "rule" },
	{ { TALK "t book fail no table", .project = TOOL }, "failure", "rule" },
	{ { TALK "t look ok {}", .project = TOOL }, "failure", "rule" },
	{ { TALK "t book fail no table", .project = TOOL_FAILED }, "failure", "rule" },
	/* how it ended */
	{ { TALK, "assistant assistant-ended-call", .project = REASON }, "success", "rule" },
	{ { TALK, "assistant assistant-said-end-call-phrase", .project = REASON },
	  "failure",
	  "rule" },
	{ { GAVE, "limit exceeded-max-duration", .project = CLASS }, "failure", "rule" },
	/* a phrase, by whom it was to be said; not behind a negation */
	{ { TALK "a Perfect, you are booked!", .project = PHRASE }, "success", "rule" },
	{ { TALK "a You ARE booked, goodbye", .project = PHRASE }, "success", "rule" },
	{ { TALK "u so you are booked?", .project = PHRASE }, "failure", "rule" },
	{ { TALK "a I do not think you are booked", .project = PHRASE }, "failure", "rule" },
	{ { TALK "a It is not that you are booked", .project = PHRASE }, "failure", "rule" },
	{ { TALK "a You are fully booked", .project = PHRASE }, "failure", "rule" },
	{ { "a Hola\nu Hola\na Su mesa queda reservada.", .project = FRASE }, "success", "rule" },
	{ { "a Hola\nu Hola\na Su mesa no queda reservada.", .project = FRASE },
	  "failure",
	  "rule" },
	/* captured fields */
	{ { GAVE, .project = FIELD }, "success", "rule" },
	{ { GAVE_NOT, .project = FIELD }, "failure", "rule" },
	/* nothing fits: failure when there was a conversation */
	{ { "a Hello, anybody there?", .project = PHRASE }, "unknown", "rule" },
	/* without a rule: evaluation, then fields, then nobody knows */
	{ { GAVE_NOT, .project = FIELDS, .call = REPORT("{\"success_evaluation\":true}") },
	  "success",
	  "evaluation" },
	{ { GAVE, .project = FIELDS, .call = REPORT("{\"success_evaluation\":\"Poor\"}") },
	  "failure",
	  "evaluation" },
	{ { GAVE, .project = FIELDS, .call = REPORT("{\"success_evaluation\":\"maybe\"}") },
	  "success",
	  "fields" },
	{ { GAVE, .project = FIELDS }, "success", "fields" },
	{ { GAVE_NOT, .project = FIELDS }, "failure", "fields" },
	{ { "a What is your email address?", .project = FIELDS }, "unknown", "none" },
	{ { .lines = TALK }, "unknown", "none" },
	/* what a person posted beats all of them */
	{ { GAVE, .project = FIELD,
	    .more = ",\"posted\":{\"outcome\":\"failure\",\"actor\":\"cli\"}" },
	  "failure",
	  "posted" },
	{ { TALK, .more = ",\"posted\":{\"outcome\":\"success\",\"label\":\"booked\",\"actor\":"
			  "\"cli\"}" },
	  "success",
	  "posted" },
	{ { TALK, .project = TOOL,
	    .more = ",\"posted\":{\"outcome\":\"unknown\",\"actor\":\"cli\"}" },
	  "unknown",
	  "posted" },
};

static void outcomes_follow_the_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		finished_run(&rows[i].s);
		if (strcmp(finished_at("outcome.outcome"), rows[i].outcome) != 0 ||
		    strcmp(finished_at("outcome.by"), rows[i].by) != 0)
			fail_msg("row %zu: %s by %s, expected %s by %s\n%s", i,
				 finished_at("outcome.outcome"), finished_at("outcome.by"),
				 rows[i].outcome, rows[i].by, finished_text(&rows[i].s));
	}
}

static void evidence_is_quoted(void **state)
{
	(void)state;
	finished_run(&(struct script){ .lines = TALK "a You are booked", .project = PHRASE });
	expect("outcome.evidence.text", "You are booked");
	expect("outcome.evidence.speaker", "ai");
	expect("outcome.evidence.seq", "30");
	expect("outcome.evidence.offset_ms", "3000");
	finished_run(&(struct script){ .lines = TALK "t book ok {}", .project = TOOL });
	expect("outcome.evidence.text", "tool book succeeded");
	expect("outcome.evidence.seq", "30");
	finished_run(&(struct script){
		.lines = TALK,
		.project = STRUCTURED,
		.call = REPORT("{\"structured_data\":{\"booking\":{\"status\":\"booked\"}}}") });
	expect("outcome.evidence.text", "booking.status: \"booked\"");
	expect("outcome.evidence.seq", "null");
	finished_run(&(struct script){
		.lines = TALK,
		.more = ",\"posted\":{\"outcome\":\"failure\",\"label\":\"lost\",\"reason\":"
			"\"went elsewhere\",\"actor\":\"cli\"}" });
	expect("outcome.label", "lost");
	expect("outcome.evidence.text", "went elsewhere");
	finished_run(&(struct script){ .lines = TALK });
	expect("outcome.evidence", "null");
}

static void labels_of_conditions_are_kept(void **state)
{
	(void)state;
	finished_run(&(struct script){
		.lines = TALK "t book ok {}",
		.project = RULE("{\"success\":[{\"tool\":\"book\",\"label\":\"booked\"}]}") });
	expect("outcome.label", "booked");
	assert_string_equal(finished_tag("outcome", "booked"), "0.99");
}

static const struct {
	const char *rule, *why;
} refused[] = {
	{ "[]", "project: success_rule: expected object" },
	{ "{\"success\":{}}", "project: success_rule: success: expected array" },
	{ "{\"success\":[1]}", "project: success_rule: success[0]: expected object" },
	{ "{\"success\":[{}]}", "project: success_rule: success[0]: expected one of" },
	{ "{\"failure\":[{\"tool\":\"a\"},{\"tool\":5}]}",
	  "project: success_rule: failure[1]: tool: expected a tool's name" },
	{ "{\"success\":[{\"structured\":\"a\"}]}",
	  "project: success_rule: success[0]: structured" },
	{ "{\"success\":[{\"ended_reason\":\"x\"}]}",
	  "project: success_rule: success[0]: ended_reason: expected a list" },
	{ "{\"success\":[{\"ended_class\":[]}]}",
	  "project: success_rule: success[0]: ended_class" },
	{ "{\"success\":[{\"phrase\":\"...\"}]}", "project: success_rule: success[0]: phrase" },
	{ "{\"success\":[{\"phrase\":\"a b\",\"speaker\":\"bot\"}]}",
	  "project: success_rule: success[0]: phrase" },
	{ "{\"success\":[{\"fields\":\"some\"}]}", "project: success_rule: success[0]: fields" },
	{ "{\"success\":[{\"evaluation\":\"good\"}]}",
	  "project: success_rule: success[0]: evaluation: expected true or false" },
};

static void bad_rules_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char project[300];
		snprintf(project, sizeof(project), RULE("%s"), refused[i].rule);
		assert_int_equal(finished_try(finished_text(
					 &(struct script){ .lines = TALK, .project = project })),
				 E_INVALID);
		if (strncmp(finished_why.text, refused[i].why, strlen(refused[i].why)) != 0)
			fail_msg("%s: %s", refused[i].rule, finished_why.text);
		struct fault f = { 0 };
		assert_int_equal(
			understand_check(json_of(span_of(refused[i].rule)), (struct json){ 0 }, &f),
			E_INVALID);
	}
	struct fault f = { 0 };
	assert_int_equal(understand_check(json_of(SPAN("{\"success\":[{\"tool\":\"book\"}]}")),
					  (struct json){ 0 }, &f),
			 0);
	assert_int_equal(understand_check((struct json){ 0 }, (struct json){ 0 }, &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_follow_the_rule),
		cmocka_unit_test(evidence_is_quoted),
		cmocka_unit_test(labels_of_conditions_are_kept),
		cmocka_unit_test(bad_rules_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, finished_forget);
}
