/* What is heard of a call: facts become events and measures, once, in whatever order they come. */
#include <stdio.h>
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/c'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
}

/* One fact at `ms` of the simulation; leg 0 is the caller, 1 the assistant. */
static struct heard fact(enum heard_kind kind, unsigned leg, int64_t ms)
{
	return (struct heard){ .kind = kind,
			       .leg = leg,
			       .speaker = leg ? SPEAKER_AI : SPEAKER_USER,
			       .at_us = SIM_START_US + ms * MS_US };
}

static void hear_all(struct sim *sim, const char *stream, const struct heard *facts, size_t n)
{
	struct buf b AUTO_BUF = { 0 };
	heard_write(span_of(stream), facts, n, &b);
	if (sim_apply(sim, RECORD_HEARD, buf_span(&b)))
		fail_msg("%s", sim->fault.text);
}

static void hear(struct sim *sim, enum heard_kind kind, unsigned leg, int64_t ms)
{
	struct heard h = fact(kind, leg, ms);
	if (SIM_START_US + ms * MS_US > sim->now_us)
		sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	hear_all(sim, "s1", &h, 1);
}

static void attach(struct sim *sim)
{
	struct heard h[2] = { fact(HEARD_ATTACHED, 0, 0), fact(HEARD_ATTACHED, 1, 0) };
	for (int i = 0; i < 2; i++) {
		h[i].name = SPAN("twilio");
		h[i].text = SPAN("pcmu");
		h[i].value = 8000;
	}
	hear_all(sim, "s1", h, 2);
}

static void speak(struct sim *sim, unsigned leg, int64_t from, int64_t to)
{
	hear(sim, HEARD_SPEECH_STARTED, leg, from);
	hear(sim, HEARD_SPEECH_STOPPED, leg, to);
}

