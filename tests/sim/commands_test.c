/* A6: commands, what becomes of them, and what shows it. */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

static void begin(struct sim *sim)
{
	sim_init(sim, "");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://secret.example/"
			 "control'}},{'t':'status','name':'in-progress','at':0,'key':1}");
	sim_pass(sim, 10000);
}

static void accepted(struct sim *sim, unsigned n, const char *json)
{
	assert_int_equal(sim_command(sim, n, json), 0);
	assert_true(sim_command_is(sim, n, "requested"));
	sim_pass(sim, 100);
	sim_answered(sim, sim->effects_n - 1, 200, "");
}

static void said(struct sim *sim, const char *type, const char *text)
{
	static int key = 100;
	sim_webhookf(sim,
		     "{'t':'%s','s':'ai','final':true,'name':'assistant','text':'%s','key':%d}",
		     type, text, key++);
}

static void say_is_heard(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1,
		 "'verb':'say','text':'Your table is ready, please come to the front desk.'");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	said(&sim, "transcript", "Your table is ready");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	said(&sim, "transcript", "please come to the front, desk");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'effect_seen'",
				   "'latency_ms':100", "'effect_latency_ms':100",
				   "'actor':'token:test'", "transcript", NULL),
			 1);
	assert_string_equal(buf_z(&sim.commands), "requested\naccepted\neffect_seen\n");
	assert_true(sim_shows(&sim, "'interventions':1"));
	sim_pass(&sim, 60000);
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	assert_int_equal(sim_count(&sim, "secret.example", NULL), 0);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void say_by_other_evidence(void **state)
{
	static const char *const types[] = { "history", "speaking-text" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sim sim;
		begin(&sim);
		accepted(&sim, 1, "'verb':'say','text':'One moment please'");
		said(&sim, types[i], "One moment, please.");
		assert_true(sim_command_is(&sim, 1, "effect_seen"));
		sim_fini(&sim);
	}
}

static void say_not_heard(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1, "'verb':'say','text':'Your table is ready now'");
	said(&sim, "transcript", "ready is table your"); /* all words, wrong order */
	sim_webhook(&sim, "{'t':'transcript','s':'user','final':true,'text':'Your table is ready "
			  "now','key':70}");
	sim_webhook(&sim, "{'t':'transcript','s':'ai','final':true,'text':'Your table is ready "
			  "now','at':5000,'key':71}"); /* before it was asked for */
	sim_pass(&sim, 14000);
	assert_true(sim_command_is(&sim, 1, "accepted"));
	sim_pass(&sim, 1500);
	assert_true(sim_command_is(&sim, 1, "timed_out"));
	said(&sim, "transcript", "Your table is ready now");
	assert_true(sim_command_is(&sim, 1, "timed_out"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void effect_before_the_answer(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_command(&sim, 1, "'verb':'say','text':'Hello again'");
	said(&sim, "transcript", "Hello again");
	assert_true(sim_command_is(&sim, 1, "requested"));
	sim_answered(&sim, 0, 202, "");
	assert_string_equal(buf_z(&sim.commands), "requested\naccepted\neffect_seen\n");
	sim_fini(&sim);
}

static void added_message_appears(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1, "'verb':'add-message','text':'The caller is a VIP.'");
	sim_webhook(&sim, "{'t':'history','name':'user','s':'user','text':'The caller is a "
			  "VIP.','key':50}"); /* wrong role */
	sim_webhook(
		&sim,
		"{'t':'history','name':'system','text':'The caller is a VIP and more','key':51}");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	sim_webhook(&sim, "{'t':'history','name':'system','text':'The caller is a VIP.','key':52}");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_fini(&sim);
}

static void mute_stops_running_speech(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'started','key':2}");
	accepted(&sim, 1, "'verb':'mute'");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'stopped','key':3}");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'stopped','key':4}");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	accepted(&sim, 2, "'verb':'unmute'");
	assert_true(sim_command_is(&sim, 2, "accepted"));
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'started','key':5}");
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	accepted(&sim, 3, "'verb':'mute'");
	sim_pass(&sim, 6000);
	assert_true(sim_command_is(&sim, 3, "timed_out"));
	sim_fini(&sim);
}

