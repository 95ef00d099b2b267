/* The field engine: the JSON form and its refusals; what is known over the turns of a call: several
 * fields at once, corrections, read-backs, refusals taken back, tools, report, revisions (D1, A8).
 */
#include <stdio.h>
#include <stdlib.h>

#include "callmend/fields.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/random.h"

static char *quoted(const char *text)
{
	char *copy = strdup(text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(json_check(span_of(copy), NULL), 0);
	return copy;
}

/* --- the JSON form --- */

static const struct {
	const char *json, *says;
} refused[] = {
	{ "{}", "fields: must be an array" },
	{ "[1]", "fields[0]: must be an object" },
	{ "[{}]", "fields[0]: name" },
	{ "[{'name':'A'}]", "fields[0]: name: only" },
	{ "[{'name':''}]", "fields[0]: name: must have" },
	{ "[{'name':'a12345678901234567890123456789012345678901'}]", "name: must have 1 to 40" },
	{ "[{'name':'a'},{'name':'a'}]", "fields[1]: name: \"a\" is there twice" },
	{ "[{'name':'a','type':'colour'}]", "fields[0]: type: unknown \"colour\"" },
	{ "[{'name':'a','required':'yes'}]", "fields[0]: required" },
	{ "[{'name':'a','ask':'what'}]", "fields[0]: ask: must be an array" },
	{ "[{'name':'a'},{'name':'b','ask':[1]}]", "fields[1]: ask[0]: must be a text" },
	{ "[{'name':'a','ask':['ok','?!']}]", "fields[0]: ask[1]: has no words" },
	{ "[{'name':'a','choices':['x']}]", "fields[0]: choices: belong to type choice" },
	{ "[{'name':'a','type':'choice'}]", "fields[0]: choices" },
	{ "[{'name':'a','type':'choice','choices':['x|']}]", "choices[0]: an empty" },
	{ "[{'name':'a','pattern':'(a'}]", "fields[0]: pattern: " },
	{ "[{'name':'a','argument':'book'}]", "fields[0]: argument: must be" },
	{ "[{'name':'a','argument':'book.'}]", "fields[0]: argument: must be" },
	{ "[{'name':'a','label':7}]", "fields[0]: " },
};

static void refusals_name_the_member(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct fields *f = NULL;
		struct fault fault = { 0 };
		char *json = quoted(refused[i].json);
		assert_int_equal(fields_new(&f, json_of(span_of(json)), SPAN("en"), &fault),
				 E_INVALID);
		assert_null(f);
		if (!strstr(fault.text, refused[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", json, fault.text,
				 refused[i].says);
		free(json);
	}
}

static void limits(void **state)
{
	struct buf b AUTO_BUF = { 0 };
	struct fields *f = NULL;
	(void)state;
	for (int i = 0; i <= FIELDS_MAX; i++)
		buf_printf(&b, "%s{\"name\":\"f%d\"}", i ? "," : "[", i);
	buf_addc(&b, ']');
	assert_int_equal(fields_new(&f, json_of(buf_span(&b)), SPAN("en"), NULL), E_INVALID);
	buf_clear(&b);
	buf_printf(&b, "[{\"name\":\"a\"%*s}]", FIELDS_JSON_MAX, "");
	assert_int_equal(fields_new(&f, json_of(buf_span(&b)), SPAN("en"), NULL), E_INVALID);
	fields_free(NULL);
	captures_free(NULL);
}

static struct fields *made(const char *json, const char *language)
{
	struct fields *f = NULL;
	struct fault fault = { 0 };
	char *text = quoted(json);
	if (fields_new(&f, json_of(span_of(text)), span_of(language), &fault))
		fail_msg("%s", fault.text);
	free(text); /* copied */
	return f;
}

static void views_and_questions(void **state)
{
	(void)state;
	struct fields *f = made("[{'name':'guest_count'},{'name':'mail','label':'e-mail','type':"
				"'email','required':false,'ask':['your mail address']}]",
				"en");
	assert_int_equal(fields_n(f), 2);
	assert_true(span_is(fields_at(f, 0).label, "guest count"));
	assert_true(fields_at(f, 0).required);
	assert_int_equal(fields_at(f, 0).type, FIELD_TEXT);
	assert_true(span_is(fields_question(f, 0), "May I have your guest count?"));
	assert_false(fields_at(f, 1).required);
	assert_true(span_is(fields_question(f, 1), "your mail address"));
	fields_free(f);
	f = made("[{'name':'nombre'}]", "es");
	assert_true(span_is(fields_question(f, 0), "¿Me puede dar su nombre?"));
	fields_free(f);
	f = made("[]", "en");
	struct captures *c = captures_new(f);
	assert_int_equal(
		captures_turn(c, &(struct field_turn){ SPEAKER_USER, 0, SPAN("hi"), 1, 0 }), 0);
	captures_free(c);
	fields_free(f);
}

/* --- talks --- */

static const char restaurant[] =
	"[{'name':'guests','label':'number of people','type':'number','ask':['how many people'],"
	"'argument':'book.party.size','report':'guestCount'},"
	"{'name':'kids','label':'number of children','type':'number','ask':['how many children']},"
	"{'name':'caller','label':'name','type':'name'},"
	"{'name':'phone','label':'phone number','type':'phone'},"
	"{'name':'occasion','label':'occasion','ask':['occasion'],'required':false},"
	"{'name':'vip','label':'member','type':'yes_no','ask':['are you a member']}]";
enum { GUESTS, KIDS, CALLER, PHONE, OCCASION, VIP, FIELDS };

struct talk {
	struct fields *f;
	struct captures *c;
	uint32_t next;
};

static void begin(struct talk *t)
{
	t->f = made(restaurant, "auto");
	t->c = captures_new(t->f);
	t->next = 0;
}

static void end(struct talk *t)
{
	captures_free(t->c);
	fields_free(t->f);
}

static uint64_t show(struct captures *c, enum speaker who, uint32_t number, const char *text)
{
	return captures_turn(c, &(struct field_turn){ who, number, span_of(text), 1000 + number,
						      2000 * (int64_t)number });
}

static uint64_t ai(struct talk *t, const char *text)
{
	return show(t->c, SPEAKER_AI, t->next++, text);
}

static uint64_t user(struct talk *t, const char *text)
{
	return show(t->c, SPEAKER_USER, t->next++, text);
}

static void check_state(const struct talk *t, size_t i, enum field_state wanted)
{
	const struct captured *c = captures_at(t->c, i);
	if (c->state != wanted)
		fail_msg("field %zu is %s \"%.*s\", not %s", i, field_state_name(c->state),
			 SPAN_ARG(c->value), field_state_name(wanted));
}

static void check_value(const struct talk *t, size_t i, const char *value)
{
	check_state(t, i, FIELD_STATE_CAPTURED);
	const struct captured *c = captures_at(t->c, i);
	if (!span_is(c->value, value))
		fail_msg("field %zu is \"%.*s\", not \"%s\"", i, SPAN_ARG(c->value), value);
}

static void an_answer_with_its_passage(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	check_state(&t, GUESTS, FIELD_STATE_NEVER_ASKED);
	assert_int_equal(ai(&t, "Hello. How many people will it be?"), 1u << GUESTS);
	check_state(&t, GUESTS, FIELD_STATE_ASKED);
	assert_true(span_is(captures_at(t.c, GUESTS)->passage, "How many people will it be"));
	assert_int_equal(user(&t, "We will be six."), 1u << GUESTS);
	const struct captured *c = captures_at(t.c, GUESTS);
	check_value(&t, GUESTS, "6");
	assert_int_equal(c->how, FIELD_BY_ANSWER);
	assert_int_equal(c->confidence, 80);
	assert_int_equal(c->seq, 1001);
	assert_int_equal(c->offset_ms, 2000);
	assert_true(span_is(c->passage, "We will be six."));
	end(&t);
}

static void two_fields_in_one_question(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "May I have your name and your phone number?");
	check_state(&t, CALLER, FIELD_STATE_ASKED);
	check_state(&t, PHONE, FIELD_STATE_ASKED);
	user(&t, "Anna Smith, five five five, oh one two, three four five six.");
	check_value(&t, CALLER, "Anna Smith");
	check_value(&t, PHONE, "5550123456");
	end(&t);
	begin(&t);
	ai(&t, "How many people, and how many children?");
	user(&t, "Five people and two children.");
	check_value(&t, GUESTS, "5");
	check_value(&t, KIDS, "2");
	end(&t);
	begin(&t);
	ai(&t, "May I have your name and your phone number?");
	user(&t, "Anna Smith, but I'd rather not give my phone number.");
	check_value(&t, CALLER, "Anna Smith");
	check_state(&t, PHONE, FIELD_STATE_REFUSED);
	end(&t);
	begin(&t);
	user(&t, "I don't want to give my phone number.");
	check_state(&t, PHONE, FIELD_STATE_REFUSED);
	check_state(&t, GUESTS, FIELD_STATE_NEVER_ASKED);
	end(&t);
}

static void a_correction_replaces(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "How many people?");
	user(&t, "Six.");
	ai(&t, "So that is six people on Friday, is that right?");
	assert_int_equal(user(&t, "No, it's seven people."), 1u << GUESTS);
	check_value(&t, GUESTS, "7");
	ai(&t, "And your phone number?");
	user(&t, "Actually, make it eight. My number is 555 012 3456.");
	check_value(&t, GUESTS, "8");
	check_value(&t, PHONE, "5550123456");
	end(&t);
}

