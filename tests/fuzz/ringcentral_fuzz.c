/* Any body on its way through the RingCentral dialect and into a call: whatever classify takes is
 * strict JSON, masked and reduced to itself the second time, and is read without a crash; the call
 * it is told to gives the same events and the same snapshot at a replay. The other readers of
 * foreign bytes (answers) get the same bytes. */
#include <stdlib.h>

#include "base/clock.h"
#include "call/session.h"
#include "dialect/ringcentral.h"
#include "tests/fuzz/fuzz.h"

#define BEGIN_US INT64_C(1767323045000000)

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void on_publish(void *self, const struct event *e)
{
	event_write(e, self);
	must(json_check(e->data, NULL) == 0);
}

static void apply(struct session *s, uint64_t number, enum record_kind kind, struct span body,
		  struct buf *events)
{
	struct call_host host = host_for_events(events, on_publish);
	struct record r = { number, BEGIN_US + (int64_t)number * SECOND_US, { { 1 } }, kind, body };
	must(session_apply(s, &r, &host, NULL) == 0);
}

/* Twice, then a long silence. */
static void tell(struct span body, struct buf *out)
{
	struct uuid id = { { 1 } };
	struct session *s = session_new(&id);
	apply(s, 1, RECORD_BIND, SPAN("{\"dialect\":\"ringcentral\"}"), out);
	apply(s, 2, RECORD_WEBHOOK, body, out);
	apply(s, 3, RECORD_WEBHOOK, body, out);
	session_snapshot(s, out);
	apply(s, 5000, RECORD_TICK, (struct span){ 0 }, out);
	must(session_ended(s));
	session_free(s);
}

static void deliver(struct span body, const struct envelope *e)
{
	struct buf masked AUTO_BUF = { 0 }, again AUTO_BUF = { 0 }, reduced AUTO_BUF = { 0 };
	struct buf a AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	struct repeats nothing = { 0 };
	struct repeats_news news = { 0 };
	must(json_check(body, NULL) == 0);
	ringcentral_dialect.mask(body, e, &masked);
	must(json_check(buf_span(&masked), NULL) == 0);
	ringcentral_dialect.mask(buf_span(&masked), e, &again);
	must(span_eq(buf_span(&masked), buf_span(&again)));
	ringcentral_dialect.reduce(body, e, &nothing, &reduced, &news);
	must(span_eq(buf_span(&reduced), body));
	tell(buf_span(&masked), &a);
	tell(buf_span(&masked), &b);
	must(span_eq(buf_span(&a), buf_span(&b)));
	repeats_news_fini(&news);
}

static void try_other_readers(struct span body)
{
	struct arena arena = { 0 };
	struct inputs inputs = { 0 };
	struct command send = { .verb = COMMAND_SEND_TEXT };
	(void)!ringcentral_dialect.read_call(body, &arena, &inputs, NULL);
	(void)ringcentral_dialect.explain(body, &arena);
	if (json_check(body, NULL) == 0)
		(void)!ringcentral_dialect.read_answer(&send, body, &arena, &inputs, NULL);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span body = { memcpy(copy, n ? (const void *)data : "", n), n };
	struct arena arena = { 0 };
	struct fault exact = { 0 }, told = { 0 };
	struct envelope e;
	bool valid = json_check(body, &exact) == 0;
	if (ringcentral_dialect.classify(body, &arena, &e, &told) == 0)
		deliver(body, &e);
	else if (!valid)
		must(strcmp(exact.text, told.text) == 0);
	try_other_readers(body);
	arena_fini(&arena);
	free(copy);
	return 0;
}
