/* How loud it is. Whole numbers up to the square root: the same on every machine. Formulas:
 * docs/sound.md, "Levels". */
#include <math.h>
#include <stdlib.h>

#include "base/wide.h"
#include "leg/parts.h"

/* The smallest step of A-law: below it nothing is heard, and idle lines send it. */
enum { DIGITAL_SILENCE = 8 };
/* Full scale of µ-law is 32124, of A-law 32256. So many in a row are cut off, fewer may be chance.
 */
enum { FULL_SCALE = 32000, CLIP_RUN = 3 };
#define FLOOR_DB LEG_FLOOR_DB
/* The noise floor falls at once and rises slowly, in dB per window of 100 ms. */
#define RISE_DB 0.3f
#define RISE_SPEECH_DB 0.02f

WIDE static void measure(const int16_t *samples, size_t n, uint64_t *squares, int32_t *peak)
{
	uint64_t sum = 0;
	int32_t most = 0, least = 0;
	for (size_t i = 0; i < n; i++) {
		int32_t s = samples[i];
		sum += (uint32_t)(s * s);
		most = s > most ? s : most;
		least = s < least ? s : least;
	}
	*squares = sum;
	*peak = most > -least ? most : -least;
}

static void add(struct leg_sum *to, uint64_t squares, size_t n, int32_t peak)
{
	to->squares += squares;
	to->samples += (uint32_t)n;
	to->peak = peak > to->peak ? peak : to->peak;
}

static void count_clipped(struct leg_level *v, const int16_t *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		v->clip_run = abs(samples[i]) >= FULL_SCALE ? v->clip_run + 1 : 0;
		if (v->clip_run == CLIP_RUN)
			v->clipped += CLIP_RUN;
		else if (v->clip_run > CLIP_RUN)
			v->clipped++;
	}
}

bool level_frame(struct leg_level *v, const int16_t *samples, size_t n, bool speaking,
		 struct leg_sum *frame)
{
	uint64_t squares;
	int32_t peak;
	measure(samples, n, &squares, &peak);
	*frame = (struct leg_sum){ squares, (uint32_t)n, peak };
	add(&v->window, squares, n, peak);
	add(&v->period, squares, n, peak);
	if (speaking)
		add(&v->spoken, squares, n, peak);
	if (peak >= FULL_SCALE)
		count_clipped(v, samples, n);
	else
		v->clip_run = 0;
	return peak <= DIGITAL_SILENCE;
}

static float db_of(double magnitude)
{
	float db = magnitude > 0 ? (float)(20 * log10(magnitude / 32768)) : FLOOR_DB;
	return db > FLOOR_DB ? db : FLOOR_DB;
}

float level_db(const struct leg_sum *s)
{
	return s->samples ? db_of(sqrt((double)s->squares / s->samples)) : FLOOR_DB;
}

int64_t level_tenths(float db)
{
	return lrintf(db * 10);
}

static void follow_noise(struct leg_level *v, bool speaking)
{
	float rise = speaking ? RISE_SPEECH_DB : RISE_DB;
	float above = v->level_db - v->noise_db;
	if (v->window.peak <= DIGITAL_SILENCE)
		return;
	if (!v->heard || above < 0)
		v->noise_db = v->level_db;
	else
		v->noise_db += above < rise ? above : rise;
	v->heard = true;
}

void level_window(struct leg_level *v, bool speaking)
{
	v->level_db = level_db(&v->window);
	v->peak_db = db_of(v->window.peak);
	follow_noise(v, speaking);
	v->window = (struct leg_sum){ 0 };
}

float level_peak_db(const struct leg_sum *s)
{
	return db_of(s->peak);
}
