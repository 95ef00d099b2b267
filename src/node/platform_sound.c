/* Happy path, in one pass: what was fetched lies beside its place while it is read, heard (when
 * wanted) and encoded; then it goes.
 *
 * Failure modes: killed - made again, the same file at the same place; damaged or of another kind -
 * E_INVALID, the caller says so in the recording's row. */
#include "node/platform_sound.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "leg/leg.h"
#include "record/render.h"
#include "record/sound_file.h"
#include "record/wav.h"

enum {
	FRAMES_PER_S = 50,
	FRAME_MAX = WAV_RATE_MAX / FRAMES_PER_S,
	SPANS_MAX = 4000,
	LEG_ALIGN = 64,
	DAY_TEXT = 10,
	FILE_MAX = DAY_TEXT + UUID_TEXT + 8,
};

struct spoken {
	int64_t start_ms, ms;
};

struct keeping {
	const struct platform_sound *config;
	struct uuid recording;
	char file[FILE_MAX]; /* in the folder */
	struct sound_file *sound;
	unsigned channels;
	bool differ; /* what is on them */
	uint32_t rate_hz;
	struct leg *leg; /* NULL: not measured */
	struct leg_scratch scratch;
	int16_t frame[FRAME_MAX];
	size_t frame_n;
	uint64_t heard; /* frames of the sound, in whole pieces */
	int64_t speech_ms, started_ms;
	struct spoken spans[SPANS_MAX];
	size_t spans_n;
};

/* --- hearing --- */

static int64_t now_us(const struct keeping *k)
{
	return k->config->started_us + (int64_t)(k->heard * (uint64_t)SECOND_US / k->rate_hz);
}

static void take_fact(struct keeping *k, const struct heard *fact)
{
	int64_t at_ms = (fact->at_us - k->config->started_us) / MS_US;

	if (fact->kind == HEARD_SPEECH_STARTED)
		k->started_ms = at_ms;
	if (fact->kind != HEARD_SPEECH_STOPPED)
		return;
	k->speech_ms += fact->ms;
	if (k->spans_n < SPANS_MAX)
		k->spans[k->spans_n++] = (struct spoken){ k->started_ms, fact->ms };
}

static void take_facts(struct keeping *k, const struct heard *facts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take_fact(k, &facts[i]);
}

static void hear_frame(struct keeping *k)
{
	struct heard facts[LEG_FACTS_MAX];
	const struct span bytes = { (const char *)k->frame, k->frame_n * sizeof(int16_t) };

	k->heard += k->frame_n;
	take_facts(k, facts, leg_frame(k->leg, bytes, -1, -1, now_us(k), facts));
	k->frame_n = 0;
}

static void hear(struct keeping *k, const int16_t *stereo, size_t frames)
{
	for (size_t i = 0; i < frames; i++) {
		k->frame[k->frame_n++] = (int16_t)((stereo[2 * i] + stereo[2 * i + 1]) / 2);
		if (k->frame_n == k->rate_hz / FRAMES_PER_S)
			hear_frame(k);
	}
}

static void hear_end(struct keeping *k)
{
	struct heard facts[LEG_FACTS_MAX];

	if (k->leg)
		take_facts(k, facts, leg_finish(k->leg, now_us(k), facts));
}

static int open_leg(struct keeping *k, struct fault *f)
{
	struct leg_config lc = { .codec = codec_find(SPAN("l16")),
				 .params = { .rate_hz = k->rate_hz },
				 .scratch = &k->scratch,
				 .vad = LEG_VAD_STANDARD,
				 .rule = vad_rule_default };
	size_t bytes;

	if (!k->config->measure)
		return 0;
	TRY(leg_size(&lc, &bytes, f));
	k->leg = aligned_alloc(LEG_ALIGN, (bytes + LEG_ALIGN - 1) / LEG_ALIGN * LEG_ALIGN);
	CHECK(k->leg);
	return leg_init(k->leg, &lc, f);
}

/* --- reading --- */

/* In place: one channel becomes two. */
static void double_up(int16_t *samples, size_t frames)
{
	for (size_t i = frames; i-- > 0;)
		samples[2 * i] = samples[2 * i + 1] = samples[i];
}

/* Left the customer, right the assistant, as in all recordings. */
static void set_sides(struct keeping *k, int16_t *stereo, size_t frames)
{
	bool swapped = k->config->channels == CHANNELS_ASSISTANT_FIRST;

	for (size_t i = 0; i < frames; i++) {
		int16_t first = stereo[2 * i], second = stereo[2 * i + 1];

		k->differ |= first != second;
		stereo[2 * i] = swapped ? second : first;
		stereo[2 * i + 1] = swapped ? first : second;
	}
}

static int read_stereo(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	struct keeping *k = user;

	TRY(sound_file_read(k->sound, stereo, frames, got, f));
	if (k->channels == 1)
		double_up(stereo, *got);
	set_sides(k, stereo, *got);
	if (k->leg)
		hear(k, stereo, *got);
	return 0;
}

static int on_step(void *user, struct fault *f)
{
	const struct platform_sound *c = ((struct keeping *)user)->config;

	return c->alive ? c->alive(c->user, f) : 0;
}

/* --- the file --- */

