/* One question to a model's server, and everything such a server may do instead of answering it
 * (C3: useful without a model). The server is tools/model-sim, a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "llm/chat.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "sk-never-to-be-seen"

static struct fault oops;
static struct config config;
static char url[100];
static pid_t server;
static unsigned waits;
static int64_t waited_ms;

/* --- the server --- */

static pid_t spawn(const char *const *args, int out)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	dup2(out, STDOUT_FILENO);
	execvp(args[0], (char *const *)(uintptr_t)args);
	_exit(127);
}

static void stop(void)
{
	if (!server)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

static void start(const char *first, const char *second)
{
	const char *const args[] = { "node", MODEL_SIM, "0", first, second, NULL };
	int ends[2];
	char line[100];

	stop();
	assert_int_equal(pipe(ends), 0);
	server = spawn(args, ends[1]);
	close(ends[1]);
	FILE *said = fdopen(ends[0], "r");
	assert_non_null(said);
	assert_non_null(fgets(line, sizeof(line), said));
	assert_int_equal(sscanf(line, "model at %99s", url), 1);
	fclose(said);
	config.model_url = url;
}

/* --- asking --- */

static bool wait_willingly(void *user, int64_t ms)
{
	waits++;
	waited_ms += ms;
	return *(bool *)user;
}

static bool willing = true;
static struct buf content;
static struct chat_usage usage;

static int ask(void)
{
	struct chat_request r = {
		.system = SPAN("Improve the instructions."),
		.user = SPAN("mark\n{\"draft\":[{\"section\":\"Greeting\"}]}\nmark\n"),
		.name = "changes",
		.schema = SPAN("{\"type\":\"object\"}"),
		.wait = wait_willingly,
		.wait_user = &willing,
	};
	oops = (struct fault){ 0 };
	waits = 0;
	waited_ms = 0;
	int rc = chat_ask(&config, &r, &content, &usage, &oops);
	assert_true(usage.cost <= chat_dearest(&config, &r) + 1e-9 || rc == 0);
	return rc;
}

static void expect_words(void)
{
	assert_int_equal(JSON_OBJECT, json_of(buf_span(&content)).kind);
	assert_non_null(strstr(buf_z(&content), "\"section\":\"Greeting\""));
}

static int begin(void **state)
{
	(void)state;
	if (config_load(&config, NULL, NULL, &oops))
		return -1;
	config.model_name = "sim";
	config.model_timeout_ms = 20000;
	config.model_prompt_price_millidollars = 150;
	config.model_completion_price_millidollars = 600;
	setenv("CHAT_TEST_KEY", KEY, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stop();
	buf_free(&content);
	config_fini(&config);
	return 0;
}

/* --- answers --- */

static void an_answer_with_its_cost(void **state)
{
	(void)state;
	start("good", NULL);
	assert_int_equal(ask(), 0);
	expect_words();
	assert_int_equal(usage.prompt_tokens, 1000);
	assert_int_equal(usage.completion_tokens, 200);
	/* 1000 * $0.15 / 1M + 200 * $0.60 / 1M */
	assert_true(usage.cost > 0.000269 && usage.cost < 0.000271);
}

static void servers_that_know_less(void **state)
{
	static const char *const behaviours[] = { "old", "oldest", "fenced", "no-usage" };

	(void)state;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		start(behaviours[i], NULL);
		if (ask())
			fail_msg("%s: %s", behaviours[i], oops.text);
		expect_words();
		assert_true(usage.cost > 0);
	}
}

static void a_url_may_end_in_a_slash(void **state)
{
	char longer[110];

	(void)state;
	start("good", NULL);
	snprintf(longer, sizeof(longer), "%s//", url);
	config.model_url = longer;
	assert_int_equal(ask(), 0);
}

/* --- refusals --- */

static void what_is_no_answer(void **state)
{
	static const struct {
		const char *behaviour;
		int code;
		bool costs;
	} cases[] = {
		{ "rubbish", E_CORRUPT, true },	    { "not-http-json", E_CORRUPT, true },
		{ "no-choices", E_CORRUPT, true },  { "refuses", E_DENIED, true },
		{ "cut", E_TOO_LARGE, true },	    { "too-long", E_TOO_LARGE, true },
		{ "key-refused", E_DENIED, false }, { "no-such-model", E_DENIED, false },
		{ "down", E_UNAVAILABLE, false },   { "hangup", E_IO, true },
		{ "busy-long", E_FULL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(cases[i].behaviour, NULL);
		int rc = ask();
		if (rc != cases[i].code)
			fail_msg("%s: %d %s", cases[i].behaviour, rc, oops.text);
		assert_int_equal(oops.code, rc);
		assert_int_equal(content.n, 0);
		if ((usage.cost > 0) != cases[i].costs)
			fail_msg("%s: cost %f", cases[i].behaviour, usage.cost);
	}
}

static void one_that_takes_too_long(void **state)
{
	(void)state;
	start("slow", NULL);
	config.model_timeout_ms = 300;
	assert_int_equal(ask(), E_TIMEOUT);
	assert_true(usage.cost > 0);
	config.model_timeout_ms = 20000;
}

static void a_server_that_is_not_there(void **state)
{
	(void)state;
	stop();
	config.model_url = "http://127.0.0.1:1/v1";
	assert_int_equal(ask(), E_UNAVAILABLE);
	assert_true(usage.cost == 0);
}

static void too_many_requests_are_waited_for(void **state)
{
	(void)state;
	start("busy", "good");
	assert_int_equal(ask(), 0);
	assert_int_equal(waits, 1);
	assert_int_equal(waited_ms, 0); /* Retry-After: 0 */
	start("busy", NULL);
	assert_int_equal(ask(), E_FULL);
	assert_int_equal(waits, CHAT_PAUSES);
	start("busy", "good");
	willing = false;
	assert_int_equal(ask(), E_FULL);
	willing = true;
	start("busy-long", "good");
	assert_int_equal(ask(), E_FULL);
	assert_int_equal(waits, 0);
}

static void a_question_that_is_too_long_is_not_sent(void **state)
{
	static char text[CHAT_PROMPT_MAX + 1];
	struct chat_request r = { .user = { text, sizeof(text) },
				  .name = "x",
				  .schema = SPAN("{}") };

	(void)state;
	start("good", NULL);
	assert_int_equal(chat_ask(&config, &r, &content, &usage, &oops), E_TOO_LARGE);
	assert_true(usage.cost == 0);
}

static void the_key_is_in_no_fault(void **state)
{
	(void)state;
	start("key-refused", NULL);
	config.model_key = (struct secret_ref){ SECRET_IN_ENV, "CHAT_TEST_KEY" };
	assert_int_equal(ask(), E_DENIED);
	assert_null(strstr(oops.text, KEY));
	config.model_key = (struct secret_ref){ SECRET_IN_ENV, "CHAT_TEST_NO_KEY" };
	assert_int_equal(ask(), E_DENIED);
	assert_non_null(strstr(oops.text, "model.key"));
	config.model_key = (struct secret_ref){ 0 };
}

static void configured_means_url_and_name(void **state)
{
	struct config c = { .model_url = "", .model_name = "" };

	(void)state;
	assert_false(chat_configured(&c));
	c.model_url = "http://127.0.0.1";
	assert_false(chat_configured(&c));
	c.model_name = "m";
	assert_true(chat_configured(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_with_its_cost),
		cmocka_unit_test(servers_that_know_less),
		cmocka_unit_test(a_url_may_end_in_a_slash),
		cmocka_unit_test(what_is_no_answer),
		cmocka_unit_test(one_that_takes_too_long),
		cmocka_unit_test(a_server_that_is_not_there),
		cmocka_unit_test(too_many_requests_are_waited_for),
		cmocka_unit_test(a_question_that_is_too_long_is_not_sent),
		cmocka_unit_test(the_key_is_in_no_fault),
		cmocka_unit_test(configured_means_url_and_name),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
