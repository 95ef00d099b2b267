/* Properties over thousands of calls with injected faults: replay gives the same bytes; nothing is
 * sent twice; a crash at any record boundary is survived; answers go out once per waiting webhook.
 */
#include <stdio.h>
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"
#include "tests/unit/random.h"

enum { CALLS = 1500, STEPS_MOST = 90 };

static uint64_t seed;

static unsigned pick(unsigned n)
{
	return random_below(&seed, n);
}

static const char *one_of(const char *const *list, unsigned n)
{
	return list[pick(n)];
}
#define ONE_OF(...)                                  \
	one_of((const char *const[]){ __VA_ARGS__ }, \
	       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* Sometimes none, late, early, or far off. */
static void put_time(struct buf *b, const struct sim *sim)
{
	int64_t ms = (sim->now_us - SIM_START_US) / MS_US;
	static const int64_t shifts[] = { 0,	 0,	 0,    -50,	    -200,
					  -1500, -20000, 3000, -1000000000, 1000000000 };
	if (pick(5))
		buf_printf(b, ",'at':%lld", (long long)(ms + shifts[pick(10)]));
	buf_printf(b, ",'key':%u}", pick(4) ? 1 + pick(4000) : 0);
}

static void random_input(struct buf *b, const struct sim *sim)
{
	static const char *const words[] = { "How many people?",
					     "seven people, no, eight",
					     "my name is Anna, 555 012 3456",
					     "yes",
					     "I don`t understand",
					     "what time is it?",
					     "this is ridiculous",
					     "your booking is confirmed",
					     "¿dónde está?",
					     "una mesa para dos",
					     "thank you so much",
					     "",
					     "hello there madam" };
	const char *who = ONE_OF("ai", "user"), *text = words[pick(13)];
	switch (pick(14)) {
	case 12:
		buf_printf(b, "{'t':'party','party':{'id':'p%u','seq':%d,'side':'%s','state':'%s'}",
			   pick(40), (int)pick(60) - 5,
			   ONE_OF("outside", "inside", "inside", "system", "supervisor"),
			   ONE_OF("ringing", "talking", "held", "parked", "moved", "left", "left"));
		break;
	case 13:
		buf_printf(b, "{'t':'%s','name':'%s','id':'m%u','data':{}",
			   ONE_OF("delivery", "insight"), ONE_OF("delivered", "summary"), pick(3));
		break;
	case 0:
		buf_printf(b, "{'t':'status','name':'%s','reason':'customer-ended-call'",
			   pick(12) ? ONE_OF("queued", "ringing", "in-progress", "forwarding")
				    : "ended");
		break;
	case 1:
	case 2:
		buf_printf(b, "{'t':'transcript','s':'%s','final':%s,'text':'%s'", who,
			   ONE_OF("true", "false"), text);
		break;
	case 3:
		buf_printf(b, "{'t':'speech','s':'%s','name':'%s'", who,
			   ONE_OF("started", "stopped"));
		break;
	case 4:
		buf_printf(b, "{'t':'history','s':'%s','name':'%s','text':'%s'", who,
			   ONE_OF("user", "assistant"), text);
		break;
	case 5:
	case 6:
		buf_printf(b, "{'t':'tool-call','here':true,'id':'t%u','name':'%s','data':{'a':%u}",
			   pick(4), ONE_OF("book", "find", "nobody"), pick(2));
		break;
	case 7:
		buf_printf(b, "{'t':'tool-call','id':'t%u','name':'%s','data':{'a':%u}", pick(4),
			   ONE_OF("book", "other"), pick(2));
		break;
	case 8:
		buf_printf(b, "{'t':'tool-result','id':'t%u','name':'%s','text':'%s'", pick(4),
			   ONE_OF("book", "other", ""), ONE_OF("fine", "Error: no", "[]"));
		break;
	case 9:
		buf_printf(b, "{'t':'%s','s':'ai','text':'%s'",
			   ONE_OF("interrupted", "hang", "speaking-text", "model-output",
				  "transfer", "raw"),
			   text);
		break;
	case 10:
		buf_printf(b, "{'t':'call','facts':{'id':'c1','assistant':'%s'%s}",
			   ONE_OF("Anna", "Bert"),
			   pick(2) ? ",'control':'https://x.example/c'" : "");
		break;
	default:
		buf_printf(b,
			   pick(10) ? "{'t':'voice-input','text':'%s'"
				    : "{'t':'report','result':{'reason':'%s','start':0,'end':9000}",
			   text);
		break;
	}
	put_time(b, sim);
}

static void random_webhook(struct sim *sim)
{
	struct buf b AUTO_BUF = { 0 };
	for (unsigned n = 1 + pick(3); n > 0; n--) {
		if (b.n)
			buf_addc(&b, ',');
		random_input(&b, sim);
	}
	sim_webhook(sim, buf_z(&b));
}

static void random_command(struct sim *sim)
{
	struct buf b AUTO_BUF = { 0 };
	const char *verb = ONE_OF("say", "add-message", "mute", "unmute", "end", "hold", "unhold",
				  "send-text", "record-pause", "record-resume");
	buf_printf(&b, "'verb':'%s','text':'%s'", verb, ONE_OF("hello there madam", "yes"));
	if (pick(3) == 0)
		buf_printf(&b, ",'key':'k%u'", pick(3));
	assert_int_equal(sim_command(sim, pick(200), buf_z(&b)), 0);
}

static void random_outcome(struct sim *sim)
{
	if (!sim->effects_n)
		return;
	size_t i = pick((unsigned)sim->effects_n);
	if (pick(3) == 0)
		sim_intent(sim, i);
	else if (pick(3) == 0)
		sim_ended(sim, i, pick(2) ? OUTCOME_UNKNOWN : OUTCOME_NOT_SENT);
	else
		sim_answered(sim, i, pick(4) ? 200 : 500,
			     ONE_OF("fine", "{'ok':true,'items':[]}",
				    "{'results':[{'id':'t1','result':'up'}]}",
				    "{'inputs':[{'t':'status','name':'in-progress'}]}", ""));
}

/* What comes again: a provider's retry, or a copy of anything. */
static void repeat_record(struct sim *sim)
{
	const struct sim_record *old = &sim->records[pick((unsigned)sim->n)];
	struct buf body AUTO_BUF = { 0 };
	buf_add(&body, (struct span){ old->body, old->r.body.n });
	enum record_kind kind = old->r.kind;
	int rc = sim_apply(sim, kind, buf_span(&body));
	assert_true(rc == 0 || kind == RECORD_BIND);
}

static void garbage(struct sim *sim)
{
	static const char *const bodies[] = { "", "{", "[]", "{\"inputs\":3}",
					      "{\"inputs\":[{\"t\":\"x\"}]}" };
	const char *body = bodies[pick(5)];
	size_t events = sim->events.n;
	assert_int_equal(sim_apply(sim, RECORD_WEBHOOK, span_of(body)), E_INVALID);
	assert_int_equal(sim->events.n, events);
}

static void random_context(struct sim *sim)
{
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b, "{\"how\":\"%s\",\"items\":[{\"id\":\"%u\",\"text\":\"%u\"}]}",
		   ONE_OF("running", "assistant-request"), pick(30), pick(2));
	assert_int_equal(sim_apply(sim, RECORD_CONTEXT, buf_span(&b)), 0);
}

