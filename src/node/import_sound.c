/* Happy path, in one pass over the file: read, hear each channel, encode; then the call's rows and
 * the recording's in one transaction.
 *
 * Failure modes
 *   killed after the encoding   made again, the same file at the same place
 *   cannot be read              a bad record, named with the file and what is wrong
 *   a call that is there        a duplicate: nothing is decoded or written */
#include "node/import_sound.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "leg/leg.h"
#include "record/render.h"
#include "record/sound_file.h"
#include "record/wav.h"

enum {
	SIDES = 2,
	FRAMES_PER_S = 50,
	FRAME_MAX = WAV_RATE_MAX / FRAMES_PER_S,
	BODY_FACTS = 40, /* and what one frame of both legs may bring */
	LEG_ALIGN = 64,
};
#define BODY_US (5 * SECOND_US)

struct side {
	struct leg *leg;
	enum speaker speaker;
	int16_t frame[FRAME_MAX]; /* being put together */
};

struct hearing {
	const struct import_sound *config;
	struct sound_file *file;
	unsigned sides_n, first; /* the channel that is the first side */
	struct side sides[SIDES];
	struct leg_scratch scratch;
	uint32_t rate_hz;
	int64_t start_us;
	uint64_t read, frames; /* so far; of them heard, in whole pieces */
	size_t frame_n;
	struct span stream;
	struct heard facts[BODY_FACTS + SIDES * LEG_FACTS_MAX];
	size_t facts_n;
	size_t words_n; /* told */
	struct arena texts;
	struct buf bodies;
	struct batch_heard *heard; /* bodies as offsets until they are all there */
	size_t heard_n, heard_cap;
};

static int64_t time_at(const struct hearing *h, uint64_t frames)
{
	return h->start_us + (int64_t)(frames * (uint64_t)SECOND_US / h->rate_hz);
}

/* --- facts --- */

static void end_body(struct hearing *h)
{
	size_t from = h->bodies.n;

	if (!h->facts_n)
		return;
	if (h->heard_n == h->heard_cap) {
		h->heard_cap = h->heard_cap ? 2 * h->heard_cap : 64;
		h->heard = realloc(h->heard, h->heard_cap * sizeof(*h->heard));
		CHECK(h->heard);
	}
	heard_write(h->stream, h->facts, h->facts_n, &h->bodies);
	h->heard[h->heard_n++] =
		(struct batch_heard){ time_at(h, h->frames), { NULL, h->bodies.n - from } };
	h->facts_n = 0;
	arena_reset(&h->texts);
}

static void keep_texts(struct hearing *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct heard *fact = &h->facts[h->facts_n + i];

		fact->name = arena_copy(&h->texts, fact->name);
		fact->text = arena_copy(&h->texts, fact->text);
		fact->id = arena_copy(&h->texts, fact->id);
	}
	h->facts_n += n;
}

static void hear_frame(struct hearing *h, struct side *side)
{
	const struct span bytes = { (const char *)side->frame, h->frame_n * sizeof(int16_t) };

	keep_texts(h, leg_frame(side->leg, bytes, -1, -1, time_at(h, h->frames),
				&h->facts[h->facts_n]));
}

static void tell(struct hearing *h, struct heard fact)
{
	h->facts[h->facts_n] = fact;
	keep_texts(h, 1);
}

/* That have ended by now. */
static void tell_words(struct hearing *h, int64_t now_us)
{
	for (; h->words_n < h->config->words_n; h->words_n++) {
		const struct heard *w = &h->config->words[h->words_n];

		if (w->at_us + w->ms * MS_US > now_us)
			return;
		tell(h, *w);
		if (h->facts_n >= BODY_FACTS)
			end_body(h);
	}
}

/* Legs hear their frames in turn, so that facts are told in the order of their times. */
static void hear_frames(struct hearing *h)
{
	h->frames += h->frame_n;
	for (unsigned i = 0; i < h->sides_n; i++)
		hear_frame(h, &h->sides[i]);
	h->frame_n = 0;
	tell_words(h, time_at(h, h->frames));
	bool old = h->facts_n && time_at(h, h->frames) - h->facts[0].at_us >= BODY_US;
	if (h->facts_n >= BODY_FACTS || old)
		end_body(h);
}

static void tell_attached(struct hearing *h)
{
	for (unsigned i = 0; i < h->sides_n; i++)
		tell(h, (struct heard){ .kind = HEARD_ATTACHED,
					.leg = i,
					.speaker = h->sides[i].speaker,
					.at_us = h->start_us,
					.name = SPAN("import"),
					.text = span_of(sound_file_format(h->file)),
					.value = h->rate_hz,
					.id = h->stream });
}

