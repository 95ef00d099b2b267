/* What words are a sign of: tags (D2), in English and Spanish, with the words that must not give
 * them; questions without an answer (C1); the phrase tables themselves. */
#include "tests/analysis/finished_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/signs.h"
#include "call/words.h"

#define EN ",\"language\":\"en\""
#define ES ",\"language\":\"es\""

/* --- tags --- */

struct row {
	const char *project, *lines, *category, *tag, *confidence;
};

static const struct row tags[] = {
	{ EN, "u I'd like to book a table", "intent", "high", "0.85" },
	{ EN, "u I don't want to book a table", "intent", "high", "-" },
	{ EN, "a I'd like to book you in", "intent", "high", "-" }, /* whose words count */
	{ ES, "u Quisiera reservar una mesa", "intent", "high", "0.9" },
	{ ES, "u No quiero reservar nada", "intent", "high", "-" },
	{ EN, "u I'm just looking, thanks", "intent", "low", "0.8" },
	{ EN, "u Look, I want two", "intent", "low", "-" },
	{ ES, "u Solo estoy mirando", "intent", "low", "0.85" },
	{ EN, "u We are comparing prices", "intent", "price_shopping", "0.9" },
	{ ES, "u Estoy comparando precios", "intent", "price_shopping", "0.9" },
	{ EN, "u Can we add lobster?", "intent", "upgrade_likely", "0.75" },
	{ ES, "u ¿Podemos añadir langosta?", "intent", "upgrade_likely", "0.75" },
	{ EN, "u My budget is 500", "budget", "stated", "0.9" },
	{ ES, "u Mi presupuesto es de 500 euros", "budget", "stated", "0.9" },
	{ EN, "u We're on a tight budget", "budget", "limited", "0.9" },
	{ ES, "u Tenemos el presupuesto ajustado", "budget", "limited", "0.9" },
	{ EN, "u Money is no object", "budget", "flexible", "0.95" },
	{ ES, "u El precio no importa", "budget", "flexible", "0.9" },
	{ EN, "u The minimum is too high for us", "objection", "minimum", "0.95" },
	{ ES, "u El mínimo es muy alto", "objection", "minimum", "0.95" },
	{ EN, "u What is the travel fee?", "objection", "travel", "0.8" },
	{ ES, "u Está muy lejos", "objection", "travel", "0.85" },
	{ EN, "u That's too expensive", "objection", "price", "0.95" },
	{ EN, "u That is not too expensive", "objection", "price", "-" },
	{ EN, "u I can't afford that", "objection", "price", "0.95" },
	{ ES, "u Es demasiado caro", "objection", "price", "0.95" },
	{ ES, "u No es muy caro", "objection", "price", "-" },
	{ EN, "u That day doesn't work", "objection", "availability", "0.9" },
	{ ES, "u Ese día no puedo", "objection", "availability", "0.9" },
	{ EN, "u I have to ask my wife", "objection", "authority", "0.9" },
	{ ES, "u Tengo que hablar con mi marido", "objection", "authority", "0.9" },
	{ EN, "u Is this a scam?", "objection", "trust", "0.95" },
	{ EN, "u I found it cheaper", "objection", "competitor", "0.95" },
	{ ES, "u Es más barato en otro sitio", "objection", "competitor", "0.95" },
	{ EN, "u I don't want to pay a deposit", "objection", "payment", "0.95" },
	{ ES, "u No quiero dar mi tarjeta", "objection", "payment", "0.95" },
	{ EN, "u It's for my son's birthday", "occasion", "birthday", "0.9" },
	{ ES, "u Es el cumpleaños de mi hija", "occasion", "birthday", "0.9" },
	{ EN, "a Is it a birthday?\nu It is for work", "occasion", "birthday", "-" },
	{ EN, "u It's a wedding", "occasion", "wedding", "0.9" },
	{ ES, "u Es para una boda", "occasion", "wedding", "0.9" },
	{ EN, "u Our anniversary", "occasion", "anniversary", "0.9" },
	{ EN, "u A corporate event", "occasion", "corporate", "0.95" },
	{ ES, "u La cena de empresa", "occasion", "corporate", "0.9" },
	{ EN, "u It's our first time", "behaviour", "first_time", "0.75" },
	{ EN, "u It's not our first time", "behaviour", "first_time", "-" },
	{ ES, "u Es la primera vez", "behaviour", "first_time", "0.8" },
	{ EN, "u Same as last time please", "behaviour", "returning", "0.95" },
	{ ES, "u Ya soy cliente", "behaviour", "returning", "0.95" },
	{ EN, "u I need it as soon as possible", "behaviour", "urgent", "0.9" },
	{ ES, "u Es urgente", "behaviour", "urgent", "0.95" },
	/* a second turn that says so makes it a little surer */
	{ EN, "u It's a birthday\na Nice\nu Yes, a birthday", "occasion", "birthday", "0.95" },
	/* outcome */
	{ EN, "u Hi\na Your booking is confirmed", "outcome", "booked", "0.6" },
	{ EN, "u Hi\na Your booking is not confirmed", "outcome", "booked", "-" },
	{ EN, "u Hi\nt book_table ok {}", "outcome", "booked", "0.9" },
	{ EN, "u Hi\nt book_table fail full", "outcome", "booked", "-" },
	{ ES, "u Hola\na Su cita está confirmada", "outcome", "booked", "0.6" },
	{ EN, "u I'll think about it", "outcome", "pending", "0.7" },
	{ ES, "u Lo voy a pensar", "outcome", "pending", "0.7" },
	{ EN, "u I'm not interested", "outcome", "lost", "0.85" },
	{ ES, "u Ya no me interesa", "outcome", "lost", "0.85" },
	{ EN, "u Hi\na I will transfer you now", "outcome", "escalated", "0.75" },
	{ ES, "u Hola\na Le paso con un compañero", "outcome", "escalated", "0.75" },
	{ EN, "u Hi\na Hello", "outcome", "lost", "-" },
	/* the language of a call is told by its words when the project does not say it */
	{ ",\"language\":\"auto\"",
	  "u Hola, quiero una mesa para el cumpleaños de mi hija, por favor", "occasion",
	  "birthday", "0.9" },
	{ ",\"language\":\"auto\"", "u Hello, I want a table for the birthday of my daughter",
	  "occasion", "birthday", "0.9" },
	/* the project's own */
	{ EN ",\"tags\":[{\"tag\":\"tofu\",\"phrases\":[\"tofu\",\"bean curd\"]}]",
	  "u Do you have bean-curd?", "own", "tofu", "0.8" },
	{ EN ",\"tags\":[{\"tag\":\"tofu\",\"phrases\":[\"tofu\",\"bean curd\"]}]",
	  "u Do you have beans?", "own", "tofu", "-" },
	{ EN ",\"tags\":[{\"tag\":\"vip\",\"category\":\"guest\",\"speaker\":\"ai\",\"phrases\":"
	     "[\"gold member\"]}]",
	  "a You are a gold member", "guest", "vip", "0.8" },
	{ EN ",\"tags\":[{\"tag\":\"vip\",\"category\":\"guest\",\"speaker\":\"ai\",\"phrases\":"
	     "[\"gold member\"]}]",
	  "u I am a gold member", "guest", "vip", "-" },
};