static void check(const struct sim *sim, const char *const *parts, size_t n)
{
	struct buf b AUTO_BUF = { 0 };
	session_snapshot(sim->s, &b);
	for (size_t i = 0; i < n; i++)
		if (!sim_shows(sim, parts[i]))
			fail_msg("%s is not in\n%s", parts[i], buf_z(&b));
}
#define SHOWS(sim, ...)                                  \
	check(sim, (const char *const[]){ __VA_ARGS__ }, \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void a_conversation_is_measured(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	speak(&sim, 1, 1000, 4000);
	speak(&sim, 0, 4500, 6500);
	speak(&sim, 1, 7300, 9000); /* 800 ms later */
	speak(&sim, 0, 9500, 10000);
	speak(&sim, 1, 11500, 12000); /* 1500 ms later */
	speak(&sim, 0, 17000, 18000); /* after 5 s of nothing */
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'talk_ms':{'ai':5200,'user':3500}", "'ai_share_percent':60", "'overlap_ms':0",
	      "'response':{'count':2,'p50_ms':820,'p90_ms':1500,'max_ms':1500}",
	      "'dead_air':{'count':1,'ms':5000,'longest_ms':5000}", "'state':'two_way'",
	      "'barge_ins':{'count':0,'yielded':0}");
	assert_int_equal(sim_count(&sim, "'type':'response'", "'latency_ms':800", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'dead_air'", "'ms':5000", "'after':'ai'",
				   "'before':'user'", NULL),
			 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", "'by':'audio'", NULL), 6);
	assert_int_equal(sim_count(&sim, "'type':'audio.attached'", "'rate_hz':8000", NULL), 2);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void interruptions(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	hear(&sim, HEARD_SPEECH_STARTED, 1, 1000); /* gives way after 600 ms */
	hear(&sim, HEARD_SPEECH_STARTED, 0, 3000);
	hear(&sim, HEARD_SPEECH_STOPPED, 1, 3600);
	hear(&sim, HEARD_SPEECH_STOPPED, 0, 5000);
	hear(&sim, HEARD_SPEECH_STARTED, 1, 6000); /* "mhm" is none */
	speak(&sim, 0, 7000, 7200);
	speak(&sim, 0, 8000, 9000); /* gives way after the caller has stopped */
	hear(&sim, HEARD_SPEECH_STOPPED, 1, 9500);
	hear(&sim, HEARD_SPEECH_STARTED, 1, 11000); /* does not give way */
	speak(&sim, 0, 12000, 14000);
	hear(&sim, HEARD_SPEECH_STOPPED, 1, 18000);
	hear(&sim, HEARD_SPEECH_STARTED, 1, 19000); /* was about to stop anyway */
	hear(&sim, HEARD_SPEECH_STARTED, 0, 20000);
	hear(&sim, HEARD_SPEECH_STOPPED, 1, 20100);
	hear(&sim, HEARD_SPEECH_STOPPED, 0, 21000);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'barge_ins':{'count':3,'yielded':2}", "'backchannels':1",
	      "'yield':{'count':2,'p50_ms':620,'p90_ms':1500,'max_ms':1500}", "'overlap_ms':3900");
	assert_int_equal(sim_count(&sim, "'type':'barge_in'", "'yield_ms':600", NULL), 1);
	assert_int_equal(
		sim_count(&sim, "'type':'barge_in'", "'yielded':false", "'tried_ms':3000", NULL),
		1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void what_is_meant_to_be_silent_is_no_dead_air(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	speak(&sim, 1, 1000, 2000);
	sim_pass(&sim, 500);
	sim_command(&sim, 1, "'verb':'mute'");
	sim_intent(&sim, 0);
	sim_answered(&sim, 0, 200, "");
	sim_pass(&sim, 20000);
	sim_command(&sim, 2, "'verb':'unmute'");
	sim_intent(&sim, 1);
	sim_answered(&sim, 1, 200, "");
	speak(&sim, 1, 24000, 25000);
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'dead_air':{'count':0,'ms':0,'longest_ms':0}");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void hear_silent(struct sim *sim, unsigned leg, int64_t at_ms, int64_t ms)
{
	struct heard h = fact(HEARD_SILENT, leg, at_ms);
	h.ms = ms;
	sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	hear_all(sim, "s1", &h, 1);
}

static void one_way_and_silent(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	speak(&sim, 1, 1000, 2000);
	hear_silent(&sim, 0, 5000, 5000); /* not yet for long enough */
	hear_silent(&sim, 0, 10000, 10000);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'state':'one_way'");
	hear_silent(&sim, 1, 13000, 10000); /* the assistant listens, and has been heard */
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'state':'one_way'");
	hear(&sim, HEARD_SOUND, 0, 20000);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'state':'two_way'", "'one_way_ms':10000", "'silent_ms':0");
	assert_int_equal(sim_count(&sim, "'type':'audio.state'", NULL), 4);
	sim_check_replay(&sim);
	sim_fini(&sim);

	begin(&sim, ""); /* connected, but nothing on either side */
	attach(&sim);
	hear_silent(&sim, 0, 10000, 10000);
	hear_silent(&sim, 1, 10500, 10000);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'state':'silent'");
	sim_fini(&sim);
}

/* The provider tells of speech, too: what is heard counts, and nothing is told twice. */
static void speech_is_told_once(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	sim_pass(&sim, 1100);
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'started','at':1000,'key':5}");
	hear(&sim, HEARD_SPEECH_STARTED, 0, 1150);
	sim_pass(&sim, 900);
	hear(&sim, HEARD_SPEECH_STOPPED, 0, 2000);
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'stopped','at':2100,'key':6},"
			  "{'t':'speech','s':'user','name':'started','at':2900,'key':7}");
	hear(&sim, HEARD_SPEECH_STARTED, 0, 3000);
	sim_webhook(&sim, "{'t':'speech','s':'ai','name':'started','at':3000,'key':8}");
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", "'speaker':'user'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'speech.stopped'", "'speaker':'user'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", "'speaker':'ai'", NULL), 1);
	struct heard old = fact(HEARD_SPEECH_STOPPED, 0, 500); /* told again, late */
	hear_all(&sim, "s1", &old, 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.stopped'", "'speaker':'user'", NULL), 1);
	hear(&sim, HEARD_DETACHED, 0, 5000); /* from here on the provider's word counts again */
	hear(&sim, HEARD_DETACHED, 1, 5000);
	assert_int_equal(sim_count(&sim, "'type':'speech.stopped'", "'speaker':'user'", NULL), 2);
	sim_webhook(&sim, "{'t':'speech','s':'user','name':'started','at':6000,'key':9}");
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", "'speaker':'user'", NULL), 3);
	assert_false(session_ended(sim.s));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* What is heard has our own time: it says nothing of the provider's clock, here 5 s behind ours, by
 * which words and speech are judged as the effect of a command. */
static void a_provider_behind_our_clock(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_pass(&sim, 5000);
	sim_webhook(&sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/c'}},"
			  "{'t':'status','name':'in-progress','at':0,'key':1}");
	hear(&sim, HEARD_ATTACHED, 1, 5100);
	speak(&sim, 1, 5200, 6000);
	sim_command(&sim, 1, "'verb':'say','text':'One moment please'");
	sim_answered(&sim, 0, 200, "");
	sim_pass(&sim, 1000);
	sim_webhook(&sim, "{'t':'transcript','s':'ai','final':true,'text':'One moment, "
			  "please.','at':1900,'key':2}");
	assert_true(sim_command_is(&sim, 1, "effect_seen"));

	sim_command(&sim, 2, "'verb':'unmute'");
	sim_answered(&sim, 1, 200, "");
	hear(&sim, HEARD_SPEECH_STARTED, 1, 6500); /* before it was asked for */
	assert_true(sim_command_is(&sim, 2, "accepted"));
	hear(&sim, HEARD_SPEECH_STOPPED, 1, 8000);
	hear(&sim, HEARD_SPEECH_STARTED, 1, 9000);
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* The platform is an hour behind or ahead: whatever clock times an event, its offset is the same.
 */
static void offsets_do_not_depend_on_the_provider_s_clock(void **state)
{
	static const int hours_ms[] = { -3600000, 0, 3600000 };
	(void)state;
	for (size_t i = 0; i < sizeof(hours_ms) / sizeof(*hours_ms); i++) {
		const int off_ms = hours_ms[i];
		struct sim sim;
		sim_init(&sim, "'silence_ms':4000,'idle_close_ms':30000");
		sim_webhookf(&sim,
			     "{'t':'call','facts':{'id':'c1'}},"
			     "{'t':'status','name':'in-progress','at':%d,'key':1}",
			     off_ms);
		attach(&sim);
		speak(&sim, 0, 1000, 2000);
		speak(&sim, 1, 2700, 3000); /* a response, told when it has settled */
		struct heard said = fact(HEARD_TRANSCRIPT, 0, 1900);
		said.final = true;
		said.text = SPAN("a table for two");
		hear_all(&sim, "s1", &said, 1);
		sim_webhookf(&sim,
			     "{'t':'transcript','s':'ai','final':true,'text':'very well',"
			     "'at':%d,'key':2}",
			     off_ms + 3000);
		sim_pass(&sim, 60000);
		const char *const rows[][2] = {
			{ "'type':'call.started'", "'offset_ms':null" },
			{ "'type':'audio.attached'", "'offset_ms':0" },
			{ "'type':'speech.started'", "'offset_ms':1000" },
			{ "'type':'response'", "'offset_ms':2700" },
			{ "'type':'transcript.final'", "'offset_ms':1900" },
			{ "'type':'transcript.final'", "'offset_ms':3000" },
			{ "'type':'turn'", "'offset_ms':1900" },
			{ "'type':'turn'", "'offset_ms':3000" },
			{ "'type':'silence'", "'offset_ms':7000" },
			{ "'type':'call.lost'", "'offset_ms':33000" },
			{ "'type':'call.ended'", "'offset_ms':3000" },
			{ "'type':'call.ended'", "'duration_ms':3000" },
		};
		for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++)
			if (!sim_count(&sim, rows[k][0], rows[k][1], NULL))
				fail_msg("%d: no %s %s in\n%s", off_ms, rows[k][0], rows[k][1],
					 buf_z(&sim.events));
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

/* A turn begins with the voice, which was heard by our clock; its words are of the platform's. */
static void a_turn_begins_with_the_voice_whatever_the_clock(void **state)
{
	static const int hours_ms[] = { -3600000, 0, 3600000 };
	(void)state;
	for (size_t i = 0; i < sizeof(hours_ms) / sizeof(*hours_ms); i++) {
		struct sim sim;
		sim_init(&sim, "");
		sim_webhookf(&sim,
			     "{'t':'call','facts':{'id':'c1'}},"
			     "{'t':'status','name':'in-progress','at':%d,'key':1}",
			     hours_ms[i]);
		attach(&sim);
		speak(&sim, 1, 700, 1500);
		sim_webhookf(&sim,
			     "{'t':'transcript','s':'ai','final':true,'text':'very well',"
			     "'at':%d,'key':2}",
			     hours_ms[i] + 1500);
		SHOWS(&sim, "'offset_ms':700");
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

/* What the platform tells rests the sound when it is so on our clock: here an hour earlier. */
static void a_provider_ahead_rests_the_sound(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "");
	sim_webhook(&sim, "{'t':'call','facts':{'id':'c1'}},"
			  "{'t':'status','name':'in-progress','at':3600000,'key':1}");
	attach(&sim);
	speak(&sim, 1, 1000, 2000);
	sim_pass(&sim, 500);
	sim_webhook(&sim, "{'t':'status','name':'forwarding','at':3602500,'key':2}");
	speak(&sim, 0, 22000, 23000);
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'dead_air':{'count':0,");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void words(struct sim *sim, unsigned leg, bool final, const char *text)
{
	struct heard h = fact(HEARD_TRANSCRIPT, leg, (sim->now_us - SIM_START_US) / MS_US);
	h.final = final;
	h.text = span_of(text);
	hear_all(sim, "s1", &h, 1);
}

static void words_come_from_one_side(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	sim_pass(&sim, 1000);
	words(&sim, 0, false, "good");
	words(&sim, 0, true, "good morning");
	words(&sim, 0, true, "");
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'good morning','key':3},"
		    "{'t':'transcript','s':'ai','final':true,'text':'hello','key':4}");
	words(&sim, 1, true, "hello");
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'transcript.partial'", NULL), 1);
	struct heard lost = fact(HEARD_TRANSCRIBER, 0, 2000);
	lost.name = SPAN("lost");
	hear_all(&sim, "s1", &lost, 1);
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'still there','key':5}");
	sim_pass(&sim, 5000);
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", "still there", NULL), 1);
	SHOWS(&sim, "'transcriber':'lost'", "'turns':3");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Over one socket, and 300 ms later over another that stands beside it. */
static void hear_twice(struct sim *sim, enum heard_kind kind, unsigned leg, int64_t ms)
{
	struct heard h = fact(kind, leg, ms + 300);
	hear(sim, kind, leg, ms);
	sim_pass(sim, 300);
	hear_all(sim, "beside", &h, 1);
}

static void attach_beside(struct sim *sim, int64_t ms)
{
	struct heard h[2] = { fact(HEARD_ATTACHED, 0, ms), fact(HEARD_ATTACHED, 1, ms) };
	for (int i = 0; i < 2; i++) {
		h[i].name = SPAN("vapi-listen");
		h[i].rank = 2;
	}
	hear_all(sim, "beside", h, 2);
}

static void who_is_heard_twice_counts_once(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach_beside(&sim, 0);
	attach(&sim);
	hear_twice(&sim, HEARD_SPEECH_STARTED, 0, 1000);
	hear_twice(&sim, HEARD_SPEECH_STOPPED, 0, 3000);
	hear_twice(&sim, HEARD_SPEECH_STARTED, 1, 4000);
	hear_twice(&sim, HEARD_SPEECH_STOPPED, 1, 6000);
	hear_twice(&sim, HEARD_DTMF, 0, 7000);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'talk_ms':{'ai':2000,'user':2000}", "'digits':1", "'overlap_ms':0",
	      "'response':{'count':1,'p50_ms':1000,'p90_ms':1000,'max_ms':1000}");
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", NULL), 2);
	assert_int_equal(sim_count(&sim, "'type':'dtmf'", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void what_no_other_leg_brings_counts_where_it_is_heard(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	attach_beside(&sim, 0);
	hear_twice(&sim, HEARD_SPEECH_STARTED, 0, 1000);
	hear(&sim, HEARD_DETACHED, 0, 2000); /* who is beside goes on for him */
	hear(&sim, HEARD_DETACHED, 1, 2000);
	struct heard stops = fact(HEARD_SPEECH_STOPPED, 0, 5000);
	sim_pass(&sim, 3000);
	hear_all(&sim, "beside", &stops, 1);
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'talk_ms':{'ai':0,'user':4000}", "'state':'two_way'");
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.stopped'", "'speech_ms':4000", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void words_of_a_leg_beside_others_are_theirs(void **state)
{
	struct sim sim;
	struct heard h;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	attach_beside(&sim, 0);
	h = fact(HEARD_TRANSCRIPT, 0, 1000);
	h.text = SPAN("good morning"), h.final = true, h.ms = 500;
	sim_pass(&sim, 2000);
	hear_all(&sim, "s1", &h, 1);
	hear_all(&sim, "beside", &h, 1);
	assert_int_equal(sim_count(&sim, "'type':'transcript.final'", "good morning", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void every_fact_has_its_event(void **state)
{
	struct sim sim;
	struct heard h;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	sim_pass(&sim, 6000);
	h = fact(HEARD_LEVEL, 0, 5000);
	h.ms = 5000, h.value = -205, h.peak = -31, h.noise = -600, h.speech_ms = 1000,
	h.clipped = 7;
	hear_all(&sim, "s1", &h, 1);
	h = fact(HEARD_QUALITY, 0, 5000);
	h.gaps = 2, h.ms = 40, h.late = 1;
	hear_all(&sim, "s1", &h, 1);
	h = fact(HEARD_DTMF, 0, 5000);
	h.text = SPAN("5"), h.name = SPAN("inband"), h.ms = 80;
	hear_all(&sim, "s1", &h, 1);
	h = fact(HEARD_PLAYED, 1, 5000);
	h.text = SPAN("m1"), h.name = SPAN("played"), h.ms = 1000;
	hear_all(&sim, "s1", &h, 1);
	h = fact(HEARD_RECORDING, 0, 5000);
	h.name = SPAN("started"), h.id = SPAN("r1");
	hear_all(&sim, "s1", &h, 1);
	h = fact(HEARD_UNREACHED, 0, 5000);
	h.name = SPAN("vapi-listen"), h.text = SPAN("10 tries");
	hear_all(&sim, "s1", &h, 1);
	static const char *const events[][2] = {
		{ "'type':'audio.level'", "'level_db':-20.5,'peak_db':-3.1,'noise_db':-60" },
		{ "'type':'audio.quality'", "'gaps':2,'gap_ms':40,'late':1" },
		{ "'type':'dtmf'", "'digit':'5','how':'inband','ms':80" },
		{ "'type':'audio.played'", "'mark':'m1'" },
		{ "'type':'recording'", "'state':'started'" },
		{ "'type':'audio.unreached'", "'dialect':'vapi-listen','why':'10 tries'" },
	};
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		assert_int_equal(sim_count(&sim, events[i][0], events[i][1], NULL), 1);
	SHOWS(&sim, "'clipped':7", "'digits':1",
	      "'recording':{'state':'started','id':'r1','ms':0}");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Audio of which nobody has told anything: a call of its own, that ends with it or when its call is
 * found. */
static void audio_alone_is_a_call(void **state)
{
	for (int link = 0; link < 2; link++) {
		struct sim sim;
		struct heard h;
		(void)state;
		sim_init(&sim, "");
		attach(&sim);
		h = fact(HEARD_UNBOUND, 0, 0);
		hear_all(&sim, "s1", &h, 1);
		assert_int_equal(sim_count(&sim, "'type':'call.started'", NULL), 1);
		SHOWS(&sim, "'live':true", "'status':'in-progress'", "'unbound':true");
		sim_pass(&sim, 3000);
		h = fact(link ? HEARD_LINKED : HEARD_DETACHED, 0, 3000);
		h.id = SPAN("01234567-0000-4000-8000-000000000000");
		h.name = SPAN("stop");
		hear_all(&sim, "s1", &h, 1);
		assert_int_equal(session_ended(sim.s), link);
		h = fact(HEARD_DETACHED, 1, 3000);
		h.name = SPAN("stop");
		hear_all(&sim, "s1", &h, 1);
		assert_true(session_ended(sim.s));
		SHOWS(&sim, link ? "'ended_reason':'audio-linked'" : "'ended_reason':'stop'");
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

/* --- legs that come, are held, and go --- */

static void hold(struct sim *sim, unsigned leg, bool on, int64_t ms)
{
	struct heard h = fact(HEARD_HELD, leg, ms);
	h.name = on ? SPAN("held") : SPAN("resumed");
	if (h.at_us > sim->now_us)
		sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	hear_all(sim, "s1", &h, 1);
}

static void who_is_held_is_neither_dead_nor_one_way(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	speak(&sim, 1, 1000, 2000);
	speak(&sim, 0, 2500, 3000);
	hold(&sim, 0, true, 4000);
	hold(&sim, 0, true, 4100); /* told twice */
	sim_pass(&sim, 2000);
	SHOWS(&sim, "'held':true", "'state':'two_way'");
	speak(&sim, 1, 20000, 21000); /* the agent goes on with a colleague */
	hear_silent(&sim, 0, 22000, 15000);
	hold(&sim, 0, false, 44000);
	speak(&sim, 0, 45000, 46000);
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'dead_air':{'count':0,'ms':0,'longest_ms':0}", "'state':'two_way'",
	      "'one_way_ms':0", "'silent_ms':0", "'response':{'count':0",
	      /* 2000-2500, 3000-4000, 44000-45000 */
	      "'silence_ms':2500");
	assert_int_equal(sim_count(&sim, "'type':'audio.held'", "'held':true", "'leg':0", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'audio.held'", "'held':false", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'dead_air'", NULL), 0);
	speak(&sim, 1, 52000, 53000); /* and after it silence counts again */
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'dead_air':{'count':1,'ms':6000,'longest_ms':6000}");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Who goes while held takes the hold along. */
static void the_end_of_a_leg_ends_its_hold(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	speak(&sim, 1, 1000, 2000);
	hold(&sim, 0, true, 3000);
	hear(&sim, HEARD_DETACHED, 0, 10000);
	speak(&sim, 1, 20000, 21000);
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'dead_air':{'count':1,'ms':10000,'longest_ms':10000}");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void join(struct sim *sim, const char *stream, unsigned leg, const char *party, int64_t ms)
{
	struct heard h = fact(HEARD_ATTACHED, leg, ms);
	h.name = SPAN("ringcx-grpc"), h.text = SPAN("pcmu"), h.value = 8000;
	h.party = span_of(party), h.who = SPAN("Ann");
	if (h.at_us > sim->now_us)
		sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	hear_all(sim, stream, &h, 1);
}

static void part(struct sim *sim, const char *stream, unsigned leg, const char *why, int64_t ms)
{
	struct heard h = fact(HEARD_DETACHED, leg, ms);
	h.name = span_of(why);
	if (h.at_us > sim->now_us)
		sim_pass(sim, (h.at_us - sim->now_us) / MS_US);
	hear_all(sim, stream, &h, 1);
}

static void a_place_that_is_given_again_is_another_leg(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	join(&sim, "s1", 0, "contact", 0);
	join(&sim, "s1", 1, "agent-1", 0);
	hold(&sim, 1, true, 1000);
	part(&sim, "s1", 1, "left", 2000);
	join(&sim, "s1", 1, "agent-2", 3000);
	speak(&sim, 1, 4000, 5000);
	sim_pass(&sim, 2000);
	assert_true(sim_shows(&sim, "'party':'agent-1'") && sim_shows(&sim, "'party':'agent-2'"));
	assert_false(sim_shows(&sim, "'held':true"));
	SHOWS(&sim, "'talk_ms':{'ai':1000,'user':0}", "'who':'Ann'");
	assert_int_equal(sim_count(&sim, "'type':'audio.attached'", "'party':'agent-2'", NULL), 1);
	for (int i = 0; i < 20; i++) { /* as often as one likes */
		part(&sim, "s1", 1, "left", 8000 + i * 1000);
		join(&sim, "s1", 1, "agent-3", 8500 + i * 1000);
	}
	assert_false(sim_shows(&sim, "audio_legs_full"));
	assert_true(sim_shows(&sim, "'party':'contact'"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Two streams of one call; the last participant goes; then the call is transferred and one comes.
 */
static void a_call_lasts_as_long_as_its_audio(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "'dialect':'sim-heard'");
	sim_webhook(&sim, "{'t':'call','facts':{'id':'d1'}}");
	join(&sim, "s1", 0, "contact", 0);
	join(&sim, "s2", 1, "agent-1", 100);
	SHOWS(&sim, "'status':'in-progress'");
	part(&sim, "s1", 0, "closed", 5000);
	sim_pass(&sim, 10000);
	assert_false(session_ended(sim.s));
	part(&sim, "s2", 1, "left", 20000); /* its stream is open */
	sim_pass(&sim, 60000);
	assert_false(session_ended(sim.s));
	part(&sim, "s2", 1, "closed", 81000);
	assert_false(session_ended(sim.s)); /* another may come */
	join(&sim, "s3", 0, "contact", 82000);
	sim_pass(&sim, 60000);
	assert_false(session_ended(sim.s));
	part(&sim, "s3", 0, "closed", 150000);
	sim_pass(&sim, 5000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'closed'", "'duration_ms':150000");
	join(&sim, "s4", 0, "contact", 170000); /* late, but it is the call */
	assert_false(session_ended(sim.s));
	SHOWS(&sim, "'status':'in-progress'");
	part(&sim, "s4", 0, "lost", 180000);
	sim_pass(&sim, 5000);
	assert_true(session_ended(sim.s));
	SHOWS(&sim, "'ended_reason':'lost'", "'duration_ms':180000");
	assert_int_equal(sim_count(&sim, "'type':'call.started'", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Nobody tells of parties: holds and the end show in the audio alone. */
static void commands_show_in_the_audio(void **state)
{
	struct sim sim;
	(void)state;
	sim_init(&sim, "'dialect':'sim-heard'");
	sim_webhook(&sim, "{'t':'call','facts':{'id':'d1','control':'https://x.example/c'}}");
	join(&sim, "s1", 0, "contact", 0);
	sim_pass(&sim, 1000);
	sim_command(&sim, 1, "'verb':'hold'");
	sim_answered(&sim, 0, 200, "{}");
	assert_true(sim_command_is(&sim, 1, "accepted"));
	hold(&sim, 0, true, 2000);
	assert_true(sim_command_is(&sim, 1, "effect_seen"));
	sim_command(&sim, 2, "'verb':'unhold'");
	sim_answered(&sim, 1, 200, "{}");
	hold(&sim, 0, false, 3000);
	assert_true(sim_command_is(&sim, 2, "effect_seen"));
	sim_command(&sim, 3, "'verb':'end'");
	sim_answered(&sim, 2, 200, "{}");
	part(&sim, "s1", 0, "closed", 4000);
	sim_pass(&sim, 5000);
	assert_true(sim_command_is(&sim, 3, "effect_seen"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* --- order --- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

enum { FACTS = 60 };

static size_t random_facts(struct heard *out)
{
	size_t n = 0;
	int64_t at[2] = { 500, 700 };
	out[n++] = fact(HEARD_ATTACHED, 0, 0);
	out[n++] = fact(HEARD_ATTACHED, 1, 0);
	while (n + 2 <= FACTS) {
		unsigned leg = at[0] < at[1] ? 0 : 1;
		at[leg] += 100 + pick(pick(4) ? 3000 : 9000);
		out[n++] = fact(HEARD_SPEECH_STARTED, leg, at[leg]);
		at[leg] += pick(4000);
		out[n++] = fact(HEARD_SPEECH_STOPPED, leg, at[leg]);
	}
	return n;
}

static int by_time(const void *a, const void *b)
{
	const struct heard *x = a, *y = b;
	return x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
}

/* The "audio" object without what is told of single legs (who spoke last). */
static void measures(const struct sim *sim, struct buf *out)
{
	struct buf b AUTO_BUF = { 0 };
	session_summary(sim->s, &b);
	struct json audio = json_get(json_of(buf_span(&b)), "audio"), v;
	struct json_iter it = json_iter(audio);
	struct span key;
	while (json_next(&it, &key, &v))
		if (!span_is(key, "legs"))
			buf_printf(out, "%.*s:%.*s\n", SPAN_ARG(key), SPAN_ARG(v.raw));
}

static void the_order_of_facts_does_not_matter(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct heard facts[FACTS];
		struct buf want AUTO_BUF = { 0 }, got AUTO_BUF = { 0 };
		seed = 0x9E3779B97F4A7C15u * (round + 1);
		size_t n = random_facts(facts);
		for (int shuffled = 0; shuffled < 2; shuffled++) {
			struct sim sim;
			begin(&sim, "");
			if (shuffled)
				for (size_t i = n - 1; i > 2; i--) {
					size_t j = 2 + pick((unsigned)i - 1);
					struct heard swap = facts[i];
					facts[i] = facts[j];
					facts[j] = swap;
				}
			else
				qsort(facts, n, sizeof(*facts), by_time);
			hear_all(&sim, "s1", facts, 2);
			sim_pass(&sim, shuffled ? 300000 : 0);
			for (size_t i = 2; i < n; i++) {
				if (facts[i].at_us > sim.now_us)
					sim_pass(&sim, (facts[i].at_us - sim.now_us) / MS_US);
				hear_all(&sim, "s1", &facts[i], 1);
			}
			sim_pass(&sim, 5000);
			measures(&sim, shuffled ? &got : &want);
			sim_check_replay(&sim);
			sim_fini(&sim);
		}
		if (!span_eq(buf_span(&want), buf_span(&got)))
			fail_msg("round %u:\n%s\n%s", round, buf_z(&want), buf_z(&got));
	}
}

static void lists_are_bounded(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	attach(&sim);
	for (int i = 0; i < 400; i++)
		speak(&sim, (unsigned)i % 2, 1000 + i * 1000, 1600 + i * 1000);
	sim_pass(&sim, 3000);
	SHOWS(&sim, "'talk_ms':{'ai':120000,'user':120000}", "'response':{'count':200",
	      "'late_facts':0");
	assert_true(session_bytes(sim.s) < 64 * 1024);
	struct heard old = fact(HEARD_SPEECH_STARTED, 0, 500);
	hear_all(&sim, "s1", &old, 1);
	SHOWS(&sim, "'talk_ms':{'ai':120000,'user':120000}", "'late_facts':1");
	for (int i = 0; i < 12; i++) {
		char stream[16];
		struct heard h = fact(HEARD_ATTACHED, 0, 402000);
		snprintf(stream, sizeof(stream), "x%d", i);
		hear_all(&sim, stream, &h, 1);
	}
	SHOWS(&sim, "audio_legs_full");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void refused_and_odd(void **state)
{
	struct sim sim;
	struct heard h = fact(HEARD_SPEECH_STARTED, 3, 1000);
	(void)state;
	begin(&sim, "");
	size_t events = sim.events.n;
	assert_int_equal(sim_apply(&sim, RECORD_HEARD, SPAN("{\"facts\":3}")), E_INVALID);
	assert_non_null(strstr(sim.fault.text, "facts"));
	hear_all(&sim, "s1", &h, 1); /* of a leg that nobody has attached */
	assert_int_equal(sim.events.n, events);
	attach(&sim);
	h = fact(HEARD_SPEECH_STARTED, 0, INT64_C(400) * 86400000); /* a clock that is far off */
	hear_all(&sim, "s1", &h, 1);
	assert_true(sim_shows(&sim, "provider_clock_off"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void messages_left_out_are_flagged(void **state)
{
	struct heard h = fact(HEARD_UNTOLD, 0, 0);
	struct sim sim;
	(void)state;
	sim_begin(&sim, "");
	h.value = 3;
	hear_all(&sim, "s1", &h, 1);
	SHOWS(&sim, "messages_left_out");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_is_measured),
		cmocka_unit_test(interruptions),
		cmocka_unit_test(what_is_meant_to_be_silent_is_no_dead_air),
		cmocka_unit_test(one_way_and_silent),
		cmocka_unit_test(speech_is_told_once),
		cmocka_unit_test(a_provider_behind_our_clock),
		cmocka_unit_test(offsets_do_not_depend_on_the_provider_s_clock),
		cmocka_unit_test(a_turn_begins_with_the_voice_whatever_the_clock),
		cmocka_unit_test(a_provider_ahead_rests_the_sound),
		cmocka_unit_test(words_come_from_one_side),
		cmocka_unit_test(who_is_heard_twice_counts_once),
		cmocka_unit_test(what_no_other_leg_brings_counts_where_it_is_heard),
		cmocka_unit_test(words_of_a_leg_beside_others_are_theirs),
		cmocka_unit_test(every_fact_has_its_event),
		cmocka_unit_test(audio_alone_is_a_call),
		cmocka_unit_test(who_is_held_is_neither_dead_nor_one_way),
		cmocka_unit_test(the_end_of_a_leg_ends_its_hold),
		cmocka_unit_test(a_place_that_is_given_again_is_another_leg),
		cmocka_unit_test(a_call_lasts_as_long_as_its_audio),
		cmocka_unit_test(commands_show_in_the_audio),
		cmocka_unit_test(the_order_of_facts_does_not_matter),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(refused_and_odd),
		cmocka_unit_test(messages_left_out_are_flagged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
