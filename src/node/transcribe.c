/* Happy path: the recording's channels are transcribed piece by piece; then its sound is heard once
 * more, with the words in their places, by the same import that brought it, and takes the place of
 * what the call was told before, in one transaction. So a call with words is what it would have
 * been had it been imported with them.
 *
 * The call of a recording that was fetched from the platform was told more than its sound: those
 * words are put beside the call; when all voices are in one without a speaker, unless the source
 * says whose the first voice is and the provider tells them apart.
 * A call that was followed live was told more than its sound: of what is heard then, only what the
 * words mean (what was said, turns, sentiment, signals, facts) is added to it.
 *
 * Failure modes
 *   no speech-to-text, words there, the recording is gone   nothing to do
 *   key, address or model refused, too long                 given up at once
 *   429 beyond patience, 5xx, no answer                     tried again later; what was paid for is
 * lost killed                                                  likewise; once stored, words are
 * there another machine has the file                            tried again later */
#include "node/transcribe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/import_sound.h"
#include "node/intake.h"
#include "record/sound_file.h"
#include "stt/whole.h"

enum { MIX_FRAMES = 1024 };

struct transcribing {
	struct job_context *ctx;
	bool aside;		  /* fetched from the platform: words are put beside the call */
	bool mixed;		  /* all voices in one, or nobody knows on which channel */
	bool narrow;		  /* made of 8 kHz sound */
	enum speaker first_voice; /* whose, of one that is mixed; SPEAKER_NONE: nobody knows */
	const char *unnamed;	  /* why, though the source says whose they are; NULL: else */
	int64_t prolonged_us;	  /* the lease, last */
	const struct job *job;
	struct intake intake;
	struct arena arena;
	struct span call_id; /* the provider's */
	struct uuid live;    /* ours, when it was followed live; else nil */
	int64_t start_us;
	struct buf path;
	struct sound_file *file;
	struct stt_whole_words words;
};

/* --- finding words --- */

static int read_file(void *user, int16_t *samples, size_t frames, size_t *got, struct fault *f)
{
	return sound_file_read(((struct transcribing *)user)->file, samples, frames, got, f);
}

/* What was one channel is kept as two that are the same; of two that are not, both are heard. */
static int read_mixed(void *user, int16_t *samples, size_t frames, size_t *got, struct fault *f)
{
	int16_t stereo[2 * MIX_FRAMES];
	size_t n = 1;

	for (*got = 0; *got < frames && n; *got += n) {
		size_t want = frames - *got < MIX_FRAMES ? frames - *got : MIX_FRAMES;

		TRY(read_file(user, stereo, want, &n, f));
		for (size_t i = 0; i < n; i++)
			samples[*got + i] = (int16_t)((stereo[2 * i] + stereo[2 * i + 1]) / 2);
	}
	return 0;
}

static int alive(void *user, struct fault *f)
{
	struct transcribing *t = user;
	int64_t now_us = clock_monotonic_us();

	if (t->ctx->stopping && t->ctx->stopping(t->ctx->user))
		return fault(f, E_UNAVAILABLE, "stopping");
	if (now_us - t->prolonged_us < t->ctx->lease_ms * MS_US / 3)
		return 0;
	t->prolonged_us = now_us;
	return job_prolong(t->ctx, t->job, f);
}

/* Of the same account: a provider of live sessions has a way for files, too. */
static const struct stt_provider *provider_of(const struct dir_stt *s)
{
	static const char *const ways[][2] = { { "deepgram", "deepgram-http" },
					       { "openai-realtime", "openai-http" } };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (span_is(s->provider, ways[i][0]))
			return stt_provider_find(span_of(ways[i][1]));
	return stt_provider_find(s->provider);
}

