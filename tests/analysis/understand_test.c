/* The whole of understand(): members, order, bytes; tools and searches (B2); fields (D1); which
 * instructions a call ran with; what is no input. */
#include "tests/analysis/finished_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

#define EN ",\"language\":\"en\""

static const struct script whole = {
	"a Hello, Hibachi at home. How can I help?\n"
	"u Hi, I want to book a chef for my son's birthday\n"
	"a Great. What is your email address?\n"
	"u anna at example dot com\n"
	"t search_menu empty {\"query\":\"tofu steak\"}\n"
	"a And how many guests?\n"
	"u I'd rather not say\n"
	"t book fail timed out\n"
	"u This is ridiculous\n"
	"s frustration 70\n"
	"a I am sorry",
	.call = ",\"sentiment\":{\"user\":\"negative\"},\"counts\":{\"interruptions\":2}",
	.project = EN
	",\"fields\":[{\"name\":\"email\",\"label\":\"email address\",\"type\":"
	"\"email\"},{\"name\":\"guests\",\"label\":\"number of guests\",\"type\":"
	"\"number\",\"ask\":[\"how many guests\"]},{\"name\":\"date\",\"label\":\"date\","
	"\"type\":\"date\",\"required\":false}]",
};

static void everything_is_told(void **state)
{
	(void)state;
	finished_run(&whole);
	expect("call_id", "10000000-0000-5000-8000-000000000001");
	expect("org_id", "00000000-0000-7000-8000-000000000001");
	expect("project_id", "20000000-0000-7000-8000-000000000001");
	expect("instruction_version", "null");
	expect("last_seq", "9000");
	expect("caller", "+15550001");
	expect("started_at", "2026-11-20T10:00:00.000000Z");
	expect("duration_ms", "60000");
	expect("ended_class", "customer");
	expect("outcome.outcome", "failure");
	expect("outcome.by", "fields");
	expect("cause_class", "tool");
	expect("failure_point.key", "tool:book");
	expect("signals.0.signal", "frustration");
	expect("signals.0.score", "70");
	expect("signals.0.text", "This is ridiculous");
	expect("counts.turns_user", "4");
	expect("counts.turns_ai", "4");
	expect("counts.interruptions", "2");
	expect("counts.tool_calls", "2");
	expect("counts.tool_failures", "2");
	expect("counts.frustrated", "true");
	expect("counts.fields_wanted", "2");
	expect("counts.fields_captured", "1");
}

static void fields_have_their_passages(void **state)
{
	(void)state;
	finished_run(&whole);
	expect("fields.0.field", "email");
	expect("fields.0.label", "email address");
	expect("fields.0.required", "true");
	expect("fields.0.state", "captured");
	expect("fields.0.value", "anna@example.com");
	expect("fields.0.how", "answer");
	expect("fields.0.confidence", "0.8");
	expect("fields.0.seq", "40");
	expect("fields.0.passage", "anna at example dot com");
	expect("fields.1.state", "refused");
	expect("fields.1.value", "null");
	expect("fields.1.confidence", "null");
	expect("fields.1.seq", "70");
	expect("fields.2.state", "never_asked");
	expect("fields.2.required", "false");
	/* Nobody asked: the last words of the assistant show it. */
	expect("fields.2.passage", "I am sorry");
	expect("fields.2.seq", "110");
	expect("fields.2.offset_ms", "11000");
	expect("fields.2.speaker", "ai");
	expect("fields.1.speaker", "user");
	expect("fields.0.speaker", "null");
	expect("last_words.text", "This is ridiculous");
	expect("last_words.seq", "90");
	expect("last_words.offset_ms", "9000");
	expect("last_words.speaker", "user");
}

static void unasked_fields_of_one_sided_calls(void **state)
{
	(void)state;
	finished_run(
		&(struct script){ .lines = "u Hello\nu Anybody there", .project = whole.project });
	expect("fields.0.state", "never_asked");
	expect("fields.0.passage", "Anybody there");
	expect("fields.0.speaker", "user");
	expect("fields.0.seq", "20");
	finished_run(&(struct script){ .lines = "a Hello", .project = whole.project });
	expect("fields.0.passage", "Hello");
	expect("last_words", "null");
}

/* The signal comes behind the words that raised it. */
static void signals_are_placed_at_their_words(void **state)
{
	(void)state;
	finished_run(&whole);
	expect("signals.0.text", "This is ridiculous");
	expect("signals.0.seq", "90");
	expect("signals.0.offset_ms", "9000");
}

