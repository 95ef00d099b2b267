#include "callmend/understanding.h"

#include "call/words.h"

bool understanding_phrase(struct span utf8)
{
	struct plain plain;

	words_plain(utf8, &plain);
	return plain.n >= 3 && plain.n <= UNDERSTANDING_PHRASE_MAX; /* a space on either side */
}
