/* Deepgram for whole files: POST https://api.deepgram.com/v1/listen
 * (developers.deepgram.com/reference, "Transcribe and analyze pre-recorded audio and video") with a
 * WAV file as the body. For the words of finished calls of projects whose live ones come from
 * Deepgram.
 *
 * Read: results.utterances, asked for with utterances=true: parts between pauses, with times. With
 * diarize=true each has `speaker`, a number from 0 on (docs/diarization, docs/utterances): it ends
 * where another voice begins.
 *
 * Deepgram takes 2 GB at once; an hour is what we hold in memory for one request. */
#include "stt/provider.h"

enum { ONCE_MAX_MS = 3600 * 1000, ONCE_MAX_BYTES = 3600 * 16000 * 2 };

static void path(const struct stt_setup *setup, struct stt_form form, struct buf *out)
{
	(void)form;
	buf_addz(out, "/listen?model=");
	buf_add_percent(out, stt_model(stt_provider_find(SPAN("deepgram-http")), setup),
			BUF_IN_VALUE);
	buf_addz(out, "&punctuate=true&smart_format=true&utterances=true");
	if (setup->voices)
		buf_addz(out, "&diarize=true");
	if (!setup->language.n)
		return;
	buf_addz(out, "&language=");
	buf_add_percent(out, setup->language, BUF_IN_VALUE);
}

static void post(const struct stt_setup *setup, struct stt_form form, struct span audio,
		 struct buf *body, struct buf *content_type)
{
	(void)setup;
	buf_addz(content_type, "audio/wav");
	stt_put_wav(body, form, audio);
}

static int read_answer(void *state, struct span message, struct arena *a, struct stt_result *out,
		       size_t cap, size_t *n, struct fault *f)
{
	struct span key;
	struct json v;

	(void)state;
	*n = 0;
	if (json_check(message, f))
		return E_INVALID;
	struct json list = json_path(json_of(message), "results.utterances");
	struct json_iter it = json_iter(list);
	if (list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "an answer without utterances");
	while (json_next(&it, &key, &v)) {
		if (*n == cap)
			return fault(f, E_TOO_LARGE, "more than %zu utterances", cap);
		out[(*n)++] = (struct stt_result){
			.words = true,
			.final = true,
			.ends = true,
			.text = json_text(json_get(v, "transcript"), a),
			.from_us = stt_seconds_us(json_get(v, "start")),
			.to_us = stt_seconds_us(json_get(v, "end")),
			.confidence = stt_per_mille(json_get(v, "confidence")),
			.voice = stt_voice(json_get(v, "speaker")),
		};
	}
	return 0;
}

const struct stt_provider stt_deepgram_http = {
	.name = "deepgram-http",
	.title = "Deepgram for files",
	.url = "https://api.deepgram.com/v1",
	.model = "nova-3",
	.key_as = "Token ",
	.posts = true,
	.only_pcm = true,
	.path = path,
	.post = post,
	.once_max_ms = ONCE_MAX_MS,
	.once_max_bytes = ONCE_MAX_BYTES,
	.read = read_answer,
};
