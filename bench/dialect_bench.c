/* What a conversation-update of about 38 KB costs on its way to inputs, beside what jansson takes
 * only to load it: one that repeats what its call has sent but for the newest entry, as nearly all
 * do, and one that is the first of its call.
 *
 * Prints microseconds per body and the ratio. Then nanoseconds per media frame of Twilio's form, 20
 * ms of mu-law: read to an event, its base64 decoded, and jansson loading it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "dialect/media_dialects.h"
#include "dialect/vapi.h"
#include "tests/fuzz/jansson.h"
#include "tests/golden/vapi_talk.h"

enum { GROUPS = 20, ROUNDS = 200, BODY_BYTES = 38000, FRAMES = 100, FRAME_BYTES = 160 };

struct work {
	struct span body;
	struct envelope e;
	struct buf masked, reduced;
	struct arena arena;
	struct repeats known;
	struct repeats_news news;
};

static void must(int rc)
{
	if (rc != 0)
		abort();
}

/* The machine is shared: the best group counts. */
static double repeat(void (*step)(struct work *), struct work *w)
{
	int64_t best = INT64_MAX;
	for (int group = 0; group < GROUPS; group++) {
		int64_t start = clock_monotonic_us();
		for (int i = 0; i < ROUNDS; i++)
			step(w);
		int64_t took = clock_monotonic_us() - start;
		best = took < best ? took : best;
	}
	return (double)best / ROUNDS;
}

static void do_classify(struct work *w)
{
	arena_reset(&w->arena);
	must(vapi_dialect.classify(w->body, &w->arena, &w->e, NULL));
}

static void do_reduce(struct work *w)
{
	buf_clear(&w->reduced);
	w->news.n = 0;
	vapi_dialect.reduce(w->body, &w->e, &w->known, &w->reduced, &w->news);
}

static void do_check(struct work *w)
{
	must(json_check(buf_span(&w->reduced), NULL));
}

static void do_mask(struct work *w)
{
	buf_clear(&w->masked);
	vapi_dialect.mask(buf_span(&w->reduced), &w->e, &w->masked);
}

static void do_read(struct work *w)
{
	struct inputs inputs = { 0 };
	arena_reset(&w->arena);
	must(vapi_dialect.read(buf_span(&w->masked), &w->arena, &inputs, NULL));
}

static void do_jansson(struct work *w)
{
	json_t *root = json_loadb(w->body.p, w->body.n, 0, NULL);
	if (!root)
		abort();
	json_decref(root);
}

static size_t entries_for(const struct talk *t, struct buf *body)
{
	size_t entries = 1;
	for (; body->n < BODY_BYTES; entries++) {
		buf_clear(body);
		talk_body(t, TALK_UPDATE, entries, body);
	}
	return entries - 1;
}

static void learn_until(struct work *w, const struct talk *t, size_t entries)
{
	struct buf earlier AUTO_BUF = { 0 };
	for (size_t i = 1; i < entries; i++) {
		buf_clear(&earlier);
		talk_body(t, TALK_UPDATE, i, &earlier);
		w->body = buf_span(&earlier);
		do_classify(w);
		do_reduce(w);
		repeats_learn(&w->known, &w->news);
	}
}

static void measure(struct work *w, const char *what)
{
	double classify = repeat(do_classify, w), reduce = repeat(do_reduce, w);
	double check = repeat(do_check, w), mask = repeat(do_mask, w), read = repeat(do_read, w);
	double jansson = repeat(do_jansson, w), sum = classify + reduce + check + mask + read;
	printf("%s body of %zu bytes, %zu reduced\n", what, w->body.n, w->reduced.n);
	printf("  classify %.2f us, reduce %.2f, check %.2f, mask %.2f, read %.2f: %.2f us; "
	       "jansson "
	       "loads it in %.1f us: ratio %.3f\n",
	       classify, reduce, check, mask, read, sum, jansson, sum / jansson);
}

/* --- media frames --- */

struct frames {
	struct span text;
	_Alignas(16) char state[MEDIA_STATE_BYTES];
	struct media_event event;
	struct arena arena;
	uint8_t audio[FRAME_BYTES];
};
static struct frames frames;

static void do_frames(struct work *w)
{
	(void)w;
	for (int i = 0; i < FRAMES; i++)
		must(twilio_media.text(frames.state, frames.text, &frames.arena, &frames.event,
				       NULL));
}

static void do_base64(struct work *w)
{
	(void)w;
	size_t n;
	for (int i = 0; i < FRAMES; i++)
		must(base64_decode(frames.event.payload, frames.audio, &n));
}

static void do_load_frames(struct work *w)
{
	for (int i = 0; i < FRAMES; i++)
		do_jansson(w);
}

static void start_stream(void)
{
	struct media_about about = { 0 };
	struct span start =
		SPAN("{\"event\":\"start\",\"streamSid\":\"MZ18ad3ab5a668481ce02b83e7395"
		     "059f0\",\"start\":{\"callSid\":\"CA1\",\"tracks\":[\"inbound\"],"
		     "\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\"}}}");
	twilio_media.open(frames.state, &about);
	must(twilio_media.text(frames.state, start, &frames.arena, &frames.event, NULL));
}

static void measure_frames(struct work *w)
{
	struct buf text AUTO_BUF = { 0 };
	crypto_random(frames.audio, sizeof(frames.audio));
	buf_addz(&text, "{\"event\":\"media\",\"sequenceNumber\":\"4211\",\"media\":{\"track\":"
			"\"inbound\",\"chunk\":\"4210\",\"timestamp\":\"84200\",\"payload\":\"");
	crypto_base64((struct span){ (char *)frames.audio, sizeof(frames.audio) }, &text);
	buf_addz(&text, "\"},\"streamSid\":\"MZ18ad3ab5a668481ce02b83e7395059f0\"}");
	start_stream();
	frames.text = w->body = buf_span(&text);
	const double ns = 1000.0 / FRAMES;
	double read = repeat(do_frames, w) * ns, decode = repeat(do_base64, w) * ns;
	double jansson = repeat(do_load_frames, w) * ns;
	printf("media frame of %zu bytes\n  read %.0f ns, base64 %.0f ns; jansson loads it in "
	       "%.0f ns: ratio %.3f\n",
	       text.n, read, decode, jansson, read / jansson);
	arena_fini(&frames.arena);
}

int main(void)
{
	struct talk t = { 1, TALK_ARTIFACT | TALK_OPENAI | TALK_CALL_ASSISTANT, 5000 };
	struct buf body AUTO_BUF = { 0 };
	struct work w = { 0 };
	size_t entries = entries_for(&t, &body);
	repeats_init(&w.known, 1);
	w.body = buf_span(&body);
	measure(&w, "first");
	learn_until(&w, &t, entries);
	w.body = buf_span(&body);
	measure(&w, "repeated");
	measure_frames(&w);
	arena_fini(&w.arena);
	buf_free(&w.masked);
	buf_free(&w.reduced);
	repeats_fini(&w.known);
	repeats_news_fini(&w.news);
	return 0;
}
