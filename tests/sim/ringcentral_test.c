/* RingCentral's messages and the session together: calls of several parties, and texts. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dialect/ringcentral.h"
#include "tests/sim/sim.h"

#define RC "'dialect':'ringcentral'"
#define ASKS RC ",'reconcile':true"

static void post(struct sim *sim, const char *text)
{
	char *json = sim_json(text);
	if (sim_apply(sim, RECORD_WEBHOOK, span_of(json)))
		fail_msg("%s: %s", sim->fault.text, json);
	free(json);
}

static void iso(char out[32], int64_t ms)
{
	char whole[CLOCK_ISO + 1];
	clock_format(SIM_START_US + ms * MS_US, whole);
	snprintf(out, 32, "%.23sZ", whole);
}

static int64_t now_ms(const struct sim *sim)
{
	return (sim->now_us - SIM_START_US) / MS_US;
}

#define CALLER "'direction':'Outbound','from':{'phoneNumber':'+15550199','name':'Carl'},"
#define AGENT(n)                                                                               \
	"'direction':'Inbound','extensionId':'2" n "','to':{'phoneNumber':'+15550001','name':" \
	"'Ann " n "','extensionId':'2" n "'},'from':{'phoneNumber':'+15550199'},"
#define TO_US "'to':{'phoneNumber':'+15550001'},"

/* One event about party n. `more`: further members of the party. */
static void event_at(struct sim *sim, int64_t ms, int sequence, int n, const char *who,
		     const char *status, const char *more)
{
	char text[2048], at[32];
	iso(at, ms);
	snprintf(text, sizeof(text),
		 "{'uuid':'%d','event':'/restapi/v1.0/account/10/telephony/sessions','timestamp':"
		 "'%s','body':{'sequence':%d,'telephonySessionId':'s-1','eventTime':'%s','parties':"
		 "[{'accountId':'10','id':'p-%d',%s'status':{%s}%s}]}}",
		 sequence, at, sequence, at, n, who, status, more);
	post(sim, text);
}

static void event(struct sim *sim, int sequence, int n, const char *who, const char *status,
		  const char *more)
{
	event_at(sim, now_ms(sim), sequence, n, who, status, more);
}

static void caller(struct sim *sim, int sequence, const char *status)
{
	event(sim, sequence, 1, CALLER TO_US, status, "");
}

static void agent(struct sim *sim, int sequence, const char *status)
{
	event(sim, sequence, 2, AGENT("2"), status, "");
}

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	caller(sim, 2, "'code':'Setup'");
	agent(sim, 3, "'code':'Proceeding'");
	sim_pass(sim, 5000);
	agent(sim, 4, "'code':'Answered'");
	caller(sim, 5, "'code':'Answered'");
	sim_pass(sim, 10000);
}

static void done(struct sim *sim)
{
	sim_check_replay(sim);
	sim_fini(sim);
}

#define SHOWS(sim, part)                                               \
	do {                                                           \
		if (!sim_shows(sim, part)) {                           \
			struct buf whole_ AUTO_BUF = { 0 };            \
			session_snapshot((sim)->s, &whole_);           \
			fail_msg("no %s in %s", part, buf_z(&whole_)); \
		}                                                      \
	} while (0)

/* --- how a call begins and ends --- */

static void a_call_rings_runs_and_ends(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	caller(&sim, 2, "'code':'Setup'");
	SHOWS(&sim, "'status':'ringing'");
	assert_int_equal(sim_count(&sim, "'type':'call.started'", "'kind':'inbound'", "+15550199",
				   "'telephony_id':'s-1'", "'source':'main'",
				   "'dialect':'ringcentral'", NULL),
			 1);
	SHOWS(&sim, "'source':'main','dialect':'ringcentral'");
	agent(&sim, 3, "'code':'Proceeding'");
	sim_pass(&sim, 5000);
	agent(&sim, 4, "'code':'Answered'");
	SHOWS(&sim, "'status':'in-progress'");
	caller(&sim, 5, "'code':'Answered'");
	SHOWS(&sim, "'customer':{'number':'+15550199','name':'Carl'}");
	SHOWS(&sim, "'assistant':{'id':'22','name':'Ann 2','version':null}");
	SHOWS(&sim, "'phone_number':'+15550001'");
	sim_pass(&sim, 60000);
	caller(&sim, 6, "'code':'Disconnected'");
	sim_pass(&sim, 40);
	agent(&sim, 7, "'code':'Disconnected'");
	assert_false(session_ended(sim.s)); /* another may come */
	sim_pass(&sim, 1990);
	assert_false(session_ended(sim.s));
	sim_pass(&sim, 20);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'customer-hung-up','ended_class':'customer'");
	SHOWS(&sim, "'duration_ms':60040");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'party'", NULL), 6);
	assert_int_equal(sim_count(&sim, "'type':'party'", "'late'", NULL), 0);
	done(&sim);
}

