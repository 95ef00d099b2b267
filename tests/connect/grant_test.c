/* How a session comes to its tokens: which is next, of whom, with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connect/grant.h"

static void what_is_next(void **state)
{
	static const struct {
		struct grant_have have;
		enum grant next;
	} rows[] = {
		{ { .cx = false }, GRANT_JWT },
		{ { .refresh = true }, GRANT_REFRESH },
		{ { .own = true, .refresh = true }, GRANT_NONE },
		{ { .exchanged = true }, GRANT_JWT },
		{ { .cx = true }, GRANT_JWT },
		{ { .cx = true, .refresh = true }, GRANT_REFRESH },
		{ { .cx = true, .own = true }, GRANT_EXCHANGE },
		{ { .cx = true, .own = true, .exchanged = true }, GRANT_NONE },
		{ { .cx = true, .exchanged = true }, GRANT_NONE }, /* the other is not needed now */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (grant_next(&rows[i].have) != rows[i].next)
			fail_msg("row %zu", i);
}

static void what_gives_way_to_the_jwt(void **state)
{
	static const int over[] = { 400, 401, 403, 430, 499 }, not [] = { 200, 302, 408, 429, 500 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_true(grant_gives_way(GRANT_REFRESH, over[i]));
		assert_false(grant_gives_way(GRANT_REFRESH, not [i]));
		assert_false(grant_gives_way(GRANT_JWT, over[i]));
		assert_false(grant_gives_way(GRANT_EXCHANGE, over[i]));
	}
}

/* Credentials of one platform must not go to another because a column has a default. */
static void whom_is_asked(void **state)
{
	static const struct {
		const char *dialect, *api_base, *platform, *base, *of;
	} rows[] = {
		{ "ringcentral", "http://x:1//", "http://y", "http://x:1", "http://x:1" },
		{ "ringcentral", "", "", "https://platform.ringcentral.com",
		  "https://platform.ringcentral.com" },
		{ "ringcentral", "https://api.vapi.ai", "", "https://platform.ringcentral.com",
		  "https://platform.ringcentral.com" },
		{ "ringcx", "https://api.vapi.ai/", "", "https://ringcx.ringcentral.com",
		  "https://platform.ringcentral.com" },
		{ "ringcx", "http://x/", "http://y/", "http://x", "http://y" },
	};
	struct grant_hosts h;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dir_source s = { .dialect = span_of(rows[i].dialect),
					      .api_base = span_of(rows[i].api_base),
					      .connect.platform = span_of(rows[i].platform) };

		grant_hosts_of(&s, &h);
		if (!span_is(h.base, rows[i].base) || !span_is(h.platform, rows[i].of))
			fail_msg("row %zu: %.*s, %.*s", i, SPAN_ARG(h.base), SPAN_ARG(h.platform));
	}
}

static void where_the_gateway_is(void **state)
{
	const struct grant_hosts own = { .platform = SPAN("https://platform.ringcentral.com") };
	const struct grant_hosts other = { .platform = SPAN("https://platform.example") };

	(void)state;
	assert_true(span_is(grant_gateway(&own), "wss://ws-api.ringcentral.com/ws"));
	assert_int_equal(grant_gateway(&other).n, 0);
}

static void assert_written(enum grant what, const char *url, const char *authorization,
			   const char *body)
{
	const struct dir_source s = { .dialect = SPAN("ringcx"),
				      .api_base = SPAN("http://cx"),
				      .connect = { .client_id = SPAN("app"),
						   .client_secret.value = SPAN("secret\n"),
						   .jwt.value = SPAN("a+jwt"),
						   .platform = SPAN("http://rc") } };
	struct buf out[3] = { 0 };

	grant_write(what, &s, SPAN("T/1"), &out[0], &out[1], &out[2]);
	assert_string_equal(url, buf_z(&out[0]));
	assert_string_equal(authorization, buf_z(&out[1]));
	assert_string_equal(body, buf_z(&out[2]));
	for (int i = 0; i < 3; i++)
		buf_free(&out[i]);
}

static void what_is_sent(void **state)
{
	(void)state;
	assert_written(GRANT_JWT, "http://rc/restapi/oauth/token", "Basic YXBwOnNlY3JldA==",
		       "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
		       "&assertion=a%2Bjwt");
	assert_written(GRANT_REFRESH, "http://rc/restapi/oauth/token",
		       "Basic YXBwOnNlY3JldA==", "grant_type=refresh_token&refresh_token=T%2F1");
	assert_written(GRANT_EXCHANGE,
		       "http://cx/api/auth/login/rc/accesstoken?includeRefresh=true", "Bearer T/1",
		       "rcTokenType=Bearer&rcAccessToken=T%2F1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_next),	 cmocka_unit_test(what_gives_way_to_the_jwt),
		cmocka_unit_test(whom_is_asked), cmocka_unit_test(where_the_gateway_is),
		cmocka_unit_test(what_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
