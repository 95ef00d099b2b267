/* Every list of a call is bounded and says so; memory of an ordinary call. */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

/* Beside it stand its line and legs (tests/media/inbox_test.c). */
enum { HOT_BYTES = 56 * 1024 };

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/"
			 "c','number':'+15550100'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
}

/* What a project may well want to know. */
#define FIELDS                                                                                    \
	"'fields':[{'name':'guests','label':'number of people','type':'number','ask':['how many " \
	"people'],'argument':'book.guests'},{'name':'caller','label':'name','type':'name'},"      \
	"{'name':'phone','label':'phone number','type':'phone'},"                                 \
	"{'name':'day','label':'day','type':'date','ask':['what day','which day']},"              \
	"{'name':'time','label':'time','type':'time','ask':['what time']},"                       \
	"{'name':'place','label':'place','type':'choice','choices':['inside','terrace|outside']}]"

/* Facts of a stream whose leg 0 is the caller, 1 the assistant, at `ms` of the simulation. */
static void hear(struct sim *sim, enum heard_kind kind, int leg, int64_t ms)
{
	struct buf b AUTO_BUF = { 0 };
	struct heard h = { .kind = kind,
			   .leg = (unsigned)leg,
			   .speaker = leg ? SPEAKER_AI : SPEAKER_USER,
			   .at_us = SIM_START_US + ms * MS_US };
	if (kind == HEARD_ATTACHED) {
		h.name = SPAN("vapi-transport");
		h.text = SPAN("l16");
		h.value = 16000;
	}
	if (kind == HEARD_LEVEL) {
		h.value = -220;
		h.ms = HEARD_LEVEL_MS;
	}
	if (h.at_us > sim->now_us)
		sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	heard_write(SPAN("MZ18ad3ab5a668481ce02b83e7395059f0"), &h, 1, &b);
	assert_int_equal(sim_apply(sim, RECORD_HEARD, buf_span(&b)), 0);
}

/* 100 turns as on the wire: speech events, partials, finals, history, some tools and commands; with
 * fields, a rule and context; and its audio, of two legs. */
