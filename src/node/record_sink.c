/* Happy path: begin when the line's format is known; a file for each leg with its first frame;
 * moved to the call when it is known; closed with the line.
 *
 * Pauses: every shard knows the calls that are paused (an errand goes to each of them), and since
 * when, so that a line that begins, or finds its call, is paused from its next frame on, and what
 * it had recorded of the pause before is silence.
 *
 * Failure modes: the recorder gives up a leg (disk full ...) - all legs of the line end, the fact
 * is told, the call goes on; no block free - the recorder counts what is left out. */
#include "node/record_sink.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/container.h"

/* Legs that are over stay open for a while: their call may be found, or another, later on. */
enum { LEFT_MAX = 16 };
struct left_leg {
	struct recording *recording;
	int64_t start_us;
	uint32_t rate_hz;
};

struct line_record {
	struct record_sink *sink;
	struct media_line *line;
	struct uuid call; /* or one made up while it is not known */
	struct recording *legs[HEARD_LEGS_MAX];
	int64_t start_us[HEARD_LEGS_MAX];
	uint32_t rate_hz[HEARD_LEGS_MAX];
	bool raw[HEARD_LEGS_MAX]; /* frames go into the file as they come */
	int64_t most_ms;	  /* of legs that are over */
	struct left_leg left[LEFT_MAX];
	unsigned left_n;
	bool started, failed, paused;
	struct line_record *prev, *next;
};

/* A call whose recordings are paused as soon as they begin. */
struct paused_call {
	struct uuid call;
	int64_t since_us;
	UT_hash_handle hh;
};

/* Touched on its shard only. */
struct sink_shard {
	struct line_record *lines;
	struct paused_call *paused;
};

struct record_sink {
	struct recorder *recorder;
	unsigned shards_n;
	struct sink_shard shards[];
};

/* --- facts --- */

static int64_t recorded_ms(const struct line_record *l)
{
	int64_t ms = l->most_ms;

	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		if (l->legs[i] && recorder_ms(l->legs[i]) > ms)
			ms = recorder_ms(l->legs[i]);
	return ms;
}

static void tell(struct line_record *l, const char *what, const char *why)
{
	const struct heard h = { .kind = HEARD_RECORDING,
				 .at_us = clock_now_us(),
				 .ms = recorded_ms(l),
				 .name = span_of(what),
				 .text = span_of(why) };

	media_line_tell(l->line, &h, 1);
}

/* --- a leg --- */

static void close_oldest(struct line_record *l)
{
	recorder_close(l->left[0].recording, l->left[0].start_us);
	l->left_n--;
	memmove(l->left, l->left + 1, l->left_n * sizeof(l->left[0]));
}

static void close_all(struct line_record *l)
{
	while (l->left_n)
		close_oldest(l);
	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		if (l->legs[i])
			recorder_close(take(l->legs[i]), l->start_us[i]);
}

static struct wav_shape shape_of(const struct line_record *l, const struct media_frame *f)
{
	unsigned format = f->codec->wav_format;
	bool g711 = format == WAV_ULAW || format == WAV_ALAW;
	struct media_leg_about about;
	/* Packets that may overtake each other are in order only when they are decoded. */
	bool raw = g711 && !media_line_dialect(l->line)->reorder &&
		   media_line_leg(l->line, f->leg, &about) &&
		   (!about.announced_hz || about.announced_hz == f->rate_hz);

	return (struct wav_shape){ .coding = raw ? (enum wav_coding)format : WAV_PCM,
				   .channels = 1,
				   .bits = raw ? 8 : 16,
				   .rate_hz = f->rate_hz };
}

static void open_leg(struct line_record *l, const struct media_frame *f)
{
	const struct recorder_leg leg = { .call = l->call,
					  .note = { .start_us = f->start_us,
						    .leg = f->leg,
						    .speaker = f->speaker,
						    .rank = media_line_dialect(l->line)->rank },
					  .shape = shape_of(l, f) };

	l->rate_hz[f->leg] = f->rate_hz;
	l->raw[f->leg] = leg.shape.coding != WAV_PCM;
	l->legs[f->leg] = recorder_open(l->sink->recorder, &leg);
	recorder_pause(l->legs[f->leg], l->paused);
	if (l->started)
		return;
	l->started = true;
	tell(l, "started", "");
	if (l->paused)
		tell(l, "paused", "");
}

