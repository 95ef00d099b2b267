#include "base/clock.h"
#include "callmend/uuid.h"
#include "tests/unit/cmocka_all.h"

static struct uuid parse(const char *z)
{
	struct uuid u;
	if (uuid_parse(&u, span_of(z)))
		fail_msg("%s", z);
	return u;
}

static void version_5_vectors(void **state)
{
	(void)state;
	char text[UUID_TEXT + 1];
	/* RFC 9562, A.4, and Python's documentation of uuid5(). */
	struct uuid dns = parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	struct uuid u = uuid_v5(&dns, SPAN("www.example.com"));
	uuid_format(&u, text);
	assert_string_equal(text, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	u = uuid_v5(&dns, SPAN("python.org"));
	uuid_format(&u, text);
	assert_string_equal(text, "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

static void text_form(void **state)
{
	(void)state;
	char text[UUID_TEXT + 1];
	struct uuid lower = parse("0190e1d2-ABCD-7f00-8A00-0123456789ab");
	uuid_format(&lower, text);
	assert_string_equal(text, "0190e1d2-abcd-7f00-8a00-0123456789ab");
	struct uuid nil = parse("00000000-0000-0000-0000-000000000000");
	assert_true(uuid_is_nil(&nil));
	assert_false(uuid_is_nil(&lower));
	assert_false(uuid_eq(&nil, &lower));
}

static void refusals_leave_the_target(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"0190e1d2",
		"0190e1d2abcd7f008a000123456789ab",
		"0190e1d2-abcd-7f00-8a00-0123456789a",
		"0190e1d2-abcd-7f00-8a00-0123456789abc",
		"0190e1d2-abcd-7f00-8a00-0123456789ag",
		"0190e1d2_abcd-7f00-8a00-0123456789ab",
		"0190e1d-2abcd-7f00-8a00-0123456789ab",
		"{190e1d2-abcd-7f00-8a00-0123456789a}",
		"0190e1d2-abcd-7f00-8a00 0123456789ab",
	};
	const struct uuid before = parse("2ed6657d-e927-568b-95e1-2665a8aea6a2");
	struct uuid u = before;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(uuid_parse(&u, span_of(bad[i])), E_INVALID);
		assert_true(uuid_eq(&u, &before));
	}
}

static void version_7_grows(void **state)
{
	(void)state;
	int64_t from = clock_now_us() / 1000;
	struct uuid before = uuid_v7();
	/* More than the 4096 that one millisecond can count. */
	for (int i = 0; i < 20000; i++) {
		struct uuid u = uuid_v7();
		assert_true(memcmp(before.b, u.b, 16) < 0);
		assert_int_equal(u.b[6] >> 4, 7);
		assert_int_equal(u.b[8] >> 6, 2);
		before = u;
	}
	int64_t ms = 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | before.b[i];
	assert_true(ms >= from && ms <= clock_now_us() / 1000 + 20000 / 2048);
}

static void hash_spreads(void **state)
{
	(void)state;
	int shard[4] = { 0 };
	for (int i = 0; i < 4000; i++) {
		struct uuid u = uuid_v7();
		assert_true(uuid_hash(&u) == uuid_hash(&u));
		shard[uuid_hash(&u) % 4]++;
	}
	for (int i = 0; i < 4; i++)
		assert_true(shard[i] > 800 && shard[i] < 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_5_vectors),
		cmocka_unit_test(text_form),
		cmocka_unit_test(refusals_leave_the_target),
		cmocka_unit_test(version_7_grows),
		cmocka_unit_test(hash_spreads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
