/* A platform's protocol of live call audio over WebSocket: frames in, media events out; audio,
 * marks and flushes out, frames in return. Pure: no clock, socket, thread; allocates nothing on the
 * media path. One file per protocol in src/dialect, one line in media_dialects.c, one folder in
 * tests/golden/media.
 *
 * Whoever holds the socket (src/media) gives each whole message to text() or binary(), decodes,
 * puts in order and keeps time itself: a dialect knows neither codecs nor clocks. Sources of the
 * formats are named in each file. */
#ifndef CALLMEND_MEDIA_H
#define CALLMEND_MEDIA_H

#include "base/arena.h"
#include "base/json.h"
#include "callmend/command.h"
#include "callmend/fault.h"
#include "callmend/input.h"

enum { MEDIA_LEGS_MAX = 8, MEDIA_STATE_BYTES = 512, MEDIA_ID_MAX = 128 };

enum media_kind {
	MEDIA_NOTHING,	 /* read, nothing to do: "connected", unknown events. text, not empty: what
			    was not understood, worth a line in the log */
	MEDIA_START,	 /* start: what stream of which call, in which format */
	MEDIA_AUDIO,	 /* payload of one frame */
	MEDIA_DTMF,	 /* text: digit; duration_ms */
	MEDIA_MARK,	 /* text: name; everything sent before it has been played */
	MEDIA_CLEARED,	 /* what was queued for playing is gone */
	MEDIA_MESSAGE,	 /* payload: a message of the platform about the call, JSON, as a webhook
			    would bring it */
	MEDIA_ERROR,	 /* text: the platform complains */
	MEDIA_LEG_START, /* a participant joins: leg, joined. The place of one who left may be given
			    again */
	MEDIA_LEG_HELD,	 /* leg, on: its audio pauses from now on, or goes on */
	MEDIA_LEG_STOP,	 /* leg: the participant has left */
	MEDIA_PASSED,	 /* what has no place (nobody has room, it comes too early): passed over.
			    text: why */
	MEDIA_STOP,	 /* the stream is over; the socket may stay open */
};

struct media_leg {
	enum speaker speaker; /* SPEAKER_NONE: not known, or everybody mixed */
	struct span label;    /* "inbound", "customer", a participant's id */
};

/* A leg with a format of its own. */
struct media_joined {
	struct media_leg leg;
	struct span who;      /* the participant's name, may be empty */
	struct span encoding; /* as in media_start */
	uint32_t rate_hz;
};

/* Spans live in the message or the arena. */
struct media_start {
	struct span stream_id;
	struct span call_id; /* the platform's: Twilio's CallSid ... ; empty: names no call */
	struct span account_id, from, to;
	struct span token; /* parameter "callmend_token" of the stream, if the platform gave it */
	struct span encoding; /* for codec_find(): as announced, or the codec's own name where
				 what the platform calls it means another elsewhere; empty: to
				 be detected */
	uint32_t rate_hz;     /* 0: not said */
	unsigned channels;    /* interleaved in each frame; 1: a frame belongs to one leg */
	bool channels_known;  /* false: to be detected; legs are what two channels would be, with
				 one everybody is mixed in leg 0 */
	struct media_leg legs[MEDIA_LEGS_MAX];
	unsigned legs_n;
	bool legs_known;  /* false: these may come; a leg is there from its first frame on.
			     legs_n 0: legs come by LEG_START, `encoding` says nothing */
	unsigned our_leg; /* what we send is this leg, of which nothing comes in; 0: there is none.
			     It is there from the start where the stream never pauses
			     (put_silence), else when something has been sent, and only as long
			     as the platform sends nothing of that side itself */
	bool one_way;	  /* a copy of a call: what we sent would end it, or go nowhere */
	struct json custom; /* parameters of the customer's own, an object; or JSON_NONE */
	/* tells_calls only. `call_id` names another platform's call, which this one may belong to;
	 * what it is called itself stands here. Empty: call_id is its own. */
	struct span own_id;
	/* What a webhook would say of this beginning: told when the audio has a call of its own. */
	struct span message;
};

struct media_event {
	enum media_kind kind;
	unsigned leg;	     /* AUDIO, DTMF; with interleaved channels 0 */
	bool base64;	     /* AUDIO: payload is base64 text, no escapes, not yet proven */
	struct span payload; /* AUDIO, MESSAGE. AUDIO, empty: a frame that the platform says is
				missing. START, not empty: the stream began without being
				announced and these are its first bytes of audio, leg 0 */
	int64_t chunk;	     /* AUDIO: number of the frame in its leg, -1: none */
	int64_t sequence;    /* of the message in the stream, -1: none */
	int64_t at_ms;	     /* AUDIO: from the stream's start, -1: none */
	int64_t duration_ms;
	struct span text;
	bool on;			 /* LEG_HELD */
	const struct media_start *start; /* START: in the arena */
	/* LEG_START; AUDIO: of a participant whose start was never told. In the arena or static. */
	const struct media_joined *joined;
};

