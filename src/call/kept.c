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

/* The end of the string that begins at `from`, behind its closing quote. */
static size_t string_end(struct span json, size_t from)
{
	size_t i = from + 1;
	while (i < json.n && json.p[i] != '"')
		i += json.p[i] == '\\' ? 2 : 1;
	return i < json.n ? i + 1 : json.n;
}

void kept_set_json(struct kept *k, struct span checked)
{
	kept_set(k, checked);
	size_t n = 0;
	for (size_t i = 0; i < checked.n;) {
		size_t end = checked.p[i] == '"' ? string_end(checked, i) : i + 1;
		if (!memchr(" \t\r\n", checked.p[i], 4)) {
			memcpy(k->p + n, checked.p + i, end - i);
			n += end - i;
		}
		i = end;
	}
	k->n = n;
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
