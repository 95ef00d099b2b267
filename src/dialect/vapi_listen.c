/* A Vapi call's monitor.listenUrl: we connect and only hear, 16-bit PCM. Rate and channels are not
 * documented; some calls say them in a first text frame of the transcriber's form, else they are to
 * be measured. Other text frames come now and then and mean nothing to us.
 *
 * Source: docs.vapi.ai/calls/call-features; the start frame is known from public code only. */
#include "dialect/media_dialects.h"
#include "dialect/vapi_audio.h"

/* Once there was audio its format is being measured: a start that comes late is nothing. */
static int read_text(void *state, struct span text, struct arena *a, struct media_event *out,
		     struct fault *f)
{
	struct vapi_audio_state *s = state;
	*out = vapi_audio_nothing();
	TRY(json_check(text, f));
	struct json message = json_of(text);
	if (s->started || !json_is_text(json_get(message, "type"), "start"))
		return 0;
	struct media_start *start = arena_alloc(a, sizeof(*start));
	TRY(vapi_audio_start(message, a, start, f));
	s->started = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

static int read_binary(void *state, struct span bytes, struct arena *a, struct media_event *out,
		       struct fault *f)
{
	struct vapi_audio_state *s = state;
	(void)f;
	*out = vapi_audio_nothing();
	if (bytes.n == 0)
		return 0;
	out->kind = MEDIA_AUDIO;
	out->payload = bytes;
	if (s->started)
		return 0;
	struct media_start *start = arena_alloc(a, sizeof(*start));
	start->encoding = SPAN("linear16");
	vapi_audio_legs(start, 0);
	s->started = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

const struct media_dialect vapi_listen_media = {
	.name = "vapi-listen",
	.title = "Vapi call listening",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 256 * 1024,
	.ends_by_close = true,
	.rank = 2,
	.we_dial = true,
	.text = read_text,
	.binary = read_binary,
};
