/* The analysts' way to a platform's API, with a platform that answers as told and a clock that
 * goes when somebody sleeps: tokens, penalties, pauses, what is refused. */
#include "tests/store/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "node/platform.h"
#include "tests/node/canned.h"

#define SOURCE "30000000-0000-7000-8000-000000000001"
#define PROJECT "20000000-0000-7000-8000-000000000001"
#define TOKEN "POST /restapi/oauth/token"
#define REVOKE "POST /restapi/oauth/revoke"
#define EXCHANGE "POST /api/auth/login/rc/accesstoken"
#define LOG "GET /restapi/v1.0/log"

enum { LEASE_MS = 60000, TRIES = 8, LIMIT = 4096 };

static struct canned server, elsewhere;
static struct store_link *db;
static struct platform *platform;
static struct dir_source source;
static char base[64];

/* --- time, and being stopped --- */

static _Atomic int64_t clock_us;
static int64_t stop_at_us;

static int64_t test_now_us(void)
{
	return atomic_load(&clock_us);
}

static int64_t now_us(void *user)
{
	(void)user;
	return test_now_us();
}

static void sleep_ms(void *user, int64_t ms)
{
	(void)user;
	atomic_fetch_add(&clock_us, ms * MS_US);
}

static bool stopping(void *user)
{
	(void)user;
	return test_now_us() >= stop_at_us;
}

static const struct platform_clock test_clock = { now_us, sleep_ms };

/* --- the rig --- */

static struct dir_secret secret(const char *value)
{
	return (struct dir_secret){ .value = span_of(value) };
}

static void be(const char *dialect)
{
	source = (struct dir_source){
		.dialect = span_of(dialect),
		.api_base = span_of(base),
		.connect = { .on = true,
			     .client_id = SPAN("app"),
			     .client_secret = secret("app secret\n"),
			     .jwt = secret("a+jwt\n"),
			     .platform = span_of(base) },
	};
	assert_int_equal(0, uuid_parse(&source.id, SPAN(SOURCE)));
}

static void open_platform(void)
{
	const struct platform_config config = { .source = &source,
						.db = db,
						.owner = "me",
						.lease_ms = LEASE_MS,
						.stopping = stopping,
						.clock = &test_clock };

	assert_ok(platform_open(&platform, &config, &oops));
}

static void close_platform(void)
{
	platform_close(platform);
	platform = NULL;
}

/* `times` tokens: T0, T1 ... */
static void give_tokens(int times)
{
	static const char *const tokens[] = {
		"{\"access_token\":\"T0\",\"refresh_token\":\"R0\",\"expires_in\":3600}",
		"{\"access_token\":\"T1\",\"refresh_token\":\"R1\",\"expires_in\":3600}",
		"{\"access_token\":\"T2\",\"refresh_token\":\"R2\",\"expires_in\":3600}",
	};

	for (int i = 0; i < times; i++)
		canned_rule(&server, (struct canned_rule){ TOKEN, 1, 200, .body = tokens[i] });
	canned_rule(&server, (struct canned_rule){ REVOKE, 1, .status = 200 });
}

/* Whatever comes after the rules before. */
static void log_is_there(void)
{
	canned_rule(&server, (struct canned_rule){ LOG, 99, 200, .body = "{\"records\":[]}" });
}

static int status_left;

static int ask_with(struct platform_ask ask, char text[64])
{
	struct platform_answer answer = { 0 };

	ask.url = ask.url ? ask.url : "/restapi/v1.0/log";
	int rc = platform_ask(platform, &ask, &answer, &oops);
	status_left = answer.status;
	snprintf(text, 64, "%d %.50s", answer.status, buf_z(&answer.body));
	platform_answer_free(&answer);
	return rc;
}

static void assert_log(void)
{
	char text[64];

	assert_ok(ask_with((struct platform_ask){ .group = RATE_HEAVY, .limit = LIMIT }, text));
	assert_string_equal("200 {\"records\":[]}", text);
}

static void assert_refused(int code, const char *why)
{
	char text[64];
	int rc = ask_with((struct platform_ask){ .group = RATE_HEAVY }, text);

	if (rc != code || !strstr(oops.text, why))
		fail_msg("%d %s", rc, oops.text);
}

static void assert_says(const char *request, unsigned n, const char *what)
{
	const char *text = canned_text(&server, request, n);

	if (!strstr(text, what))
		fail_msg("%s\nlacks: %s", text, what);
}

static int64_t between_ms(unsigned earlier, unsigned later)
{
	return (canned_at_us(&server, LOG, later) - canned_at_us(&server, LOG, earlier)) / MS_US;
}