static void a_read_back_captures_nothing(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "So that is six people under the name of Anna Smith, phone 555 012 3456.");
	for (size_t i = 0; i < FIELDS; i++)
		check_state(&t, i, FIELD_STATE_NEVER_ASKED);
	user(&t, "Yes.");
	for (size_t i = 0; i < FIELDS; i++)
		check_state(&t, i, FIELD_STATE_NEVER_ASKED);
	end(&t);
}

static void an_answer_comes_late(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "What is the occasion?");
	user(&t, "One moment, please.");
	ai(&t, "Sure, take your time.");
	user(&t, "A birthday party.");
	check_value(&t, OCCASION, "A birthday party");
	assert_int_equal(captures_at(t.c, OCCASION)->confidence, 60);
	ai(&t, "May I have your name?");
	user(&t, "Is this call recorded?");
	ai(&t, "No. Please go ahead.");
	user(&t, "Anna Smith.");
	check_value(&t, CALLER, "Anna Smith");
	ai(&t, "How many people?");
	user(&t, "Why do you need that?");
	check_state(&t, GUESTS, FIELD_STATE_REFUSED);
	ai(&t, "To choose the right table.");
	user(&t, "Okay, four.");
	check_value(&t, GUESTS, "4");
	end(&t);
}

/* Another question in between: what follows answers that one. */
static void another_question_ends_the_wait(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "What is the occasion?");
	user(&t, "Hm.");
	ai(&t, "Would you like to sit outside?");
	user(&t, "On the terrace.");
	check_state(&t, OCCASION, FIELD_STATE_ASKED);
	end(&t);
}