static void tools_and_searches(void **state)
{
	(void)state;
	finished_run(&whole);
	expect("tool_failures.0.tool", "search_menu");
	expect("tool_failures.0.kind", "empty");
	expect("tool_failures.0.tool_call_id", "40000000-0000-5000-8000-000000000005");
	expect("tool_failures.1.kind", "timeout");
	expect("tool_failures.1.error", "timed out");
	expect("tool_failures.1.seq", "80");
	expect("searches.0.tool", "search_menu");
	expect("searches.0.query", "tofu steak");
	expect("searches.0.empty", "true");
	expect("searches.0.context", "anna at example dot com");
	expect("searches.1", "-");
}

/* The kit's tools have no search_argument; the member comes from the tool's definition. */
static const char tool_with[] =
	"{\"call\":{\"id\":\"c\",\"started_at\":\"t\",\"last_seq\":1},\"tools\":[{\"id\":\"i\","
	"\"tool\":"
	"\"%s\",\"requested_seq\":1,\"requested_at\":\"r\",\"success\":%s,\"error\":\"%s\","
	"\"search_argument\":%s,\"arguments\":%s}],\"project\":{\"id\":\"p\",\"org_id\":\"o\"}}";

static void searches_by_definition_and_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *tool, *success, *error, *argument, *arguments, *query, *kind;
	} rows[] = {
		{ "stock", "false", "HTTP 500", "\"what\"", "{\"what\":\"nori\"}", "nori",
		  "error" },
		{ "stock", "false", "nothing found", "\"a.b\"", "{\"a\":{\"b\":\"nori\"}}", "nori",
		  "empty" },
		{ "stock", "false", "HTTP 500", "\"what\"", "{\"query\":\"nori\"}", "-", "error" },
		{ "stock", "false", "HTTP 500", "null", "{\"query\":\"nori\"}", "-", "error" },
		{ "stock", "true", "", "\"what\"", "{\"what\":\"nori\"}", "-", "-" },
		{ "stock", "false", "x", "\"what\"", "{\"what\":7}", "7", "error" },
		{ "stock", "false", "x", "\"what\"", "{\"what\":\" ! \"}", "-", "error" },
		{ "search_products", "false", "x", "null", "{\"query\":\"nori\"}", "nori",
		  "error" },
		{ "search_products", "false", "x", "null", "[1]", "-", "error" },
		{ "search_products", "null", "", "null", "{\"query\":\"nori\"}", "-", "-" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char json[600];
		snprintf(json, sizeof(json), tool_with, rows[i].tool, rows[i].success,
			 rows[i].error, rows[i].argument, rows[i].arguments);
		assert_int_equal(finished_try(json), 0);
		if (strcmp(finished_at("searches.0.query"), rows[i].query) != 0 ||
		    strcmp(finished_at("tool_failures.0.kind"), rows[i].kind) != 0)
			fail_msg("row %zu: %s", i, finished_output());
		expect("caller", "c"); /* nobody knows the number: the call itself */
	}
}

static void bytes_are_the_same_every_time(void **state)
{
	(void)state;
	finished_run(&whole);
	char *first = strdup(finished_output());
	finished_run(&whole);
	assert_string_equal(finished_output(), first);
	free(first);
}

static void revisions_take_the_place_of_their_turns(void **state)
{
	(void)state;
	static const char json[] =
		"{\"call\":{\"id\":\"c\",\"started_at\":\"t\",\"last_seq\":1},\"turns\":["
		"{\"seq\":10,\"turn\":1,\"speaker\":\"user\",\"text\":\"A wedging\"},"
		"{\"seq\":20,\"turn\":2,\"speaker\":\"ai\",\"text\":\"Nice\",\"offset_ms\":5},"
		"{\"seq\":30,\"turn\":1,\"speaker\":\"user\",\"text\":\"A wedding\"},"
		"{\"seq\":40,\"turn\":null,\"speaker\":\"user\",\"text\":\"x\"},"
		"{\"seq\":50,\"turn\":null,\"speaker\":\"user\",\"text\":\"y\"}],"
		"\"project\":{\"id\":\"p\",\"org_id\":\"o\",\"language\":\"en\"}}";
	assert_int_equal(finished_try(json), 0);
	expect("counts.turns_user", "3");
	assert_string_equal(finished_tag("occasion", "wedding"), "0.9");
	expect("tags.0.seq", "30"); /* the event that has these words */
	expect("tags.0.offset_ms", "null");
}

/* --- versions --- */

static void hash_of(const char *text, char out[65])
{
	uint8_t digest[32];
	struct buf hex AUTO_BUF = { 0 };
	crypto_sha256(span_of(text), digest);
	crypto_hex((struct span){ (const char *)digest, 32 }, &hex);
	snprintf(out, 65, "%s", buf_z(&hex));
}

