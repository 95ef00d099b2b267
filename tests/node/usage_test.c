#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/usage.h"

static const struct verb_option options[] = { { "--flag", NULL, "" },
					      { "--value", "X", "" },
					      { 0 } };
static const struct verb verbs[] = {
	{ .name = "near",
	  .words = "A B",
	  .words_min = 1,
	  .words_max = 2,
	  .options = options,
	  .talks = TALKS_TO_NODE },
	{ .name = "far", .words = "", .options = options },
	{ .name = "pass", .words = "", .words_max = 9, .reads = READS_NOTHING },
};

static const char *words[16];
static struct verb_call call;
static struct command_line line;

static int parse(const struct verb *v, char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	call = (struct verb_call){ 0 };
	line = (struct command_line){ .words = words };
	return usage_read(v, argc, argv, &call, &line);
}
#define READ(verb, ...) parse(&verbs[verb], (char *[]){ __VA_ARGS__, NULL })

static void test_accepts(void **state)
{
	(void)state;
	assert_int_equal(
		READ(0, "a", "--flag", "--value", "-1", "b", "--url", "u", "--token=t", "--json"),
		EXIT_DONE);
	assert_int_equal(call.words_n, 2);
	assert_string_equal(call.words[1], "b");
	assert_string_equal(verb_option(&call, "--flag"), "");
	assert_string_equal(verb_option(&call, "--value"), "-1");
	assert_string_equal(call.url, "u");
	assert_string_equal(call.token, "t");
	assert_true(call.json);
	assert_int_equal(READ(0, "--value=", "a"), EXIT_DONE);
	assert_string_equal(verb_option(&call, "--value"), "");
	assert_null(verb_option(&call, "--flag"));
	assert_int_equal(READ(0, "--", "--flag", "-"), EXIT_DONE);
	assert_string_equal(call.words[0], "--flag");
	assert_int_equal(READ(0, "--help"), EXIT_DONE); /* although a word is missing */
	assert_true(line.help);
	assert_int_equal(READ(2, "--anything", "x", "--json"), EXIT_DONE);
	assert_int_equal(call.words_n, 3);
	assert_false(call.json);
}

static void test_refuses(void **state)
{
	(void)state;
	assert_int_equal(READ(0, "--json"), EXIT_USAGE);
	assert_int_equal(READ(0, "a", "b", "c"), EXIT_USAGE);
	assert_int_equal(READ(0, "a", "--value"), EXIT_USAGE);
	assert_int_equal(READ(0, "a", "--flag=1"), EXIT_USAGE);
	assert_int_equal(READ(0, "a", "--valuex", "1"), EXIT_USAGE);
	assert_int_equal(READ(0, "a", "-x"), EXIT_USAGE);
	assert_int_equal(READ(1, "--url", "u"), EXIT_USAGE); /* talks to no node */
	assert_int_equal(READ(1, "word"), EXIT_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_accepts),
					    cmocka_unit_test(test_refuses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
