/* What applying a record costs: whole calls of 100 entries, their bodies reduced as ingest does it,
 * applied by fresh sessions.
 *
 * Prints CPU microseconds and events per record, and the memory that a session holds at its end;
 * then what a turn costs the field engine (callmend/fields.h), with six fields. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/measure.h"
#include "call/session.h"
#include "callmend/fields.h"
#include "tests/golden/vapi_journaled.h"
#include "tests/golden/vapi_talk.h"

enum { ENTRIES = 100, CALLS = 40 };

struct tally {
	uint64_t records, events, bytes;
	int64_t took_ns, worst_ns;
	size_t held;
};

static void on_publish(void *self, const struct event *e)
{
	struct tally *t = self;
	t->events++;
	t->bytes += e->data.n + e->text.n;
}

static void apply(struct session *s, struct record *r, enum record_kind kind, struct span body,
		  struct tally *t)
{
	struct call_host host = host_for_events(t, on_publish);
	struct fault f = { 0 };
	r->number++;
	r->at_us += 400000;
	r->kind = kind;
	r->body = body;
	int64_t start = cpu_ns();
	must(session_apply(s, r, &host, &f), &f);
	int64_t took = cpu_ns() - start;
	t->took_ns += took;
	t->worst_ns = took > t->worst_ns ? took : t->worst_ns;
	t->records++;
}

static void one_call(uint64_t seed, struct tally *t)
{
	static const enum talk_type types[] = { TALK_SPEECH, TALK_TRANSCRIPT, TALK_TRANSCRIPT,
						TALK_SPEECH, TALK_UPDATE };
	struct talk talk = { .seed = seed,
			     .shape = TALK_ARTIFACT | TALK_OPENAI,
			     .prompt_bytes = 8000 };
	struct record r = { .at_us = INT64_C(1760000000000000), .call = { { (uint8_t)seed } } };
	struct session *s = session_new(&r.call);
	struct repeats known;
	repeats_init(&known, seed);
	struct buf body AUTO_BUF = { 0 }, kept AUTO_BUF = { 0 };
	apply(s, &r, RECORD_BIND, SPAN("{\"dialect\":\"vapi\"}"), t);
	for (size_t n = 1; n <= ENTRIES; n++)
		for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
			buf_clear(&body);
			talk_body(&talk, types[i], n, &body);
			buf_clear(&kept);
			vapi_journaled(buf_span(&body), &known, &kept);
			apply(s, &r, RECORD_WEBHOOK, buf_span(&kept), t);
		}
	t->held = session_bytes(s) > t->held ? session_bytes(s) : t->held;
	session_free(s);
	repeats_fini(&known);
}

/* --- fields --- */

static const char definitions[] =
	"[{\"name\":\"guests\",\"label\":\"number of people\",\"type\":\"number\",\"ask\":[\"how "
	"many "
	"people\"]},{\"name\":\"caller\",\"label\":\"name\",\"type\":\"name\"},"
	"{\"name\":\"phone\",\"label\":\"phone number\",\"type\":\"phone\"},"
	"{\"name\":\"email\",\"label\":\"e-mail address\",\"type\":\"email\"},"
	"{\"name\":\"day\",\"label\":\"day\",\"type\":\"date\",\"ask\":[\"what day\"]},"
	"{\"name\":\"reason\",\"label\":\"reason\",\"ask\":[\"how can i help\"]}]";

static const char *const script[] = {
	"Welcome to the Lake View restaurant, this is Emma. How can I help you today?",
	"Hi, I would like to book a table for my wife's birthday, if that is possible next week.",
	"With pleasure. What day would you like to come, and how many people will it be?",
	"That would be next Friday, the fourteenth, and there will be seven of us, I think.",
	"Lovely. We have a table inside, and one on the terrace by the lake. Which one shall I "
	"take?",
	"The one on the terrace sounds great, thank you, as long as the weather stays like this.",
	"May I have your name and a phone number, in case something changes?",
	"It's Anna Smith, and the number is five five five, oh one two, three four five six.",
	"And an e-mail address for the confirmation?",
	"anna dot smith at gmail dot com. And do you have anything without gluten?",
};

static void one_talk(const struct fields *f, uint32_t turns)
{
	struct captures *c = captures_new(f);
	for (uint32_t i = 0; i < turns; i++)
		captures_turn(c, &(struct field_turn){ .speaker = i % 2 ? SPEAKER_USER : SPEAKER_AI,
						       .number = i,
						       .text = span_of(script[i % 10]),
						       .seq = i,
						       .offset_ms = i });
	captures_free(c);
}

static void fields_cost(void)
{
	struct fields *f = NULL;
	struct fault fault = { 0 };
	must(fields_new(&f, json_of(SPAN(definitions)), SPAN("auto"), &fault), &fault);
	int64_t start = cpu_ns();
	for (unsigned i = 0; i < CALLS * 5; i++)
		one_talk(f, ENTRIES);
	printf("fields: %.2f us of CPU per turn, %zu bytes of definitions\n",
	       (double)(cpu_ns() - start) / 1e3 / (CALLS * 5 * ENTRIES), fields_bytes(f));
	fields_free(f);
}

int main(void)
{
	struct tally t = { 0 };
	for (uint64_t i = 1; i <= CALLS; i++)
		one_call(i, &t);
	printf("records %llu, %.2f us of CPU each (worst %.0f), %.2f events and %.0f event bytes "
	       "per record, "
	       "%zu bytes held by a call\n",
	       (unsigned long long)t.records, (double)t.took_ns / 1e3 / (double)t.records,
	       (double)t.worst_ns / 1e3, (double)t.events / (double)t.records,
	       (double)t.bytes / (double)t.records, t.held);
	fields_cost();
	return 0;
}