static void tell_detached(struct hearing *h)
{
	int64_t now_us = time_at(h, h->frames);

	tell_words(h, INT64_MAX);
	for (unsigned i = 0; i < h->sides_n; i++) {
		keep_texts(h, leg_finish(h->sides[i].leg, now_us, &h->facts[h->facts_n]));
		tell(h, (struct heard){ .kind = HEARD_DETACHED,
					.leg = i,
					.speaker = h->sides[i].speaker,
					.at_us = now_us,
					.name = SPAN("stop"),
					.ms = (now_us - h->start_us) / MS_US });
		end_body(h);
	}
}

/* --- samples --- */

/* The side a frame's channel is, as it is heard; a mono file has one. */
static int16_t sample_of(const struct hearing *h, const int16_t *frame, unsigned side)
{
	return frame[(side + h->first) % h->sides_n];
}

static void hear(struct hearing *h, const int16_t *samples, size_t frames)
{
	size_t each = h->rate_hz / FRAMES_PER_S;

	for (size_t i = 0; i < frames; i++) {
		for (unsigned side = 0; side < h->sides_n; side++)
			h->sides[side].frame[h->frame_n] =
				sample_of(h, samples + i * h->sides_n, side);
		if (++h->frame_n == each)
			hear_frames(h);
	}
}

/* Reads, hears, and gives left the customer, right the assistant. */
static int read_stereo(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	struct hearing *h = user;

	if (h->config->stopping(NULL))
		return fault(f, E_UNAVAILABLE, "stopped");
	/* In place: interleaved as in the file first. A mono file fills the first half. */
	TRY(sound_file_read(h->file, stereo, frames, got, f));
	h->read += *got;
	hear(h, stereo, *got);
	for (size_t i = *got; i-- > 0;) {
		const int16_t *frame = stereo + i * h->sides_n;
		int16_t left = sample_of(h, frame, 0), right = sample_of(h, frame, h->sides_n - 1);

		stereo[2 * i] = left;
		stereo[2 * i + 1] = right;
	}
	return 0;
}

/* --- legs --- */

static enum leg_vad vad_of(const struct import_sound *c)
{
	const struct dir_project *p = directory_project(c->directory, &c->source->project);

	return p && span_is(p->audio.vad, "none") ? LEG_VAD_NONE : LEG_VAD_STANDARD;
}

static int open_leg(struct hearing *h, unsigned i, struct fault *f)
{
	static const enum speaker speakers[] = { SPEAKER_USER, SPEAKER_AI };
	CHECK(i < sizeof(speakers) / sizeof(speakers[0]));
	struct side *side = &h->sides[i];
	struct leg_config lc = { .index = i,
				 .speaker = h->sides_n == 1 ? SPEAKER_NONE : speakers[i],
				 .codec = codec_find(SPAN("l16")),
				 .params = { .rate_hz = h->rate_hz },
				 .scratch = &h->scratch,
				 .vad = vad_of(h->config),
				 .rule = vad_rule_default,
				 .dtmf = true };
	size_t bytes;

	TRY(leg_size(&lc, &bytes, f));
	side->speaker = lc.speaker;
	side->leg = aligned_alloc(LEG_ALIGN, (bytes + LEG_ALIGN - 1) / LEG_ALIGN * LEG_ALIGN);
	CHECK(side->leg);
	return leg_init(side->leg, &lc, f);
}

static int hearing_open(struct hearing *h, const char *path, struct fault *f)
{
	TRY(sound_file_open(&h->file, path, f));
	h->sides_n = sound_file_channels(h->file);
	h->rate_hz = sound_file_rate_hz(h->file);
	h->first = h->sides_n == 2 && h->config->assistant_first;
	h->start_us = h->config->start_us ? h->config->start_us : sound_file_start_us(h->file);
	if (!h->start_us)
		h->start_us = h->config->mtime_us - (int64_t)(sound_file_frames(h->file) *
							      (uint64_t)SECOND_US / h->rate_hz);
	for (unsigned i = 0; i < h->sides_n; i++)
		TRY(open_leg(h, i, f));
	tell_attached(h);
	return 0;
}

static void hearing_fini(struct hearing *h)
{
	for (unsigned i = 0; i < SIDES; i++) {
		if (h->sides[i].leg)
			leg_fini(h->sides[i].leg);
		free(h->sides[i].leg);
	}
	sound_file_free(h->file);
	arena_fini(&h->texts);
	buf_free(&h->bodies);
	free(h->heard);
}

