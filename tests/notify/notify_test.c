/* Outbound webhooks (C5): signatures as Standard Webhooks has them, and when a delivery is tried
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notify/schedule.h"
#include "notify/sign.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/crypto.h"

static struct fault oops;

/* The example of the Standard Webhooks libraries. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY "{\"test\": 2432232314}"
enum { AT = 1614265330 };

static void the_published_example(void **state)
{
	(void)state;
	struct buf key AUTO_BUF = { 0 }, out AUTO_BUF = { 0 };
	assert_int_equal(sign_key(SPAN(SECRET), &key, &oops), 0);
	sign_add(buf_span(&key), SPAN(ID), AT, SPAN(BODY), &out);
	assert_string_equal(buf_z(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/* The same by another program. */
static void openssl_agrees(void **state)
{
	(void)state;
	struct buf key AUTO_BUF = { 0 }, hex AUTO_BUF = { 0 }, out AUTO_BUF = { 0 },
		       command AUTO_BUF = { 0 };
	char theirs[128] = "v1,";
	assert_int_equal(sign_key(SPAN(SECRET), &key, &oops), 0);
	crypto_hex(buf_span(&key), &hex);
	sign_add(buf_span(&key), SPAN("dlv-1"), 1700000000, SPAN("{\"a\":\"\xc3\xa4 $1\"}"), &out);
	buf_printf(&command,
		   "printf '%%s' 'dlv-1.1700000000.{\"a\":\"\xc3\xa4 $1\"}' | openssl dgst -sha256 "
		   "-mac HMAC -macopt hexkey:%s -binary | openssl base64 -A",
		   buf_z(&hex));
	FILE *p = popen(buf_z(&command), "r");
	assert_non_null(p);
	assert_non_null(fgets(theirs + 3, sizeof(theirs) - 3, p));
	assert_int_equal(pclose(p), 0);
	assert_string_equal(buf_z(&out), theirs);
}

static void two_secrets_give_two_signatures(void **state)
{
	(void)state;
	struct buf both AUTO_BUF = { 0 }, one AUTO_BUF = { 0 }, other AUTO_BUF = { 0 },
			joined AUTO_BUF = { 0 };
	struct span a = SPAN("aaaaaaaaaaaaaaaaaaaaaaaa"), b = SPAN("bbbbbbbbbbbbbbbbbbbbbbbb");
	sign_add(a, SPAN("id"), 1, SPAN("{}"), &one);
	sign_add(b, SPAN("id"), 1, SPAN("{}"), &other);
	sign_add(a, SPAN("id"), 1, SPAN("{}"), &both);
	sign_add(b, SPAN("id"), 1, SPAN("{}"), &both);
	buf_printf(&joined, "%s %s", buf_z(&one), buf_z(&other));
	assert_string_equal(buf_z(&both), buf_z(&joined));
	assert_string_not_equal(buf_z(&one), buf_z(&other));
}

static void every_part_is_signed(void **state)
{
	(void)state;
	struct span key = SPAN("aaaaaaaaaaaaaaaaaaaaaaaa");
	struct buf outs[4] = { 0 };
	sign_add(key, SPAN("id"), 1, SPAN("{}"), &outs[0]);
	sign_add(key, SPAN("ie"), 1, SPAN("{}"), &outs[1]);
	sign_add(key, SPAN("id"), 2, SPAN("{}"), &outs[2]);
	sign_add(key, SPAN("id"), 1, SPAN("{ }"), &outs[3]);
	for (size_t i = 1; i < 4; i++)
		assert_string_not_equal(buf_z(&outs[0]), buf_z(&outs[i]));
	for (size_t i = 0; i < 4; i++)
		buf_free(&outs[i]);
}

static void bad_secrets_are_refused_and_never_quoted(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_",
		"whsec_c2hvcnQ=",
		"whsec_not base64 at all, is it?!",
		"whsec_"
		"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYW"
		"Fh"
		"YWFh",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf key AUTO_BUF = { 0 };
		assert_int_equal(sign_key(span_of(bad[i]), &key, &oops), E_INVALID);
		assert_true(*bad[i] == 0 || !strcmp(bad[i], "whsec_") ||
			    !strstr(oops.text, bad[i]));
	}
}

/* --- when it is tried again --- */

static void about_three_days(void **state)
{
	(void)state;
	int64_t pause, total = 0;
	unsigned failed = 1;
	for (; schedule_pause(failed, 5000, 0.5, &pause); failed++)
		total += pause;
	assert_int_equal(failed, SCHEDULE_RETRIES + 1);
	assert_in_range(total, INT64_C(70) * 3600 * 1000, INT64_C(80) * 3600 * 1000);
	assert_true(schedule_pause(1, 5000, 0.5, &pause));
	assert_int_equal(pause, 5000);
	assert_true(schedule_pause(2, 5000, 0.5, &pause));
	assert_int_equal(pause, 5 * 60 * 1000);
	assert_true(schedule_pause(9, 5000, 0.5, &pause));
	assert_int_equal(pause, 24 * 3600 * 1000);
}

static void pauses_are_spread(void **state)
{
	(void)state;
	int64_t least, most;
	assert_true(schedule_pause(3, 5000, 0.0, &least));
	assert_true(schedule_pause(3, 5000, 0.999999, &most));
	assert_int_equal(least, 24 * 60 * 1000);
	assert_in_range(most, 35 * 60 * 1000, 36 * 60 * 1000);
}

static void who_hangs_rests_longer_and_longer(void **state)
{
	(void)state;
	static const int64_t expected_s[] = { 5, 10, 20, 40, 80, 160, 320, 600, 600 };
	for (unsigned i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++)
		assert_int_equal(schedule_rest_ms(i + 1, 5000), expected_s[i] * 1000);
	assert_int_equal(schedule_rest_ms(1000000, 5000), 600000);
}

static void retry_after_in_seconds_and_as_a_date(void **state)
{
	(void)state;
	const int64_t now_us = INT64_C(784111777) * 1000000; /* Sun, 06 Nov 1994 08:49:37 GMT */
	static const struct {
		const char *header;
		int64_t ms;
	} cases[] = {
		{ "120", 120000 },
		{ "0", 0 },
		{ "-5", 0 },
		{ "", 0 },
		{ "soon", 0 },
		{ "12 monkeys", 0 },
		{ "99999999999999", SCHEDULE_AFTER_MOST_MS },
		{ "Sun, 06 Nov 1994 08:50:37 GMT", 60000 },
		{ "Sun, 06 Nov 1994 08:40:00 GMT", 0 },
		{ "Mon, 06 Nov 2034 08:49:37 GMT", SCHEDULE_AFTER_MOST_MS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(schedule_retry_after_ms(span_of(cases[i].header), now_us),
				 cases[i].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_example),
		cmocka_unit_test(openssl_agrees),
		cmocka_unit_test(two_secrets_give_two_signatures),
		cmocka_unit_test(every_part_is_signed),
		cmocka_unit_test(bad_secrets_are_refused_and_never_quoted),
		cmocka_unit_test(about_three_days),
		cmocka_unit_test(pauses_are_spread),
		cmocka_unit_test(who_hangs_rests_longer_and_longer),
		cmocka_unit_test(retry_after_in_seconds_and_as_a_date),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
