/* The system message of a provider's assistant is changed, and not a byte else (C6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crypto.h"
#include "healing/apply_assistant.h"

static struct fault oops;
static struct arena arena;

static struct apply_assistant as_read(const char *text)
{
	struct apply_assistant as = { 0 };
	assert_int_equal(json_check(span_of(text), &oops), 0);
	if (apply_assistant_read(json_of(span_of(text)), &arena, &as, &oops))
		fail_msg("%s: %s", text, oops.text);
	return as;
}

static void expect(const char *before, const char *seen, const char *after)
{
	struct apply_assistant as = as_read(before);
	struct buf out AUTO_BUF = { 0 };
	assert_true(span_is(as.text, seen));
	apply_assistant_write(&as, SPAN("new \"text\"\n"), &out);
	assert_string_equal(buf_z(&out), after);
	assert_int_equal(json_check(buf_span(&out), &oops), 0);
	/* What was written is what is read. */
	struct apply_assistant again = as_read(buf_z(&out));
	assert_true(span_is(again.text, "new \"text\"\n"));
}

#define NEW "\"content\":\"new \\\"text\\\"\\n\""

static void only_the_system_message_changes(void **state)
{
	(void)state;
	expect("{\"id\":\"a\",\"name\":\"n\",\"model\":{\"provider\":\"openai\",\"model\":\"gpt-"
	       "4o\","
	       "\"temperature\":0.40,\"a\\\"b\":[1, 2],\"toolIds\":[\"t\"],\"knowledgeBase\":null,"
	       "\"messages\":[{\"role\":\"system\",\"content\":\"old\",\"name\":\"x\"},"
	       "{\"role\":\"user\",\"content\":\"kept\"},{\"role\":\"system\",\"content\":"
	       "\"second\"}]}}",
	       "old",
	       "{\"model\":{\"provider\":\"openai\",\"model\":\"gpt-4o\",\"temperature\":0.40,"
	       "\"a\\\"b\":[1, 2],\"toolIds\":[\"t\"],\"knowledgeBase\":null,\"messages\":["
	       "{\"role\":\"system\",\"name\":\"x\"," NEW
	       "},{\"role\":\"user\",\"content\":\"kept\"},"
	       "{\"role\":\"system\",\"content\":\"second\"}]}}");
}

static void one_without_a_system_message_gets_one(void **state)
{
	(void)state;
	expect("{\"model\":{\"provider\":\"x\"}}", "",
	       "{\"model\":{\"provider\":\"x\",\"messages\":[{\"role\":\"system\"," NEW "}]}}");
	expect("{\"model\":{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"provider\":"
	       "\"x\"}}",
	       "",
	       "{\"model\":{\"provider\":\"x\",\"messages\":[{\"role\":\"system\"," NEW "},"
	       "{\"role\":\"user\",\"content\":\"u\"}]}}");
	/* The older name is taken over, and goes: it would be a second prompt. */
	expect("{\"model\":{\"systemPrompt\":\"older\",\"provider\":\"x\"}}", "older",
	       "{\"model\":{\"provider\":\"x\",\"messages\":[{\"role\":\"system\"," NEW "}]}}");
}

static void what_cannot_be_edited_is_refused(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"[]",
		"{\"model\":null}",
		"{\"model\":\"gpt\"}",
		"{\"model\":{\"messages\":[{\"role\":\"system\",\"content\":[{\"text\":\"x\"}]}]}}",
	};
	struct apply_assistant as;
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			apply_assistant_read(json_of(span_of(wrong[i])), &arena, &as, &oops),
			E_INVALID);
}

static void texts_are_known_by_hash(void **state)
{
	struct buf known AUTO_BUF = { 0 }, hex AUTO_BUF = { 0 };
	uint8_t hash[32];
	(void)state;
	crypto_sha256(SPAN("one\ntwo"), hash);
	crypto_hex((struct span){ (const char *)hash, 32 }, &hex);
	buf_printf(&known, "[\"00\",\"%s\"]", buf_z(&hex));
	struct json list = json_of(buf_span(&known));
	assert_true(apply_assistant_known(SPAN("one\ntwo"), list));
	assert_true(apply_assistant_known(SPAN(" \none\ntwo\r\n"), list));
	assert_true(apply_assistant_known(SPAN(" \n"), list));
	assert_false(apply_assistant_known(SPAN("one two"), list));
	assert_true(apply_assistant_same(SPAN("a\n"), SPAN(" a")));
	assert_false(apply_assistant_same(SPAN("a b"), SPAN("ab")));
}

static void a_text_may_take_the_instructions_as_a_variable(void **state)
{
	static const char *const by_variable[] = {
		"{{instructions}}",
		"You are Ava. {{ instructions }}\n\nToday is {{date}}.",
		"{{date}} {{instructions | strip}}",
		"{{- instructions -}}",
		"{{\ninstructions\n}}",
		"{ {{ {{instructions}}",
	};
	static const char *const not_by_it[] = {
		"",
		"instructions",
		"{{instructions",
		"{instructions}",
		"{{instruction}}",
		"{{instructions_old}}",
		"{{ my.instructions }}",
		"{{",
		"{{date}} instructions",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(by_variable) / sizeof(by_variable[0]); i++)
		assert_true(apply_assistant_by_variable(span_of(by_variable[i])));
	for (size_t i = 0; i < sizeof(not_by_it) / sizeof(not_by_it[0]); i++)
		assert_false(apply_assistant_by_variable(span_of(not_by_it[i])));
	assert_false(apply_assistant_by_variable((struct span){ 0 }));
}

static int end(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_system_message_changes),
		cmocka_unit_test(one_without_a_system_message_gets_one),
		cmocka_unit_test(what_cannot_be_edited_is_refused),
		cmocka_unit_test(texts_are_known_by_hash),
		cmocka_unit_test(a_text_may_take_the_instructions_as_a_variable),
	};
	return cmocka_run_group_tests(tests, NULL, end);
}