/* The platform's clock is two hours behind, and its first word comes last. */
static void where_it_stands_when_nobody_answers(void **state)
{
	struct sim sim;
	char text[512], at[32];
	(void)state;
	sim_init(&sim, RC);
	sim_jump(&sim, 7200000);
	event_at(&sim, 6040, 5, 1, CALLER TO_US, "'code':'Disconnected'", "");
	event_at(&sim, 6000, 4, 2, AGENT("2"), "'code':'Disconnected','reason':'NoAnswer'", "");
	event_at(&sim, 1000, 2, 1, CALLER TO_US, "'code':'Setup'", "");
	sim_pass(&sim, 15000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'started_at':null");
	SHOWS(&sim, "'duration_ms':null");
	SHOWS(&sim, "'first_at':'2026-09-21T14:13:21.000000Z'");
	/* An answer knows since when it has been there. */
	iso(at, 500);
	snprintf(text, sizeof(text),
		 "{'callmend':'resync','source_event':'telephony/sessions','id':'s-1','date':null,"
		 "'found':true,'body':{'id':'s-1','creationTime':'%s','parties':[]}}",
		 at);
	post(&sim, text);
	SHOWS(&sim, "'first_at':'2026-09-21T14:13:20.500000Z'");
	done(&sim);
}

struct end_case {
	const char *reason, *end_class;
	const char *told[8]; /* "1 code reason" or "2 ..." */
};

static const struct end_case ends[] = {
	{ "agent-hung-up",
	  "assistant",
	  { "2 Answered", "1 Answered", "2 Disconnected", "1 Disconnected" } },
	{ "customer-hung-up", "customer", { "1 Answered", "1 Disconnected", "2 Disconnected" } },
	{ "no-answer", "telephony", { "2 Disconnected NoAnswer", "1 Disconnected" } },
	{ "no-answer", "telephony", { "1 Answered", "2 Disconnected Timeout", "1 Disconnected" } },
	{ "busy", "telephony", { "2 Disconnected TARGETBUSY", "1 Disconnected" } },
	{ "rejected", "telephony", { "2 Disconnected Rejected", "1 Disconnected" } },
	{ "cancelled", "telephony", { "1 Disconnected", "2 Disconnected" } },
	{ "invalid-number", "telephony", { "2 Disconnected NoSuchUser", "1 Disconnected" } },
	{ "blocked", "telephony", { "2 Disconnected NotEnoughFunds", "1 Disconnected" } },
	{ "voicemail",
	  "telephony",
	  { "1 Answered", "2 VoiceMail", "1 Disconnected", "2 Disconnected" } },
	{ "moved",
	  "assistant",
	  { "2 Answered", "1 Answered", "2 Disconnected CallFlip", "1 Disconnected CallFlip" } },
	{ "customer-hung-up",
	  "customer",
	  { "2 Answered", "1 Answered", "2 Disconnected BlindTransfer", "1 Disconnected" } },
};

static void tell_all(struct sim *sim, const char *const *told)
{
	for (int i = 0; told[i]; i++) {
		char code[32], reason[32] = "", status[128];
		int who;
		assert_true(sscanf(told[i], "%d %31s %31s", &who, code, reason) >= 2);
		snprintf(status, sizeof(status), "'code':'%s','reason':'%s'", code, reason);
		sim_pass(sim, 100);
		(who == 1 ? caller : agent)(sim, 10 + i, status);
	}
}

static void reasons_and_classes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct sim sim;
		char want[128];
		sim_init(&sim, RC);
		caller(&sim, 2, "'code':'Setup'");
		agent(&sim, 3, "'code':'Proceeding'");
		tell_all(&sim, ends[i].told);
		sim_pass(&sim, 15000);
		assert_true(session_ended(sim.s));
		snprintf(want, sizeof(want), "'ended_reason':'%s','ended_class':'%s'",
			 ends[i].reason, ends[i].end_class);
		SHOWS(&sim, want);
		done(&sim);
	}
}

/* The caller counts as connected as soon as it rings at the colleague's. */
static void calls_among_ourselves(void **state)
{
	static const struct {
		const char *callee[3], *reason;
	} rows[] = {
		{ { "'code':'Answered'", "'code':'Disconnected'", NULL }, "agent-hung-up" },
		{ { "'code':'Disconnected','reason':'NoAnswer'", NULL }, "no-answer" },
		{ { "'code':'VoiceMail'", "'code':'Disconnected'", NULL }, "voicemail" },
		{ { "'code':'Disconnected'", NULL }, "cancelled" },
		{ { NULL }, "agent-hung-up" }, /* we are told of one extension only */
	};
	static const char from[] = "'extensionId':'20','direction':'Outbound','from':{"
				   "'extensionId':'20'},'to':{'extensionId':'21'},";
	static const char to[] = "'extensionId':'21','direction':'Inbound','from':{"
				 "'extensionId':'20'},'to':{'extensionId':'21'},";
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sim sim;
		char want[64];
		int sequence = 2;
		sim_init(&sim, RC);
		event(&sim, sequence++, 1, from, "'code':'Answered'", "");
		if (rows[i].callee[0])
			event(&sim, sequence++, 2, to, "'code':'Proceeding'", "");
		for (const char *const *word = rows[i].callee; *word; word++) {
			sim_pass(&sim, 5000);
			event(&sim, sequence++, 2, to, *word, "");
		}
		sim_pass(&sim, 100);
		event(&sim, sequence, 1, from, "'code':'Disconnected'", "");
		sim_pass(&sim, 3000);
		snprintf(want, sizeof(want), "'ended_reason':'%s'", rows[i].reason);
		SHOWS(&sim, want);
		done(&sim);
	}
	/* Who was called has answered: that the caller has, too, was lost. */
	struct sim sim;
	sim_init(&sim, RC);
	event(&sim, 2, 1, from, "'code':'Setup'", "");
	event(&sim, 3, 2, to, "'code':'Answered'", "");
	event(&sim, 5, 2, to, "'code':'Disconnected'", "");
	event(&sim, 6, 1, from, "'code':'Disconnected'", "");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'agent-hung-up'");
	done(&sim);
}

static void it_lives_on_in_another_session(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, ASKS);
	event(&sim, 6, 1, CALLER TO_US,
	      "'code':'Gone','reason':'AttendedTransfer','peerId':{'telephonySessionId':'s-2',"
	      "'partyId':'p-9'}",
	      "");
	agent(&sim, 7, "'code':'Disconnected','reason':'AttendedTransfer'");
	sim_pass(&sim, 2100); /* it is known where: nobody need be asked */
	SHOWS(&sim, "'ended_reason':'moved'");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'moved_to':'s-2'", NULL), 1);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	done(&sim);
	/* Or only who went last tells where. */
	begin(&sim, ASKS);
	caller(&sim, 6, "'code':'Disconnected','reason':'AttendedTransfer'");
	sim_pass(&sim, 50);
	agent(&sim, 7, "'code':'Gone','peerId':{'telephonySessionId':'s-3'}");
	sim_pass(&sim, 2100);
	SHOWS(&sim, "'ended_reason':'moved'");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'moved_to':'s-3'", NULL), 1);
	done(&sim);
}

static void late_repeated_and_unknown_words(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	agent(&sim, 9, "'code':'Hold'");
	agent(&sim, 8, "'code':'Answered'"); /* overtaken */
	agent(&sim, 9, "'code':'Hold'");     /* by the other filter */
	SHOWS(&sim, "'state':'held'");
	SHOWS(&sim, "'duplicates':1");
	assert_int_equal(
		sim_count(&sim, "'type':'party'", "'late':true", "'state':'talking'", NULL), 1);
	agent(&sim, 10, "'code':'Sublimated','reason':'Because'");
	SHOWS(&sim, "'code':'Sublimated','reason':'Because'");
	assert_false(session_ended(sim.s));
	done(&sim);
}

static void a_supervisor_does_not_count(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	event(&sim, 6, 3,
	      "'extensionId':'40','direction':'Outbound','from':{'name':'Sue','extensionId':'40'},",
	      "'code':'Answered','reason':'Supervising'", "");
	SHOWS(&sim, "'side':'supervisor','state':'talking'");
	SHOWS(&sim, "'assistant':{'id':'22'");
	caller(&sim, 7, "'code':'Disconnected'");
	agent(&sim, 8, "'code':'Disconnected'");
	sim_pass(&sim, 2100);
	assert_true(session_ended(sim.s));
	done(&sim);
}

