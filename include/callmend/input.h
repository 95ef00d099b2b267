/* What a call session is told, in terms of no provider: a dialect turns provider messages into
 * inputs.
 *
 * One flat struct; which members mean something is said per type in INPUTS. Spans live in the bytes
 * that were read or in the arena given to the dialect's read(). Texts are UTF-8, unescaped. Times
 * are data: the provider's own clock, 0 when it gave none. */
#ifndef CALLMEND_INPUT_H
#define CALLMEND_INPUT_H

#include <stdint.h>

#include "base/json.h"
#include "callmend/span.h"

enum speaker { SPEAKER_NONE, SPEAKER_AI, SPEAKER_USER };
const char *speaker_name(enum speaker); /* "", "ai", "user" (A2) */

/* X(name, "name", members: meaning) */
#define INPUTS(X)                                                                                 \
	X(CALL, "call", "facts about the call; always first. data: struct call_facts")            \
	X(STATUS, "status",                                                                       \
	  "name: scheduled queued ringing in-progress forwarding ended ... (open set); reason: "  \
	  "ended reason; data: destination JSON")                                                 \
	X(TRANSCRIPT, "transcript", "speaker, final, text; key: duplicate key or 0")              \
	X(SPEECH, "speech", "speaker, name: started or stopped; turn or -1; key")                 \
	X(SPEAKING_TEXT, "speaking-text",                                                         \
	  "text: the assistant's turn so far as it is spoken; turn")                              \
	X(TOOL_CALL, "tool-call",                                                                 \
	  "id, name, data: arguments (JSON object), key: call, id, name, arguments, time; "       \
	  "answer_here: the provider waits for our answer to this one")                           \
	X(TOOL_RESULT, "tool-result", "id, name, text: result, seen in history or report; key")   \
	X(HISTORY, "history",                                                                     \
	  "one committed entry of the conversation. name: system user assistant tool-calls "      \
	  "tool-result; speaker; text; at_us, end_us; data: raw entry; key: hash of the entry; "  \
	  "from_report: seen in the final report")                                                \
	X(INTERRUPTED, "interrupted", "the caller barged in; key")                                \
	X(HANG, "hang", "the assistant is delayed; key")                                          \
	X(ASSISTANT, "assistant", "an assistant begins or takes over. name, id")                  \
	X(TRANSFER, "transfer", "data: destination and the two assistants")                       \
	X(MODEL_OUTPUT, "model-output",                                                           \
	  "text: a piece of the model's answer, or data: its JSON; id: turn id")                  \
	X(VOICE_INPUT, "voice-input", "text: what is sent to the voice")                          \
	X(LANGUAGE, "language", "name: language the transcriber switched to")                     \
	X(QUESTION, "question",                                                                   \
	  "the provider waits for an answer that ingest gives (name: its message type)")          \
	X(PARTY, "party",                                                                         \
	  "how one party of the call stands, or stood. party: struct call_party; at_us: when it " \
	  "became so, by the platform's clock; key")                                              \
	X(PARTIES, "parties",                                                                     \
	  "an answer has named all who are in the call, each by a `party` before this: nobody "   \
	  "else is. at_us: when, by the platform's clock")                                        \
	X(DELIVERY, "delivery",                                                                   \
	  "what became of a text we sent. id: its message; name: queued sent delivered failed "   \
	  "(open set); reason: the platform's error code")                                        \
	X(INSIGHT, "insight",                                                                     \
	  "what the platform's own analysis says, after the call. name: kind; data: an object")   \
	X(REPORT, "report", "the call is over. data: struct call_report")                         \
	X(RAW, "raw", "a message of a type we do not know. name: type; data: whole message")

enum input_type {
#define X(name, text, doc) INPUT_##name,
	INPUTS(X)
#undef X
		INPUT_COUNT
};
const char *input_name(enum input_type);

