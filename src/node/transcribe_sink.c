/* Happy path: a leg's first frame begins a session; its last words are waited for when the leg is
 * over, while another may begin at its place, or the line, which stays so long.
 *
 * Failure modes: the key cannot be read, or the platform waits for words of a project without
 * speech-to-text - told as "failed", nothing is sent; whatever else - src/stt. */
#include "node/transcribe_sink.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

struct line_words;

struct leg_words {
	struct line_words *line;
	struct stt_leg *stt;
	unsigned leg;
};

struct line_words {
	struct media_line *line;
	struct stt *stt;
	const struct stt_provider *provider;
	struct leg_words *legs[HEARD_LEGS_MAX]; /* NULL: none (yet), or its leg is over */
	unsigned running;			/* also those that wait for last words */
	bool always;				/* the project's calls have no speech detector */
	bool ended, closed; /* closed: sessions end by themselves, none begins */
};

struct transcribe_sink {
	struct stt_config config;
	struct stt *shards[]; /* each touched on its shard */
};

/* --- what speech-to-text calls --- */

static void on_heard(void *user, const struct heard *h)
{
	const struct leg_words *l = user;
	struct media_line *line = l->line->line;

	media_line_tell(line, h, 1);
	if (h->kind == HEARD_TRANSCRIPT)
		media_line_transcript(line, h->leg, h->text, h->final);
	else if (span_is(h->name, "failed"))
		media_line_wordless(line);
}

static void on_about(void *user, struct buf *out)
{
	const struct leg_words *l = user;

	media_line_about(l->line->line, out);
}

static void end_if_over(struct line_words *w)
{
	if (!w->ended || w->running)
		return;
	media_line_release(w->line);
	free(w);
}

static void on_over(void *user)
{
	struct leg_words *l = user;
	struct line_words *w = l->line;

	if (w->legs[l->leg] == l) {
		w->legs[l->leg] = NULL;
		w->closed = true;
	}
	free(l);
	w->running--;
	end_if_over(w);
}

/* --- what media calls --- */

static void tell_failed(struct media_line *line, struct span why)
{
	struct buf about AUTO_BUF = { 0 };
	const struct dir_project *project = media_line_project(line);
	struct heard h = { .kind = HEARD_TRANSCRIBER,
			   .at_us = clock_now_us(),
			   .name = SPAN("failed"),
			   .text = why };

	media_line_about(line, &about);
	log_often(LOG_WARN, "stt", project ? project->name : (struct span){ 0 },
		  "no speech-to-text for %s: %.*s", buf_z(&about), SPAN_ARG(why));
	media_line_tell(line, &h, 1);
}

static bool key_is_missing(struct media_line *line, const struct dir_stt *s)
{
	if (!s->key.missing.n)
		return false;
	tell_failed(line, s->key.missing);
	media_line_wordless(line);
	return true;
}

static void *on_begin(void *owner, struct media_line *line)
{
	struct transcribe_sink *sink = owner;
	const struct dir_project *project = media_line_project(line);
	const struct stt_provider *provider =
		project ? stt_provider_find(project->audio.stt.provider) : NULL;

	if (!provider && media_line_dialect(line)->put_transcript)
		tell_failed(line, SPAN("the project has no audio.stt, and the platform waits for "
				       "words"));
	if (!provider || media_line_dialect(line)->we_dial ||
	    key_is_missing(line, &project->audio.stt))
		return NULL;
	struct line_words *w = calloc(1, sizeof(*w));
	CHECK(w);
	w->line = line;
	w->stt = sink->shards[shard_index(media_line_shard(line))];
	w->provider = provider;
	w->always = span_is(project->audio.vad, "none");
	return w;
}

static void begin_leg(struct line_words *w, const struct media_frame *f)
{
	struct leg_words *l = calloc(1, sizeof(*l));
	const struct dir_stt *s = &media_line_project(w->line)->audio.stt;
	const struct stt_leg_config c = {
		.provider = w->provider,
		.setup = { s->url, s->model, s->language, s->key.value },
		.leg = f->leg,
		.speaker = f->speaker,
		.codec = f->codec,
		.rate_hz = f->rate_hz,
		.heard = on_heard,
		.over = on_over,
		.about = on_about,
		.user = l,
	};

	CHECK(l);
	l->line = w;
	l->leg = f->leg;
	w->legs[f->leg] = l;
	w->running++;
	l->stt = stt_leg_new(w->stt, &c);
}

static void on_frame(void *user, const struct media_frame *f)
{
	struct line_words *w = user;

	if (f->leg >= HEARD_LEGS_MAX || !f->pcm.n || w->closed)
		return;
	if (!w->legs[f->leg])
		begin_leg(w, f);
	const struct stt_audio a = {
		.samples = f->pcm.samples,
		.n = f->pcm.n,
		.at_us = f->start_us + f->pcm.at * SECOND_US / f->rate_hz,
		.speaking = f->speaking || w->always,
	};
	stt_leg_audio(w->legs[f->leg]->stt, &a);
}

static void on_leg_over(void *user, unsigned leg)
{
	struct line_words *w = user;
	struct leg_words *l = leg < HEARD_LEGS_MAX ? take(w->legs[leg]) : NULL;

	if (l)
		stt_leg_finish(l->stt);
}

static void on_end(void *user, const char *why)
{
	struct line_words *w = user;

	(void)why;
	media_line_hold(w->line);
	w->ended = true;
	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		on_leg_over(w, i);
	end_if_over(w);
}

static const struct media_sink functions = { .begin = on_begin,
					     .frame = on_frame,
					     .end = on_end,
					     .leg_over = on_leg_over,
					     .wants_speech = true };

/* --- life --- */

struct transcribe_sink *transcribe_sink_new(const struct stt_config *config, unsigned shards)
{
	struct transcribe_sink *s = calloc(1, sizeof(*s) + shards * sizeof(struct stt *));

	CHECK(s);
	s->config = *config;
	return s;
}

void transcribe_sink_free(struct transcribe_sink *s)
{
	free(s);
}

void transcribe_sink_attach(struct transcribe_sink *s, struct media *media)
{
	media_add_sink(media, &functions, s);
}

int transcribe_sink_start(struct transcribe_sink *s, struct shard *shard, struct fault *f)
{
	return stt_new(&s->shards[shard_index(shard)], shard, &s->config, f);
}

void transcribe_sink_stop(struct transcribe_sink *s, struct shard *shard)
{
	stt_free(take(s->shards[shard_index(shard)]));
}
