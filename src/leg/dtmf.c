/* A digit is two pure tones and nothing else, for 40 ms. Most frames are let go by a look at level
 * and crest factor, which are known anyway; of the rest those are kept in which two windows
 * of 12.75 ms hold the same digit by Goertzel's algorithm. What is near one of them is then looked
 * at closely: in 40 ms, both tones must be found where they belong, as even and as alone as no
 * voice is. */
#include "leg/dtmf.h"

#include <complex.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { RATE_HZ = 8000, WINDOW = 102, FRAME_MS = 20, TONES = 4 };
/* Mean square of -36 dBFS; two equal tones have a crest factor (squared) of 4, noise adds to it. */
#define LEAST_SQUARE 270000.0f
#define CREST_MAX 6.5f
/* Of the energy of a window, so much is in the two tones (a deviation of 1.5 % leaves 0.8 of both
 * at worst). */
#define PURE 0.75f
/* 8 dB: between the two tones at most; between a tone and its neighbours at least. */
#define TWIST 6.3f
#define NEIGHBOUR 6.3f
/* Within a frame a tone changes by 3 dB at most. */
#define STEADY 2.0f
/* A tone may break off for so many frames. */
enum { MISSED_MAX = 1 };

/* The close look: four quarters of 10 ms, at steps of 2.5 ms. */
enum { QUARTERS = 4, QUARTER = 80, SPAN = QUARTERS * QUARTER, STEP = 20, AROUND = 3 * DTMF_FRAME };
/* Off by so much of its frequency: senders keep 1.5 %. */
#define OFF_MAX 0.022
/* With noise 15 dB below 0.97 are left. */
#define ALONE 0.88
/* Between the quarters, 3 dB. */
#define EVEN 2.0
/* The lower tone may be stronger by 8 dB, the higher one by 7. */
#define LOW_MAX 6.3
#define HIGH_MAX 5.0

typedef float eight __attribute__((vector_size(32)));

/* 2 cos(2 pi f / 8000): rows 697 770 852 941, columns 1209 1336 1477 1633 Hz. */
static const eight coefficient = { 1.7077378f, 1.6452810f, 1.5686867f, 1.4782046f,
				   1.1641039f, 0.9963703f, 0.7986182f, 0.5685329f };
static const double tones_hz[2][TONES] = { { 697, 770, 852, 941 }, { 1209, 1336, 1477, 1633 } };
static const char digits[TONES][TONES] = { { '1', '2', '3', 'A' },
					   { '4', '5', '6', 'B' },
					   { '7', '8', '9', 'C' },
					   { '*', '0', '#', 'D' } };

/* Energy at the eight frequencies, as part of the sum of squares of the window. */
static void goertzel(const int16_t *samples, float out[2 * TONES])
{
	eight a = { 0 }, b = { 0 };
	for (int i = 0; i < WINDOW; i++) {
		eight next = coefficient * a - b + (float)samples[i];
		b = a;
		a = next;
	}
	eight power = (a * a + b * b - coefficient * a * b) * (2.0f / WINDOW);
	memcpy(out, &power, sizeof(power));
}

/* The strongest of four; -1 when its neighbours are nearly as strong. */
static int strongest(const float power[TONES])
{
	int best = 0;
	for (int i = 1; i < TONES; i++)
		best = power[i] > power[best] ? i : best;
	for (int i = 0; i < TONES; i++)
		if (i != best && power[i] * NEIGHBOUR > power[best])
			return -1;
	return best;
}

static char digit_of(const int16_t samples[WINDOW], float tone[2])
{
	float power[2 * TONES], energy = 0;
	for (int i = 0; i < WINDOW; i++)
		energy += (float)samples[i] * (float)samples[i];
	if (energy < LEAST_SQUARE * WINDOW)
		return 0;
	goertzel(samples, power);
	int row = strongest(power), column = strongest(power + TONES);
	if (row < 0 || column < 0)
		return 0;
	float low = tone[0] = power[row], high = tone[1] = power[TONES + column];
	if (low + high < PURE * energy || low > TWIST * high || high > TWIST * low)
		return 0;
	return digits[row][column];
}

static bool steady(float a, float b)
{
	return a < STEADY * b && b < STEADY * a;
}

/* In a whole frame: its first look, then both windows. */
static char frame_digit(const int16_t *samples, uint64_t squares, int32_t peak)
{
	float mean = (float)squares / DTMF_FRAME, first[2], second[2];
	if (mean < LEAST_SQUARE || (float)peak * (float)peak > CREST_MAX * mean)
		return 0;
	char digit = digit_of(samples, first);
	if (!digit || digit_of(samples + DTMF_FRAME - WINDOW, second) != digit)
		return 0;
	return steady(first[0], second[0]) && steady(first[1], second[1]) ? digit : 0;
}

