/* Where a failed call failed, to what that is put down, and whether the call counts (C1, C2): one
 * row and one counter row at least per rule. */
#include "tests/analysis/finished_kit.h"

#include <string.h>

#define EN ",\"language\":\"en\""
#define ES ",\"language\":\"es\""
#define FAILED ",\"success_rule\":{\"success\":[{\"tool\":\"never\"}]}"
#define EMAIL                                                                               \
	",\"fields\":[{\"name\":\"email\",\"label\":\"email address\",\"type\":\"email\"}," \
	"{\"name\":\"shoe\",\"label\":\"shoe size\",\"type\":\"number\",\"required\":false}]"
#define BYE "\na Thank you, goodbye\nu Bye"

struct row {
	const char *lines, *ended, *project;
	const char *key, *cause, *eligible;
};

static const char customer[] = "customer customer-ended-call";

static const struct row rows[] = {
	/* the line, the provider, nobody there */
	{ "a Hello\nu Hi there", "provider pipeline-error-x", EN FAILED, "provider", "provider",
	  "false" },
	{ "a Hello\nu Hi there", "lost lost", EN FAILED, "provider", "provider", "false" },
	{ "a Hello\nu Leave a message", "telephony voicemail", EN FAILED, "telephony", "telephony",
	  "false" },
	{ "a Hello, anybody there?", customer, EN, "-", "none", "false" },
	{ "a Hello, anybody there?", customer,
	  EN ",\"success_rule\":{\"failure\":[{\"ended_class\":[\"customer\"]}]}", "start",
	  "caller", "false" },
	{ "u Sorry, wrong number", customer, EN FAILED, "wrong_number", "caller", "true" },
	{ "u Perdón, número equivocado", customer, ES FAILED, "wrong_number", "caller", "true" },
	{ "u My number is wrong in your files" BYE, customer, EN FAILED, "end", "instructions",
	  "true" },
	/* tools */
	{ "u Book it\nt book fail HTTP 500\na I could not book", customer, EN FAILED, "tool:book",
	  "tool", "false" },
	{ "u Book it\nt book unknown\na I could not book", customer, EN FAILED, "tool:book", "tool",
	  "false" },
	{ "u Book it\nt book fail timed out\nt book ok {}" BYE, customer, EN FAILED, "end",
	  "instructions", "true" },
	{ "u Look\nt weather fail HTTP 500\na a\nu b\na c\nu d\na e\nu f" BYE, customer, EN FAILED,
	  "end", "tool", "false" },
	{ "u Tofu\nt search_products empty {\"query\":\"tofu\"}\na Nothing there" BYE, customer,
	  EN FAILED, "search:search_products", "instructions", "true" },
	/* price */
	{ "u Hi\na It costs 900 dollars\nu That is too expensive" BYE, customer, EN FAILED, "price",
	  "caller", "true" },
	{ "u Hola\na Cuesta 900 euros\nu Es muy caro" BYE, customer, ES FAILED, "price", "caller",
	  "true" },
	{ "u Hi\na The total would be 900 dollars", customer, EN FAILED, "price", "caller",
	  "true" },
	{ "u Hi\na The total would be 900 dollars\nu Oh", customer, EN FAILED, "price", "caller",
	  "true" },
	{ "u Hi\na The total would be 900 dollars\nu That is fine for us all" BYE, customer,
	  EN FAILED, "end", "instructions", "true" },
	/* a question; frustration */
	{ "u Do you have vegan options?\na I don't know" BYE, customer, EN FAILED, "question",
	  "instructions", "true" },
	{ "u ¿Tienen opciones veganas?\na No lo sé\nu Adiós", customer, ES FAILED, "question",
	  "instructions", "true" },
	{ "u Do you have vegan options?\na I don't know\nu ok\na b\nu c\na d\nu e\na f" BYE,
	  customer, EN FAILED, "end", "instructions", "true" },
	{ "u This is ridiculous\ns frustration 80\na Sorry" BYE, customer, EN FAILED, "frustration",
	  "instructions", "true" },
	/* a field */
	{ "u Hi\na What is your email address?\nu Well", customer, EN FAILED EMAIL, "field:email",
	  "instructions", "true" },
	{ "u Hi\na What is your email address?\nu I don't want to say" BYE, customer,
	  EN FAILED EMAIL, "field:email", "instructions", "true" },
	{ "u Hi\na What is your shoe size?\nu Well" BYE, customer, EN FAILED EMAIL, "field:email",
	  "instructions", "true" }, /* the optional one is none; the other was never asked for */
	{ "u Hi\na Nice day" BYE, customer, EN FAILED EMAIL, "field:email", "instructions",
	  "true" },
	{ "u It is anna@example.com\na Thanks" BYE, customer, EN FAILED EMAIL, "end",
	  "instructions", "true" },
	/* ends */
	{ "u Hi\na Are you there?", "limit silence-timed-out", EN FAILED, "silence", "instructions",
	  "true" },
	{ "u Hi\na And furthermore", "limit exceeded-max-duration", EN FAILED, "limit",
	  "instructions", "true" },
	{ "u Hi\na Shall I book?\nu I'm not interested" BYE, customer, EN FAILED, "declined",
	  "caller", "true" },
	{ "u Hola\na ¿Reservo?\nu Ya no me interesa\na Adiós", customer, ES FAILED, "declined",
	  "caller", "true" },
	{ "u Hi\na Shall I book?\nu I'll think about it" BYE, customer, EN FAILED, "postponed",
	  "caller", "true" },
	{ "u Hi\na Tell me more about your event", customer, EN FAILED, "hangup", "instructions",
	  "true" },
	{ "u Hola\na Cuénteme más de su evento", customer, ES FAILED, "hangup", "instructions",
	  "true" },
	{ "u Hi\na Tell me more, goodbye", customer, EN FAILED, "end", "instructions", "true" },
	{ "u Hi\na Tell me more about your event", "assistant assistant-ended-call", EN FAILED,
	  "end", "instructions", "true" },
	/* no failure */
	{ "u Hi\na Fine", customer, EN, "-", "none", "true" },
	{ "u Hi\na Fine\nt never ok {}", "telephony twilio-x", EN FAILED, "-", "none", "true" },
	{ "u Hi\na Fine", "telephony twilio-x", EN, "-", "telephony", "false" },
};

