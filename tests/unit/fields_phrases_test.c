/* What is and what is not captured from a caller's words, phrase by phrase, English and Spanish
 * (A8, D1). */
#include <stdlib.h>

#include "callmend/fields.h"
#include "tests/unit/cmocka_all.h"

/* The fields that questions below ask for; unasked mentions are read with all of them. */
static const char definitions[] =
	"[{\"name\":\"guests\",\"label\":\"number of people\",\"type\":\"number\","
	"\"ask\":[\"how many people\",\"how many guests\",\"cuantas personas\",\"cuantos "
	"invitados\"]},"
	"{\"name\":\"caller\",\"label\":\"name\",\"type\":\"name\"},"
	"{\"name\":\"phone\",\"label\":\"phone number\",\"type\":\"phone\"},"
	"{\"name\":\"email\",\"label\":\"e-mail address\",\"type\":\"email\"},"
	"{\"name\":\"budget\",\"label\":\"budget\",\"type\":\"money\",\"ask\":[\"budget\","
	"\"presupuesto\"]},"
	"{\"name\":\"day\",\"label\":\"day\",\"type\":\"date\",\"ask\":[\"what day\",\"que dia\"]},"
	"{\"name\":\"time\",\"label\":\"time\",\"type\":\"time\",\"ask\":[\"what time\",\"que "
	"hora\"]},"
	"{\"name\":\"smoker\",\"label\":\"smoker\",\"type\":\"yes_no\",\"ask\":[\"do you "
	"smoke\",\"usted fuma\"]},"
	"{\"name\":\"meal\",\"label\":\"meal\",\"type\":\"choice\",\"ask\":[\"lunch or "
	"dinner\",\"almuerzo o cena\"],"
	"\"choices\":[\"lunch|midday|almuerzo|comida\",\"dinner|supper|evening meal|cena\"]},"
	"{\"name\":\"address\",\"label\":\"delivery address\",\"type\":\"address\"},"
	"{\"name\":\"reason\",\"label\":\"reason\",\"type\":\"text\",\"ask\":[\"reason for your "
	"call\",\"motivo de su llamada\"]},"
	"{\"name\":\"booking\",\"label\":\"booking code\",\"ask\":[\"booking code\",\"codigo de "
	"reserva\"],"
	"\"pattern\":\"\\\\b[A-Z]{2}\\\\d{6}\\\\b\"}]";

#define GUESTS "How many people will it be?"
#define NAME "May I have your name, please?"
#define PHONE "What is the best phone number to reach you?"
#define EMAIL "And your email address?"
#define BUDGET "What is your budget?"
#define DAY "What day would you like to come?"
#define TIME "What time suits you?"
#define SMOKE "Do you smoke?"
#define MEAL "Is it for lunch or dinner?"
#define ADDRESS "What is your delivery address?"
#define REASON "What is the reason for your call?"
#define CODE "Do you have your booking code?"
#define PERSONAS "¿Para cuántas personas sería?"
#define NOMBRE "¿Me puede dar su nombre?"
#define TELEFONO "¿Cuál es su número de teléfono?"
#define CORREO "¿Cuál es su correo electrónico?"
#define PRESUPUESTO "¿Cuál es su presupuesto?"
#define DIA "¿Qué día le gustaría venir?"
#define HORA "¿A qué hora le viene bien?"
#define FUMA "¿Usted fuma?"
#define COMIDA "¿Es para almuerzo o cena?"
#define DIRECCION "¿Cuál es su dirección?"
#define MOTIVO "¿Cuál es el motivo de su llamada?"

/* expected: the value; or "?": asked, nothing captured; "!": refused; NULL: never asked, nothing.
 */