/* --- the close look --- */

/* The part of a frequency, its amplitude halved, under a Hann window: what is 2 periods of the
 * window away does not disturb it. */
static double complex part_of(const int16_t *samples, int n, double hz)
{
	double complex turn = cexp(-2 * M_PI * I * hz / RATE_HZ), at = 1, sum = 0;
	double complex window_turn = cexp(2 * M_PI * I / n), window = cexp(M_PI * I / n);
	for (int i = 0; i < n; i++) {
		sum += samples[i] * (1 - creal(window)) * at;
		at *= turn;
		window *= window_turn;
	}
	return sum / n;
}

static double square_under_window(const int16_t *samples, int n)
{
	double complex window_turn = cexp(2 * M_PI * I / n), window = cexp(M_PI * I / n);
	double sum = 0;
	for (int i = 0; i < n; i++) {
		sum += (double)samples[i] * samples[i] * (1 - creal(window));
		window *= window_turn;
	}
	return sum / n;
}

static double square_of(double complex part)
{
	return 2 * creal(part * conj(part));
}

/* Mean square of the tone near hz; 0 when it is uneven or elsewhere. From quarter to quarter its
 * phase says where it is. */
static double tone_near(const int16_t *samples, double hz)
{
	double complex turn = cexp(2 * M_PI * I * hz * QUARTER / RATE_HZ), last = 0, turned = 0;
	double least = INFINITY, most = 0;
	for (int q = 0; q < QUARTERS; q++) {
		double complex part = part_of(samples + q * QUARTER, QUARTER, hz);
		turned += part * conj(last * turn);
		last = part;
		least = fmin(least, square_of(part));
		most = fmax(most, square_of(part));
	}
	double off_hz = carg(turned) * RATE_HZ / (2 * M_PI * QUARTER);
	if (most > EVEN * least || fabs(off_hz) > OFF_MAX * hz)
		return 0;
	return square_of(part_of(samples, SPAN, hz + off_hz));
}

static bool is_digit(const int16_t *samples, char digit)
{
	ptrdiff_t key = (const char *)memchr(digits, digit, sizeof(digits)) - *digits;
	double low = tone_near(samples, tones_hz[0][key / TONES]);
	double high = low > 0 ? tone_near(samples, tones_hz[1][key % TONES]) : 0;
	return high > 0 && low <= LOW_MAX * high && high <= HIGH_MAX * low &&
	       low + high >= ALONE * square_under_window(samples, SPAN);
}

/* In this frame and the two before. */
static void look_closely(struct dtmf *d, const int16_t *frame)
{
	int16_t around[AROUND];
	memcpy(around, d->past[d->oldest], sizeof(*d->past));
	memcpy(around + DTMF_FRAME, d->past[!d->oldest], sizeof(*d->past));
	memcpy(around + DTMF_PAST * DTMF_FRAME, frame, sizeof(*d->past));
	for (int from = 0; !d->sure && from + SPAN <= AROUND; from += STEP) {
		int lead = AROUND - (int)d->frames * DTMF_FRAME - from;
		d->sure = is_digit(around + from, d->digit);
		if (d->sure && lead > 0)
			d->lead_ms = (unsigned)lead * 1000 / RATE_HZ;
	}
}

/* --- from frame to frame --- */

bool dtmf_stop(struct dtmf *d, struct dtmf_end *out)
{
	bool sure = d->digit && d->sure;
	unsigned sounded = d->frames - d->missed;
	*out = (struct dtmf_end){ d->digit, sounded * FRAME_MS + d->lead_ms, d->missed * FRAME_MS };
	d->digit = 0;
	return sure;
}

static void begin(struct dtmf *d, char digit)
{
	d->digit = digit;
	d->sure = false;
	d->frames = 1;
	d->missed = d->lead_ms = 0;
}

/* One more frame, with it or without. True: it is over. */
static bool goes_on(struct dtmf *d, bool with)
{
	d->missed = with ? 0 : d->missed + 1;
	d->frames++;
	return d->missed > MISSED_MAX;
}

bool dtmf_frame(struct dtmf *d, const int16_t samples[DTMF_FRAME], uint64_t squares, int32_t peak,
		struct dtmf_end *out)
{
	char digit = frame_digit(samples, squares, peak);
	bool over = d->digit && (goes_on(d, digit == d->digit) || (digit && digit != d->digit));
	if (d->digit && !d->sure)
		look_closely(d, samples);
	over = over && dtmf_stop(d, out);
	if (digit && !d->digit) {
		begin(d, digit);
		look_closely(d, samples);
	}
	memcpy(d->past[d->oldest], samples, sizeof(*d->past));
	d->oldest = !d->oldest;
	return over;
}
