#include "stt/whole.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "codecs/resample.h"
#include "net/provider_status.h"
#include "net/simple_client.h"
#include "stt/voices.h"

enum {
	RATE_HZ = 16000,
	NARROW_HZ = 8000,
	CUT_WITHIN_MS = 20 * 1000, /* of a piece's end the quietest place is looked for */
	CUT_WINDOW_MS = 100,
	GROW_MS = 30 * 1000,
	SOUND_LEAST = 100, /* magnitude: below that a piece is silent */
	/* What a request may take and give: so much, and so much more for each second of sound.
	 * Each word comes twice, with some 200 bytes about it, and nobody says more than 5 a
	 * second. */
	RESULTS = 1024,
	RESULTS_PER_S = 2,
	ANSWER_MAX = 4 * 1024 * 1024,
	ANSWER_MAX_PER_S = 4 * 1024,
	TIMEOUT_MS = 120 * 1000,
	TIMEOUT_MS_PER_S = 500,
};

struct channel {
	struct resample *resample; /* NULL: as it is */
	int16_t *samples;
	size_t n, cap;
	int64_t before; /* samples that were taken away */
};

struct work {
	const struct stt_whole *w;
	struct stt_whole_words *out;
	struct stt_setup setup; /* voices: it is one piece, as long as it can be */
	struct channel channels[STT_CHANNELS_MAX];
	uint32_t rate_hz;    /* of the channels */
	int16_t *read, *one; /* a second, interleaved and of one channel */
	struct stt_result *results;
	enum speaker *who; /* says them */
	size_t results_cap;
	struct arena arena;
	struct buf url, key, body, answer, retry_after;
};

/* --- one request --- */

/* What lasts is E_INVALID: the job that asks is not tried again. */
static int judge(int status, struct fault *f)
{
	int rc = provider_status(status, f);

	if (!rc)
		return 0;
	if (f && provider_status_lasts(rc))
		f->code = E_INVALID;
	(void)fault_wrap(f, "speech-to-text");
	return provider_status_lasts(rc) ? E_INVALID : rc;
}

static int64_t seconds_of(const struct work *k, struct span audio)
{
	return (int64_t)(audio.n / sizeof(int16_t)) / k->rate_hz;
}

static void write_request(struct work *k, struct span audio, struct buf *type_line)
{
	struct buf type AUTO_BUF = { 0 };
	const struct stt_form form = { STT_PCM, k->rate_hz };

	buf_clear(&k->url);
	buf_clear(&k->body);
	stt_write_url(k->w->provider, &k->setup, form, &k->url);
	k->w->provider->post(&k->setup, form, audio, &k->body, &type);
	buf_printf(type_line, "content-type: %s", buf_z(&type));
}

static int post(struct work *k, struct span audio, struct fault *f)
{
	struct buf type_line AUTO_BUF = { 0 };
	int64_t seconds = seconds_of(k, audio);
	int status = 0;

	buf_clear(&k->answer);
	buf_clear(&k->retry_after);
	write_request(k, audio, &type_line);
	const struct simple_request r = {
		.method = HTTP_POST,
		.url = buf_z(&k->url),
		.headers = { buf_z(&type_line), k->w->setup.key.n ? buf_z(&k->key) : NULL },
		.body = buf_span(&k->body),
		.timeout_ms = TIMEOUT_MS + seconds * TIMEOUT_MS_PER_S,
		.response_limit = (size_t)(ANSWER_MAX + seconds * ANSWER_MAX_PER_S),
		.alive = k->w->alive,
		.user = k->w->user,
		.wanted_header = "retry-after",
		.wanted = &k->retry_after,
	};
	TRY(k->w->alive(k->w->user, f));
	k->out->requests++;
	if (simple_client_send(&r, &status, &k->answer, f))
		return fault_wrap(f, "speech-to-text");
	return judge(status, f);
}

static int64_t asked_pause_ms(struct buf *retry_after)
{
	char *end;
	double seconds = strtod(buf_z(retry_after), &end);

	return retry_after->n && !*end && seconds >= 0 && seconds < 1e6 ? (int64_t)(seconds * 1000)
									: 1000;
}

static int wait_ms(struct work *k, int64_t ms, struct fault *f)
{
	for (; ms > 0; ms -= 1000) {
		TRY(k->w->alive(k->w->user, f));
		usleep((useconds_t)(ms < 1000 ? ms : 1000) * 1000);
	}
	return 0;
}

static int post_patiently(struct work *k, struct span audio, struct fault *f)
{
	int rc = post(k, audio, f);

	for (unsigned i = 0; rc == E_FULL && i < STT_WHOLE_PAUSES; i++) {
		int64_t ms = asked_pause_ms(&k->retry_after);

		if (ms > STT_WHOLE_PAUSE_MAX_MS)
			return rc;
		TRY(wait_ms(k, ms, f));
		rc = post(k, audio, f);
	}
	return rc;
}

