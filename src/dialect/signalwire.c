/* SignalWire's <Stream> (cXML) and `stream` (SWML): Twilio's messages, with UUIDs as ids, streamSid
 * on frames of two-way streams only, the duration of digits, an L16 of 16 or 24 kHz, no inner
 * object in stop, and digits that we may send.
 *
 * Source: developer.signalwire.com, "Stream" of the compatibility API (cXML) and SWML `stream`. */
#include "dialect/media_dialects.h"
#include "dialect/media_stream.h"

JSON_FIELDS(media_stream_start, MEDIA_STREAM_TWILIO_START)

#define EVENT(F, T)                                     \
	F(T, TEXT, stream_id, "streamSid", OPTIONAL)    \
	F(T, I64, sequence, "sequenceNumber", OPTIONAL) \
	F(T, RAW, digit, "dtmf.digit", OPTIONAL)        \
	F(T, I64, duration, "dtmf.duration", OPTIONAL)  \
	F(T, TEXT, mark, "mark.name", OPTIONAL)
JSON_FIELDS(media_stream_event, EVENT)

static const struct media_stream signalwire = {
	.names = { { "sequenceNumber", 14 }, { "streamSid", 9 } },
	MEDIA_STREAM_FIELDS,
	.id_outwards = true,
};

static void open_stream(void *state, const struct media_about *about)
{
	(void)about;
	media_stream_open(state, &signalwire);
}

const struct media_dialect signalwire_media = {
	.name = "signalwire",
	.title = "SignalWire streams",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = MEDIA_STREAM_MESSAGE_MAX,
	.open = open_stream,
	.text = media_stream_text,
	.put_audio = media_stream_put_audio,
	.put_mark = media_stream_put_mark,
	.put_clear = media_stream_put_clear,
};
