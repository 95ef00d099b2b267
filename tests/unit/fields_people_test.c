/* How many people there will be, said unasked: taken where the words leave no doubt, and no other
 * number is (A8, D1). */
#include "callmend/fields.h"
#include "tests/unit/cmocka_all.h"

#define PARTY "[{\"name\":\"party\",\"label\":\"party size\",\"type\":\"number\"}]"
#define SEVERAL                                                                                  \
	"[{\"name\":\"kids\",\"label\":\"number of children\",\"type\":\"number\"},"             \
	"{\"name\":\"party\",\"label\":\"size\",\"type\":\"number\",\"ask\":[\"how many guests " \
	"will come\"]}]"
#define AGE "[{\"name\":\"party\",\"label\":\"age of the guest\",\"type\":\"number\"}]"
#define TABLES "[{\"name\":\"party\",\"label\":\"number of tables\",\"type\":\"number\"}]"
#define TWICE                                                                       \
	"[{\"name\":\"party\",\"label\":\"number of guests\",\"type\":\"number\"}," \
	"{\"name\":\"early\",\"label\":\"number of people\",\"type\":\"number\"}]"

/* expected NULL: nothing is captured. */
static const struct row {
	const char *fields, *said, *expected;
} rows[] = {
	{ PARTY, "There will be eight of us.", "8" },
	{ PARTY, "Hi, there'll be about eight of us on Friday.", "8" },
	{ PARTY, "We are eight people.", "8" },
	{ PARTY, "I want to book for eight guests at seven.", "8" },
	{ PARTY, "We're eight.", "8" },
	{ PARTY, "I'd like a table for twenty five, please.", "25" },
	{ PARTY, "We are a party of 12 on Sunday.", "12" },
	{ PARTY, "Eight of us, for dinner.", "8" },
	{ PARTY, "It's just the two of us.", "2" },
	{ PARTY, "Somos ocho.", "8" },
	{ PARTY, "Quiero una mesa para ocho el viernes.", "8" },
	{ PARTY, "Es para ocho personas.", "8" },
	{ SEVERAL, "There will be eight of us.", "8" },
	{ SEVERAL, "A table for eight, please.", "8" },
	/* other numbers */
	{ PARTY, "I have two questions.", NULL },
	{ PARTY, "We are two minutes away.", NULL },
	{ PARTY, "Two of us are vegetarian.", NULL },
	{ PARTY, "There are two of us who are late.", NULL },
	{ PARTY, "I need a table for eight o'clock.", NULL },
	{ PARTY, "A table for 7 pm, please.", NULL },
	{ PARTY, "We were eight.", NULL },
	{ PARTY, "It is for seven.", NULL },
	{ PARTY, "We are at 12 Main Street.", NULL },
	{ PARTY, "My number is 555 012 3456.", NULL },
	{ PARTY, "We are 555 012 3456.", NULL },
	{ PARTY, "One of us is allergic.", NULL },
	{ PARTY, "I spoke to two people yesterday.", NULL },
	{ PARTY, "Somos tres minutos tarde.", NULL },
	{ PARTY, "Do you have a table for eight?", NULL },
	/* fields that count nobody, and two that do */
	{ AGE, "There will be eight of us.", NULL },
	{ TABLES, "We are eight people.", NULL },
	{ TWICE, "There will be eight of us.", NULL },
};

static struct fields *made(const char *json)
{
	struct fields *f = NULL;
	struct fault fault = { 0 };
	if (fields_new(&f, json_of(span_of(json)), SPAN("auto"), &fault))
		fail_msg("%s", fault.text);
	return f;
}

static const struct captured *party(struct fields *f, struct captures *c)
{
	size_t i = 0;
	while (!span_is(fields_at(f, i).name, "party"))
		i++;
	return captures_at(c, i);
}

static bool as_expected(const struct captured *got, const char *expected)
{
	if (!expected)
		return got->state == FIELD_STATE_NEVER_ASKED;
	return got->state == FIELD_STATE_CAPTURED && got->how == FIELD_BY_MENTION &&
	       span_is(got->value, expected);
}

static unsigned wrong(const struct row *r)
{
	struct fields *f = made(r->fields);
	struct captures *c = captures_new(f);
	captures_turn(c, &(struct field_turn){ SPEAKER_USER, 1, span_of(r->said), 101, 1000 });
	const struct captured *got = party(f, c);
	bool good = as_expected(got, r->expected);
	if (!good)
		print_error("\"%s\": %s \"%.*s\", not %s\n", r->said, field_state_name(got->state),
			    SPAN_ARG(got->value), r->expected ? r->expected : "nothing");
	captures_free(c);
	fields_free(f);
	return !good;
}

static void every_row(void **state)
{
	unsigned n = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		n += wrong(&rows[i]);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