#define SUE "'extensionId':'40','direction':'Outbound','from':{'extensionId':'40'},"
#define GUEST "'direction':'Inbound','to':{'phoneNumber':'+15550777','name':'Gus'},"

/* Who listens with a telephone of ours may be all that we are told of. */
static void nobody_but_supervisors(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	event(&sim, 2, 3, SUE, "'code':'Answered','reason':'Supervising'", "");
	event(&sim, 3, 4, SUE, "'code':'Answered','reason':'Supervising'", "");
	sim_pass(&sim, 5000);
	assert_false(session_ended(sim.s));
	event(&sim, 5, 4, SUE, "'code':'Disconnected'", "");
	sim_pass(&sim, 4000);
	assert_false(session_ended(sim.s));
	event(&sim, 6, 3, SUE, "'code':'Disconnected'", "");
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	char at[32];
	iso(at, 9000);
	at[19] = 0; /* when the last of them went */
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", at, NULL), 1);
	done(&sim);
}

/* The customer is the first outside, not the first by id or by arrival; of ours the one who took
 * over last. */
static void who_is_who(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	event(&sim, 20, 1, GUEST, "'code':'Answered'", "");
	event(&sim, 2, 9, CALLER TO_US, "'code':'Setup'", "");
	SHOWS(&sim, "'customer':{'number':'+15550199','name':'Carl'}");
	agent(&sim, 21, "'code':'Answered'");
	event(&sim, 22, 3, AGENT("3"), "'code':'Answered'", "");
	SHOWS(&sim, "'assistant':{'id':'23'"); /* of the same moment: by id */
	done(&sim);
	/* Its agent's voicemail is still his. */
	sim_init(&sim, RC);
	caller(&sim, 2, "'code':'Setup'");
	agent(&sim, 3, "'code':'Proceeding'");
	agent(&sim, 4, "'code':'VoiceMail'");
	SHOWS(&sim, "'side':'system'");
	SHOWS(&sim, "'assistant':{'id':'22'");
	event(&sim, 5, 3, AGENT("3"), "'code':'Proceeding'", "");
	caller(&sim, 6, "'code':'Disconnected'");
	agent(&sim, 7, "'code':'Disconnected'");
	/* A leg of the mailbox that fails later is not why. */
	event(&sim, 8, 3, AGENT("3"), "'code':'Disconnected','reason':'InternalError'", "");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'voicemail'");
	done(&sim);
}

/* --- hand-overs --- */

static void hand_over(struct sim *sim)
{
	begin(sim, ASKS);
	caller(sim, 6, "'code':'Disconnected'");
	sim_pass(sim, 100);
	agent(sim, 7, "'code':'Disconnected','reason':'BlindTransfer'");
}

static void who_is_handed_over_is_waited_for(void **state)
{
	struct sim sim;
	(void)state;
	hand_over(&sim);
	sim_pass(&sim, 9000);
	assert_false(session_ended(sim.s));
	event(&sim, 8, 3, AGENT("3"), "'code':'Answered'", "");
	sim_pass(&sim, 60000);
	assert_false(session_ended(sim.s));
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	SHOWS(&sim, "'assistant':{'id':'23','name':'Ann 3'");
	done(&sim);
}

#define BOTH_GONE                                               \
	"{'id':'s-1','parties':[{'id':'p-1'," CALLER TO_US      \
	"'status':{'code':'Disconnected'}},{'id':'p-2'," AGENT( \
		"2") "'status':{'code':"                        \
		     "'Disconnected','reason':'BlindTransfer'}}]}"

static void then_the_platform_is_asked(void **state)
{
	static const struct {
		int status;
		const char *body;
		bool ends;
	} answers[] = { { 404, "{}", true },
			{ 200, BOTH_GONE, true },
			{ 200,
			  "{'id':'s-1','parties':[{'id':'p-4'," AGENT("4") "'status':{'code':"
									   "'Answered'}}]}",
			  false } };
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct sim sim;
		hand_over(&sim);
		sim_pass(&sim, 11000);
		assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 1);
		assert_false(session_ended(sim.s));
		sim_intent(&sim, 0);
		sim_answered(&sim, 0, answers[i].status, answers[i].body);
		sim_pass(&sim, 5000);
		assert_int_equal(session_ended(sim.s), answers[i].ends);
		if (answers[i].ends)
			SHOWS(&sim, "'ended_reason':'customer-hung-up'");
		else
			SHOWS(&sim, "'party_id':'p-4'");
		done(&sim);
	}
}

static void who_comes_after_the_end_revives_it(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	caller(&sim, 6, "'code':'Disconnected'");
	agent(&sim, 7, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	event(&sim, 8, 3, AGENT("3"), "'code':'Answered'", "");
	assert_false(session_ended(sim.s));
	SHOWS(&sim, "'status':'in-progress'");
	SHOWS(&sim, "revived");
	sim_pass(&sim, 7000);
	event(&sim, 9, 3, AGENT("3"), "'code':'Disconnected'", "");
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'duration_ms':20000");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'revision':true", NULL), 1);
	done(&sim);
}

/* The call ended as far as anybody knew; what comes late tells when and why. */
static void the_end_is_revised(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	sim_pass(&sim, 60000);
	caller(&sim, 6, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'cancelled'");
	struct buf b AUTO_BUF = { 0 };
	char at[32];
	iso(at, 30000);
	buf_printf(
		&b,
		"{'event':'/restapi/v1.0/account/10/telephony/sessions','body':{'sequence':4,"
		"'telephonySessionId':'s-1','eventTime':'%s','parties':[{'id':'p-1'," CALLER TO_US
		"'status':{'code':'Answered'}}]}}",
		at);
	post(&sim, buf_z(&b));
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	SHOWS(&sim, "'duration_ms':30000");
	SHOWS(&sim, "late_messages");
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'revision':true", NULL), 1);
	done(&sim);
}

/* --- what is asked --- */

static void resync(struct sim *sim, bool found, const char *body)
{
	struct buf b AUTO_BUF = { 0 };
	char at[32];
	iso(at, now_ms(sim) / 1000 * 1000);
	buf_printf(
		&b,
		"{'callmend':'resync','source_event':'telephony/sessions','id':'s-1','date':'%s',"
		"'found':%s,'body':%s}",
		at, found ? "true" : "false", body);
	post(sim, buf_z(&b));
}

static void what_was_lost_is_asked_for(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	resync(&sim, true, BOTH_GONE);
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 2);
	resync(&sim, true, BOTH_GONE); /* no news */
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 2);
	sim_pass(&sim, 12000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	/* The earliest answer that saw them gone says when, until an event does. */
	SHOWS(&sim, "'duration_ms':10000");
	resync(&sim, true, BOTH_GONE);
	SHOWS(&sim, "'duration_ms':10000");
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 2);
	done(&sim);
}

