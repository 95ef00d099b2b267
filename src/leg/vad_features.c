#include "leg/vad_features.h"

#include <string.h>

#include "leg/vad_row.h"
#include "leg/vad_spectrum.h"

enum {
	FRAME = 160,
	LOW_FRAME = FRAME / 4, /* at 2 kHz */
	TAPS = 16,
	BLOCK = 100, /* frames: 2 s */
	BAND_ROWS = VAD_BANDS / ROW,
	LAG_ROWS = VAD_LAGS / ROW,
};

/* First bin of every band and the end of the last: 94 to 3625 Hz. */
static const uint8_t edges[VAD_BANDS + 1] = { 3,  5,  7,  9,  11, 13, 15, 17, 19, 22, 25,  28, 31,
					      35, 39, 43, 48, 53, 59, 66, 74, 83, 93, 104, 116 };

/* Noise of two steps of 16 bits, below what any telephone codec keeps: so a line of zeroes has a
 * level. In a bin (the window's energy is 96), and in the correlation of a frame. */
#define QUIET_BIN (4.0F * 96)
#define QUIET_FRAME (4.0F * LOW_FRAME)

/* Low pass in units of 2^-15, 3 dB down at 570 Hz, 18 at 1200. */
static const int16_t taps[TAPS] = { -110, -126, -45,  451,  1602, 3314, 5083, 6215,
				    6215, 5083, 3314, 1602, 451,  -45,	-126, -110 };

/* Base 2, within 0.00013. */
VAD_PART row logarithm(row x)
{
	row_bits bits;
	memcpy(&bits, &x, sizeof(bits));
	row exponent = __builtin_convertvector((bits >> 23) - 127, row);
	bits = (bits & 0x7fffff) | 0x3f800000;
	row m;
	memcpy(&m, &bits, sizeof(m));
	return exponent +
	       (m - 1.0F) * (1.0F + (m - 2.0F) * (-0.756534F + m * (0.398808F - m * 0.0806532F)));
}

/* The other half, quarter, eighth. */
#define HALF_OVER(x) __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
#define QUARTER_OVER(x) __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
#define EIGHTH_OVER(x) __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6)

VAD_PART float sum_row(row x)
{
	x += HALF_OVER(x);
	x += QUARTER_OVER(x);
	x += EIGHTH_OVER(x);
	return x[0];
}

/* log2 of the mean power of every band. */
VAD_PART void bands(const float *power, row out[BAND_ROWS])
{
	_Alignas(32) float sum[VAD_BANDS], width[VAD_BANDS];
#pragma GCC unroll 24
	for (int b = 0; b < VAD_BANDS; b++) {
		sum[b] = power[edges[b]] + power[edges[b] + 1];
		for (int k = edges[b] + 2; k < edges[b + 1]; k++)
			sum[b] += power[k];
		width[b] = (float)(edges[b + 1] - edges[b]);
	}
	for (int r = 0; r < BAND_ROWS; r++)
		out[r] = logarithm(row_at(sum + ROW * r) / row_at(width + ROW * r) + QUIET_BIN);
}

/* The floor falls to what is lower at once, nearly; it rises by 1.5 dB a second, and every 2 s to
 * the lowest of the 2 s, for noise that has become louder. */
VAD_PART void learn_floor(struct vad_features *f, const row *level)
{
	bool fresh = f->frames == 0, full = ++f->block == BLOCK;
	for (int r = 0; r < BAND_ROWS; r++) {
		row floor = row_at(f->floor + ROW * r), lowest = row_at(f->lowest + ROW * r);
		lowest = lower(lowest, level[r]);
		row next =
			either(level[r] < floor, floor + (level[r] - floor) * 0.3F, floor + 0.01F);
		if (full)
			next = higher(next, lowest);
		next = fresh ? level[r] : next;
		lowest = fresh || full ? level[r] : lowest;
		row_put(f->floor + ROW * r, next);
		row_put(f->lowest + ROW * r, lowest);
	}
	if (full)
		f->block = 0;
}