/* Samples for which no frame came: filled gaps, or more than one frame at a time. */
static struct span coded(const struct media_frame *f, uint8_t *room, size_t n)
{
	bool ulaw = f->codec->wav_format == WAV_ULAW;

	for (size_t i = 0; i < n; i++)
		room[i] = ulaw ? g711_ulaw_of(f->pcm.samples[i]) : g711_alaw_of(f->pcm.samples[i]);
	return (struct span){ (const char *)room, n };
}

static int write_frame(struct line_record *l, const struct media_frame *f)
{
	uint8_t room[CODEC_SAMPLES_MAX];
	struct recording *rec = l->legs[f->leg];

	if (!l->raw[f->leg])
		return recorder_write(rec, f->pcm.at,
				      (struct span){ (const char *)f->pcm.samples,
						     f->pcm.n * sizeof(*f->pcm.samples) });
	if (f->payload.n == f->pcm.n)
		return recorder_write(rec, f->pcm.at, f->payload);
	size_t n = f->pcm.n < sizeof(room) ? f->pcm.n : sizeof(room);
	return recorder_write(rec, f->pcm.at, coded(f, room, n));
}

/* --- pauses --- */

static void pause_line(struct line_record *l, bool paused)
{
	if (l->paused == paused)
		return;
	l->paused = paused;
	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		if (l->legs[i])
			recorder_pause(l->legs[i], paused);
	if (l->started)
		tell(l, paused ? "paused" : "resumed", "");
}

static int64_t position_of(int64_t at_us, int64_t start_us, uint32_t rate_hz)
{
	return at_us > start_us ? (at_us - start_us) * rate_hz / SECOND_US : 0;
}

static void blank_line(struct line_record *l, int64_t since_us)
{
	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		if (l->legs[i])
			recorder_blank(l->legs[i],
				       position_of(since_us, l->start_us[i], l->rate_hz[i]));
	for (unsigned i = 0; i < l->left_n; i++)
		recorder_blank(l->left[i].recording,
			       position_of(since_us, l->left[i].start_us, l->left[i].rate_hz));
}

static struct sink_shard *at(struct record_sink *s, struct shard *here)
{
	return &s->shards[shard_index(here)];
}

static struct paused_call *find_paused(const struct sink_shard *s, const struct uuid *call)
{
	struct paused_call *p;

	HASH_FIND(hh, s->paused, call, sizeof(*call), p);
	return p;
}

static void note_paused(struct sink_shard *s, const struct uuid *call, int64_t since_us)
{
	struct paused_call *p = find_paused(s, call) ? NULL : calloc(1, sizeof(*p));

	if (!p)
		return;
	p->call = *call;
	p->since_us = since_us;
	HASH_ADD(hh, s->paused, call, sizeof(p->call), p);
}

static void forget_paused(struct sink_shard *s, const struct uuid *call)
{
	struct paused_call *p = find_paused(s, call);

	if (p)
		HASH_DEL(s->paused, p);
	free(p);
}

/* How things stand never resumes a line: a call that has ended is forgotten, but what is still said
 * stays out. */
static void pause_here(struct sink_shard *s, struct errand *e)
{
	bool pause = e->command->verb == COMMAND_RECORD_PAUSE;
	bool found = find_paused(s, &e->call) != NULL;
	struct line_record *l;

	if (e->standing && pause)
		note_paused(s, &e->call, e->since_us);
	if (!pause)
		forget_paused(s, &e->call);
	DL_FOREACH(s->lines, l)
	{
		if (l->failed || !uuid_eq(&l->call, &e->call))
			continue;
		found = true;
		if (pause || !e->standing)
			pause_line(l, pause);
		if (pause && e->standing)
			blank_line(l, e->since_us);
	}
	if (found)
		e->end = OUTCOME_DONE;
}

static void run_home(struct mail *m, struct shard *here)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);

	(void)here;
	e->done(e);
}