#define BOTH_TALK                                                                            \
	"{'id':'s-1','parties':[{'id':'p-1'," CALLER TO_US "'status':{'code':'Answered'}},{" \
	"'id':'p-2'," AGENT("2") "'status':{'code':'Answered'}}]}"

#define WITH_AGENT(more)                                                                     \
	"{'id':'s-1','parties':[{'id':'p-1'," CALLER TO_US "'status':{'code':'Answered'}},{" \
	"'id':'p-2'," AGENT("2") "'status':{'code':'Answered'}" more "}]}"

#define AGENT_ALONE \
	"{'id':'s-1','parties':[{'id':'p-2'," AGENT("2") "'status':{'code':'Answered'}}]}"

/* An answer names all who are there. */
static void who_is_left_out_is_gone(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	event(&sim, 6, 3, AGENT("3"), "'code':'Answered'", "");
	sim_pass(&sim, 4000); /* too new to be in every answer */
	resync(&sim, true, AGENT_ALONE);
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'party'", "'party_id':'p-1'", "'state':'left'",
				   "'reason':'not-found'", "'offset_ms':14000", NULL),
			 1);
	sim_pass(&sim, 6000);
	resync(&sim, true, AGENT_ALONE);
	assert_int_equal(sim_count(&sim, "'party_id':'p-3'", "'reason':'not-found'", NULL), 1);
	resync(&sim, true, AGENT_ALONE); /* no news */
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 2);
	assert_false(session_ended(sim.s));
	agent(&sim, 9, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	SHOWS(&sim, "'duration_ms':20000");
	done(&sim);
}

static void who_was_left_out_comes_back_by_a_newer_word(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	resync(&sim, true, AGENT_ALONE);
	sim_pass(&sim, 3000);
	caller(&sim, 7, "'code':'Hold'");
	assert_int_equal(sim_count(&sim, "'party_id':'p-1'", "'state':'held'", NULL), 1);
	resync(&sim, true, BOTH_TALK);
	agent(&sim, 8, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	assert_false(session_ended(sim.s));
	resync(&sim, true, "{'id':'s-1','parties':[{'status':{}}]}"); /* somebody without a name */
	sim_pass(&sim, 3000);
	assert_false(session_ended(sim.s));
	sim_pass(&sim, 3000);
	resync(&sim, true, "{'id':'s-1','parties':[]}"); /* nobody is there */
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'not-found'");
	done(&sim);
}

/* What an answer knows of a party that stands as before is news, too, and not late. */
static void an_answer_tells_what_was_missed(void **state)
{
	static const char *const mores[] = { WITH_AGENT(",'muted':true"),
					     WITH_AGENT(",'muted':true,'recordings':[{'id':'r-1',"
							"'active':true}]"),
					     WITH_AGENT(",'muted':true,'recordings':[{'id':'r-1',"
							"'active':true}]") };
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	for (size_t i = 0; i < 3; i++) {
		sim_pass(&sim, 5000);
		resync(&sim, true, mores[i]);
	}
	assert_int_equal(sim_count(&sim, "'type':'party'", "'snapshot':true", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'party'", "'muted':true", "'late'", NULL), 0);
	assert_int_equal(
		sim_count(&sim, "'type':'party'", "'recording':{'id':'r-1','on':true}", NULL), 1);
	SHOWS(&sim, "'muted':true");
	/* What is older than the answer is late, also when the party stands as it says. */
	char text[1024], at[32];
	iso(at, now_ms(&sim) - 12000);
	snprintf(text, sizeof(text),
		 "{'event':'/restapi/v1.0/account/10/telephony/sessions','body':{'sequence':7,"
		 "'telephonySessionId':'s-1','eventTime':'%s','parties':[{'accountId':'10','id':"
		 "'p-2'," AGENT("2") "'status':{'code':'Answered'},'muted':false}]}}",
		 at);
	post(&sim, text);
	SHOWS(&sim, "'muted':true");
	assert_int_equal(sim_count(&sim, "'type':'party'", "'muted':false", "'late':true", NULL),
			 1);
	done(&sim);
}

/* An answer that lags behind its own time brings nobody back; and what it says of the same second
 * is no news against an event. */
static void an_answer_may_lag(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	event(&sim, 6, 2, AGENT("2"), "'code':'Answered'", ",'muted':true");
	sim_pass(&sim, 1000);
	resync(&sim, true, BOTH_TALK);
	SHOWS(&sim, "'muted':true");
	caller(&sim, 7, "'code':'Disconnected'");
	agent(&sim, 8, "'code':'Disconnected'");
	sim_pass(&sim, 1900);
	resync(&sim, true, BOTH_TALK);
	sim_pass(&sim, 5000);
	assert_true(session_ended(sim.s));
	resync(&sim, true, BOTH_TALK);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	done(&sim);
}

static void the_platform_does_not_know_it(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	resync(&sim, false, "{'errorCode':'CMN-102'}");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'not-found','ended_class':'lost'");
	assert_int_equal(sim_count(&sim, "'type':'party'", "'reason':'not-found'", NULL), 2);
	agent(&sim, 9, "'code':'Hold'"); /* but it lives */
	assert_false(session_ended(sim.s));
	done(&sim);
}

/* Known by answers only: the first by id. */
static void the_first_of_an_answer(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	resync(&sim, true,
	       "{'id':'s-1','parties':[{'id':'p-4'," GUEST "'status':{'code':'Answered'}},{'id':"
	       "'p-1'," CALLER TO_US "'status':{'code':'Answered'}}]}");
	SHOWS(&sim, "'customer':{'number':'+15550199','name':'Carl'}");
	done(&sim);
}

/* What comes late of somebody new, from before the platform forgot it, brings nobody back; what is
 * later does. */
static void late_news_of_a_forgotten_call(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	resync(&sim, false, "{}");
	sim_pass(&sim, 60000);
	resync(&sim, false, "{}");
	assert_true(session_ended(sim.s));
	int64_t now_us = sim.now_us;
	char at[32], text[1024];
	iso(at, now_ms(&sim) - 30000);
	snprintf(text, sizeof(text),
		 "{'event':'/restapi/v1.0/account/10/telephony/sessions','body':{'sequence':9,"
		 "'telephonySessionId':'s-1','eventTime':'%s','parties':[{'id':'p-3'," AGENT(
			 "3") "'status':{'code':'Answered'}}]}}",
		 at);
	post(&sim, text);
	assert_int_equal(sim.now_us, now_us);
	assert_true(session_ended(sim.s));
	sim_pass(&sim, 2000);
	event(&sim, 10, 4, AGENT("4"), "'code':'Answered'", "");
	assert_false(session_ended(sim.s));
	done(&sim);
}

static void silence_is_asked_about(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, ASKS ",'idle_close_ms':60000");
	sim_pass(&sim, 70000);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 1);
	sim_answered(&sim, 0, 404, "{}");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'not-found'");
	assert_int_equal(sim_count(&sim, "'type':'call.lost'", NULL), 0);
	done(&sim);
}

/* It counts as of its arrival, on the platform's clock: here three seconds ahead of ours. */
static void an_answer_without_a_time(void **state)
{
	struct sim sim;
	char text[1024], at[32];
	(void)state;
	sim_init(&sim, ASKS ",'idle_close_ms':2000");
	iso(at, now_ms(&sim) + 3000);
	snprintf(text, sizeof(text),
		 "{'event':'/restapi/v1.0/account/10/telephony/sessions','timestamp':'%s','body':{"
		 "'sequence':4,'telephonySessionId':'s-1','eventTime':'%s','parties':[{'id':'p-2'"
		 "," AGENT("2") "'status':{'code':'Answered'}}]}}",
		 at, at);
	post(&sim, text);
	sim_pass(&sim, 2500);
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 1);
	sim_answered(
		&sim, 0, 200,
		"{'id':'s-1','parties':[{'id':'p-2'," AGENT("2") "'status':{'code':'Hold'}}]}");
	SHOWS(&sim, "'state':'held'");
	done(&sim);
}

