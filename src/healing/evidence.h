/* What an issue shows for itself: figures, reasons grouped (C2), when in the call it happens, and
 * quotes, each with call, event, second, speaker and words. Pure. */
#ifndef CALLMEND_HEALING_EVIDENCE_H
#define CALLMEND_HEALING_EVIDENCE_H

#include "healing/gate.h"

enum { EVIDENCE_QUOTES = 5 };

/* The members of an object that is begun: {calls, callers, events, rate, lower, upper, bound,
 * threshold ...}, rates in percent; of success_rate the rate of successes. */
void evidence_put_figures(const struct seen_cause *, const struct gate_figures *,
			  struct json_out *o);
/* issues.evidence. `trigger`: the window that opened it, as JSON; absent: this one. */
void evidence_put(struct window *, const struct seen_cause *, const struct gate_figures *,
		  struct json trigger, struct json_out *o, const char *key);

#endif