static int find_words(struct transcribing *t, const struct dir_stt *s,
		      const struct stt_provider *provider, struct fault *f)
{
	/* Models of OpenAI's Realtime API give no times over HTTP. */
	bool same = !span_is(s->provider, "openai-realtime");
	struct stt_whole w = {
		.provider = provider,
		.setup = { s->url, same ? s->model : (struct span){ 0 }, s->language,
			   s->key.value },
		.channels = t->mixed ? 1 : sound_file_channels(t->file),
		.speakers = { t->mixed ? SPEAKER_NONE : SPEAKER_USER, SPEAKER_AI },
		.first_voice = t->first_voice,
		.narrow = t->narrow,
		.rate_hz = sound_file_rate_hz(t->file),
		.start_us = t->start_us,
		.read = t->mixed ? read_mixed : read_file,
		.alive = alive,
		.user = t,
	};

	if (s->key.missing.n)
		return fault(f, E_UNAVAILABLE, "audio.stt.key: %.*s", SPAN_ARG(s->key.missing));
	return stt_whole(&w, &t->words, f);
}

/* --- whose the first voice is --- */

static enum speaker called_side(struct json doc)
{
	struct json direction = json_get(doc, "direction");

	if (json_true(json_get(doc, "later"))) /* ours, to whom the call was handed over */
		return SPEAKER_AI;
	return json_is_text(direction, "inbound")    ? SPEAKER_AI
	       : json_is_text(direction, "outbound") ? SPEAKER_USER
						     : SPEAKER_NONE;
}

static void learn_first_voice(struct transcribing *t, struct json doc)
{
	enum dir_first_voice rule = t->intake.source->connect.first_voice;
	const enum speaker sides[] = { [FIRST_VOICE_UNKNOWN] = SPEAKER_NONE,
				       [FIRST_VOICE_OURS] = SPEAKER_AI,
				       [FIRST_VOICE_CUSTOMER] = SPEAKER_USER,
				       [FIRST_VOICE_ANSWERER] = called_side(doc) };
	bool on_demand = json_true(json_get(doc, "on_demand"));

	if (!t->aside || !t->mixed || rule == FIRST_VOICE_UNKNOWN)
		return;
	t->first_voice = on_demand ? SPEAKER_NONE : sides[rule];
	if (!t->first_voice)
		t->unnamed = on_demand ? "it was begun on demand, in the middle of the call"
				       : "nobody knows who of the call was called";
}

static void tell_voices(const struct transcribing *t)
{
	const char *why = t->unnamed ? t->unnamed : t->words.unnamed;

	if (t->words.voices)
		log_info("transcribe", "recording %s: speakers by %u voices", t->job->key.p,
			 t->words.voices);
	else if (*why)
		log_info("transcribe", "recording %s: nobody is named: %s", t->job->key.p, why);
}

/* --- the call, anew, or with its words --- */

static bool never(void *unused)
{
	(void)unused;
	return false;
}

static int open_batch(const struct transcribing *t, struct batch **out, struct fault *f)
{
	struct uuid recording;

	if (uuid_parse(&recording, t->job->key))
		return fault(f, E_INVALID, "%s: no recording's id", t->job->key.p);
	const struct batch_config bc = { .url = buf_z((struct buf *)(uintptr_t)&t->intake.url),
					 .id = uuid_v5(&recording, SPAN("words")),
					 .name = "transcription",
					 .directory = t->intake.directory,
					 .source = t->intake.source,
					 .anew = uuid_is_nil(&t->live),
					 .words_of = t->live };
	return batch_open(out, &bc, f);
}

static int make_anew(struct transcribing *t, struct fault *f)
{
	scoped(batch) *batch = NULL;

	TRY(open_batch(t, &batch, f));
	const struct import_sound sound = { .batch = batch,
					    .directory = t->intake.directory,
					    .source = t->intake.source,
					    .id = t->call_id,
					    .start_us = t->start_us,
					    .words = t->words.facts,
					    .words_n = t->words.n,
					    .stopping = never };
	TRY(import_sound(&sound, buf_z(&t->path), f));
	return batch_finish(batch, f);
}

/* --- beside the call --- */

static void put_word(const struct heard *w, struct json_out *o)
{
	static const char *const who[][2] = { [SPEAKER_NONE] = { "unknown", NULL },
					      [SPEAKER_AI] = { "assistant", "ai" },
					      [SPEAKER_USER] = { "user", "user" } };
	char at[CLOCK_ISO + 1];

	clock_format(w->at_us, at);
	json_begin(o, NULL);
	json_put_z(o, "role", who[w->speaker][0]);
	json_put_z(o, "speaker", who[w->speaker][1]);
	json_put_text(o, "text", w->text);
	json_put_z(o, "at", at);
	json_end(o);
}

