/* A1, A2, A3, A7: how a call begins, goes on and ends; late, repeated and missing messages. */

#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

#define CALL                                                                                      \
	"{'t':'call','facts':{'id':'c1','kind':'inboundPhoneCall','number':'+15550100','"         \
	"assistant':"                                                                             \
	"'Anna','control':'https://secret.example/c1/control','listen':'wss://secret.example/c1/" \
	"listen'}}"

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, CALL ",{'t':'status','name':'in-progress','at':0,'key':1}");
}

static void happy_call(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 1000);
	sim_webhook(&sim,
		    CALL ",{'t':'speech','s':'ai','name':'started','turn':0,'at':1000,'key':2}");
	sim_pass(&sim, 500);
	assert_true(sim_shows(&sim, "'speaking':'ai'"));
	sim_webhook(&sim,
		    CALL ",{'t':'transcript','s':'ai','text':'Hello, how','at':1500,'key':3}");
	assert_true(sim_shows(&sim, "'partial':{'ai':'Hello, how','user':null}"));
	sim_pass(&sim, 500);
	sim_webhook(&sim, CALL ",{'t':'transcript','s':'ai','final':true,'text':'Hello, how can I "
			       "help?','at':2000,'key':4}");
	sim_webhook(&sim,
		    CALL ",{'t':'speech','s':'ai','name':'stopped','turn':0,'at':2000,'key':5}");
	sim_pass(&sim, 3000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'speaker':'ai'",
				   "'text':'Hello, how can I help?'", NULL),
			 1);
	sim_webhook(&sim, CALL ",{'t':'transcript','s':'user','final':true,'text':'A table for "
			       "two.','at':5000,'key':6}");
	sim_pass(&sim, 5000);
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'speaker':'user'", NULL), 1);
	sim_webhook(
		&sim, CALL
		",{'t':'status','name':'ended','reason':'customer-ended-call','at':10000,'key':7}");
	assert_true(session_ended(sim.s));
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'class':'customer'",
				   "'duration_ms':10000", NULL),
			 1);
	sim_webhook(&sim,
		    CALL ",{'t':'report','key':8,'result':{'reason':'customer-ended-call','start':"
			 "0,'end':10000,'cost':0.12,'summary':'Booked.','ok':'true'}}");
	assert_int_equal(sim_count(&sim, "'type':'call.report'", "'cost':0.12", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL),
			 1); /* nothing new: no revision */
	assert_true(sim_shows(&sim, "'outcome':'true'"));
	assert_true(sim_shows(&sim, "'turns':2"));
	assert_int_equal(sim_count(&sim, "'type':'call.started'", NULL), 1);
	assert_int_equal(sim_count(&sim, "secret.example", NULL), 0); /* capabilities stay inside */
	assert_false(sim_shows(&sim, "secret.example"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void facts_learned_later(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_webhook(&sim, "{'t':'call','facts':{'id':'c1','assistant':'Bert'}}");
	assert_int_equal(sim_count(&sim, "'type':'call.updated'",
				   "'data':{'assistant':{'name':'Bert'}}", NULL),
			 1);
	sim_webhook(&sim, "{'t':'call','facts':{'id':'c1'}}");
	assert_int_equal(sim_count(&sim, "'type':'call.updated'", NULL), 1);
	struct uuid space = session_settings(sim.s)->source;
	struct uuid expected = uuid_v5(&space, SPAN("c1")), got = session_conversation(sim.s);
	assert_true(uuid_eq(&expected, &got));
	sim_fini(&sim);
}

static void duplicates_are_counted(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < 3; i++)
		sim_webhook(&sim, "{'t':'transcript','s':'user','final':true,'text':'yes','at':900,"
				  "'key':55}");
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'yes','at':5900,'key':56}");
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", NULL),
			 2); /* two genuine "yes" are two */
	assert_true(sim_shows(&sim, "'duplicates':2"));
	sim_fini(&sim);
}

