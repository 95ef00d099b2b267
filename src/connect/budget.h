/* Budgets of requests, as RingCentral counts them: per user and app, in groups, in sliding windows
 * ("Rate limits" of its developer guide). Pure; time is monotonic and passed in.
 *
 * A request counts from the moment it is sent until a window after its answer, which is later than
 * the platform has seen it: what we send never passes the limit, however slow the way. */
#ifndef CALLMEND_CONNECT_BUDGET_H
#define CALLMEND_CONNECT_BUDGET_H

#include <stdint.h>

#include "callmend/span.h"

/* X(NAME, "name" in X-Rate-Limit-Group, requests a minute until the platform says otherwise) */
#define RATE_GROUPS(X)          \
	X(LIGHT, "light", 50)   \
	X(MEDIUM, "medium", 40) \
	X(HEAVY, "heavy", 10)   \
	X(AUTH, "auth", 5)
enum rate_group {
#define X(name, text, limit) RATE_##name,
	RATE_GROUPS(X)
#undef X
		RATE_GROUP_COUNT,
	RATE_NONE = RATE_GROUP_COUNT, /* counted nowhere */
};
enum {
	RATE_LIMIT_MAX = 500, /* more are not used, whatever the platform allows */
	RATE_WINDOW_S = 60,   /* until the platform says otherwise */
	RATE_URGENT_PART = 5,
	RATE_PENALTY_S = 60,	 /* of a group, after a 429 without Retry-After ... */
	RATE_PENALTY_ALL_S = 30, /* ... of all, when it names no group */
	RATE_PENALTY_MAX_S = 3600,
	RATE_MARGIN_MS = 500, /* seconds are rounded, and clocks differ */
};

struct budget_group {
	unsigned limit;
	int64_t window_us, closed_until_us;
	unsigned flying;		    /* sent, not answered */
	int64_t counted_us[RATE_LIMIT_MAX]; /* ring of answers within the window */
	unsigned first, n;
};
struct budget {
	struct budget_group groups[RATE_GROUP_COUNT];
};

/* What an answer says of the budget; absent numbers are -1. */
struct rate_answer {
	int status;
	enum rate_group group; /* RATE_NONE: it says nothing */
	bool limited;	       /* some X-Rate-Limit header is there */
	int64_t limit, remaining, window_s, retry_after_s;
};

void budget_init(struct budget *);
/* When the next request of this group may be sent; <= now_us: at once. INT64_MAX: not before an
 * answer has come. The last fifth of a limit is for urgent ones. */
int64_t budget_when(struct budget *, enum rate_group, bool urgent, int64_t now_us);
void budget_sent(struct budget *, enum rate_group);
/* It surely never left: it does not count. */
void budget_unsent(struct budget *, enum rate_group);
/* Its answer, or that none came (`answer` NULL). */
void budget_answered(struct budget *, enum rate_group, const struct rate_answer *answer,
		     int64_t now_us);
/* Until when this group is closed after a 429; 0: it is open. */
int64_t budget_closed(const struct budget *, enum rate_group, int64_t now_us);

#endif