/* --- words --- */

static struct heard *new_fact(struct stt_whole_words *o)
{
	if (o->n == o->cap) {
		o->cap = o->cap ? 2 * o->cap : 64;
		o->facts = realloc(o->facts, o->cap * sizeof(*o->facts));
		CHECK(o->facts);
	}
	return &o->facts[o->n++];
}

/* Without times: the words lie somewhere in the piece. */
static void add_words(struct work *k, unsigned channel, size_t which, int64_t from_us,
		      int64_t length_us)
{
	const struct stt_result *r = &k->results[which];
	int64_t begin_us = r->from_us >= 0 ? r->from_us : 0;
	int64_t end_us = r->to_us >= begin_us && r->to_us <= length_us ? r->to_us : length_us;

	*new_fact(k->out) = (struct heard){
		.kind = HEARD_TRANSCRIPT,
		.leg = channel,
		.speaker = k->who[which],
		.final = true,
		.at_us = k->w->start_us + from_us + begin_us,
		.ms = end_us > begin_us ? (end_us - begin_us) / MS_US : 0,
		.value = r->confidence,
		.name = span_of(k->w->provider->name),
		.text = arena_copy(&k->out->texts, r->text),
	};
}

static bool is_silent(const struct channel *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c->samples[i] > SOUND_LEAST || c->samples[i] < -SOUND_LEAST)
			return false;
	return true;
}

static int64_t us_of(const struct work *k, int64_t samples)
{
	return samples * SECOND_US / k->rate_hz;
}

static void size_results(struct work *k, int64_t seconds)
{
	size_t cap = (size_t)(RESULTS + seconds * RESULTS_PER_S);

	if (cap <= k->results_cap)
		return;
	k->results_cap = cap;
	k->results = realloc(k->results, cap * sizeof(*k->results));
	k->who = realloc(k->who, cap * sizeof(*k->who));
	CHECK(k->results && k->who);
}

static void name_speakers(struct work *k, unsigned channel, size_t found)
{
	for (size_t i = 0; i < found; i++)
		k->who[i] = k->w->speakers[channel];
	if (!k->setup.voices)
		return;
	struct voices v = voices_name(k->results, found, k->w->first_voice, k->who);
	if (v.unnamed)
		snprintf(k->out->unnamed, sizeof(k->out->unnamed), "%s", v.unnamed);
	else
		k->out->voices = v.n;
}

static int transcribe(struct work *k, unsigned channel, size_t n, struct fault *f)
{
	const struct channel *c = &k->channels[channel];
	struct span audio = { (const char *)c->samples, n * sizeof(*c->samples) };
	size_t found = 0;

	if (!n || is_silent(c, n))
		return 0;
	TRY(post_patiently(k, audio, f));
	arena_reset(&k->arena);
	size_results(k, seconds_of(k, audio));
	int rc = k->w->provider->read(NULL, buf_span(&k->answer), &k->arena, k->results,
				      k->results_cap, &found, f);
	if (rc)
		return fault(f, E_CORRUPT, "speech-to-text: the answer is rubbish");
	name_speakers(k, channel, found);
	for (size_t i = 0; i < found; i++)
		add_words(k, channel, i, us_of(k, c->before), us_of(k, (int64_t)n));
	return 0;
}

/* --- pieces --- */

static size_t samples_of(const struct work *k, int64_t ms)
{
	return (size_t)(ms * k->rate_hz / 1000);
}

/* The middle of the quietest tenth of a second near the end of a piece. */
static size_t cut_of(const struct work *k, const struct channel *c)
{
	size_t end = samples_of(k, STT_PIECE_MS), window = samples_of(k, CUT_WINDOW_MS), best = end;
	uint64_t least = UINT64_MAX;

	for (size_t from = end - samples_of(k, CUT_WITHIN_MS); from + window <= end;
	     from += window) {
		uint64_t sum = 0;

		for (size_t i = from; i < from + window; i++)
			sum += (uint64_t)(c->samples[i] * c->samples[i]);
		if (sum >= least)
			continue;
		least = sum;
		best = from + window / 2;
	}
	return best;
}

static int take_piece(struct work *k, unsigned channel, size_t n, struct fault *f)
{
	struct channel *c = &k->channels[channel];

	TRY(transcribe(k, channel, n, f));
	memmove(c->samples, c->samples + n, (c->n - n) * sizeof(*c->samples));
	c->n -= n;
	c->before += (int64_t)n;
	if (us_of(k, c->before) > STT_WHOLE_MAX_MS * MS_US)
		return fault(f, E_INVALID, "speech-to-text: longer than %d minutes",
			     STT_WHOLE_MAX_MS / 60000);
	return 0;
}

