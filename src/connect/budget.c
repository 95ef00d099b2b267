/* Happy path: a group has room while what is under way and what was answered within its window are
 * fewer than its limit.
 *
 * Failure modes: somebody else uses the same user and app - X-Rate-Limit-Remaining says less than
 * we think, and the difference is counted as ours; 429 - the group, or all when it names none, is
 * closed, and nothing is sent that would prolong the penalty. */
#include "connect/budget.h"

#include <string.h>

#include "base/clock.h"

void budget_init(struct budget *b)
{
	static const unsigned limits[] = {
#define X(name, text, limit) limit,
		RATE_GROUPS(X)
#undef X
	};

	memset(b, 0, sizeof(*b));
	for (unsigned i = 0; i < RATE_GROUP_COUNT; i++) {
		b->groups[i].limit = limits[i];
		b->groups[i].window_us = RATE_WINDOW_S * SECOND_US;
	}
}

static void forget_old(struct budget_group *g, int64_t now_us)
{
	int64_t since_us = now_us - g->window_us - RATE_MARGIN_MS * MS_US;

	while (g->n && g->counted_us[g->first] <= since_us) {
		g->first = (g->first + 1) % RATE_LIMIT_MAX;
		g->n--;
	}
}

/* When enough of those that count have left the window. */
static int64_t room_at(const struct budget_group *g, unsigned limit)
{
	unsigned too_many = g->flying + g->n - limit; /* that must leave besides one */

	if (g->n <= too_many)
		return INT64_MAX;
	return g->counted_us[(g->first + too_many) % RATE_LIMIT_MAX] + g->window_us +
	       RATE_MARGIN_MS * MS_US;
}

int64_t budget_when(struct budget *b, enum rate_group group, bool urgent, int64_t now_us)
{
	if (group == RATE_NONE)
		return now_us;
	struct budget_group *g = &b->groups[group];
	unsigned limit = urgent ? g->limit : g->limit - g->limit / RATE_URGENT_PART;
	forget_old(g, now_us);
	int64_t room_us = g->flying + g->n < limit ? now_us : room_at(g, limit);
	return room_us > g->closed_until_us ? room_us : g->closed_until_us;
}

void budget_sent(struct budget *b, enum rate_group group)
{
	if (group != RATE_NONE)
		b->groups[group].flying++;
}

void budget_unsent(struct budget *b, enum rate_group group)
{
	if (group != RATE_NONE && b->groups[group].flying)
		b->groups[group].flying--;
}

static void count(struct budget_group *g, int64_t now_us)
{
	if (g->n == RATE_LIMIT_MAX) {
		g->first = (g->first + 1) % RATE_LIMIT_MAX;
		g->n--;
	}
	g->counted_us[(g->first + g->n) % RATE_LIMIT_MAX] = now_us;
	g->n++;
}

static int64_t within(int64_t v, int64_t least, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

static void learn(struct budget_group *g, const struct rate_answer *a, int64_t now_us)
{
	if (a->limit > 0)
		g->limit = (unsigned)within(a->limit, 1, RATE_LIMIT_MAX);
	if (a->window_s > 0)
		g->window_us = within(a->window_s, 1, RATE_PENALTY_MAX_S) * SECOND_US;
	forget_old(g, now_us);
	if (a->remaining < 0)
		return;
	/* Others' requests are counted like ours: they leave the window at the same time. */
	while ((int64_t)g->flying + g->n + a->remaining < g->limit)
		count(g, now_us);
}

static void close_group(struct budget_group *g, int64_t seconds, int64_t now_us)
{
	int64_t until_us = now_us + within(seconds, 1, RATE_PENALTY_MAX_S) * SECOND_US +
			   RATE_MARGIN_MS * MS_US;

	if (until_us > g->closed_until_us)
		g->closed_until_us = until_us;
}

static void punish(struct budget *b, enum rate_group group, const struct rate_answer *a,
		   int64_t now_us)
{
	int64_t wait_s = a->retry_after_s >= 0 ? a->retry_after_s
			 : a->limited	       ? RATE_PENALTY_S
					       : RATE_PENALTY_ALL_S;

	for (unsigned i = 0; i < RATE_GROUP_COUNT; i++)
		if (!a->limited || group == RATE_NONE || i == group)
			close_group(&b->groups[i], wait_s, now_us);
}

void budget_answered(struct budget *b, enum rate_group group, const struct rate_answer *a,
		     int64_t now_us)
{
	budget_unsent(b, group);
	if (group != RATE_NONE)
		count(&b->groups[group], now_us);
	if (!a)
		return;
	if (a->group != RATE_NONE) /* it knows better */
		group = a->group;
	if (group != RATE_NONE)
		learn(&b->groups[group], a, now_us);
	if (a->status == 429)
		punish(b, group, a, now_us);
}

int64_t budget_closed(const struct budget *b, enum rate_group group, int64_t now_us)
{
	if (group == RATE_NONE || b->groups[group].closed_until_us <= now_us)
		return 0;
	return b->groups[group].closed_until_us;
}