/* The frame at 2 kHz: 16 taps of which 12 lie before, where `wide` begins. Pairs of products are
 * made at 4 kHz, and every other sum of them is kept. */
VAD_PART void decimate(const int16_t *wide, float *low)
{
	int32_t sums[2 * LOW_FRAME];
	for (int at = 0; at < 2 * LOW_FRAME; at += PARTS) {
		part sum = { 0 };
		for (int t = 0; t < TAPS; t += 2) {
			int32_t pair;
			memcpy(&pair, taps + t, sizeof(pair));
			sum = add_products(sum, part_at(wide + 2 * at + t), (part){ 0 } + pair);
		}
		memcpy(sums + at, &sum, sizeof(sum));
	}
	for (int n = 0; n < LOW_FRAME; n++)
		low[n] = (float)sums[2 * n] * (1.0F / 32768);
}

/* Energy of the 40 samples from low[k] on, for k of VAD_LAGS: sums of 2, 4, 8, 16, 32, and 8 more.
 */
VAD_PART void energies(const float *low, float *out)
{
	enum { MOST = VAD_LAGS + LOW_FRAME };
	_Alignas(32) float sums[2][MOST + ROW] = { 0 }, eight[MOST + ROW];
	float *from = sums[0], *to = sums[1];
	for (int k = 0; k < MOST; k += ROW)
		row_put(from + k, row_at(low + k) * row_at(low + k));
	for (int step = 1; step < 32; step *= 2) {
		for (int k = 0; k <= MOST - step; k += ROW)
			row_put(to + k, row_at(from + k) + row_at(from + k + step));
		float *made = to;
		to = from;
		from = made;
		if (step == 4)
			memcpy(eight, from, sizeof(eight));
	}
	for (int k = 0; k < VAD_LAGS; k += ROW)
		row_put(out + k, row_at(from + k) + row_at(eight + k + 32));
}

VAD_PART float highest(row x)
{
	x = higher(x, HALF_OVER(x));
	x = higher(x, QUARTER_OVER(x));
	x = higher(x, EIGHTH_OVER(x));
	return x[0];
}

/* What stands in `of` where x has its highest. */
VAD_PART float beside_highest(row x, row of)
{
	return highest(either(x >= (row){ 0 } + highest(x), of, (row){ 0 } - 1));
}

struct voicing {
	float most, least, lag;
};

/* Correlation of the frame with itself 44 .. 5 samples before (in this order), with that of the
 * frame before added, squared over both energies: near 1 somewhere when the sound repeats itself.
 */
VAD_PART struct voicing voicing(struct vad_features *f, const int16_t *wide)
{
	_Alignas(32) float low[VAD_LOW_HISTORY + LOW_FRAME];
	memcpy(low, f->low, sizeof(f->low));
	decimate(wide, low + VAD_LOW_HISTORY);
	const float *first = low + VAD_LOW_HISTORY - (VAD_LAG_MIN + VAD_LAGS - 1);
	_Alignas(32) float e[VAD_LAGS];
	energies(first, e);
	/* Two halves, so that no sum has to wait for the one before. */
	row c[LAG_ROWS] = { 0 }, late[LAG_ROWS] = { 0 }, squares = { 0 };
	for (int n = 0; n < LOW_FRAME / 2; n++)
		for (int r = 0; r < LAG_ROWS; r++) {
			c[r] += low[VAD_LOW_HISTORY + n] * row_at(first + n + ROW * r);
			late[r] += low[VAD_LOW_HISTORY + LOW_FRAME / 2 + n] *
				   row_at(first + LOW_FRAME / 2 + n + ROW * r);
		}
	for (int r = 0; r < LOW_FRAME / ROW; r++)
		squares += row_at(low + VAD_LOW_HISTORY + ROW * r) *
			   row_at(low + VAD_LOW_HISTORY + ROW * r);
	float own = sum_row(squares);
	row most = (row){ 0 } - 1, least = (row){ 0 } + 1, lag = { 0 };
	for (int r = 0; r < LAG_ROWS; r++) {
		c[r] += late[r];
		row both = c[r] + row_at(f->correlation + ROW * r);
		row energy = row_at(e + ROW * r) + row_at(f->energy + ROW * r) + QUIET_FRAME;
		row found = both * higher(both, -both) / (energy * (own + f->own + QUIET_FRAME));
		lag = either(found >= most, (row){ 0, 1, 2, 3, 4, 5, 6, 7 } + (float)(ROW * r),
			     lag);
		most = higher(found, most);
		least = lower(found, least);
		row_put(f->correlation + ROW * r, c[r]);
	}
	memcpy(f->energy, e, sizeof(e));
	f->own = own;
	memcpy(f->low, low + LOW_FRAME, sizeof(f->low));
	struct voicing v;
	v.most = highest(most);
	v.lag = 1 - beside_highest(most, lag) / VAD_LAGS;
	v.least = -highest(-least);
	return v;
}

