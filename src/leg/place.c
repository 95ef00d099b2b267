/* Where a frame stands. Chunk numbers say what is missing (order.c), the platform's stamps say how
 * long it was, and where there are neither, arrival tells: late by itself means nothing, since TCP
 * delivers everything in the end; what stays late for a second, or a pause of a second, is a gap.
 * docs/sound.md, "Clock". */
#include "base/clock.h"
#include "leg/parts.h"

/* Least lateness over so much time, of so many frames at least. */
#define WINDOW_US SECOND_US
enum { WINDOW_FRAMES = 10 };
#define TOLERANCE_US (LEG_TOLERANCE_MS * MS_US)
#define EARLY_MAX_US (LEG_EARLY_MAX_MS * MS_US)
#define JUMP_MAX_MS (INT64_C(3600) * 1000)
/* Stamps further back than this have begun anew. */
enum { STAMP_BACK_MS = 10000 };

int64_t place_us(const struct leg_place *c, int64_t position)
{
	return c->start_us + position * SECOND_US / c->rate_hz;
}

int64_t place_samples(const struct leg_place *c, int64_t us)
{
	return us * c->rate_hz / SECOND_US;
}

static void look_again(struct leg_place *c, int64_t now_us)
{
	c->window_us = now_us;
	c->least_us = INT64_MAX;
	c->window_n = 0;
}

static void begin(struct leg_place *c, const struct arrival *a, size_t n)
{
	c->begun = true;
	c->start_us = a->arrived_us - (int64_t)n * SECOND_US / c->rate_hz;
	c->arrived_us = a->arrived_us;
	look_again(c, a->arrived_us);
}

static int64_t stamp_of(const struct leg_place *c, int64_t position)
{
	return c->stamp_ms + position * 1000 / c->rate_hz;
}

/* The stamp says that the frame stands here, whatever was thought before. */
static void stamp(struct leg_place *c, int64_t at_ms, int64_t position)
{
	c->stamped = true;
	c->stamp_ms = at_ms - position * 1000 / c->rate_hz;
}

static int64_t gap_by_stamp(struct leg_place *c, const struct arrival *a, int64_t position,
			    int64_t lost)
{
	int64_t at_ms = a->at_ms, ahead_ms = at_ms - stamp_of(c, position + lost);
	int64_t off_ms = c->stamps_waver && a->chunk >= 0 ? LEG_PAUSE_MS - 1 : LEG_TOLERANCE_MS;
	int64_t gap = lost + ahead_ms * c->rate_hz / 1000;
	if (ahead_ms >= -off_ms && ahead_ms <= off_ms)
		return lost;
	if (gap >= 0 && ahead_ms <= JUMP_MAX_MS)
		return gap;
	stamp(c, at_ms, position + lost);
	return lost;
}

static int64_t gap_by_arrival(struct leg_place *c, int64_t arrived_us, int64_t position,
			      int64_t lost, size_t n)
{
	int64_t gap = lost + c->owed;
	int64_t late_us = arrived_us - place_us(c, position + gap + (int64_t)n);
	int64_t least_us = c->resumed ? TOLERANCE_US : LEG_PAUSE_MS * MS_US;
	c->owed = 0;
	c->resumed = false;
	if (late_us < least_us)
		return gap;
	look_again(c, arrived_us);
	return gap + place_samples(c, late_us);
}

/* Without chunk numbers the stamps must grow. */
static int64_t old_stamp(const struct leg_place *c, const struct arrival *a)
{
	int64_t back_ms = c->stamp_last_ms - a->at_ms;
	if (!c->stamped || a->chunk >= 0 || back_ms < 0 || back_ms > STAMP_BACK_MS)
		return 0;
	return back_ms == 0 ? PLACE_TWICE : PLACE_OLD;
}

int64_t place_gap(struct leg_place *c, const struct arrival *a, int64_t position, int64_t lost,
		  size_t n)
{
	int64_t gap = 0;
	if (a->at_ms >= 0 && old_stamp(c, a))
		return old_stamp(c, a);
	if (!c->begun)
		begin(c, a, n);
	else if (a->at_ms >= 0 && c->stamped)
		gap = gap_by_stamp(c, a, position, lost);
	else
		gap = gap_by_arrival(c, a->arrived_us, position, lost, n);
	if (a->at_ms >= 0 && !c->stamped)
		stamp(c, a->at_ms, position + gap);
	if (a->at_ms >= 0)
		c->stamp_last_ms = a->at_ms;
	return gap;
}

/* Nobody hears a sound before it is made: the clock was late. A sender that is faster than time (a
 * file) is not followed for ever. */
static void move_start(struct leg_place *c, int64_t early_us)
{
	int64_t left = EARLY_MAX_US - c->early_us;
	int64_t by = early_us < left ? early_us : left;
	c->start_us -= by;
	c->early_us += by;
}

/* All frames of a second were late: the sender's clock is slower than ours, or something is missing
 * that nobody has told of. */
static void settle(struct leg_place *c)
{
	if (c->least_us <= TOLERANCE_US)
		return;
	if (c->stamped)
		c->start_us += c->least_us;
	else
		c->owed += place_samples(c, c->least_us);
}

void place_heard(struct leg_place *c, int64_t position, int64_t arrived_us)
{
	int64_t late_us = arrived_us - place_us(c, position);
	c->arrived_us = arrived_us > c->arrived_us ? arrived_us : c->arrived_us;
	if (late_us < 0)
		move_start(c, -late_us);
	c->least_us = late_us < c->least_us ? late_us : c->least_us;
	c->window_n++;
	if (arrived_us - c->window_us < WINDOW_US || c->window_n < WINDOW_FRAMES)
		return;
	settle(c);
	look_again(c, arrived_us);
}
