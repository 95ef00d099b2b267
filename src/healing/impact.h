/* What came of accepted suggestions (C7): before and after, as an observation, with an interval.
 * Pure. */
#ifndef CALLMEND_HEALING_IMPACT_H
#define CALLMEND_HEALING_IMPACT_H

#include "healing/window.h"

/* X(id, name, documentation) */
#define IMPACT_STATES(X)                                                                        \
	X(WORKED, "worked", "better beyond doubt, and by more than 80 % of what was predicted") \
	X(DID_NOT_WORK, "did_not_work", "less than 80 % of what was predicted, beyond doubt")   \
	X(INCONCLUSIVE, "inconclusive", "cannot be told yet, or not from so few calls")

/* An array of {"suggestion", "impact": suggestions.actual_impact, "pattern": what is learned of it,
 * or null}. */
void impact_put_all(const struct window *, struct json_out *o, const char *key);

#endif
