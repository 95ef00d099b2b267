/* Sounds for the codec tests, and how alike two of them are. */
#ifndef TESTS_CODEC_SIGNAL_H
#define TESTS_CODEC_SIGNAL_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "callmend/codec.h"
#include "tests/unit/cmocka_all.h"

/* A vowel of a kind: eight harmonics of `pitch_hz`, each weaker than the one below. */
static inline void signal_voice(int16_t *out, size_t n, double rate_hz, double pitch_hz,
				double peak)
{
	for (size_t i = 0; i < n; i++) {
		double v = 0;
		for (int k = 1; k <= 8; k++)
			v += sin(2 * M_PI * pitch_hz * k * (double)i / rate_hz + k * k) / k;
		out[i] = (int16_t)lrint(v / 2.2 * peak);
	}
}

static inline void signal_tone(int16_t *out, size_t n, double rate_hz, double hz, double peak)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (int16_t)lrint(sin(2 * M_PI * hz * (double)i / rate_hz) * peak);
}

/* The same bytes in every run. */
static inline uint32_t signal_noise(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static inline double signal_power(const int16_t *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * x[i];
	return n ? sum / (double)n : 0;
}

/* dB of signal over difference, at the delay (up to `delay_max`) that suits best. */
static inline double signal_snr(const int16_t *in, const int16_t *out, size_t n, size_t delay_max)
{
	double best = -1000;
	for (size_t delay = 0; delay <= delay_max; delay++) {
		double wrong = 1e-9;
		for (size_t i = delay; i < n; i++)
			wrong += pow(out[i] - in[i - delay], 2);
		double snr = 10 * log10(signal_power(in, n - delay) * (double)(n - delay) / wrong);
		best = snr > best ? snr : best;
	}
	return best;
}

/* The largest step from one sample to the next. */
static inline int signal_step(const int16_t *x, size_t n)
{
	int most = 0;
	for (size_t i = 1; i < n; i++)
		most = abs(x[i] - x[i - 1]) > most ? abs(x[i] - x[i - 1]) : most;
	return most;
}

/* A state with a border that must stay whole. Freed with free(). */
enum { SIGNAL_BORDER = 64 };
static inline void *signal_state(const struct codec *c, const struct codec_params *p)
{
	size_t n = c->state_size(p);
	unsigned char *state =
		aligned_alloc(CODEC_STATE_ALIGN, (n + 2 * SIGNAL_BORDER + 15) & ~15ul);
	assert_non_null(state);
	memset(state, 0xa5, n + 2 * SIGNAL_BORDER);
	assert_int_equal(c->init(state, p, NULL), 0);
	return state;
}

static inline void signal_border(const struct codec *c, const struct codec_params *p,
				 const void *state)
{
	const unsigned char *end = (const unsigned char *)state + c->state_size(p);
	for (int i = 0; i < SIGNAL_BORDER; i++)
		assert_int_equal(end[i], 0xa5);
}

/* Encoded frame by frame and decoded again. */
static inline void signal_round_trip(const struct codec *c, struct codec_params p,
				     const int16_t *in, size_t n, size_t frame, int16_t *out)
{
	p.way = CODEC_ENCODE;
	void *enc = signal_state(c, &p);
	struct codec_params q = p;
	q.way = CODEC_DECODE;
	void *dec = signal_state(c, &q);
	for (size_t at = 0; at + frame <= n; at += frame) {
		uint8_t bytes[2 * CODEC_SAMPLES_MAX];
		size_t made, used, got;
		assert_int_equal(c->encode(enc, in + at, frame, bytes, sizeof(bytes), &made, NULL),
				 0);
		assert_int_equal(c->decode(dec, (struct span){ (char *)bytes, made }, out + at,
					   frame, &used, &got, NULL),
				 0);
		assert_int_equal(used, made);
		assert_int_equal(got, frame);
	}
	signal_border(c, &p, enc);
	signal_border(c, &q, dec);
	free(enc);
	free(dec);
}

#endif