static void late_status_changes_nothing(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 2000);
	sim_webhook(&sim, "{'t':'status','name':'ringing','at':-900,'key':9}");
	assert_int_equal(
		sim_count(&sim, "'type':'call.status'", "'status':'ringing'", "'late':true", NULL),
		1);
	assert_true(sim_shows(&sim, "'status':'in-progress'"));
	sim_webhook(
		&sim,
		"{'t':'status','name':'ended','reason':'silence-timed-out','at':2000,'key':10}");
	sim_webhook(&sim, "{'t':'status','name':'forwarding','at':2100,'key':11}");
	assert_true(session_ended(sim.s));
	assert_true(sim_shows(&sim, "'status':'ended'"));
	assert_true(sim_shows(&sim, "late_messages"));
	sim_fini(&sim);
}

/* The platform is an hour behind: started_at is its time, began_at ours. */
static void how_long_it_lasts_is_of_our_clock(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_jump(&sim, 2000);
	sim_webhook(&sim, CALL ",{'t':'status','name':'in-progress','at':-3598000,'key':1}");
	assert_true(sim_shows(&sim, "'started_at':'2026-09-21T13:13:22.000000Z'"));
	assert_true(sim_shows(&sim, "'began_at':'2026-09-21T14:13:22.000000Z'"));
	sim_fini(&sim);
}

static void clock_far_off_is_not_believed(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 1000);
	sim_webhook(
		&sim,
		"{'t':'transcript','s':'user','final':true,'text':'hi','at':-900000000,'key':9}");
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", "'offset_ms':1000",
				   "'provider_at':'2026-", NULL),
			 1);
	assert_true(sim_shows(&sim, "provider_clock_off"));
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'hi','at':900,'key':10}");
	assert_int_equal(sim_count(&sim, "provider_at", NULL), 1);
	sim_fini(&sim);
}

static void report_alone_ends_the_call(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 60000);
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'exceeded-max-duration','start'"
			  ":0,'end':59000}}");
	assert_true(session_ended(sim.s));
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'class':'limit'",
				   "'duration_ms':59000", NULL),
			 1);
	sim_webhook(&sim,
		    "{'t':'status','name':'ended','reason':'other-thing','at':59500,'key':9}");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL),
			 1); /* the report knew better */
	sim_fini(&sim);
}

static void report_revises_the_end(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_pass(&sim, 30000);
	sim_webhook(&sim, "{'t':'status','name':'ended','at':30000,'key':9}");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'class':'other'", NULL), 1);
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'assistant-ended-call','start':"
			  "0,'end':29000}}");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'revision':true",
				   "'class':'assistant'", NULL),
			 1);
	assert_true(sim_shows(&sim, "'duration_ms':29000"));
	sim_fini(&sim);
}

/* --- lost and reconciled --- */

static void silent_call_is_lost_without_key(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000");
	sim_pass(&sim, 59000);
	assert_false(session_ended(sim.s));
	sim_pass(&sim, 2000);
	assert_true(session_ended(sim.s));
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", "'idle_ms':60000",
				   "'reconciled':false", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'class':'lost'", NULL), 1);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'customer-ended-call','start':"
			  "0,'end':40000}}");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'revision':true",
				   "'class':'customer'", NULL),
			 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void status_revives_a_lost_call(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000");
	sim_pass(&sim, 61000);
	assert_true(session_ended(sim.s));
	sim_webhook(&sim, "{'t':'status','name':'in-progress','at':61000,'key':9}");
	assert_false(session_ended(sim.s));
	assert_true(sim_shows(&sim, "'live':true"));
	sim_pass(&sim, 61000);
	assert_true(session_ended(sim.s));
	sim_webhook(&sim, "{'t':'transcript','s':'user','final':true,'text':'still "
			  "here','at':123000,'key':10}");
	assert_false(session_ended(sim.s));
	sim_fini(&sim);
}

