#include "call/parts.h"

int64_t timers_next(const struct session *s)
{
	int64_t next = INT64_MAX;
	for (size_t i = 0; !s->timers_stopped && stages[i]; i++) {
		int64_t due = stages[i]->deadline ? stages[i]->deadline(s) : INT64_MAX;
		next = due < next ? due : next;
	}
	return next;
}

/* The earliest stage among those whose deadline is the least. */
static size_t first_due(const struct session *s, int64_t due)
{
	size_t i = 0;
	while (!stages[i]->deadline || stages[i]->deadline(s) != due)
		i++;
	return i;
}

void timers_run(struct session *s, int64_t t_us)
{
	/* A timer that does not move its deadline on would never end: our bug, not input. */
	int64_t due = timers_next(s), before = INT64_MIN;
	for (unsigned same = 0; due <= t_us; due = timers_next(s)) {
		same = due == before ? same + 1 : 0;
		CHECK(same < 1024);
		before = due;
		size_t i = first_due(s, due);
		s->now.at_us = due > s->last_us ? due : s->last_us;
		s->now.provider_us = 0;
		s->stage = i + 1;
		stages[i]->timer(s);
	}
	s->now.at_us = s->now.arrived_us;
	s->stage = 0;
}
