/* Exotel AgentStream: the applets Stream (we listen) and Voicebot (both ways). Twilio's messages in
 * snake case, 16-bit PCM little-endian of 8, 16 or 24 kHz, about 100 ms a frame, no tracks: the
 * caller is heard. What we send comes in pieces of 320 bytes, 3200 to 100000 in a message; else
 * there are gaps in what the caller hears.
 *
 * Source: developer.exotel.com/docs/agentstream/websocket-protocol and /stream-voicebot-applet. */
#include "dialect/media_dialects.h"
#include "dialect/media_stream.h"

#define START(F, T)                                                   \
	F(T, TEXT, stream_id, "start.stream_sid", OPTIONAL)           \
	F(T, TEXT, stream_id_above, "stream_sid", OPTIONAL)           \
	F(T, TEXT, call, "start.call_sid", REQUIRED)                  \
	F(T, RAW, account, "start.account_sid", OPTIONAL)             \
	F(T, RAW, from, "start.from", OPTIONAL)                       \
	F(T, RAW, to, "start.to", OPTIONAL)                           \
	F(T, TEXT, encoding, "start.media_format.encoding", OPTIONAL) \
	F(T, I64, rate, "start.media_format.sample_rate", OPTIONAL)   \
	F(T, I64, sequence, "sequence_number", OPTIONAL)              \
	F(T, RAW, custom, "start.custom_parameters", OPTIONAL)
JSON_FIELDS(media_stream_start, START)

#define EVENT(F, T)                                      \
	F(T, TEXT, stream_id, "stream_sid", OPTIONAL)    \
	F(T, I64, sequence, "sequence_number", OPTIONAL) \
	F(T, RAW, digit, "dtmf.digit", OPTIONAL)         \
	F(T, I64, duration, "dtmf.duration", OPTIONAL)   \
	F(T, TEXT, mark, "mark.name", OPTIONAL)
JSON_FIELDS(media_stream_event, EVENT)

/* Its names of plain PCM; nothing said is that, too. */
static const struct media_stream_encoding encodings[] = {
	{ { "audio/x-raw", 11 }, { "l16", 3 } },
	{ { "base64", 6 }, { "l16", 3 } },
	{ { "raw/slin", 8 }, { "l16", 3 } },
	{ { 0 }, { "l16", 3 } },
};

static const struct media_stream exotel = {
	.names = { { "sequence_number", 15 }, { "stream_sid", 10 } },
	MEDIA_STREAM_FIELDS,
	.encodings = encodings,
	.encodings_n = sizeof(encodings) / sizeof(encodings[0]),
	.id_outwards = true,
};

static void open_stream(void *state, const struct media_about *about)
{
	(void)about;
	media_stream_open(state, &exotel);
}

const struct media_dialect exotel_media = {
	.name = "exotel",
	.title = "Exotel AgentStream",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = MEDIA_STREAM_MESSAGE_MAX,
	.open = open_stream,
	.text = media_stream_text,
	.put_audio = media_stream_put_audio,
	.put_mark = media_stream_put_mark,
	.put_clear = media_stream_put_clear,
	.send_bytes_min = 3200,
	.send_bytes_max = 312 * 320, /* whole pieces within 100000 */
	.send_bytes_step = 320,
};
