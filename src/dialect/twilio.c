/* Twilio Media Streams: <Start><Stream> copies tracks of a call to us, <Connect><Stream> gives us
 * the caller's and plays what we send. The messages do not say which of the two it is.
 *
 * Source: twilio.com/docs/voice/media-streams/websocket-messages, /docs/voice/twiml/stream, errors
 * 31901-31951 (a message with a member too many is refused by Twilio). */
#include "dialect/media_dialects.h"
#include "dialect/media_stream.h"

JSON_FIELDS(media_stream_start, MEDIA_STREAM_TWILIO_START)

#define EVENT(F, T)                                     \
	F(T, TEXT, stream_id, "streamSid", OPTIONAL)    \
	F(T, I64, sequence, "sequenceNumber", OPTIONAL) \
	F(T, TEXT, track, "dtmf.track", OPTIONAL)       \
	F(T, RAW, digit, "dtmf.digit", OPTIONAL)        \
	F(T, TEXT, mark, "mark.name", OPTIONAL)
JSON_FIELDS(media_stream_event, EVENT)

static const struct media_stream twilio = {
	.names = { { "sequenceNumber", 14 }, { "streamSid", 9 } },
	MEDIA_STREAM_FIELDS,
	.id_outwards = true,
	.plays_to_inbound = true,
};

static void open_stream(void *state, const struct media_about *about)
{
	(void)about;
	media_stream_open(state, &twilio);
}

const struct media_dialect twilio_media = {
	.name = "twilio",
	.title = "Twilio Media Streams",
	.auth = MEDIA_AUTH_TWILIO,
	.message_max = MEDIA_STREAM_MESSAGE_MAX,
	.open = open_stream,
	.text = media_stream_text,
	.put_audio = media_stream_put_audio,
	.put_mark = media_stream_put_mark,
	.put_clear = media_stream_put_clear,
};