static void presence_counts_where_nothing_else_does(void **state)
{
	static const char presence[] =
		"{'event':'/restapi/v1.0/account/10/extension/22/presence','timestamp':'%s','body':"
		"{'extensionId':'22','activeCalls':[{'telephonySessionId':'s-1','direction':"
		"'Inbound','from':'+15550199','to':'+15550001','telephonyStatus':'%s'}]}}";
	struct sim sim;
	char text[512], at[32];
	(void)state;
	sim_init(&sim, RC);
	iso(at, 0);
	snprintf(text, sizeof(text), presence, at, "Ringing");
	post(&sim, text);
	SHOWS(&sim, "'status':'ringing'");
	agent(&sim, 4, "'code':'Answered'");
	SHOWS(&sim, "'status':'in-progress'");
	iso(at, 10);
	snprintf(text, sizeof(text), presence, at, "NoCall");
	post(&sim, text);
	assert_false(session_ended(sim.s));
	done(&sim);
}

/* --- commands --- */

static void accept(struct sim *sim)
{
	size_t last = sim->effects_n - 1;
	sim_intent(sim, last);
	sim_answered(sim, last, 200, "{}");
}

static void commands_show_in_the_parties(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	assert_int_equal(sim_command(&sim, 1, "'verb':'hold'"), 0);
	accept(&sim);
	assert_true(sim_command_is(&sim, 1, "accepted"));
	sim_pass(&sim, 300);
	agent(&sim, 6, "'code':'Hold'");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_command(&sim, 2, "'verb':'unhold'");
	accept(&sim);
	sim_pass(&sim, 300);
	agent(&sim, 7, "'code':'Answered'");
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	sim_command(&sim, 3, "'verb':'mute','target':'customer'");
	accept(&sim);
	sim_pass(&sim, 300);
	event(&sim, 8, 1, CALLER TO_US, "'code':'Answered'", ",'muted':true");
	assert_true(sim_command_is(&sim, 3, "effect_seen"));
	SHOWS(&sim, "'muted':true");
	sim_command(&sim, 4, "'verb':'monitor','destination':{'type':'device','id':'d9'}");
	accept(&sim);
	sim_pass(&sim, 300);
	event(&sim, 9, 5, "'extensionId':'40','direction':'Outbound',",
	      "'code':'Answered','reason':'Supervising'", "");
	assert_true(sim_command_is(&sim, 4, "effect_seen"));
	event(&sim, 10, 7, AGENT("7"), "'code':'Proceeding'", "");
	sim_pass(&sim, 300);
	sim_command(&sim, 5,
		    "'verb':'transfer','destination':{'type':'extension','extension':'101'}");
	accept(&sim);
	sim_pass(&sim, 300);
	/* Somebody who was called before is not whom it goes to. */
	event(&sim, 11, 7, AGENT("7"), "'code':'Answered'", "");
	event(&sim, 12, 7, AGENT("7"), "'code':'Disconnected'", "");
	assert_true(sim_command_is(&sim, 5, "accepted"));
	agent(&sim, 15, "'code':'Disconnected','reason':'BlindTransfer'");
	assert_true(sim_command_is(&sim, 5, "effect_seen"));
	event(&sim, 16, 3, AGENT("3"), "'code':'Answered'", "");
	sim_command(&sim, 6, "'verb':'hold'");
	accept(&sim);
	sim_pass(&sim, 11000);
	assert_true(sim_command_is(&sim, 6, "timed_out"));
	sim_command(&sim, 7, "'verb':'end'");
	accept(&sim);
	caller(&sim, 17, "'code':'Disconnected'");
	event(&sim, 18, 3, AGENT("3"), "'code':'Disconnected'", "");
	sim_pass(&sim, 3000);
	assert_true(sim_command_is(&sim, 7, "effect_seen"));
	done(&sim);
}

#define RECORDED(active) ",'recordings':[{'id':'r-9','active':" active "}]"

static void the_platforms_recording_is_paused(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	SHOWS(&sim, "'record-pause':'RingCentral does not record this call just now'");
	SHOWS(&sim, "'hold':true");
	sim_command(&sim, 1, "'verb':'record-pause'");
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	sim_ended(&sim, 0, OUTCOME_NOT_SENT);
	assert_int_equal(sim_count(&sim, "'state':'rejected'",
				   "'error':'RingCentral does not record this call just now; "
				   "connection reset'",
				   NULL),
			 1);
	event(&sim, 6, 2, AGENT("2"), "'code':'Answered'", RECORDED("true"));
	SHOWS(&sim, "'record-pause':true");
	sim_command(&sim, 2, "'verb':'record-pause'");
	sim_answered(&sim, sim_effect(&sim, EFFECT_CONTROL, 0), 200, "{}");
	sim_ended(&sim, sim_effect(&sim, EFFECT_RECORDER, 1), OUTCOME_NOT_SENT);
	assert_true(sim_command_is(&sim, 2, "accepted"));
	event(&sim, 7, 2, AGENT("2"), "'code':'Answered'", RECORDED("false"));
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	/* Of one who is gone nothing is recorded. */
	agent(&sim, 8, "'code':'Disconnected'");
	SHOWS(&sim, "'record-resume':'RingCentral does not record this call just now'");
	done(&sim);
}

