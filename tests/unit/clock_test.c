#include <math.h>

#include "base/clock.h"
#include "tests/unit/cmocka_all.h"

static void formats(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ -1, "1969-12-31T23:59:59.999999Z" },
		{ INT64_C(1721933627736000), "2024-07-25T18:53:47.736000Z" },
		{ INT64_C(951782400123456), "2000-02-29T00:00:00.123456Z" },
		{ INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999999Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000000Z" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_ISO + 1];
		clock_format(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void parses(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "2024-07-25T18:53:47.736Z", INT64_C(1721933627736000) },
		{ "2024-07-25T20:53:47.736+02:00", INT64_C(1721933627736000) },
		{ "2024-07-25T13:23:47.736-05:30", INT64_C(1721933627736000) },
		{ "2024-07-25T18:53:47Z", INT64_C(1721933627000000) },
		{ "2024-07-25t18:53:47z", INT64_C(1721933627000000) },
		{ "2024-07-25T18:53:47.1234567890Z", INT64_C(1721933627123456) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000) },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000000) },
		{ "1969-12-31T23:59:59.999999Z", -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t us;
		if (!clock_parse(span_of(cases[i].text), &us) || us != cases[i].us)
			fail_msg("%s", cases[i].text);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"2024-07-25",
		"2024-07-25T18:53:47",
		"2024-07-25 18:53:47Z",
		"2024-07-25T18:53:47.Z",
		"2024-13-01T00:00:00Z",
		"2024-00-01T00:00:00Z",
		"2023-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2024-04-31T00:00:00Z",
		"2024-07-00T00:00:00Z",
		"2024-07-25T24:00:00Z",
		"2024-07-25T18:60:00Z",
		"2024-07-25T18:53:61Z",
		"2024-07-25T18:53:47Zx",
		"2024-07-25T18:53:47+2:00",
		"2024-07-25T18:53:47+0200",
		"2024-07-25T18:53:47+24:00",
		"24-07-25T18:53:47Z",
		"2024-7-25T18:53:47Z",
		"-024-07-25T18:53:47Z",
		"1721933627",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t us;
		if (clock_parse(span_of(cases[i]), &us))
			fail_msg("%s", cases[i]);
	}
}

static void round_trips(void **state)
{
	(void)state;
	/* Steps that meet every month and leap rule from 1600 to 2400. */
	for (int64_t us = INT64_C(-11676096000000000); us < INT64_C(13569465600000000);
	     us += INT64_C(90061123457)) {
		char text[CLOCK_ISO + 1];
		int64_t back;
		clock_format(us, text);
		assert_true(clock_parse(span_of(text), &back));
		assert_true(back == us);
	}
}

static void units_by_magnitude(void **state)
{
	(void)state;
	int64_t us;
	assert_true(clock_from_number(1721933627, &us) && us == INT64_C(1721933627000000));
	assert_true(clock_from_number(1721933627.5, &us) && us == INT64_C(1721933627500000));
	assert_true(clock_from_number(1721933627736, &us) && us == INT64_C(1721933627736000));
	assert_true(clock_from_number(1721933627736.25, &us) && us == INT64_C(1721933627736250));
	assert_true(clock_from_number(1721933627736123, &us) && us == INT64_C(1721933627736123));
	assert_false(clock_from_number(0, &us));
	assert_false(clock_from_number(-5, &us));
	assert_false(clock_from_number(NAN, &us));
	assert_false(clock_from_number(INFINITY, &us));
	assert_false(clock_from_number(1e18, &us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(units_by_magnitude),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
