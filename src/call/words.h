/* Spoken text as plain words, for comparing and for looking phrases up: lower case, accents folded
 * (é -> e, ñ -> n), apostrophes dropped (don't -> dont), everything else that is no letter or digit
 * becomes one space. Pure, no allocation. */
#ifndef CALLMEND_CALL_WORDS_H
#define CALLMEND_CALL_WORDS_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

enum { WORDS_MAX = 512, PLAIN_MAX = 4096, BREAKS_MAX = 64 };

/* Words with one space before each and one after the last: " i dont know ". Longer texts are cut.
 */
struct plain {
	size_t n;
	bool asks; /* a question mark was there */
	unsigned breaks_n;
	uint16_t breaks[BREAKS_MAX]; /* where a clause ended (. , ; : ! ?): offset of the next word
				      */
	char text[PLAIN_MAX];
};
void words_plain(struct span utf8, struct plain *out);
/* The same, and where in utf8 (at most 65535 bytes) the character of each byte begins. */
void words_plain_at(struct span utf8, struct plain *out, uint16_t at[PLAIN_MAX]);

/* One hash per word, in order; the first WORDS_MAX. */
struct word_list {
	unsigned n;
	uint32_t hash[WORDS_MAX];
};
void words_list(const struct plain *, struct word_list *out);
/* Both at once. */
void words_read(struct span utf8, struct word_list *out);

/* How many words of `wanted` occur in `heard` in the same order (longest common subsequence). */
unsigned words_in_order(const uint32_t *wanted, unsigned n, const uint32_t *heard, unsigned m);
/* 0-100: shared words of both, twice, over all words (Dice, with repetitions). 100 also for two
 * empty lists. */
int words_similarity(const struct word_list *a, const struct word_list *b);

#endif
