/* Sentiment and signals, in English and Spanish: phrases that must be read, and phrases that must
 * not. */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

/* What a single turn of the caller (or, for PUZZLED and DONE, of the assistant) is read as. */
struct phrase_row {
	const char *text;
	enum mood mood; /* the one that must be there; MOOD_COUNT: none of good, bad, frustrated,
			   lost, puzzled, done */
};

static const struct phrase_row english[] = {
	{ "This is ridiculous, I already told you my address.", MOOD_FRUSTRATED },
	{ "Let me speak to a human", MOOD_FRUSTRATED },
	{ "How many times do I have to say it?", MOOD_FRUSTRATED },
	{ "You're not listening!", MOOD_FRUSTRATED },
	{ "I’m frustrated", MOOD_FRUSTRATED },
	{ "What a waste of my time", MOOD_FRUSTRATED },
	{ "I don't understand", MOOD_LOST },
	{ "Sorry, what do you mean?", MOOD_LOST },
	{ "That doesn't make sense", MOOD_LOST },
	{ "I'm confused now", MOOD_LOST },
	{ "What are you talking about?", MOOD_LOST },
	{ "I'm sorry, I didn't quite catch that", MOOD_PUZZLED },
	{ "Could you please clarify?", MOOD_PUZZLED },
	{ "I'm having trouble understanding you", MOOD_PUZZLED },
	{ "Your booking is confirmed for seven", MOOD_DONE },
	{ "I've sent you a text", MOOD_DONE },
	{ "You're all set!", MOOD_DONE },
	{ "It has been cancelled", MOOD_DONE },
	{ "That sounds great, thank you so much", MOOD_GOOD },
	{ "Perfect.", MOOD_GOOD },
	{ "No problem at all", MOOD_GOOD },
	{ "not bad", MOOD_GOOD },
	{ "You've been great", MOOD_GOOD },
	{ "The food was terrible", MOOD_BAD },
	{ "I'm very disappointed", MOOD_BAD },
	{ "It's too expensive", MOOD_BAD },
	{ "I am not happy", MOOD_BAD },
	{ "That's not a very good answer", MOOD_BAD },
	{ "It doesn't work", MOOD_BAD },
	{ "It never was wonderful", MOOD_BAD },
	/* and what must not be read */
	{ "I would book a table for four at seven", MOOD_COUNT },
	{ "My number is five five five, one two three", MOOD_COUNT },
	{ "I'm not angry", MOOD_COUNT },
	{ "It is not a problem", MOOD_COUNT },
	{ "It was not booked, has not been confirmed yet", MOOD_COUNT },
	{ "The badge is at the counter", MOOD_COUNT },
	{ "Lost and found, the goods entrance", MOOD_COUNT },
	{ "Tuesday the fifth", MOOD_COUNT },
	{ "", MOOD_COUNT },
};