static void tags_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		const struct row *r = &tags[i];
		finished_run(&(struct script){ .lines = r->lines, .project = r->project });
		if (strcmp(finished_tag(r->category, r->tag), r->confidence) != 0)
			fail_msg("%s: %s %s is %s, expected %s", r->lines, r->category, r->tag,
				 finished_tag(r->category, r->tag), r->confidence);
	}
}

static void tags_quote_the_words(void **state)
{
	(void)state;
	finished_run(&(struct script){ .lines = "u Hello\na Hi\nu It is too expensive for me" });
	assert_string_equal(finished_tag_passage("objection", "price"),
			    "It is too expensive for me");
	expect("tags.0.seq", "30");
	expect("tags.0.offset_ms", "3000");
}

static void more_of_the_outcome(void **state)
{
	(void)state;
	finished_run(
		&(struct script){ .lines = "u Hi\na Hello", "assistant assistant-forwarded-call" });
	assert_string_equal(finished_tag("outcome", "escalated"), "0.95");
	finished_run(&(struct script){
		.lines = "u Hi\na Hello",
		.more = ",\"commands\":[{\"verb\":\"transfer\",\"state\":\"effect_seen\"}]" });
	assert_string_equal(finished_tag("outcome", "escalated"), "0.95");
	finished_run(&(struct script){
		.lines = "u Hi\na Hello",
		.more = ",\"commands\":[{\"verb\":\"transfer\",\"state\":\"rejected\"}]" });
	assert_string_equal(finished_tag("outcome", "escalated"), "-");
	finished_run(&(struct script){
		.lines = "u Hi\na Hello",
		.more = ",\"posted\":{\"outcome\":\"failure\",\"actor\":\"cli\"}" });
	assert_string_equal(finished_tag("outcome", "lost"), "0.6");
}

static const struct {
	const char *tags, *why;
} refused[] = {
	{ "{}", "project: tags: expected array" },
	{ "[1]", "project: tags[0]: expected object" },
	{ "[{\"phrases\":[\"a\"]}]", "project: tags[0]: tag" },
	{ "[{\"tag\":\"\",\"phrases\":[\"a\"]}]", "project: tags[0]: tag" },
	{ "[{\"tag\":\"x\",\"phrases\":[]}]", "project: tags[0]: phrases" },
	{ "[{\"tag\":\"x\",\"phrases\":[\"a\",\"!\"]}]", "project: tags[0]: phrases[1]" },
	{ "[{\"tag\":\"x\",\"phrases\":\"a\"}]", "project: tags[0]: phrases" },
	{ "[{\"tag\":\"x\",\"phrases\":[\"a\"],\"speaker\":\"me\"}]", "project: tags[0]: speaker" },
};

