/* Telnyx media streaming over WebSocket. Frames may overtake each other: media.chunk counts those
 * of a track. The payload is that of an RTP packet, so L16 is big-endian (RFC 3551). What we send
 * needs stream_bidirectional_mode "rtp"; in the mode "mp3", the default, Telnyx drops it silently.
 * AMR-WB is announced as such and no codec of ours.
 *
 * Source: developers.telnyx.com, "Stream call media over WebSocket" and "streaming_start". start
 * names no tracks there; older documents have stream_id inside of start, too. */
#include "dialect/media_dialects.h"
#include "dialect/media_stream.h"

#define START(F, T)                                                   \
	F(T, TEXT, stream_id, "start.stream_id", OPTIONAL)            \
	F(T, TEXT, stream_id_above, "stream_id", OPTIONAL)            \
	F(T, TEXT, call, "start.call_control_id", OPTIONAL)           \
	F(T, TEXT, call_else, "start.call_session_id", OPTIONAL)      \
	F(T, RAW, account, "start.user_id", OPTIONAL)                 \
	F(T, RAW, from, "start.from", OPTIONAL)                       \
	F(T, RAW, to, "start.to", OPTIONAL)                           \
	F(T, TEXT, encoding, "start.media_format.encoding", REQUIRED) \
	F(T, I64, rate, "start.media_format.sample_rate", OPTIONAL)   \
	F(T, I64, channels, "start.media_format.channels", OPTIONAL)  \
	F(T, I64, sequence, "sequence_number", OPTIONAL)              \
	F(T, RAW, tracks, "start.tracks", OPTIONAL)                   \
	F(T, RAW, custom, "start.custom_parameters", OPTIONAL)
JSON_FIELDS(media_stream_start, START)

#define EVENT(F, T)                                      \
	F(T, TEXT, stream_id, "stream_id", OPTIONAL)     \
	F(T, I64, sequence, "sequence_number", OPTIONAL) \
	F(T, RAW, digit, "dtmf.digit", OPTIONAL)         \
	F(T, TEXT, mark, "mark.name", OPTIONAL)          \
	F(T, RAW, code, "error.code", OPTIONAL)          \
	F(T, TEXT, title, "error.title", OPTIONAL)       \
	F(T, TEXT, detail, "error.detail", OPTIONAL)     \
	F(T, RAW, code, "payload.code", OPTIONAL)        \
	F(T, TEXT, title, "payload.title", OPTIONAL)     \
	F(T, TEXT, detail, "payload.detail", OPTIONAL)
JSON_FIELDS(media_stream_event, EVENT)

static const struct media_stream_encoding encodings[] = {
	{ { "L16", 3 }, { "l16be", 5 } },
};

static const struct media_stream telnyx = {
	.names = { { "sequence_number", 15 }, { "stream_id", 9 } },
	MEDIA_STREAM_FIELDS,
	.encodings = encodings,
	.encodings_n = sizeof(encodings) / sizeof(encodings[0]),
	.both_tracks = true,
};

static void open_stream(void *state, const struct media_about *about)
{
	(void)about;
	media_stream_open(state, &telnyx);
}

/* How far frames overtake each other is not documented: 200 ms of them. */
enum { REORDER = 10 };

const struct media_dialect telnyx_media = {
	.name = "telnyx",
	.title = "Telnyx media streaming",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = MEDIA_STREAM_MESSAGE_MAX,
	.reorder = REORDER,
	.open = open_stream,
	.text = media_stream_text,
	.put_audio = media_stream_put_audio,
	.put_mark = media_stream_put_mark,
	.put_clear = media_stream_put_clear,
	.send_ms_min = 20,
	.send_ms_max = 30000,
};
