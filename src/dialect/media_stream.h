/* One reader and writer for Twilio's Media Streams and the protocols that took over its shape:
 * text frames of JSON, "event" says which, audio as base64 inside. What differs is data: a struct
 * media_stream per platform, in the file of its dialect.
 *
 *   connected?  start  (media | dtmf | mark | ...)*  stop?  close
 *
 * Decided here, for all of them:
 * - A frame with another stream's id is refused: the platforms promise one stream per connection,
 * so it can only be a mistake or a trick, and must not be heard as this call. No id is fine.
 * - Audio of a track that start did not announce is refused, because nobody could say who speaks.
 *   "inbound" is what the platform gets from the caller, "outbound" what the call says to them.
 * - After stop everything but a second start is nothing: frames may be late.
 * - Counters and numbers may be numbers or texts; a wrong one is refused by name, so is a text that
 *   should be short and is not (MEDIA_ID_MAX). */
#ifndef CALLMEND_DIALECT_MEDIA_STREAM_H
#define CALLMEND_DIALECT_MEDIA_STREAM_H

#include "callmend/media.h"
#include "dialect/media_frame.h"

/* What start says, wherever it stands. `call` before `call_else`. */
struct media_stream_start {
	struct span stream_id, stream_id_above, call, call_else, encoding;
	int64_t sequence, rate, channels;
	struct json account, from, to, tracks, custom;
};
/* What other events say. */
struct media_stream_event {
	struct span stream_id, track, mark, title, detail;
	struct json digit, code;
	int64_t sequence, duration;
};

/* What codec_find() would not know, or take for something else. */
struct media_stream_encoding {
	struct span announced, codec;
};

struct media_stream_verb {
	struct span event;
	enum media_kind kind; /* START STOP DTMF MARK CLEARED ERROR */
};

struct media_stream {
	struct media_frame_names names;
	const struct json_field *start, *event; /* into the structs above */
	size_t start_n, event_n;
	const struct media_stream_verb *verbs; /* NULL: Twilio's */
	size_t verbs_n;
	const struct media_stream_encoding *encodings;
	size_t encodings_n;
	/* Start names no tracks: both may come (else: the caller alone). */
	bool both_tracks;
	bool wall_clock;  /* timestamps are Unix ms, not ms of the stream */
	bool id_outwards; /* what is sent names the stream */
	/* Who plays what we send gives us the caller's track alone: a stream with "outbound" is a
	 * copy. */
	bool plays_to_inbound;
	/* The customer's own parameters as an object; NULL: start's `custom` is one. */
	struct json (*custom)(struct json custom, struct arena *);
};

/* For struct media_dialect. `open` of a dialect calls media_stream_open() with its table. */
void media_stream_open(void *state, const struct media_stream *);
MUST int media_stream_text(void *state, struct span message, struct arena *a,
			   struct media_event *out, struct fault *f);
void media_stream_put_audio(void *state, struct span payload, struct media_out *out);
void media_stream_put_mark(void *state, struct span name, struct media_out *out);
void media_stream_put_clear(void *state, struct media_out *out);

/* For writers of their own. */
struct span media_stream_id(const void *state);
struct span media_stream_encoding(const void *state); /* as announced */
uint32_t media_stream_rate(const void *state);

/* Frames are a few hundred bytes; a start with many parameters is the largest. */
enum { MEDIA_STREAM_MESSAGE_MAX = 64 * 1024 };

/* The start as Twilio writes it; SignalWire does likewise. */
#define MEDIA_STREAM_TWILIO_START(F, T)                              \
	F(T, TEXT, stream_id, "start.streamSid", OPTIONAL)           \
	F(T, TEXT, stream_id_above, "streamSid", OPTIONAL)           \
	F(T, TEXT, call, "start.callSid", REQUIRED)                  \
	F(T, RAW, account, "start.accountSid", OPTIONAL)             \
	F(T, TEXT, encoding, "start.mediaFormat.encoding", REQUIRED) \
	F(T, I64, rate, "start.mediaFormat.sampleRate", OPTIONAL)    \
	F(T, I64, channels, "start.mediaFormat.channels", OPTIONAL)  \
	F(T, I64, sequence, "sequenceNumber", OPTIONAL)              \
	F(T, RAW, tracks, "start.tracks", OPTIONAL)                  \
	F(T, RAW, custom, "start.customParameters", OPTIONAL)

/* In a dialect's file, behind JSON_FIELDS(media_stream_start, ...) and (media_stream_event, ...).
 */
#define MEDIA_STREAM_FIELDS                                                       \
	.start = media_stream_start_fields,                                       \
	.start_n = sizeof(media_stream_start_fields) / sizeof(struct json_field), \
	.event = media_stream_event_fields,                                       \
	.event_n = sizeof(media_stream_event_fields) / sizeof(struct json_field)

#endif