/* Stored also when there are none: nobody has to look again. */
static int put_beside(const struct transcribing *t, struct fault *f)
{
	struct buf words AUTO_BUF = { 0 }, out AUTO_BUF = { 0 };
	struct json_out o = { .b = &words };

	json_begin_array(&o, NULL);
	for (size_t i = 0; i < t->words.n; i++)
		put_word(&t->words.facts[i], &o);
	json_end_array(&o);
	char voices[12];
	const char *params[] = { t->job->key.p, t->ctx->owner, buf_z(&words),
				 t->words.voices ? voices : NULL };
	snprintf(voices, sizeof(voices), "%u", t->words.voices);
	return store_link_query(t->ctx->db, "transcribe_beside", params, 4, &out, f);
}

/* --- the job --- */

static int end_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char wanted[24];
	const char *params[] = { job->kind.p, job->key.p, ctx->owner, wanted };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)job->wanted);
	return store_link_query(ctx->db, "job_done", params, 4, &out, f);
}

static int open_file(struct transcribing *t, struct json doc, struct fault *f)
{
	struct fault why = { 0 };
	struct span file = json_text(json_get(doc, "file"), &t->arena);

	struct span live = json_text(json_get(doc, "call"), &t->arena);

	t->call_id = json_text(json_get(doc, "provider_call_id"), &t->arena);
	if (live.n && uuid_parse(&t->live, live))
		return fault(f, E_INVALID, "call: no id");
	if (!file.n || !t->call_id.n ||
	    !clock_parse(json_text(json_get(doc, "started_at"), &t->arena), &t->start_us))
		return fault(f, E_INVALID, "the recording has no file or its call no id");
	buf_printf(&t->path, "%s/%.*s", t->ctx->config->recording_folder, SPAN_ARG(file));
	int rc = sound_file_open(&t->file, buf_z(&t->path), &why);
	return rc ? fault(f, rc == E_INVALID ? rc : E_UNAVAILABLE, "%s: %s", buf_z(&t->path),
			  why.text)
		  : 0;
}

static int transcribe(struct transcribing *t, struct json doc, struct fault *f)
{
	struct span source = json_text(json_get(doc, "source_id"), &t->arena);
	const char *source_z = arena_printf(&t->arena, "%.*s", SPAN_ARG(source));

	TRY(intake_open(&t->intake, t->ctx->config, source_z, f));
	const struct dir_project *p =
		directory_project(t->intake.directory, &t->intake.source->project);
	const struct stt_provider *provider = p ? provider_of(&p->audio.stt) : NULL;
	if (!provider) /* taken away meanwhile */
		return 0;
	TRY(open_file(t, doc, f));
	learn_first_voice(t, doc);
	TRY(find_words(t, &p->audio.stt, provider, f));
	log_info("transcribe", "recording %s: %zu texts in %u requests", t->job->key.p, t->words.n,
		 t->words.requests);
	tell_voices(t);
	if (t->aside)
		return put_beside(t, f);
	return t->words.n ? make_anew(t, f) : 0;
}

static void transcribing_fini(struct transcribing *t)
{
	sound_file_free(t->file);
	stt_whole_words_free(&t->words);
	intake_fini(&t->intake);
	buf_free(&t->path);
	arena_fini(&t->arena);
}

int transcribe_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct transcribing t = { .ctx = ctx, .job = job };
	struct buf known AUTO_BUF = { 0 };
	const char *params[] = { job->key.p };
	int64_t rate_hz;
	int rc = store_link_query(ctx->db, "transcribe_load", params, 1, &known, f);

	if (rc == E_NOT_FOUND)
		return end_job(ctx, job, f);
	TRY(rc);
	struct json doc = json_of(buf_span(&known));
	t.aside = json_true(json_get(doc, "aside"));
	t.mixed = json_true(json_get(doc, "mixed"));
	t.narrow = json_i64(json_get(doc, "rate_hz"), &rate_hz) && rate_hz <= 8000;
	if (!json_true(json_get(doc, "spoken")))
		rc = transcribe(&t, doc, f);
	transcribing_fini(&t);
	return rc ? rc : end_job(ctx, job, f);
}