/* The platform's clock reads what ours does: its news are 100 ms older than their arrival. */
static void an_effect_may_come_at_once(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	sim_command(&sim, 1, "'verb':'hold'");
	accept(&sim);
	sim.now_us -= 100 * MS_US;
	char at[32];
	iso(at, now_ms(&sim));
	sim.now_us += 100 * MS_US;
	char text[1024];
	snprintf(text, sizeof(text),
		 "{'uuid':'6','event':'/restapi/v1.0/account/10/telephony/"
		 "sessions','timestamp':'%s',"
		 "'body':{'sequence':6,'telephonySessionId':'s-1','eventTime':'%s','parties':[{"
		 "'accountId':'10','id':'p-2'," AGENT("2") "'status':{'code':'Hold'}}]}}",
		 at, at);
	post(&sim, text);
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	done(&sim);
}

static void what_cannot_be_is_refused(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	caller(&sim, 2, "'code':'Setup'");
	sim_command(&sim, 1, "'verb':'hold'"); /* nobody of ours is there */
	sim_command(&sim, 2, "'verb':'say','text':'hello'");
	sim_command(&sim, 3, "'verb':'barge','destination':{'type':'device','id':'d9'}");
	sim_command(&sim, 4, "'verb':'send-text','text':'hello'");
	for (unsigned n = 1; n <= 4; n++)
		assert_true(sim_command_is(&sim, n, "rejected"));
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	assert_int_equal(sim_count(&sim, "'type':'command'", "no way to speak", NULL), 1);
	agent(&sim, 3, "'code':'Answered'");
	sim_command(&sim, 5, "'verb':'hold'");
	sim_answered(&sim, 0, 403,
		     "{'errorCode':'InsufficientPermissions','message':'Forbidden','errors':[{"
		     "'errorCode':'CMN-401','message':'Application needs [CallControl]'}]}");
	assert_int_equal(sim_count(&sim, "'type':'command'",
				   "answered 403: Application needs [CallControl] (CMN-401)", NULL),
			 1);
	done(&sim);
}

/* Nobody has told us that the session has gone: 404 says so, and what there is to know is asked. */
static void ending_what_has_gone(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, ASKS);
	sim_command(&sim, 1, "'verb':'end'");
	sim_intent(&sim, 0);
	sim_answered(&sim, 0, 404, "{'errorCode':'TAS-102','message':'no such session'}");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 1);
	sim_answered(&sim, sim_effect(&sim, EFFECT_RECONCILE, 0), 404, "{}");
	sim_pass(&sim, 3000);
	assert_true(session_ended(sim.s));
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_command(&sim, 2, "'verb':'hold'");
	assert_true(sim_command_is(&sim, 2, "rejected"));
	done(&sim);
}

static void what_else_is_not_there_is_refused(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, ASKS);
	sim_command(&sim, 1, "'verb':'hold'");
	sim_answered(&sim, 0, 404, "{}");
	assert_true(sim_command_is(&sim, 1, "rejected"));
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	done(&sim);
}

/* --- texts --- */

static void text_in(struct sim *sim, const char *id, const char *words)
{
	char json[1024], at[32];
	iso(at, now_ms(sim));
	snprintf(json, sizeof(json),
		 "{'event':'/restapi/v1.0/account/10/extension/22/message-store/instant?type=SMS',"
		 "'timestamp':'%s','body':{'id':'%s','to':[{'phoneNumber':'+15550001'}],'from':{"
		 "'phoneNumber':'+15550199'},'direction':'Inbound','creationTime':'%s','subject':"
		 "'%s','messageStatus':'Received','conversation':{'id':'77'}}}",
		 at, id, at, words);
	post(sim, json);
}

/* Told of a conversation that was forgotten: what became of one of its texts. */
static void of_a_known_text_the_state_is_told(void **state)
{
	struct sim sim;
	char json[1024], at[32];
	(void)state;
	sim_init(&sim, RC);
	iso(at, 0);
	snprintf(json, sizeof(json),
		 "{'callmend':'resync','source_event':'message-store','date':'%s','found':true,"
		 "'known':true,'body':{'id':'1','from':{'phoneNumber':'+15550001'},'to':[{"
		 "'phoneNumber':'+15550199'}],'direction':'Outbound','creationTime':'%s','subject':"
		 "'Your table is free.','messageStatus':'Delivered','conversation':{'id':'77'}}}",
		 at, at);
	post(&sim, json);
	assert_int_equal(sim_count(&sim, "'type':'text.delivery'", "'message_id':'1'",
				   "'state':'delivered'", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'message'", NULL), 0);
	SHOWS(&sim, "'live':false");
	done(&sim);
}

static void texts_are_a_conversation(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC ",'text_close_ms':600000,'idle_close_ms':60000,'reconcile':true");
	text_in(&sim, "1", "Is my table free?");
	SHOWS(&sim, "'kind':'sms','status':'in-progress'");
	SHOWS(&sim, "'customer':{'number':'+15550199'");
	assert_int_equal(
		sim_count(&sim, "'type':'message'", "'message_id':'1'", "'speaker':'user'", NULL),
		1);
	sim_pass(&sim, 500000);
	text_in(&sim, "1", "Is my table free?"); /* again */
	text_in(&sim, "2", "Hello?");
	assert_int_equal(sim_count(&sim, "'type':'message'", NULL), 2);
	sim_pass(&sim, 590000);
	assert_false(session_ended(sim.s));
	sim_pass(&sim, 20000);
	assert_true(session_ended(sim.s));
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	SHOWS(&sim, "'ended_reason':'idle','ended_class':'other'");
	SHOWS(&sim, "'duration_ms':500000");
	text_in(&sim, "3", "Still there?"); /* while it lingers */
	assert_false(session_ended(sim.s));
	SHOWS(&sim, "'status':'in-progress'");
	sim_pass(&sim, 700000);
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", "'revision':true", NULL), 1);
	done(&sim);
}

static void answer_text(struct sim *sim, const char *id, const char *status, const char *more)
{
	char json[1024], at[32];
	iso(at, now_ms(sim));
	snprintf(json, sizeof(json),
		 "{'id':'%s','to':[{'phoneNumber':'+15550199'}],'from':{'phoneNumber':'+15550001'},"
		 "'direction':'Outbound','creationTime':'%s','subject':'Yes.','messageStatus':'%s'%"
		 "s,"
		 "'conversation':{'id':'77'}}",
		 id, at, status, more);
	if (sim->effects_n && strcmp(status, "Queued") == 0) {
		sim_intent(sim, sim->effects_n - 1);
		sim_answered(sim, sim->effects_n - 1, 200, json);
		return;
	}
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b,
		   "{'callmend':'resync','source_event':'message-store','date':'%s',"
		   "'found':true,'body':%s}",
		   at, json);
	post(sim, buf_z(&b));
}

