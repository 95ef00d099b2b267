/* What reduce leaves out must not be missed. Two readers get the bodies of made-up calls in the
 * same order, among them repeated, late and shuffled ones: one reads whole bodies, the other
 * reduced ones. After dropping what each has seen (by key), both must have read the same inputs, in
 * the same order, and know the same facts. */
#include <stdlib.h>

#include "dialect/vapi.h"
#include "tests/golden/golden.h"
#include "tests/golden/vapi_talk.h"
#include "tests/unit/cmocka_all.h"

enum { MANY = 1 << 20 };

struct reader {
	struct seen duplicates;
	struct repeats sent;
	struct buf lines; /* of all inputs that were new */
	struct buf facts; /* last value of each fact, as text */
	struct call_facts known;
	struct arena arena;
	uint64_t bytes;
};

static void reader_init(struct reader *r, uint32_t parts_limit)
{
	*r = (struct reader){ .duplicates.limit = MANY };
	repeats_init(&r->sent, 7);
	r->sent.keys.limit = parts_limit;
}

static void reader_fini(struct reader *r)
{
	seen_fini(&r->duplicates);
	repeats_fini(&r->sent);
	buf_free(&r->lines);
	buf_free(&r->facts);
	arena_fini(&r->arena);
}

static void learn(struct span *fact, struct span told)
{
	if (told.n)
		*fact = told;
}

static void learn_facts(struct reader *r, const struct call_facts *f)
{
	learn(&r->known.provider_call_id, f->provider_call_id);
	learn(&r->known.customer_number, f->customer_number);
	learn(&r->known.assistant_id, f->assistant_id);
	learn(&r->known.assistant_name, f->assistant_name);
	learn(&r->known.control_url, f->control_url);
	learn(&r->known.listen_url, f->listen_url);
	if (f->transcript_subscribed_known)
		r->known.transcript_subscribed = f->transcript_subscribed;
	if (f->retries_known)
		r->known.retries_on = f->retries_on;
}

static void take_inputs(struct reader *r, const struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++) {
		struct input *in = &inputs->items[i];
		if (in->type == INPUT_CALL)
			learn_facts(r, in->facts);
		else if (seen_add(&r->duplicates, in->key))
			golden_write_inputs(&(struct inputs){ in, 1, 1 }, &r->lines);
	}
}

static void read_whole(struct reader *r, struct span masked)
{
	struct inputs inputs = { 0 };
	assert_int_equal(vapi_dialect.read(arena_copy(&r->arena, masked), &r->arena, &inputs, NULL),
			 0);
	take_inputs(r, &inputs);
	r->bytes += masked.n;
}

/* As ingest does it: reduced as it came, then checked, masked, read. */
static void read_reduced(struct reader *r, struct span body, const struct envelope *e)
{
	struct buf once AUTO_BUF = { 0 }, twice AUTO_BUF = { 0 }, masked AUTO_BUF = { 0 };
	struct repeats_news news = { 0 }, none = { 0 };
	struct inputs inputs = { 0 };
	vapi_dialect.reduce(body, e, &r->sent, &once, &news);
	vapi_dialect.reduce(buf_span(&once), e, &r->sent, &twice, &none);
	assert_int_equal(once.n, twice.n);
	assert_memory_equal(once.p, twice.p, once.n);
	assert_int_equal(json_check(buf_span(&once), NULL), 0);
	vapi_dialect.mask(buf_span(&once), e, &masked);
	assert_null(memmem(masked.p, masked.n, "hush", 4));
	struct span kept = arena_copy(&r->arena, buf_span(&masked));
	assert_int_equal(vapi_dialect.read(kept, &r->arena, &inputs, NULL), 0);
	take_inputs(r, &inputs);
	repeats_learn(&r->sent, &news);
	assert_int_equal(news.n, 0);
	repeats_news_fini(&news);
	repeats_news_fini(&none);
	r->bytes += kept.n;
}

static void deliver(const struct talk *t, enum talk_type type, size_t entries, struct reader *whole,
		    struct reader *reduced)
{
	struct buf body AUTO_BUF = { 0 }, masked AUTO_BUF = { 0 };
	struct envelope e;
	struct fault f = { 0 };
	talk_body(t, type, entries, &body);
	if (vapi_dialect.classify(buf_span(&body), &whole->arena, &e, &f) != 0)
		fail_msg("%s in %.*s", f.text, (int)body.n, body.p);
	vapi_dialect.mask(buf_span(&body), &e, &masked);
	assert_null(memmem(masked.p, masked.n, "hush", 4));
	read_whole(whole, buf_span(&masked));
	read_reduced(reduced, buf_span(&body), &e);
}

