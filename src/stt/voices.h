/* Whose are the voices that a provider has told apart in a recording of all of them? Pure.
 *
 * A provider numbers voices; whose they are nothing but a rule can say: whose the first voice is.
 * That is an inference, and it is made only where little can be wrong with it:
 *
 * Two voices: the first is the side that the rule names, the second the other side.
 *
 * Three and more: when the first says all it says before any other begins, it is an announcement
 * ("this call is recorded"): nobody's, and the rest is judged without it. Of the rest, voices
 * beyond the two that say most are nobody's when together they say less than a tenth of it, and the
 * other two are judged as above; else nobody is named at all.
 *
 * One, or none: nobody is named, since no conversation was found.
 *
 * First is who begins first; of two at the same time the one that comes first in the answer. How
 * much a voice says is measured in bytes of text, which every language has; of two that say as much
 * the first counts for more. What has no voice, no text or no time is nobody's and counts for
 * nothing. */
#ifndef CALLMEND_STT_VOICES_H
#define CALLMEND_STT_VOICES_H

#include "callmend/input.h"
#include "stt/provider.h"

struct voices {
	unsigned n;	     /* told apart, announcement and all */
	const char *unnamed; /* why nobody is named; NULL: somebody is */
};

/* One answer's results; `first`: SPEAKER_USER or SPEAKER_AI. who[i]: who says results[i],
 * SPEAKER_NONE: nobody knows. */
struct voices voices_name(const struct stt_result *results, size_t n, enum speaker first,
			  enum speaker *who);

#endif
