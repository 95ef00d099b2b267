/* Participants of a stream who come and go, each with a leg in a format of its own. The place of
 * one who has left may be given again: his leg ends first, in facts and for sinks. */
#include "base/metrics.h"
#include "media/internal.h"

enum { CLOSE_CODEC = 4415 };

static void leave(struct media_line *l, unsigned i, int64_t now_us)
{
	struct line_leg *g = &l->legs[i];
	const struct media *m = l->home->media;

	inbox_hear(l->home);
	inbox_settle(l->home);
	line_detach(l, i, now_us, "left");
	for (unsigned k = 0; k < m->sinks_n; k++)
		if (l->sinks[k] && m->sinks[k].sink->leg_over)
			m->sinks[k].sink->leg_over(l->sinks[k], i);
	leg_fini(g->leg);
	pool_give(g->leg);
	*g = (struct line_leg){ 0 };
}

static int join(struct media_line *l, unsigned i, const struct media_joined *j, int64_t now_us,
		struct fault *f)
{
	const struct codec *codec = codec_find(j->encoding);

	if (!codec)
		return fault(f, E_INVALID, "codec \"%.*s\" is not known here",
			     SPAN_ARG(j->encoding));
	l->legs[i].codec = codec;
	l->legs[i].announced_hz = j->rate_hz;
	l->roles[i] = (struct media_leg){ .speaker = j->leg.speaker };
	l->legs_n = i < l->legs_n ? l->legs_n : i + 1;
	return line_open_leg(l, i, j, now_us, f);
}

void line_leg_starts(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	struct fault f = { 0 };
	bool first = !l->legs_n;

	if (l->state != LINE_RUNNING || e->leg >= MEDIA_LEGS_MAX)
		return;
	if (l->legs[e->leg].leg)
		leave(l, e->leg, now_us);
	if (join(l, e->leg, e->joined, now_us, &f))
		line_refuse(l, CLOSE_CODEC, "codec", f.text);
	else if (first)
		line_claim(l, now_us);
}

void line_leg_held(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	struct heard facts[LEG_FACTS_MAX];

	if (l->state != LINE_RUNNING || e->leg >= l->legs_n || !l->legs[e->leg].leg)
		return;
	size_t n = leg_hold(l->legs[e->leg].leg, e->on, now_us, facts);
	l->legs[e->leg].held = e->on;
	line_tell(l, facts, n);
}

void line_leg_stops(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	if (l->state == LINE_RUNNING && e->leg < l->legs_n && l->legs[e->leg].leg)
		leave(l, e->leg, now_us);
}

void line_leg_speaks(struct media_line *l, unsigned i, const struct heard *facts, size_t n,
		     int64_t now_us)
{
	const struct media_event resumed = { .leg = i, .on = false };
	size_t k = 0;

	while (k < n && facts[k].kind != HEARD_SPEECH_STARTED)
		k++;
	if (k < n)
		line_leg_held(l, &resumed, now_us);
}

void line_end_empty(struct media_line *l, int64_t now_us, const char *why)
{
	struct heard h = { .kind = HEARD_DETACHED, .at_us = now_us, .name = span_of(why) };
	bool any = false;

	for (unsigned i = 0; i < l->legs_n; i++)
		any |= l->legs[i].leg != NULL;
	if (l->dialect->tells_calls && l->legs_n && !any)
		line_tell(l, &h, 1);
}