/* Members stay empty when the provider did not say. */
struct call_facts {
	struct span provider_call_id, provider_org_id, kind; /* "inboundPhoneCall" ... */
	struct span customer_number, customer_name, phone_number, phone_number_id;
	struct span assistant_id, assistant_name, assistant_version, squad_id, session_id;
	struct span telephony_id; /* Twilio CallSid and the like */
	struct span control_url,
		listen_url; /* capabilities: kept in journal and memory only, never published */
	int64_t created_us, started_us;
	struct span transport;		  /* "twilio pstn" */
	bool transcript_subscribed_known; /* the message carried the assistant's serverMessages */
	bool transcript_subscribed;
	bool retries_known, retries_on; /* server.backoffPlan.maxRetries > 0 */
};

struct call_report {
	struct span ended_reason;
	int64_t started_us, ended_us;
	double cost_usd;
	bool has_cost;
	struct span summary, transcript, success_evaluation; /* text */
	struct span recording_url;			     /* an identifier, not a capability */
	struct json structured_data, structured_outputs, cost_breakdown, performance, analysis;
};

/* A call of several parties (callers, colleagues, IVRs, supervisors), as far as a platform tells of
 * them one by one. What the platform's words mean is said by its dialect; src/call/parties.c merges
 * them. */
enum party_side {
	PARTY_OUTSIDE,	  /* the customer's end */
	PARTY_INSIDE,	  /* ours: a person or a bot who talks for the company */
	PARTY_SYSTEM,	  /* IVR, queue, voicemail, fax: nobody */
	PARTY_SUPERVISOR, /* listens; no party of the conversation */
};
enum party_state {
	PARTY_RINGING, /* set up, proceeding */
	PARTY_TALKING,
	PARTY_HELD,
	PARTY_PARKED,
	PARTY_MOVED, /* gone, and somebody else takes over: transfer, redirect, pick-up */
	PARTY_LEFT,  /* gone for good */
};
struct call_party {
	struct span id;	  /* the platform's, of this call */
	int64_t sequence; /* order of what is told within the call, 0 unknown; -1: this is a
			     snapshot, which holds for everything up to the input's at_us */
	enum party_side side;
	enum party_state state;
	struct span code, reason; /* the platform's own words: "Answered", "BlindTransfer" */
	struct span ends_as;	  /* what a call in which nobody talked with anybody ended by, if it
				     ends so: no-answer busy rejected cancelled voicemail ... */
	bool outbound;		  /* the platform called it */
	bool muted, muted_known;
	struct span number, name, extension;
	struct span peer_number, peer_name; /* whom it is connected with, as told with it */
	bool peer_inside;		    /* and that is one of ours, too */
	struct span moved_to;		    /* another call of the platform in which it lives on */
	struct span recording; /* identifier of a recording of the platform's that covers it */
	bool recording_on;
};

const char *party_side_name(enum party_side);	/* "outside" ... */
const char *party_state_name(enum party_state); /* "ringing" ... */
/* Gone, whatever became of it. */
static inline bool party_over(enum party_state s)
{
	return s >= PARTY_MOVED;
}

struct input {
	enum input_type type;
	enum speaker speaker;
	bool final, answer_here, from_report;
	/* Told over the socket of the call's audio, beside its webhooks: they may tell it, too, or
	 * have done so (src/call/ways.c). Nobody waits for an answer. */
	bool beside;
	int turn;
	int64_t at_us, end_us;
	uint64_t key; /* 0: never a duplicate. Equal keys within a call: the same message again */
	struct span name, text, id, reason;
	struct json data;
	const struct call_facts *facts;	  /* CALL */
	const struct call_report *report; /* REPORT */
	const struct call_party *party;	  /* PARTY */
};

struct inputs {
	struct input *items; /* in the arena */
	size_t n, cap;
};
/* Appends a zeroed input (turn = -1) and gives it. */
struct input *inputs_add(struct inputs *, struct arena *, enum input_type);

#endif
