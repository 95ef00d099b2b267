/* What one 20 ms frame costs a leg, by codec: with nothing but levels and clock, with the ring,
 * with digits, with speech detection, with everything. A voice that speaks two seconds out of
 * three. CPU time; the least of several rounds, because the machine is shared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/measure.h"
#include "leg/leg.h"

enum { SECONDS = 60, FRAMES = SECONDS * 50, ROUNDS = 7, PACKET = 1400 };

struct frames {
	uint8_t *bytes[FRAMES];
	size_t n[FRAMES];
};

static void *room(size_t n)
{
	void *p = aligned_alloc(64, (n + 63) / 64 * 64);
	CHECK(p);
	return p;
}

static void sing(int16_t *samples, size_t n, uint32_t rate_hz, size_t from)
{
	for (size_t i = 0; i < n; i++) {
		double t = (double)(from + i) / rate_hz, v = 0;
		for (int h = 1; h < 12; h++)
			v += sin(2 * M_PI * 140 * h * t) / (1 + fabs(h - 4.5));
		v *= fmod(t, 3) < 2 ? 3000 * (0.6 + 0.4 * sin(2 * M_PI * 4 * t)) : 10;
		samples[i] = (int16_t)(v + rand() % 61 - 30);
	}
}

static void make_frames(const struct codec *c, struct codec_params p, struct frames *out)
{
	struct fault f = { 0 };
	int16_t samples[960];
	p.way = CODEC_ENCODE;
	uint32_t rate_hz = c->out_rate(&p);
	void *state = room(c->state_size(&p) + 64);
	must(c->init(state, &p, &f), &f);
	for (size_t i = 0; i < FRAMES; i++) {
		size_t n = rate_hz / 50;
		out->bytes[i] = room(PACKET * 2);
		sing(samples, n, rate_hz, i * n);
		must(c->encode(state, samples, n, out->bytes[i], PACKET * 2, &out->n[i], &f), &f);
	}
	free(state);
}

static double round_ns(const struct leg_config *c, const struct frames *frames)
{
	struct heard facts[LEG_FACTS_MAX];
	struct fault f = { 0 };
	size_t bytes;
	must(leg_size(c, &bytes, &f), &f);
	struct leg *leg = room(bytes);
	must(leg_init(leg, c, &f), &f);
	int64_t start = cpu_ns();
	for (size_t i = 0; i < FRAMES; i++)
		leg_frame(leg, (struct span){ (const char *)frames->bytes[i], frames->n[i] },
			  (int64_t)i, (int64_t)i * 20,
			  INT64_C(1790000000000000) + (int64_t)i * 20000, facts);
	double ns = (double)(cpu_ns() - start) / FRAMES;
	leg_fini(leg);
	free(leg);
	return ns;
}

static double least_ns(struct leg_config c, const struct frames *frames, bool ring, bool dtmf,
		       bool vad)
{
	double least = 1e9;
	c.ring = ring;
	c.dtmf = dtmf;
	c.vad = vad ? LEG_VAD_STANDARD : LEG_VAD_NONE;
	for (int i = 0; i < ROUNDS; i++) {
		double ns = round_ns(&c, frames);
		least = ns < least ? ns : least;
	}
	return least;
}

static void bench(const char *name, uint32_t rate_hz)
{
	static struct leg_scratch scratch;
	struct leg_config c = { .codec = codec_find(span_of(name)),
				.scratch = &scratch,
				.params = { .rate_hz = rate_hz },
				.speaker = SPEAKER_USER,
				.rule = vad_rule_default };
	struct frames *frames = room(sizeof(*frames));
	make_frames(c.codec, c.params, frames);
	printf("%-6s %6u %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, rate_hz,
	       least_ns(c, frames, false, false, false), least_ns(c, frames, true, false, false),
	       least_ns(c, frames, false, true, false), least_ns(c, frames, false, false, true),
	       least_ns(c, frames, true, true, true));
	for (size_t i = 0; i < FRAMES; i++)
		free(frames->bytes[i]);
	free(frames);
}

int main(void)
{
	printf("ns per frame of 20 ms, CPU\n%-6s %6s %9s %9s %9s %9s %9s\n", "codec", "Hz", "bare",
	       "+ring", "+digits", "+speech", "all");
	bench("pcmu", 8000);
	bench("pcma", 8000);
	bench("l16", 8000);
	bench("l16", 16000);
	bench("l16", 48000);
	bench("g722", 16000);
	bench("opus", 48000);
	return 0;
}