static void an_ordinary_call_fits(void **state)
{
	struct sim sim;
	size_t most = 0;
	(void)state;
	begin(&sim,
	      FIELDS ",'context_inject':true,'rules':{'escalate_on_frustration':{'enabled':true}},"
		     "'tools':[{'name':'find','fallback':'Please wait.','empty_path':'items'},"
		     "{'name':'book'}]");
	char *context = sim_json("{'how':'running','items':[{'id':'1','kind':'order','title':'#1',"
				 "'text':'The parcel is lost.'}]}");
	assert_int_equal(sim_apply(&sim, RECORD_CONTEXT, span_of(context)), 0);
	free(context);
	hear(&sim, HEARD_ATTACHED, 0, 0);
	hear(&sim, HEARD_ATTACHED, 1, 0);
	for (int i = 0; i < 100; i++) {
		const char *who = i % 2 ? "user" : "ai";
		int at = 1000 + i * 4000, key = 1000 + i * 50;
		const char *text = i % 2 ? "Yes, I would like the second one that you have told me "
					   "about, please"
					 : "We have three tables left for this evening, two inside "
					   "and one on the terrace by the lake";
		sim_webhookf(&sim,
			     "{'t':'speech','s':'%s','name':'started','turn':%d,'at':%d,'key':%d}",
			     who, i, at, key++);
		for (int p = 0; p < 5; p++)
			sim_webhookf(&sim,
				     "{'t':'transcript','s':'%s','text':'%.*s','at':%d,'key':%d}",
				     who, 10 + p * 9, text, at + p * 300, key++);
		for (int f = 0; f < 2; f++)
			sim_webhookf(&sim,
				     "{'t':'transcript','s':'%s','final':true,'text':'%d "
				     "%.*s','at':%d,'key':%d}",
				     who, i, 40, text + f * 30, at + 1500 + f * 400, key++);
		sim_webhookf(&sim,
			     "{'t':'speech','s':'%s','name':'stopped','turn':%d,'at':%d,'key':%d}",
			     who, i, at + 2000, key++);
		sim_webhookf(&sim,
			     "{'t':'history','s':'%s','name':'%s','text':'%d "
			     "%s','at':%d,'end':%d,'key':%d}",
			     who, i % 2 ? "user" : "assistant", i, text, at, at + 2000, key++);
		hear(&sim, HEARD_SPEECH_STARTED, 1 - i % 2, at);
		hear(&sim, HEARD_SPEECH_STOPPED, 1 - i % 2, at + 900);
		hear(&sim, HEARD_SPEECH_STARTED, 1 - i % 2, at + 1200);
		hear(&sim, HEARD_LEVEL, 1 - i % 2, at + 1500);
		hear(&sim, HEARD_SPEECH_STOPPED, 1 - i % 2, at + 2000);
		if (i % 10 == 5) {
			sim_webhookf(&sim,
				     "{'t':'tool-call','here':true,'id':'t%d','name':'find','data':"
				     "{'query':'table for %d'},'key':%d}",
				     i, i, key++);
			sim_answered(&sim, sim.effects_n - 1, 200,
				     "{'items':[{'table':'terrace','seats':4,'price':'12'},{'table'"
				     ":'inside','seats':2}]}");
		}
		if (i % 25 == 7) {
			sim_command(&sim, (unsigned)i,
				    "'verb':'say','text':'Please mention the dessert of the day to "
				    "the caller'");
			sim_answered(&sim, sim.effects_n - 1, 200, "");
		}
		sim_pass(&sim, 2000);
		size_t now = session_bytes(sim.s);
		most = now > most ? now : most;
	}
	print_message("100 turns: %zu bytes at most\n", most);
	assert_true(sim_shows(&sim, "'turns':100"));
	assert_true(sim_shows(&sim, "'speaker':'user','dialect':'vapi-transport','codec':'l16'"));
	assert_int_equal(sim.s->sound->marks_n, SOUND_MARKS);
	assert_true(most <= HOT_BYTES);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* What a call of which nothing but sound is known does not need, it does not hold. */
static void a_call_without_words_is_small(void **state)
{
	enum { SHORT_BYTES = 6 * 1024 };
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	hear(&sim, HEARD_ATTACHED, 0, 0);
	hear(&sim, HEARD_ATTACHED, 1, 0);
	for (int i = 0; i < 10; i++) {
		hear(&sim, HEARD_SPEECH_STARTED, i % 2, 1000 + i * 3000);
		hear(&sim, HEARD_SPEECH_STOPPED, i % 2, 3000 + i * 3000);
	}
	print_message("30 s of sound: %zu bytes\n", session_bytes(sim.s));
	assert_null(sim.s->signals);
	assert_int_equal(sim.s->sound->marks_n, 22);
	assert_true(session_bytes(sim.s) <= SHORT_BYTES);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void turns_spill(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < 1500; i++)
		sim_webhookf(&sim,
			     "{'t':'transcript','s':'%s','final':true,'text':'turn number "
			     "%d','at':%d,'key':%d}",
			     i % 2 ? "user" : "ai", i, i * 3000, 10 + i);
	assert_true(sim_shows(&sim, "older_turns_dropped"));
	assert_true(sim_shows(&sim, "'turns':1499"));
	assert_int_equal(sim.s->turns.hot_n, TURNS_HOT);
	assert_int_equal(sim.s->turns.cold_n, TURNS_COLD);
	struct buf b AUTO_BUF = { 0 };
	session_snapshot(sim.s, &b);
	assert_int_equal(json_count(json_get(json_of(buf_span(&b)), "turns")), TURNS_SHOWN);
	size_t turns = sim_count(&sim, "'type':'turn'", NULL);
	sim_pass(&sim, 5000);
	turns++; /* the last one closed */
	sim_webhook(
		&sim,
		"{'t':'transcript','s':'ai','final':true,'text':'very late','at':1500000,'key':9}");
	sim_pass(&sim, 5000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", NULL),
			 turns); /* of a cold turn: no new one */
	assert_true(session_bytes(sim.s) < 3 * HOT_BYTES);
	sim_fini(&sim);
}

static void tools_fill_up(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'tools':[{'name':'book'}]");
	for (int i = 0; i < TOOLS_MAX; i++)
		sim_webhookf(&sim,
			     "{'t':'tool-call','here':true,'id':'t%d','name':'book','key':%d}", i,
			     10 + i);
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), TOOLS_MAX);
	sim_webhook(
		&sim,
		"{'t':'tool-call','here':true,'id':'more','name':'book','key':9999}"); /* all are
											  running */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), TOOLS_MAX);
	assert_int_equal(sim_answer_count(&sim, "'id':'more','error':'The tool did not answer"), 1);
	assert_true(sim_shows(&sim, "tools_full"));
	sim_answered(&sim, 5, 200, "fine");
	sim_webhook(
		&sim,
		"{'t':'tool-call','here':true,'id':'again','name':'book','key':9998}"); /* one
											   finished
											   makes
											   room */
	assert_int_equal(sim_effects(&sim, EFFECT_TOOL), TOOLS_MAX + 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void waiters_fill_up(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'tools':[{'name':'book'}]");
	for (int i = 0; i < WAITERS_PER_TOOL; i++)
		sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'t','name':'book','key':10}");
	assert_int_equal(sim.answers.n, 0);
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'t','name':'book','key':10}");
	assert_int_equal(sim_answer_count(&sim, "The tool did not answer"), 1);
	assert_true(sim_shows(&sim, "tool_waiters_full"));
	sim_answered(&sim, 0, 200, "fine");
	assert_int_equal(sim_answer_count(&sim, "'result':'fine'"), WAITERS_PER_TOOL);
	sim_fini(&sim);
}