static const struct phrase_row spanish[] = {
	{ "¡Esto es ridículo!", MOOD_FRUSTRATED },
	{ "Ya se lo dije tres veces", MOOD_FRUSTRATED },
	{ "Quiero hablar con una persona", MOOD_FRUSTRATED },
	{ "¿Cuántas veces tengo que repetirlo?", MOOD_FRUSTRATED },
	{ "Estoy harta de esto", MOOD_FRUSTRATED },
	{ "No me está escuchando", MOOD_FRUSTRATED },
	{ "Es una pérdida de tiempo", MOOD_FRUSTRATED },
	{ "No entiendo", MOOD_LOST },
	{ "¿Qué quiere decir?", MOOD_LOST },
	{ "Eso no tiene sentido", MOOD_LOST },
	{ "Estoy confundido", MOOD_LOST },
	{ "¿Puede repetir eso?", MOOD_LOST },
	{ "Disculpe, no le he entendido", MOOD_PUZZLED },
	{ "¿Podría repetirlo, por favor?", MOOD_PUZZLED },
	{ "¿Podría aclarar su petición?", MOOD_PUZZLED },
	{ "Su reserva está confirmada", MOOD_DONE },
	{ "Ya está reservado", MOOD_DONE },
	{ "He enviado el mensaje", MOOD_DONE },
	{ "Todo listo", MOOD_DONE },
	{ "Perfecto, muchas gracias", MOOD_GOOD },
	{ "Me parece bien", MOOD_GOOD },
	{ "No hay problema", MOOD_GOOD },
	{ "Muy amable, genial", MOOD_GOOD },
	{ "No está mal", MOOD_GOOD },
	{ "No funciona", MOOD_BAD },
	{ "Es demasiado caro", MOOD_BAD },
	{ "Qué mal servicio", MOOD_BAD },
	{ "No estoy contento", MOOD_BAD },
	{ "Tengo un problema", MOOD_BAD },
	{ "No me gusta", MOOD_BAD },
	{ "Quisiera una mesa para cuatro a las siete", MOOD_COUNT },
	{ "Mi número es cinco cinco cinco", MOOD_COUNT },
	{ "No estoy enojado", MOOD_COUNT },
	{ "No hubo ningún error", MOOD_COUNT },
	{ "El martes cinco de mayo", MOOD_COUNT },
	{ "La maleta y la malla", MOOD_COUNT },
	{ "Todavía no ha sido confirmada", MOOD_COUNT },
};

static bool neutral(const struct reading *r)
{
	static const enum mood moods[] = { MOOD_GOOD, MOOD_BAD,	    MOOD_FRUSTRATED,
					   MOOD_LOST, MOOD_PUZZLED, MOOD_DONE };
	for (size_t i = 0; i < sizeof(moods) / sizeof(*moods); i++)
		if (r->weight[moods[i]])
			return false;
	return true;
}

/* The strongest is what it must be. */
static bool reads_as(const struct reading *r, enum mood mood)
{
	if (mood == MOOD_COUNT)
		return neutral(r);
	if (r->weight[mood] <= 0)
		return false;
	return mood != MOOD_GOOD ||
	       r->weight[MOOD_GOOD] > r->weight[MOOD_BAD] + r->weight[MOOD_FRUSTRATED];
}

static void check_rows(const struct lexicon *l, const struct phrase_row *rows, size_t n)
{
	int wrong = 0;
	for (size_t i = 0; i < n; i++) {
		struct plain text;
		struct reading r;
		words_plain(span_of(rows[i].text), &text);
		lexicon_read(l, &text, &r);
		bool bad_too =
			rows[i].mood == MOOD_BAD && r.weight[MOOD_GOOD] >= r.weight[MOOD_BAD];
		if (reads_as(&r, rows[i].mood) && !bad_too)
			continue;
		wrong++;
		print_error("%s \"%s\": good %d bad %d frustrated %d lost %d puzzled %d done %d\n",
			    l->language, rows[i].text, r.weight[MOOD_GOOD], r.weight[MOOD_BAD],
			    r.weight[MOOD_FRUSTRATED], r.weight[MOOD_LOST], r.weight[MOOD_PUZZLED],
			    r.weight[MOOD_DONE]);
	}
	assert_int_equal(wrong, 0);
}

static void phrases_english(void **state)
{
	(void)state;
	check_rows(&lexicon_en, english, sizeof(english) / sizeof(*english));
}

static void phrases_spanish(void **state)
{
	(void)state;
	check_rows(&lexicon_es, spanish, sizeof(spanish) / sizeof(*spanish));
}