static const struct row {
	const char *question, *field, *said, *expected;
} rows[] = {
	/* numbers */
	{ GUESTS, "guests", "Seven.", "7" },
	{ GUESTS, "guests", "There will be twenty five of us.", "25" },
	{ GUESTS, "guests", "twenty-five people", "25" },
	{ GUESTS, "guests", "a hundred and twenty", "120" },
	{ GUESTS, "guests", "About a dozen, I think.", "12" },
	{ GUESTS, "guests", "Just me.", "1" },
	{ GUESTS, "guests", "Six, no wait, eight.", "8" },
	{ GUESTS, "guests", "Not six but seven.", "7" },
	{ GUESTS, "guests", "We arrive at 7 pm, there will be four people.", "4" },
	{ GUESTS, "guests", "1,200 people", "1200" },
	{ GUESTS, "guests", "One moment, please.", "?" },
	{ GUESTS, "guests", "At half past seven.", "?" },
	{ GUESTS, "guests", "I'd like that one.", "?" },
	{ GUESTS, "guests", "My number is 555 012 3456.", "?" },
	{ GUESTS, "guests", "What is the maximum?", "?" },
	{ GUESTS, "guests", "I don't know yet.", "?" },
	{ GUESTS, "guests", "Why do you need that?", "!" },
	{ PERSONAS, "guests", "Somos veinticinco.", "25" },
	{ PERSONAS, "guests", "Para treinta y cinco personas.", "35" },
	{ PERSONAS, "guests", "ciento veinte", "120" },
	{ PERSONAS, "guests", "once personas", "11" },
	{ PERSONAS, "guests", "Solo yo.", "1" },
	{ PERSONAS, "guests", "Quiero una mesa en la terraza.", "?" },
	{ PERSONAS, "guests", "A las siete y media.", "?" },
	{ NULL, "guests", "I need a table for seven people.", "7" },
	{ NULL, "guests", "I have two questions.", NULL },
	{ NULL, "guests", "One of the people was rude.", NULL },
	/* names */
	{ NAME, "caller", "My name is Anna Smith.", "Anna Smith" },
	{ NAME, "caller", "Anna Smith.", "Anna Smith" },
	{ NAME, "caller", "anna smith", "Anna Smith" },
	{ NAME, "caller", "Yes, of course, it's Anna.", "Anna" },
	{ NAME, "caller", "Sure. Bob Miller, please.", "Bob Miller" },
	{ NAME, "caller", "This is Bob speaking.", "Bob" },
	{ NAME, "caller", "S M I T H", "Smith" },
	{ NAME, "caller", "I'm María de la Cruz.", "María de la Cruz" },
	{ NAME, "caller", "Yes.", "?" },
	{ NAME, "caller", "Hold on a second.", "?" },
	{ NAME, "caller", "I'm calling about my order.", "?" },
	{ NAME, "caller", "Two people.", "?" },
	{ NAME, "caller", "Who is this?", "?" },
	{ NAME, "caller", "I'd rather not say.", "!" },
	{ NAME, "caller", "No.", "!" },
	{ NOMBRE, "caller", "Me llamo Ana García.", "Ana García" },
	{ NOMBRE, "caller", "Sí, claro, Ana García.", "Ana García" },
	{ NOMBRE, "caller", "soy pedro", "Pedro" },
	{ NOMBRE, "caller", "Prefiero no decirlo.", "!" },
	{ NOMBRE, "caller", "Estoy llamando por mi pedido.", "?" },
	{ NULL, "caller", "Hi, this is Bob.", "Bob" },
	{ NULL, "caller", "This is ridiculous.", NULL },
	{ NULL, "caller", "This is about my order.", NULL },
	{ NULL, "caller", "I'm very unhappy.", NULL },
	{ NULL, "caller", "Hola, me llamo Ana.", "Ana" },
	{ NULL, "caller", "Soy cliente desde hace años.", NULL },
	/* telephones */
	{ PHONE, "phone", "five five five, oh one two, three four five six", "5550123456" },
	{ PHONE, "phone", "It's 555-012-3456.", "5550123456" },
	{ PHONE, "phone", "plus four nine, one seven zero, one two three four five",
	  "+4917012345" },
	{ PHONE, "phone", "+1 (555) 010-4477", "+15550104477" },
	{ PHONE, "phone", "eight hundred, five five five, double one, twenty two", "8005551122" },
	{ PHONE, "phone", "five five five", "?" },
	{ PHONE, "phone", "You have it already.", "?" },
	{ PHONE, "phone", "I don't want to give my number.", "!" },
	{ TELEFONO, "phone", "seis uno dos, treinta y cuatro, cincuenta y seis, setenta y ocho",
	  "612345678" },
	{ TELEFONO, "phone", "Es el 612 345 678.", "612345678" },
	{ TELEFONO, "phone", "¿Para qué lo necesita?", "!" },
	{ NULL, "phone", "You can call me on 555 012 3456.", "5550123456" },
	{ NULL, "phone", "My order number is 123456789.", NULL },
	{ NULL, "phone", "Use certificate_9984806 for it.", NULL },
	/* e-mails */
	{ EMAIL, "email", "It's anna dot smith at gmail dot com.", "anna.smith@gmail.com" },
	{ EMAIL, "email", "Anna.Smith@Example.com", "anna.smith@example.com" },
	{ EMAIL, "email", "a n n a at g mail dot com", "anna@gmail.com" },
	{ EMAIL, "email", "bob underscore twenty two at mail dot co dot uk", "bob_22@mail.co.uk" },
	{ EMAIL, "email", "anna at gmail.com", "anna@gmail.com" },
	{ EMAIL, "email", "I'm at home.", "?" },
	{ EMAIL, "email", "I don't have one.", "?" },
	{ EMAIL, "email", "That's private.", "!" },
	{ CORREO, "email", "ana arroba gmail punto com", "ana@gmail.com" },
	{ CORREO, "email", "Es ana guion bajo ruiz arroba correo punto es", "ana_ruiz@correo.es" },
	{ CORREO, "email", "No quiero dar mi correo.", "!" },
	{ NULL, "email", "Send it to anna at example dot org, please.", "anna@example.org" },
	{ NULL, "email", "Let's meet at seven dot.", NULL },
	/* money */
	{ BUDGET, "budget", "Around fifty dollars.", "50" },
	{ BUDGET, "budget", "$1,200.50", "1200.50" },
	{ BUDGET, "budget", "fifty dollars and twenty cents", "50.20" },
	{ BUDGET, "budget", "fifteen hundred", "1500" },
	{ BUDGET, "budget", "I'd like to think about it.", "?" },
	{ PRESUPUESTO, "budget", "Unos doscientos cincuenta euros.", "250" },
	{ NULL, "budget", "My budget is 30 euros.", "30" },
	{ NULL, "budget", "I paid 30 euros for it.", NULL },
	{ NULL, "budget", "There are 30 of us.", NULL },
	/* days */
	{ DAY, "day", "The fourteenth of March.", "The fourteenth of March" },
	{ DAY, "day", "Next Friday would be great.", "Next Friday" },
	{ DAY, "day", "Um, tomorrow, if possible.", "tomorrow" },
	{ DAY, "day", "On the third.", "the third" },
	{ DAY, "day", "March 14th, 2026", "March 14th, 2026" },
	{ DAY, "day", "Friday the fourteenth", "Friday the fourteenth" },
	{ DAY, "day", "In two weeks.", "In two weeks" },
	{ DAY, "day", "At seven.", "?" },
	{ DAY, "day", "May I ask something?", "?" },
	{ DIA, "day", "El viernes.", "El viernes" },
	{ DIA, "day", "El catorce de marzo.", "El catorce de marzo" },
	{ DIA, "day", "Mañana por la mañana.", "Mañana" },
	{ DIA, "day", "Por la mañana.", "?" },
	{ NULL, "day", "I was there last Friday.", NULL },
	{ NULL, "day", "Thanks, that is all for today.", NULL },
	{ NULL, "day", "I'd like to come next Friday.", "next Friday" },
	{ NULL, "day", "Are you open on Sunday?", NULL },
	/* times */
	{ TIME, "time", "Half past seven.", "07:30" },
	{ TIME, "time", "7 pm", "19:00" },
	{ TIME, "time", "At 7 p.m. please", "19:00" },
	{ TIME, "time", "Seven thirty in the evening.", "19:30" },
	{ TIME, "time", "Quarter to eight.", "07:45" },
	{ TIME, "time", "19:30", "19:30" },
	{ TIME, "time", "At noon.", "12:00" },
	{ TIME, "time", "Maybe at eight.", "08:00" },
	{ TIME, "time", "There are four hundred of us.", "?" },
	{ TIME, "time", "On Friday.", "?" },
	{ HORA, "time", "A las ocho y media de la noche.", "20:30" },
	{ HORA, "time", "A la una.", "01:00" },
	{ HORA, "time", "A las ocho menos cuarto.", "07:45" },
	{ NULL, "time", "We will be there at 7 pm.", "19:00" },
	{ NULL, "time", "I have seven of them.", NULL },
	{ NULL, "time", "I don't want to fly before 11 am.", NULL },
	/* yes and no */
	{ SMOKE, "smoker", "Yes, I do.", "yes" },
	{ SMOKE, "smoker", "No, I don't.", "no" },
	{ SMOKE, "smoker", "Of course not.", "no" },
	{ SMOKE, "smoker", "Not really.", "no" },
	{ SMOKE, "smoker", "Yes, that is my name, but I do not smoke.", "no" },
	{ SMOKE, "smoker", "Right, and yes, I smoke.", "yes" },
	{ SMOKE, "smoker", "I don't have my booking code with me.", "?" },
	{ SMOKE, "smoker", "I don't.", "no" },
	{ SMOKE, "smoker", "I don't know.", "?" },
	{ SMOKE, "smoker", "I'm not sure.", "?" },
	{ SMOKE, "smoker", "What do you mean?", "?" },
	{ SMOKE, "smoker", "Why do you want to know?", "!" },
	{ FUMA, "smoker", "Sí.", "yes" },
	{ FUMA, "smoker", "Claro que no.", "no" },
	{ FUMA, "smoker", "No lo sé.", "?" },
	{ NULL, "smoker", "Yes.", NULL },
	/* choices */
	{ MEAL, "meal", "Dinner, please.", "dinner" },
	{ MEAL, "meal", "An evening meal.", "dinner" },
	{ MEAL, "meal", "Not lunch, dinner.", "dinner" },
	{ MEAL, "meal", "Lunch. No, sorry, dinner.", "dinner" },
	{ MEAL, "meal", "Lunch or dinner, I don't care.", "?" },
	{ MEAL, "meal", "Breakfast.", "?" },
	{ COMIDA, "meal", "La cena.", "dinner" },
	{ NULL, "meal", "I'd like to book a dinner.", "dinner" },
	{ NULL, "meal", "What do you have for lunch?", NULL },
	/* addresses */
	{ ADDRESS, "address", "It's 12 Baker Street, London.", "12 Baker Street, London" },
	{ ADDRESS, "address", "twelve baker street", "twelve baker street" },
	{ ADDRESS, "address", "In the city.", "?" },
	{ ADDRESS, "address", "On Friday at 7 pm in the evening.", "?" },
	{ DIRECCION, "address", "Calle Mayor 14, segundo piso.", "Calle Mayor 14, segundo piso" },
	{ NULL, "address", "I live at 12 Baker Street.", "12 Baker Street" },
	/* texts */
	{ REASON, "reason", "Well, my washing machine is broken.", "my washing machine is broken" },
	{ REASON, "reason", "Sure. The reason is a change of plans.", "a change of plans" },
	{ REASON, "reason", "I don't have my order number with me right now.", "?" },
	{ REASON, "reason", "Yes.", "?" },
	{ REASON, "reason", "I don't know.", "?" },
	{ REASON, "reason", "Can you hear me?", "?" },
	{ REASON, "reason", "One moment please.", "?" },
	{ REASON, "reason", "I'd prefer not to say.", "!" },
	{ MOTIVO, "reason", "Pues, se ha roto la lavadora.", "se ha roto la lavadora" },
	{ NULL, "reason", "My washing machine is broken.", NULL },
	/* patterns */
	{ CODE, "booking", "Yes, it's AB123456.", "AB123456" },
	{ CODE, "booking", "a b one two three four five six", "AB123456" },
	{ CODE, "booking", "AB12", "?" },
	{ NULL, "booking", "My code is XY654321.", "XY654321" },
	/* questions that ask for nothing, and read-backs */
	{ "We have a nice terrace.", "guests", "Seven.", NULL },
	{ "So that's six people, right?", "guests", "Yes.", NULL },
	{ "Our phone number is 555 012 3456.", "phone", "Thanks.", NULL },
};

