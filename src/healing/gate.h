/* The evidence gate: is it proven that a cause is beyond its limit? (docs/evidence.md)
 *
 * Calls of one caller are alike, hence counts are taken as effective ones. Proven is what an exact
 * binomial bound shows at the error probability this look at this cause may use: all looks at all
 * causes of a version err together with at most thresholds.alpha_percent. Pure. */
#ifndef CALLMEND_HEALING_GATE_H
#define CALLMEND_HEALING_GATE_H

#include "analysis/stats.h"
#include "healing/causes.h"

/* X(id, name, documentation) */
#define VERDICTS(X)                                                                            \
	X(FEW_CALLS, "few_calls", "fewer calls than min_calls")                                \
	X(FEW_CALLERS, "few_callers", "fewer callers, or callers concerned, than min_callers") \
	X(GOOD, "good", "on the good side of its threshold")                                   \
	X(NOT_PROVEN, "not_proven", "beyond its threshold, but it may be chance")              \
	X(PROVEN, "proven", "beyond its threshold beyond doubt")
enum gate_verdict {
#define X(id, name, doc) GATE_##id,
	VERDICTS(X)
#undef X
};
const char *gate_verdict_name(enum gate_verdict);

struct gate_figures {
	double calls, events, rate;
	unsigned callers, event_callers;
	double icc, effective_n;
	struct interval shown; /* 95 % Wilson, of the effective counts */
	double limit;	       /* share of events that is still good */
	double alpha;	       /* what this look at this cause may err with */
	double bound;	       /* the share of events is above it, but for alpha */
	enum gate_verdict verdict;
};

/* A look: its number, what it shares its error with, and how much stricter than usual (1; 0.1 for a
 * cause that was rejected once). */
struct gate_look {
	unsigned number;
	size_t causes;
	double strictness;
};
void gate_judge(const struct window *, const struct seen_cause *, struct gate_look,
		struct gate_figures *out);
/* The limit of a kind as a share of bad events: 0.3; of success_rate_min 50: 0.5. */
double gate_limit(const struct thresholds *, enum cause_kind);

#endif
