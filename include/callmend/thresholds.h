/* When something counts as wrong (C1): one table with defaults, limits and documentation, for
 * whoever decides by it (src/healing) and whoever takes it from people (src/store).
 * projects.thresholds holds those that differ. docs/healing.md is compared with it by a test. */
#ifndef CALLMEND_THRESHOLDS_H
#define CALLMEND_THRESHOLDS_H

/* X(name, default, least, most, documentation) */
#define THRESHOLDS(X)                                                                             \
	X(success_rate_min, 50, 0, 100, "percent of calls that should succeed")                   \
	X(missing_rate_max, 30, 0, 100, "percent of calls that may end without a required field") \
	X(tool_failure_max, 20, 0, 100, "percent of calls using a tool in which it may fail")     \
	X(failure_point_max, 20, 0, 100,                                                          \
	  "percent of calls that may fail at one and the same point")                             \
	X(frustration_max, 20, 0, 100, "percent of calls in which the caller may get frustrated") \
	X(unanswered_max, 10, 0, 100,                                                             \
	  "percent of calls that may leave one and the same question open")                       \
	X(min_calls, 30, 5, 10000, "eligible calls without which nothing is decided")             \
	X(min_callers, 5, 2, 1000, "different callers without whom nothing is decided")           \
	X(window_days, 28, 1, 365, "only calls of the last so many days are looked at")           \
	X(window_calls, 500, 30, 2000, "and of them only so many of the most recent")             \
	X(alpha_percent, 5, 0.1, 20,                                                              \
	  "chance, in percent, of ever opening an issue without reason, over all looks and "      \
	  "causes "                                                                               \
	  "of a version of the instructions")                                                     \
	X(caller_icc, 0.2, 0, 1, "how alike the calls of one caller are taken to be, at least")   \
	X(cooldown_days, 14, 0, 365,                                                              \
	  "after a suggestion was decided, or an issue dismissed, the same cause rests so long")  \
	X(practices, 1, 0, 1, "1: missing best practices are proposed; 0: they are not")

#endif
