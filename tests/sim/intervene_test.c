/* A9: what the core does by itself, when it is allowed to; and what it must not do. */
#include <stdio.h>
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

#define PROPOSE "'rules':{'escalate_on_frustration':{'enabled':true}}"
#define TRANSFER                                                                                \
	"'rules':{'escalate_on_frustration':{'enabled':true,'action':'transfer','destination':" \
	"{'type':'number','number':'+15550100'},'message':'I will put you through.'}}"
#define CLARIFY                                                                                    \
	"'rules':{'clarify_caller_confused':{'enabled':true,'text':'Explain it in other words.'}," \
	"'clarify_assistant_confused':{'enabled':true,'text':'Ask one short question.'}}"

static size_t raised(const struct sim *sim, const char *signal)
{
	char part[64];
	snprintf(part, sizeof(part), "'signal':'%s'", signal);
	return sim_count(sim, "'type':'signal'", part, "'state':'raised'", NULL);
}

static void angry(struct sim *sim)
{
	sim_said(sim, "user", "This is ridiculous, let me speak to a human!");
}

/* Other words, until the signal is cleared: each turn its own, repeating oneself frustrates. */
static void calm(struct sim *sim)
{
	static const char *const lines[] = { "A table at the window.",
					     "For tonight.",
					     "With my wife.",
					     "We eat fish.",
					     "Red wine.",
					     "At eight.",
					     "By car.",
					     "From town.",
					     "With a dog." };
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		sim_said(sim, "user", lines[i]);
}

static void proposed_once(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, PROPOSE);
	angry(&sim);
	assert_int_equal(raised(&sim, "frustration"), 1);
	assert_true(sim_shows(&sim, "'escalated':true"));
	assert_int_equal(sim_count(&sim, "'type':'escalation.proposed'",
				   "'rule':'escalate_on_frustration','action':'propose','signal':'"
				   "frustration'",
				   "'evidence':[{", "ridiculous", NULL),
			 1);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	calm(&sim);
	angry(&sim);
	assert_int_equal(raised(&sim, "frustration"), 2);
	assert_int_equal(sim_count(&sim, "'type':'escalation.proposed'", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void transferred_as_by_a_person(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, TRANSFER);
	angry(&sim);
	assert_int_equal(
		sim_count(&sim, "'type':'escalation.proposed'", "'action':'transfer'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'command'", "'verb':'transfer'",
				   "'state':'requested'", "'actor':'rule:escalate_on_frustration'",
				   "'reason':'frustration ", "ridiculous", "'number':'+15550100'",
				   "I will put you through.", NULL),
			 1);
	size_t e = sim_effect(&sim, EFFECT_CONTROL, 0);
	assert_string_equal(sim.effects[e].what, "transfer");
	sim_intent(&sim, e);
	sim_answered(&sim, e, 200, "");
	assert_true(sim_shows(&sim, "'interventions':1"));
	sim_webhook(&sim, "{'t':'status','name':'forwarding','key':3}");
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'effect_seen'",
				   "status forwarding", NULL),
			 1);
	calm(&sim);
	angry(&sim);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void clarified(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, CLARIFY);
	sim_said(&sim, "user", "I don`t understand.");
	assert_int_equal(raised(&sim, "confusion_user"), 1);
	assert_int_equal(sim_count(&sim, "'verb':'add-message'", "Explain it in other words.",
				   "'role':'system'", "'actor':'rule:clarify_caller_confused'",
				   "'reason':'confusion_user ", NULL),
			 1);
	sim_said(&sim, "ai", "I`m sorry, I didn`t quite catch that.");
	assert_int_equal(raised(&sim, "confusion_assistant"), 1);
	assert_int_equal(sim_count(&sim, "'verb':'add-message'", "Ask one short question.",
				   "'actor':'rule:clarify_assistant_confused'", NULL),
			 1);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* The clarification is seen in the history as any added message is. */
static void a_clarification_is_observed(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, CLARIFY);
	sim_said(&sim, "user", "I don`t understand.");
	sim_answered(&sim, 0, 200, "");
	sim_webhook(&sim,
		    "{'t':'history','name':'system','text':'Explain it in other words.','key':7}");
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'effect_seen'", NULL), 1);
	sim_fini(&sim);
}

static void off_by_default(void **state)
{
	static const char *const settings[] = {
		"",
		"'rules':{}",
		"'rules':{'escalate_on_frustration':{}}",
		"'rules':{'escalate_on_frustration':{'enabled':false,'action':'propose'}}",
		"'rules':{'clarify_caller_confused':{'enabled':true,'text':'x'}}", /* another cause
										    */
		PROPOSE ",'imported':true",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		struct sim sim;
		sim_begin(&sim, settings[i]);
		angry(&sim);
		assert_int_equal(raised(&sim, "frustration"), 1);
		assert_int_equal(sim_count(&sim, "escalation", NULL), 0);
		assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
		assert_false(sim_shows(&sim, "settings_in_part_unreadable"));
		sim_fini(&sim);
	}
}

/* What the last words of a call raise comes too late for anything. */
static void nothing_is_done_to_an_ended_call(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, TRANSFER);
	sim_webhook(&sim, "{'t':'transcript','s':'user','final':true,'text':'This is ridiculous, "
			  "let me speak to a human!','key':5},"
			  "{'t':'status','name':'ended','reason':'customer-ended-call','key':6}");
	assert_int_equal(raised(&sim, "frustration"), 1);
	assert_int_equal(sim_count(&sim, "escalation", NULL), 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	sim_fini(&sim);
}

/* A late message that raises the signal of old gives no second command: not live, not after a
 * restart, not when the first one was never answered. */
