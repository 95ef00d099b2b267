/* The real dialect and the session together: bodies as on the wire, reduced as ingest does it. */
#include <stdlib.h>

#include "call/session.h"
#include "tests/golden/vapi_journaled.h"
#include "tests/golden/vapi_talk.h"
#include "tests/unit/cmocka_all.h"

enum { ENTRIES = 100, HOT_BYTES = 64 * 1024, RECORDS_MAX = 1024 };

struct line {
	struct session *s;
	struct repeats repeats;
	struct record records[RECORDS_MAX];
	struct buf bodies[RECORDS_MAX];
	size_t n, most;
	struct buf events;
};

static void on_publish(void *self, const struct event *e)
{
	struct line *l = self;
	event_write(e, &l->events);
	buf_addc(&l->events, '\n');
}

static void on_answer(void *self, uint64_t number, struct span body)
{
	(void)self;
	assert_true(number > 0);
	assert_int_equal(json_check(body, NULL), 0);
}

static void apply(struct line *l, const struct record *r)
{
	struct call_host host = host_for_events(l, on_publish);
	struct fault f = { 0 };
	host.answer = on_answer;
	if (session_apply(l->s, r, &host, &f))
		fail_msg("%s", f.text);
	size_t now = session_bytes(l->s);
	l->most = now > l->most ? now : l->most;
}

static void add(struct line *l, enum record_kind kind, struct span body, int64_t at_us)
{
	assert_true(l->n < RECORDS_MAX);
	buf_add(&l->bodies[l->n], body);
	struct record *r = &l->records[l->n];
	*r = (struct record){ l->n + 1, at_us, { { 1 } }, kind, buf_span(&l->bodies[l->n]) };
	l->n++;
	apply(l, r);
}

static void post(struct line *l, const struct talk *talk, enum talk_type type, size_t entries)
{
	struct buf body AUTO_BUF = { 0 }, kept AUTO_BUF = { 0 };
	talk_body(talk, type, entries, &body);
	int64_t at_us = vapi_journaled(buf_span(&body), &l->repeats, &kept);
	int64_t last_us = l->records[l->n - 1].at_us;
	add(l, RECORD_WEBHOOK, buf_span(&kept), at_us > last_us ? at_us : last_us);
}

static size_t count(const struct line *l, const char *part)
{
	size_t n = 0, length = strlen(part);
	const char *p = l->events.p, *end = p + l->events.n;
	while ((p = memmem(p, (size_t)(end - p), part, length)) != NULL) {
		n++;
		p += length;
	}
	return n;
}

static void whole_call(struct line *l, unsigned shape)
{
	static const enum talk_type types[] = { TALK_STATUS, TALK_SPEECH, TALK_TRANSCRIPT,
						TALK_TRANSCRIPT, TALK_UPDATE };
	struct talk talk = { .seed = shape + 5, .shape = shape, .prompt_bytes = 4000 };
	struct uuid id = { { 1 } };
	l->s = session_new(&id);
	repeats_init(&l->repeats, shape);
	add(l, RECORD_BIND, SPAN("{\"dialect\":\"vapi\",\"project_name\":\"demo\"}"), 1000000);
	for (size_t n = 1; n <= ENTRIES; n++) {
		for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
			post(l, &talk, types[i], n);
		if (n % 10 == 0)
			post(l, &talk, TALK_TOOLS, n);
	}
	post(l, &talk, TALK_REPORT, ENTRIES);
}

static void replay_is_the_same(const struct line *l)
{
	struct line *again = calloc(1, sizeof(*again));
	struct buf a AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	again->s = session_new(&l->records[0].call);
	for (size_t i = 0; i < l->n; i++)
		apply(again, &l->records[i]);
	session_snapshot(l->s, &a);
	session_snapshot(again->s, &b);
	assert_true(span_eq(buf_span(&a), buf_span(&b)));
	assert_true(span_eq(buf_span(&l->events), buf_span(&again->events)));
	session_free(again->s);
	buf_free(&again->events);
	free(again);
}

static void check_shape(unsigned shape)
{
	struct line *l = calloc(1, sizeof(*l));
	whole_call(l, shape);
	assert_int_equal(count(l, "\"type\":\"call.started\""), 1);
	assert_int_equal(count(l, "\"type\":\"call.report\""), 1);
	assert_int_equal(count(l, "\"type\":\"call.ended\""), 1);
	assert_int_equal(count(l, "\"type\":\"provider.message\""), 0);
	/* However often the provider repeats it, each entry is told once. */
	size_t messages = count(l, "\"type\":\"message\"");
	assert_in_range(messages, ENTRIES, ENTRIES + ENTRIES / 2);
	assert_true(count(l, "\"type\":\"turn\"") > ENTRIES / 4);
	print_message("shape %u: %zu records, %zu messages, %zu turns, %zu bytes at most\n", shape,
		      l->n, messages, count(l, "\"type\":\"turn\""), l->most);
	assert_true(session_ended(l->s));
	assert_true(l->most <= HOT_BYTES);
	replay_is_the_same(l);
	for (size_t i = 0; i < l->n; i++)
		buf_free(&l->bodies[i]);
	session_free(l->s);
	repeats_fini(&l->repeats);
	buf_free(&l->events);
	free(l);
}

static void calls_of_every_shape(void **state)
{
	(void)state;
	check_shape(TALK_ARTIFACT);
	check_shape(TALK_ARTIFACT | TALK_TOP | TALK_OPENAI);
	check_shape(TALK_ARTIFACT | TALK_LATE_ENDS);
	check_shape(TALK_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(calls_of_every_shape) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
