/* Made-up Vapi calls for property tests and benchmarks: a conversation, and the bodies that would
 * report it, each with assistant, call and the history so far, as real ones have. The same seed
 * gives the same bytes. */
#ifndef CALLMEND_TESTS_VAPI_TALK_H
#define CALLMEND_TESTS_VAPI_TALK_H

#include "base/buf.h"

/* What the bodies of a call look like; bits. */
enum talk_shape {
	TALK_ARTIFACT = 1,	 /* artifact.messages */
	TALK_TOP = 2,		 /* messages on the message itself, as well */
	TALK_OPENAI = 4,	 /* OpenAI-formatted copies; alone: no other history */
	TALK_CALL_ASSISTANT = 8, /* call.assistant repeats the assistant */
	TALK_LATE_ENDS = 16, /* the newest entry has no endTime yet, and it is filled in later */
	TALK_SQUAD = 32, /* assistants take turns; secondsFromStart starts anew at each change */
	TALK_ALL = 63,
};

struct talk {
	uint64_t seed;
	unsigned shape;
	size_t prompt_bytes; /* of the assistant's prompt */
};

enum talk_type {
	TALK_UPDATE,
	TALK_SPEECH,
	TALK_TRANSCRIPT,
	TALK_TOOLS,
	TALK_STATUS,
	TALK_REPORT,
	TALK_TYPES
};

/* The body of this type when the conversation has `entries` entries. TALK_TOOLS reports the last
 * tool call among them. */
void talk_body(const struct talk *t, enum talk_type type, size_t entries, struct buf *out);

#endif
