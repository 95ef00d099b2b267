/* What was heard, as a record's body: written, read back, refused. */
#include "callmend/heard.h"

#include <stdio.h>

#include "tests/unit/cmocka_all.h"

static struct heard sample(void)
{
	return (struct heard){ .kind = HEARD_TRANSCRIPT,
			       .leg = 7,
			       .speaker = SPEAKER_USER,
			       .final = true,
			       .at_us = 1790000000000001,
			       .ms = 1,
			       .value = -205,
			       .peak = -31,
			       .noise = -600,
			       .speech_ms = 2,
			       .clipped = 3,
			       .gaps = 4,
			       .late = 5,
			       .duplicates = 6,
			       .reordered = 7,
			       .damaged = 8,
			       .rank = 2,
			       .name = SPAN("deepgram"),
			       .text = SPAN("say \"hi\"\n\xC3\xA9"),
			       .id = SPAN("r1"),
			       .party = SPAN("+15550001"),
			       .who = SPAN("Ann") };
}

static void same(const struct heard *a, const struct heard *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->leg, b->leg);
	assert_int_equal(a->speaker, b->speaker);
	assert_int_equal(a->final, b->final);
#define X(member) assert_true(a->member == b->member);
	X(at_us)
	X(ms)
	X(value)
	X(peak)
	X(noise)
	X(speech_ms)
	X(clipped)
	X(gaps)
	X(late)
	X(duplicates)
	X(reordered)
	X(damaged)
	X(rank)
#undef X
#define X(member) assert_true(span_eq(a->member, b->member));
	X(name) X(text) X(id) X(party) X(who)
#undef X
}

static void every_kind_comes_back(void **state)
{
	struct arena a = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct heard facts[HEARD_COUNT], *got;
	struct span stream;
	size_t n;
	(void)state;
	for (unsigned i = 0; i < HEARD_COUNT; i++) {
		facts[i] = sample();
		facts[i].kind = (enum heard_kind)i;
	}
	facts[0] = (struct heard){ .kind = HEARD_ATTACHED, .at_us = 1 };
	heard_write(SPAN("MZ \"1\""), facts, HEARD_COUNT, &b);
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
	assert_int_equal(heard_read(json_of(buf_span(&b)), &a, &stream, &got, &n, NULL), 0);
	assert_true(span_is(stream, "MZ \"1\""));
	assert_int_equal(n, HEARD_COUNT);
	for (unsigned i = 0; i < HEARD_COUNT; i++)
		same(&facts[i], &got[i]);
	arena_fini(&a);
}

static void what_means_nothing_is_not_written(void **state)
{
	struct buf b AUTO_BUF = { 0 };
	struct heard h = { .kind = HEARD_SPEECH_STARTED, .speaker = SPEAKER_AI, .at_us = 12 };
	(void)state;
	heard_write(SPAN("s"), &h, 1, &b);
	assert_string_equal(buf_z(&b), "{\"stream\":\"s\",\"facts\":[{\"heard\":\"speech_started\","
				       "\"leg\":0,\"speaker\":\"ai\",\"at_us\":12}]}");
	buf_clear(&b);
	heard_write((struct span){ 0 }, NULL, 0, &b);
	assert_string_equal(buf_z(&b), "{\"stream\":\"\",\"facts\":[]}");
}

static void refused(void **state)
{
	static const struct {
		const char *body, *says;
	} bad[] = {
		{ "[]", "object" },
		{ "{}", "facts: must be an array" },
		{ "{\"facts\":{}}", "facts: must be an array" },
		{ "{\"facts\":[3]}", "facts[0]" },
		{ "{\"facts\":[{\"leg\":0,\"at_us\":1}]}", "facts[0]: heard" },
		{ "{\"facts\":[{\"heard\":\"level\",\"at_us\":1}]}", "leg" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":0}]}", "at_us" },
		{ "{\"facts\":[{\"heard\":\"noise\",\"leg\":0,\"at_us\":1}]}",
		  "heard: unknown \"noise\"" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":8,\"at_us\":1}]}", "leg: must be" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":-1,\"at_us\":1}]}", "leg: must be" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":0,\"at_us\":1,\"speaker\":\"dog\"}]}",
		  "speaker: unknown" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":0,\"at_us\":1,\"ms\":\"x\"}]}", "ms" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":0,\"at_us\":1,\"ms\":9007199254740993}]"
		  "}",
		  "ms: is beyond" },
		{ "{\"facts\":[{\"heard\":\"level\",\"leg\":0,\"at_us\":1},"
		  "{\"heard\":\"level\",\"leg\":0,\"at_us\":-9007199254740993}]}",
		  "facts[1]: at_us" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct arena a = { 0 };
		struct fault f = { 0 };
		struct heard *got;
		struct span stream;
		size_t n;
		assert_int_equal(
			heard_read(json_of(span_of(bad[i].body)), &a, &stream, &got, &n, &f),
			E_INVALID);
		if (!strstr(f.text, bad[i].says))
			fail_msg("%s: %s", bad[i].body, f.text);
		arena_fini(&a);
	}
}

static void facts_are_bounded(void **state)
{
	struct heard facts[HEARD_FACTS_MAX + 1], *got;
	struct span stream;
	size_t n;
	(void)state;
	for (size_t i = 0; i <= HEARD_FACTS_MAX; i++)
		facts[i] = (struct heard){ .kind = HEARD_UNBOUND, .at_us = 1 };
	for (size_t more = 0; more < 2; more++) {
		struct arena a = { 0 };
		struct buf b AUTO_BUF = { 0 };
		heard_write(SPAN("s"), facts, HEARD_FACTS_MAX + more, &b);
		assert_int_equal(heard_read(json_of(buf_span(&b)), &a, &stream, &got, &n, NULL),
				 more ? E_INVALID : 0);
		arena_fini(&a);
	}
}

static void names(void **state)
{
	enum heard_kind kind;
	(void)state;
	for (unsigned i = 0; i < HEARD_COUNT; i++) {
		assert_true(heard_from(span_of(heard_name((enum heard_kind)i)), &kind));
		assert_int_equal(kind, i);
	}
	assert_null(heard_name(HEARD_COUNT));
	assert_false(heard_from(SPAN(""), &kind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back),
		cmocka_unit_test(what_means_nothing_is_not_written),
		cmocka_unit_test(refused),
		cmocka_unit_test(facts_are_bounded),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