static void what_nothing_can_show(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1, "'verb':'mute'"); /* the assistant is silent */
	assert_true(sim_command_is(&sim, 1, "not_observable"));
	accepted(&sim, 2, "'verb':'mute','target':'customer'");
	assert_true(sim_command_is(&sim, 2, "not_observable"));
	accepted(&sim, 3, "'verb':'unmute','target':'customer'");
	assert_true(sim_command_is(&sim, 3, "not_observable"));
	accepted(&sim, 4, "'verb':'say','text':'...'"); /* no words to hear */
	assert_true(sim_command_is(&sim, 4, "not_observable"));
	sim_fini(&sim);
}

static void end_and_transfer(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1, "'verb':'transfer','destination':{'type':'number','number':'+15550111'}");
	assert_int_equal(sim_count(&sim, "'type':'command'",
				   "'destination':{'type':'number','number':'+15550111'}", NULL),
			 2);
	sim_webhook(&sim, "{'t':'status','name':'forwarding','key':2}");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	accepted(&sim, 2, "'verb':'transfer','destination':{'type':'sip','sipUri':'sip:a@b'}");
	sim_webhook(&sim, "{'t':'transfer','data':{},'key':3}");
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	accepted(&sim, 3, "'verb':'end'");
	sim_webhook(&sim, "{'t':'status','name':'ended','reason':'manually-canceled','key':4}");
	assert_true(sim_command_is(&sim, 3, "effect_seen"));
	sim_command(&sim, 4, "'verb':'end'");
	assert_true(sim_command_is(&sim, 4, "rejected"));
	assert_int_equal(sim_count(&sim, "'state':'rejected'", "call has ended", NULL), 1);
	sim_fini(&sim);
}