static int excerpt(const struct buf *b, size_t at)
{
	return (int)(b->n - at < 400 ? b->n - at : 400);
}

static void compare(const struct reader *whole, const struct reader *reduced)
{
	size_t n = whole->lines.n < reduced->lines.n ? whole->lines.n : reduced->lines.n, at = 0;
	while (at < n && whole->lines.p[at] == reduced->lines.p[at])
		at++;
	if (at < whole->lines.n || at < reduced->lines.n)
		fail_msg("from byte %zu on:\n--- whole\n%.*s\n--- reduced\n%.*s", at,
			 excerpt(&whole->lines, at), whole->lines.p + at,
			 excerpt(&reduced->lines, at), reduced->lines.p + at);
	assert_true(span_eq(whole->known.provider_call_id, reduced->known.provider_call_id));
	assert_true(span_eq(whole->known.customer_number, reduced->known.customer_number));
	assert_true(span_eq(whole->known.assistant_id, reduced->known.assistant_id));
	assert_true(span_eq(whole->known.assistant_name, reduced->known.assistant_name));
	assert_true(span_eq(whole->known.control_url, reduced->known.control_url));
	assert_true(span_eq(whole->known.listen_url, reduced->known.listen_url));
	assert_int_equal(whole->known.transcript_subscribed, reduced->known.transcript_subscribed);
	assert_int_equal(whole->known.retries_on, reduced->known.retries_on);
}

struct delivery {
	enum talk_type type;
	size_t entries;
};

/* In order, then disturbed: every tenth comes again later, every seventh changes places with an
 * earlier one. */
static size_t plan(struct delivery *out, size_t entries, unsigned *random)
{
	size_t n = 0;
	for (size_t i = 1; i <= entries; i++) {
		out[n++] = (struct delivery){ TALK_UPDATE, i };
		out[n++] = (struct delivery){ (enum talk_type)(rand_r(random) % TALK_REPORT), i };
	}
	for (size_t i = 0; i < n; i++) {
		size_t other = (size_t)rand_r(random) % (i + 1);
		struct delivery d = out[i];
		if (i % 10 == 9)
			out[i] = out[other];
		if (i % 7 == 6) {
			out[i] = out[other];
			out[other] = d;
		}
	}
	out[n++] = (struct delivery){ TALK_REPORT, entries };
	return n;
}

enum restart { STEADY, RESTARTED };

static void check_call(const struct talk *t, size_t entries, uint32_t limit, enum restart restart)
{
	unsigned random = (unsigned)t->seed;
	struct delivery *deliveries = calloc(2 * entries + 1, sizeof(*deliveries));
	struct reader whole, reduced;
	size_t n = plan(deliveries, entries, &random);
	reader_init(&whole, 0);
	reader_init(&reduced, limit);
	for (size_t i = 0; i < n; i++) {
		deliver(t, deliveries[i].type, deliveries[i].entries, &whole, &reduced);
		if (i % 16 == 0)
			compare(&whole, &reduced);
		if (i % 13 == 12 && restart == RESTARTED)
			repeats_forget(&reduced.sent);
	}
	compare(&whole, &reduced);
	reader_fini(&whole);
	reader_fini(&reduced);
	free(deliveries);
}

static void test_nothing_is_missed(void **state)
{
	(void)state;
	for (unsigned shape = 1; shape <= TALK_ALL; shape++)
		check_call(&(struct talk){ shape, shape, 200 }, 30, MANY, STEADY);
}

static void test_nothing_is_missed_in_long_calls(void **state)
{
	(void)state;
	check_call(&(struct talk){ 501, TALK_ARTIFACT | TALK_OPENAI | TALK_LATE_ENDS, 300 }, 100,
		   MANY, STEADY);
	check_call(&(struct talk){ 502, TALK_OPENAI, 300 }, 100, MANY, STEADY);
	check_call(&(struct talk){ 503, TALK_ALL, 300 }, 100, MANY, STEADY);
}

/* A set that forgets costs bytes, never inputs. */
static void test_nothing_is_missed_when_the_set_is_small(void **state)
{
	(void)state;
	for (unsigned shape = 1; shape <= TALK_ALL; shape += 3)
		check_call(&(struct talk){ 900 + shape, shape, 200 }, 25, 10, STEADY);
}

/* After a restart the set is empty: what comes once more must be recognised by its keys. */
static void test_nothing_is_missed_or_doubled_after_restarts(void **state)
{
	(void)state;
	for (unsigned shape = 1; shape <= TALK_ALL; shape += 3)
		check_call(&(struct talk){ 700 + shape, shape, 200 }, 30, MANY, RESTARTED);
}

