/* Turns: merged finals, late words, history. */

#include "call/parts.h"
#include "tests/sim/sim.h"

static void begin(struct sim *sim)
{
	sim_init(sim, "");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1'}},{'t':'status','name':'in-progress','at':"
			 "0,'key':1}");
}

static void final(struct sim *sim, const char *who, const char *text, int at)
{
	static int key = 1000;
	sim_webhookf(sim, "{'t':'transcript','s':'%s','final':true,'text':'%s','at':%d,'key':%d}",
		     who, text, at, key++);
}

static void history(struct sim *sim, const char *who, const char *text, int at, int end,
		    bool report)
{
	static int key = 5000;
	sim_webhookf(sim,
		     "{'t':'history','s':'%s','name':'%s','text':'%s','at':%d,'end':%d,'report':%s,"
		     "'key':%d}",
		     who, *who == 'a' ? "assistant" : "user", text, at, end,
		     report ? "true" : "false", key++);
}

static void several_finals_are_one_turn(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	final(&sim, "user", "I would like", 1000);
	sim_pass(&sim, 1000);
	final(&sim, "user", "a table", 2000);
	sim_pass(&sim, 1000);
	final(&sim, "user", "for two.", 3000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", NULL), 0);
	sim_pass(&sim, 1600);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'text':'I would like a table for two.'",
				   "'words':7", "'revision':0", NULL),
			 1);
	sim_fini(&sim);
}

static void other_speaker_closes_the_turn(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	final(&sim, "user", "Hello", 1000);
	final(&sim, "ai", "Good evening", 1500);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'speaker':'user'", "'turn':0", NULL), 1);
	final(&sim, "user", "Hi", 2000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'speaker':'ai'", "'turn':1", NULL), 1);
	sim_fini(&sim);
}

static void a_turn_goes_on_while_its_voice_does(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'started','at':1000,'key':2}");
	final(&sim, "user", "My number is", 2000);
	sim_pass(&sim, 5000);
	final(&sim, "user", "five five five", 7000);
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'stopped','at':7000,'key':3}");
	sim_pass(&sim, 2000);
	assert_int_equal(
		sim_count(&sim, "'type':'turn'", "'text':'My number is five five five'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'started_at':'2026-", NULL), 1);
	sim_fini(&sim);
}