static void refusals(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_command(&sim, 1, "'verb':'end'");
	assert_int_equal(sim_count(&sim, "'state':'rejected'", "gave no control URL", NULL), 1);
	sim_fini(&sim);
	begin(&sim);
	sim_command(&sim, 1, "'verb':'end'");
	sim_answered(&sim, 0, 404, "{'message':'no such call'}");
	assert_int_equal(sim_count(&sim, "'state':'rejected'",
				   "the provider answered 404: {\\'message\\'", NULL),
			 1);
	sim_command(&sim, 2, "'verb':'end'");
	sim_ended(&sim, 1, OUTCOME_NOT_SENT);
	assert_int_equal(
		sim_count(&sim, "'state':'rejected'", "not delivered: connection reset", NULL), 1);
	assert_true(sim_shows(&sim, "'interventions':0"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void unknown_until_its_effect_is_seen(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_command(&sim, 1, "'verb':'say','text':'Good evening madam'");
	sim_ended(&sim, 0, OUTCOME_UNKNOWN);
	assert_true(sim_command_is(&sim, 1, "unknown"));
	sim_pass(&sim, 2000);
	said(&sim, "transcript", "good evening, madam");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_command(&sim, 2, "'verb':'say','text':'Good evening sir'");
	sim_ended(&sim, 1, OUTCOME_UNKNOWN);
	sim_pass(&sim, 16000);
	assert_true(sim_command_is(&sim, 2, "unknown"));
	said(&sim, "transcript", "good evening sir");
	assert_true(sim_command_is(&sim, 2, "unknown")); /* too late to be taken for its effect */
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	sim_fini(&sim);
}

static void same_key_same_command(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	accepted(&sim, 1, "'verb':'say','text':'Hello there','key':'k1'");
	sim_command(&sim, 2, "'verb':'say','text':'Hello there','key':'k1'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	assert_string_equal(buf_z(&sim.commands), "requested\naccepted\naccepted\n");
	assert_false(sim_command_is(&sim, 2, "requested"));
	sim_restart(&sim); /* and across restarts */
	sim_command(&sim, 3, "'verb':'say','text':'Hello there','key':'k1'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	struct buf b AUTO_BUF = { 0 };
	assert_true(session_command(sim.s, NULL, SPAN("k1"), &b));
	assert_false(session_command(sim.s, NULL, SPAN("k2"), &b));
	assert_false(session_command(sim.s, NULL, (struct span){ 0 }, &b));
	sim_fini(&sim);
}

static void crashes(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_command(&sim, 1, "'verb':'say','text':'one two three'");
	sim_restart(&sim); /* no intent: surely not sent */
	assert_true(sim_command_is(&sim, 1, "rejected"));
	sim_command(&sim, 2, "'verb':'say','text':'one two three'");
	sim_intent(&sim, 1);
	sim_restart(&sim); /* it may have been spoken */
	assert_true(sim_command_is(&sim, 2, "unknown"));
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void begin_socket(struct sim *sim)
{
	sim_init(sim, "");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','kind':'socket'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
	sim_pass(sim, 10000);
}

static void without_a_control_url_over_the_socket(void **state)
{
	struct sim sim;
	(void)state;
	begin_socket(&sim);
	sim_command(&sim, 1, "'verb':'say','text':'Your table is ready'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	sim_intent(&sim, sim_effect(&sim, EFFECT_SOCKET, 0));
	sim_ended(&sim, 0, OUTCOME_DONE);
	assert_true(sim_command_is(&sim, 1, "accepted"));
	said(&sim, "transcript", "Your table is ready");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_command(&sim, 2, "'verb':'end'");
	sim_ended(&sim, 1, OUTCOME_NOT_SENT);
	assert_true(sim_command_is(&sim, 2, "rejected"));
	assert_int_equal(
		sim_count(&sim, "'state':'rejected'", "not delivered: connection reset", NULL), 1);
	sim_command(&sim, 3, "'verb':'mute'");
	sim_intent(&sim, 2);
	sim_restart(&sim); /* it may have been written */
	assert_true(sim_command_is(&sim, 3, "unknown"));
	sim_command(&sim, 4, "'verb':'unmute'");
	sim_restart(&sim);
	assert_true(sim_command_is(&sim, 4, "rejected"));
	assert_int_equal(sim_effects(&sim, EFFECT_SOCKET), 4);
	sim_webhook(&sim, "{'t':'call','facts':{'control':'https://secret.example/control'}}");
	sim_command(&sim, 5, "'verb':'end'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1); /* where there is one, that is it */
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* A call that the provider cannot be asked for: our recorder alone. */
static void begin_heard(struct sim *sim)
{
	sim_init(sim, "");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
}

static void pausing_the_recording(void **state)
{
	struct sim sim;
	(void)state;
	begin_heard(&sim);
	assert_false(session_recording_paused(sim.s));
	sim_command(&sim, 1, "'verb':'record-pause','reason':'card','key':'k1'");
	assert_int_equal(sim.effects_n, 1);
	sim_intent(&sim, sim_effect(&sim, EFFECT_RECORDER, 0));
	assert_true(sim_command_is(&sim, 1, "requested"));
	sim_ended(&sim, 0, OUTCOME_DONE);
	assert_string_equal(buf_z(&sim.commands), "requested\naccepted\neffect_seen\n");
	assert_int_equal(sim_count(&sim, "'type':'command'", "'verb':'record-pause'",
				   "'state':'effect_seen'", "'actor':'token:test'",
				   "'reason':'card'", "the recorder has paused", NULL),
			 1);
	assert_true(session_recording_paused(sim.s));
	int64_t since_us = session_recording_paused_us(sim.s);
	assert_true(since_us >= SIM_START_US && since_us <= sim.now_us);
	sim_pass(&sim, 1000);
	sim_command(&sim, 2, "'verb':'record-pause','key':'k1'"); /* the same */
	assert_int_equal(sim.effects_n, 1);
	sim_command(&sim, 3, "'verb':'record-pause'"); /* another, and the recorder says the same */
	sim_ended(&sim, 1, OUTCOME_DONE);
	assert_true(sim_command_is(&sim, 3, "effect_seen"));
	sim_restart(&sim);
	assert_true(session_recording_paused(sim.s));
	assert_int_equal(session_recording_paused_us(sim.s), since_us);
	sim_command(&sim, 4, "'verb':'record-resume'");
	sim_ended(&sim, 2, OUTCOME_DONE);
	assert_int_equal(sim_count(&sim, "'state':'effect_seen'", "the recorder goes on", NULL), 1);
	assert_false(session_recording_paused(sim.s));
	sim_command(&sim, 5, "'verb':'record-pause'");
	sim_ended(&sim, 3, OUTCOME_DONE);
	sim_webhook(&sim, "{'t':'status','name':'ended','reason':'manually-canceled','key':4}");
	assert_false(session_recording_paused(sim.s)); /* there is nothing to pause */
	sim_command(&sim, 6, "'verb':'record-resume'");
	assert_int_equal(sim_count(&sim, "'state':'rejected'", "call has ended", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void pausing_what_is_not_recorded(void **state)
{
	struct sim sim;
	(void)state;
	begin_heard(&sim);
	sim_command(&sim, 1, "'verb':'record-pause'");
	sim_ended(&sim, 0, OUTCOME_NOT_SENT);
	assert_int_equal(sim_count(&sim, "'state':'rejected'",
				   "'error':'the provider gave no control URL; connection reset'",
				   NULL),
			 1);
	assert_false(session_recording_paused(sim.s));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* What was in force before counts, unless the command may have been carried out. */
static void pausing_across_a_crash(void **state)
{
	struct sim sim;
	(void)state;
	begin_heard(&sim);
	sim_command(&sim, 1, "'verb':'record-pause'");
	sim_restart(&sim);
	assert_true(sim_command_is(&sim, 1, "rejected"));
	assert_false(session_recording_paused(sim.s));
	sim_command(&sim, 2, "'verb':'record-pause'");
	sim_intent(&sim, 1);
	sim_restart(&sim);
	assert_true(sim_command_is(&sim, 2, "unknown"));
	assert_true(session_recording_paused(sim.s));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Where the provider records, too, both are asked, and the worse counts. */
static void recorded_by_both(void **state)
{
	static const struct {
		int provider;
		enum outcome_end ours;
		const char *state, *error;
		bool paused;
	} cases[] = {
		{ 200, OUTCOME_DONE, "effect_seen", "'error':null", true },
		{ 200, OUTCOME_NOT_SENT, "not_observable", "'error':null", false },
		{ 500, OUTCOME_DONE, "rejected", "'error':'the provider answered 500'", true },
		{ 500, OUTCOME_NOT_SENT, "rejected", "'error':'the provider answered 500'", false },
		{ 200, OUTCOME_UNKNOWN, "unknown", "'error':'no answer: connection reset'", true },
	};
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		struct sim sim;
		const bool ours_first = i % 2;
		begin(&sim);
		sim_command(&sim, 1, "'verb':'record-pause'");
		size_t theirs = sim_effect(&sim, EFFECT_CONTROL, 0);
		size_t ours = sim_effect(&sim, EFFECT_RECORDER, 0);
		if (ours_first)
			sim_ended(&sim, ours, cases[i / 2].ours);
		sim_answered(&sim, theirs, cases[i / 2].provider, "");
		assert_int_equal(sim_command_is(&sim, 1, "requested"), !ours_first);
		if (!ours_first)
			sim_ended(&sim, ours, cases[i / 2].ours);
		assert_true(sim_command_is(&sim, 1, cases[i / 2].state));
		struct buf b AUTO_BUF = { 0 };
		assert_true(
			session_command(sim.s, &sim.effects[ours].command, (struct span){ 0 }, &b));
		char *error = sim_json(cases[i / 2].error);
		assert_non_null(strstr(buf_z(&b), error));
		free(error);
		assert_int_equal(session_recording_paused(sim.s), cases[i / 2].paused);
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(say_is_heard),
		cmocka_unit_test(say_by_other_evidence),
		cmocka_unit_test(say_not_heard),
		cmocka_unit_test(effect_before_the_answer),
		cmocka_unit_test(added_message_appears),
		cmocka_unit_test(mute_stops_running_speech),
		cmocka_unit_test(what_nothing_can_show),
		cmocka_unit_test(end_and_transfer),
		cmocka_unit_test(refusals),
		cmocka_unit_test(unknown_until_its_effect_is_seen),
		cmocka_unit_test(same_key_same_command),
		cmocka_unit_test(crashes),
		cmocka_unit_test(without_a_control_url_over_the_socket),
		cmocka_unit_test(pausing_the_recording),
		cmocka_unit_test(pausing_what_is_not_recorded),
		cmocka_unit_test(pausing_across_a_crash),
		cmocka_unit_test(recorded_by_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
