/* Plivo audio streams: Twilio's shape with numbers as numbers, timestamps of the wall clock, other
 * names for what is sent and echoed, no "connected", and no "stop" that one may count on: the close
 * is the end.
 *
 * Source: plivo.com/docs, "Audio streaming reference"; docs.plivo.com/docs/voice/xml/audiostream.
 * Old documents call the echo of a checkpoint "played". */
#include "dialect/media_dialects.h"
#include "dialect/media_json.h"
#include "dialect/media_stream.h"

#define START(F, T)                                                  \
	F(T, TEXT, stream_id, "start.streamId", OPTIONAL)            \
	F(T, TEXT, stream_id_above, "streamId", OPTIONAL)            \
	F(T, TEXT, call, "start.callId", REQUIRED)                   \
	F(T, RAW, account, "start.accountId", OPTIONAL)              \
	F(T, TEXT, encoding, "start.mediaFormat.encoding", REQUIRED) \
	F(T, I64, rate, "start.mediaFormat.sampleRate", OPTIONAL)    \
	F(T, I64, sequence, "sequenceNumber", OPTIONAL)              \
	F(T, RAW, tracks, "start.tracks", OPTIONAL)                  \
	F(T, RAW, custom, "extra_headers", OPTIONAL)
JSON_FIELDS(media_stream_start, START)

#define EVENT(F, T)                                     \
	F(T, TEXT, stream_id, "streamId", OPTIONAL)     \
	F(T, I64, sequence, "sequenceNumber", OPTIONAL) \
	F(T, TEXT, track, "dtmf.track", OPTIONAL)       \
	F(T, RAW, digit, "dtmf.digit", OPTIONAL)        \
	F(T, TEXT, mark, "name", OPTIONAL)
JSON_FIELDS(media_stream_event, EVENT)

static const struct media_stream_verb verbs[] = {
	{ { "start", 5 }, MEDIA_START }, { { "stop", 4 }, MEDIA_STOP },
	{ { "dtmf", 4 }, MEDIA_DTMF },	 { { "playedStream", 12 }, MEDIA_MARK },
	{ { "played", 6 }, MEDIA_MARK }, { { "clearedAudio", 12 }, MEDIA_CLEARED },
};

static struct span trim(struct span s)
{
	while (s.n && *s.p == ' ')
		s = span_from(s, 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* Up to the first of the letters in `stops`; `rest` is what is behind it. */
static struct span cut(struct span s, const char *stops, struct span *rest)
{
	size_t n = 0;
	while (n < s.n && !strchr(stops, s.p[n]))
		n++;
	*rest = span_from(s, n + 1);
	return (struct span){ s.p, n };
}

/* "k=v;k2=v2", seen as "{X-PH-k: v, X-PH-k2: v2}", too: an object of them. */
static struct json read_headers(struct json headers, struct arena *a)
{
	static const struct span prefix = { "X-PH-", 5 };
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	if (headers.kind == JSON_OBJECT)
		return headers;
	struct span left = json_text(headers, a);
	json_begin(&o, NULL);
	while (left.n) {
		struct span value, name = trim(cut(cut(left, ";,{}", &left), "=:", &value));
		name = span_from(name, span_starts(name, prefix) ? prefix.n : 0);
		if (name.n) {
			char *key = arena_printf(a, "%.*s", SPAN_ARG(name));
			json_put_text(&o, key, trim(value));
		}
	}
	json_end(&o);
	return (struct json){ JSON_OBJECT, arena_copy(a, buf_span(&b)) };
}

static const struct media_stream plivo = {
	.names = { { "sequenceNumber", 14 }, { "streamId", 8 } },
	MEDIA_STREAM_FIELDS,
	.verbs = verbs,
	.verbs_n = sizeof(verbs) / sizeof(verbs[0]),
	.wall_clock = true,
	.plays_to_inbound = true,
	.custom = read_headers,
};

static void open_stream(void *state, const struct media_about *about)
{
	(void)about;
	media_stream_open(state, &plivo);
}

static void put_audio(void *state, struct span payload, struct media_out *out)
{
	struct json_out o = media_json_begin(out);
	json_put_z(&o, "event", "playAudio");
	json_begin(&o, "media");
	json_put_text(&o, "contentType", media_stream_encoding(state));
	json_put_i64(&o, "sampleRate", media_stream_rate(state));
	media_json_put_base64(&o, "payload", payload);
	json_end(&o);
	json_end(&o);
}

static struct json_out begin(void *state, const char *event, struct media_out *out)
{
	struct json_out o = media_json_begin(out);
	json_put_z(&o, "event", event);
	json_put_text(&o, "streamId", media_stream_id(state));
	return o;
}

static void put_mark(void *state, struct span name, struct media_out *out)
{
	struct json_out o = begin(state, "checkpoint", out);
	json_put_text(&o, "name", name);
	json_end(&o);
}

static void put_clear(void *state, struct media_out *out)
{
	struct json_out o = begin(state, "clearAudio", out);
	json_end(&o);
}

const struct media_dialect plivo_media = {
	.name = "plivo",
	.title = "Plivo audio streams",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = MEDIA_STREAM_MESSAGE_MAX,
	.ends_by_close = true,
	.stamps_waver = true,
	.open = open_stream,
	.text = media_stream_text,
	.put_audio = put_audio,
	.put_mark = put_mark,
	.put_clear = put_clear,
};
