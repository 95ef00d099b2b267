/* Vapi's custom transcriber: Vapi connects, says a start frame, then sends interleaved 16-bit PCM,
 * customer and assistant, cut anywhere (a message need not hold whole samples), and takes words
 * back. No message ends it.
 *
 * Source: docs.vapi.ai/customization/custom-transcriber; CustomTranscriber of Vapi's OpenAPI. */
#include "dialect/media_dialects.h"
#include "dialect/media_json.h"
#include "dialect/vapi_audio.h"

static int read_start(struct vapi_audio_state *s, struct json message, struct arena *a,
		      struct media_event *out, struct fault *f)
{
	struct media_start *start = arena_alloc(a, sizeof(*start));
	if (s->started)
		return fault(f, E_INVALID, "a second start");
	TRY(vapi_audio_start(message, a, start, f));
	s->started = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

static int read_text(void *state, struct span text, struct arena *a, struct media_event *out,
		     struct fault *f)
{
	struct json message;
	struct span type;
	*out = vapi_audio_nothing();
	TRY(media_json(text, "type", a, &message, &type, f));
	return span_is(type, "start") ? read_start(state, message, a, out, f) : 0;
}

static int read_binary(void *state, struct span bytes, struct arena *a, struct media_event *out,
		       struct fault *f)
{
	const struct vapi_audio_state *s = state;
	(void)a;
	*out = vapi_audio_nothing();
	if (!s->started)
		return fault(f, E_INVALID, "audio before start");
	if (bytes.n == 0)
		return 0;
	out->kind = MEDIA_AUDIO;
	out->payload = bytes;
	return 0;
}

static void put_transcript(void *state, unsigned leg, struct span text, bool final,
			   struct media_out *out)
{
	struct json_out o = media_json_begin(out);
	(void)state;
	json_put_z(&o, "type", "transcriber-response");
	json_put_text(&o, "transcription", text);
	json_put_z(&o, "channel", leg == 1 ? "assistant" : "customer");
	json_put_z(&o, "transcriptType", final ? "final" : "partial");
	json_end(&o);
}

const struct media_dialect vapi_transcriber_media = {
	.name = "vapi-transcriber",
	.title = "Vapi custom transcriber",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 256 * 1024,
	.ends_by_close = true,
	.rank = 1,
	.text = read_text,
	.binary = read_binary,
	.put_transcript = put_transcript,
};
