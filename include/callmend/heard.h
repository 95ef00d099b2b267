/* What was heard in a call's audio: facts that legs, speech-to-text and recorders tell a call, and
 * the body of a HEARD record. Audio itself never travels this way.
 *
 * Facts are journaled inputs: a call replays them like webhooks. Their rate is bounded where they
 * are made (src/leg): speech and DTMF as they happen, LEVEL every HEARD_LEVEL_MS and QUALITY only
 * when it has changed, every HEARD_LEVEL_MS at most.
 *
 * Body: {"stream": "<id>", "facts": [{"heard": "<name>", "leg": 0, "speaker": "user",
 * "at_us": wall clock, ...members below}]}. Implemented in src/base/heard.c. */
#ifndef CALLMEND_HEARD_H
#define CALLMEND_HEARD_H

#include <stdint.h>

#include "base/json.h"
#include "callmend/input.h"

enum { HEARD_LEGS_MAX = 8, HEARD_FACTS_MAX = 64, HEARD_LEVEL_MS = 5000 };

/* X(NAME, "name", "members: meaning"). at_us: when it was so, on the call's clock. */
#define HEARD(X)                                                                                  \
	X(ATTACHED, "attached",                                                                   \
	  "a leg's audio begins. name: dialect; text: codec; value: rate in Hz; id: the stream; " \
	  "party: the platform's id of who is heard, who: their name, when it says so; rank: "    \
	  "as in media_dialect")                                                                  \
	X(HELD, "held",                                                                           \
	  "the platform holds this leg, or takes it back. name: held or resumed: audio pauses, "  \
	  "which is neither silence nor loss")                                                    \
	X(DETACHED, "detached", "it is over. name: why (stop closed lost linked ...); ms: heard") \
	X(SPEECH_STARTED, "speech_started", "somebody begins to speak")                           \
	X(SPEECH_STOPPED, "speech_stopped", "and stops. ms: so long they spoke")                  \
	X(LEVEL, "level",                                                                         \
	  "the last ms milliseconds. value: level of speech, peak, noise: dBFS, tenths; "         \
	  "speech_ms; clipped: samples at full scale")                                            \
	X(SILENT, "silent",                                                                       \
	  "nothing but digital silence for ms: connected but silent; again as it lasts")          \
	X(SOUND, "sound", "the first sound after it. ms: so long there was none")                 \
	X(DTMF, "dtmf", "text: digit; ms: duration, 0 unknown; name: signalled or inband")        \
	X(QUALITY, "quality",                                                                     \
	  "sums since the leg began. gaps, ms: of them in all; late, duplicates, reordered: "     \
	  "frames; damaged: frames no codec could read")                                          \
	X(PLAYED, "played",                                                                       \
	  "audio we sent was heard up to this mark. text: mark; ms: of audio played in all; "     \
	  "name: played or cleared")                                                              \
	X(TRANSCRIPT, "transcript",                                                               \
	  "speech-to-text. text; final; ms: duration; name: provider; value: confidence, "        \
	  "per mille, -1 unknown")                                                                \
	X(TRANSCRIBER, "transcriber",                                                             \
	  "the state of speech-to-text. name: connected lost failed; text: why")                  \
	X(RECORDING, "recording",                                                                 \
	  "name: started paused resumed stopped failed; text: why; id: the recording; ms: "       \
	  "recorded so far")                                                                      \
	X(UNBOUND, "unbound", "no call could be found for this audio: it is one of its own")      \
	X(LINKED, "linked", "this call's audio belongs to another. id: that call, ours")          \
	X(UNTOLD, "untold",                                                                       \
	  "the node was full: so many messages that the platform sent over the socket of the "    \
	  "audio were left out. value: how many")                                                 \
	X(UNREACHED, "unreached",                                                                 \
	  "a socket of this call's audio that we dial was given up. name: dialect; text: why")

enum heard_kind {
#define X(name, text, doc) HEARD_##name,
	HEARD(X)
#undef X
		HEARD_COUNT
};
const char *heard_name(enum heard_kind);
bool heard_from(struct span name, enum heard_kind *out);

/* One flat struct; which members mean something is said per kind in HEARD. Numbers are 0 when they
 * mean nothing and then not written. */
struct heard {
	enum heard_kind kind;
	unsigned leg; /* < HEARD_LEGS_MAX */
	enum speaker speaker;
	bool final;
	int64_t at_us, ms, value, peak, noise, speech_ms, clipped;
	int64_t gaps, late, duplicates, reordered, damaged, rank;
	struct span name, text, id;
	struct span party, who; /* ATTACHED */
};

void heard_write(struct span stream, const struct heard *, size_t n, struct buf *out);
/* E_INVALID names the member. Spans live in `json` and the arena. At most HEARD_FACTS_MAX. */
MUST int heard_read(struct json object, struct arena *, struct span *stream, struct heard **out,
		    size_t *n, struct fault *f);

#endif