static void late_duplicates_and_restarts(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, TRANSFER);
	angry(&sim);
	size_t e = sim_effect(&sim, EFFECT_CONTROL, 0);
	sim_intent(&sim, e);
	sim_webhookf(&sim,
		     "{'t':'transcript','s':'user','final':true,'text':'This is ridiculous, let me "
		     "speak to a human!','key':%d}",
		     100);
	sim_restart(&sim);
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'unknown'", NULL), 1);
	calm(&sim);
	angry(&sim);
	assert_int_equal(raised(&sim, "frustration"), 2);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'requested'", NULL), 1);
	sim_fini(&sim);
}

/* A person's commands and the core's do not get in each other's way. */
static void beside_a_persons_commands(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, CLARIFY);
	assert_int_equal(sim_command(&sim, 1, "'verb':'say','text':'One moment, I help you.'"), 0);
	sim_said(&sim, "user", "I don`t understand.");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	sim_answered(&sim, 1, 500, "no");
	assert_int_equal(sim_count(&sim, "'actor':'rule:clarify_caller_confused'",
				   "'state':'rejected'", NULL),
			 1);
	assert_true(sim_command_is(&sim, 1, "requested"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* --- rules as they are entered --- */

static const struct {
	const char *json, *says; /* NULL: accepted */
} forms[] = {
	{ "{}", NULL },
	{ "{'escalate_on_frustration':{'enabled':false}}", NULL },
	{ "{'escalate_on_frustration':{'enabled':true}}", NULL },
	{ "{'escalate_on_frustration':{'enabled':true,'action':'transfer','destination':{'type':'"
	  "sip','sipUri':'sip:a@b.example'}}}",
	  NULL },
	{ "{'escalate_on_frustration':{'enabled':false,'action':'transfer'}}", NULL },
	{ "{'clarify_caller_confused':{'enabled':true,'text':'Slowly.'}}", NULL },
	{ "[]", "rules: must be an object" },
	{ "{'unknown':{}}", "rules.unknown: no such rule" },
	{ "{'escalate_on_frustration':true}", "rules.escalate_on_frustration: must be an object" },
	{ "{'escalate_on_frustration':{'enabled':1}}", "rules.escalate_on_frustration: enabled" },
	{ "{'escalate_on_frustration':{'action':'shout'}}",
	  "rules.escalate_on_frustration: action" },
	{ "{'escalate_on_frustration':{'enabled':true,'action':'transfer'}}",
	  "rules.escalate_on_frustration: destination" },
	{ "{'escalate_on_frustration':{'enabled':true,'destination':{'type':'number'}}}",
	  "rules.escalate_on_frustration: destination" },
	{ "{'escalate_on_frustration':{'enabled':true,'text':'x'}}",
	  "rules.escalate_on_frustration: text: no such" },
	{ "{'escalate_on_frustration':{'enabled':true,'message':7}}",
	  "rules.escalate_on_frustration: message" },
	{ "{'clarify_caller_confused':{'enabled':true}}", "rules.clarify_caller_confused: text" },
	{ "{'clarify_assistant_confused':{'enabled':true,'text':''}}",
	  "rules.clarify_assistant_confused: text" },
};

static void rules_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct fault f = { 0 };
		char *json = sim_json(forms[i].json);
		int rc = settings_rules_check(json_of(span_of(json)), &f);
		assert_int_equal(rc, forms[i].says ? E_INVALID : 0);
		if (forms[i].says && !strstr(f.text, forms[i].says))
			fail_msg("%s: \"%s\"", json, f.text);
		free(json);
	}
}

/* --- a thousand calls --- */

static void a_thousand_calls(void **state)
{
	static const char *const lines[] = { "This is ridiculous, let me speak to a human!",
					     "I don`t understand.",
					     "A table at the window.",
					     "Perfect, thank you so much.",
					     "What do you mean?",
					     "I already told you, this is a waste of my time." };
	static const char *const ai_lines[] = { "I`m sorry, I didn`t quite catch that.",
						"Your table is booked.",
						"Could you please clarify?",
						"For how many people?" };
	uint64_t seed = 42;
	(void)state;
	for (unsigned call = 0; call < 1000; call++) {
		struct sim sim;
		sim_begin(&sim, call % 2 ? TRANSFER : CLARIFY);
		for (unsigned i = 0; i < 12; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			unsigned pick = (unsigned)(seed >> 40);
			sim_said(&sim, i % 3 ? "user" : "ai",
				 i % 3 ? lines[pick % 6] : ai_lines[pick % 4]);
			if (sim.effects_n && pick % 5 == 0)
				sim_answered(&sim, sim.effects_n - 1, pick % 7 ? 200 : 500, "");
		}
		size_t frustrated = call % 2 && raised(&sim, "frustration") ? 1 : 0;
		size_t lost = call % 2 == 0 && raised(&sim, "confusion_user") ? 1 : 0;
		size_t puzzled = call % 2 == 0 && raised(&sim, "confusion_assistant") ? 1 : 0;
		assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), frustrated + lost + puzzled);
		assert_int_equal(sim_count(&sim, "'state':'requested'", "'actor':'rule:", NULL),
				 frustrated + lost + puzzled);
		assert_int_equal(sim_count(&sim, "'type':'escalation.proposed'", NULL), frustrated);
		if (call % 10 == 0)
			sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proposed_once),
		cmocka_unit_test(transferred_as_by_a_person),
		cmocka_unit_test(clarified),
		cmocka_unit_test(a_clarification_is_observed),
		cmocka_unit_test(off_by_default),
		cmocka_unit_test(nothing_is_done_to_an_ended_call),
		cmocka_unit_test(late_duplicates_and_restarts),
		cmocka_unit_test(beside_a_persons_commands),
		cmocka_unit_test(rules_are_checked),
		cmocka_unit_test(a_thousand_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
