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
	struct seen duplicates, parts;
	struct buf lines; /* of all inputs that were new */
	struct buf facts; /* last value of each fact, as text */
	struct call_facts known;
	struct arena arena;
	uint64_t bytes;
};

static void reader_init(struct reader *r, uint32_t parts_limit)
{
	*r = (struct reader){ .duplicates.limit = MANY, .parts.limit = parts_limit };
}

static void reader_fini(struct reader *r)
{
	seen_fini(&r->duplicates);
	seen_fini(&r->parts);
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

static void read_reduced(struct reader *r, struct span masked, const struct envelope *e)
{
	struct buf once AUTO_BUF = { 0 }, twice AUTO_BUF = { 0 };
	struct inputs inputs = { 0 };
	vapi_dialect.reduce(masked, e, &r->parts, &once);
	vapi_dialect.reduce(buf_span(&once), e, &r->parts, &twice);
	assert_int_equal(once.n, twice.n);
	assert_memory_equal(once.p, twice.p, once.n);
	assert_int_equal(json_check(buf_span(&once), NULL), 0);
	struct span kept = arena_copy(&r->arena, buf_span(&once));
	assert_int_equal(vapi_dialect.read(kept, &r->arena, &inputs, NULL), 0);
	take_inputs(r, &inputs);
	vapi_dialect.remember(kept, &r->parts);
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
	read_reduced(reduced, buf_span(&masked), &e);
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

static void check_call(const struct talk *t, size_t entries, uint32_t limit)
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
		check_call(&(struct talk){ shape, shape, 200 }, 30, MANY);
}

static void test_nothing_is_missed_in_long_calls(void **state)
{
	(void)state;
	check_call(&(struct talk){ 501, TALK_ARTIFACT | TALK_OPENAI | TALK_LATE_ENDS, 300 }, 100,
		   MANY);
	check_call(&(struct talk){ 502, TALK_OPENAI, 300 }, 100, MANY);
	check_call(&(struct talk){ 503, TALK_ALL, 300 }, 100, MANY);
}

/* A set that forgets costs bytes, never inputs. */
static void test_nothing_is_missed_when_the_set_is_small(void **state)
{
	(void)state;
	for (unsigned shape = 1; shape <= TALK_ALL; shape += 3)
		check_call(&(struct talk){ 900 + shape, shape, 200 }, 25, 10);
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
static void reduce_with(struct seen *seen, const char *body, struct buf *out)
{
	struct envelope e;
	struct arena arena = { 0 };
	assert_int_equal(vapi_dialect.classify(span_of(body), &arena, &e, NULL), 0);
	buf_clear(out);
	vapi_dialect.reduce(span_of(body), &e, seen, out);
	vapi_dialect.remember(buf_span(out), seen);
	arena_fini(&arena);
}

#define HUNDRED                                                                                    \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxx"

static void test_marker_keeps_who_the_assistant_is(void **state)
{
	struct seen seen = { .limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	const char *body =
		"{\"message\":{\"type\":\"hang\",\"assistant\":{\"name\":\"Ann\",\"x\":\"" HUNDRED
		"\",\"id\":\"7\"}}}";
	(void)state;
	reduce_with(&seen, body, &out);
	assert_string_equal(buf_z(&out), body);
	reduce_with(&seen, body, &out);
	assert_non_null(strstr(buf_z(&out), "\"assistant\":{\"$seen\":{\"bytes\":130,\"xxh3\":\""));
	assert_non_null(strstr(buf_z(&out), "\"},\"id\":\"7\",\"name\":\"Ann\"}}}"));
	seen_fini(&seen);
}

static void test_equal_words_at_two_places_are_two_entries(void **state)
{
	struct seen seen = { .limit = 100 };
	struct buf out AUTO_BUF = { 0 };
#define YES "{\"role\":\"user\",\"content\":\"" HUNDRED "\"}"
	(void)state;
	reduce_with(&seen,
		    "{\"message\":{\"type\":\"conversation-update\",\"conversation\":[" YES "]}}",
		    &out);
	reduce_with(&seen,
		    "{\"message\":{\"type\":\"conversation-update\",\"conversation\":[" YES "," YES
		    "]}}",
		    &out);
	assert_non_null(strstr(buf_z(&out), "\"conversation\":[{\"$seen\":{\"count\":1,"));
	assert_non_null(strstr(buf_z(&out), "}}," YES "]}}"));
	seen_fini(&seen);
}

static void test_whole_types_stay_and_teach_nothing(void **state)
{
	struct seen seen = { .limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	const char *body =
		"{\"message\":{\"type\":\"brand-new\",\"assistant\":{\"name\":\"" HUNDRED "\"}}}";
	(void)state;
	reduce_with(&seen, body, &out);
	reduce_with(&seen, body, &out);
	assert_string_equal(buf_z(&out), body);
	assert_int_equal(seen.n, 0);
	seen_fini(&seen);
}

static void test_growing_transcript_is_left_out_except_in_reports(void **state)
{
	struct seen seen = { .limit = 100 };
	struct buf out AUTO_BUF = { 0 };
	(void)state;
	reduce_with(&seen,
		    "{\"message\":{\"type\":\"hang\",\"artifact\":{\"transcript\":\"" HUNDRED
		    "\"}}}",
		    &out);
	assert_null(strstr(buf_z(&out), HUNDRED));
	reduce_with(&seen,
		    "{\"message\":{\"type\":\"end-of-call-report\",\"artifact\":{\"transcript\":"
		    "\"" HUNDRED "\"}}}",
		    &out);
	assert_non_null(strstr(buf_z(&out), HUNDRED));
	reduce_with(&seen, "{\"message\":{\"type\":\"transcript\",\"transcript\":\"" HUNDRED "\"}}",
		    &out);
	assert_non_null(strstr(buf_z(&out), HUNDRED));
	seen_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_missed),
		cmocka_unit_test(test_nothing_is_missed_in_long_calls),
		cmocka_unit_test(test_nothing_is_missed_when_the_set_is_small),
		cmocka_unit_test(test_journal_bytes_grow_with_turns),
		cmocka_unit_test(test_marker_keeps_who_the_assistant_is),
		cmocka_unit_test(test_equal_words_at_two_places_are_two_entries),
		cmocka_unit_test(test_whole_types_stay_and_teach_nothing),
		cmocka_unit_test(test_growing_transcript_is_left_out_except_in_reports),
	};
	return cmocka_run_group_tests_name("dialect_reduce", tests, NULL, NULL);
}
