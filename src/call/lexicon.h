/* What words say about the mood of a call: phrases with weights, one table per language
 * (lexicon_en.c, lexicon_es.c).
 *
 * A text is normalised (words.h); the tables are searched longest phrase first and a word counts
 * once. docs/signals.md explains the formulas. Pure. */
#ifndef CALLMEND_CALL_LEXICON_H
#define CALLMEND_CALL_LEXICON_H

#include "call/words.h"

/* X(name, what the phrase is a sign of; weight 1-100 unless said) */
#define MOODS(X)                                                                             \
	X(GOOD, "satisfaction; turned into the half of BAD behind a negation")               \
	X(BAD, "dissatisfaction; dropped behind a negation")                                 \
	X(FRUSTRATED, "frustration of the caller; also counts half as BAD")                  \
	X(LOST, "the caller does not understand")                                            \
	X(PUZZLED, "the assistant does not understand")                                      \
	X(DONE, "the assistant says that something is done")                                 \
	X(ASKS, "opens a question when it is the first phrase of a sentence; weight unused") \
	X(NOT, "negates what follows within three words; weight unused")                     \
	X(WAIT, "a holding phrase, no answer; weight unused")

enum mood {
#define X(name, doc) MOOD_##name,
	MOODS(X)
#undef X
		MOOD_COUNT
};

struct phrase {
	const char *words; /* normalised, without spaces at the ends */
	enum mood mood;
	int weight;
};

struct lexicon {
	const char *language;	      /* "en" */
	const char *const *functions; /* frequent words that tell the language; NULL at the end */
	const struct phrase *phrases; /* words == NULL at the end */
	const char *fallback;	      /* what a model is told when a tool gave nothing */
};
extern const struct lexicon lexicon_en, lexicon_es;

struct reading {
	int weight[MOOD_COUNT]; /* sums */
	bool asks;		/* reads as a question */
	bool waits;		/* nothing but a holding phrase */
	unsigned words;
};

/* The lexicon of a configured language; NULL for "auto" and unknown ones. */
const struct lexicon *lexicon_find(struct span language);
/* How many function words of the language the text has. */
unsigned lexicon_hits(const struct lexicon *, const struct plain *);
void lexicon_read(const struct lexicon *, const struct plain *, struct reading *out);

#endif