static void late_words_revise_their_turn(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_pass(&sim, 1000);
	final(&sim, "user", "one", 1000);
	final(&sim, "user", "three", 1800);
	sim_pass(&sim, 3000);
	final(&sim, "ai", "answer", 4000);
	sim_pass(&sim, 3000);
	uint64_t last = session_last_seq(sim.s);
	final(&sim, "user", "two", 1400);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'text':'one two three'", "'revision':1",
				   "'turn':0", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", "'text':'two'",
				   "'offset_ms':1400", NULL),
			 1);
	assert_true(session_last_seq(sim.s) > last); /* the next sequence, its own time */
	assert_true(sim_shows(&sim, "'turns':2"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void late_words_of_nobodys_turn(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_pass(&sim, 20000);
	final(&sim, "ai", "now", 20000);
	final(&sim, "user", "long ago", 3000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'text':'long ago'", NULL), 1);
	sim_pass(&sim, 2000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'text':'now'", NULL),
			 1); /* the open one stayed open */
	sim_fini(&sim);
}

static void history_makes_turns_without_transcripts(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	history(&sim, "ai", "Hello, how can I help?", 1000, 3000, false);
	history(&sim, "user", "A table please", 4000, 5000, false);
	assert_int_equal(sim_count(&sim, "'type':'message'", "'role':'user'", "'index':1", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'source':'history'", NULL), 2);
	assert_true(sim_shows(&sim, "'transcript_live':false"));
	sim_fini(&sim);
}

static void history_and_transcript_never_double(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_pass(&sim, 2000);
	final(&sim, "ai", "Hello, how", 1500);
	final(&sim, "ai", "can I help you today?", 2000);
	history(&sim, "ai", "Hello! How can I help you, today?", 500, 2000, false);
	sim_pass(&sim, 3000);
	final(&sim, "user", "Lost in transit", 5000);
	sim_pass(&sim, 2000);
	history(&sim, "user", "Lost in transit.", 4500, 5000, false);
	sim_pass(&sim, 60000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'message'", NULL), 2);
	sim_fini(&sim);
}

static void history_fills_what_transcripts_lost(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	final(&sim, "ai", "What is your name?", 1000);
	sim_pass(&sim, 3000);
	history(&sim, "user", "My name is Maria Lopez", 2000, 3000, false);
	sim_pass(&sim, 19000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "Maria Lopez", NULL),
			 0); /* its transcript may still come */
	sim_pass(&sim, 2000);
	assert_int_equal(
		sim_count(&sim, "'type':'turn'", "Maria Lopez", "'source':'history'", NULL), 1);
	final(&sim, "user", "my name is Maria Lopez", 3000); /* and comes, very late */
	sim_pass(&sim, 3000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "aria Lopez", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void the_end_settles_everything(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	final(&sim, "ai", "Good bye", 1000);
	history(&sim, "user", "see you tomorrow then", 2000, 3000, false);
	sim_webhook(
		&sim,
		"{'t':'status','name':'ended','reason':'customer-ended-call','at':4000,'key':99}");
	assert_int_equal(sim_count(&sim, "'type':'turn'", NULL), 2);
	final(&sim, "user", "oh and one more thing", 3900);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'revision':1", "one more thing", NULL),
			 1);
	sim_fini(&sim);
}

static void report_history_is_marked(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	history(&sim, "user", "only in the report", 2000, 3000, true);
	assert_int_equal(sim_count(&sim, "'type':'message'", "'from_report':true", NULL), 1);
	sim_fini(&sim);
}

/* More keys than are held: the provider goes on repeating its whole history. */
static void endless_history_is_not_told_again(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	for (int i = 0; i < SEEN_LIMIT + 500; i++)
		sim_webhookf(
			&sim,
			"{'t':'history','s':'user','name':'user','text':'w%d','at':%d,'key':%d}", i,
			i * 1000, 100 + i);
	size_t messages = sim_count(&sim, "'type':'message'", NULL);
	assert_int_equal(messages, SEEN_LIMIT + 500);
	for (int i = 0; i < 400; i++) /* forgotten keys */
		sim_webhookf(
			&sim,
			"{'t':'history','s':'user','name':'user','text':'w%d','at':%d,'key':%d}", i,
			i * 1000, 100 + i);
	for (int i = SEEN_LIMIT; i < SEEN_LIMIT + 500; i++) /* known ones */
		sim_webhookf(
			&sim,
			"{'t':'history','s':'user','name':'user','text':'w%d','at':%d,'key':%d}", i,
			i * 1000, 100 + i);
	assert_int_equal(sim_count(&sim, "'type':'message'", NULL), messages);
	sim_fini(&sim);
}

static void stale_partials_do_not_show(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_pass(&sim, 3000);
	final(&sim, "user", "the whole sentence", 2000);
	sim_webhook(&sim, "{'t':'transcript','s':'user','text':'the whole','at':1800,'key':70}");
	assert_int_equal(sim_count(&sim, "'type':'transcript.partial'", NULL), 1);
	assert_true(sim_shows(&sim, "'partial':{'ai':null,'user':null}"));
	sim_webhook(&sim, "{'t':'transcript','s':'user','text':'and','at':2900,'key':71}");
	assert_true(sim_shows(&sim, "'user':'and'"));
	sim_webhook(&sim, "{'t':'status','name':'ended','at':3000,'key':72}");
	assert_true(sim_shows(&sim, "'partial':{'ai':null,'user':null}"));
	sim_fini(&sim);
}

/* Without status or facts the first words tell when the call began; the report knows better. */
static void the_start_is_guessed_from_words(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_pass(&sim, 9000);
	final(&sim, "user", "hello", 9000);
	history(&sim, "ai", "Good evening", 7000, 8000, false);
	final(&sim, "user", "a table", 9500);
	assert_int_equal(sim_count(&sim, "'text':'a table'", "'offset_ms':2500", NULL), 1);
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'customer-ended-call','start':"
			  "6000,'end':10000}}");
	assert_true(sim_shows(&sim, "'duration_ms':4000"));
	sim_fini(&sim);
}

static void absurd_ends_are_not_believed(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim);
	sim_webhook(&sim, "{'t':'history','s':'user','name':'user','text':'hello','at':100,'end':"
			  "9000000000000,'key':70}");
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'at':'2026-09-21T14:13:20.1", NULL), 1);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_finals_are_one_turn),
		cmocka_unit_test(other_speaker_closes_the_turn),
		cmocka_unit_test(a_turn_goes_on_while_its_voice_does),
		cmocka_unit_test(late_words_revise_their_turn),
		cmocka_unit_test(late_words_of_nobodys_turn),
		cmocka_unit_test(history_makes_turns_without_transcripts),
		cmocka_unit_test(history_and_transcript_never_double),
		cmocka_unit_test(history_fills_what_transcripts_lost),
		cmocka_unit_test(the_end_settles_everything),
		cmocka_unit_test(report_history_is_marked),
		cmocka_unit_test(endless_history_is_not_told_again),
		cmocka_unit_test(stale_partials_do_not_show),
		cmocka_unit_test(the_start_is_guessed_from_words),
		cmocka_unit_test(absurd_ends_are_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
