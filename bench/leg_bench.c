/* What one 20 ms frame costs a leg, by codec: with nothing but levels and clock, with the ring,
 * with digits, with speech detection, with everything. A voice that speaks two seconds out of
 * three. CPU time; the least of several rounds, because the machine is shared.
 *
 * Then everything once more, as a shard has it: many legs take turns, so that each finds the
 * processor's caches full of the others. One by one, and as src/media does it: together, and in a
 * pool's slabs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/measure.h"
#include "leg/leg.h"

enum { SECONDS = 60, FRAMES = SECONDS * 50, ROUNDS = 7, PACKET = 1400 };
enum { LEGS = 2000, TURNS = 100, TURN_ROUNDS = 3 };

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

static struct pool *rings;

static double least_ns(struct leg_config c, const struct frames *frames, bool ring, bool dtmf,
		       bool vad)
{
	double least = 1e9;
	c.ring = ring ? rings : NULL;
	c.dtmf = dtmf;
	c.vad = vad ? LEG_VAD_STANDARD : LEG_VAD_NONE;
	for (int i = 0; i < ROUNDS; i++) {
		double ns = round_ns(&c, frames);
		least = ns < least ? ns : least;
	}
	return least;
}

/* --- many legs --- */

struct many {
	struct leg *legs[LEGS];
	struct leg_batch batch;
	struct pool *pool;
};

static void many_open(struct many *m, struct leg_config c, bool together)
{
	struct fault f = { 0 };
	size_t bytes;
	memset(m, 0, sizeof(*m));
	c.batch = together ? &m->batch : NULL;
	must(leg_size(&c, &bytes, &f), &f);
	m->pool = together ? pool_new(bytes) : NULL;
	for (size_t i = 0; i < LEGS; i++) {
		m->legs[i] = together ? pool_take(m->pool) : room(bytes);
		must(leg_init(m->legs[i], &c, &f), &f);
	}
}

static void many_close(struct many *m)
{
	for (size_t i = 0; i < LEGS; i++) {
		leg_fini(m->legs[i]);
		if (!m->pool)
			free(m->legs[i]);
	}
	pool_free(m->pool);
}

/* Frame k of every leg; each is elsewhere in the talk. */
static void many_hear(struct many *m, const struct frames *frames, size_t k, bool together)
{
	struct heard facts[LEG_FACTS_MAX];
	for (size_t i = 0; i < LEGS; i++) {
		size_t at = (k + i * 37) % FRAMES;
		leg_frame(m->legs[i],
			  (struct span){ (const char *)frames->bytes[at], frames->n[at] },
			  (int64_t)k, (int64_t)k * 20,
			  INT64_C(1790000000000000) + (int64_t)k * 20000, facts);
		for (size_t s = i + 1 - LEG_BATCH;
		     together && i % LEG_BATCH == LEG_BATCH - 1 && s <= i; s++)
			leg_settle(m->legs[s], facts);
	}
}

static double many_ns(struct leg_config c, const struct frames *frames, bool together)
{
	static struct many m;
	double least = 1e9;
	size_t k = 0;
	c.ring = rings;
	c.dtmf = true;
	c.vad = LEG_VAD_STANDARD;
	many_open(&m, c, together);
	for (int round = 0; round < TURN_ROUNDS; round++) {
		int64_t start = cpu_ns();
		for (size_t end = k + TURNS; k < end; k++)
			many_hear(&m, frames, k, together);
		double ns = (double)(cpu_ns() - start) / TURNS / LEGS;
		least = ns < least ? ns : least;
	}
	many_close(&m);
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
	printf("%-6s %6u %9.0f %9.0f %9.0f %9.0f %9.0f %9.0f %9.0f\n", name, rate_hz,
	       least_ns(c, frames, false, false, false), least_ns(c, frames, true, false, false),
	       least_ns(c, frames, false, true, false), least_ns(c, frames, false, false, true),
	       least_ns(c, frames, true, true, true), many_ns(c, frames, false),
	       many_ns(c, frames, true));
	for (size_t i = 0; i < FRAMES; i++)
		free(frames->bytes[i]);
	free(frames);
}

int main(void)
{
	rings = pool_new(LEG_RING_PIECE_BYTES);
	printf("ns per frame of 20 ms, CPU; the last two of %d legs by turns\n"
	       "%-6s %6s %9s %9s %9s %9s %9s %9s %9s\n",
	       LEGS, "codec", "Hz", "bare", "+ring", "+digits", "+speech", "all", "one by one",
	       "together");
	bench("pcmu", 8000);
	bench("pcma", 8000);
	bench("l16", 8000);
	bench("l16", 16000);
	bench("l16", 48000);
	bench("g722", 16000);
	bench("opus", 48000);
	return 0;
}