VAD_PART float smaller(float a, float b)
{
	return a < b ? a : b;
}

VAD_PART float larger(float a, float b)
{
	return a > b ? a : b;
}

void vad_features(struct vad_features *f, const int16_t *samples, float out[VAD_IN])
{
	int16_t wide[VAD_WINDOW + 2 * ROW] = { 0 }; /* more than is used is read */
	_Alignas(32) float power[VAD_BINS];
	row level[BAND_ROWS], sum = { 0 }, over = { 0 }, moved = { 0 }, top = { 0 };
	memcpy(wide, f->overlap, sizeof(f->overlap));
	memcpy(wide + VAD_OVERLAP, samples, FRAME * sizeof(*samples));
	memcpy(f->overlap, wide + FRAME, sizeof(f->overlap));
	vad_spectrum(wide, power);
	bands(power, level);
	learn_floor(f, level);
	row loud = level[0];
	for (int r = 0; r < BAND_ROWS; r++) {
		sum += level[r];
		loud = higher(loud, level[r]);
	}
	float mean = sum_row(sum) / VAD_BANDS;
	for (int r = 0; r < BAND_ROWS; r++) {
		row above = level[r] - row_at(f->floor + ROW * r), shape = level[r] - mean;
		row change = level[r] - row_at(f->last + ROW * r);
		over += above;
		top = higher(top, above);
		moved += higher(change, -change);
		above = clamp(above * 0.25F, -1, 4);
		shape = clamp(shape * 0.25F, -2, 2);
		row_put(out + ROW * r, above);
		row_put(out + VAD_BANDS + ROW * r, shape);
		row_put(f->last + ROW * r, level[r]);
	}
	bool fresh = f->frames++ == 0;
	float since = fresh ? 0 : mean - f->last_mean;
	f->peak = fresh || mean > f->peak - 0.004F ? mean : f->peak - 0.004F;
	struct voicing v = voicing(f, wide + VAD_OVERLAP - 12);
	float *rest = out + 2 * VAD_BANDS;
	rest[0] = larger(0.25F * (mean - f->peak), -4);
	rest[1] = smaller(0.25F * sum_row(over) / VAD_BANDS, 4);
	rest[2] = v.most;
	rest[3] = v.least;
	rest[4] = v.lag;
	rest[5] = f->last_voiced;
	rest[6] = fresh ? 0 : smaller(0.5F * sum_row(moved) / VAD_BANDS, 3);
	rest[7] = larger(smaller(0.25F * since, 2), -2);
	rest[8] = smaller((float)f->frames / 200, 1);
	rest[9] = smaller(0.25F * highest(top), 4);
	rest[10] = smaller(0.25F * (highest(loud) - mean), 3);
	rest[11] = v.lag - f->last_lag;
	f->last_mean = mean;
	f->last_voiced = v.most;
	f->last_lag = v.lag;
}

#ifndef VAD_BUILD
void vad_features_gap(struct vad_features *f)
{
	memset(f->overlap, 0, sizeof(f->overlap));
	memset(f->low, 0, sizeof(f->low));
	memset(f->correlation, 0, sizeof(f->correlation));
	memset(f->energy, 0, sizeof(f->energy));
	f->own = f->last_voiced = f->last_lag = 0;
}
#endif
