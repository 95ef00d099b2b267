#include "tests/unit/leg/kit.h"

#include <math.h>
#include <stdlib.h>

struct leg_config kit_config(const char *codec, uint32_t rate_hz)
{
	static struct leg_scratch scratch; /* of all legs of a test */
	static struct pool *rings;
	const struct codec *c = codec_find(span_of(codec));
	assert_non_null(c);
	if (!rings)
		rings = pool_new(LEG_RING_PIECE_BYTES);
	return (struct leg_config){ .index = 1,
				    .speaker = SPEAKER_USER,
				    .codec = c,
				    .params = { .rate_hz = rate_hz },
				    .scratch = &scratch,
				    .rule = vad_rule_default,
				    .ring = rings,
				    .dtmf = true };
}

void kit_init(struct kit *k, const struct leg_config *c)
{
	struct fault f = { 0 };
	size_t bytes;
	*k = (struct kit){ 0 };
	if (leg_size(c, &bytes, &f))
		fail_msg("%s", f.text);
	k->leg = aligned_alloc(64, bytes);
	assert_non_null(k->leg);
	memset(k->leg, 0xa5, bytes);
	if (leg_init(k->leg, c, &f))
		fail_msg("%s", f.text);
}

void kit_fini(struct kit *k)
{
	leg_fini(k->leg);
	free(k->leg);
	free(k->pcm);
}

static void collect(struct kit *k, size_t facts)
{
	struct leg_pcm p = leg_last(k->leg);
	k->n += facts;
	assert_true(k->n <= KIT_FACTS - LEG_FACTS_MAX);
	if (!p.n)
		return;
	assert_true(p.at >= k->last_at);
	size_t end = (size_t)p.at + p.n;
	if (end > k->pcm_cap) {
		k->pcm = realloc(k->pcm, end * 2 * sizeof(*k->pcm));
		memset(k->pcm + k->pcm_cap, 0, (end * 2 - k->pcm_cap) * sizeof(*k->pcm));
		k->pcm_cap = end * 2;
	}
	memcpy(k->pcm + p.at, p.samples, p.n * sizeof(*k->pcm));
	k->pcm_n = end;
	k->last_at = (int64_t)end;
}

void kit_frame(struct kit *k, struct span bytes, int64_t chunk, int64_t at_ms, int64_t arrived_us)
{
	collect(k, leg_frame(k->leg, bytes, chunk, at_ms, arrived_us, k->facts + k->n));
}

void kit_tick(struct kit *k, int64_t now_us)
{
	collect(k, leg_tick(k->leg, now_us, k->facts + k->n));
}

void kit_finish(struct kit *k, int64_t now_us)
{
	collect(k, leg_finish(k->leg, now_us, k->facts + k->n));
}

void kit_digit(struct kit *k, const char *digit, int64_t arrived_us)
{
	k->n += leg_digit(k->leg, span_of(digit), 100, arrived_us, k->facts + k->n);
}

const struct heard *kit_fact(const struct kit *k, enum heard_kind kind, size_t n)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->facts[i].kind == kind && n-- == 0)
			return &k->facts[i];
	return NULL;
}

size_t kit_count(const struct kit *k, enum heard_kind kind)
{
	size_t n = 0;
	while (kit_fact(k, kind, n))
		n++;
	return n;
}

/* --- sounds --- */

unsigned kit_pick(uint64_t *seed, unsigned n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (unsigned)((*seed >> 33) % n);
}

static size_t index_of(const struct sound *s, double ms)
{
	size_t i = (size_t)(ms * s->rate_hz / 1000);
	return i < s->n ? i : s->n;
}

static int16_t clip(double v)
{
	return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : lrint(v));
}

struct sound sound_new(uint32_t rate_hz, int64_t ms)
{
	uint64_t seed = 0x9E3779B97F4A7C15u;
	struct sound s = { .n = (size_t)(ms * rate_hz / 1000), .rate_hz = rate_hz };
	s.samples = malloc((s.n + 1) * sizeof(*s.samples));
	for (size_t i = 0; i < s.n; i++)
		s.samples[i] = (int16_t)((int)kit_pick(&seed, 61) - 30);
	return s;
}

void sound_free(struct sound *s)
{
	free(s->samples);
}

/* A voice of 120 to 160 Hz with formants and syllables, and breath. */
void sound_voice(struct sound *s, int64_t from_ms, int64_t to_ms)
{
	uint64_t seed = 77;
	double phase = 0;
	for (size_t i = index_of(s, (double)from_ms); i < index_of(s, (double)to_ms); i++) {
		double t = (double)i / s->rate_hz, v = 0;
		double syllable = 0.55 + 0.45 * sin(2 * M_PI * 4 * t);
		phase += 2 * M_PI * (140 + 20 * sin(2 * M_PI * 0.7 * t)) / s->rate_hz;
		for (int h = 1; h <= 20; h++) {
			double hz = 140.0 * h;
			double formant = 1 / (1 + pow((hz - 600) / 200, 2)) +
					 0.5 / (1 + pow((hz - 1400) / 250, 2)) +
					 0.25 / (1 + pow((hz - 2500) / 300, 2));
			v += formant * sin(h * phase);
		}
		v += ((double)kit_pick(&seed, 2001) - 1000) / 1000 * 0.1;
		s->samples[i] = clip(s->samples[i] + v * syllable * 4000);
	}
}

void sound_zero(struct sound *s, int64_t from_ms, int64_t to_ms)
{
	size_t from = index_of(s, (double)from_ms), to = index_of(s, (double)to_ms);
	memset(s->samples + from, 0, (to - from) * sizeof(*s->samples));
}

void sound_sine(struct sound *s, double hz, double amplitude, double from_ms, double to_ms)
{
	for (size_t i = index_of(s, from_ms); i < index_of(s, to_ms); i++)
		s->samples[i] = clip(s->samples[i] +
				     amplitude * sin(2 * M_PI * hz * (double)i / s->rate_hz));
}

void sound_digit(struct sound *s, char digit, double amplitude, double from_ms, double to_ms)
{
	static const char keys[] = "123A456B789C*0#D";
	static const double rows[] = { 697, 770, 852, 941 }, columns[] = { 1209, 1336, 1477, 1633 };
	const char *key = strchr(keys, digit);
	assert_non_null(key);
	sound_sine(s, rows[(key - keys) / 4], amplitude, from_ms, to_ms);
	sound_sine(s, columns[(key - keys) % 4], amplitude, from_ms, to_ms);
}

struct span sound_bytes(const struct sound *s, const char *codec)
{
	const struct codec *c = codec_find(span_of(codec));
	size_t cap = s->n * 2 + 16, n = 0;
	uint8_t *out = malloc(cap);
	assert_int_equal(c->encode(NULL, s->samples, s->n, out, cap, &n, NULL), 0);
	return (struct span){ (char *)out, n };
}
