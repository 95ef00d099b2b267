/* A piece of text that its holder owns (heap). Zeroed is empty. */
#ifndef CALLMEND_CALL_KEPT_H
#define CALLMEND_CALL_KEPT_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct kept {
	char *p;
	size_t n;
};

void kept_set(struct kept *k, struct span text);
/* At most `limit` bytes, cut between characters. */
void kept_set_clipped(struct kept *k, struct span text, size_t limit);
/* JSON without the white space between its parts: one line. */
void kept_set_json(struct kept *k, struct span checked);
/* Appends, with one space between when there is text already. */
void kept_join(struct kept *k, struct span text);
void kept_free(struct kept *k); /* back to empty */
static inline struct span kept_span(const struct kept *k)
{
	return (struct span){ k->p, k->n };
}
/* The longest part of at most `limit` bytes that ends between UTF-8 characters. */
struct span kept_clip(struct span text, size_t limit);

#endif
