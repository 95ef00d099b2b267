#include "call/kept.h"

#include <stdlib.h>

struct span kept_clip(struct span text, size_t limit)
{
	if (text.n <= limit)
		return text;
	while (limit > 0 && ((unsigned char)text.p[limit] & 0xC0) == 0x80)
		limit--;
	return (struct span){ text.p, limit };
}

void kept_set(struct kept *k, struct span text)
{
	char *p = NULL;
	if (text.n) {
		p = malloc(text.n);
		CHECK(p);
		memcpy(p, text.p, text.n);
	}
	free(k->p);
	*k = (struct kept){ p, text.n };
}

void kept_set_clipped(struct kept *k, struct span text, size_t limit)
{
	kept_set(k, kept_clip(text, limit));
}

void kept_join(struct kept *k, struct span text)
{
	size_t gap = k->n && text.n;
	if (!text.n)
		return;
	char *p = realloc(k->p, k->n + gap + text.n);
	CHECK(p);
	if (gap)
		p[k->n] = ' ';
	memcpy(p + k->n + gap, text.p, text.n);
	*k = (struct kept){ p, k->n + gap + text.n };
}

void kept_free(struct kept *k)
{
	free(k->p);
	*k = (struct kept){ 0 };
}