static void run_pause(struct mail *m, struct shard *here)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);
	struct record_sink *sink = e->carrier;
	bool last = ++e->shard == sink->shards_n;

	pause_here(at(sink, here), e);
	if (last)
		m->run = run_home;
	shard_post_sure(last ? e->home : shards_at(shard_group(here), e->shard), m);
}

void record_sink_command(void *sink, struct errand *e)
{
	e->carrier = sink;
	e->end = OUTCOME_NOT_SENT;
	fault(&e->why, E_NOT_FOUND, "nothing of this call is being recorded here");
	e->mail.run = run_pause;
	shard_post_sure(shards_at(shard_group(e->home), 0), &e->mail);
}

/* --- what media calls --- */

static void *on_begin(void *owner, struct media_line *line)
{
	struct record_sink *sink = owner;
	const struct dir_project *project = media_line_project(line);

	if (!project || !project->audio.recording)
		return NULL;
	struct line_record *l = calloc(1, sizeof(*l));
	CHECK(l);
	l->sink = sink;
	l->line = line;
	if (!media_line_call(line, &l->call))
		l->call = uuid_v7();
	struct sink_shard *here = at(sink, media_line_shard(line));
	l->paused = find_paused(here, &l->call) != NULL;
	DL_APPEND(here->lines, l);
	return l;
}

static void on_bound(void *user, struct media_line *line)
{
	struct line_record *l = user;
	struct uuid call;

	if (!media_line_call(line, &call) || uuid_eq(&call, &l->call))
		return;
	l->call = call;
	for (unsigned i = 0; i < HEARD_LEGS_MAX; i++)
		if (l->legs[i])
			recorder_move(l->legs[i], &call);
	for (unsigned i = 0; i < l->left_n; i++)
		recorder_move(l->left[i].recording, &call);
	const struct paused_call *p = find_paused(at(l->sink, media_line_shard(line)), &call);
	if (!p)
		return;
	pause_line(l, true);
	blank_line(l, p->since_us);
}

static void on_frame(void *user, const struct media_frame *f)
{
	struct line_record *l = user;

	if (l->failed || f->leg >= HEARD_LEGS_MAX || f->pcm.n == 0)
		return;
	if (!l->legs[f->leg])
		open_leg(l, f);
	l->start_us[f->leg] = f->start_us;
	if (write_frame(l, f) != E_CLOSED)
		return;
	tell(l, "failed", recorder_failed(l->legs[f->leg]));
	l->failed = true;
	close_all(l);
}

static void on_leg_over(void *user, unsigned leg)
{
	struct line_record *l = user;

	if (leg >= HEARD_LEGS_MAX || !l->legs[leg])
		return;
	l->most_ms = recorded_ms(l);
	if (l->left_n == LEFT_MAX)
		close_oldest(l);
	l->left[l->left_n++] =
		(struct left_leg){ take(l->legs[leg]), l->start_us[leg], l->rate_hz[leg] };
}

static void on_end(void *user, const char *why)
{
	struct line_record *l = user;

	if (l->started && !l->failed)
		tell(l, "stopped", why);
	close_all(l);
	DL_DELETE(at(l->sink, media_line_shard(l->line))->lines, l);
	free(l);
}

static const struct media_sink functions = {
	.begin = on_begin,
	.bound = on_bound,
	.frame = on_frame,
	.end = on_end,
	.leg_over = on_leg_over,
};

/* --- life --- */

int record_sink_new(struct record_sink **out, const struct recorder_config *config, unsigned shards,
		    struct fault *f)
{
	struct record_sink *s = calloc(1, sizeof(*s) + shards * sizeof(struct sink_shard));

	CHECK(s);
	s->shards_n = shards;
	int rc = recorder_new(&s->recorder, config, f);
	if (rc)
		free(s);
	else
		*out = s;
	return rc;
}

void record_sink_free(struct record_sink *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->shards_n; i++)
		while (s->shards[i].paused)
			forget_paused(&s->shards[i], &s->shards[i].paused->call);
	recorder_free(s->recorder);
	free(s);
}

void record_sink_attach(struct record_sink *s, struct media *media)
{
	media_add_sink(media, &functions, s);
}
