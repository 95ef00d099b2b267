#include "callmend/repeats.h"

#include <stdlib.h>

#include "callmend/fault.h"

void repeats_init(struct repeats *r, uint64_t seed)
{
	*r = (struct repeats){ .seed = seed, .keys.limit = REPEAT_KEYS };
}

void repeats_note(struct repeats_news *news, const struct repeat_note *note)
{
	if (news->n == news->cap) {
		news->cap = news->cap ? news->cap * 2 : 64;
		news->items = realloc(news->items, news->cap * sizeof(*news->items));
		CHECK(news->items);
	}
	news->items[news->n++] = *note;
}

static void learn_last(struct repeats *r, const struct repeat_note *note)
{
	if (!r->last)
		r->last = calloc(REPEAT_PLACES, sizeof(*r->last));
	CHECK(r->last);
	r->last[note->place] = note->part;
}

void repeats_learn(struct repeats *r, struct repeats_news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		const struct repeat_note *note = &news->items[i];
		(void)seen_add(&r->keys, note->key);
		if (note->place < REPEAT_PLACES)
			learn_last(r, note);
	}
	news->n = 0;
}

void repeats_forget(struct repeats *r)
{
	seen_fini(&r->keys);
	free(take(r->last));
}

void repeats_fini(struct repeats *r)
{
	repeats_forget(r);
}

void repeats_news_fini(struct repeats_news *news)
{
	free(news->items);
	*news = (struct repeats_news){ 0 };
}
