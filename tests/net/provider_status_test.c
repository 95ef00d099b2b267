/* One meaning of a status for all providers. */
#include "net/provider_status.h"

#include "rig.h"

static void a_status_means_the_same_to_all_who_pay(void **state)
{
	static const struct {
		int status, code;
		bool lasts;
		const char *text;
	} cases[] = {
		{ 200, 0, false, "" },
		{ 201, 0, false, "" },
		{ 302, E_UNAVAILABLE, false, "an answer that is not understood (302)" },
		{ 400, E_INVALID, true, "the request was refused (400)" },
		{ 401, E_DENIED, true, "the key was refused (401)" },
		{ 402, E_DENIED, true, "the account is without credit (402)" },
		{ 403, E_DENIED, true, "the key was refused (403)" },
		{ 404, E_DENIED, true, "no such address or model (404)" },
		{ 408, E_TIMEOUT, false, "the server timed out (408)" },
		{ 413, E_TOO_LARGE, true, "the request is too long (413)" },
		{ 422, E_INVALID, true, "the request was refused (422)" },
		{ 425, E_UNAVAILABLE, false, "too early for the server (425)" },
		{ 429, E_FULL, false, "too many requests (429)" },
		{ 500, E_UNAVAILABLE, false, "the server is in trouble (500)" },
		{ 503, E_UNAVAILABLE, false, "the server is in trouble (503)" },
		{ 0, E_UNAVAILABLE, false, "an answer that is not understood (0)" },
		{ 999, E_UNAVAILABLE, false, "an answer that is not understood (999)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f = { 0 };
		int rc = provider_status(cases[i].status, &f);

		assert_int_equal(cases[i].code, rc);
		assert_string_equal(cases[i].text, f.text);
		assert_int_equal(cases[i].lasts, provider_status_lasts(rc));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		a_status_means_the_same_to_all_who_pay) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
