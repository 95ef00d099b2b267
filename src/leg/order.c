/* Frames in the order of their numbers. A frame is held until those before it have come, or until
 * one comes that is further ahead than frames may overtake each other, or than there is room for.
 */
#include "leg/parts.h"

/* A number so far behind is no late frame: the sender has begun anew. */
enum { RESTART = 500, RECEIVED = 64 };
/* More missing frames than a platform loses: it counts otherwise. */
enum { MISSING_MAX = 180000 };

void order_init(struct leg *l, char *bytes, size_t cap)
{
	struct leg_order *o = &l->order;
	o->next = -1;
	o->bytes = bytes;
	o->bytes_cap = (uint32_t)cap;
	for (unsigned i = 0; i < LEG_REORDER_MAX; i++)
		l->slots[i].chunk = -1;
}

static struct leg_slot *slot_of(struct leg *l, int64_t chunk)
{
	return &l->slots[chunk % l->c.reorder];
}

static void forward(struct leg_order *o, int64_t by)
{
	o->received = by < RECEIVED ? o->received << by : 0;
	o->next += by;
}

static void turn(struct leg *l, const struct arrival *a)
{
	struct leg_order *o = &l->order;
	int64_t missing = o->missing <= MISSING_MAX ? o->missing : 0;
	forward(o, 1);
	o->received |= 1;
	o->missing = 0;
	leg_take(l, a, missing);
}

/* Closes the hole that a frame leaves. */
static void forget(struct leg *l, uint32_t from, uint32_t n)
{
	struct leg_order *o = &l->order;
	memmove(o->bytes + from, o->bytes + from + n, o->bytes_n - from - n);
	o->bytes_n -= n;
	for (unsigned i = 0; i < LEG_REORDER_MAX; i++)
		if (l->slots[i].from > from)
			l->slots[i].from -= n;
}

/* Gives the held frame of this slot out. */
static void release(struct leg *l, struct leg_slot *slot)
{
	struct leg_order *o = &l->order;
	struct arrival a = {
		{ o->bytes + slot->from, slot->n }, slot->chunk, slot->at_ms, slot->arrived_us
	};
	slot->chunk = -1;
	o->held--;
	turn(l, &a);
	if (slot->n)
		forget(l, slot->from, slot->n);
}

/* What is held from here on without a hole. */
static void drain(struct leg *l)
{
	while (l->order.held && slot_of(l, l->order.next)->chunk == l->order.next)
		release(l, slot_of(l, l->order.next));
}

static void skip(struct leg_order *o, int64_t by)
{
	o->missing += by;
	forward(o, by);
}

/* What has not come before `until` is lost. */
static void give_up(struct leg *l, int64_t until)
{
	struct leg_order *o = &l->order;
	while (o->held && o->next < until) {
		struct leg_slot *slot = slot_of(l, o->next);
		if (slot->chunk == o->next)
			release(l, slot);
		else
			skip(o, 1);
	}
	if (o->next < until)
		skip(o, until - o->next);
}

static bool hold(struct leg *l, const struct arrival *a)
{
	struct leg_order *o = &l->order;
	struct leg_slot *slot = l->c.reorder ? slot_of(l, a->chunk) : NULL;
	if (slot && slot->chunk == a->chunk) {
		l->sums.duplicates++;
		return true;
	}
	if (!slot || a->bytes.n > o->bytes_cap - o->bytes_n)
		return false;
	*slot = (struct leg_slot){ a->chunk, a->at_ms, a->arrived_us, o->bytes_n,
				   (uint32_t)a->bytes.n };
	if (a->bytes.n)
		memcpy(o->bytes + o->bytes_n, a->bytes.p, a->bytes.n);
	o->bytes_n += slot->n;
	o->held++;
	return true;
}

/* Has had its time: false when it is so far behind that the numbers begin anew. */
static bool late(struct leg *l, int64_t behind)
{
	if (behind > RESTART)
		return false;
	if (behind <= RECEIVED && (l->order.received >> (behind - 1) & 1))
		l->sums.duplicates++;
	else
		l->sums.late++;
	return true;
}

static void restart(struct leg *l, int64_t chunk)
{
	if (l->order.next >= 0)
		order_flush(l, INT64_MAX);
	l->order.next = l->order.newest = chunk;
	l->order.received = 0;
	l->order.missing = 0;
}

/* Held while those before it may still come. */
static void ahead(struct leg *l, const struct arrival *a)
{
	if (a->chunk - l->order.next > l->c.reorder)
		give_up(l, a->chunk - l->c.reorder);
	drain(l);
	if (a->chunk > l->order.next && hold(l, a))
		return;
	give_up(l, a->chunk);
	turn(l, a);
	drain(l);
}

void order_frame(struct leg *l, const struct arrival *a)
{
	struct leg_order *o = &l->order;
	if (o->next < 0 || (a->chunk < o->next && !late(l, o->next - a->chunk)))
		restart(l, a->chunk);
	else if (a->chunk < o->next)
		return;
	l->sums.reordered += a->chunk < o->newest;
	o->newest = a->chunk > o->newest ? a->chunk : o->newest;
	if (a->chunk > o->next) {
		ahead(l, a);
		return;
	}
	turn(l, a);
	drain(l);
}

static int64_t oldest(const struct leg *l)
{
	int64_t least = INT64_MAX;
	for (unsigned i = 0; i < l->c.reorder; i++)
		if (l->slots[i].chunk >= 0 && l->slots[i].arrived_us < least)
			least = l->slots[i].arrived_us;
	return least;
}

void order_flush(struct leg *l, int64_t before_us)
{
	if (!l->order.held || oldest(l) >= before_us)
		return;
	give_up(l, l->order.newest + 1);
}
