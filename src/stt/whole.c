#include "stt/whole.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "codecs/resample.h"
#include "net/provider_status.h"
#include "net/simple_client.h"

enum {
	RATE_HZ = 16000,
	PIECE = STT_PIECE_MS / 1000 * RATE_HZ,
	CUT_WITHIN = 20 * RATE_HZ, /* of a piece's end the quietest place is looked for */
	CUT_WINDOW = RATE_HZ / 10,
	SOUND_LEAST = 100, /* magnitude: below that a piece is silent */
	RESULTS = 1024,
	TIMEOUT_MS = 120 * 1000,
	ANSWER_MAX = 4 * 1024 * 1024,
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
	struct channel channels[STT_CHANNELS_MAX];
	uint32_t rate_hz;    /* of the channels */
	int16_t *read, *one; /* a second, interleaved and of one channel */
	struct stt_result *results;
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

static int post(struct work *k, struct span audio, struct fault *f)
{
	struct buf type AUTO_BUF = { 0 }, type_line AUTO_BUF = { 0 };
	const struct stt_form form = { STT_PCM, k->rate_hz };
	int status = 0;

	buf_clear(&k->body);
	buf_clear(&k->answer);
	buf_clear(&k->retry_after);
	k->w->provider->post(&k->w->setup, form, audio, &k->body, &type);
	buf_printf(&type_line, "content-type: %s", buf_z(&type));
	const struct simple_request r = {
		.method = HTTP_POST,
		.url = buf_z(&k->url),
		.headers = { buf_z(&type_line), k->w->setup.key.n ? buf_z(&k->key) : NULL },
		.body = buf_span(&k->body),
		.timeout_ms = TIMEOUT_MS,
		.response_limit = ANSWER_MAX,
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
static void add_words(struct work *k, unsigned channel, const struct stt_result *r, int64_t from_us,
		      int64_t length_us)
{
	int64_t begin_us = r->from_us >= 0 ? r->from_us : 0;
	int64_t end_us = r->to_us >= begin_us && r->to_us <= length_us ? r->to_us : length_us;

	*new_fact(k->out) = (struct heard){
		.kind = HEARD_TRANSCRIPT,
		.leg = channel,
		.speaker = k->w->speakers[channel],
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

static int transcribe(struct work *k, unsigned channel, size_t n, struct fault *f)
{
	const struct channel *c = &k->channels[channel];
	size_t found = 0;

	if (!n || is_silent(c, n))
		return 0;
	TRY(post_patiently(k, (struct span){ (const char *)c->samples, n * sizeof(*c->samples) },
			   f));
	arena_reset(&k->arena);
	int rc = k->w->provider->read(NULL, buf_span(&k->answer), &k->arena, k->results, RESULTS,
				      &found, f);
	if (rc)
		return fault(f, E_CORRUPT, "speech-to-text: the answer is rubbish");
	for (size_t i = 0; i < found; i++)
		add_words(k, channel, &k->results[i], us_of(k, c->before), us_of(k, (int64_t)n));
	return 0;
}

/* --- pieces --- */

/* The middle of the quietest tenth of a second near the end. */
static size_t cut_of(const struct channel *c)
{
	size_t window = CUT_WINDOW, best = c->n;
	uint64_t least = UINT64_MAX;

	for (size_t from = c->n - CUT_WITHIN; from + window <= c->n; from += window) {
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

static int take_piece(struct work *k, unsigned channel, bool all, struct fault *f)
{
	struct channel *c = &k->channels[channel];

	if (!all && c->n < PIECE)
		return 0;
	size_t n = all ? c->n : cut_of(c);
	TRY(transcribe(k, channel, n, f));
	memmove(c->samples, c->samples + n, (c->n - n) * sizeof(*c->samples));
	c->n -= n;
	c->before += (int64_t)n;
	if (us_of(k, c->before) > STT_WHOLE_MAX_MS * MS_US)
		return fault(f, E_INVALID, "speech-to-text: longer than %d minutes",
			     STT_WHOLE_MAX_MS / 60000);
	return 0;
}

static void add_samples(struct channel *c, const int16_t *samples, size_t n)
{
	size_t most = c->resample ? resample_max(c->resample, n) : n;

	if (c->n + most > c->cap) {
		c->cap = c->n + most + PIECE / 4;
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
		add_samples(&k->channels[i], k->one, frames);
		TRY(take_piece(k, i, last, f));
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
	bool as_it_is = k->w->rate_hz == 8000 || k->w->rate_hz == RATE_HZ;

	k->rate_hz = as_it_is ? k->w->rate_hz : RATE_HZ;
	for (unsigned i = 0; i < k->w->channels && !as_it_is; i++)
		TRY(resample_new(&k->channels[i].resample, k->w->rate_hz, RATE_HZ, f));
	k->read = malloc(k->w->rate_hz * k->w->channels * sizeof(int16_t));
	k->one = malloc(k->w->rate_hz * sizeof(int16_t));
	k->results = malloc(RESULTS * sizeof(*k->results));
	CHECK(k->read && k->one && k->results);
	stt_write_url(k->w->provider, &k->w->setup, (struct stt_form){ STT_PCM, k->rate_hz },
		      &k->url);
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
	struct work k = { .w = w, .out = out };

	*out = (struct stt_whole_words){ 0 };
	CHECK(w->provider->posts && w->channels >= 1 && w->channels <= STT_CHANNELS_MAX);
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