static void step(struct sim *sim)
{
	switch (pick(15)) {
	case 14:
		random_context(sim);
		break;
	case 0:
		sim_pass(sim, pick(20000));
		break;
	case 1:
		sim_jump(sim, pick(200000));
		break;
	case 2:
		random_command(sim);
		break;
	case 3:
	case 4:
		random_outcome(sim);
		break;
	case 5:
		repeat_record(sim);
		break;
	case 6:
		garbage(sim);
		break;
	case 7:
		if (pick(10) == 0)
			sim_restart(sim);
		break;
	default:
		sim_pass(sim, pick(2500));
		random_webhook(sim);
		break;
	}
}

static void no_command_is_sent_twice(const struct sim *sim)
{
	for (size_t i = 0; i < sim->effects_n; i++)
		for (size_t k = 0; k < i; k++) {
			assert_false(uuid_eq(&sim->effects[i].id, &sim->effects[k].id));
			bool provider = sim->effects[i].kind <= EFFECT_SOCKET &&
					sim->effects[k].kind <= EFFECT_SOCKET;
			bool recorder = sim->effects[i].kind == EFFECT_RECORDER &&
					sim->effects[k].kind == EFFECT_RECORDER;
			if (provider || recorder)
				assert_false(uuid_eq(&sim->effects[i].command,
						     &sim->effects[k].command));
		}
}

/* Each waiting webhook is answered at most once. */
static void answers_once(const struct sim *sim)
{
	for (size_t i = 0; i < sim->n; i++) {
		char prefix[32];
		snprintf(prefix, sizeof(prefix), "\n%llu {",
			 (unsigned long long)sim->records[i].r.number);
		const char *first = sim->answers.n ? memmem(sim->answers.p, sim->answers.n, prefix,
							    strlen(prefix))
						   : NULL;
		if (!first)
			continue;
		size_t rest = sim->answers.n - (size_t)(first + 1 - sim->answers.p);
		assert_null(memmem(first + 1, rest, prefix, strlen(prefix)));
	}
}

static void events_grow(const struct sim *sim)
{
	struct span rest = buf_span(&sim->events);
	int64_t last = 0;
	while (rest.n) {
		struct span line = span_line(&rest);
		int64_t seq = 0;
		assert_int_equal(json_check(line, NULL), 0);
		assert_true(json_i64(json_get(json_of(line), "seq"), &seq));
		assert_true(seq > last);
		last = seq;
	}
}