static void reconciled_and_still_live(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000,'reconcile':true");
	sim_pass(&sim, 60000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 1);
	sim_answered(&sim, 0, 200,
		     "{'inputs':[{'t':'call','facts':{'id':'c1'}},{'t':'status','name':'in-"
		     "progress'}]}");
	assert_false(session_ended(sim.s));
	assert_int_equal(sim_count(&sim, "'type':'call.status'", NULL),
			 1); /* nothing new was told */
	sim_pass(&sim, 60000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 2);
	sim_answered(&sim, 1, 200,
		     "{'inputs':[{'t':'status','name':'ended','reason':'customer-ended-call'}]}");
	assert_true(session_ended(sim.s));
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", NULL), 0);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void reconcile_gives_up_after_tries(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000,'reconcile':true");
	sim_pass(&sim, 60000);
	for (size_t i = 0; i < RECONCILE_TRIES; i++) {
		assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), i + 1);
		if (i % 2)
			sim_answered(&sim, i, 500, "oops");
		else
			sim_ended(&sim, i, OUTCOME_UNKNOWN);
		sim_pass(&sim, 600000);
	}
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", "'reconciled':false", NULL), 1);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), RECONCILE_TRIES);
	sim_fini(&sim);
}

/* The provider's server is ill: it is asked again with growing pauses; one good answer
 * and all is as before. */
static void reconcile_pauses_longer_each_time(void **state)
{
	static const int64_t pauses_ms[] = { 30000, 120000, 600000 };
	struct sim sim;
	size_t asked = 1;
	(void)state;
	begin(&sim, "'idle_close_ms':60000,'reconcile':true");
	sim_pass(&sim, 60000);
	for (size_t i = 0; i < RECONCILE_TRIES - 1; i++, asked++) {
		assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), asked);
		sim_answered(&sim, asked - 1, 500, "oops");
		sim_pass(&sim, pauses_ms[i] - 1000);
		assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), asked);
		sim_pass(&sim, 1000);
	}
	sim_answered(&sim, asked - 1, 200,
		     "{'inputs':[{'t':'call','facts':{'id':'c1'}},{'t':'status','name':'in-"
		     "progress'}]}");
	sim_pass(&sim, 59000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), asked);
	sim_pass(&sim, 1000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), asked + 1);
	sim_answered(&sim, asked, 500, "oops");
	sim_pass(&sim, 30000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), asked + 2);
	assert_false(session_ended(sim.s));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void reconcile_told_of_no_such_call(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000,'reconcile':true");
	sim_pass(&sim, 60000);
	sim_answered(&sim, 0, 404, "{'message':'not found'}");
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", "'reconciled':true", NULL), 1);
	sim_fini(&sim);
}

static void news_while_asking_counts(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':60000,'reconcile':true");
	sim_pass(&sim, 60000);
	sim_pass(&sim, 1000);
	sim_webhook(&sim, "{'t':'hang','key':77}");
	sim_answered(&sim, 0, 404, "{}");
	assert_false(session_ended(sim.s));
	sim_fini(&sim);
}

/* --- the rest --- */

static void warnings_once(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	for (int i = 0; i < 3; i++)
		sim_webhook(&sim,
			    "{'t':'call','facts':{'id':'c1','transcript':false,'retries':false}}");
	assert_int_equal(sim_count(&sim, "'type':'provider.warning'", "transcript_not_subscribed",
				   "serverMessages", NULL),
			 1);
	assert_int_equal(
		sim_count(&sim, "'type':'provider.warning'", "retries_off", "maxRetries", NULL), 1);
	sim_fini(&sim);
}

static void silence_once_per_pause(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'silence_ms':4000");
	sim_pass(&sim, 10000);
	assert_int_equal(sim_count(&sim, "'type':'silence'", NULL), 0); /* nobody has spoken yet */
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'started','at':10000,'key':2}");
	sim_pass(&sim, 10000);
	assert_int_equal(sim_count(&sim, "'type':'silence'", NULL), 0);
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'stopped','at':20000,'key':3}");
	assert_int_equal(sim_count(&sim, "'type':'speech.stopped'", "'speech_ms':10000", NULL), 1);
	sim_pass(&sim, 20000);
	assert_int_equal(sim_count(&sim, "'type':'silence'", "'silence_ms':4000", NULL), 1);
	sim_fini(&sim);
}

