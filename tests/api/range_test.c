/* What the header Range asks for. */
#include "api/range.h"
#include "tests/unit/cmocka_all.h"

static void ranges(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		enum range_kind kind;
		uint64_t from, n;
	} cases[] = {
		{ "bytes=0-0", RANGE_PART, 0, 1 },
		{ "bytes=10-19", RANGE_PART, 10, 10 },
		{ "bytes=10-", RANGE_PART, 10, 90 },
		{ "bytes=99-", RANGE_PART, 99, 1 },
		{ "bytes=90-1000", RANGE_PART, 90, 10 },
		{ "bytes=-1", RANGE_PART, 99, 1 },
		{ "bytes=-100", RANGE_PART, 0, 100 },
		{ "bytes=-1000", RANGE_PART, 0, 100 },
		{ "bytes=0-999999999999999999", RANGE_PART, 0, 100 },
		{ "bytes=100-", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=100-200", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=-0", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=", RANGE_ALL, 0, 100 },
		{ "bytes=-", RANGE_ALL, 0, 100 },
		{ "bytes=5", RANGE_ALL, 0, 100 },
		{ "bytes=5-4", RANGE_ALL, 0, 100 },
		{ "bytes=a-b", RANGE_ALL, 0, 100 },
		{ "bytes=1-2,5-6", RANGE_ALL, 0, 100 },
		{ "bytes=1-2 ", RANGE_ALL, 0, 100 },
		{ "bytes= 1-2", RANGE_ALL, 0, 100 },
		{ "items=1-2", RANGE_ALL, 0, 100 },
		{ "", RANGE_ALL, 0, 100 },
		{ "bytes=9999999999999999999-", RANGE_ALL, 0, 100 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct range r = range_of(span_of(cases[i].header), 100);

		if (r.kind != cases[i].kind || r.from != cases[i].from || r.n != cases[i].n)
			fail_msg("%s: %d %zu %zu", cases[i].header, r.kind, (size_t)r.from,
				 (size_t)r.n);
	}
}

static void of_nothing(void **state)
{
	(void)state;
	assert_int_equal(range_of(SPAN("bytes=0-"), 0).kind, RANGE_OUTSIDE);
	assert_int_equal(range_of(SPAN("bytes=-5"), 0).kind, RANGE_OUTSIDE);
	assert_int_equal(range_of(SPAN(""), 0).kind, RANGE_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
