/* What ingest's memory of repeated parts means to a call: nothing. A call whose node was restarted
 * in between (the memory is empty then, and parts are journaled once more) has the same events,
 * byte for byte, as one that ran through, and as one whose bodies were never reduced. */
#include "call/session.h"
#include "tests/golden/vapi_journaled.h"
#include "tests/golden/vapi_talk.h"
#include "tests/unit/cmocka_all.h"

enum { ENTRIES = 40 };

struct run {
	struct session *session;
	struct record r;
	struct repeats known;
	struct buf events;
	uint64_t bytes;
};

static void on_publish(void *self, const struct event *e)
{
	struct run *run = self;
	event_write(e, &run->events);
	buf_addc(&run->events, '\n');
}

static void apply(struct run *run, enum record_kind kind, struct span body)
{
	const struct call_host host = host_for_events(run, on_publish);
	struct fault f = { 0 };
	run->r.number++;
	run->r.at_us += 100000;
	run->r.kind = kind;
	run->r.body = body;
	run->bytes += body.n;
	if (session_apply(run->session, &run->r, &host, &f) != 0)
		fail_msg("%s", f.text);
}

static void begin(struct run *run)
{
	*run = (struct run){ .r = { .at_us = INT64_C(1760000000000000), .call = { { 1 } } } };
	run->session = session_new(&run->r.call);
	repeats_init(&run->known, 3);
	apply(run, RECORD_BIND, SPAN("{\"dialect\":\"vapi\"}"));
}

static void end(struct run *run)
{
	session_free(run->session);
	repeats_fini(&run->known);
	buf_free(&run->events);
}

enum how { WHOLE, REDUCED };

static void deliver(struct run *run, struct span body, enum how how)
{
	struct buf kept AUTO_BUF = { 0 };
	vapi_journaled(body, how == REDUCED ? &run->known : NULL, &kept);
	apply(run, RECORD_WEBHOOK, buf_span(&kept));
}

static void same_events(const struct run *a, const struct run *b)
{
	size_t n = a->events.n < b->events.n ? a->events.n : b->events.n, at = 0;
	while (at < n && a->events.p[at] == b->events.p[at])
		at++;
	if (at == n && a->events.n == b->events.n)
		return;
	at = at > 300 ? at - 300 : 0;
	fail_msg("from byte %zu on:\n%.800s\n--- and\n%.800s", at, a->events.p + at,
		 b->events.p + at);
}

static void check_shape(unsigned shape)
{
	static const enum talk_type types[] = { TALK_SPEECH, TALK_TRANSCRIPT, TALK_TOOLS,
						TALK_UPDATE };
	struct talk t = { 60 + shape, shape, 400 };
	struct run whole, steady, restarted;
	struct buf body AUTO_BUF = { 0 };
	size_t messages = 0;
	begin(&whole);
	begin(&steady);
	begin(&restarted);
	for (size_t n = 1; n <= ENTRIES; n++)
		for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
			buf_clear(&body);
			talk_body(&t, types[i], n, &body);
			deliver(&whole, buf_span(&body), WHOLE);
			deliver(&steady, buf_span(&body), REDUCED);
			deliver(&restarted, buf_span(&body), REDUCED);
			if (++messages % 37 == 0)
				repeats_forget(&restarted.known);
		}
	same_events(&whole, &steady);
	same_events(&whole, &restarted);
	assert_true(steady.events.n > 1000);
	assert_true(steady.bytes < restarted.bytes && restarted.bytes < whole.bytes);
	end(&whole);
	end(&steady);
	end(&restarted);
}

static void test_a_restart_doubles_no_event(void **state)
{
	static const unsigned shapes[] = { TALK_ARTIFACT | TALK_OPENAI | TALK_CALL_ASSISTANT,
					   TALK_OPENAI, TALK_ARTIFACT | TALK_TOP | TALK_LATE_ENDS,
					   TALK_ALL };
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		check_shape(shapes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_restart_doubles_no_event),
	};
	return cmocka_run_group_tests_name("call_repeats", tests, NULL, NULL);
}