static int begin(void **state)
{
	if (fixture_start_migrated(state))
		return -1;
	sql("insert into projects (id, org_id, name) values ('" PROJECT "', '" DEFAULT_ORG
	    "', 'p')");
	sql("insert into sources (id, org_id, project_id, dialect, name) values ('" SOURCE
	    "', '" DEFAULT_ORG "', '" PROJECT "', 'ringcentral', 'main')");
	assert_ok(store_link_new(&db, fixture_url(), &oops));
	canned_start(&server, test_now_us);
	canned_start(&elsewhere, test_now_us);
	snprintf(base, sizeof(base), "http://127.0.0.1:%u", server.port);
	return 0;
}

static int end(void **state)
{
	canned_stop(&server);
	canned_stop(&elsewhere);
	store_link_free(db);
	return fixture_stop(state);
}

static int fresh(void **state)
{
	(void)state;
	sql("delete from platform_budgets");
	canned_forget(&server);
	canned_forget(&elsewhere);
	atomic_store(&clock_us, 1000 * SECOND_US);
	stop_at_us = INT64_MAX;
	be("ringcentral");
	open_platform();
	return 0;
}

static int over(void **state)
{
	(void)state;
	close_platform();
	return 0;
}

/* --- tokens --- */

static void asks_with_a_token_for_the_jwt_and_ends_its_session(void **state)
{
	(void)state;
	give_tokens(1);
	log_is_there();
	assert_log();
	assert_log();
	close_platform();
	assert_int_equal(1, canned_count(&server, TOKEN));
	assert_says(TOKEN, 0, "uthorization: Basic YXBwOmFwcCBzZWNyZXQ=\r\n");
	assert_says(TOKEN, 0,
		    "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
		    "&assertion=a%2Bjwt");
	assert_says(LOG, 1, "uthorization: Bearer T0\r\n");
	assert_int_equal(1, canned_count(&server, REVOKE));
	assert_says(REVOKE, 0, "\r\n\r\ntoken=T0");
}

static void a_token_that_is_refused_is_refreshed_once(void **state)
{
	(void)state;
	give_tokens(2);
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 401 });
	log_is_there();
	assert_log();
	assert_says(TOKEN, 1, "\r\n\r\ngrant_type=refresh_token&refresh_token=R0");
	assert_says(LOG, 0, "Bearer T0\r\n");
	assert_says(LOG, 1, "Bearer T1\r\n");
	assert_int_equal(2, canned_count(&server, LOG));
}

/* Each refresh token holds once; the next is in the answer. */
static void a_token_is_refreshed_again_with_the_new_refresh_token(void **state)
{
	(void)state;
	give_tokens(3);
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 401 });
	canned_rule(&server, (struct canned_rule){ LOG, 1, 200, .body = "{\"records\":[]}" });
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 401 });
	log_is_there();
	assert_log();
	assert_log();
	assert_says(TOKEN, 2, "\r\n\r\ngrant_type=refresh_token&refresh_token=R1");
	assert_says(LOG, 3, "Bearer T2\r\n");
}

static void what_is_refused_with_any_token_is_denied(void **state)
{
	(void)state;
	give_tokens(2);
	canned_rule(&server,
		    (struct canned_rule){ LOG, 99, 401, .body = "{\"errorCode\":\"No\"}" });
	assert_refused(E_DENIED, "GET /restapi/v1.0/log: the platform answered 401 No");
	assert_int_equal(2, canned_count(&server, LOG));
	assert_int_equal(2, canned_count(&server, TOKEN));
}

static void a_refresh_token_that_is_over_gives_way_to_the_jwt(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 401 });
	canned_rule(&server, (struct canned_rule){ TOKEN, 1, .status = 400 });
	give_tokens(1);
	log_is_there();
	assert_log();
	assert_says(TOKEN, 1, "grant_type=refresh_token");
	assert_says(TOKEN, 2, "assertion=");
}

static void credentials_that_are_refused_are_not_tried_again(void **state)
{
	(void)state;
	canned_rule(&server, (struct canned_rule){ TOKEN, 99, 400,
						   .body = "{\"error\":\"invalid_grant\"}" });
	assert_refused(E_CLOSED, "token: the platform answered 400 invalid_grant");
	assert_int_equal(1, canned_count(&server, TOKEN));
}