/* --- the recording --- */

struct outcome {
	struct uuid call, recording;
	char file[80]; /* in the folder */
	struct render_result render;
	struct buf doc;
};

static int render(struct hearing *h, struct outcome *o, struct fault *f)
{
	const struct render_source source = { h->rate_hz, read_stereo, NULL, h };
	struct buf path AUTO_BUF = { 0 };
	char name[48], id[UUID_TEXT + 1], day[CLOCK_ISO + 1];

	if (!h->config->folder)
		return render_peaks(&source, &o->render, f);
	snprintf(name, sizeof(name), "recording:%lld", (long long)(h->start_us / MS_US));
	o->recording = uuid_v5(&o->call, span_of(name));
	uuid_format(&o->recording, id);
	clock_format(h->start_us, day);
	snprintf(o->file, sizeof(o->file), "%.10s/%s.ogg", day, id);
	buf_printf(&path, "%s/%.10s", h->config->folder, day);
	TRY(file_make_dir(buf_z(&path), 0700, f));
	buf_printf(&path, "/%s.ogg", id);
	return render_ogg(&source, buf_z(&path), &o->render, f);
}

static void write_doc(const struct hearing *h, struct outcome *o)
{
	struct json_out out = { .b = &o->doc };
	char id[UUID_TEXT + 1], at[CLOCK_ISO + 1], damaged[80];

	snprintf(damaged, sizeof(damaged), "%u damaged places of the file are left out",
		 sound_file_damaged(h->file));
	uuid_format(&o->recording, id);
	clock_format(h->start_us, at);
	json_begin(&out, NULL);
	json_put_z(&out, "id", id);
	json_put_z(&out, "state", "ready");
	json_put_z(&out, "file", o->file);
	json_put_z(&out, "started_at", at);
	json_put_i64(&out, "duration_ms", o->render.duration_ms);
	json_put_i64(&out, "bytes", o->render.bytes);
	json_put_i64(&out, "channels", 2);
	json_put_i64(&out, "rate_hz", h->rate_hz);
	json_put_bool(&out, "imported", true);
	json_put_z(&out, "error", sound_file_damaged(h->file) ? damaged : NULL);
	json_end(&out);
}

/* Offsets become pointers now that the text does not move any more. */
static void place_bodies(struct hearing *h)
{
	size_t at = 0;

	for (size_t i = 0; i < h->heard_n; i++) {
		h->heard[i].body.p = h->bodies.p + at;
		at += h->heard[i].body.n;
	}
}

static int add(struct hearing *h, struct outcome *o, struct fault *f)
{
	tell_detached(h);
	place_bodies(h);
	write_doc(h, o);
	const struct batch_sound sound = {
		.id = h->config->id,
		.started_us = h->start_us,
		.ended_us = time_at(h, h->read),
		.heard = h->heard,
		.heard_n = h->heard_n,
		.recording = h->config->folder ? buf_z(&o->doc) : NULL,
		.peaks = buf_z(&o->render.peaks),
	};
	return batch_add_sound(h->config->batch, &sound, f);
}

/* --- one file --- */

static int add_bad(const struct import_sound *c, const char *path, const struct fault *why,
		   struct fault *f)
{
	const char *name = strrchr(path, '/');
	char text[sizeof(why->text) + 300];

	snprintf(text, sizeof(text), "%.255s: %s", name ? name + 1 : path, why->text);
	return batch_add(c->batch, &(struct batch_record){ .broken = text }, f);
}

static int add_again(const struct import_sound *c, struct fault *f)
{
	return batch_add_sound(c->batch, &(struct batch_sound){ .id = c->id }, f);
}

static int take_in(struct hearing *h, const char *path, struct outcome *o, struct fault *f)
{
	struct fault why = { 0 };
	int rc = hearing_open(h, path, &why);

	if (rc == E_INVALID)
		return add_bad(h->config, path, &why, f);
	if (rc)
		return fault(f, rc, "%s: %s", path, why.text);
	TRY(render(h, o, f));
	return add(h, o, f);
}

int import_sound(const struct import_sound *c, const char *path, struct fault *f)
{
	struct outcome o = { 0 };
	bool wants;

	TRY(batch_wants(c->batch, c->id, &o.call, &wants, f));
	struct hearing *h = calloc(1, sizeof(*h));
	CHECK(h);
	h->config = c;
	h->stream = c->id;
	int rc = wants ? take_in(h, path, &o, f) : add_again(c, f);
	hearing_fini(h);
	free(h);
	buf_free(&o.render.peaks);
	buf_free(&o.doc);
	return rc;
}