static void questions(void **state)
{
	static const struct {
		const struct lexicon *l;
		const char *text;
		bool asks;
	} rows[] = {
		{ &lexicon_en, "What time do you open", true },
		{ &lexicon_en, "You are open on Sunday?", true },
		{ &lexicon_en, "Hello. Can I bring a dog", true },
		{ &lexicon_en, "I know what time it is", false },
		{ &lexicon_en, "Yes, on Sunday", false },
		{ &lexicon_es, "¿A qué hora abren?", true },
		{ &lexicon_es, "cuánto cuesta el menú", true },
		{ &lexicon_es, "Buenas, dónde queda el local", true },
		{ &lexicon_es, "Quiero saber cuando pueda", false },
		{ &lexicon_es, "Sí, el domingo", false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct plain text;
		struct reading r;
		words_plain(span_of(rows[i].text), &text);
		lexicon_read(rows[i].l, &text, &r);
		if (r.asks != rows[i].asks)
			fail_msg("%s", rows[i].text);
	}
}

static size_t words_of(const char *phrase)
{
	size_t n = 1;
	for (; *phrase; phrase++)
		n += *phrase == ' ';
	return n;
}

/* lexicon_read() relies on it: normalised, most words first, each phrase once, sane weights. */
static void tables_are_in_order(void **state)
{
	static const struct lexicon *const both[] = { &lexicon_en, &lexicon_es };
	(void)state;
	for (size_t l = 0; l < 2; l++) {
		const struct phrase *all = both[l]->phrases;
		for (const struct phrase *p = all; p->words; p++) {
			struct plain text;
			words_plain(span_of(p->words), &text);
			assert_int_equal(text.n, strlen(p->words) + 2);
			assert_memory_equal(text.text + 1, p->words, strlen(p->words));
			assert_in_range(p->weight, 1, 100);
			if (p > all)
				assert_true(words_of(p->words) <= words_of(p[-1].words));
			for (const struct phrase *q = all; q < p; q++)
				assert_string_not_equal(p->words, q->words);
		}
	}
}

static void words_compare(void **state)
{
	struct word_list a, b;
	(void)state;
	words_read(SPAN("¿Dónde está el BAÑO, señor?"), &a);
	words_read(SPAN("donde esta el bano senor"), &b);
	assert_int_equal(words_similarity(&a, &b), 100);
	assert_int_equal(words_in_order(a.hash, a.n, b.hash, b.n), 5);
	words_read(SPAN("don’t you don't"), &a);
	assert_int_equal(a.hash[0], a.hash[2]);
	words_read(SPAN("el bano donde"), &a);
	assert_int_equal(words_in_order(a.hash, a.n, b.hash, b.n), 2);
	assert_int_equal(words_similarity(&a, &b), 75);
	words_read(SPAN("日本語 です"), &a);
	assert_int_equal(a.n, 2);
	words_read(SPAN(" ... \xC3"), &a); /* a cut character at the end */
	assert_true(a.n <= 1);
}

/* --- in a call --- */

static int turn_at;

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	turn_at = 1000;
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1'}},{'t':'status','name':'in-progress','at':"
			 "0,'key':1}");
	sim_pass(sim, 1000);
}

static void turn(struct sim *sim, const char *who, const char *text)
{
	static int key = 100;
	sim_webhookf(sim, "{'t':'transcript','s':'%s','final':true,'text':'%s','at':%d,'key':%d}",
		     who, text, turn_at, key++);
	sim_pass(sim, 2000);
	turn_at += 2000;
}

static void sentiment_runs(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "That is great, thank you so much");
	assert_true(sim_shows(&sim, "'user':'positive'"));
	assert_int_equal(sim_count(&sim, "'type':'sentiment'", "'speaker':'user'",
				   "'previous':'neutral'", NULL),
			 1);
	turn(&sim, "user", "No, this is wrong. It is a terrible mistake");
	assert_true(sim_shows(&sim, "'user':'negative'"));
	turn(&sim, "user", "This is unacceptable, are you kidding me");
	assert_true(sim_shows(&sim, "'user':'frustrated','call':'frustrated'"));
	assert_true(sim_shows(&sim, "'ai':'neutral'"));
	for (int i = 0; i < 8; i++)
		turn(&sim, "user", i % 2 ? "the blue one" : "seven in the evening");
	assert_true(sim_shows(&sim, "'user':'neutral'")); /* moods pass */
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void language_is_found(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "Hola, quiero una mesa para el viernes por la noche");
	turn(&sim, "user", "Esto es ridículo, ya se lo dije");
	assert_true(sim_shows(&sim, "'user':'frustrated'"));
	sim_fini(&sim);
	begin(&sim, "'language':'en'");
	turn(&sim, "user", "Esto es ridículo, ya se lo dije");
	assert_true(sim_shows(&sim, "'user':'neutral'"));
	sim_fini(&sim);
}

