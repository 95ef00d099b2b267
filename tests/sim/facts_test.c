/* A8: the project's fields are captured while the call runs; what the settings, tools and records
 * add to it. */
#include <stdio.h>
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"
#include "tests/unit/random.h"

#define FIELDS                                                                                    \
	"'fields':[{'name':'guests','label':'number of people','type':'number','ask':['how many " \
	"people'],'argument':'book.guests','report':'guestCount'},"                               \
	"{'name':'caller','label':'name','type':'name'},"                                         \
	"{'name':'phone','label':'phone number','type':'phone'},"                                 \
	"{'name':'occasion','label':'occasion','ask':['occasion'],'required':false}]"

static size_t facts(const struct sim *sim, const char *a, const char *b)
{
	return sim_count(sim, "'type':'fact'", a, b, NULL);
}

static void captured_while_the_call_runs(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, FIELDS);
	assert_true(sim_shows(
		&sim, "'facts':[{'field':'guests','label':'number of people','required':true,"
		      "'state':'never_asked','value':null,'confidence':0}"));
	sim_said(&sim, "ai", "Hello! How many people will it be?");
	assert_int_equal(facts(&sim, "'state':'asked_not_captured'", "'field':'guests'"), 1);
	sim_said(&sim, "user", "We will be twenty five.");
	assert_int_equal(facts(&sim,
			       "'field':'guests','label':'number of people','required':true,"
			       "'state':'captured','value':'25','confidence':80,'how':'answer',"
			       "'passage':'We will be twenty five.','passage_seq':",
			       "'seq'"),
			 1);
	sim_said(&sim, "ai", "May I have your name and your phone number?");
	sim_said(&sim, "user", "Anna Smith. I would rather not give my phone number.");
	assert_int_equal(facts(&sim, "'value':'Anna Smith'", "'how':'answer'"), 1);
	assert_int_equal(facts(&sim, "'state':'refused'", "'field':'phone'"), 1);
	sim_said(&sim, "user", "Sorry, make it seven people.");
	assert_true(sim_shows(&sim, "'state':'captured','value':'7'"));
	assert_true(sim_shows(
		&sim, "'field':'phone','label':'phone number','required':true,'state':'refused'"));
	struct buf b AUTO_BUF = { 0 };
	session_summary(sim.s, &b);
	assert_non_null(strstr(buf_z(&b), "\"facts\":{\"captured\":2,\"required\":3}"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void tools_and_report_tell_too(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, FIELDS ",'tools':[{'name':'book'}]");
	sim_webhook(&sim, "{'t':'tool-call','here':true,'id':'t1','name':'book','data':{'guests':4}"
			  ",'key':9}");
	assert_int_equal(facts(&sim, "'value':'4'", "'how':'tool'"), 1);
	sim_answered(&sim, 0, 200, "fine");
	sim_webhook(&sim, "{'t':'report','result':{'reason':'customer-ended-call','end':60000,"
			  "'data':{'guestCount':5,'caller':'Ana'}}}");
	assert_int_equal(facts(&sim, "'value':'5'", "'how':'report'"), 1);
	assert_int_equal(facts(&sim, "'value':'Ana'", "'confidence':95"), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* Nothing is held, and nothing is told, where the project has no fields. */
static void without_fields(void **state)
{
	static const char *const settings[] = { "", "'fields':[]", "'fields':null" };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sim sim;
		sim_begin(&sim, settings[i]);
		sim_said(&sim, "ai", "May I have your name?");
		sim_said(&sim, "user", "Anna.");
		assert_int_equal(sim_count(&sim, "'type':'fact'", NULL), 0);
		assert_true(sim_shows(&sim, "'facts':[]"));
		assert_null(sim.s->checklist.fields);
		assert_false(sim_shows(&sim, "settings_in_part_unreadable"));
		sim_fini(&sim);
	}
}

/* A call is never refused because of what its project wants to know. */
static void unreadable_settings_are_left_out(void **state)
{
	static const char *const settings[] = { "'fields':[{'name':'A!'}]", "'fields':7",
						"'rules':{'nothing':1}", "'rules':[]" };
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct sim sim;
		sim_begin(&sim, settings[i]);
		sim_said(&sim, "user", "Anna.");
		assert_int_equal(sim_count(&sim, "'type':'turn'", NULL), 1);
		assert_true(sim_shows(&sim, "settings_in_part_unreadable"));
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

static void late_words_revise(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, FIELDS);
	sim_webhook(&sim, "{'t':'transcript','s':'ai','final':true,'text':'How many "
			  "people?','at':1000,'key':5}");
	sim_pass(&sim, 3000);
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'seven','at':5000,'key':6}");
	sim_pass(&sim, 3000);
	assert_true(sim_shows(&sim, "'value':'7'"));
	sim_webhook(&sim,
		    "{'t':'transcript','s':'user','final':true,'text':'Twenty','at':4500,'key':7}");
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'revision':1", NULL), 1);
	assert_true(sim_shows(&sim, "'value':'27'"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void imported_and_served(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, "'imported':true,'instruction':'33333333-3333-4333-8333-333333333333'");
	assert_true(sim_shows(&sim, "'flags':['imported']"));
	char *served = sim_json(
		"{'instruction_version':'44444444-4444-4444-8444-444444444444','how':'stored'}");
	assert_int_equal(sim_apply(&sim, RECORD_SERVED, span_of(served)), 0);
	free(served);
	assert_true(
		sim_shows(&sim, "'instruction_version':'44444444-4444-4444-8444-444444444444'"));
	assert_int_equal(sim_count(&sim, "'type':'instructions.served'", "44444444", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* B2: what a mapping did to an argument is told with the call it was done to. */
static void a_rewritten_argument_is_told(void **state)
{
	struct sim sim;
	struct buf b AUTO_BUF = { 0 };
	char id[UUID_TEXT + 1];
	(void)state;
	sim_begin(&sim, "'tools':[{'name':'find'}]");
	for (int i = 0; i < 3; i++)
		sim_webhookf(&sim,
			     "{'t':'tool-call','here':true,'id':'t%d','name':'find','data':{'q':'"
			     "sofa'},'key':%d}",
			     i, 50 + i);
	static const char *const notes[] = {
		",'rewritten':{'mapping_id':'55555555-5555-4555-8555-555555555555', "
		"'argument':'q','from':'sofa','to':'couch'}",
		"", ",'rewritten':'no object'"
	};
	for (size_t i = 0; i < 3; i++) {
		uuid_format(&sim.effects[i].id, id);
		buf_clear(&b);
		buf_printf(&b, "{'effect':'%s','end':'answered','status':200,'body':'fine'%s}", id,
			   notes[i]);
		char *json = sim_json(buf_z(&b));
		assert_int_equal(sim_apply(&sim, RECORD_OUTCOME, span_of(json)), 0);
		free(json);
	}
	assert_int_equal(sim_count(&sim, "'type':'tool.finished'", NULL), 3);
	assert_int_equal(sim_count(&sim, "'type':'tool.finished'",
				   "'rewritten':{'mapping_id':'55555555-5555-4555-8555-"
				   "555555555555','argument':'q','from':'sofa','to':'couch'}",
				   NULL),
			 1);
	assert_int_equal(sim_count(&sim, "rewritten", NULL), 1);
	assert_true(sim_shows(&sim, "'rewritten':{'mapping_id'"));
	assert_int_equal(sim_answer_count(&sim, "'result':'fine'"), 3);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* --- a thousand calls --- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
	return random_below(&seed, n);
}

struct caller {
	char name[32], phone[96], digits[16];
	unsigned guests;
	bool refuses, corrects, both;
};

static struct caller new_caller(unsigned call)
{
	static const char *const first[] = { "Anna", "Bob", "Carla", "Dmitri", "Elena", "Frank" };
	static const char *const last[] = { "Smith", "Miller", "Ruiz", "Novak", "Jones" };
	static const char *const digit[] = { "zero", "one", "two",   "three", "four",
					     "five", "six", "seven", "eight", "nine" };
	struct caller c = { .guests = 2 + pick(20) };
	size_t n = 0;
	seed = (call + 1) * UINT64_C(0x9E3779B97F4A7C15);
	snprintf(c.name, sizeof(c.name), "%s %s", first[pick(6)], last[pick(5)]);
	for (unsigned i = 0; i < 10; i++) {
		unsigned d = 1 + pick(9);
		c.digits[i] = (char)('0' + d);
		n += (size_t)snprintf(c.phone + n, sizeof(c.phone) - n, "%s%s",
				      i ? i == 3 ? ", " : " " : "", digit[d]);
	}
	c.refuses = pick(5) == 0;
	c.corrects = pick(4) == 0;
	c.both = pick(2);
	return c;
}

static void talk(struct sim *sim, const struct caller *c)
{
	char text[256];
	sim_said(sim, "ai", "Welcome. How many people will it be?");
	if (c->corrects) {
		sim_said(sim, "user", "There will be four.");
		sim_said(sim, "ai", "Four, very good.");
		snprintf(text, sizeof(text), "No, sorry, %u people.", c->guests);
	} else {
		snprintf(text, sizeof(text), "For %u, please.", c->guests);
	}
	sim_said(sim, "user", text);
	sim_said(sim, "ai",
		 c->both ? "May I have your name and phone number?" : "May I have your name?");
	snprintf(text, sizeof(text), "My name is %s.", c->name);
	sim_said(sim, "user", text);
	sim_said(sim, "ai", "Thanks. What is your phone number?");
	if (c->refuses)
		sim_said(sim, "user", "I don`t want to give you that.");
	else
		sim_said(sim, "user", c->phone);
	sim_webhook(sim, "{'t':'status','name':'ended','reason':'customer-ended-call','key':2}");
}

static void a_thousand_calls(void **state)
{
	(void)state;
	for (unsigned call = 0; call < 1000; call++) {
		struct sim sim;
		char value[64];
		struct caller c = new_caller(call);
		sim_begin(&sim, FIELDS);
		talk(&sim, &c);
		snprintf(value, sizeof(value), "'state':'captured','value':'%u'", c.guests);
		if (!sim_shows(&sim, value))
			fail_msg("call %u: no %s", call, value);
		snprintf(value, sizeof(value), "'state':'captured','value':'%s'", c.name);
		if (!sim_shows(&sim, value))
			fail_msg("call %u: no %s", call, value);
		snprintf(value, sizeof(value), "'value':'%s'", c.digits);
		if (sim_shows(&sim, value) == c.refuses)
			fail_msg("call %u: %s %s", call, value,
				 c.refuses ? "was refused" : "is not there");
		assert_true(sim_shows(&sim, "'field':'occasion','label':'occasion','required':"
					    "false,'state':'never_asked'"));
		if (call % 10 == 0)
			sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_while_the_call_runs),
		cmocka_unit_test(tools_and_report_tell_too),
		cmocka_unit_test(without_fields),
		cmocka_unit_test(unreadable_settings_are_left_out),
		cmocka_unit_test(late_words_revise),
		cmocka_unit_test(imported_and_served),
		cmocka_unit_test(a_rewritten_argument_is_told),
		cmocka_unit_test(a_thousand_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