static void versions_are_told_by_the_text(void **state)
{
	(void)state;
#define CONTEXT "\\n\\n# What is known about this caller\\n"
	static const struct {
		const char *seen, *version;
	} rows[] = {
		{ "Be nice.", "v1" },
		{ " Be nice.\\n", "v1" },
		{ "Be nice." CONTEXT "An open order", "v1" },
		{ "Be nasty.", "null" },
		{ "Today is Friday and you are the assistant of Mike.", "v3" },
		{ "Today is Friday and you are the assistant of Mike." CONTEXT "x", "v3" },
		{ "Today is Friday and you are the boss of Mike.", "null" },
		{ "Yesterday Today is Friday and you are the assistant of Mike.", "null" },
		{ "Be twice.", "in-force" }, /* in two versions, one of them was in force */
		{ "Be late.", "v6" },	     /* in two versions: the newest */
	};
	char nice[65], twice[65], late[65];
	hash_of("Be nice.", nice);
	hash_of("Be twice.", twice);
	hash_of("Be late.", late);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char more[1500];
		snprintf(more, sizeof(more),
			 ",\"system_text\":\"%s\",\"instruction_version\":\"in-force\","
			 "\"versions\":["
			 "{\"id\":\"v1\",\"text_hash\":\"%s\",\"text\":null},"
			 "{\"id\":\"v2\",\"text_hash\":\"%s\"},{\"id\":\"in-force\",\"text_hash\":"
			 "\"%s\"},"
			 "{\"id\":\"v3\",\"text_hash\":\"x\",\"text\":\"Today is {{date}} and you "
			 "are the "
			 "assistant of "
			 "{{name}}.\\n\"},{\"id\":\"v4\",\"text_hash\":\"x\",\"text\":\"{{all}}\"},"
			 "{\"id\":\"v5\",\"text_hash\":\"%s\"},{\"id\":\"v6\",\"text_hash\":\"%s\"}"
			 "]",
			 rows[i].seen, nice, twice, twice, late, late);
		finished_run(&(struct script){ .lines = "u Hi", .more = more });
		if (strcmp(finished_at("instruction_version"), rows[i].version) != 0)
			fail_msg("%s: %s", rows[i].seen, finished_at("instruction_version"));
		bool other = strcmp(rows[i].version, "null") == 0;
		expect("eligible", other ? "false" : "true");
		expect("ineligible_because", other ? "other instructions" : "null");
	}
	finished_run(&(struct script){ .lines = "u Hi",
				       .more = ",\"instruction_version\":\"in-force\"" });
	expect("instruction_version", "in-force");
}

#define IN_FORCE "{\"id\":\"in-force\",\"text_hash\":\"x\""
#define OWN "Hi." CONTEXT "{{callmend_context}}\\n\\n# Rules\\nBe very kind."

