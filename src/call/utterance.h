/* One turn's text as words that know where they stand in it: what the field extractors read. The
 * normalisation is that of words.h ("e-mail" is one word, "email"). Pure, no allocation. */
#ifndef CALLMEND_CALL_UTTERANCE_H
#define CALLMEND_CALL_UTTERANCE_H

#include "call/words.h"

enum { UTTERANCE_WORDS = 400, UTTERANCE_BYTES = 2048 };
enum { SPOKEN_EN = 1, SPOKEN_ES = 2, SPOKEN_ANY = 3 };

struct uttered {
	uint16_t from, to;	   /* in plain */
	uint16_t raw_from, raw_to; /* in raw */
	uint32_t stem;		   /* hash, a plural s dropped */
	bool clause, sentence;	   /* one begins here */
};
struct utterance {
	struct span raw;
	struct plain plain;
	unsigned n;
	struct uttered w[UTTERANCE_WORDS];
};

/* At most UTTERANCE_BYTES of the text are looked at; it must outlive the utterance. */
void utterance_read(struct span text, struct utterance *out);
/* The normalised word i; empty behind the end. */
struct span utterance_word(const struct utterance *, unsigned i);
bool utterance_is(const struct utterance *, unsigned i, const char *word);
bool utterance_in(const struct utterance *, unsigned i, const char *const *words); /* NULL ends */
bool utterance_digits(const struct utterance *, unsigned i);
/* How many words the longest of the phrases takes that begins at i; 0: none. */
unsigned utterance_phrase(const struct utterance *, unsigned i, const char *const *phrases);
/* First word in [from, to) where one of the phrases begins; `to`: none. */
unsigned utterance_find(const struct utterance *, unsigned from, unsigned to,
			const char *const *phrases);
/* What stands between word i - 1 and word i. */
struct span utterance_gap(const struct utterance *, unsigned i);
/* The words [from, to) as they were said. */
struct span utterance_slice(const struct utterance *, unsigned from, unsigned to);
/* Ends of the clause and of the sentence that word i is in. */
unsigned utterance_clause_end(const struct utterance *, unsigned i);
unsigned utterance_sentence_end(const struct utterance *, unsigned i);
/* SPOKEN_* by its function words; SPOKEN_ANY: cannot be told. */
unsigned utterance_language(const struct utterance *);
uint32_t utterance_stem(struct span normalised_word);

#endif