static uint64_t journal_bytes(unsigned shape, size_t entries)
{
	struct talk t = { 77, shape, 6000 };
	struct reader whole, reduced;
	reader_init(&whole, 0);
	reader_init(&reduced, MANY);
	for (size_t i = 1; i <= entries; i++)
		deliver(&t, TALK_UPDATE, i, &whole, &reduced);
	uint64_t bytes = reduced.bytes;
	assert_true(bytes * 8 < whole.bytes);
	reader_fini(&whole);
	reader_fini(&reduced);
	return bytes;
}

/* O(turns): twice the turns may cost twice the bytes (and a little), not four times. */
static void test_journal_bytes_grow_with_turns(void **state)
{
	const unsigned shapes[] = { TALK_ARTIFACT | TALK_OPENAI | TALK_CALL_ASSISTANT,
				    TALK_TOP | TALK_OPENAI, TALK_OPENAI,
				    TALK_ARTIFACT | TALK_TOP | TALK_LATE_ENDS };
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		uint64_t hundred = journal_bytes(shapes[i], 100);
		uint64_t two_hundred = journal_bytes(shapes[i], 200);
		assert_true(two_hundred * 10 < hundred * 23);
		print_message("shape %u: %llu bytes for 100 updates, %llu for 200\n", shapes[i],
			      (unsigned long long)hundred, (unsigned long long)two_hundred);
	}
}

/* --- exact bytes --- */
static void reduce_with(struct repeats *known, const char *body, struct buf *out)
{
	struct envelope e;
	struct arena arena = { 0 };
	struct repeats_news news = { 0 };
	assert_int_equal(vapi_dialect.classify(span_of(body), &arena, &e, NULL), 0);
	buf_clear(out);
	vapi_dialect.reduce(span_of(body), &e, known, out, &news);
	repeats_learn(known, &news);
	repeats_news_fini(&news);
	arena_fini(&arena);
}

#define HUNDRED                                                                                    \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxx"

static void test_marker_keeps_who_the_assistant_is(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	const char *body =
		"{\"message\":{\"type\":\"hang\",\"assistant\":{\"name\":\"Ann\",\"x\":\"" HUNDRED
		"\",\"id\":\"7\"}}}";
	(void)state;
	reduce_with(&known, body, &out);
	assert_string_equal(buf_z(&out), body);
	reduce_with(&known, body, &out);
	assert_non_null(strstr(buf_z(&out), "\"assistant\":{\"$seen\":{\"bytes\":130,\"xxh3\":\""));
	assert_non_null(strstr(buf_z(&out), "\"},\"id\":\"7\",\"name\":\"Ann\"}}}"));
	repeats_fini(&known);
}

static void test_equal_words_at_two_places_are_two_entries(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
#define YES "{\"role\":\"user\",\"content\":\"" HUNDRED "\"}"
	(void)state;
	reduce_with(&known,
		    "{\"message\":{\"type\":\"conversation-update\",\"conversation\":[" YES "]}}",
		    &out);
	reduce_with(&known,
		    "{\"message\":{\"type\":\"conversation-update\",\"conversation\":[" YES "," YES
		    "]}}",
		    &out);
	assert_non_null(strstr(buf_z(&out), "\"conversation\":[{\"$seen\":{\"count\":1,"));
	assert_non_null(strstr(buf_z(&out), "}}," YES "]}}"));
	repeats_fini(&known);
}

static void test_whole_types_stay_and_teach_nothing(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	const char *body =
		"{\"message\":{\"type\":\"brand-new\",\"assistant\":{\"name\":\"" HUNDRED "\"}}}";
	(void)state;
	reduce_with(&known, body, &out);
	reduce_with(&known, body, &out);
	assert_string_equal(buf_z(&out), body);
	assert_int_equal(known.keys.n, 0);
	repeats_fini(&known);
}

static void test_growing_transcript_is_left_out_except_in_reports(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	(void)state;
	reduce_with(&known,
		    "{\"message\":{\"type\":\"hang\",\"artifact\":{\"transcript\":\"" HUNDRED
		    "\"}}}",
		    &out);
	assert_null(strstr(buf_z(&out), HUNDRED));
	reduce_with(&known,
		    "{\"message\":{\"type\":\"end-of-call-report\",\"artifact\":{\"transcript\":"
		    "\"" HUNDRED "\"}}}",
		    &out);
	assert_non_null(strstr(buf_z(&out), HUNDRED));
	reduce_with(&known,
		    "{\"message\":{\"type\":\"transcript\",\"transcript\":\"" HUNDRED "\"}}", &out);
	assert_non_null(strstr(buf_z(&out), HUNDRED));
	repeats_fini(&known);
}

