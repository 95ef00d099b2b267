/* A call that was placed over a socket is told of by two ways: over that socket and by webhook,
 * each with what it subscribes to. The same thing has a time by one and none by the other, so it is
 * known by what it says: what one way has told waits PAIR_US for the other to tell it, and is then
 * no news. So of words that were said twice there are two, whichever way comes first, and whatever
 * one of them loses.
 *
 * Left to others: the end of a call (its reasons are merged), tool calls and results (tools.c), the
 * history (its keys), and messages that nobody understands, which come twice.
 *
 * Bounds: WAYS_LIMIT wait; one more, and the oldest is taken for one that only one way tells. */
#include "call/parts.h"

#include <stdlib.h>

#include "base/crypto.h"

#define PAIR_US (INT64_C(30) * SECOND_US)

static const bool by_both[INPUT_COUNT] = {
	[INPUT_STATUS] = true,	  [INPUT_TRANSCRIPT] = true,	[INPUT_SPEECH] = true,
	[INPUT_HANG] = true,	  [INPUT_SPEAKING_TEXT] = true, [INPUT_INTERRUPTED] = true,
	[INPUT_TRANSFER] = true,  [INPUT_MODEL_OUTPUT] = true,	[INPUT_VOICE_INPUT] = true,
	[INPUT_ASSISTANT] = true, [INPUT_LANGUAGE] = true,
};

/* Neither its time nor the number of its turn, which one way may leave out. */
static uint64_t what_of(const struct input *in)
{
	const uint64_t parts[] = {
		in->type,	in->speaker,	  in->final,	       hash64(in->name),
		hash64(in->id), hash64(in->text), hash64(in->data.raw)
	};
	return hash64((struct span){ (const char *)parts, sizeof(parts) });
}

static void forget(struct ways_state *w, uint32_t from, uint32_t n)
{
	memmove(w->items + from, w->items + from + n, (w->n - from - n) * sizeof(*w->items));
	w->n -= n;
}

static void forget_old(struct ways_state *w, int64_t now_us)
{
	uint32_t old = 0;
	while (old < w->n && w->items[old].at_us < now_us - PAIR_US)
		old++;
	if (old)
		forget(w, 0, old);
}

static void await_other(struct ways_state *w, const struct told_way *told)
{
	if (w->n == WAYS_LIMIT)
		forget(w, 0, 1);
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->items = realloc(w->items, w->cap * sizeof(*w->items));
		CHECK(w->items);
	}
	w->items[w->n++] = *told;
}

/* Only where there is a socket that tells anything, or is about to. */
static bool has_two_ways(const struct session *s)
{
	const char *kind = s->dialect->socket_kind;
	return s->ways.socket || (kind && span_is(facts_get(s, FACT_kind), kind));
}

bool ways_told(struct session *s, const struct input *in)
{
	struct ways_state *w = &s->ways;
	w->socket |= in->beside;
	bool ends = in->type == INPUT_STATUS && span_is(in->name, "ended");
	if (!by_both[in->type] || ends || s->now.reconciling || !has_two_ways(s))
		return false;
	const struct told_way told = { what_of(in), s->now.at_us, in->beside };
	forget_old(w, told.at_us);
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->items[i].what != told.what || w->items[i].beside == told.beside)
			continue;
		forget(w, i, 1);
		return true;
	}
	await_other(w, &told);
	return false;
}
