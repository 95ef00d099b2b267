/* Deepgram live: wss://api.deepgram.com/v1/listen (developers.deepgram.com/reference, "Live
 * Audio").
 *
 * Sent: binary audio; {"type":"KeepAlive"} when there is none (after 10 s without anything the
 * server closes with 1011 NET-0001); at the end {"type":"CloseStream"}. Never an empty binary
 * message: that was the old way to close.
 *
 * Read: Results (is_final: these words stay; speech_final: a pause of `endpointing` ms ends the
 * utterance; from_finalize), UtteranceEnd (a gap between words where noise let no pause be found),
 * Metadata (the last message), Error. `start` and `duration` count the audio sent. */
#include "stt/provider.h"

static void path(const struct stt_setup *setup, struct stt_form form, struct buf *out)
{
	static const char *const encodings[] = {
		[STT_ULAW] = "mulaw",
		[STT_ALAW] = "alaw",
		[STT_PCM] = "linear16",
	};

	buf_addz(out, "/listen?model=");
	buf_add_percent(out, stt_model(stt_provider_find(SPAN("deepgram")), setup), BUF_IN_VALUE);
	buf_printf(out, "&encoding=%s&sample_rate=%u&channels=1", encodings[form.coding],
		   (unsigned)form.rate_hz);
	buf_addz(out, "&interim_results=true&endpointing=300&utterance_end_ms=1000"
		      "&punctuate=true&smart_format=true");
	if (!setup->language.n)
		return;
	buf_addz(out, "&language=");
	buf_add_percent(out, setup->language, BUF_IN_VALUE);
}

static void keep_alive(struct buf *out)
{
	buf_addz(out, "{\"type\":\"KeepAlive\"}");
}

static void finish(void *state, struct buf *out)
{
	(void)state;
	buf_addz(out, "{\"type\":\"CloseStream\"}");
}

/* --- reading --- */

/* From the first word to the last: a segment's own times take in the silence around them. */
static void read_times(struct json message, struct json words, struct stt_result *r)
{
	struct json_iter it = json_iter(words);
	struct span key;
	struct json word, last = { 0 };
	int64_t start_us = stt_seconds_us(json_get(message, "start"));
	int64_t duration_us = stt_seconds_us(json_get(message, "duration"));

	r->from_us = start_us;
	r->to_us = start_us >= 0 && duration_us >= 0 ? start_us + duration_us : -1;
	if (words.kind != JSON_ARRAY || !r->text.n)
		return;
	while (json_next(&it, &key, &word))
		last = word;
	int64_t from_us = stt_seconds_us(json_get(json_first(words), "start"));
	int64_t to_us = stt_seconds_us(json_get(last, "end"));
	if (from_us >= 0 && to_us >= from_us) {
		r->from_us = from_us;
		r->to_us = to_us;
	}
}

static int read_results(struct json m, struct arena *a, struct stt_result *r, struct fault *f)
{
	struct json best = json_first(json_path(m, "channel.alternatives"));

	if (best.kind != JSON_OBJECT || stt_seconds_us(json_get(m, "start")) < 0)
		return fault(f, E_INVALID, "Results without alternatives or start");
	r->words = true;
	r->text = json_text(json_get(best, "transcript"), a);
	r->confidence = r->text.n ? stt_per_mille(json_get(best, "confidence")) : -1;
	r->final = json_true(json_get(m, "is_final"));
	r->ends = json_true(json_get(m, "speech_final")) || json_true(json_get(m, "from_finalize"));
	read_times(m, json_get(best, "words"), r);
	return 0;
}

static int read_end(struct json m, struct arena *a, struct stt_result *r, struct fault *f)
{
	(void)m, (void)a, (void)f;
	r->words = r->ends = true;
	return 0;
}

static int read_metadata(struct json m, struct arena *a, struct stt_result *r, struct fault *f)
{
	(void)m, (void)a, (void)f;
	r->done = true;
	return 0;
}

static int read_error(struct json m, struct arena *a, struct stt_result *r, struct fault *f)
{
	(void)f;
	r->complaint = json_text(json_get(m, "description"), a);
	if (!r->complaint.n)
		r->complaint = SPAN("an error without a description");
	return 0;
}

static const struct {
	const char *type;
	int (*read)(struct json, struct arena *, struct stt_result *, struct fault *);
} messages[] = {
	{ "Results", read_results },
	{ "UtteranceEnd", read_end },
	{ "Metadata", read_metadata },
	{ "Error", read_error },
};

static int read_message(void *state, struct span message, struct arena *a, struct stt_result *out,
			size_t cap, size_t *n, struct fault *f)
{
	(void)state;
	*n = 0;
	if (json_check(message, f))
		return E_INVALID;
	struct json m = json_of(message), type = json_get(m, "type");
	for (size_t i = 0; cap && i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (!json_is_text(type, messages[i].type))
			continue;
		*out = (struct stt_result){
			.from_us = -1, .to_us = -1, .confidence = -1, .voice = -1
		};
		TRY(messages[i].read(m, a, out, f));
		*n = 1;
	}
	return type.kind == JSON_STRING ? 0 : fault(f, E_INVALID, "a message without a type");
}

const struct stt_provider stt_deepgram = {
	.name = "deepgram",
	.title = "Deepgram",
	.url = "https://api.deepgram.com/v1",
	.model = "nova-3",
	.key_as = "Token ",
	.path = path,
	.keep_alive = keep_alive,
	.keep_alive_ms = 4000,
	.finish = finish,
	.read = read_message,
};