/* --- bytes that nobody has checked --- */

/* What the call knew before the body of `entries`. */
static void know(struct repeats *known, const struct talk *t, size_t entries)
{
	struct buf body AUTO_BUF = { 0 }, out AUTO_BUF = { 0 };
	for (size_t i = 1; i < entries; i++) {
		buf_clear(&body);
		talk_body(t, TALK_UPDATE, i, &body);
		reduce_with(known, buf_z(&body), &out);
	}
}

/* One mistake, or none: a byte changed, left out or put in, two parts swapped, the end cut off. */
static size_t disturb(char *p, size_t n, unsigned *random)
{
	static const char signs[] = "{}[]\",:\\ \n0tn\xff\x01";
	size_t at = (size_t)rand_r(random) % n;
	char sign = signs[(size_t)rand_r(random) % (sizeof(signs) - 1)];
	switch (rand_r(random) % 6) {
	case 0:
		p[at] = sign;
		return n;
	case 1:
		memmove(p + at, p + at + 1, n - at - 1);
		return n - 1;
	case 2:
		memmove(p + at + 1, p + at, n - at);
		p[at] = sign;
		return n + 1;
	case 3:
		return at;
	case 4:
		p[at] = (char)rand_r(random);
		return n;
	default:
		return n;
	}
}

struct verdicts {
	size_t good, bad;
};

static void check_disturbed(const struct repeats *known, struct span body, struct verdicts *v)
{
	struct arena arena = { 0 };
	struct envelope e;
	struct fault exact = { 0 }, told = { 0 };
	struct buf out AUTO_BUF = { 0 };
	struct repeats_news news = { 0 };
	bool valid = json_check(body, &exact) == 0;
	if (vapi_dialect.classify(body, &arena, &e, &told) != 0) {
		if (!valid)
			assert_string_equal(told.text, exact.text);
	} else {
		vapi_dialect.reduce(body, &e, known, &out, &news);
		if ((json_check(buf_span(&out), NULL) == 0) != valid)
			fail_msg("%s: %.*s\nbecame %.*s", valid ? "valid" : exact.text,
				 SPAN_ARG(body), SPAN_ARG(buf_span(&out)));
	}
	v->good += valid;
	v->bad += !valid;
	repeats_news_fini(&news);
	arena_fini(&arena);
}

/* The reduced body is valid JSON exactly when the whole one is. */
static void test_a_mistake_is_never_left_out(void **state)
{
	unsigned random = 4711;
	struct verdicts v = { 0 };
	(void)state;
	for (unsigned shape = 1; shape <= TALK_ALL; shape += 2) {
		struct talk t = { shape, shape, 150 };
		struct repeats known;
		struct buf body AUTO_BUF = { 0 };
		repeats_init(&known, shape);
		know(&known, &t, 16);
		talk_body(&t, TALK_UPDATE, 16, &body);
		for (int i = 0; i < 300; i++) {
			/* A copy of its exact size, so that a read behind the end is noticed. */
			char *copy = malloc(body.n + 3), *exact;
			size_t n = body.n;
			memcpy(copy, body.p, n);
			for (int k = rand_r(&random) % 3; k >= 0 && n; k--)
				n = disturb(copy, n, &random);
			exact = malloc(n ? n : 1);
			memcpy(exact, copy, n);
			check_disturbed(&known, (struct span){ exact, n }, &v);
			free(exact);
			free(copy);
		}
		repeats_fini(&known);
	}
	assert_true(v.good > 500 && v.bad > 2000);
}

#define OTHER "{\"role\":\"user\",\"content\":\"other " HUNDRED "\"}"

static void test_a_mistake_between_known_elements_stays(void **state)
{
	static const char *const between[] = { ",,", " ", "", ", ,", ":", ",]", "},", ",\x01," };
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 }, body AUTO_BUF = { 0 };
#define TWO "{\"message\":{\"type\":\"conversation-update\",\"conversation\":[" YES "%s" OTHER "]}}"
	(void)state;
	buf_printf(&body, TWO, ",");
	reduce_with(&known, buf_z(&body), &out);
	reduce_with(&known, buf_z(&body), &out);
	assert_non_null(strstr(buf_z(&out), "\"count\":2,"));
	for (size_t i = 0; i < sizeof(between) / sizeof(*between); i++) {
		buf_clear(&body);
		buf_printf(&body, TWO, between[i]);
		reduce_with(&known, buf_z(&body), &out);
		if (json_check(buf_span(&out), NULL) == 0)
			fail_msg("\"%s\" was lost in %s", between[i], buf_z(&out));
	}
	repeats_fini(&known);
}