static void check(size_t i, const char *path, const char *wanted)
{
	if (strcmp(finished_at(path), wanted) != 0)
		fail_msg("row %zu (%s): %s is %s, expected %s", i, rows[i].lines, path,
			 finished_at(path), wanted);
}

static void points_of_failure(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		finished_run(&(struct script){ .lines = rows[i].lines,
					       .ended = rows[i].ended,
					       .project = rows[i].project });
		check(i, "failure_point.key", rows[i].key);
		check(i, "cause_class", rows[i].cause);
		check(i, "eligible", rows[i].eligible);
	}
}

static void points_are_quoted(void **state)
{
	(void)state;
	finished_run(&(struct script){ .lines = "u Hi\na What is your email address?\nu Well",
				       customer,
				       .project = EN FAILED EMAIL });
	expect("failure_point.title", "email address: asked, no usable answer");
	expect("failure_point.text", "What is your email address");
	expect("failure_point.speaker", "ai");
	expect("failure_point.seq", "20");
	expect("failure_point.offset_ms", "2000");
	finished_run(&(struct script){ .lines = "u Book it\nt book fail HTTP 500\na Sorry",
				       .project = EN FAILED });
	expect("failure_point.title", "book failed right before the end");
	expect("failure_point.text", "HTTP 500");
	finished_run(
		&(struct script){ .lines = "u Hi\na Nice day" BYE, .project = EN FAILED EMAIL });
	expect("failure_point.title", "email address: never asked for");
	expect("failure_point.text", "Thank you, goodbye");
	expect("failure_point.speaker", "ai");
	expect("failure_point.seq", "30");
}

static void reasons_for_not_counting(void **state)
{
	(void)state;
	finished_run(&(struct script){ .lines = "a Hello" });
	expect("ineligible_because", "no conversation");
	finished_run(&(struct script){ .lines = "u Hi", "provider pipeline-x" });
	expect("ineligible_because", "provider");
	finished_run(&(struct script){ .lines = "u Hi\nt book fail x", .project = EN FAILED });
	expect("ineligible_because", "tool");
	finished_run(&(struct script){ .lines = "u Hi" });
	expect("ineligible_because", "null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_of_failure),
		cmocka_unit_test(points_are_quoted),
		cmocka_unit_test(reasons_for_not_counting),
	};
	return cmocka_run_group_tests(tests, NULL, finished_forget);
}