static void too_many_tools_in_a_message(void **state)
{
	struct sim sim;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < TOOLS_PER_MESSAGE + 3; i++)
		buf_printf(&b, "%s{'t':'tool-call','here':true,'id':'t%d','name':'x','key':%d}",
			   i ? "," : "", i, 10 + i);
	sim_webhook(&sim, buf_z(&b));
	assert_int_equal(sim_answer_count(&sim, "'results'"), 1);
	assert_int_equal(sim_answer_count(&sim, "'id':'t31'"), 1);
	assert_int_equal(sim_answer_count(&sim, "'id':'t32'"), 0);
	assert_true(sim_shows(&sim, "tools_full"));
	sim_fini(&sim);
}

static void long_answers_are_trimmed_later(void **state)
{
	struct sim sim;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	begin(&sim, "'tools':[{'name':'book'}]");
	for (int i = 0; i < 40000; i++)
		buf_addz(&b, "long ");
	for (int i = 0; i < 30; i++) {
		sim_webhookf(&sim,
			     "{'t':'tool-call','here':true,'id':'t%d','name':'book','key':%d}", i,
			     10 + i);
		sim_answered(&sim, sim.effects_n - 1, 200, buf_z(&b));
	}
	assert_int_equal(sim.s->tools.items[29].answer.n, 200000);
	assert_int_equal(sim.s->tools.items[0].answer.n, TOOL_TRIMMED_BYTES);
	assert_true(sim_shows(&sim, "tool_result_trimmed"));
	assert_true(session_bytes(sim.s) < 10 * 200000);
	sim_fini(&sim);
}

static void commands_fill_up(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	for (unsigned i = 0; i < COMMANDS_HELD; i++)
		sim_command(&sim, i, "'verb':'end'");
	sim_command(&sim, 500, "'verb':'end'");
	assert_int_equal(sim_count(&sim, "'state':'rejected'", "not settled", NULL), 1);
	assert_true(sim_shows(&sim, "commands_full"));
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), COMMANDS_HELD);
	sim_ended(&sim, 3, OUTCOME_NOT_SENT);
	sim_command(&sim, 501, "'verb':'end'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), COMMANDS_HELD + 1);
	assert_false(sim_command_is(&sim, 3, "rejected")); /* the oldest settled one made room */
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void history_waits_in_bounds(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_webhook(&sim, "{'t':'transcript','s':'ai','text':'live','at':100,'key':5}");
	for (int i = 0; i < 100; i++)
		sim_webhookf(&sim,
			     "{'t':'history','s':'user','name':'user','text':'entry%d number%d "
			     "of%d','at':%d,'key':%d}",
			     i, i, i, i * 5000, 10 + i);
	assert_int_equal(sim.s->turns.waiting_n, HISTORY_WAITING);
	assert_true(sim_shows(&sim, "history_waiting_full"));
	sim_webhook(&sim, "{'t':'status','name':'ended','at':600000,'key':6}");
	assert_int_equal(sim.s->turns.waiting_n, 0);
	assert_int_equal(sim_count(&sim, "'type':'turn'", NULL), 100);
	sim_fini(&sim);
}

/* A sequence has room for 65535 events of one record. */
static void a_record_of_too_many_events(void **state)
{
	struct sim sim;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < 70000; i++)
		buf_addz(&b, i ? ",{'t':'hang'}" : "{'t':'hang'}");
	sim_webhook(&sim, buf_z(&b));
	assert_true(sim_shows(&sim, "events_of_a_record_dropped"));
	uint64_t last = session_last_seq(sim.s);
	sim_webhook(&sim, "{'t':'hang'}");
	assert_true(session_last_seq(sim.s) > last);
	sim_fini(&sim);
}

static void pieces_of_a_turn(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < 60; i++)
		sim_webhookf(
			&sim,
			"{'t':'transcript','s':'user','final':true,'text':'w%d','at':%d,'key':%d}",
			i, 1000 + i * 100, 10 + i);
	sim_pass(&sim, 20000);
	assert_int_equal(
		sim_count(&sim, "'type':'turn'", "w0 w1 w2", "w58 w59", "'words':60", NULL), 1);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_call_fits),
		cmocka_unit_test(a_call_without_words_is_small),
		cmocka_unit_test(turns_spill),
		cmocka_unit_test(tools_fill_up),
		cmocka_unit_test(waiters_fill_up),
		cmocka_unit_test(too_many_tools_in_a_message),
		cmocka_unit_test(long_answers_are_trimmed_later),
		cmocka_unit_test(commands_fill_up),
		cmocka_unit_test(history_waits_in_bounds),
		cmocka_unit_test(a_record_of_too_many_events),
		cmocka_unit_test(pieces_of_a_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
