#include "media/detect.h"

#include <stdlib.h>
#include <string.h>

/* The nearest two are 4:3 apart. */
#define NEAR 1.12

/* Where bytes a second fit two formats, the samples decide. */
static const struct {
	uint32_t rate_hz;
	unsigned channels;
} formats[] = {
	{ 8000, 1 },  { 16000, 1 }, { 8000, 2 },  { 24000, 1 },
	{ 16000, 2 }, { 48000, 1 }, { 24000, 2 }, { 48000, 2 },
};

/* Neighbours of one channel are alike; of two channels every other one is, and pairs that are all
 * the same are one voice twice. Silence tells nothing and counts as one channel. `surely`: two
 * voices, and no tone or noise that is alike nothing; that it is one is never sure, since two
 * channels may hold nearly the same. */
static unsigned channels_of(struct span bytes, bool *surely)
{
	uint64_t next = 0, after = 0;
	size_t n = bytes.n / 2;

	for (size_t i = 0; i + 2 < n; i += 2) {
		int16_t s[3];

		memcpy(s, bytes.p + 2 * i, sizeof(s));
		next += (uint64_t)abs(s[0] - s[1]);
		after += (uint64_t)abs(s[0] - s[2]);
	}
	*surely = next > after + after / 2;
	return next > after || (next == 0 && after > 0) ? 2 : 1;
}

static double distance(double bytes_per_s, size_t i)
{
	double is = formats[i].rate_hz * formats[i].channels * 2.0;

	return is > bytes_per_s ? is / bytes_per_s : bytes_per_s / is;
}

struct detected detect_format(struct span bytes, size_t counted_bytes, int64_t elapsed_us,
			      uint32_t rate_hz, unsigned channels)
{
	double bytes_per_s = elapsed_us > 0 ? (double)counted_bytes * 1e6 / (double)elapsed_us : 0;
	bool two = false;
	unsigned like = channels ? channels : channels_of(bytes, &two);
	unsigned only = channels ? channels : two ? 2 : 0;
	size_t best = like == 2 ? 4 : 1; /* 16 kHz, when there is nothing to go by */

	if (rate_hz)
		return (struct detected){ rate_hz, like, true };
	for (size_t i = 0; bytes_per_s > 0 && i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (only && formats[i].channels != only)
			continue;
		double d = distance(bytes_per_s, i), b = distance(bytes_per_s, best);
		bool same = d / b > 0.99 && d / b < 1.01; /* as many bytes a second */
		if (same ? formats[i].channels == like : d < b)
			best = i;
	}
	return (struct detected){ formats[best].rate_hz, formats[best].channels,
				  bytes_per_s > 0 && distance(bytes_per_s, best) < NEAR };
}

void detect_count(struct detect *d, size_t n, int64_t now_us)
{
	if (!d->n)
		d->first_us = now_us;
	int64_t slot = (now_us - d->first_us) / DETECT_SLOT_US;
	d->n += n;
	if (slot <= 0) {
		d->base_us = now_us;
		d->base_n = d->n;
	} else if (slot < DETECT_SLOTS) {
		d->slots[slot] += (uint32_t)n;
	}
}

bool detect_is_steady(const struct detect *d, int64_t now_us)
{
	int64_t whole = (now_us - d->first_us) / DETECT_SLOT_US, sum = 0;
	bool steady = true;

	whole = whole < DETECT_SLOTS ? whole : DETECT_SLOTS;
	for (int64_t i = 1; i < whole; i++)
		sum += d->slots[i];
	for (int64_t i = 1; i < whole; i++)
		steady &= 2 * d->slots[i] * (whole - 1) >= sum &&
			  2 * d->slots[i] * (whole - 1) <= 3 * sum;
	return steady;
}