/* Who asks for a recording would take E_INVALID for its last word on that. */
static void a_token_that_cannot_be_read_is_asked_for_later(void **state)
{
	(void)state;
	canned_rule(&server, (struct canned_rule){ TOKEN, 1, 200, .body = "<html>oops" });
	assert_refused(E_UNAVAILABLE, "token: ");
	canned_rule(&server, (struct canned_rule){ TOKEN, 1, 200, .body = "{\"token\":1}" });
	assert_refused(E_UNAVAILABLE, "no access token");
	canned_rule(&server, (struct canned_rule){ TOKEN, 1, 200, .more_bytes = 70000 });
	assert_refused(E_UNAVAILABLE, "too large");
	give_tokens(1);
	log_is_there();
	assert_log();
	assert_int_equal(4, canned_count(&server, TOKEN));
	assert_int_equal(1, canned_count(&server, LOG));
}

static void ringcx_has_another_token_in_exchange(void **state)
{
	(void)state;
	struct span account;

	close_platform();
	be("ringcx");
	open_platform();
	give_tokens(2);
	canned_rule(&server, (struct canned_rule){ EXCHANGE, 1, 200,
						   .body = "{\"accessToken\":\"C0\",\"rcUser\":"
							   "{\"rcAccountId\":77}}" });
	canned_rule(&server,
		    (struct canned_rule){ EXCHANGE, 1, 200, .body = "{\"accessToken\":\"C1\"}" });
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 401 });
	log_is_there();
	assert_ok(platform_account(platform, &account, &oops));
	assert_true(span_is(account, "77"));
	assert_log();
	assert_says(EXCHANGE, 0, "\r\n\r\nrcTokenType=Bearer&rcAccessToken=T0");
	assert_says(LOG, 0, "Bearer C0\r\n");
	assert_says(TOKEN, 1, "refresh_token=R0");
	assert_says(EXCHANGE, 1, "rcAccessToken=T1");
	assert_says(LOG, 1, "Bearer C1\r\n");
}

/* --- penalties --- */

static void nothing_is_sent_before_a_penalty_is_over(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, 429, .headers = "retry-after: 30\r\n" });
	log_is_there();
	assert_log();
	assert_int_equal(2, canned_count(&server, LOG));
	assert_in_range(between_ms(0, 1), 30000, 32000);
}

/* The status counts, whether or not the rest can be read. */
static void a_penalty_holds_whatever_its_body(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, 429, .headers = "retry-after: 30\r\n",
						   .body = "{", .lacking_bytes = 10 });
	canned_rule(&server, (struct canned_rule){ LOG, 1, 429, .headers = "retry-after: 40\r\n",
						   .more_bytes = 2 * LIMIT });
	log_is_there();
	assert_log();
	assert_int_equal(3, canned_count(&server, LOG));
	assert_in_range(between_ms(0, 1), 30000, 33000);
	assert_in_range(between_ms(1, 2), 40000, 43000);
}

/* Nor by whoever comes next; not even to say goodbye. */
static void a_penalty_outlives_who_had_it(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server,
		    (struct canned_rule){ LOG, 1, 429, .headers = "retry-after: 300\r\n" });
	stop_at_us = test_now_us() + 10 * SECOND_US;
	assert_refused(E_UNAVAILABLE, "stopped");
	assert_string_equal("t", sql("select (requests->'heavy'->>'closed_us')::bigint > 0 from "
				     "platform_budgets")); /* were it killed now */
	close_platform();
	assert_int_equal(0, canned_count(&server, REVOKE)); /* no group is named: all are closed */
	stop_at_us = INT64_MAX;
	open_platform();
	give_tokens(1);
	log_is_there();
	assert_log();
	assert_in_range(between_ms(0, 1), 290000, 303000);
	assert_true(canned_at_us(&server, TOKEN, 1) >=
		    canned_at_us(&server, LOG, 0) + 290 * SECOND_US);
}

static void a_penalty_of_the_goodbye_is_kept(void **state)
{
	(void)state;
	canned_rule(&server,
		    (struct canned_rule){ REVOKE, 1, 429, .headers = "retry-after: 300\r\n" });
	give_tokens(2);
	log_is_there();
	assert_log();
	close_platform();
	open_platform();
	assert_log();
	assert_true(canned_at_us(&server, TOKEN, 1) >=
		    canned_at_us(&server, REVOKE, 0) + 299 * SECOND_US);
}

/* --- trouble --- */

static void trouble_is_waited_out(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 500 });
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 408 });
	canned_rule(&server, (struct canned_rule){ LOG, 1, 503, .more_bytes = 2 * LIMIT });
	log_is_there();
	assert_log();
	assert_int_equal(4, canned_count(&server, LOG));
	assert_in_range(between_ms(0, 1), 1000, 2200); /* a half to the whole, and steps */
	assert_in_range(between_ms(1, 2), 2000, 4200);
	assert_in_range(between_ms(2, 3), 4000, 8200);
}

