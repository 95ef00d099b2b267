#include "leg/vad.h"

const struct vad_rule vad_rule_default = { .on = 0.6F, .off = 0.3F, .on_ms = 60, .off_ms = 200 };

/* How long a score has been beyond its threshold: begun by what is `beyond`, ended by what is
 * `back`. */
static uint16_t counted(uint16_t ms, bool beyond, bool back)
{
	if (back || (!beyond && !ms))
		return 0;
	return ms > UINT16_MAX - VAD_FRAME_MS ? ms : (uint16_t)(ms + VAD_FRAME_MS);
}

enum vad_change vad_gate_frame(struct vad_gate *g, const struct vad_rule *rule, float score,
			       unsigned *ago_ms)
{
	bool high = score >= rule->on, low = score < rule->off;
	uint16_t *ms = g->speaking ? &g->below_ms : &g->above_ms;
	*ms = g->speaking ? counted(*ms, low, high) : counted(*ms, high, low);
	if (!*ms || *ms < (g->speaking ? rule->off_ms : rule->on_ms))
		return VAD_SAME;
	*ago_ms = *ms + VAD_BEHIND_MS;
	*g = (struct vad_gate){ .speaking = !g->speaking };
	return g->speaking ? VAD_STARTED : VAD_STOPPED;
}