static void everything_else_is_an_event(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	sim_webhook(&sim, "{'t':'interrupted','key':2},{'t':'hang','key':3},{'t':'assistant','name'"
			  ":'Bert','id':'a2','key':4},"
			  "{'t':'transfer','key':5,'data':{'destination':{'type':'number'},'to':{'"
			  "name':'Bert'}}},"
			  "{'t':'model-output','text':'tok','id':'turn1','key':6},{'t':'voice-"
			  "input','text':'say this','key':7},"
			  "{'t':'language','name':'es','key':8},{'t':'question','name':'voice-"
			  "request','key':9},"
			  "{'t':'raw','name':'new-thing','data':{'x':[1,2]},'key':10},{'t':'"
			  "speaking-text','s':'ai','text':'so far','turn':1,'key':11}");
	assert_int_equal(sim_count(&sim, "'type':'interruption'", "'count':1", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'hang'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'assistant.started'", "'name':'Bert'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'transfer'",
				   "'destination':{'type':'number'},'to':{'name':'Bert'}", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'model.output'", "'text':'tok'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'voice.input'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'language.changed'", "'language':'es'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'question'", "'type':'voice-request'", NULL), 1);
	assert_int_equal(
		sim_count(&sim, "'type':'provider.message'", "'message':{'x':[1,2]}", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.text'", NULL), 1);
	assert_int_equal(sim_apply(&sim, RECORD_REFUSED, SPAN("garbage")), 0);
	assert_int_equal(sim_count(&sim, "'type':'call.flagged'", "could not be read", NULL), 1);
	assert_int_equal(sim_apply(&sim, RECORD_QUARANTINED, SPAN("stopped the core twice")), 0);
	assert_int_equal(
		sim_count(&sim, "'type':'call.flagged'", "'why':'stopped the core twice'", NULL),
		1);
	char *json = sim_json(
		"{'instruction_version':'33333333-3333-4333-8333-333333333333','how':'cached'}");
	assert_int_equal(sim_apply(&sim, RECORD_SERVED, span_of(json)), 0);
	assert_int_equal(
		sim_count(&sim, "'type':'instructions.served'", "33333333", "'how':'cached'", NULL),
		1);
	assert_true(sim_shows(&sim, "'instruction_version':'33333333-"));
	free(json);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Refused records leave everything as it was, timers included. */
static void unreadable_records_change_nothing(void **state)
{
	static const struct {
		enum record_kind kind;
		const char *body, *says;
	} bad[] = {
		{ RECORD_WEBHOOK, "{\"inputs\":[", "" },
		{ RECORD_WEBHOOK, "{\"inputs\":[{\"t\":\"transcript\"},{\"t\":\"nonsense\"}]}",
		  "unknown input" },
		{ RECORD_COMMAND, "{\"id\":\"x\",\"verb\":\"say\"}", "id" },
		{ RECORD_COMMAND, "[]", "object" },
		{ RECORD_OUTCOME, "{\"effect\":\"x\",\"end\":\"answered\"}", "effect" },
		{ RECORD_OUTCOME, "nonsense", "" },
		{ RECORD_INTENT, "short", "16" },
		{ RECORD_SERVED, "[1]", "object" },
		{ RECORD_BIND, "{\"dialect\":\"sim\"}", "bound already" },
		{ (enum record_kind)99, "", "unknown kind" },
		{ (enum record_kind)0, "", "unknown kind" },
	};
	struct sim sim;
	(void)state;
	begin(&sim, "'idle_close_ms':1000");
	sim_jump(&sim, 5000); /* a timer is overdue and must not fire for a refused record */
	struct buf before AUTO_BUF = { 0 }, after AUTO_BUF = { 0 };
	session_snapshot(sim.s, &before);
	size_t events = sim.events.n;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		sim.fault = (struct fault){ 0 };
		assert_int_equal(sim_apply(&sim, bad[i].kind, span_of(bad[i].body)), E_INVALID);
		assert_non_null(strstr(sim.fault.text, bad[i].says));
		assert_true(sim.fault.text[0] != '\0');
	}
	session_snapshot(sim.s, &after);
	assert_true(span_eq(buf_span(&before), buf_span(&after)));
	assert_int_equal(sim.events.n, events);
	sim_webhook(&sim, "{'t':'hang','key':5}"); /* and the session is usable */
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", NULL), 1);
	sim_fini(&sim);
}

static void nothing_before_bind(void **state)
{
	struct sim sim = { .now_us = SIM_START_US, .next = 1, .call = { { 7 } } };
	(void)state;
	sim.s = session_new(&sim.call);
	assert_int_equal(sim_apply(&sim, RECORD_WEBHOOK, SPAN("{\"inputs\":[]}")), E_INVALID);
	assert_non_null(strstr(sim.fault.text, "before bind"));
	assert_null(session_settings(sim.s));
	assert_int_equal(sim_apply(&sim, RECORD_BIND, SPAN("{\"dialect\":\"nobody\"}")), E_INVALID);
	assert_non_null(strstr(sim.fault.text, "unknown dialect"));
	assert_int_equal(sim_apply(&sim, RECORD_BIND, SPAN("{\"dialect\":\"sim\"}")), 0);
	assert_int_equal(session_first_record(sim.s), 3);
	assert_true(session_deadline(sim.s) == INT64_MAX);
	sim_fini(&sim);
}

/* The rule by which hosts replace a session, live and at replay. */
static void expiry(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'linger_ms':10000");
	assert_false(session_expired(sim.s, INT64_MAX));
	sim_pass(&sim, 1000);
	sim_webhook(&sim, "{'t':'status','name':'ended','at':1000,'key':9}");
	assert_false(session_expired(sim.s, sim.now_us + 9999 * MS_US));
	assert_true(session_expired(sim.s, sim.now_us + 10000 * MS_US));
	assert_true(session_deadline(sim.s) == INT64_MAX);
	uint64_t last = session_last_seq(sim.s);
	sim_pass(&sim, 20000);
	session_free(sim.s);
	sim.s = session_new(&sim.call);
	assert_int_equal(sim_apply(&sim, RECORD_WEBHOOK, SPAN("{\"inputs\":[]}")), E_INVALID);
	assert_int_equal(sim_apply(&sim, RECORD_BIND, SPAN("{\"dialect\":\"sim\"}")), 0);
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'customer-ended-call','start':"
			  "0,'end':900}}");
	assert_true(session_last_seq(sim.s) > last); /* sequences go on growing */
	sim_fini(&sim);
}

/* Timers fire at their own deadlines, whether a tick or the next message brings them. */
static void timers_live_and_in_one_jump(void **state)
{
	struct sim live, jump;
	const char *settings = "'silence_ms':4000,'idle_close_ms':30000";
	(void)state;
	begin(&live, settings);
	begin(&jump, settings);
	struct sim *both[] = { &live, &jump };
	for (int i = 0; i < 2; i++)
		sim_webhook(both[i], "{'t':'transcript','s':'user','final':true,'text':'is anybody "
				     "there?','at':0,'key':3}");
	sim_pass(&live, 40000);
	sim_jump(&jump, 40000);
	assert_int_equal(sim_apply(&jump, RECORD_TICK, (struct span){ 0 }), 0);
	const char *const at[] = { "'type':'turn'", "'type':'silence'", "'type':'signal'",
				   "'type':'call.lost'", "'type':'call.ended'" };
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		assert_int_equal(sim_count(&live, at[i], NULL), 1);
		assert_int_equal(sim_count(&jump, at[i], NULL), 1);
	}
	const char *times[] = { "'offset_ms':4000", "'offset_ms':30000" };
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(sim_count(&live, times[i], NULL),
				 sim_count(&jump, times[i], NULL));
	sim_check_replay(&live);
	sim_check_replay(&jump);
	sim_fini(&live);
	sim_fini(&jump);
}

static void classes_of_reasons(void **state)
{
	static const struct {
		const char *reason;
		enum end_class expected;
	} rows[] = {
		{ "customer-ended-call", END_CUSTOMER },
		{ "customer-ended-call-during-transfer", END_CUSTOMER },
		{ "customer-busy", END_TELEPHONY },
		{ "customer-did-not-answer", END_TELEPHONY },
		{ "assistant-ended-call", END_ASSISTANT },
		{ "assistant-ended-call-with-hangup-task", END_ASSISTANT },
		{ "assistant-said-end-call-phrase", END_ASSISTANT },
		{ "assistant-forwarded-call", END_ASSISTANT },
		{ "assistant-request-failed", END_PROVIDER },
		{ "assistant-not-found", END_PROVIDER },
		{ "pipeline-error-openai-llm-failed", END_PROVIDER },
		{ "call.in-progress.error-vapifault-worker-died", END_PROVIDER },
		{ "call.in-progress.error-providerfault-outbound-sip-480-temporarily-unavailable",
		  END_TELEPHONY },
		{ "call.in-progress.error-sip-outbound-call-failed-to-connect", END_TELEPHONY },
		{ "twilio-failed-to-connect-call", END_TELEPHONY },
		{ "vonage-disconnected", END_TELEPHONY },
		{ "exceeded-max-duration", END_LIMIT },
		{ "silence-timed-out", END_LIMIT },
		{ "manually-canceled", END_OTHER },
		{ "", END_OTHER },
		{ "something-new", END_OTHER },
		{ "lost", END_LOST },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (status_class(span_of(rows[i].reason)) != rows[i].expected)
			fail_msg("%s is %s", rows[i].reason,
				 status_class_name(status_class(span_of(rows[i].reason))));
}

/* Parties say when and why; a report of the whole adds to that what they cannot. */
static void a_report_of_a_call_of_parties(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_webhook(&sim, CALL ",{'t':'party','at':0,'key':1,'party':{'id':'a','seq':1,'state':"
			       "'talking'}},{'t':'party','at':0,'key':2,'party':{'id':'b','seq':2,"
			       "'side':'inside','state':'talking'}}");
	sim_pass(&sim, 9000);
	sim_webhook(&sim,
		    "{'t':'party','at':8000,'key':3,'party':{'id':'a','seq':3,'state':"
		    "'left'}},{'t':'party','at':9000,'key':4,'party':{'id':'b','seq':4,'side':"
		    "'inside','state':'left'}}");
	sim_pass(&sim, 3000);
	assert_true(sim_shows(&sim, "'duration_ms':9000,'ended_reason':'customer-hung-up'"));
	sim_webhook(&sim, "{'t':'report','key':8,'result':{'reason':'completed','start':1000,'end':"
			  "8500,'cost':0.12,'summary':'Booked.'}}");
	assert_true(sim_shows(&sim, "'duration_ms':9000,'ended_reason':'customer-hung-up'"));
	assert_true(sim_shows(&sim, "'summary':'Booked.'"));
	assert_int_equal(sim_count(&sim, "'type':'call.report'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(happy_call),
		cmocka_unit_test(a_report_of_a_call_of_parties),
		cmocka_unit_test(facts_learned_later),
		cmocka_unit_test(duplicates_are_counted),
		cmocka_unit_test(late_status_changes_nothing),
		cmocka_unit_test(how_long_it_lasts_is_of_our_clock),
		cmocka_unit_test(clock_far_off_is_not_believed),
		cmocka_unit_test(report_alone_ends_the_call),
		cmocka_unit_test(report_revises_the_end),
		cmocka_unit_test(silent_call_is_lost_without_key),
		cmocka_unit_test(status_revives_a_lost_call),
		cmocka_unit_test(reconciled_and_still_live),
		cmocka_unit_test(reconcile_gives_up_after_tries),
		cmocka_unit_test(reconcile_pauses_longer_each_time),
		cmocka_unit_test(reconcile_told_of_no_such_call),
		cmocka_unit_test(news_while_asking_counts),
		cmocka_unit_test(warnings_once),
		cmocka_unit_test(silence_once_per_pause),
		cmocka_unit_test(everything_else_is_an_event),
		cmocka_unit_test(unreadable_records_change_nothing),
		cmocka_unit_test(nothing_before_bind),
		cmocka_unit_test(expiry),
		cmocka_unit_test(timers_live_and_in_one_jump),
		cmocka_unit_test(classes_of_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
