/* What a change is expected to bring, and what that saves (C4). Percentage points throughout: of
 * the success rate they are additional successes per 100 calls. Pure. */
#ifndef CALLMEND_HEALING_GAIN_H
#define CALLMEND_HEALING_GAIN_H

#include "healing/gate.h"

struct range {
	double lower, middle, upper;
};
struct gain {
	struct range success;		   /* improvement of the success rate */
	struct range missing;		   /* drop of the missing-data rate */
	struct range share, fix, realised; /* what it is the product of, as shares */
};

/* How the calls of a window do altogether. */
struct gain_metrics {
	double calls, callers, outcomes, successes, with_fields, missing;
	double effective; /* effective calls for each call */
};
struct gain_metrics gain_measure(const struct window *);

/* `reason`: the most frequent one. `patterns`: what was learned before (heal_suggest_load.sql). */
struct gain gain_expect(const struct window *, const struct seen_cause *, struct span reason,
			struct json patterns);
/* Of a practice that no call shows. */
struct gain gain_expect_practice(const struct window *, struct json patterns);

/* "Save 24 minutes per 100 calls" */
void gain_roi(double improvement_points, double minutes_per_success, struct buf *out);
double gain_minutes_per_success(struct json loaded);

/* Members {"successRate", "missingDataRate", "failureReasons" ...} and {"successRateImprovement",
 * "missingDataReduction", "estimatedROI" ...} of objects that they begin and end. */
void gain_put_metrics(const struct window *, const struct gain_metrics *, struct json_out *o,
		      const char *key);
void gain_put(const struct gain *, double minutes_per_success, struct json_out *o, const char *key);

#endif