static void a_mention_yields_to_an_answer(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	user(&t, "A table for four people, please.");
	check_value(&t, GUESTS, "4");
	assert_int_equal(captures_at(t.c, GUESTS)->how, FIELD_BY_MENTION);
	assert_int_equal(captures_at(t.c, GUESTS)->confidence, 70);
	ai(&t, "How many people?");
	user(&t, "Five.");
	check_value(&t, GUESTS, "5");
	user(&t, "Last week we were nine people.");
	check_value(&t, GUESTS, "5");
	end(&t);
}

static struct json checked(const char *text)
{
	assert_int_equal(json_check(span_of(text), NULL), 0);
	return json_of(span_of(text));
}

static void tools_and_report(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	struct json arguments = checked("{\"party\":{\"size\":4}}");
	assert_int_equal(captures_tool(t.c, SPAN("other"), arguments, 5, 100), 0);
	assert_int_equal(captures_tool(t.c, SPAN("book"),
				       checked("{\"party\":{\"size\":\"unknown\"}}"), 5, 100),
			 0);
	assert_int_equal(captures_tool(t.c, SPAN("book"), arguments, 5, 100), 1u << GUESTS);
	assert_int_equal(captures_tool(t.c, SPAN("book"), arguments, 6, 200), 0);
	check_value(&t, GUESTS, "4");
	assert_int_equal(captures_at(t.c, GUESTS)->how, FIELD_BY_TOOL);
	assert_int_equal(captures_at(t.c, GUESTS)->confidence, 90);
	/* the caller knows better, later */
	ai(&t, "How many people?");
	user(&t, "Six.");
	check_value(&t, GUESTS, "6");
	/* and the tool, after that */
	captures_tool(t.c, SPAN("book"), checked("{\"party\":{\"size\":7}}"), 9000, 99000);
	check_value(&t, GUESTS, "7");
	assert_int_equal(
		captures_report(t.c,
				checked("{\"guestCount\":\"eight\",\"vip\":false,\"phone\":\"n/a\","
					"\"caller\":{\"x\":1},\"occasion\":\"\"}"),
				70),
		1u << GUESTS | 1u << VIP);
	check_value(&t, GUESTS, "8");
	assert_int_equal(captures_at(t.c, GUESTS)->how, FIELD_BY_REPORT);
	check_value(&t, VIP, "no");
	check_state(&t, PHONE, FIELD_STATE_NEVER_ASKED);
	check_state(&t, CALLER, FIELD_STATE_NEVER_ASKED);
	check_state(&t, OCCASION, FIELD_STATE_NEVER_ASKED);
	end(&t);
}

