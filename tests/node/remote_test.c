/* Which call is meant: prefixes, numbers, and everything that must not match. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/remote.h"

static const char calls[] = "[{\"id\":\"3f2a91c8-0000-5000-8000-000000000001\",\"provider_call_"
			    "id\":\"prov-1\",\"live\":true,"
			    "\"customer\":{\"number\":\"+14155550123\"},\"assistant\":{\"name\":"
			    "\"Anna\"},\"status\":\"in-progress\"},"
			    "{\"id\":\"3f2a77d1-0000-5000-8000-000000000002\",\"provider_call_id\":"
			    "\"prov-2\",\"live\":true,\"customer\":{\"number\":null}},"
			    "{\"id\":\"9c11aa00-0000-5000-8000-000000000003\",\"live\":false,"
			    "\"customer\":{\"number\":\"+442079460000\"}}]";

static void test_match(void **state)
{
	static const struct {
		const char *word;
		size_t matches;
		const char *id;
	} rows[] = {
		{ "3f2a9", 1, "3f2a91c8-0000-5000-8000-000000000001" },
		{ "3F2A7", 1, "3f2a77d1-0000-5000-8000-000000000002" },
		{ "prov-2", 1, "3f2a77d1-0000-5000-8000-000000000002" },
		{ "+1 (415) 555-0123", 1, "3f2a91c8-0000-5000-8000-000000000001" },
		{ "14155550123", 1, "3f2a91c8-0000-5000-8000-000000000001" },
		{ "3f2a", 2, NULL },
		{ "prov", 2, NULL },
		{ "3f2", 0, NULL },
		{ "", 0, NULL },
		{ "9c11aa", 0, NULL },
		{ "+442079460000", 0, NULL },
		{ "+1415555012", 0, NULL },
		{ "+()-", 0, NULL },
		{ "91c8", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf id AUTO_BUF = { 0 }, list AUTO_BUF = { 0 };
		assert_int_equal(remote_match(json_of(span_of(calls)), rows[i].word, &id, &list),
				 rows[i].matches);
		if (rows[i].id)
			assert_string_equal(buf_z(&id), rows[i].id);
	}
}

static void test_candidates(void **state)
{
	struct buf id AUTO_BUF = { 0 }, list AUTO_BUF = { 0 };

	(void)state;
	assert_int_equal(remote_match(json_of(span_of(calls)), "3f2a", &id, &list), 2);
	assert_non_null(strstr(buf_z(&list),
			       "  3f2a91c8-0000-5000-8000-000000000001  +14155550123     Anna "));
	assert_non_null(strstr(buf_z(&list), "  3f2a77d1-"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_match),
					    cmocka_unit_test(test_candidates) };

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