static void name_it(struct keeping *k)
{
	const struct platform_sound *c = k->config;
	struct buf name AUTO_BUF = { 0 };
	char id[UUID_TEXT + 1], day[CLOCK_ISO + 1];

	buf_printf(&name, "platform:%.*s", SPAN_ARG(c->id));
	k->recording = uuid_v5(&c->call, buf_span(&name));
	uuid_format(&k->recording, id);
	clock_format(c->started_us, day);
	snprintf(k->file, sizeof(k->file), "%.*s/%s.ogg", DAY_TEXT, day, id);
}

static bool is_mpeg(struct span type)
{
	return type.n >= 10 && (strncasecmp(type.p, "audio/mpeg", 10) == 0 ||
				strncasecmp(type.p, "audio/mp3", 9) == 0);
}

static int put_beside(const struct keeping *k, struct buf *path, struct fault *f)
{
	const struct platform_sound *c = k->config;
	struct buf day AUTO_BUF = { 0 };

	buf_printf(&day, "%s/%.*s", c->folder, DAY_TEXT, k->file);
	TRY(file_make_dir(buf_z(&day), 0700, f));
	buf_printf(path, "%s/%s.fetched%s", c->folder, k->file, is_mpeg(c->type) ? ".mp3" : ".wav");
	return file_replace(buf_z(path), 0600, c->bytes, f);
}

static int open_sound(struct keeping *k, const char *path, struct fault *f)
{
	TRY(sound_file_open(&k->sound, path, f));
	k->channels = sound_file_channels(k->sound);
	k->rate_hz = sound_file_rate_hz(k->sound);
	return open_leg(k, f);
}

static int encode(struct keeping *k, const char *fetched, struct render_result *out,
		  struct fault *f)
{
	struct buf path AUTO_BUF = { 0 };

	TRY(open_sound(k, fetched, f));
	const struct render_source source = { k->rate_hz, read_stereo, on_step, k };
	buf_printf(&path, "%s/%s", k->config->folder, k->file);
	TRY(render_ogg(&source, buf_z(&path), out, f));
	hear_end(k);
	return 0;
}

/* --- telling --- */

static void put_speech(const struct keeping *k, struct json_out *o)
{
	json_begin(o, "speech");
	json_put_i64(o, "ms", k->speech_ms);
	json_begin_array(o, "spans");
	for (size_t i = 0; i < k->spans_n; i++) {
		json_begin_array(o, NULL);
		json_put_i64(o, NULL, k->spans[i].start_ms);
		json_put_i64(o, NULL, k->spans[i].ms);
		json_end_array(o);
	}
	json_end_array(o);
	json_end(o);
}

static void put_head(const struct keeping *k, const char *state, struct json_out *o)
{
	char id[UUID_TEXT + 1], at[CLOCK_ISO + 1];

	uuid_format(&k->recording, id);
	clock_format(k->config->started_us, at);
	json_begin(o, NULL);
	json_put_z(o, "id", id);
	json_put_text(o, "platform_id", k->config->id);
	json_put_z(o, "state", state);
	json_put_z(o, "started_at", at);
	json_put_bool(o, "on_demand", k->config->on_demand);
}

static void write_doc(const struct keeping *k, const struct render_result *r, struct buf *doc)
{
	struct json_out o = { .b = doc };

	put_head(k, "ready", &o);
	json_put_z(&o, "file", k->file);
	json_put_i64(&o, "duration_ms", r->duration_ms);
	json_put_i64(&o, "bytes", r->bytes);
	json_put_i64(&o, "channels", 2);
	json_put_i64(&o, "rate_hz", k->rate_hz);
	/* What came as one voice on both channels has no sides, whatever was said of it. */
	json_put_bool(&o, "mixed", k->config->channels == CHANNELS_UNKNOWN || !k->differ);
	if (k->leg)
		put_speech(k, &o);
	json_end(&o);
}

void platform_sound_missing(const struct platform_sound *c, const char *why, struct buf *doc)
{
	struct keeping *k = calloc(1, sizeof(*k));
	struct json_out o = { .b = doc };

	CHECK(k);
	k->config = c;
	name_it(k);
	put_head(k, "failed", &o);
	json_put_z(&o, "error", why);
	json_end(&o);
	free(k);
}

static int make(struct keeping *k, struct buf *doc, struct buf *peaks, struct fault *f)
{
	struct buf fetched AUTO_BUF = { 0 };
	struct render_result made = { 0 };

	name_it(k);
	TRY(put_beside(k, &fetched, f));
	int rc = encode(k, buf_z(&fetched), &made, f);
	unlink(buf_z(&fetched));
	if (!rc) {
		write_doc(k, &made, doc);
		buf_add(peaks, buf_span(&made.peaks));
	}
	buf_free(&made.peaks);
	return rc;
}

int platform_sound_keep(const struct platform_sound *c, struct buf *doc, struct buf *peaks,
			struct fault *f)
{
	struct keeping *k = calloc(1, sizeof(*k));

	CHECK(k);
	k->config = c;
	int rc = make(k, doc, peaks, f);
	if (k->leg)
		leg_fini(k->leg);
	free(k->leg);
	sound_file_free(k->sound);
	free(k);
	return rc;
}
