/* What a conversation-update of about 30 KB costs on its way to inputs, beside what jansson takes
 * only to load it.
 *
 * Prints microseconds per body and the ratio. The call has seen everything but the newest entry, as
 * in life. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "dialect/vapi.h"
#include "tests/fuzz/jansson.h"
#include "tests/golden/vapi_talk.h"

enum { ROUNDS = 4000, BODY_BYTES = 30000 };

struct step_times {
	int64_t classify_us, mask_us, reduce_us, read_us, jansson_us;
};

struct work {
	struct span body;
	struct envelope e;
	struct buf masked, reduced;
	struct arena arena;
	struct seen seen;
};

static void must(int rc)
{
	if (rc != 0)
		abort();
}

static int64_t repeat(void (*step)(struct work *), struct work *w)
{
	int64_t best = INT64_MAX;
	for (int group = 0; group < 5; group++) {
		int64_t start = clock_monotonic_us();
		for (int i = 0; i < ROUNDS / 5; i++)
			step(w);
		int64_t took = clock_monotonic_us() - start;
		best = took < best ? took : best;
	}
	return best;
}

static void do_classify(struct work *w)
{
	arena_reset(&w->arena);
	must(vapi_dialect.classify(w->body, &w->arena, &w->e, NULL));
}

static void do_check(struct work *w)
{
	must(json_check(w->body, NULL));
}

static void do_mask(struct work *w)
{
	buf_clear(&w->masked);
	vapi_dialect.mask(w->body, &w->e, &w->masked);
}

static void do_reduce(struct work *w)
{
	buf_clear(&w->reduced);
	vapi_dialect.reduce(buf_span(&w->masked), &w->e, &w->seen, &w->reduced);
}

static void do_read(struct work *w)
{
	struct inputs inputs = { 0 };
	arena_reset(&w->arena);
	must(vapi_dialect.read(buf_span(&w->reduced), &w->arena, &inputs, NULL));
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

/* What the call knew before this body. */
static void see(struct work *w, const struct talk *t, size_t entries)
{
	struct buf earlier AUTO_BUF = { 0 };
	for (size_t i = entries > 3 ? entries - 3 : 1; i < entries; i++) {
		buf_clear(&earlier);
		talk_body(t, TALK_UPDATE, i, &earlier);
		w->body = buf_span(&earlier);
		do_classify(w);
		do_mask(w);
		do_reduce(w);
		vapi_dialect.remember(buf_span(&w->reduced), &w->seen);
	}
}

static double each(int64_t total_us)
{
	return (double)total_us / (ROUNDS / 5);
}

int main(void)
{
	struct talk t = { 1, TALK_ARTIFACT | TALK_OPENAI | TALK_CALL_ASSISTANT, 5000 };
	struct buf body AUTO_BUF = { 0 };
	struct work w = { .seen.limit = 4096 };
	size_t entries = entries_for(&t, &body);
	see(&w, &t, entries);
	w.body = buf_span(&body);
	double check = each(repeat(do_check, &w));
	double classify = each(repeat(do_classify, &w)), mask = each(repeat(do_mask, &w));
	double reduce = each(repeat(do_reduce, &w)), read = each(repeat(do_read, &w));
	double jansson = each(repeat(do_jansson, &w)), sum = classify + mask + reduce + read;
	printf("conversation-update of %zu bytes, %zu entries, %zu bytes reduced\n", body.n,
	       entries, w.reduced.n);
	printf("classify %.1f us (of which json_check %.1f), mask %.1f, reduce %.1f, read %.1f: "
	       "%.1f us\n",
	       classify, check, mask, reduce, read, sum);
	printf("jansson load %.1f us: ratio %.3f\n", jansson, sum / jansson);
	arena_fini(&w.arena);
	buf_free(&w.masked);
	buf_free(&w.reduced);
	seen_fini(&w.seen);
	return 0;
}
