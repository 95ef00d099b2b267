/* What a conversation-update of about 38 KB costs on its way to inputs, beside what jansson takes
 * only to load it: one that repeats what its call has sent but for the newest entry, as nearly all
 * do, and one that is the first of its call.
 *
 * Prints microseconds per body and the ratio. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dialect/vapi.h"
#include "tests/fuzz/jansson.h"
#include "tests/golden/vapi_talk.h"

enum { GROUPS = 20, ROUNDS = 200, BODY_BYTES = 38000 };

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
	arena_fini(&w.arena);
	buf_free(&w.masked);
	buf_free(&w.reduced);
	repeats_fini(&w.known);
	repeats_news_fini(&w.news);
	return 0;
}