static void thousands_of_calls(void **state)
{
	static const char *const settings[] = {
		"'tools':[{'name':'book'},{'name':'find','empty_path':'items'}],'idle_close_ms':"
		"120000",
		"'tools':[{'name':'book'}],'upstream':true,'reconcile':true,'idle_close_ms':60000",
		"'language':'es','turn_gap_ms':300,'silence_ms':1000,'linger_ms':1000",
		"",
		"'context_inject':true,'fields':[{'name':'guests','type':'number','ask':['how many "
		"people'],'argument':'book.a'},{'name':'caller','type':'name'},{'name':'phone','"
		"type':"
		"'phone'}],'rules':{'escalate_on_frustration':{'enabled':true,'action':'transfer',"
		"'destination':{'type':'number','number':'+15550100'}},'clarify_caller_confused':{"
		"'enabled':true,'text':'slowly'}},'frustration_score':20,'confusion_score':20,"
		"'tools':[{'name':'book'}]",
	};
	(void)state;
	for (unsigned i = 0; i < CALLS; i++) {
		struct sim sim;
		seed = 0x9E3779B97F4A7C15u * (i + 1);
		sim_init(&sim, settings[i % 5]);
		sim_webhook(&sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/"
				  "c'}},{'t':'status','name':'in-progress'}");
		for (unsigned n = pick(STEPS_MOST); n > 0; n--)
			step(&sim);
		no_command_is_sent_twice(&sim);
		answers_once(&sim);
		events_grow(&sim);
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

/* --- crash at every record boundary --- */

static void rich_call(struct sim *sim)
{
	sim_init(sim,
		 "'tools':[{'name':'book'},{'name':'find'}],'fields':[{'name':'caller','type':"
		 "'name'}],'rules':{'clarify_caller_confused':{'enabled':true,'text':'slowly'}}");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/"
			 "c'}},{'t':'status','name':'in-progress','at':0,'key':1}");
	sim_webhook(sim, "{'t':'tool-call','here':true,'id':'a','name':'book','key':10},{'t':'tool-"
			 "call','here':true,'id':'b','name':'find','key':11}");
	sim_intent(sim, 0);
	sim_intent(sim, 1);
	sim_pass(sim, 300);
	sim_answered(sim, 1, 200, "found");
	sim_command(sim, 1, "'verb':'say','text':'hello there','key':'k1'");
	sim_intent(sim, 2);
	sim_answered(sim, 0, 200, "booked");
	sim_answered(sim, 2, 200, "");
	sim_webhook(sim, "{'t':'transcript','s':'ai','final':true,'text':'hello there','key':12}");
	sim_webhook(sim, "{'t':'transcript','s':'user','final':true,'text':'My name is Anna. I "
			 "don`t understand.','key':14}");
	sim_pass(sim, 2000);
	sim_intent(sim, 3); /* the clarification */
	sim_answered(sim, 3, 200, "");
	sim_command(sim, 2, "'verb':'end'");
	sim_intent(sim, 4);
	sim_answered(sim, 4, 200, "");
	sim_webhook(
		sim,
		"{'t':'status','name':'ended','reason':'manually-canceled','at':5000,'key':13}");
}

static void copy_prefix(const struct sim *from, size_t n, struct sim *out)
{
	*out = (struct sim){ .call = from->call, .s = session_new(&from->call) };
	for (size_t i = 0; i < n; i++) {
		out->now_us = from->records[i].r.at_us;
		out->next = from->records[i].r.number;
		assert_int_equal(sim_apply(out, from->records[i].r.kind, from->records[i].r.body),
				 0);
	}
}

static bool intent_in(const struct sim *sim, const struct uuid *effect)
{
	for (size_t i = 0; i < sim->n; i++)
		if (sim->records[i].r.kind == RECORD_INTENT &&
		    memcmp(sim->records[i].body, effect->b, 16) == 0)
			return true;
	return false;
}

/* What may have started is never started again: one effect with an intent per command and per tool
 * call. */
static void nothing_starts_twice(const struct sim *sim)
{
	for (size_t i = 0; i < sim->effects_n; i++) {
		unsigned more = 0;
		for (size_t k = i + 1; k < sim->effects_n; k++)
			more += sim->effects[k].kind == sim->effects[i].kind &&
				strcmp(sim->effects[k].what, sim->effects[i].what) == 0;
		if (intent_in(sim, &sim->effects[i].id))
			assert_int_equal(more, 0);
	}
}

static void crash_everywhere(void **state)
{
	struct sim whole;
	(void)state;
	rich_call(&whole);
	for (size_t n = 1; n <= whole.n; n++) {
		struct sim sim;
		copy_prefix(&whole, n, &sim);
		sim_restart(&sim);
		/* Everybody tries again: the provider its webhooks, the API caller its commands. */
		for (size_t i = 1; i < whole.n; i++) {
			enum record_kind kind = whole.records[i].r.kind;
			if (kind == RECORD_WEBHOOK || kind == RECORD_COMMAND)
				assert_int_equal(sim_apply(&sim, kind, whole.records[i].r.body), 0);
		}
		no_command_is_sent_twice(&sim);
		nothing_starts_twice(&sim);
		assert_true(session_ended(sim.s));
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
	sim_fini(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_everywhere),
		cmocka_unit_test(thousands_of_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
