/* Repetition of the last pitch period. The search runs at 8 to 16 kHz whatever the rate is, so that
 * a loss costs about the same at all of them. */
#include "codecs/conceal.h"

#include <stdlib.h>
#include <string.h>

#include "callmend/fault.h"

enum {
	COARSE_HZ = 8000,
	/* Pitch from 400 Hz down to 66 Hz, and so much sound is compared with itself. */
	LAG_MIN_US = 2500,
	LAG_MAX_US = 15000,
	WINDOW_US = 20000,
	FULL_US = 10000,
	SILENT_US = 60000,
	BLEND_US = 5000,
	/* Of both together, below 2 * COARSE_HZ. */
	COARSE_MAX = 560,
};

struct conceal {
	uint32_t rate_hz;
	uint32_t heard_n;  /* size of the ring of what was heard, at the front of `samples` */
	uint32_t heard_at; /* where its next sample goes: the oldest one */
	uint32_t period;   /* of the cycle, which stands behind the ring */
	uint32_t phase;	   /* in it, of the next sample */
	uint32_t lost;	   /* samples made since the last good one; 0: nothing is lost */
	uint32_t blended;  /* samples of the return that have been blended */
	int32_t jump;	   /* from the cycle to what was heard last */
	int16_t samples[];
};

static uint32_t samples_of(uint32_t rate_hz, uint32_t us)
{
	return (uint32_t)((uint64_t)rate_hz * us / 1000000);
}

static uint32_t heard_samples(uint32_t rate_hz)
{
	return samples_of(rate_hz, LAG_MAX_US + WINDOW_US);
}

size_t conceal_size(uint32_t rate_hz)
{
	size_t samples = heard_samples(rate_hz) + samples_of(rate_hz, LAG_MAX_US);
	return sizeof(struct conceal) + samples * sizeof(int16_t);
}

void conceal_init(struct conceal *c, uint32_t rate_hz)
{
	CHECK(rate_hz >= COARSE_HZ);
	memset(c, 0, conceal_size(rate_hz));
	c->rate_hz = rate_hz;
	c->heard_n = heard_samples(rate_hz);
}

static void remember(struct conceal *c, const int16_t *samples, size_t n)
{
	if (n > c->heard_n) {
		samples += n - c->heard_n;
		n = c->heard_n;
	}
	size_t first = c->heard_n - c->heard_at;
	first = n < first ? n : first;
	memcpy(c->samples + c->heard_at, samples, first * sizeof(int16_t));
	memcpy(c->samples, samples + first, (n - first) * sizeof(int16_t));
	c->heard_at += (uint32_t)n;
	c->heard_at -= c->heard_at >= c->heard_n ? c->heard_n : 0;
}

/* What was heard `ago` samples before the next one; 1: the last. */
static int32_t heard(const struct conceal *c, uint32_t ago)
{
	uint32_t at = c->heard_at + c->heard_n - ago;
	return c->samples[at < c->heard_n ? at : at - c->heard_n];
}

/* What was heard, each sample the mean of `step`; gives how many. */
static uint32_t coarse(const struct conceal *c, uint32_t step, int16_t out[COARSE_MAX])
{
	uint32_t n = c->heard_n / step;
	for (uint32_t i = 0; i < n; i++) {
		int32_t sum = 0;
		for (uint32_t k = 0; k < step; k++)
			sum += heard(c, (n - i) * step - k);
		out[i] = (int16_t)(sum / (int32_t)step);
	}
	return n;
}

static uint32_t difference(const int16_t *a, const int16_t *b, uint32_t n)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += (uint32_t)abs(a[i] - b[i]);
	return sum;
}

/* The lag at which the last sound resembles itself most. */
static uint32_t pitch_period(const struct conceal *c)
{
	int16_t x[COARSE_MAX];
	uint32_t step = c->rate_hz / COARSE_HZ, n = coarse(c, step, x);
	uint32_t rate = c->rate_hz / step, window = samples_of(rate, WINDOW_US);
	uint32_t best = samples_of(rate, LAG_MIN_US), least = UINT32_MAX;
	for (uint32_t lag = best; lag <= samples_of(rate, LAG_MAX_US); lag++) {
		uint32_t d = difference(x + n - window, x + n - window - lag, window);
		best = d < least ? lag : best;
		least = d < least ? d : least;
	}
	return best * step;
}

/* The cycle ends as what stood before it, so that its repetition has no seam; `jump` is what is
 * then missing where the first one follows the last good sample. */
static void prepare(struct conceal *c)
{
	int16_t *cycle = c->samples + c->heard_n;
	uint32_t period = pitch_period(c), quarter = period / 4;
	for (uint32_t i = 0; i < period; i++)
		cycle[i] = (int16_t)heard(c, period - i);
	for (uint32_t i = 1; i <= quarter; i++) {
		int32_t own = heard(c, quarter + 1 - i),
			before = heard(c, period + quarter + 1 - i);
		int32_t part = own + (before - own) * (int32_t)i / (int32_t)quarter;
		cycle[period - quarter + i - 1] = (int16_t)part;
	}
	c->period = period;
	c->phase = 0;
	c->jump = heard(c, 1) - heard(c, period + 1);
}

static int16_t clamped(int64_t v)
{
	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

/* The next sample in place of a lost one. */
static int16_t made(struct conceal *c)
{
	int64_t full = samples_of(c->rate_hz, FULL_US), silent = samples_of(c->rate_hz, SILENT_US);
	int64_t k = c->lost, quarter = c->period / 4;
	if (k >= silent)
		return 0;
	c->lost++;
	int64_t v = c->samples[c->heard_n + c->phase];
	c->phase = c->phase + 1 < c->period ? c->phase + 1 : 0;
	v += k < quarter ? c->jump * (quarter - k) / (quarter + 1) : 0;
	return clamped(k < full ? v : v * (silent - k) / (silent - full));
}

void conceal_fill(struct conceal *c, int16_t *out, size_t want)
{
	if (want && !c->lost)
		prepare(c);
	for (size_t i = 0; i < want; i++)
		out[i] = made(c);
	c->blended = 0;
	remember(c, out, want);
}

static void blend(struct conceal *c, int16_t *samples, size_t n)
{
	uint32_t over = samples_of(c->rate_hz, BLEND_US);
	for (size_t i = 0; i < n && c->blended < over; i++) {
		int32_t old = made(c);
		int32_t part = (int32_t)++c->blended;
		samples[i] = (int16_t)(old + (samples[i] - old) * part / (int32_t)(over + 1));
	}
	if (c->blended == over)
		c->lost = c->blended = 0;
}

void conceal_heard(struct conceal *c, int16_t *samples, size_t n)
{
	if (c->lost)
		blend(c, samples, n);
	remember(c, samples, n);
}
