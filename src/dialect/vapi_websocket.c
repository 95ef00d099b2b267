/* The transport of a Vapi call that was placed with {"provider":"vapi.websocket"}: we connect and
 * are the customer. Audio is binary both ways, mono, in the format the call was placed with, 20 ms
 * a message out and never pausing. Text is client messages without the envelope of webhooks, and
 * commands out.
 *
 * Source: docs.vapi.ai/calls/websocket-transport; VapiAI/websocket-tester; AudioFormat of Vapi's
 * OpenAPI. Silence of mulaw is 0x7f there (G.711: minus zero). */
#include "dialect/media_dialects.h"
#include "dialect/vapi_audio.h"
#include "dialect/vapi_parts.h"

enum { RATE_DEFAULT = 16000, RATE_MAX = 192000, SILENCE_MS_MAX = 1000, FRAME_MS = 20 };

struct transport {
	bool started, mulaw;
	uint32_t rate;
	uint8_t call_n;
	char call[MEDIA_ID_MAX];
};
_Static_assert(sizeof(struct transport) <= MEDIA_STATE_BYTES, "fits the connection");

static void open_transport(void *state, const struct media_about *about)
{
	struct transport *t = state;
	bool sane = about->rate_hz > 0 && about->rate_hz <= RATE_MAX;
	t->mulaw = span_is(about->encoding, "mulaw");
	t->rate = sane ? about->rate_hz : t->mulaw ? 8000 : RATE_DEFAULT;
	t->call_n = about->call_id.n <= MEDIA_ID_MAX ? (uint8_t)about->call_id.n : 0;
	if (t->call_n)
		memcpy(t->call, about->call_id.p, t->call_n);
}

/* {"type":...} -> {"$over":"socket","message":{"callId":"...","type":...}}: as a webhook, of the
 * call that was dialled, and marked. */
static struct span wrap(const struct transport *t, struct json message, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct json_iter it = json_iter(message);
	struct span key;
	struct json v;
	json_begin(&o, NULL);
	json_put_z(&o, "$over", "socket"); /* VAPI_BESIDE */
	json_begin(&o, "message");
	if (t->call_n)
		json_put_text(&o, "callId", (struct span){ t->call, t->call_n });
	while (json_next(&it, &key, &v)) {
		if (t->call_n && span_is(key, "callId"))
			continue;
		buf_addz(&b, o.comma ? ",\"" : "\"");
		buf_add(&b, key);
		buf_addz(&b, "\":");
		buf_add(&b, v.raw);
		o.comma = true;
	}
	json_end(&o);
	json_end(&o);
	return arena_copy(a, buf_span(&b));
}

static int read_text(void *state, struct span text, struct arena *a, struct media_event *out,
		     struct fault *f)
{
	*out = vapi_audio_nothing();
	TRY(json_check(text, f));
	if (vapi_message_type(text, a).n == 0)
		return fault(f, E_INVALID, "a message has a type, or members that tell it");
	out->kind = MEDIA_MESSAGE;
	out->payload = wrap(state, vapi_message(text), a);
	return 0;
}

static void describe(const struct transport *t, struct media_start *start)
{
	start->encoding = t->mulaw ? SPAN("mulaw") : SPAN("pcm_s16le");
	start->rate_hz = t->rate;
	start->channels = 1;
	start->channels_known = true;
	start->legs_known = true;
	start->legs_n = 2;
	start->legs[0] = (struct media_leg){ SPEAKER_AI, SPAN("assistant") };
	start->legs[1] = (struct media_leg){ SPEAKER_USER, SPAN("customer") };
	start->our_leg = 1;
}

static int read_binary(void *state, struct span bytes, struct arena *a, struct media_event *out,
		       struct fault *f)
{
	struct transport *t = state;
	(void)f;
	*out = vapi_audio_nothing();
	if (bytes.n == 0)
		return 0;
	out->kind = MEDIA_AUDIO;
	out->payload = bytes;
	if (t->started)
		return 0;
	struct media_start *start = arena_alloc(a, sizeof(*start));
	describe(t, start);
	t->started = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

static void put_audio(void *state, struct span payload, struct media_out *out)
{
	(void)state;
	out->binary = true;
	buf_add(out->b, payload);
}

static void put_silence(void *state, unsigned ms, struct media_out *out)
{
	const struct transport *t = state;
	size_t samples = (size_t)t->rate * (ms < SILENCE_MS_MAX ? ms : SILENCE_MS_MAX) / 1000;
	size_t n = t->mulaw ? samples : samples * 2;
	out->binary = true;
	buf_reserve(out->b, n);
	if (n)
		memset(out->b->p + out->b->n, t->mulaw ? 0x7f : 0, n);
	out->b->n += n;
}

static int put_command(void *state, const struct command *c, struct media_out *out, struct fault *f)
{
	(void)state;
	out->binary = false;
	return vapi_command_put(c, out->b, f);
}

const struct media_dialect vapi_websocket_media = {
	.name = "vapi-websocket",
	.title = "Vapi WebSocket transport",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 4 * 1024 * 1024, /* conversation-update brings the whole talk */
	.ends_by_close = true,
	.we_dial = true,
	.open = open_transport,
	.text = read_text,
	.binary = read_binary,
	.put_audio = put_audio,
	.put_silence = put_silence,
	.put_command = put_command,
	.place = vapi_place,
	.placed = vapi_placed,
	.send_ms_min = FRAME_MS,
	.send_ms_max = FRAME_MS,
};
