/* What is made of samples that stand in their place: frames of 20 ms, whatever sizes they came in,
 * and from them level, speech, digits, silence and the ring. A gap passes as frames of silence, so
 * that position and ring stay true; speech detection only hears that there was one. */
#include "base/clock.h"
#include "leg/parts.h"

enum {
	FRAME_MS = VAD_FRAME_MS,
	WINDOW_FRAMES = 100 / FRAME_MS,
	PERIOD_FRAMES = HEARD_LEVEL_MS / FRAME_MS,
	/* Speech has surely stopped after so much of a gap; the rest of a long one goes at once. */
	GAP_FRAMES = 50,
	SILENT_STEP_MS = 60000,
};

static int64_t now_us(const struct leg *l)
{
	return place_us(&l->place, l->framed);
}

/* --- speech --- */

static void start_speech(struct leg *l, int64_t from)
{
	int64_t least = l->speech_until;
	l->speaking = true;
	l->speech_from = from > least ? from : least;
	leg_tell(l, HEARD_SPEECH_STARTED, place_us(&l->place, l->speech_from));
}

void frames_stop_speech(struct leg *l, int64_t end)
{
	if (!l->speaking)
		return;
	int64_t until = end > l->speech_from ? end : l->speech_from;
	struct heard *h = leg_tell(l, HEARD_SPEECH_STOPPED, place_us(&l->place, until));
	h->ms = (until - l->speech_from) * 1000 / l->rate_hz;
	l->speech_samples += until - l->speech_from;
	l->speech_until = until;
	l->speaking = false;
	l->gate = (struct vad_gate){ 0 };
}

/* `behind_ms`: so long before the end of the last frame the score's own frame ends. */
static void gate(struct leg *l, float score, unsigned behind_ms)
{
	unsigned ago_ms = 0;
	enum vad_change change = vad_gate_frame(&l->gate, &l->c.rule, score, &ago_ms);
	int64_t ago = (int64_t)ago_ms - VAD_BEHIND_MS + behind_ms;
	int64_t then = l->framed - ago * l->rate_hz / 1000;
	if (change == VAD_STARTED)
		start_speech(l, then);
	else if (change == VAD_STOPPED)
		frames_stop_speech(l, then);
}

static void score(struct leg_batch *b)
{
	unsigned from = b->scored;
	vad_scores(b->n - from, b->of + from, b->seen + from, b->scores + from);
	b->scored = b->n;
}

void frames_settle(struct leg *l)
{
	struct leg_batch *b = l->c.batch;
	if (!l->waits)
		return;
	if (l->waits != WAITS_ALONE) {
		unsigned at = l->waits - 1u;
		if (at >= b->scored)
			score(b);
		l->score = b->scores[at];
		if (--b->waiting == 0)
			b->n = b->scored = 0;
	}
	l->waits = 0;
	gate(l, l->score, VAD_BEHIND_MS);
}

/* What the frame's score says is told before anything else is heard, or at the end: it is the last
 * that is told of the frame, whether scores are made together or not. */
static void look_for_speech(struct leg *l, const int16_t *samples)
{
	struct leg_batch *b = l->c.batch;
	if (!b || b->n == LEG_BATCH) {
		l->score = vad_frame(&l->vad, samples);
		l->waits = WAITS_ALONE;
		return;
	}
	vad_look(&l->vad, samples, &b->seen[b->n]);
	b->of[b->n] = &l->vad;
	l->waits = (uint8_t)++b->n;
	b->waiting++;
}

/* --- digital silence --- */

static void tell_silent(struct leg *l, int64_t at_us)
{
	int64_t ms = (at_us - l->silent_from_us) / MS_US;
	if (ms < l->silent_due_ms)
		return;
	leg_tell(l, HEARD_SILENT, at_us)->ms = ms;
	l->silent = true;
	while (l->silent_due_ms <= ms)
		l->silent_due_ms +=
			l->silent_due_ms < SILENT_STEP_MS ? l->silent_due_ms : SILENT_STEP_MS;
}

