/* Stands in for the detector of src/leg: loud is speech. As late as that one. */
#include "leg/vad.h"

#include <string.h>

const struct vad_rule vad_rule_default = { 0.5f, 0.5f, 60, 200 };

struct fake {
	uint32_t rate_hz;
	float past[VAD_BEHIND];
};

void vad_init(struct vad *v, uint32_t rate_hz)
{
	struct fake fake = { .rate_hz = rate_hz };
	memset(v, 0, sizeof(*v));
	memcpy(v->state, &fake, sizeof(fake));
}

float vad_frame(struct vad *v, const int16_t *samples)
{
	struct fake *fake = (struct fake *)(void *)v->state;
	uint32_t n = fake->rate_hz / 50;
	float score = fake->past[0];
	double sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += (double)samples[i] * samples[i];
	memmove(fake->past, fake->past + 1, sizeof(fake->past) - sizeof(*fake->past));
	fake->past[VAD_BEHIND - 1] = sum / n > 500.0 * 500.0 ? 1 : 0;
	return score;
}

void vad_look(struct vad *v, const int16_t *samples, struct vad_seen *out)
{
	out->numbers[0] = vad_frame(v, samples);
}

void vad_scores(unsigned n, struct vad *const *of, const struct vad_seen *seen, float *scores)
{
	(void)of;
	for (unsigned i = 0; i < n; i++)
		scores[i] = seen[i].numbers[0];
}

void vad_gap(struct vad *v, int64_t gap_ms)
{
	(void)v;
	(void)gap_ms;
}

enum vad_change vad_gate_frame(struct vad_gate *g, const struct vad_rule *rule, float score,
			       unsigned *ago_ms)
{
	bool above = g->speaking ? score >= rule->off : score >= rule->on;
	g->above_ms = above ? (uint16_t)(g->above_ms + VAD_FRAME_MS) : 0;
	g->below_ms = above ? 0 : (uint16_t)(g->below_ms + VAD_FRAME_MS);
	unsigned ms = g->speaking ? g->below_ms : g->above_ms;
	*ago_ms = ms + VAD_BEHIND_MS;
	if (ms < (g->speaking ? rule->off_ms : rule->on_ms))
		return VAD_SAME;
	g->speaking = !g->speaking;
	g->above_ms = g->below_ms = 0;
	return g->speaking ? VAD_STARTED : VAD_STOPPED;
}
