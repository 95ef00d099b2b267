/* What the understanding of finished calls takes of a project's own rules: whoever accepts a
 * success rule or tags must not accept what every analysis would then refuse. */
#ifndef CALLMEND_UNDERSTANDING_H
#define CALLMEND_UNDERSTANDING_H

#include <stdbool.h>

#include "callmend/span.h"

enum {
	UNDERSTANDING_CONDITIONS_MAX = 100, /* of a success rule, success and failure together */
	UNDERSTANDING_TAGS_MAX = 100,
	UNDERSTANDING_TAG_BYTES_MAX = 100, /* of a tag, and of its category */
	UNDERSTANDING_PHRASES_MAX = 50,	   /* of a tag */
	UNDERSTANDING_PHRASE_MAX = 200,	   /* bytes of its plain form (call/words.h) */
};

/* Can it be looked for: it has a letter or a digit, and its plain form is not too long. Pure. */
bool understanding_phrase(struct span utf8);

#endif