static void frustration_with_evidence(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "I said seven");
	assert_int_equal(sim_count(&sim, "'signal':'frustration'", NULL), 0);
	turn(&sim, "user", "Like I said, the number is wrong");
	assert_int_equal(sim_count(&sim, "'signal':'frustration'", "'state':'raised'",
				   "I said seven", "the number is wrong", "'formula':'min(100",
				   NULL),
			 1);
	static const char *const calm[] = { "seven in the evening", "the blue one", "on Tuesday",
					    "for four" };
	for (int i = 0; i < 4; i++) {
		turn(&sim, "user", calm[i]);
		if (i == 0) /* 54 is below the threshold, but not far enough */
			assert_int_equal(sim_count(&sim, "'state':'cleared'", NULL), 0);
	}
	assert_int_equal(sim_count(&sim, "'signal':'frustration'", "'state':'cleared'", NULL), 1);
	sim_fini(&sim);
}

static void interruptions_count(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "I told you, it is wrong"); /* 35 + 12 */
	sim_webhook(&sim, "{'t':'interrupted','key':2},{'t':'interrupted','key':3},{'t':'"
			  "interrupted','key':4}");
	assert_int_equal(sim_count(&sim, "'signal':'frustration'", "'state':'raised'", NULL), 1);
	sim_fini(&sim);
}

static void confusion_of_both(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "I don`t understand");
	assert_int_equal(sim_count(&sim, "'signal':'confusion_user'", "'state':'raised'", NULL), 1);
	turn(&sim, "ai", "I`m sorry, I didn`t quite catch that");
	assert_int_equal(
		sim_count(&sim, "'signal':'confusion_assistant'", "'state':'raised'", NULL), 1);
	assert_true(sim_shows(&sim, "'signals':[{'signal':'confusion_user'"));
	sim_fini(&sim);
}

static void loops(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	for (int i = 0; i < 4; i++) {
		turn(&sim, "user", "yes"); /* short answers repeat in every call */
		turn(&sim, "ai",
		     i < 2 ? "Can I have your phone number please?"
			   : "May I have your phone number, please?");
		if (i == 1)
			assert_int_equal(sim_count(&sim, "'signal':'repetition'", NULL), 0);
	}
	assert_int_equal(sim_count(&sim, "'signal':'repetition'", "'speaker':'ai'",
				   "'state':'raised'", NULL),
			 1);
	turn(&sim, "ai", "Something entirely different now");
	assert_int_equal(sim_count(&sim, "'signal':'repetition'", "'state':'cleared'", NULL), 1);
	sim_fini(&sim);
}

static void unanswered(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'unanswered_ms':10000");
	turn(&sim, "user", "What time do you close on Sunday?");
	turn(&sim, "ai", "One moment please"); /* no answer */
	sim_pass(&sim, 4000);
	assert_int_equal(sim_count(&sim, "'signal':'unanswered_question'", NULL), 0);
	sim_pass(&sim, 4000);
	assert_int_equal(sim_count(&sim, "'signal':'unanswered_question'", "'state':'raised'",
				   "close on Sunday", NULL),
			 1);
	turn(&sim, "ai", "We close at ten on Sundays");
	assert_int_equal(
		sim_count(&sim, "'signal':'unanswered_question'", "'state':'cleared'", NULL), 1);
	turn(&sim, "user", "And on Monday?");
	turn(&sim, "ai", "At nine on Mondays");
	sim_pass(&sim, 20000);
	assert_int_equal(sim_count(&sim, "'signal':'unanswered_question'", NULL), 2);
	turn(&sim, "user", "Why is that?");
	sim_webhook(
		&sim,
		"{'t':'speech','s':'ai','name':'started','key':2}"); /* the answer is under way */
	sim_pass(&sim, 12000);
	assert_int_equal(sim_count(&sim, "'signal':'unanswered_question'", NULL), 2);
	sim_fini(&sim);
}