/* Who is calling? Checked before the upgrade. */
enum media_auth {
	MEDIA_AUTH_SOURCE, /* the source's configured ways over the request's headers and path */
	MEDIA_AUTH_TWILIO, /* X-Twilio-Signature with the source's auth token, unless the source
			      configures other ways */
};

/* What is known when a connection begins. */
struct media_about {
	struct span path; /* what stands after /in/{dialect}/{source}/ */
	/* we_dial only: the platform's call, and the format that was asked for. */
	struct span call_id, encoding;
	uint32_t rate_hz;
};

struct media_out {
	struct buf *b; /* one message is appended; nothing, when there is nothing to send */
	bool binary;   /* set by the callee */
};

/* A call that is placed over this protocol. */
struct media_place {
	struct span api_base, assistant_id, name;
	struct json assistant, overrides; /* objects, or JSON_NONE */
	struct span encoding;		  /* of both directions; empty: the protocol's choice */
	uint32_t rate_hz;		  /* 0: likewise */
};
struct media_placed {
	struct span call_id, url; /* where to connect: a capability */
	struct span message;	  /* what a webhook would say of this beginning */
};

struct media_dialect {
	const char *name;  /* "twilio": as in /in/{name}/{source} */
	const char *title; /* "Twilio Media Streams" */
	enum media_auth auth;
	size_t message_max; /* bytes of one message; a larger one closes with 1009 */
	unsigned reorder;   /* frames that may overtake each other; 0: the platform keeps order */
	bool ends_by_close; /* no stop message: the close is the end */
	bool pauses; /* nothing for a while means that nobody sends (hold): neither silence nor loss
		      */
	const char *grpc_path; /* not NULL: messages of this gRPC method, all binary, instead of a
				  WebSocket's; the source is found by its credential ... */
	const char *sources;   /* ... among the sources of this dialect */
	bool tells_calls;  /* the stream is the platform's news of a call: one of its own is made at
			      once when it names no other, and lasts as long as its audio */
	bool stamps_waver; /* at_ms comes of a wall clock: where frames have numbers, what is
			      missing is known by these, and by at_ms only from 1 s on */
	unsigned rank; /* of streams of a call that bring the same speaker, the one of the lowest
			  is recorded, measured and mixed. 0: the carrier's */
	bool we_dial;  /* we are the client (Vapi's listen socket and transport) */
	/* The state is MEDIA_STATE_BYTES of zeroed, 16-byte aligned memory of the connection. */
	/* Before the first message, `about` is read only during the call. NULL: nothing to do. */
	void (*open)(void *state, const struct media_about *about);
	/* A whole message. Unknown types and members are MEDIA_NOTHING; E_INVALID: it cannot be
	 * read, or comes where it must not (fault names what); the stream may go on with the next
	 * message, the state is as before. `a` is empty at each call; audio leaves it so (protobuf
	 * within its first chunk). NULL: such messages are refused (1003). */
	MUST int (*text)(void *state, struct span message, struct arena *a, struct media_event *out,
			 struct fault *f);
	MUST int (*binary)(void *state, struct span message, struct arena *a,
			   struct media_event *out, struct fault *f);
	/* What we send, after START; NULL: this protocol cannot. `payload` is bytes of the
	 * announced codec. One call makes one message, with no member more than the format has. */
	void (*put_audio)(void *state, struct span payload, struct media_out *out);
	/* Not NULL: this stream must never pause; `ms` of silence for when there is nothing else.
	 * What put_audio and this make are then bare bytes of the codec. */
	void (*put_silence)(void *state, unsigned ms, struct media_out *out);
	void (*put_mark)(void *state, struct span name, struct media_out *out);
	void (*put_clear)(void *state, struct media_out *out);
	/* Words our speech-to-text found (Vapi's custom transcriber). */
	void (*put_transcript)(void *state, unsigned leg, struct span text, bool final,
			       struct media_out *out);
	/* A command of ours over this socket (Vapi's transport), also before START. E_INVALID: the
	 * protocol has no such command (the fault says so); nothing is written. NULL: none at all.
	 */
	MUST int (*put_command)(void *state, const struct command *, struct media_out *out,
				struct fault *f);
	/* How to place a call and what the answer to that says; NULL: cannot. All in the arena.
	 * E_INVALID: the answer names no call, or nowhere to connect. */
	void (*place)(const struct media_place *, struct arena *, struct span *url,
		      struct span *body);
	MUST int (*placed)(struct json answer, struct arena *, struct media_placed *out,
			   struct fault *f);
	/* Of audio in one message out; 0: any. Bytes are those of `payload`; the last message
	 * before a pause is filled up with silence to a multiple of the step. */
	unsigned send_ms_min, send_ms_max;
	size_t send_bytes_min, send_bytes_max, send_bytes_step; /* the first two are whole steps */
};

/* src/dialect/media_dialects.c; NULL at the end. */
extern const struct media_dialect *const media_dialects[];
const struct media_dialect *media_dialect_find(struct span name);

#endif