static struct json checked(const char *text)
{
	assert_int_equal(json_check(span_of(text), NULL), 0);
	return json_of(span_of(text));
}

static size_t index_of(const struct fields *f, const char *name)
{
	for (size_t i = 0; i < fields_n(f); i++)
		if (span_is(fields_at(f, i).name, name))
			return i;
	fail_msg("no field %s", name);
	return 0;
}

static void say(struct captures *c, enum speaker who, uint32_t number, const char *text)
{
	captures_turn(c, &(struct field_turn){ who, number, span_of(text), 100 + number,
					       1000 * (int64_t)number });
}

static bool as_expected(const struct captured *c, const char *expected)
{
	if (!expected || strcmp(expected, "?") == 0 || strcmp(expected, "!") == 0) {
		enum field_state wanted = !expected	       ? FIELD_STATE_NEVER_ASKED
					  : expected[0] == '?' ? FIELD_STATE_ASKED
							       : FIELD_STATE_REFUSED;
		return c->state == wanted;
	}
	return c->state == FIELD_STATE_CAPTURED && span_is(c->value, expected);
}

static void every_row(void **state)
{
	struct fields *f = NULL;
	struct fault fault = { 0 };
	unsigned wrong = 0;
	(void)state;
	if (fields_new(&f, checked(definitions), SPAN("auto"), &fault))
		fail_msg("%s", fault.text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct captures *c = captures_new(f);
		if (r->question)
			say(c, SPEAKER_AI, 0, r->question);
		say(c, SPEAKER_USER, 1, r->said);
		const struct captured *got = captures_at(c, index_of(f, r->field));
		if (!as_expected(got, r->expected)) {
			print_error("row %zu: %s: \"%s\": %s \"%.*s\", not %s\n", i, r->field,
				    r->said, field_state_name(got->state), SPAN_ARG(got->value),
				    r->expected ? r->expected : "never asked");
			wrong++;
		}
		captures_free(c);
	}
	fields_free(f);
	assert_true(sizeof(rows) / sizeof(*rows) >= 80);
	assert_int_equal(wrong, 0);
}