static void the_history_answers_too(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'unanswered_ms':10000");
	turn(&sim, "user", "What time do you close?");
	sim_webhook(&sim, "{'t':'history','s':'ai','name':'assistant','text':'Welcome to our "
			  "restaurant','at':500,'key':2}"); /* said before */
	sim_pass(&sim, 5000);
	sim_webhook(&sim, "{'t':'history','s':'ai','name':'assistant','text':'We close at "
			  "ten','at':5000,'key':3}");
	sim_pass(&sim, 30000);
	assert_int_equal(sim_count(&sim, "unanswered_question", NULL), 0);
	turn_at = 40000;
	turn(&sim, "user", "And on Monday?");
	sim_webhook(&sim, "{'t':'history','s':'ai','name':'assistant','text':'Is there anything "
			  "else','at':30000,'key':4}"); /* late, said before */
	sim_pass(&sim, 12000);
	assert_int_equal(sim_count(&sim, "unanswered_question", "'state':'raised'", NULL), 1);
	sim_fini(&sim);
}

static void tool(struct sim *sim, int n, bool ok)
{
	sim_webhookf(sim, "{'t':'tool-call','here':true,'id':'t%d','name':'book','key':%d}", n,
		     9000 + n);
	sim_answered(sim, sim->effects_n - 1, ok ? 200 : 500, "answer");
}

static void claimed_done_but_failed(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'tools':[{'name':'book'}]");
	turn(&sim, "ai", "I have booked your table"); /* nothing has failed */
	assert_int_equal(sim_count(&sim, "claimed_done_tool_failed", NULL), 0);
	tool(&sim, 1, false);
	turn(&sim, "ai", "One moment");
	turn(&sim, "ai", "Your booking is confirmed");
	assert_int_equal(sim_count(&sim, "'signal':'claimed_done_tool_failed'", "'score':80",
				   "'state':'raised'", "book: status outside", "is confirmed",
				   NULL),
			 1);
	tool(&sim, 2, true);
	assert_int_equal(
		sim_count(&sim, "'signal':'claimed_done_tool_failed'", "'state':'cleared'", NULL),
		1);
	turn(&sim, "ai", "Your booking is confirmed");
	tool(&sim, 3, false);
	for (int i = 0; i < 5; i++)
		turn(&sim, "ai", i % 2 ? "We are in Main Street" : "We open at nine");
	turn(&sim, "ai", "You`re all set"); /* too long ago */
	assert_int_equal(sim_count(&sim, "'signal':'claimed_done_tool_failed'", NULL), 2);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void revised_turns_count_once(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	turn(&sim, "user", "I told you");
	int at = turn_at;
	turn_at = 1100;
	turn(&sim, "user", "before"); /* joins the first turn, which is read anew */
	turn_at = at;
	assert_int_equal(sim_count(&sim, "'type':'turn'", "'revision':1", NULL), 1);
	assert_int_equal(sim_count(&sim, "'signal':'frustration'", NULL), 0);
	assert_true(sim_shows(&sim, "'user':'negative'"));
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phrases_english),
		cmocka_unit_test(phrases_spanish),
		cmocka_unit_test(questions),
		cmocka_unit_test(tables_are_in_order),
		cmocka_unit_test(words_compare),
		cmocka_unit_test(sentiment_runs),
		cmocka_unit_test(language_is_found),
		cmocka_unit_test(frustration_with_evidence),
		cmocka_unit_test(interruptions_count),
		cmocka_unit_test(confusion_of_both),
		cmocka_unit_test(loops),
		cmocka_unit_test(unanswered),
		cmocka_unit_test(the_history_answers_too),
		cmocka_unit_test(claimed_done_but_failed),
		cmocka_unit_test(revised_turns_count_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