static void silence(struct leg *l, int64_t from_us, int64_t at_us)
{
	if (l->held || l->c.rests)
		return;
	if (!l->silent_from_us) {
		l->silent_from_us = from_us;
		l->silent_due_ms = LEG_SILENT_MS;
	}
	tell_silent(l, at_us);
}

static void sound(struct leg *l, int64_t at_us)
{
	if (l->silent)
		leg_tell(l, HEARD_SOUND, at_us)->ms = (at_us - l->silent_from_us) / MS_US;
	l->silent = false;
	l->silent_from_us = 0;
}

void frames_quiet(struct leg *l, int64_t at_us)
{
	silence(l, l->place.begun ? now_us(l) : at_us, at_us);
}

/* --- facts that come now and then --- */

void frames_tell_level(struct leg *l)
{
	struct leg_level *v = &l->level;
	if (!l->frames)
		return;
	struct heard *h = leg_tell(l, HEARD_LEVEL, now_us(l));
	h->ms = (int64_t)l->frames * FRAME_MS;
	h->value = level_tenths(level_db(v->spoken.samples ? &v->spoken : &v->period));
	h->peak = level_tenths(level_peak_db(&v->period));
	h->noise = level_tenths(v->noise_db);
	h->speech_ms = (int64_t)v->spoken.samples * 1000 / l->rate_hz;
	h->clipped = v->clipped;
	v->spoken = v->period = (struct leg_sum){ 0 };
	v->clipped = 0;
	l->frames = 0;
}

void frames_tell_quality(struct leg *l, int64_t at_us)
{
	const struct leg_sums *s = &l->sums;
	if (memcmp(s, &l->told_sums, sizeof(*s)) == 0)
		return;
	struct heard *h = leg_tell(l, HEARD_QUALITY, at_us);
	h->gaps = s->gaps;
	h->ms = s->gap_us / MS_US;
	h->late = s->late;
	h->duplicates = s->duplicates;
	h->reordered = s->reordered;
	h->damaged = s->damaged;
	l->told_sums = *s;
}

static void count_frames(struct leg *l, unsigned n)
{
	l->frames += n;
	if (l->frames < PERIOD_FRAMES)
		return;
	frames_tell_level(l);
	frames_tell_quality(l, now_us(l));
}

/* --- digits and ring, both at 8 kHz --- */

static void digit_over(struct leg *l, const struct dtmf_end *e)
{
	int64_t at_us = now_us(l) - (int64_t)(e->ago_ms + e->ms) * MS_US;
	struct span digit = leg_digit_text(e->digit);
	if (!digits_news(&l->digits, e->digit, true, at_us))
		return;
	struct heard *h = leg_tell(l, HEARD_DTMF, at_us);
	h->text = digit;
	h->ms = e->ms;
	h->name = SPAN("inband");
}

void frames_stop_digit(struct leg *l)
{
	struct dtmf_end e;
	if (dtmf_stop(&l->dtmf, &e))
		digit_over(l, &e);
}

static void hear_narrow(struct leg *l, const int16_t *samples, const uint8_t *ulaw,
			const struct leg_sum *sum)
{
	struct dtmf_end e;
	if (l->c.dtmf &&
	    dtmf_frame(&l->dtmf, samples, sum->squares * VAD_FRAME_8K / l->frame_n, sum->peak, &e))
		digit_over(l, &e);
	if (ulaw)
		ring_add(&l->ring, ulaw, VAD_FRAME_8K);
	else
		ring_add_samples(&l->ring, samples, VAD_FRAME_8K);
}

/* The frame at 8 kHz: itself, or made in `half`, once for all who want it so. */
static const int16_t *narrow(struct leg *l, const int16_t *samples, int16_t half[VAD_FRAME_8K])
{
	if (l->frame_n == VAD_FRAME_8K)
		return samples;
	halve_run(&l->halve, samples, VAD_FRAME_16K, half);
	return half;
}

/* --- frames --- */

static void window(struct leg *l)
{
	if (l->framed / l->frame_n % WINDOW_FRAMES == 0)
		level_window(&l->level, l->speaking);
}