/* What cannot be told by its text is believed to have been in force. */
static void other_instructions_are_certain_ones(void **state)
{
	(void)state;
	static const struct {
		const char *versions, *version, *because;
	} rows[] = {
		{ "", "in-force", "null" },
		{ "{\"id\":\"old\",\"text_hash\":\"x\"}", "in-force", "null" },
		{ IN_FORCE "}", "null", "other instructions" },
		{ IN_FORCE ",\"left_out\":true}", "in-force", "null" },
		{ IN_FORCE ",\"text\":\"Be {{how}}.\"}", "in-force", "null" },
		{ IN_FORCE
		  ",\"text\":\"You take the bookings of {{name}}{% if open %}.{% endif %}\"}",
		  "in-force", "null" },
		{ IN_FORCE ",\"text\":\"You take the bookings of {{name}}\"}", "null",
		  "other instructions" },
		/* A section about the caller that is the version's own. */
		{ "{\"id\":\"own\",\"text_hash\":\"x\",\"text\":\"" OWN "\"}", "own", "null" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char more[1000];
		snprintf(more, sizeof(more),
			 ",\"system_text\":\"Hi." CONTEXT "Anna\\n\\n# Rules\\nBe very kind.\","
			 "\"instruction_version\":\"in-force\",\"versions\":[%s]",
			 rows[i].versions);
		finished_run(&(struct script){ .lines = "u Hi", .more = more });
		if (strcmp(finished_at("instruction_version"), rows[i].version) != 0)
			fail_msg("%zu: %s", i, finished_at("instruction_version"));
		expect("ineligible_because", rows[i].because);
	}
}

static void rules_version_follows_the_settings(void **state)
{
	char program[16];

	snprintf(program, sizeof(program), "%d-", UNDERSTAND_VERSION);
	(void)state;
	static const char *const projects[] = {
		EN,
		",\"language\":\"es\"",
		EN ",\"fields\":[{\"name\":\"a\",\"label\":\"a\"}]",
		EN ",\"success_rule\":{\"success\":[]}",
		EN ",\"tags\":[{\"tag\":\"a\",\"phrases\":[\"b\"]}]",
		EN ",\"searches\":{\"find\":\"q\"}",
	};
	char seen[6][40];
	for (size_t i = 0; i < 6; i++) {
		finished_run(&(struct script){ .lines = "u Hi", .project = projects[i] });
		snprintf(seen[i], sizeof(seen[i]), "%s", finished_at("rules_version"));
		assert_int_equal(strncmp(seen[i], program, strlen(program)), 0);
		assert_int_equal(strlen(seen[i]), 18);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
	}
	finished_run(&(struct script){ .lines = "u Bye", .project = EN ",\"settings\":{\"x\":1}" });
	expect("rules_version", seen[0]);
}

/* --- what is no input --- */

static void malformed_input_is_named(void **state)
{
	(void)state;
#define CALL "\"call\":{\"id\":\"c\",\"started_at\":\"t\",\"last_seq\":1}"
#define PROJECT "\"project\":{\"id\":\"p\",\"org_id\":\"o\"}"
	static const struct {
		const char *json, *why;
	} rows[] = {
		{ "[]", "a finished call: expected object" },
		{ "{}", "call: expected object" },
		{ "{\"call\":{}," PROJECT "}", "call: id" },
		{ "{\"call\":{\"id\":1}," PROJECT "}", "call: id" },
		{ "{\"call\":{\"id\":\"c\",\"started_at\":\"t\",\"last_seq\":\"x\"}," PROJECT "}",
		  "call: last_seq" },
		{ "{" CALL "}", "project: expected object" },
		{ "{" CALL ",\"project\":{\"id\":\"p\"}}", "project: org_id" },
		{ "{" CALL "," PROJECT ",\"turns\":{}}", "turns: expected array" },
		{ "{" CALL "," PROJECT ",\"turns\":[7]}", "turns[0]: expected object" },
		{ "{" CALL "," PROJECT ",\"turns\":[{\"seq\":1,\"speaker\":\"ai\"},{\"seq\":1}]}",
		  "turns[1]: speaker" },
		{ "{" CALL "," PROJECT ",\"tools\":[{\"id\":\"a\"}]}", "tools[0]: " },
		{ "{" CALL "," PROJECT ",\"signals\":[{\"seq\":1}]}", "signals[0]: signal" },
		{ "{" CALL "," PROJECT ",\"commands\":[{}]}", "commands[0]: verb" },
		{ "{" CALL "," PROJECT ",\"posted\":3}", "posted: expected object" },
		{ "{" CALL "," PROJECT ",\"posted\":{\"outcome\":\"great\"}}", "posted.outcome" },
		{ "{" CALL "," PROJECT ",\"versions\":{}}", "versions: expected array" },
		{ "{" CALL ",\"project\":{\"id\":\"p\",\"org_id\":\"o\",\"fields\":{}}}",
		  "project: fields: expected array" },
		{ "{" CALL ",\"project\":{\"id\":\"p\",\"org_id\":\"o\",\"fields\":[{}]}}",
		  "project: fields[0]" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(finished_try(rows[i].json), E_INVALID);
		if (strncmp(finished_why.text, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("%s: %s", rows[i].json, finished_why.text);
	}
	assert_int_equal(finished_try("{" CALL "," PROJECT "}"), 0);
	expect("ended_class", "null");
	expect("duration_ms", "null");
}

static void long_texts_are_cut(void **state)
{
	(void)state;
	static char lines[20000];
	strcpy(lines, "u ");
	for (int i = 0; i < 1500; i++)
		strcat(lines, "birthday ");
	finished_run(&(struct script){ .lines = lines });
	assert_int_equal(strlen(finished_tag_passage("occasion", "birthday")), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_told),
		cmocka_unit_test(fields_have_their_passages),
		cmocka_unit_test(unasked_fields_of_one_sided_calls),
		cmocka_unit_test(signals_are_placed_at_their_words),
		cmocka_unit_test(tools_and_searches),
		cmocka_unit_test(searches_by_definition_and_by_name),
		cmocka_unit_test(bytes_are_the_same_every_time),
		cmocka_unit_test(revisions_take_the_place_of_their_turns),
		cmocka_unit_test(versions_are_told_by_the_text),
		cmocka_unit_test(other_instructions_are_certain_ones),
		cmocka_unit_test(rules_version_follows_the_settings),
		cmocka_unit_test(malformed_input_is_named),
		cmocka_unit_test(long_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, finished_forget);
}