/* --- properties --- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
	return random_below(&seed, n);
}

static const char *const ai_lines[] = {
	"How many people will it be?",
	"May I have your name and phone number?",
	"Great.",
	"What is the occasion?",
	"So that is six people?",
	"Are you a member?",
	"¿Me puede dar su nombre?",
	"Sorry, could you repeat that?",
	"And how many children?",
	"Let me check that.",
};
static const char *const user_lines[] = {
	"Six.",
	"Seven people, no, eight.",
	"Anna Smith, 555 012 3456.",
	"I'd rather not say.",
	"A birthday",
	"No, it's nine people.",
	"Why do you ask?",
	"me llamo Ana",
	"Yes.",
	"No.",
	"my phone number is six six six one two three four",
	"two",
	"um",
	"Call me Bob, there will be three children",
};

static const char *line(enum speaker who)
{
	return who == SPEAKER_AI ? ai_lines[pick(sizeof(ai_lines) / sizeof(char *))]
				 : user_lines[pick(sizeof(user_lines) / sizeof(char *))];
}

enum { TURNS = 30 };
struct said {
	enum speaker who;
	const char *text;
};

static void same(const struct captures *a, const struct captures *b, unsigned round)
{
	for (size_t i = 0; i < FIELDS; i++) {
		const struct captured *x = captures_at(a, i), *y = captures_at(b, i);
		bool equal = x->state == y->state && x->how == y->how && x->seq == y->seq &&
			     x->confidence == y->confidence && x->offset_ms == y->offset_ms &&
			     span_eq(x->value, y->value) && span_eq(x->passage, y->passage);
		if (!equal)
			fail_msg("round %u: field %zu: %s \"%.*s\" and %s \"%.*s\"", round, i,
				 field_state_name(x->state), SPAN_ARG(x->value),
				 field_state_name(y->state), SPAN_ARG(y->value));
	}
}

/* Turns that come in pieces, are revised, and overtake each other within the last few, give what
 * the same turns give when each is shown once, in order. */