static void texts_are_sent_and_delivered(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	text_in(&sim, "1", "Is my table free?");
	sim_command(&sim, 1, "'verb':'hold'");
	assert_true(sim_command_is(&sim, 1, "rejected"));
	sim_command(&sim, 2, "'verb':'send-text','text':'Yes.'");
	answer_text(&sim, "9", "Queued", "");
	assert_true(sim_command_is(&sim, 2, "accepted"));
	assert_int_equal(sim_count(&sim, "'type':'message'", "'speaker':'ai'", "Yes.", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'text.delivery'", "'state':'queued'", NULL), 1);
	answer_text(&sim, "8", "Delivered", ""); /* another one */
	assert_true(sim_command_is(&sim, 2, "accepted"));
	answer_text(&sim, "9", "Delivered", "");
	answer_text(&sim, "9", "Delivered", "");
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	assert_int_equal(sim_count(&sim, "'type':'text.delivery'", "'message_id':'9'",
				   "'state':'delivered'", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'message'", "'message_id':'9'", NULL), 1);
	sim_command(&sim, 3, "'verb':'send-text','text':'Yes.'");
	answer_text(&sim, "10", "Queued", "");
	answer_text(&sim, "10", "SendingFailed", ",'deliveryErrorCode':'SMS-CAR-413'");
	assert_true(sim_command_is(&sim, 3, "rejected"));
	assert_int_equal(sim_count(&sim, "'type':'command'", "not delivered: SMS-CAR-413", NULL),
			 1);
	done(&sim);
}

static void begin_text(struct sim *sim)
{
	struct buf first AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct span name;
	ringcentral_dialect.begin_text(SPAN("+15550001"), SPAN("+15550199"), &a, &name, &first);
	post(sim, buf_z(&first));
	arena_fini(&a);
}

static void we_write_first(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC ",'text_close_ms':600000");
	begin_text(&sim);
	SHOWS(&sim, "'kind':'sms','status':'in-progress'");
	SHOWS(&sim, "'customer':{'number':'+15550199'");
	SHOWS(&sim, "'phone_number':'+15550001'");
	sim_command(&sim, 1, "'verb':'send-text','text':'Yes.'");
	answer_text(&sim, "9", "Queued", "");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	SHOWS(&sim, "'provider_call_id':'77'");
	answer_text(&sim, "9", "Delivered", "");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	text_in(&sim, "1", "Who is there?");
	assert_int_equal(sim_count(&sim, "'type':'message'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'call.started'", NULL), 1);
	sim_pass(&sim, 700000);
	assert_true(session_ended(sim.s));
	begin_text(&sim); /* while it lingers */
	assert_false(session_ended(sim.s));
	sim_command(&sim, 2, "'verb':'send-text','text':'Yes.'");
	assert_false(sim_command_is(&sim, 2, "rejected"));
	done(&sim);
}

/* Nothing was sent: it is over like any other. */
static void we_write_first_in_vain(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC ",'text_close_ms':600000");
	begin_text(&sim);
	sim_command(&sim, 1, "'verb':'send-text','text':'Yes.'");
	sim_intent(&sim, sim.effects_n - 1);
	sim_answered(&sim, sim.effects_n - 1, 403, "{}");
	assert_true(sim_command_is(&sim, 1, "rejected"));
	sim_pass(&sim, 700000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'idle'");
	assert_int_equal(sim_effects(&sim, EFFECT_RECONCILE), 0);
	done(&sim);
}

/* --- afterwards --- */

#define INSIGHTS                                                                                   \
	"{'uuid':'i1','event':'/ai/ringsense/v1/public/accounts/10/domains/pbx/insights','body':{" \
	"'domain':'pbx','sourceSessionId':'s-1','sourceRecordId':'r1','insights':{'Summary':[{"    \
	"'value':'Booked.'}],'NextSteps':[]}}}"

static void insights_come_afterwards(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	caller(&sim, 6, "'code':'Disconnected'");
	agent(&sim, 7, "'code':'Disconnected'");
	sim_pass(&sim, 300000);
	post(&sim, INSIGHTS);
	post(&sim, INSIGHTS);
	assert_int_equal(sim_count(&sim, "'type':'insight'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'insight'", "'kind':'summary'", "Booked.", NULL),
			 1);
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	done(&sim);
}

/* The call has been forgotten here: nothing is claimed about how it went, and nobody waits. */
static void insights_of_a_call_nobody_remembers(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, ASKS);
	post(&sim, INSIGHTS);
	assert_true(session_ended(sim.s));
	assert_true(session_deadline(sim.s) == INT64_MAX);
	SHOWS(&sim, "'status':null,'live':false");
	SHOWS(&sim, "'ended_reason':null,'ended_class':null");
	sim_pass(&sim, 700000);
	assert_true(session_expired(sim.s, sim.now_us));
	assert_int_equal(sim_count(&sim, "'type':'call.ended'", NULL), 0);
	agent(&sim, 4, "'code':'Answered'"); /* it was early, not late */
	assert_false(session_ended(sim.s));
	done(&sim);
}

static void parties_are_bounded(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	for (int i = 0; i < 60; i++) {
		event(&sim, 10 + 2 * i, 10 + i, AGENT("7"), "'code':'Setup'", "");
		sim_pass(&sim, 100);
		event(&sim, 11 + 2 * i, 10 + i, AGENT("7"),
		      "'code':'Disconnected','reason':'NoAnswer'", "");
	}
	SHOWS(&sim, "older_parties_dropped");
	SHOWS(&sim, "'party_id':'p-1'"); /* who is there stays */
	SHOWS(&sim, "'parties_dropped':30");
	event(&sim, 10, 10, AGENT("7"), "'code':'Answered'", ""); /* must not come back */
	assert_false(sim_shows(&sim, "'party_id':'p-10'"));
	assert_true(session_bytes(sim.s) < 64 * 1024);
	caller(&sim, 500, "'code':'Disconnected'");
	agent(&sim, 501, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'ended_reason':'customer-hung-up'");
	SHOWS(&sim, "'duration_ms':16000");
	for (int i = 0; i < 40; i++) /* all of them there */
		event(&sim, 600 + i, 200 + i, AGENT("8"), "'code':'Answered'", "");
	assert_false(session_ended(sim.s));
	done(&sim);
}

/* Who has talked and was dropped since still says when the call began. */
static void who_was_dropped_has_talked(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	caller(&sim, 2, "'code':'Proceeding'");
	sim_pass(&sim, 1000);
	agent(&sim, 3, "'code':'Answered'");
	sim_pass(&sim, 1000);
	agent(&sim, 4, "'code':'Disconnected','reason':'BlindTransfer'");
	for (int i = 0; i < 40; i++) {
		sim_pass(&sim, 100);
		event(&sim, 10 + 2 * i, 10 + i, AGENT("7"), "'code':'Setup'", "");
		event(&sim, 11 + 2 * i, 10 + i, AGENT("7"), "'code':'Disconnected'", "");
	}
	assert_false(sim_shows(&sim, "'party_id':'p-2'"));
	SHOWS(&sim, "'status':'in-progress'");
	event(&sim, 400, 90, AGENT("9"), "'code':'Answered'", "");
	event(&sim, 401, 90, AGENT("9"), "'code':'Disconnected'", "");
	sim_pass(&sim, 2000);
	caller(&sim, 500, "'code':'Disconnected'");
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'duration_ms':7000");
	done(&sim);
}

static void which_way_it_went(void **state)
{
	static const char ours[] = "'extensionId':'22','direction':'Outbound','from':{"
				   "'phoneNumber':'+15550001','extensionId':'22'},";
	static const char theirs[] = "'direction':'Inbound','to':{'phoneNumber':'+15550199'},"
				     "'from':{'phoneNumber':'+15550001','extensionId':'22'},";
	struct sim sim;
	(void)state;
	begin(&sim, RC);
	SHOWS(&sim, "'kind':'inbound'");
	done(&sim);
	sim_init(&sim, RC);
	event(&sim, 2, 1, ours, "'code':'Setup'", "");
	SHOWS(&sim, "'kind':'outbound'");
	event(&sim, 3, 2, theirs, "'code':'Proceeding'", "");
	SHOWS(&sim, "'kind':'outbound'");
	SHOWS(&sim, "'customer':{'number':'+15550199'");
	SHOWS(&sim, "'phone_number':'+15550001'");
	done(&sim);
	sim_init(&sim, RC); /* an extension alone, that is called */
	agent(&sim, 2, "'code':'Proceeding'");
	SHOWS(&sim, "'kind':'inbound'");
	SHOWS(&sim, "'customer':{'number':'+15550199'");
	done(&sim);
}

/* As captured streams have it: the caller's own words bring no name until the end. */
static void the_colleague_sees_the_name(void **state)
{
	static const char from[] =
		"'direction':'Outbound','from':{'phoneNumber':'+15550199'}," TO_US;
	static const char to[] = "'direction':'Inbound','extensionId':'22','to':{'phoneNumber':"
				 "'+15550001','name':'Ann','extensionId':'22'},'from':{"
				 "'phoneNumber':'+15550199','name':'CARL CALLER'},";
	struct sim sim;
	(void)state;
	sim_init(&sim, RC);
	event(&sim, 2, 1, from, "'code':'Setup'", "");
	SHOWS(&sim, "'customer':{'number':'+15550199','name':null}");
	event(&sim, 3, 2, to, "'code':'Proceeding'", "");
	SHOWS(&sim, "'customer':{'number':'+15550199','name':'CARL CALLER'}");
	caller(&sim, 4, "'code':'Disconnected'"); /* its own words tell better */
	SHOWS(&sim, "'customer':{'number':'+15550199','name':'Carl'}");
	done(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_rings_runs_and_ends),
		cmocka_unit_test(where_it_stands_when_nobody_answers),
		cmocka_unit_test(reasons_and_classes),
		cmocka_unit_test(calls_among_ourselves),
		cmocka_unit_test(it_lives_on_in_another_session),
		cmocka_unit_test(late_repeated_and_unknown_words),
		cmocka_unit_test(a_supervisor_does_not_count),
		cmocka_unit_test(who_is_who),
		cmocka_unit_test(nobody_but_supervisors),
		cmocka_unit_test(who_is_handed_over_is_waited_for),
		cmocka_unit_test(then_the_platform_is_asked),
		cmocka_unit_test(who_comes_after_the_end_revives_it),
		cmocka_unit_test(the_end_is_revised),
		cmocka_unit_test(what_was_lost_is_asked_for),
		cmocka_unit_test(an_answer_may_lag),
		cmocka_unit_test(who_is_left_out_is_gone),
		cmocka_unit_test(who_was_left_out_comes_back_by_a_newer_word),
		cmocka_unit_test(an_answer_tells_what_was_missed),
		cmocka_unit_test(an_answer_without_a_time),
		cmocka_unit_test(the_platform_does_not_know_it),
		cmocka_unit_test(late_news_of_a_forgotten_call),
		cmocka_unit_test(the_first_of_an_answer),
		cmocka_unit_test(silence_is_asked_about),
		cmocka_unit_test(presence_counts_where_nothing_else_does),
		cmocka_unit_test(commands_show_in_the_parties),
		cmocka_unit_test(ending_what_has_gone),
		cmocka_unit_test(what_else_is_not_there_is_refused),
		cmocka_unit_test(the_platforms_recording_is_paused),
		cmocka_unit_test(an_effect_may_come_at_once),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(texts_are_a_conversation),
		cmocka_unit_test(of_a_known_text_the_state_is_told),
		cmocka_unit_test(texts_are_sent_and_delivered),
		cmocka_unit_test(we_write_first),
		cmocka_unit_test(we_write_first_in_vain),
		cmocka_unit_test(insights_come_afterwards),
		cmocka_unit_test(insights_of_a_call_nobody_remembers),
		cmocka_unit_test(the_colleague_sees_the_name),
		cmocka_unit_test(parties_are_bounded),
		cmocka_unit_test(who_was_dropped_has_talked),
		cmocka_unit_test(which_way_it_went),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
