/* POST /v1/audio/transcriptions (developers.openai.com/api/reference, "Create transcription"), as
 * OpenAI and many servers of one's own speak it: multipart/form-data with a WAV file in, JSON out.
 *
 * verbose_json gives segments with times and is asked for where the model has it (names of
 * Whisper); others give a text without times, which then lies in the whole piece. Segments that are
 * most likely no speech are left out, by Whisper's own two thresholds.
 *
 * Voices are told apart by gpt-4o-transcribe-diarize, or the project's model when it is of that
 * kind, with diarized_json: {"text", "segments": [{"type": "transcript.text.segment", "id",
 * "start", "end", "text", "speaker": "A"}]}, labels in the order in which voices are first heard.
 * It needs a chunking_strategy beyond 30 s, and takes 25 MB and 1,400 s (guide speech-to-text; the
 * latter by its own refusal, "longer than 1400 seconds which is the maximum for this model"). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/crypto.h"
#include "stt/provider.h"

enum {
	ONCE_MAX_MS = 1400 * 1000,
	ONCE_MAX_BYTES = 25 * 1000 * 1000 - 4096, /* the form is around it */
	LABEL_MAX = 64,
};
#define NO_SPEECH 0.6
#define LOGPROB_LEAST (-1.0)

static void path(const struct stt_setup *setup, struct stt_form form, struct buf *out)
{
	(void)setup, (void)form;
	buf_addz(out, "/audio/transcriptions");
}

/* --- the request --- */

static void put_field(struct buf *b, const char *boundary, const char *name, struct span value)
{
	buf_printf(b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", boundary,
		   name);
	buf_add(b, value);
	buf_addz(b, "\r\n");
}

static bool has(struct span model, const char *word)
{
	return memmem(model.p, model.n, word, strlen(word)) != NULL;
}

static struct span model_of(const struct stt_setup *setup)
{
	struct span model = stt_model(stt_provider_find(SPAN("openai-http")), setup);

	return setup->voices && !has(model, "diarize") ? SPAN("gpt-4o-transcribe-diarize") : model;
}

static const char *answer_form(const struct stt_setup *setup, struct span model)
{
	return setup->voices ? "diarized_json" : has(model, "whisper") ? "verbose_json" : "json";
}

static void post(const struct stt_setup *setup, struct stt_form form, struct span audio,
		 struct buf *body, struct buf *content_type)
{
	char boundary[48];
	struct span model = model_of(setup);

	snprintf(boundary, sizeof(boundary), "callmend-%016" PRIx64, hash64(audio));
	buf_printf(content_type, "multipart/form-data; boundary=%s", boundary);
	put_field(body, boundary, "model", model);
	put_field(body, boundary, "response_format", span_of(answer_form(setup, model)));
	if (setup->voices)
		put_field(body, boundary, "chunking_strategy", SPAN("auto"));
	if (setup->language.n)
		put_field(body, boundary, "language", setup->language);
	buf_printf(body,
		   "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
		   "filename=\"audio.wav\"\r\nContent-Type: audio/wav\r\n\r\n",
		   boundary);
	stt_put_wav(body, form, audio);
	buf_printf(body, "\r\n--%s--\r\n", boundary);
}

/* --- the answer --- */

static struct span trimmed(struct span s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s = span_from(s, 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is_no_speech(struct json segment)
{
	double none = 0, logprob = 0;

	return json_f64(json_get(segment, "no_speech_prob"), &none) && none > NO_SPEECH &&
	       json_f64(json_get(segment, "avg_logprob"), &logprob) && logprob < LOGPROB_LEAST;
}

static struct stt_result result_of(struct json v, struct arena *a)
{
	double logprob;
	bool sure = json_f64(json_get(v, "avg_logprob"), &logprob) && logprob <= 0;

	return (struct stt_result){
		.words = true,
		.final = true,
		.text = trimmed(json_text(json_get(v, "text"), a)),
		.from_us = stt_seconds_us(json_get(v, "start")),
		.to_us = stt_seconds_us(json_get(v, "end")),
		.confidence = sure ? (int)lround(exp(logprob) * 1000) : -1,
		.voice = -1,
	};
}

/* Labels in the order in which they come. */
struct labels {
	char names[STT_VOICES_MAX][LABEL_MAX];
	int n;
};

static int voice_of(struct labels *labels, struct span label)
{
	if (!label.n || label.n >= LABEL_MAX)
		return -1;
	for (int i = 0; i < labels->n; i++)
		if (span_is(label, labels->names[i]))
			return i;
	if (labels->n == STT_VOICES_MAX)
		return -1;
	snprintf(labels->names[labels->n], LABEL_MAX, "%.*s", SPAN_ARG(label));
	return labels->n++;
}

static int read_segments(struct json list, struct arena *a, struct stt_result *out, size_t cap,
			 size_t *n, struct fault *f)
{
	struct json_iter it = json_iter(list);
	struct labels labels = { .n = 0 };
	struct span key;
	struct json v;

	while (json_next(&it, &key, &v)) {
		struct stt_result r = result_of(v, a);

		if (!r.text.n || is_no_speech(v))
			continue;
		if (*n == cap)
			return fault(f, E_TOO_LARGE, "more than %zu segments", cap);
		r.voice = voice_of(&labels, json_text(json_get(v, "speaker"), a));
		out[(*n)++] = r;
	}
	return 0;
}

static int read_answer(void *state, struct span message, struct arena *a, struct stt_result *out,
		       size_t cap, size_t *n, struct fault *f)
{
	(void)state;
	*n = 0;
	if (json_check(message, f))
		return E_INVALID;
	struct json answer = json_of(message), segments = json_get(answer, "segments");
	if (json_get(answer, "text").kind != JSON_STRING)
		return fault(f, E_INVALID, "an answer without text");
	if (segments.kind == JSON_ARRAY) {
		TRY(read_segments(segments, a, out, cap, n, f));
	} else if (cap) {
		out[0] = result_of(answer, a);
		*n = out[0].text.n > 0;
	}
	if (*n)
		out[*n - 1].ends = true;
	return 0;
}

const struct stt_provider stt_openai_http = {
	.name = "openai-http",
	.title = "OpenAI transcription",
	.url = "https://api.openai.com/v1",
	.model = "whisper-1",
	.key_as = "Bearer ",
	.posts = true,
	.only_pcm = true,
	.path = path,
	.post = post,
	.once_max_ms = ONCE_MAX_MS,
	.once_max_bytes = ONCE_MAX_BYTES,
	.read = read_answer,
};