/* Each word that is a number, alone or in a number: the table of words is searched by halves. */
static const struct number {
	const char *said, *value;
} english[] = {
	{ "zero", "0" }, { "two", "2" }, { "three", "3" }, { "four", "4" }, { "five", "5" },
	{ "six", "6" }, { "seven", "7" }, { "eight", "8" }, { "nine", "9" }, { "ten", "10" },
	{ "eleven", "11" }, { "twelve", "12" }, { "thirteen", "13" }, { "fourteen", "14" },
	{ "fifteen", "15" }, { "sixteen", "16" }, { "seventeen", "17" }, { "eighteen", "18" },
	{ "nineteen", "19" }, { "twenty", "20" }, { "thirty one", "31" }, { "forty-two", "42" },
	{ "fourty two", "42" }, { "fifty three", "53" }, { "sixty", "60" }, { "seventy nine", "79" },
	{ "eighty", "80" }, { "ninety nine", "99" }, { "a hundred", "100" }, { "two hundred and five", "205" },
	{ "three thousand four hundred", "3400" }, { "one million", "1000000" }, { "a couple", "2" },
	{ "a pair", "2" }, { "two dozen", "24" }, { "half a dozen", "6" }, { "2.5", "2.5" }, { "3,000", "3000" },
}, spanish[] = {
	{ "cero", "0" }, { "uno", "1" }, { "dos", "2" }, { "tres", "3" }, { "cuatro", "4" },
	{ "cinco", "5" }, { "seis", "6" }, { "siete", "7" }, { "ocho", "8" }, { "nueve", "9" },
	{ "diez", "10" }, { "once", "11" }, { "doce", "12" }, { "trece", "13" }, { "catorce", "14" },
	{ "quince", "15" }, { "dieciséis", "16" }, { "diecisiete", "17" }, { "dieciocho", "18" },
	{ "diecinueve", "19" }, { "veinte", "20" }, { "veintiuno", "21" }, { "veintidós", "22" },
	{ "veintitrés", "23" }, { "veinticuatro", "24" }, { "veinticinco", "25" }, { "veintiséis", "26" },
	{ "veintisiete", "27" }, { "veintiocho", "28" }, { "veintinueve", "29" }, { "treinta", "30" },
	{ "cuarenta y dos", "42" }, { "cincuenta", "50" }, { "sesenta y seis", "66" }, { "setenta", "70" },
	{ "ochenta", "80" }, { "noventa y nueve", "99" }, { "cien", "100" }, { "ciento uno", "101" },
	{ "doscientos", "200" }, { "trescientos", "300" }, { "cuatrocientos", "400" }, { "quinientos", "500" },
	{ "seiscientos", "600" }, { "setecientos", "700" }, { "ochocientos", "800" }, { "novecientos", "900" },
	{ "mil", "1000" }, { "dos mil quinientos", "2500" }, { "un millón", "1000000" }, { "tres millones", "3000000" },
	{ "un par", "2" }, { "una docena", "12" },
};

static unsigned wrong_numbers(const struct fields *f, const char *question,
			      const struct number *list, size_t n)
{
	unsigned wrong = 0;
	for (size_t i = 0; i < n; i++) {
		struct captures *c = captures_new(f);
		say(c, SPEAKER_AI, 0, question);
		say(c, SPEAKER_USER, 1, list[i].said);
		const struct captured *got = captures_at(c, 0);
		if (!as_expected(got, list[i].value)) {
			print_error("\"%s\" is \"%.*s\", not %s\n", list[i].said,
				    SPAN_ARG(got->value), list[i].value);
			wrong++;
		}
		captures_free(c);
	}
	return wrong;
}

static void every_number_word(void **state)
{
	struct fields *f = NULL;
	(void)state;
	assert_int_equal(fields_new(&f, checked(definitions), SPAN("auto"), NULL), 0);
	assert_int_equal(wrong_numbers(f, GUESTS, english, sizeof(english) / sizeof(*english)), 0);
	assert_int_equal(wrong_numbers(f, PERSONAS, spanish, sizeof(spanish) / sizeof(*spanish)),
			 0);
	fields_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row),
					    cmocka_unit_test(every_number_word) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
