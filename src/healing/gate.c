#include "healing/gate.h"

static const char *const verdict_names[] = {
#define X(id, name, doc) [GATE_##id] = name,
	VERDICTS(X)
#undef X
};

const char *gate_verdict_name(enum gate_verdict v)
{
	return verdict_names[v];
}

double gate_limit(const struct thresholds *t, enum cause_kind kind)
{
	const double limits[] = {
#define X(id, name, limit, doc) [CAUSE_##id##_KIND] = t->limit,
		CAUSES(X)
#undef X
	};
	double share = limits[kind] / 100;
	return kind == CAUSE_SUCCESS_RATE_KIND ? 1 - share : share;
}

/* --- counting, caller by caller --- */

static struct caller_count *count(const struct window *w, const struct seen_cause *c,
				  struct gate_figures *g)
{
	struct caller_count *by = arena_alloc(w->arena, w->callers * sizeof(*by) + 1);
	for (size_t i = 0; i < w->calls_n; i++)
		by[w->calls[i].caller].calls += c->among[i];
	for (size_t i = 0; i < c->hits_n; i++)
		by[w->calls[c->hits[i].call].caller].events += c->among[c->hits[i].call];
	for (size_t i = 0; i < w->callers; i++) {
		g->calls += by[i].calls;
		g->events += by[i].events;
		g->callers += by[i].calls > 0;
		g->event_callers += by[i].events > 0;
	}
	return by;
}

static size_t without_the_absent(struct caller_count *by, size_t n, double *squares)
{
	size_t kept = 0;
	*squares = 0;
	for (size_t i = 0; i < n; i++) {
		if (by[i].calls <= 0)
			continue;
		*squares += by[i].calls * by[i].calls;
		by[kept++] = by[i];
	}
	return kept;
}

/* What the calls themselves show of their likeness counts when it is more than is taken for
 * granted. */
static void find_effective(const struct window *w, struct caller_count *by, struct gate_figures *g)
{
	double squares;
	size_t callers = without_the_absent(by, w->callers, &squares);
	double seen = stats_icc(by, callers);
	g->icc = seen > w->limits.caller_icc ? seen : w->limits.caller_icc;
	g->effective_n = stats_effective_n(g->calls, squares, g->icc);
}

/* --- judging --- */

static enum gate_verdict verdict_of(const struct thresholds *t, const struct gate_figures *g)
{
	if (g->calls < t->min_calls)
		return GATE_FEW_CALLS;
	if (g->callers < t->min_callers)
		return GATE_FEW_CALLERS;
	if (g->rate <= g->limit)
		return GATE_GOOD;
	if (g->event_callers < t->min_callers)
		return GATE_FEW_CALLERS;
	return g->bound > g->limit ? GATE_PROVEN : GATE_NOT_PROVEN;
}

void gate_judge(const struct window *w, const struct seen_cause *c, struct gate_look look,
		struct gate_figures *out)
{
	struct gate_figures g = { .limit = gate_limit(&w->limits, c->kind) };
	find_effective(w, count(w, c, &g), &g);
	g.rate = g.calls > 0 ? g.events / g.calls : 0;
	g.shown = stats_wilson(g.rate * g.effective_n, g.effective_n, 1.959964);
	g.alpha = look.strictness * stats_sequential_alpha(w->limits.alpha_percent / 100,
							   look.number, (unsigned)look.causes);
	g.bound = stats_exact_lower(g.rate * g.effective_n, g.effective_n, g.alpha);
	g.verdict = verdict_of(&w->limits, &g);
	*out = g;
}