static void revisions_are_as_if_shown_once(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 400; round++) {
		struct said said[TURNS];
		struct talk once, often;
		seed = round * UINT64_C(0x9E3779B97F4A7C15);
		begin(&once);
		begin(&often);
		for (uint32_t i = 0; i < TURNS; i++)
			said[i] = (struct said){ i % 2 ? SPEAKER_USER : SPEAKER_AI,
						 line(i % 2 ? SPEAKER_USER : SPEAKER_AI) };
		for (uint32_t i = 0; i < TURNS; i++) {
			if (pick(3) == 0)
				show(often.c, said[i].who, i, line(said[i].who));
			bool overtaken = pick(4) == 0 && i + 1 < TURNS;
			if (overtaken)
				show(often.c, said[i + 1].who, i + 1, line(said[i + 1].who));
			show(often.c, said[i].who, i, said[i].text);
			if (pick(2) == 0 && i >= 3) {
				uint32_t back = i - pick(4);
				show(often.c, said[back].who, back, line(said[back].who));
				show(often.c, said[back].who, back, said[back].text);
			}
			show(once.c, said[i].who, i, said[i].text);
			if (pick(8) == 0) {
				captures_tool(once.c, SPAN("book"),
					      checked("{\"party\":{\"size\":4}}"), 1000 + i,
					      2000 * (int64_t)i + 1);
				captures_tool(often.c, SPAN("book"),
					      checked("{\"party\":{\"size\":4}}"), 1000 + i,
					      2000 * (int64_t)i + 1);
			}
			if (!overtaken)
				same(once.c, often.c, round);
		}
		end(&once);
		end(&often);
	}
}

/* The bits that are returned are those of the fields that changed, no others. */
static void changes_are_told(void **state)
{
	(void)state;
	for (unsigned round = 1; round <= 200; round++) {
		struct talk t;
		enum field_state states[FIELDS] = { FIELD_STATE_NEVER_ASKED };
		char values[FIELDS][FIELD_VALUE_MAX + 1] = { { 0 } };
		seed = round * UINT64_C(0x2545F4914F6CDD1D);
		begin(&t);
		for (uint32_t i = 0; i < TURNS; i++) {
			enum speaker who = i % 2 ? SPEAKER_USER : SPEAKER_AI;
			uint64_t changed = show(t.c, who, i, line(who));
			for (size_t k = 0; k < FIELDS; k++) {
				const struct captured *c = captures_at(t.c, k);
				bool differs =
					c->state != states[k] || !span_is(c->value, values[k]);
				assert_int_equal(changed >> k & 1, differs);
				states[k] = c->state;
				snprintf(values[k], sizeof(values[k]), "%.*s", SPAN_ARG(c->value));
			}
		}
		end(&t);
	}
}

static void only_the_last_turns_can_be_revised(void **state)
{
	struct talk t;
	(void)state;
	begin(&t);
	ai(&t, "How many people?");
	user(&t, "Six.");
	for (int i = 0; i < 8; i++)
		ai(&t, "Great.");
	assert_int_equal(show(t.c, SPEAKER_USER, 1, "Seven."), 0);
	check_value(&t, GUESTS, "6");
	end(&t);
}

static void memory_stays_small(void **state)
{
	struct talk t;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	begin(&t);
	for (int i = 0; i < 5000; i++)
		buf_addz(&b, "What is the occasion? blah ");
	for (uint32_t i = 0; i < 500; i++)
		show(t.c, i % 2 ? SPEAKER_USER : SPEAKER_AI, i, buf_z(&b));
	assert_true(captures_bytes(t.c) < 32 * 1024);
	assert_true(fields_bytes(t.f) < 16 * 1024);
	for (size_t i = 0; i < FIELDS; i++) {
		assert_true(captures_at(t.c, i)->value.n <= FIELD_VALUE_MAX);
		assert_true(captures_at(t.c, i)->passage.n <= FIELD_PASSAGE_MAX);
	}
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_the_member),
		cmocka_unit_test(limits),
		cmocka_unit_test(views_and_questions),
		cmocka_unit_test(an_answer_with_its_passage),
		cmocka_unit_test(two_fields_in_one_question),
		cmocka_unit_test(a_correction_replaces),
		cmocka_unit_test(a_read_back_captures_nothing),
		cmocka_unit_test(an_answer_comes_late),
		cmocka_unit_test(another_question_ends_the_wait),
		cmocka_unit_test(a_mention_yields_to_an_answer),
		cmocka_unit_test(tools_and_report),
		cmocka_unit_test(revisions_are_as_if_shown_once),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(only_the_last_turns_can_be_revised),
		cmocka_unit_test(memory_stays_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
