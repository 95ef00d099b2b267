/* Sample 2n + i * sample (2n + 1) is number n of 128; number 8r + c stands in row r, column c.
 * Columns are transformed (16 rows: 4 x 4), turned by exp(-2 pi i c k / 128), the table is turned
 * over, and its columns are transformed again (8). All of it works on rows of eight floats; nothing
 * moves inside a row but while turning over. Last, the two real halves are taken apart. */
#include "leg/vad_spectrum.h"

#include <math.h>

#include "leg/vad_row.h"

enum { HALF = VAD_WINDOW / 2, ROWS = HALF / ROW };

static struct {
	row even[ROWS], odd[ROWS];	    /* the window */
	row turn_re[ROWS], turn_im[ROWS];   /* exp(-2 pi i c k / 128) */
	row split_re[ROWS], split_im[ROWS]; /* exp(-2 pi i k / 256) */
} tables;

__attribute__((constructor)) static void make_tables(void)
{
	for (int k = 0; k < HALF; k++) {
		int r = k / ROW, c = k % ROW;
		tables.even[r][c] = (float)(0.5 - 0.5 * cos(2 * M_PI * (2 * k + 0.5) / VAD_WINDOW));
		tables.odd[r][c] = (float)(0.5 - 0.5 * cos(2 * M_PI * (2 * k + 1.5) / VAD_WINDOW));
		tables.turn_re[r][c] = (float)cos(2 * M_PI * r * c / HALF);
		tables.turn_im[r][c] = (float)-sin(2 * M_PI * r * c / HALF);
		tables.split_re[r][c] = (float)cos(2 * M_PI * k / VAD_WINDOW);
		tables.split_im[r][c] = (float)-sin(2 * M_PI * k / VAD_WINDOW);
	}
}

/* Four points, `step` rows apart, in place. */
VAD_PART void four(row *re, row *im, int step)
{
	row ar = re[0] + re[2 * step], ai = im[0] + im[2 * step];
	row br = re[0] - re[2 * step], bi = im[0] - im[2 * step];
	row cr = re[step] + re[3 * step], ci = im[step] + im[3 * step];
	row dr = re[step] - re[3 * step], di = im[step] - im[3 * step];
	re[0] = ar + cr;
	im[0] = ai + ci;
	re[step] = br + di;
	im[step] = bi - dr;
	re[2 * step] = ar - cr;
	im[2 * step] = ai - ci;
	re[3 * step] = br - di;
	im[3 * step] = bi + dr;
}

VAD_PART void turn(row *re, row *im, float c, float s)
{
	row x = *re * c - *im * s;
	*im = *re * s + *im * c;
	*re = x;
}

/* Sixteen rows; row q + 4p of the result stands in row 4q + p. */
VAD_PART void sixteen(row *re, row *im)
{
	static const float c[10] = { 1, 0.92387953F,  0.70710678F, 0.38268343F, 0,
				     0, -0.70710678F, 0,	   0,		-0.92387953F };
	static const float s[10] = {
		0, -0.38268343F, -0.70710678F, -0.92387953F, -1, 0, -0.70710678F, 0, 0, 0.38268343F
	};
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++)
		four(re + j, im + j, 4);
#pragma GCC unroll 4
	for (int q = 1; q < 4; q++)
#pragma GCC unroll 4
		for (int j = 1; j < 4; j++)
			turn(re + 4 * q + j, im + 4 * q + j, c[q * j], s[q * j]);
#pragma GCC unroll 4
	for (int q = 0; q < 4; q++)
		four(re + 4 * q, im + 4 * q, 1);
}

#define SHUFFLE __builtin_shufflevector