/* One piece, unless it becomes longer than that may be. */
static bool is_once(struct work *k, size_t n)
{
	const struct stt_provider *p = k->w->provider;
	int64_t ms = us_of(k, (int64_t)n) / MS_US;

	if (k->setup.voices &&
	    (ms > p->once_max_ms || (int64_t)(n * sizeof(int16_t)) > p->once_max_bytes)) {
		k->setup.voices = false;
		snprintf(k->out->unnamed, sizeof(k->out->unnamed),
			 "longer than what %s takes at once to tell voices apart", p->title);
	}
	return k->setup.voices;
}

static int take_pieces(struct work *k, unsigned channel, bool last, struct fault *f)
{
	struct channel *c = &k->channels[channel];

	if (is_once(k, c->n))
		return last ? take_piece(k, channel, c->n, f) : 0;
	while (c->n > samples_of(k, STT_PIECE_MS))
		TRY(take_piece(k, channel, cut_of(k, c), f));
	return last ? take_piece(k, channel, c->n, f) : 0;
}

static void add_samples(const struct work *k, struct channel *c, const int16_t *samples, size_t n)
{
	size_t most = c->resample ? resample_max(c->resample, n) : n;

	if (c->n + most > c->cap) {
		c->cap = c->n + most + samples_of(k, GROW_MS);
		c->samples = realloc(c->samples, c->cap * sizeof(*c->samples));
		CHECK(c->samples);
	}
	if (c->resample) {
		c->n += resample_run(c->resample, samples, n, c->samples + c->n);
	} else {
		memcpy(c->samples + c->n, samples, n * sizeof(*samples));
		c->n += n;
	}
}

static int take_second(struct work *k, size_t frames, bool last, struct fault *f)
{
	unsigned channels = k->w->channels;

	for (unsigned i = 0; i < channels; i++) {
		for (size_t n = 0; n < frames; n++)
			k->one[n] = k->read[n * channels + i];
		add_samples(k, &k->channels[i], k->one, frames);
		TRY(take_pieces(k, i, last, f));
	}
	return 0;
}

static int go_through(struct work *k, struct fault *f)
{
	size_t second = k->w->rate_hz, got = second;

	while (got == second) {
		TRY(k->w->read(k->w->user, k->read, second, &got, f));
		TRY(take_second(k, got, got < second, f));
	}
	return 0;
}

/* --- the whole --- */

static int open_channels(struct work *k, struct fault *f)
{
	uint32_t most = k->w->narrow ? NARROW_HZ : RATE_HZ;
	bool as_it_is = k->w->rate_hz == NARROW_HZ || k->w->rate_hz == most;

	k->rate_hz = as_it_is ? k->w->rate_hz : most;
	for (unsigned i = 0; i < k->w->channels && !as_it_is; i++)
		TRY(resample_new(&k->channels[i].resample, k->w->rate_hz, most, f));
	k->read = malloc(k->w->rate_hz * k->w->channels * sizeof(int16_t));
	k->one = malloc(k->w->rate_hz * sizeof(int16_t));
	CHECK(k->read && k->one);
	buf_printf(&k->key, "authorization: %s%.*s", k->w->provider->key_as,
		   SPAN_ARG(k->w->setup.key));
	return 0;
}

static void work_fini(struct work *k)
{
	for (unsigned i = 0; i < STT_CHANNELS_MAX; i++) {
		resample_free(k->channels[i].resample);
		free(k->channels[i].samples);
	}
	free(k->read);
	free(k->one);
	free(k->results);
	free(k->who);
	arena_fini(&k->arena);
	buf_free(&k->url);
	buf_free(&k->key);
	buf_free(&k->body);
	buf_free(&k->answer);
	buf_free(&k->retry_after);
}

static int by_end(const void *a, const void *b)
{
	const struct heard *x = a, *y = b;
	int64_t x_us = x->at_us + x->ms * MS_US, y_us = y->at_us + y->ms * MS_US;

	return (x_us > y_us) - (x_us < y_us);
}

int stt_whole(const struct stt_whole *w, struct stt_whole_words *out, struct fault *f)
{
	struct work k = { .w = w, .out = out, .setup = w->setup };

	*out = (struct stt_whole_words){ 0 };
	CHECK(w->provider->posts && w->channels >= 1 && w->channels <= STT_CHANNELS_MAX);
	CHECK(!w->first_voice || w->channels == 1);
	k.setup.voices = w->first_voice != SPEAKER_NONE;
	int rc = open_channels(&k, f);
	if (!rc)
		rc = go_through(&k, f);
	work_fini(&k);
	if (out->n)
		qsort(out->facts, out->n, sizeof(*out->facts), by_end);
	return rc;
}

void stt_whole_words_free(struct stt_whole_words *w)
{
	free(w->facts);
	arena_fini(&w->texts);
	*w = (struct stt_whole_words){ 0 };
}