static void trouble_that_lasts_is_told(void **state)
{
	(void)state;
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 99, .status = 502 });
	assert_refused(E_UNAVAILABLE, "HTTP 502 again and again");
	assert_int_equal(502, status_left);
	assert_int_equal(TRIES, canned_count(&server, LOG));
}

static void an_answer_that_does_not_come_is_asked_for_again(void **state)
{
	(void)state;
	char text[64];

	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, .status = 0 });
	log_is_there();
	assert_ok(ask_with((struct platform_ask){ .group = RATE_HEAVY, .timeout_ms = 100 }, text));
	assert_string_equal("200 {\"records\":[]}", text);
	assert_int_equal(2, canned_count(&server, LOG));
}

static void an_answer_that_is_too_large_is_not_asked_for_again(void **state)
{
	(void)state;
	char text[64];

	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 99, 200, .more_bytes = 1001 });
	assert_int_equal(
		E_TOO_LARGE,
		ask_with((struct platform_ask){ .group = RATE_HEAVY, .limit = 1000 }, text));
	assert_int_equal(1, canned_count(&server, LOG));
}

/* JSON is whole, or it is asked for another time; of another type it is its reader's. */
static void half_an_answer_is_none(void **state)
{
	(void)state;
	const struct canned_rule half = { LOG, 1, 200, .body = "{\"records\":[" };
	char text[64];

	give_tokens(1);
	canned_rule(&server, half);
	assert_refused(E_CORRUPT, "what came is no JSON: line 1");
	canned_rule(&server, half);
	assert_ok(ask_with((struct platform_ask){ .group = RATE_HEAVY, .accept = "text/plain" },
			   text));
	assert_string_equal("200 {\"records\":[", text);
	assert_ok(ask_with((struct platform_ask){ .url = "/nowhere", .group = RATE_LIGHT }, text));
	assert_string_equal("404 {}", text);
}

/* --- whom the token is given to --- */

static void a_redirection_is_not_followed(void **state)
{
	(void)state;
	char to[100];

	snprintf(to, sizeof(to), "location: http://127.0.0.1:%u/\r\n", elsewhere.port);
	give_tokens(1);
	canned_rule(&server, (struct canned_rule){ LOG, 1, 302, .headers = to });
	canned_rule(&server, (struct canned_rule){ LOG, 1, 307, .headers = to });
	assert_refused(E_INVALID, "the platform answered 302");
	assert_refused(E_INVALID, "the platform answered 307");
	assert_int_equal(0, atomic_load(&elsewhere.seen_n));
}

static void a_token_goes_to_the_platform_only(void **state)
{
	(void)state;
	static const char *const wrong[] = { "http://localhost:%u/x",
					     "http://127.0.0.1@localhost:%u/x",
					     "https://127.0.0.1:%u/x", "ftp://127.0.0.1:%u/x" };
	char url[100], text[64];

	give_tokens(1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(url, sizeof(url), wrong[i], elsewhere.port);
		if (ask_with((struct platform_ask){ .url = url, .group = RATE_LIGHT }, text) !=
		    E_INVALID)
			fail_msg("%s: %s", url, text);
	}
	assert_int_equal(0, atomic_load(&elsewhere.seen_n));
	/* Media of a platform that is somewhere else: another port there. */
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/media", elsewhere.port);
	canned_rule(&elsewhere, (struct canned_rule){ "GET /media", 1, 200, .body = "sound" });
	assert_ok(ask_with(
		(struct platform_ask){ .url = url, .group = RATE_LIGHT, .accept = "*/*" }, text));
	assert_string_equal("200 sound", text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, over)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asks_with_a_token_for_the_jwt_and_ends_its_session),
		TEST(a_token_that_is_refused_is_refreshed_once),
		TEST(a_token_is_refreshed_again_with_the_new_refresh_token),
		TEST(what_is_refused_with_any_token_is_denied),
		TEST(a_refresh_token_that_is_over_gives_way_to_the_jwt),
		TEST(credentials_that_are_refused_are_not_tried_again),
		TEST(a_token_that_cannot_be_read_is_asked_for_later),
		TEST(ringcx_has_another_token_in_exchange),
		TEST(nothing_is_sent_before_a_penalty_is_over),
		TEST(a_penalty_holds_whatever_its_body),
		TEST(a_penalty_outlives_who_had_it),
		TEST(a_penalty_of_the_goodbye_is_kept),
		TEST(trouble_is_waited_out),
		TEST(trouble_that_lasts_is_told),
		TEST(an_answer_that_does_not_come_is_asked_for_again),
		TEST(an_answer_that_is_too_large_is_not_asked_for_again),
		TEST(half_an_answer_is_none),
		TEST(a_redirection_is_not_followed),
		TEST(a_token_goes_to_the_platform_only),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