/* Eight rows of eight: column c becomes row c. */
VAD_PART void turn_over(const row *in, row *out)
{
	row a[8], b[8];
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		a[2 * i] = SHUFFLE(in[2 * i], in[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
		a[2 * i + 1] = SHUFFLE(in[2 * i], in[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		int at = i / 2 * 4 + i % 2;
		b[at] = SHUFFLE(a[at], a[at + 2], 0, 1, 8, 9, 4, 5, 12, 13);
		b[at + 2] = SHUFFLE(a[at], a[at + 2], 2, 3, 10, 11, 6, 7, 14, 15);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		out[i] = SHUFFLE(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
		out[i + 4] = SHUFFLE(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
	}
}

/* Eight rows; row q + 2p of the result stands in row 4q + p. */
VAD_PART void eight(row *re, row *im)
{
	static const float c[4] = { 1, 0.70710678F, 0, -0.70710678F };
	static const float s[4] = { 0, -0.70710678F, -1, -0.70710678F };
#pragma GCC unroll 4
	for (int j = 0; j < 4; j++) {
		row r = re[j] - re[j + 4], i = im[j] - im[j + 4];
		re[j] += re[j + 4];
		im[j] += im[j + 4];
		re[j + 4] = r;
		im[j + 4] = i;
		turn(re + j + 4, im + j + 4, c[j], s[j]);
	}
	four(re, im, 1);
	four(re + 4, im + 4, 1);
}

VAD_PART void take_in(const int16_t *samples, row *re, row *im)
{
	for (int r = 0; r < ROWS; r++)
		for (int c = 0; c < ROW; c++) {
			re[r][c] = (float)samples[2 * (ROW * r + c)];
			im[r][c] = (float)samples[2 * (ROW * r + c) + 1];
		}
	for (int r = 0; r < ROWS; r++) {
		re[r] *= tables.even[r];
		im[r] *= tables.odd[r];
	}
}

/* The complex transform in natural order. */
VAD_PART void transform(row *re, row *im, row *out_re, row *out_im)
{
	sixteen(re, im);
	for (int half = 0; half < 2; half++) {
		row in[2][8], turned[2][8];
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++) {
			int k = 8 * half + i, at = 4 * (k % 4) + k / 4;
			in[0][i] = re[at] * tables.turn_re[k] - im[at] * tables.turn_im[k];
			in[1][i] = re[at] * tables.turn_im[k] + im[at] * tables.turn_re[k];
		}
		turn_over(in[0], turned[0]);
		turn_over(in[1], turned[1]);
		eight(turned[0], turned[1]);
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++) {
			int k = i / 4 + 2 * (i % 4);
			out_re[2 * k + half] = turned[0][i];
			out_im[2 * k + half] = turned[1][i];
		}
	}
}

/* Bin k of the real transform from numbers k and 128 - k of the complex one. */
VAD_PART void split(const float *re, const float *im, float *power)
{
	for (int r = 0; r < VAD_BINS / ROW; r++) {
		row ar, ai, br, bi;
		memcpy(&ar, re + ROW * r, sizeof(ar));
		memcpy(&ai, im + ROW * r, sizeof(ai));
		memcpy(&br, re + HALF - ROW * r - 7, sizeof(br));
		memcpy(&bi, im + HALF - ROW * r - 7, sizeof(bi));
		br = SHUFFLE(br, br, 7, 6, 5, 4, 3, 2, 1, 0);
		bi = SHUFFLE(bi, bi, 7, 6, 5, 4, 3, 2, 1, 0);
		row er = ar + br, ei = ai - bi, dr = ai + bi, di = br - ar;
		row c = tables.split_re[r], s = tables.split_im[r];
		row xr = er + dr * c - di * s, xi = ei + dr * s + di * c;
		row sum = (xr * xr + xi * xi) * 0.25F;
		memcpy(power + ROW * r, &sum, sizeof(sum));
	}
}

void vad_spectrum(const int16_t samples[VAD_WINDOW], float power[VAD_BINS])
{
	row re[ROWS], im[ROWS];
	_Alignas(32) float out_re[HALF + ROW], out_im[HALF + ROW];
	take_in(samples, re, im);
	transform(re, im, (row *)out_re, (row *)out_im);
	out_re[HALF] = out_re[0];
	out_im[HALF] = out_im[0];
	split(out_re, out_im, power);
}
