/* What may go wrong (C1): kinds of causes, and what the calls of a window show of each. A cause is
 * a kind and a subject: missing_data of field "email". Pure. */
#ifndef CALLMEND_HEALING_CAUSES_H
#define CALLMEND_HEALING_CAUSES_H

#include "healing/window.h"

/* X(id, name, threshold, minimum calls of a group, documentation). In order of how much they say: a
 * cause further down is not opened when the calls that show it are explained by proven ones above
 * it. */
#define CAUSES(X)                                                                               \
	X(MISSING_DATA, "missing_data", missing_rate_max,                                       \
	  "eligible calls that end without a required field")                                   \
	X(TOOL_FAILURE, "tool_failure", tool_failure_max,                                       \
	  "calls in which a tool failed, of those that used it; about the tool, never against " \
	  "the "                                                                                \
	  "instructions")                                                                       \
	X(UNANSWERED, "unanswered_question", unanswered_max,                                    \
	  "eligible calls that left the same question without a satisfying answer")             \
	X(FRUSTRATION, "frustration", frustration_max,                                          \
	  "eligible calls in which the caller got frustrated")                                  \
	X(FAILURE_POINT, "failure_point", failure_point_max,                                    \
	  "eligible calls that failed at the same point, put down to the instructions")         \
	X(SUCCESS_RATE, "success_rate", success_rate_min,                                       \
	  "eligible calls with a known outcome that failed")                                    \
	X(BEST_PRACTICE, "best_practice", practices,                                            \
	  "something good instructions say that these do not; needs no calls")
enum cause_kind {
#define X(id, name, limit, doc) CAUSE_##id##_KIND,
	CAUSES(X)
#undef X
		CAUSE_KINDS
};
const char *causes_name(enum cause_kind);
bool causes_from(struct span name, enum cause_kind *out);

/* One call that shows a cause. */
struct hit {
	size_t call;
	struct span reason; /* what kind of it: "never_asked", "timeout", a point of failure */
	bool has_seq;
	int64_t seq, offset_ms; /* offset_ms < 0: unknown */
	struct span speaker, text;
};

/* With {"seq","offset_ms","speaker","text"}, as far as they are there. */
struct hit causes_hit(struct window *, struct json passage, size_t call);

struct seen_cause {
	enum cause_kind kind;
	struct span subject, title;
	struct hit *hits; /* at most one for each call, in the order of the calls */
	size_t hits_n;
	bool *among;  /* by call: belongs to those the rate is taken over */
	bool counted; /* one of those the error probability is shared among */
};

struct seen_causes {
	struct seen_cause *of;
	size_t n, counted_n;
};

/* `open_questions`: subjects of open issues about questions: what they group stays under their
 * name.
 */
void causes_find(struct window *, struct json open_issues, struct seen_causes *out);

#endif
