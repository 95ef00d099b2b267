/* B1: tool calls; never run twice, always answered, every field logged. */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

#define RULES                                                                                      \
	"'tools':[{'name':'find','timeout_ms':8000,'fallback':'Ask the caller to "                 \
	"wait.','json_path':'ok',"                                                                 \
	"'empty_path':'items','result_path':'items'},{'name':'book'},{'name':'look','pattern':'^[" \
	"A-Z]',"                                                                                   \
	"'empty_pattern':'none found'}]"

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1'}},{'t':'status','name':'in-progress','at':"
			 "0,'key':1}");
}

static void call(struct sim *sim, const char *id, const char *name, int key)
{
	sim_webhookf(sim,
		     "{'t':'tool-call','here':true,'id':'%s','name':'%s','data':{'q':'red "
		     "shoes'},'key':%d}",
		     id, name, key);
}

static void run_and_answered(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	call(&sim, "t1", "find", 10);
	assert_int_equal(sim_count(&sim, "'type':'tool.requested'", "'tool_call_id':'t1'",
				   "'arguments':{'q':'red shoes'}", "'by':'callmend'", NULL),
			 1);
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	assert_int_equal(sim.effects[0].timeout_ms, 8000);
	assert_int_equal(sim.answers.n, 0);
	sim_intent(&sim, 0);
	sim_pass(&sim, 42);
	sim_answered(&sim, 0, 200, "{'ok':true,'items':[{'name':'shoe'}]}");
	assert_int_equal(
		sim_answer_count(
			&sim, "3 {'results':[{'id':'t1','result':'[{\\'name\\':\\'shoe\\'}]'}]}"),
		1);
	assert_int_equal(sim_count(&sim, "'type':'tool.finished'", "'success':true",
				   "'duration_ms':42", "'fallback':false", "'error':null", NULL),
			 1);
	assert_true(sim_shows(&sim, "'tool_calls':1,'tool_errors':0"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Events are lines: what a provider wrote over several is put on one. */
static void json_of_others_is_one_line(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'t','name':'book','data':{ 'a' : [ "
			  "1,\n\t2 ],\r\n 'b c' : 'x \\\" y' },'key':9}");
	assert_int_equal(sim_count(&sim, "'arguments':{'a':[1,2],'b c':'x \\\" y'}", NULL), 1);
	sim_webhook(&sim, "{'t':'raw','name':'new','data':{ 'x' :\n 'a  b' },'key':10}");
	assert_int_equal(sim_count(&sim, "'message':{'x':'a  b'}", NULL), 1);
	sim_fini(&sim);
}

static void rules_judge(void **state)
{
	static const struct {
		const char *tool, *body, *expect_answer, *expect_event;
		int status;
	} rows[] = {
		{ "find", "{'ok':true,'items':[]}", "'result':'[]'",
		  "'success':false,'result':'[]','error':'nothing found'", 200 },
		{ "find", "{'ok':false,'items':[1]}", "Ask the caller to wait.",
		  "json_path is absent or not true (HTTP 200)", 200 },
		{ "find", "{'items':[1]}", "Ask the caller to wait.", "'fallback':true", 200 },
		{ "find", "{'ok':1,'items':'x'}", "'result':'x'", "'success':true", 201 },
		{ "find", "{'ok':true}", "{\\'ok\\':true}", "'success':true", 200 },
		{ "find", "boom", "Ask the caller to wait.",
		  "status outside the success range (HTTP 500)", 500 },
		{ "book", "plain words", "'result':'plain words'", "'success':true", 200 },
		{ "book", "", "The tool did not answer", "empty answer (HTTP 200)", 200 },
		{ "look", "Yes, there is", "Yes, there is", "'success':true", 200 },
		{ "look", "lower case", "The tool did not answer",
		  "pattern not found in the answer", 200 },
		{ "look", "Sorry, none found", "Sorry, none found", "'error':'nothing found'",
		  200 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sim sim;
		begin(&sim, RULES);
		call(&sim, "t1", rows[i].tool, 10);
		sim_answered(&sim, 0, rows[i].status, rows[i].body);
		if (sim_answer_count(&sim, rows[i].expect_answer) != 1 ||
		    sim_count(&sim, "tool.finished", rows[i].expect_event, NULL) != 1)
			fail_msg("row %zu: %.*s\n%.*s", i, (int)sim.answers.n, sim.answers.p,
				 (int)sim.events.n, sim.events.p);
		sim_fini(&sim);
	}
}

static void several_tools_one_answer(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'a','name':'book','key':10},"
			  "{'t':'tool-call','here':true,'id':'b','name':'nobody','key':11},"
			  "{'t':'tool-call','here':true,'id':'c','name':'book','key':12}");
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 2);
	sim_answered(&sim, 1, 200, "second");
	assert_int_equal(sim.answers.n, 0);
	sim_answered(&sim, 0, 200, "first");
	assert_int_equal(
		sim_answer_count(
			&sim,
			"[{'id':'a','result':'first'},{'id':'b','error':'no tool named nobody is "
			"configured in project demo'},{'id':'c','result':'second'}]"),
		1);
	sim_fini(&sim);
}

/* It waits for an answer although nothing in it could be read as a tool call. */
static void no_tool_in_the_message(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	char *json = sim_json("{'type':'tool-calls','inputs':[{'t':'raw','name':'tool-calls','data'"
			      ":{'toolCalls':[]}}]}");
	assert_int_equal(sim_apply(&sim, RECORD_WEBHOOK, span_of(json)), 0);
	assert_int_equal(sim_answer_count(&sim, "3 {'results':[]}"), 1);
	sim_webhook(&sim,
		    "{'t':'raw','name':'something-new','data':{}}"); /* nobody waits for this one */
	assert_int_equal(sim_answer_count(&sim, "results"), 1);
	assert_int_equal(sim_count(&sim, "provider.message", NULL), 2);
	free(json);
	sim_fini(&sim);
}

static void repeated_call_gets_the_first_answer(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	call(&sim, "t1", "book", 10); /* record 3 */
	call(&sim, "t1", "book", 10); /* 4, while it runs */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	sim_answered(&sim, 0, 200, "done");
	assert_int_equal(sim_answer_count(&sim, "'result':'done'"), 2);
	call(&sim, "t1", "book", 10); /* 6, when it is over */
	assert_int_equal(sim_answer_count(&sim, "6 {'results':[{'id':'t1','result':'done'}]}"), 1);
	call(&sim, "t1", "book", 11); /* same id, another time: another call */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 2);
	assert_true(sim_shows(&sim, "'duplicates':2"));
	assert_int_equal(sim_count(&sim, "tool.requested", NULL), 2);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void trouble_becomes_the_fallback(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	call(&sim, "t1", "find", 10);
	sim_ended(&sim, 0, OUTCOME_UNKNOWN);
	assert_int_equal(sim_answer_count(&sim, "'result':'Ask the caller to wait.'"), 1);
	assert_int_equal(sim_count(&sim, "tool.finished", "'unknown':true", "'fallback':true",
				   "'error':'no answer: connection reset'", NULL),
			 1);
	call(&sim, "t1", "find", 10); /* may have run: never again */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	assert_int_equal(sim_answer_count(&sim, "Ask the caller to wait."), 2);
	assert_true(sim_shows(&sim, "'tool_errors':1"));
	sim_ended(&sim, 0,
		  OUTCOME_ANSWERED); /* an outcome for an effect that is settled changes nothing */
	assert_int_equal(sim_count(&sim, "tool.finished", NULL), 1);
	sim_fini(&sim);
}

static void fallback_in_spanish(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'language':'es'," RULES);
	call(&sim, "t1", "book", 10);
	sim_ended(&sim, 0, OUTCOME_NOT_SENT);
	assert_int_equal(sim_answer_count(&sim, "La herramienta no respondió"), 1);
	sim_fini(&sim);
}

/* --- crashes --- */

static void crash_before_the_tool_was_sent(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	call(&sim, "t1", "book", 10);
	sim_restart(&sim);
	assert_int_equal(sim_count(&sim, "tool.finished", "not delivered", NULL), 1);
	call(&sim, "t1", "book", 10); /* the provider tries again: it surely never ran */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 2);
	assert_int_equal(sim_count(&sim, "tool.requested", "'attempt':2", NULL), 1);
	sim_answered(&sim, 1, 200, "booked");
	assert_int_equal(sim_answer_count(&sim, "'result':'booked'"), 1);
	assert_true(sim_shows(&sim, "'tool_calls':1"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void crash_after_the_tool_was_sent(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	call(&sim, "t1", "book", 10);
	sim_intent(&sim, 0);
	sim_restart(&sim);
	assert_int_equal(sim_count(&sim, "tool.finished", "'unknown':true", NULL), 1);
	call(&sim, "t1", "book", 10);
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	sim_fini(&sim);
}

/* --- upstream --- */

static void upstream_answers(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'upstream':true," RULES);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'a','name':'find','key':10},{'t':'"
			  "tool-call','here':true,'id':'b','name':'theirs','key':11},"
			  "{'t':'tool-call','here':true,'id':'c','name':'book','key':12}");
	assert_int_equal(sim_effects(&sim, EFFECT_UPSTREAM_TOOLS),
			 1); /* one webhook, forwarded once */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 0);
	sim_answered(&sim, 0, 200,
		     "{'results':[{'id':'a','result':'fine'},{'id':'b','error':'broken'}]}");
	assert_int_equal(
		sim_answer_count(&sim, "[{'id':'a','result':'fine'},{'id':'b','error':'broken'},{'"
				       "id':'c','result':'The tool did not answer"),
		1);
	assert_int_equal(sim_count(&sim, "tool.finished", "'by':'upstream'", NULL), 3);
	assert_int_equal(sim_count(&sim, "tool.finished", "'success':true", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void upstream_not_reached_ours_runs(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'upstream':true," RULES);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'a','name':'book','key':10},{'t':'"
			  "tool-call','here':true,'id':'b','name':'theirs','key':11}");
	sim_pass(&sim, 12000);
	sim_ended(&sim, 0, OUTCOME_NOT_SENT);
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	assert_true(sim.effects[1].timeout_ms <= 3000); /* within 15 s of the call (B1) */
	sim_answered(&sim, 1, 200, "ok");
	assert_int_equal(
		sim_answer_count(
			&sim,
			"[{'id':'a','result':'ok'},{'id':'b','result':'The tool did not answer"),
		1);
	assert_int_equal(sim_count(&sim, "tool.requested", "'by':'callmend'", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void upstream_trouble_never_runs_ours(void **state)
{
	static const struct {
		enum outcome_end end;
		int status;
		const char *body;
	} rows[] = {
		{ OUTCOME_UNKNOWN, 0, "" },
		{ OUTCOME_ANSWERED, 500, "{'results':[{'id':'a','result':'x'}]}" },
		{ OUTCOME_ANSWERED, 200, "not JSON" },
		{ OUTCOME_ANSWERED, 200, "{}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sim sim;
		begin(&sim, "'upstream':true," RULES);
		call(&sim, "a", "find", 10);
		if (rows[i].end == OUTCOME_ANSWERED)
			sim_answered(&sim, 0, rows[i].status, rows[i].body);
		else
			sim_ended(&sim, 0, rows[i].end);
		assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 0);
		assert_int_equal(sim_answer_count(&sim, "Ask the caller to wait."), 1);
		assert_int_equal(sim_count(&sim, "tool.finished", "'fallback':true", NULL), 1);
		sim_fini(&sim);
	}
}

/* --- elsewhere --- */

static void calls_of_others_are_logged(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 5000);
	sim_webhook(&sim,
		    "{'t':'tool-call','id':'x1','name':'lookup','data':{'a':1},'at':1000,'key':10},"
		    "{'t':'tool-result','id':'x1','name':'lookup','text':'Error: no stock "
		    "service','at':2500,'key':11},"
		    "{'t':'tool-call','id':'x2','name':'lookup','data':{'a':2},'at':3000,'key':12},"
		    "{'t':'tool-result','id':'x2','text':'{`price`:12}','at':4000,'key':13},"
		    "{'t':'tool-result','id':'x3','name':'other','text':'[]','at':4500,'key':14}");
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 0);
	assert_int_equal(sim_count(&sim, "tool.requested", "'by':'elsewhere'", NULL), 3);
	assert_int_equal(sim_count(&sim, "tool.finished", "'tool_call_id':'x1'", "'success':false",
				   "'duration_ms':1500", NULL),
			 1);
	assert_int_equal(
		sim_count(&sim, "tool.finished", "'tool_call_id':'x2'", "'success':true", NULL), 1);
	assert_int_equal(
		sim_count(&sim, "tool.finished", "'tool_call_id':'x3'", "nothing found", NULL), 1);
	assert_int_equal(sim.answers.n, 0);
	sim_fini(&sim);
}

static void ours_in_the_history_is_not_doubled(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'t1','name':'book','data':{'a':1,'b':["
			  "1,'x']},'key':10}");
	sim_answered(&sim, 0, 200, "done");
	sim_webhook(&sim,
		    "{'t':'tool-call','id':'t1','name':'book','data':{'b':[1.0,'x'],'a':1},'key':"
		    "20},{'t':'tool-result','id':'t1','name':'book','text':'done','key':21}");
	assert_int_equal(sim_count(&sim, "tool.requested", NULL), 1);
	assert_int_equal(sim_count(&sim, "tool.finished", NULL), 1);
	/* The same id and name with other arguments is another call: Vapi's ids repeat. */
	sim_webhook(&sim, "{'t':'tool-call','id':'t1','name':'book','data':{'a':2},'key':22}");
	assert_int_equal(sim_count(&sim, "tool.requested", "'by':'elsewhere'", NULL), 1);
	call(&sim, "t9", "book", 30);
	sim_webhook(&sim,
		    "{'t':'tool-call','id':'t9','name':'book','data':{'q':'blue shoes'},'key':31}");
	assert_int_equal(sim_count(&sim, "tool.requested", "'by':'elsewhere'", NULL), 2);
	sim_webhook(&sim,
		    "{'t':'tool-call','id':'t9','name':'book','data':{'q':'red shoes'},'key':32}");
	assert_int_equal(sim_count(&sim, "tool.requested", "'by':'elsewhere'", NULL), 2);
	sim_fini(&sim);
}

static void history_faster_than_the_webhook(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RULES);
	sim_webhook(&sim, "{'t':'tool-call','id':'t1','name':'book','data':{'a':1},'key':20}");
	sim_webhook(
		&sim,
		"{'t':'tool-call','here':true,'id':'t1','name':'book','data':{'a':1},'key':10}");
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), 1);
	sim_answered(&sim, 0, 200, "done");
	assert_int_equal(sim_answer_count(&sim, "'result':'done'"), 1);
	assert_true(sim_shows(&sim, "'tool_calls':1"));
	sim_fini(&sim);
}

static void guesses(void **state)
{
	static const struct {
		const char *text;
		bool success;
	} rows[] = {
		{ "Your table is booked for 7pm", true },
		{ "{\"price\": 12}", true },
		{ "{\"error\": null, \"price\": 3}", true },
		{ "{\"success\": true}", true },
		{ "The error rate is low", true },
		{ "Success.", true },
		{ "Error: timeout", false },
		{ "ERROR 500", false },
		{ "Failed to fetch", false },
		{ "An error occurred while booking", false },
		{ "No result returned for toolCallId", false },
		{ "{\"error\": \"bad\"}", false },
		{ "{\"success\": false}", false },
		{ "{\"ok\": false}", false },
		{ "[]", false },
		{ "{}", false },
		{ "null", false },
		{ "No products found for red shoes", false },
		{ "the request timed out", false },
		{ "No se encontró nada", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct verdict v;
		tool_rule_guess(span_of(rows[i].text), &v);
		if (v.success != rows[i].success)
			fail_msg("%s: %s", rows[i].text, v.why ? v.why : "success");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_and_answered),
		cmocka_unit_test(json_of_others_is_one_line),
		cmocka_unit_test(rules_judge),
		cmocka_unit_test(several_tools_one_answer),
		cmocka_unit_test(no_tool_in_the_message),
		cmocka_unit_test(repeated_call_gets_the_first_answer),
		cmocka_unit_test(trouble_becomes_the_fallback),
		cmocka_unit_test(fallback_in_spanish),
		cmocka_unit_test(crash_before_the_tool_was_sent),
		cmocka_unit_test(crash_after_the_tool_was_sent),
		cmocka_unit_test(upstream_answers),
		cmocka_unit_test(upstream_not_reached_ours_runs),
		cmocka_unit_test(upstream_trouble_never_runs_ours),
		cmocka_unit_test(calls_of_others_are_logged),
		cmocka_unit_test(ours_in_the_history_is_not_doubled),
		cmocka_unit_test(history_faster_than_the_webhook),
		cmocka_unit_test(guesses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