static void frame(struct leg *l, const int16_t *samples, const uint8_t *ulaw)
{
	struct leg_sum sum;
	int16_t half[VAD_FRAME_8K];
	frames_settle(l);
	bool nothing = level_frame(&l->level, samples, l->frame_n, l->speaking, &sum);
	const int16_t *narrowed = narrow(l, samples, half);
	int64_t began_us = now_us(l);
	l->framed += l->frame_n;
	hear_narrow(l, narrowed, ulaw, &sum);
	window(l);
	if (nothing)
		silence(l, began_us, now_us(l));
	else
		sound(l, began_us);
	count_frames(l, 1);
	if (l->c.vad != LEG_VAD_NONE)
		look_for_speech(l, narrowed);
}

/* Fills the frame that has been begun; gives how many of n samples that took. NULL: zeros. */
static size_t fill_part(struct leg *l, const int16_t *samples, size_t n)
{
	size_t room = l->frame_n - l->part_n, some = n < room ? n : room;
	if (samples)
		memcpy(l->part + l->part_n, samples, some * sizeof(*samples));
	else
		memset(l->part + l->part_n, 0, some * sizeof(*samples));
	l->part_n += (uint32_t)some;
	if (l->part_n == l->frame_n) {
		l->part_n = 0;
		frame(l, l->part, NULL);
	}
	return some;
}

void frames_hear(struct leg *l, const int16_t *samples, size_t n, const uint8_t *ulaw)
{
	while (n) {
		size_t some = l->frame_n;
		if (l->part_n == 0 && n >= l->frame_n)
			frame(l, samples, ulaw);
		else
			some = fill_part(l, samples, n);
		samples += some;
		ulaw = ulaw ? ulaw + some : NULL;
		n -= some;
	}
}

static void missing_frames(struct leg *l, int64_t n)
{
	int64_t from_us = now_us(l);
	for (int64_t i = 0; i < n && i < GAP_FRAMES; i++) {
		l->framed += l->frame_n;
		if (l->c.vad != LEG_VAD_NONE)
			gate(l, 0, 0);
		window(l);
		count_frames(l, 1);
	}
	if (n > GAP_FRAMES) {
		l->framed += (n - GAP_FRAMES) * l->frame_n;
		count_frames(l, 1);
	}
	ring_add_silence(&l->ring, n * VAD_FRAME_8K);
	if (n)
		silence(l, from_us, now_us(l));
}

void frames_gap(struct leg *l, int64_t n)
{
	int64_t first = l->part_n ? l->frame_n - l->part_n : 0;
	if (first)
		n -= (int64_t)fill_part(l, NULL, (size_t)(n < first ? n : first));
	frames_settle(l);
	frames_stop_digit(l);
	missing_frames(l, n / l->frame_n);
	if (n % l->frame_n)
		fill_part(l, NULL, (size_t)(n % l->frame_n));
	l->halve = (struct halve){ 0 };
	if (l->c.vad != LEG_VAD_NONE)
		vad_gap(&l->vad, n * 1000 / l->rate_hz);
}

void frames_floor(struct leg *l)
{
	l->level.level_db = l->level.peak_db = LEG_FLOOR_DB;
}

/* Digital silence that runs goes on behind it. */
void frames_pause(struct leg *l, int64_t n)
{
	int64_t first = l->part_n ? l->frame_n - l->part_n : 0, us = n * SECOND_US / l->rate_hz;
	if (first)
		n -= (int64_t)fill_part(l, NULL, (size_t)(n < first ? n : first));
	frames_stop_digit(l);
	frames_stop_speech(l, l->framed);
	frames_floor(l);
	int64_t whole = n / l->frame_n;
	l->framed += whole * l->frame_n;
	ring_add_silence(&l->ring, whole * VAD_FRAME_8K);
	if (l->silent_from_us)
		l->silent_from_us += us;
	if (n % l->frame_n)
		fill_part(l, NULL, (size_t)(n % l->frame_n));
	l->halve = (struct halve){ 0 };
	if (l->c.vad != LEG_VAD_NONE)
		vad_gap(&l->vad, us / MS_US);
}