static void test_a_broken_transcript_stays(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	const char *body = "{\"message\":{\"type\":\"hang\",\"artifact\":{\"transcript\":\"" HUNDRED
			   "\\q\"}}}";
	(void)state;
	reduce_with(&known, body, &out);
	assert_string_equal(buf_z(&out), body);
	repeats_fini(&known);
}

/* A record that the journal did not take has taught nothing. */
static void test_news_is_learned_only_when_told(void **state)
{
	struct repeats known;
	struct repeats_news news = { 0 };
	struct envelope e = { 0 };
	struct buf out AUTO_BUF = { 0 };
	struct span body = SPAN("{\"message\":{\"type\":\"hang\",\"assistant\":{\"x\":\"" HUNDRED
				"\"},\"x\":1}}");
	(void)state;
	repeats_init(&known, 1);
	for (int i = 0; i < 3; i++) {
		buf_clear(&out);
		news.n = 0;
		vapi_dialect.reduce(body, &e, &known, &out, &news);
		assert_true(span_eq(buf_span(&out), body));
	}
	repeats_learn(&known, &news);
	buf_clear(&out);
	vapi_dialect.reduce(body, &e, &known, &out, &news);
	assert_non_null(strstr(buf_z(&out), "$seen"));
	repeats_news_fini(&news);
	repeats_fini(&known);
}

/* Assistants that take turns: not what stood here last, but known. */
static void test_a_part_that_came_back_is_known(void **state)
{
	struct repeats known = { .keys.limit = 100 };
	struct buf out AUTO_BUF = { 0 };
#define WHO(n) \
	"{\"message\":{\"type\":\"hang\",\"assistant\":{\"id\":\"" n "\",\"x\":\"" HUNDRED "\"}}}"
	(void)state;
	for (int i = 0; i < 3; i++) {
		reduce_with(&known, WHO("1"), &out);
		assert_int_equal(strstr(buf_z(&out), "$seen") != NULL, i > 0);
		assert_int_equal(strstr(buf_z(&out), "},\"id\":\"1\"}") != NULL, i > 0);
		reduce_with(&known, WHO("22"), &out);
		assert_int_equal(strstr(buf_z(&out), "},\"id\":\"22\"}") != NULL, i > 0);
	}
	repeats_fini(&known);
}

static void test_refusals_name_the_first_mistake(void **state)
{
	static const struct {
		const char *body, *text;
	} refused[] = {
		{ "", "line 1, byte 0: expected a value, the text ends" },
		{ "{\"message\"", "line 1, byte 10: expected ':', the text ends" },
		{ "[1,]", "line 1, byte 3: expected a value, found ']'" },
		{ "[]", "a Vapi message is a JSON object, found an array" },
		{ "{\"message\":7}", "member \"message\" must be an object, found a number" },
		{ "{\"message\":{\"type\":7}}",
		  "member \"message.type\" must be a text, found a number" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct arena arena = { 0 };
		struct envelope e;
		struct fault f = { 0 };
		assert_int_equal(vapi_dialect.classify(span_of(refused[i].body), &arena, &e, &f),
				 E_INVALID);
		assert_string_equal(f.text, refused[i].text);
		arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_missed),
		cmocka_unit_test(test_nothing_is_missed_in_long_calls),
		cmocka_unit_test(test_nothing_is_missed_when_the_set_is_small),
		cmocka_unit_test(test_nothing_is_missed_or_doubled_after_restarts),
		cmocka_unit_test(test_journal_bytes_grow_with_turns),
		cmocka_unit_test(test_a_mistake_is_never_left_out),
		cmocka_unit_test(test_a_mistake_between_known_elements_stays),
		cmocka_unit_test(test_a_broken_transcript_stays),
		cmocka_unit_test(test_news_is_learned_only_when_told),
		cmocka_unit_test(test_a_part_that_came_back_is_known),
		cmocka_unit_test(test_refusals_name_the_first_mistake),
		cmocka_unit_test(test_marker_keeps_who_the_assistant_is),
		cmocka_unit_test(test_equal_words_at_two_places_are_two_entries),
		cmocka_unit_test(test_whole_types_stay_and_teach_nothing),
		cmocka_unit_test(test_growing_transcript_is_left_out_except_in_reports),
	};
	return cmocka_run_group_tests_name("dialect_reduce", tests, NULL, NULL);
}
