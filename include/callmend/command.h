/* Commands to a running call (A6) and what becomes of them. */
#ifndef CALLMEND_COMMAND_H
#define CALLMEND_COMMAND_H

#include <stdint.h>

#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/uuid.h"

/* X(name, "name", needs, documentation). Effect = how we see that it worked. */
#define COMMANDS(X)                                                                              \
	X(SAY, "say",                                                                            \
	  "speak this text to the caller; effect: its words in the assistant's transcript")      \
	X(ADD_MESSAGE, "add-message",                                                            \
	  "add an entry to the model's history; effect: the entry in later history")             \
	X(MUTE, "mute",                                                                          \
	  "mute the assistant (or the customer, by target); effect: running assistant speech "   \
	  "stops")                                                                               \
	X(UNMUTE, "unmute", "unmute; effect: the next assistant speech")                         \
	X(END, "end", "end the call; effect: status ended")                                      \
	X(TRANSFER, "transfer",                                                                  \
	  "transfer the call to a destination; effect: status forwarding or a transfer "         \
	  "message")                                                                             \
	X(HOLD, "hold", "put our side on hold; effect: its party is held")                       \
	X(UNHOLD, "unhold", "take it back; effect: its party talks")                             \
	X(MONITOR, "monitor",                                                                    \
	  "connect a supervisor's telephone (destination) who hears both and is heard by "       \
	  "nobody; effect: a supervisor's party")                                                \
	X(COACH, "coach", "likewise, heard by our side only")                                    \
	X(BARGE, "barge", "likewise, heard by both")                                             \
	X(SEND_TEXT, "send-text", "send this text in a text conversation; effect: its delivery") \
	X(RECORD_PAUSE, "record-pause",                                                          \
	  "leave what comes out of the recordings of the call; effect: the recorder's word, or " \
	  "what a party shows of the platform's recording")                                      \
	X(RECORD_RESUME, "record-resume", "record again what comes; effect: likewise")

enum command_verb {
#define X(name, text, doc) COMMAND_##name,
	COMMANDS(X)
#undef X
		COMMAND_COUNT
};
const char *command_verb_name(enum command_verb);
bool command_verb_from(struct span name, enum command_verb *out);

/* X(name, "name", final, documentation) */
#define COMMAND_STATES(X)                                                                    \
	X(REQUESTED, "requested", false, "durable, not yet answered by the provider")        \
	X(ACCEPTED, "accepted", false,                                                       \
	  "the provider answered 2xx, or the call's own socket, which answers nothing, has " \
	  "taken it; waiting for the effect")                                                \
	X(REJECTED, "rejected", true,                                                        \
	  "refused by the provider or surely never delivered; `error` says why")             \
	X(EFFECT_SEEN, "effect_seen", true, "the effect was observed")                       \
	X(NOT_OBSERVABLE, "not_observable", true,                                            \
	  "accepted; nothing in this call can show the effect")                              \
	X(TIMED_OUT, "timed_out", true, "accepted, but the effect was not observed in time") \
	X(UNKNOWN, "unknown", true,                                                          \
	  "sent, no answer (timeout, reset, crash in between): never sent again by itself")

enum command_state {
#define X(name, text, final, doc) COMMAND_STATE_##name,
	COMMAND_STATES(X)
#undef X
		COMMAND_STATE_COUNT
};
const char *command_state_name(enum command_state);
bool command_state_final(enum command_state);

enum command_target { TARGET_ASSISTANT, TARGET_CUSTOMER };

struct command {
	struct uuid id; /* version 7, made where it was asked for */
	enum command_verb verb;
	enum command_target target; /* mute, unmute */
	struct span text;      /* say, add-message (content), transfer (spoken first, optional) */
	struct span role;      /* add-message: system (default) user assistant */
	bool trigger_response; /* add-message; default true */
	bool interrupt;	       /* say: cut the assistant short; default false */
	bool end_after;	       /* say: end the call when spoken; default false */
	struct json
		destination; /* transfer, monitor, coach, barge: {"type":"number","number":"+1..."},
				{"type":"sip","sipUri":"..."}, {"type":"extension",
				"extension":"101"}, or by the platform's own id:
				{"type":"extension", "voicemail", "queue" or "device",
				"id":"..."} */
	struct span actor;   /* "token:<name>", "rule:<name>", "cli" */
	struct span reason;  /* free text, optional */
	struct span key;     /* Idempotency-Key, optional: the same key in the same call is the same
				command */
};

enum { COMMAND_TEXT_LIMIT = 4096, COMMAND_KEY_LIMIT = 128, COMMAND_REASON_LIMIT = 512 };

/* Record body (COMMAND) and API form are the same JSON:
 * {"id","verb","target","text","role","trigger_response","interrupt",
 * "end_after","destination","actor","reason","key"}. Reading checks limits and what the verb needs;
 * the fault names the member. */
MUST int command_read(struct json object, struct arena *, struct command *out, struct fault *f);
void command_write(const struct command *, struct buf *out);

#endif
