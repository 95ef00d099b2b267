#include "media/join.h"

#include <stdlib.h>
#include <string.h>

#include "callmend/fault.h"

#define WAIT_SAMPLES (JOIN_WAIT_MS * LISTEN_RATE_HZ / 1000)
#define WINDOW ((int64_t)JOIN_PIECES * JOIN_SAMPLES)

static struct join_piece **place_of(struct join *j, int64_t at)
{
	return &j->pieces[at / JOIN_SAMPLES % JOIN_PIECES];
}

/* --- lines --- */

static struct join_part *part_of(struct join *j, bool here, unsigned part)
{
	for (unsigned i = 0; i < JOIN_PARTS_MAX; i++)
		if (j->parts[i].here == here && (!here || j->parts[i].part == part))
			return &j->parts[i];
	return NULL;
}

void join_begin(struct join *j, unsigned part)
{
	struct join_part *p = part_of(j, false, 0);

	if (p)
		*p = (struct join_part){ .here = true, .part = part };
}

void join_end(struct join *j, unsigned part)
{
	struct join_part *p = part_of(j, true, part);

	if (p)
		p->here = false;
}

/* --- pieces --- */

static int16_t sum(int16_t a, int16_t b)
{
	int32_t v = a + b;

	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

static void add(struct join_piece *to, const struct join_piece *p)
{
	for (unsigned i = 0; i < JOIN_SAMPLES; i++)
		to->samples[i] = sum(to->samples[i], p->samples[i]);
	to->dropped |= p->dropped;
}

static void free_all(struct join_piece *p)
{
	while (p) {
		struct join_piece *others = p->others;

		free(p);
		p = others;
	}
}

/* Has it a side that none of a lower rank has? */
static bool is_heard(const struct join_piece *all, const struct join_piece *p)
{
	unsigned taken = 0;

	for (const struct join_piece *q = all; q; q = q->others)
		taken |= q->rank < p->rank ? q->sides : 0;
	return (p->sides & ~taken) || !p->rank;
}

static struct join_piece *join_all(struct join_piece *all)
{
	struct join_piece *others;

	for (struct join_piece *p = all; p; p = p->others)
		if (!is_heard(all, p))
			memset(p->samples, 0, sizeof(p->samples));
	if (!all)
		return NULL;
	others = take(all->others);
	for (const struct join_piece *p = others; p; p = p->others)
		add(all, p);
	free_all(others);
	return all;
}

/* What lies a window back is given up: nobody has taken it, or there was a long pause. */
static void make_room(struct join *j, int64_t at)
{
	int64_t oldest = at - WINDOW + JOIN_SAMPLES;

	for (unsigned i = 0; i < JOIN_PIECES && j->next_at < oldest; i++) {
		free_all(take(*place_of(j, j->next_at)));
		j->next_at += JOIN_SAMPLES;
	}
	if (j->next_at < oldest)
		j->next_at = oldest;
}

/* Its own time; when that is over, or has a piece of this line already, the next one. */
static int64_t time_for(const struct join *j, const struct join_part *part, int64_t at)
{
	int64_t after = part ? part->last_at + JOIN_SAMPLES : 0;

	at = at < after ? after : at;
	return at < j->next_at ? j->next_at : at;
}

bool join_put(struct join *j, struct join_piece *p)
{
	struct join_part *part = part_of(j, true, p->part);
	bool first = !j->newest_at, back = !j->begun && j->newest_at - p->at < WINDOW;

	if (first || (back && p->at < j->next_at))
		j->next_at = p->at;
	int64_t at = time_for(j, part, p->at);
	if (at > p->at && at > j->newest_at)
		return false;
	p->at = at;
	if (part)
		part->last_at = at;
	make_room(j, at);
	struct join_piece **place = place_of(j, at);
	if (p->at > j->newest_at)
		j->newest_at = p->at;
	p->others = *place;
	*place = p;
	return true;
}

static bool is_ready(const struct join *j, int64_t at)
{
	bool all = true;

	for (unsigned i = 0; i < JOIN_PARTS_MAX; i++)
		all &= !j->parts[i].here || j->parts[i].last_at >= at;
	return all || j->newest_at - at >= WAIT_SAMPLES;
}

struct join_piece *join_next(struct join *j)
{
	j->begun = true;
	while (j->newest_at && j->next_at <= j->newest_at && is_ready(j, j->next_at)) {
		struct join_piece *p = join_all(take(*place_of(j, j->next_at)));

		j->next_at += JOIN_SAMPLES;
		if (!p)
			continue;
		if (p->dropped && j->taken_at)
			j->number += (uint32_t)((p->at - j->taken_at) / JOIN_SAMPLES - 1);
		p->number = j->number++;
		j->taken_at = p->at;
		return p;
	}
	return NULL;
}

void join_fini(struct join *j)
{
	for (unsigned i = 0; i < JOIN_PIECES; i++)
		free_all(take(j->pieces[i]));
}