static void bad_tags_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char project[200];
		snprintf(project, sizeof(project), EN ",\"tags\":%s", refused[i].tags);
		assert_int_equal(finished_try(finished_text(
					 &(struct script){ .lines = "u Hi", .project = project })),
				 E_INVALID);
		if (strncmp(finished_why.text, refused[i].why, strlen(refused[i].why)) != 0)
			fail_msg("%s: %s", refused[i].tags, finished_why.text);
	}
}

/* --- questions --- */

static const struct {
	const char *project, *lines, *key; /* "-": answered, or none */
} questions[] = {
	{ EN, "u Do you have vegan options?\na I don't have that information.", "option vegan" },
	{ EN, "u Do you have vegan options?\na Yes, we have two vegan menus.", "-" },
	{ EN, "u Hello. Do you have vegan options?\nu For my wife\na I do not know",
	  "option vegan" },
	{ EN, "u Do you have vegan options?\nu For my wife\na Yes we do", "-" },
	{ EN, "u Do you have vegan options?", "option vegan" },
	{ EN, "u Do you have vegan options?\na One moment please.\nu Hello?", "option vegan" },
	{ EN, "u Do you have vegan options?\na We are open daily\nu But do you have vegan options?",
	  "option vegan" },
	{ EN,
	  "u Where is the parking lot?\na Next to the house\nu And how long are you open?\na Until "
	  "ten",
	  "-" },
	{ EN, "u how much is the delivery to Oakland\na I am not sure about that",
	  "delivery oakland" },
	{ EN, "u How are you?\na I don't know", "-" },
	{ EN, "u Can you hear me?", "-" },
	{ EN, "u What?", "-" },
	{ EN, "u I want vegan options.\na I don't know", "-" },
	{ EN, "a Do you have vegan options?\nu I don't know", "-" },
	{ ES, "u ¿Tienen opciones veganas?\na No dispongo de esa información.", "opcione vegana" },
	{ ES, "u ¿Tienen opciones veganas?\na Sí, tenemos dos platos.", "-" },
	{ ES, "u ¿Me escucha?", "-" },
	{ ES, "u ¿Cuánto cuesta el envío?\na Un momento por favor.", "cuesta envio" },
};

static void unanswered_questions_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		finished_run(&(struct script){ .lines = questions[i].lines,
					       .project = questions[i].project });
		if (strcmp(finished_at("unanswered.0.key"), questions[i].key) != 0)
			fail_msg("%s: %s, expected %s", questions[i].lines,
				 finished_at("unanswered.0.key"), questions[i].key);
		expect("unanswered.1", "-");
		expect("counts.unanswered", questions[i].key[0] == '-' ? "0" : "1");
	}
}

static void questions_are_quoted(void **state)
{
	(void)state;
	finished_run(&(struct script){ .lines = "u Hi there. Do you cater for weddings? It is in "
						"May.\na I can't answer that" });
	expect("unanswered.0.question", "Do you cater for weddings?");
	expect("unanswered.0.key", "cater wedding");
	expect("unanswered.0.seq", "10");
	expect("unanswered.0.offset_ms", "1000");
}

static void live_signals_count_as_unanswered(void **state)
{
	(void)state;
	finished_run(&(struct script){
		.lines = "u Do you have a terrace?\ns unanswered_question 100\na Well "
			 "let me say this first" });
	expect("unanswered.0.key", "terrace");
	expect("signals.0.signal", "unanswered_question");
}

/* --- the tables --- */

static void check_list(const struct sign_list *l)
{
	for (const struct sign_phrase *p = l->phrases; p->words; p++) {
		struct plain plain;
		words_plain(span_of(p->words), &plain);
		if (plain.n != strlen(p->words) + 2 ||
		    memcmp(plain.text + 1, p->words, plain.n - 2) != 0)
			fail_msg("not normalised: \"%s\"", p->words);
		assert_true(p->weight >= 1 && p->weight <= 100);
		assert_true(p->sign < SIGN_COUNT);
		for (const struct sign_phrase *q = p + 1; q->words; q++)
			if (strcmp(p->words, q->words) == 0 && p->sign == q->sign)
				fail_msg("twice: \"%s\"", p->words);
	}
}

static void every_sign_has_phrases(const struct sign_list *l)
{
	for (int s = 0; s < SIGN_COUNT; s++) {
		const struct sign_phrase *p = l->phrases;
		while (p->words && p->sign != (enum sign)s)
			p++;
		if (!p->words)
			fail_msg("no phrase for sign %d", s);
	}
}

static void phrase_tables_are_sound(void **state)
{
	(void)state;
	check_list(&signs_en);
	check_list(&signs_es);
	every_sign_has_phrases(&signs_en);
	every_sign_has_phrases(&signs_es);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_found),
		cmocka_unit_test(tags_quote_the_words),
		cmocka_unit_test(more_of_the_outcome),
		cmocka_unit_test(bad_tags_are_named),
		cmocka_unit_test(unanswered_questions_are_found),
		cmocka_unit_test(questions_are_quoted),
		cmocka_unit_test(live_signals_count_as_unanswered),
		cmocka_unit_test(phrase_tables_are_sound),
	};
	return cmocka_run_group_tests(tests, NULL, finished_forget);
}
