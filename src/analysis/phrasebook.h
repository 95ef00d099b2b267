/* Many phrases searched in one walk over a text: every word looks up those that begin with it.
 * Normalised words (call/words.h). Lives in an arena; immutable once filled. Pure. */
#ifndef CALLMEND_ANALYSIS_PHRASEBOOK_H
#define CALLMEND_ANALYSIS_PHRASEBOOK_H

#include "base/arena.h"
#include "call/words.h"

enum {
	PHRASE_NEGATES = UINT16_MAX, /* `what` of phrases that negate what follows them */
	NEGATION_WORDS = 3,	     /* so many words ahead, within the clause */
};

struct phrasebook;
struct phrasebook *phrasebook_new(struct arena *a);
/* `words`: normalised, one space between them, none at the ends; must stay as long as the book.
 * Empty ones are never found. */
void phrasebook_add(struct phrasebook *, struct span words, uint16_t what, uint8_t weight);
/* Of any text: normalises it into the book's arena first. False: it has no words, or too many. */
bool phrasebook_add_text(struct phrasebook *, struct span utf8, uint16_t what, uint8_t weight);

struct sign_hit {
	uint16_t what;
	uint8_t weight;
	bool negated;
	uint16_t at, n; /* in the normalised text */
};
/* All that is found, in order of place; in `a`. */
const struct sign_hit *phrasebook_find(const struct phrasebook *, const struct plain *,
				       struct arena *a, size_t *n);

#endif
