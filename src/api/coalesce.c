#include "api/coalesce.h"

#include <stdlib.h>
#include <uthash.h>

struct coalesce_key {
	struct uuid call;
	uint8_t speaker;
};

/* uthash keeps the order of insertion; a newer partial is inserted anew. */
struct coalesce_entry {
	struct coalesce_key key;
	struct live_event *event;
	UT_hash_handle hh;
};

static struct coalesce_entry *find(struct coalesce *c, const struct coalesce_key *key)
{
	struct coalesce_entry *e;
	HASH_FIND(hh, c->entries, key, sizeof(*key), e);
	return e;
}

static void drop(struct coalesce *c, struct coalesce_entry *e)
{
	HASH_DELETE(hh, c->entries, e);
	live_event_unref(e->event);
	free(e);
}

void coalesce_put(struct coalesce *c, struct live_event *event)
{
	struct coalesce_key key = { .call = event->call, .speaker = (uint8_t)event->speaker };
	struct coalesce_entry *e = find(c, &key);
	if (e)
		drop(c, e);
	e = calloc(1, sizeof(*e));
	CHECK(e);
	e->key = key;
	e->event = live_event_ref(event);
	HASH_ADD(hh, c->entries, key, sizeof(e->key), e);
}

size_t coalesce_count(const struct coalesce *c)
{
	return HASH_COUNT(c->entries);
}

/* Everything is taken out before `fn` sees any of it: sending may end in coalesce_clear. */
static void hand_out(struct coalesce_entry *e, coalesce_fn *fn, void *user)
{
	fn(user, e->event);
	live_event_unref(e->event);
	free(e);
}

enum { SPEAKERS = SPEAKER_USER + 1 };

/* In the order of sequence. */
static size_t take_out(struct coalesce *c, const struct uuid *call,
		       struct coalesce_entry *out[SPEAKERS])
{
	size_t n = 0;
	for (int speaker = 0; speaker < SPEAKERS; speaker++) {
		struct coalesce_key key = { .call = *call, .speaker = (uint8_t)speaker };
		struct coalesce_entry *e = find(c, &key);
		if (!e)
			continue;
		HASH_DELETE(hh, c->entries, e);
		size_t at = n++;
		for (; at > 0 && out[at - 1]->event->seq > e->event->seq; at--)
			out[at] = out[at - 1];
		out[at] = e;
	}
	return n;
}

void coalesce_take_call(struct coalesce *c, const struct uuid *call, coalesce_fn *fn, void *user)
{
	struct coalesce_entry *found[SPEAKERS];
	size_t n = c->entries ? take_out(c, call, found) : 0;
	for (size_t i = 0; i < n; i++)
		hand_out(found[i], fn, user);
}

void coalesce_take_all(struct coalesce *c, coalesce_fn *fn, void *user)
{
	struct coalesce taken = *c;
	struct coalesce_entry *e, *next;
	*c = (struct coalesce){ 0 };
	HASH_ITER (hh, taken.entries, e, next) {
		HASH_DELETE(hh, taken.entries, e);
		hand_out(e, fn, user);
	}
}

void coalesce_clear(struct coalesce *c)
{
	struct coalesce_entry *e, *next;
	HASH_ITER (hh, c->entries, e, next)
		drop(c, e);
}
